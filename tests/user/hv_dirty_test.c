/* hv_dirty_test.c - the log of the pages that a guest has written. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/guest.h"
#include "lib/ipc.h"

#define PAGE   0x1000u
#define PAGES  (GUEST_MEMORY / PAGE)
#define WORDS  (PAGES / HV_DIRTY_PAGES)
#define BLOCK  (HV_DIRTY_PAGES * PAGE)
#define ROUNDS 40u
#define MANY   1024u

/* Writes pages 0x41 and 0x80, reads 0x42. */
GUEST_CODE32(touch32,
             "1: movb $1, 0x41000; movb 0x42000, %al; movb $1, 0x80123; outb %al, $0x80; jmp 1b");
/* Writes each of 1,024 pages at 2 MiB, again and again. */
GUEST_CODE32(many32, "1: movl $0x200000, %ebx; 2: incl (%ebx); addl $0x1000, %ebx\n"
                     "cmpl $0x600000, %ebx; jb 2b; outb %al, $0x80; jmp 1b");
/* Adds 1 at places all over the memory above 0x40000. */
GUEST_CODE32(scatter32,
             "movl $12345, %eax; 1: imull $1103515245, %eax; addl $12345, %eax; movl %eax, %ebx\n"
             "shrl $8, %ebx; andl $0xbfffc, %ebx; addl $1, 0x40000(%ebx); jmp 1b");

static void get_all(const struct guest *g, hv_dirty_t pages)
{
    mach_msg_type_number_t n = HV_DIRTY_MAX;

    memset(pages, 0, sizeof(hv_dirty_t));
    CHECK_EQ(hv_machine_get_dirty(g->machine, 0, GUEST_MEMORY, pages, &n), KERN_SUCCESS);
    CHECK_EQ(n, WORDS);
}

static void check_words(const hv_dirty_t pages, int64_t second, int64_t third)
{
    CHECK_EQ(pages[0], 0);
    CHECK_EQ(pages[1], second);
    CHECK_EQ(pages[2], third);
    CHECK_EQ(pages[3], 0);
}

TEST(pages_that_are_written_are_told_once)
{
    hv_dirty_t pages;
    mach_msg_type_number_t n = HV_DIRTY_MAX;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT); /* they can be written when the log begins */
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, GUEST_MEMORY), KERN_SUCCESS);
    get_all(&g, pages);
    check_words(pages, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
        CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
        get_all(&g, pages);
        check_words(pages, 2, 1);
        get_all(&g, pages);
        check_words(pages, 0, 0);
    }
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(hv_machine_get_dirty(g.machine, BLOCK, BLOCK, pages, &n), KERN_SUCCESS); /* a part */
    CHECK_EQ(n, 1);
    CHECK_EQ(pages[0], 2);
    get_all(&g, pages);
    check_words(pages, 0, 1);
    CHECK_EQ(hv_machine_stop_dirty(g.machine), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    guest_destroy(&g);
}

TEST(memory_that_goes_and_comes_back_is_still_logged)
{
    hv_dirty_t pages;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, GUEST_MEMORY), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(vm_protect(g.machine, 0, GUEST_MEMORY, FALSE, VM_PROT_READ), KERN_SUCCESS);
    get_all(&g, pages);
    check_words(pages, 2, 1);
    CHECK_EQ(vm_protect(g.machine, 0, GUEST_MEMORY, FALSE, VM_PROT_ALL), KERN_SUCCESS);
    get_all(&g, pages);
    check_words(pages, 0, 0);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    get_all(&g, pages);
    check_words(pages, 2, 1);
    guest_destroy(&g);
}

/* A guest's own memory, which a fault may map 2 MiB at a time. */
TEST(large_mappings_are_logged_page_by_page)
{
    vm_address_t at = 0x200000;
    hv_dirty_t pages;
    mach_msg_type_number_t n = HV_DIRTY_MAX;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, 0x400000, FALSE), KERN_SUCCESS);
    memcpy(g.memory + GUEST_CODE, (const uint8_t[]){0xc6, 0x05, 0, 0, 0x20, 0, 1, 0xf4}, 8);
    memcpy(g.memory + GUEST_CODE + 8, (const uint8_t[]){0xc6, 0x05, 0, 0x30, 0x20, 0, 1}, 7);
    memcpy(g.memory + GUEST_CODE + 15, (const uint8_t[]){0xc6, 0x05, 0, 0x50, 0x40, 0, 1, 0xf4}, 8);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT); /* byte 0x200000 */
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0x200000, 0x400000), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT); /* 0x203000, 0x405000 */
    CHECK_EQ(hv_machine_get_dirty(g.machine, 0x200000, 0x400000, pages, &n), KERN_SUCCESS);
    CHECK_EQ(n, 16);
    CHECK_EQ(pages[0], 8);
    CHECK_EQ(pages[8], 32);
    for (unsigned i = 0; i < n; i++) {
        CHECK(i == 0 || i == 8 || pages[i] == 0);
    }
    guest_destroy(&g);
}

/* The next run of a guest that writes all of its pages at 2 MiB: how often it was left. */
static uint64_t write_many(struct guest *g)
{
    uint64_t before = g->record->exits;

    CHECK_EQ(guest_run(g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    return g->record->exits - before;
}

/* More than a processor's own log has room for, if it has one: then the guest is hardly left. */
TEST(many_pages_are_logged)
{
    vm_address_t at = 0x200000;
    hv_dirty_t pages;
    mach_msg_type_number_t n;
    struct guest g;
    uint64_t exits = 0;

    if (!GUEST_START(&g, GUEST_PROTECTED, many32)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, MANY * PAGE, FALSE), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    (void)write_many(&g);
    CHECK_EQ(hv_machine_start_dirty(g.machine, at, MANY * PAGE), KERN_SUCCESS);
    for (unsigned round = 0; round < 3; round++) {
        exits = write_many(&g);
        n = HV_DIRTY_MAX;
        CHECK_EQ(hv_machine_get_dirty(g.machine, at, MANY * PAGE, pages, &n), KERN_SUCCESS);
        CHECK_EQ(n, MANY / HV_DIRTY_PAGES);
        for (unsigned i = 0; i < n; i++) {
            CHECK_EQ(pages[i], -1);
        }
    }
    printf("%u pages logged with %s exits\n", MANY, exits < MANY / 4 ? "few" : "many");
    CHECK_EQ(hv_machine_stop_dirty(g.machine), KERN_SUCCESS);
    CHECK(write_many(&g) < MANY + 16);
    CHECK(write_many(&g) < 16);
    guest_destroy(&g);
}

TEST(a_log_is_asked_for_as_it_is)
{
    hv_dirty_t pages;
    mach_msg_type_number_t n = HV_DIRTY_MAX;
    mach_port_t other = mach_task_self();
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(hv_machine_start_dirty(other, 0, PAGE), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_get_dirty(other, 0, PAGE, pages, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_stop_dirty(other), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_get_dirty(g.machine, 0, PAGE, pages, &n), KERN_FAILURE);
    CHECK_EQ(hv_machine_stop_dirty(g.machine), KERN_FAILURE);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 1, PAGE), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 1ul << 40, PAGE), KERN_INVALID_ADDRESS);
    CHECK_EQ(hv_machine_start_dirty(g.machine, PAGE, -(vm_size_t)PAGE), KERN_INVALID_ADDRESS);
    CHECK_EQ(hv_machine_start_dirty(g.machine, PAGE, BLOCK + 3 * PAGE), KERN_SUCCESS);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, PAGE), KERN_FAILURE);
    CHECK_EQ(hv_machine_get_dirty(g.machine, 0, BLOCK, pages, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_get_dirty(g.machine, PAGE, PAGE, pages, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_get_dirty(g.machine, PAGE, 2 * BLOCK, pages, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_get_dirty(g.machine, 2 * PAGE, BLOCK, pages, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_get_dirty(g.machine, PAGE, 0, pages, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_get_dirty(g.machine, PAGE, 65ul * BLOCK, pages, &n), KERN_INVALID_ARGUMENT);
    n = HV_DIRTY_MAX;
    CHECK_EQ(hv_machine_get_dirty(g.machine, PAGE, BLOCK + 3 * PAGE, pages, &n), KERN_SUCCESS);
    CHECK_EQ(n, 2);
    CHECK_EQ(hv_machine_terminate(g.machine), KERN_SUCCESS);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, PAGE), KERN_TERMINATED);
    CHECK_EQ(hv_machine_get_dirty(g.machine, PAGE, BLOCK, pages, &n), KERN_TERMINATED);
    CHECK_EQ(hv_machine_stop_dirty(g.machine), KERN_TERMINATED);
    guest_destroy(&g);
}

static int64_t kernel_pages(int64_t *limit)
{
    portolan_ledger_t used, limits;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX, m = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(task_get_ledger(mach_task_self(), used, &n, limits, &m), KERN_SUCCESS);
    *limit = limits[PORTOLAN_LEDGER_KMEM_PAGES];
    return used[PORTOLAN_LEDGER_KMEM_PAGES];
}

static void set_limit(int64_t limit)
{
    CHECK_EQ(task_set_ledger_limit(portolan_port("host"), mach_task_self(),
                                   PORTOLAN_LEDGER_KMEM_PAGES, limit),
             KERN_SUCCESS);
}

TEST(a_log_is_charged_to_who_made_the_machine)
{
    const vm_size_t size = 1ul << 35; /* 2^23 pages: 1 MiB of bits */
    int64_t before, limit;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    before = kernel_pages(&limit);
    set_limit(before + 255);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, size), KERN_RESOURCE_SHORTAGE);
    set_limit(limit);
    CHECK_EQ(kernel_pages(&limit), before);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, size), KERN_SUCCESS);
    CHECK_EQ(kernel_pages(&limit), before + 256);
    CHECK_EQ(hv_machine_stop_dirty(g.machine), KERN_SUCCESS);
    CHECK_EQ(kernel_pages(&limit), before);
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, size), KERN_SUCCESS);
    guest_destroy(&g);
}

static void *run_until_kicked(void *argument)
{
    CHECK_EQ(guest_run(argument, 0), HV_EXIT_KICKED);
    return NULL;
}

static void copy_written(const struct guest *g, uint8_t *copy)
{
    hv_dirty_t pages;

    get_all(g, pages);
    for (unsigned i = 0; i < PAGES; i++) {
        if ((pages[i / HV_DIRTY_PAGES] >> i % HV_DIRTY_PAGES & 1) != 0) {
            memcpy(copy + i * PAGE, g->memory + i * PAGE, PAGE);
        }
    }
}

/* As a machine is moved: copied while it runs, again and again, and the rest when it is stopped. */
TEST(a_copy_made_while_the_guest_runs_is_the_same_in_the_end)
{
    static uint8_t copy[GUEST_MEMORY];
    pthread_t thread;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, scatter32)) {
        return;
    }
    CHECK_EQ(hv_machine_start_dirty(g.machine, 0, GUEST_MEMORY), KERN_SUCCESS);
    memcpy(copy, g.memory, sizeof(copy));
    CHECK_EQ(pthread_create(&thread, NULL, run_until_kicked, &g), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        copy_written(&g, copy);
        ipc_pause_ms(1);
    }
    CHECK_EQ(hv_vcpu_kick(g.vcpu), KERN_SUCCESS);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    copy_written(&g, copy);
    CHECK_EQ(memcmp(copy, g.memory, sizeof(copy)), 0);
    guest_destroy(&g);
}
