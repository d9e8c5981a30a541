/* hv_memory_test.c - a guest's memory is what any memory is: a pager's, a copy made at the first
 * write, 2 MiB in one piece, shared by processors. */
#include <fcntl.h>
#include <mach.h>
#include <mach_port.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/guest.h"
#include "lib/ipc.h"

#define PATH   "/tmp/hv_memory_test"
#define SIZE   4096u
#define AT     0x300000u
#define LARGE  0x200000u
#define ROUNDS 20000u

GUEST_CODE64(copy64, "movl $0x300000, %ebx; movq (%rbx), %rax; movq $0x41414141, %rcx\n"
                     "movq %rcx, 8(%rbx); movq 8(%rbx), %rdx; hlt");

static const char text[] = "what is in the file";

/* A page of a file, mapped so. */
static char *map_file(int flags)
{
    int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *at;

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, sizeof(text)), sizeof(text));
    CHECK_EQ(ftruncate(fd, SIZE), 0);
    at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
    CHECK(at != MAP_FAILED);
    close(fd);
    return at;
}

/* Have the guest read the start of it and write behind that. */
static void check_copy(char *page)
{
    struct guest g;
    uint64_t word;

    CHECK(GUEST_START(&g, GUEST_LONG, copy64));
    CHECK_EQ(hv_machine_share(g.machine, AT, SIZE, mach_task_self(), (vm_address_t)page,
                              VM_PROT_DEFAULT),
             KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    memcpy(&word, text, sizeof(word));
    CHECK_EQ(guest_register(&g, HV_RAX), word);
    CHECK_EQ(guest_register(&g, HV_RDX), 0x41414141);
    CHECK_EQ(memcmp(page + 8, "AAAA", 4), 0); /* both see the same */
    guest_destroy(&g);
}

static void check_file(const char *expected)
{
    char bytes[16] = {0};
    int fd = open(PATH, O_RDONLY);

    CHECK_EQ(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
    CHECK_EQ(memcmp(bytes + 8, expected, 4), 0);
    close(fd);
}

TEST(memory_of_a_pager_is_supplied_to_a_guest_and_returned)
{
    char *page;

    if (!guest_is_possible()) {
        return;
    }
    page = map_file(MAP_SHARED);
    check_copy(page);
    CHECK_EQ(msync(page, SIZE, MS_SYNC), 0);
    check_file("AAAA");
    munmap(page, SIZE);
    unlink(PATH);
}

TEST(a_guest_writes_to_its_own_copy)
{
    char *page;

    if (!guest_is_possible()) {
        return;
    }
    page = map_file(MAP_PRIVATE);
    check_copy(page);
    check_file(text + 8);
    munmap(page, SIZE);
    unlink(PATH);
}

/* --- 2 MiB in one piece --- */

GUEST_CODE32(stride32, "movl $0x400000, %ebx; movl $1024, %ecx\n"
                       "1: movl %ecx, (%ebx); addl $4096, %ebx; loop 1b; outb %al, $0x80\n"
                       "movl $7, 0x500000; hlt");

TEST(two_mebibytes_are_protected_in_part)
{
    vm_address_t at = 2 * LARGE;
    struct guest g;
    vm_offset_t data = 0;
    mach_msg_type_number_t n = 0;

    if (!GUEST_START(&g, GUEST_PROTECTED, stride32)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, 2 * LARGE, FALSE), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(vm_protect(g.machine, 0x500000, SIZE, FALSE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->address, 0x500000);
    CHECK_EQ(g.record->value, KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_read(g.machine, 0x500000, SIZE, &data, &n), KERN_SUCCESS);
    CHECK_EQ(*(uint32_t *)data, 1024 - 256);
    vm_deallocate(mach_task_self(), data, n);
    CHECK_EQ(vm_protect(g.machine, 0x500000, SIZE, FALSE, VM_PROT_DEFAULT), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    guest_destroy(&g);
}

/* Both see zeroes where the guest's memory was discarded; what cannot be is refused. */
TEST(memory_that_is_not_needed_is_given_up)
{
    vm_address_t at = 2 * LARGE, mine = 0;
    struct guest g;
    vm_offset_t data = 0;
    mach_msg_type_number_t n = 0;

    if (!GUEST_START(&g, GUEST_PROTECTED, stride32)) {
        return;
    }
    CHECK_EQ(vm_allocate(mach_task_self(), &mine, 2 * LARGE, TRUE), KERN_SUCCESS);
    CHECK_EQ(hv_machine_share(g.machine, at, 2 * LARGE, mach_task_self(), mine, VM_PROT_ALL),
             KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(*(uint32_t *)(mine + SIZE), 1023);
    CHECK_EQ(hv_machine_discard(g.machine, at + SIZE, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_discard(g.machine, at + 1, SIZE), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_discard(g.machine, at, HV_DISCARD_MAX + SIZE), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_discard(mach_task_self(), at, SIZE), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_discard(g.machine, -(vm_address_t)SIZE, SIZE), KERN_INVALID_ADDRESS);
    CHECK_EQ(hv_machine_discard(g.machine, 4 * LARGE - SIZE, 2 * SIZE), KERN_INVALID_ADDRESS);
    CHECK_EQ(hv_machine_discard(g.machine, at + SIZE, HV_DISCARD_MAX), KERN_SUCCESS);
    CHECK_EQ(*(uint32_t *)mine, 1024);
    CHECK_EQ(*(uint32_t *)(mine + SIZE), 0);
    CHECK_EQ(*(uint32_t *)(mine + LARGE), 0);
    CHECK_EQ(*(uint32_t *)(mine + LARGE + SIZE), 1024 - 513);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(*(uint32_t *)(mine + 0x100000), 7); /* where it has written since */
    CHECK_EQ(vm_protect(g.machine, at, SIZE, FALSE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(hv_machine_discard(g.machine, at, SIZE), KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_read(g.machine, at + LARGE, LARGE, &data, &n), KERN_SUCCESS);
    CHECK_EQ(hv_machine_discard(g.machine, at + LARGE, SIZE), KERN_FAILURE);
    CHECK_EQ(vm_deallocate(mach_task_self(), data, n), KERN_SUCCESS);
    CHECK_EQ(hv_machine_discard(g.machine, at + LARGE, SIZE), KERN_SUCCESS);
    CHECK_EQ(hv_machine_terminate(g.machine), KERN_SUCCESS);
    CHECK_EQ(hv_machine_discard(g.machine, at, SIZE), KERN_TERMINATED);
    vm_deallocate(mach_task_self(), mine, 2 * LARGE);
    guest_destroy(&g);
}

/* What a task copies out of a guest's memory stays as it was. */
TEST(a_copy_of_a_guests_memory_does_not_change_with_it)
{
    const vm_size_t size = 64 * SIZE; /* shared copy-on-write, not copied */
    vm_address_t at = 2 * LARGE;
    struct guest g;
    vm_offset_t data = 0;
    mach_msg_type_number_t n = 0;

    if (!GUEST_START(&g, GUEST_PROTECTED, stride32)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, 2 * LARGE, FALSE), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(vm_read(g.machine, 0x500000, size, &data, &n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(*(uint32_t *)data, 1024 - 256);
    vm_deallocate(mach_task_self(), data, n);
    CHECK_EQ(vm_read(g.machine, 0x500000, SIZE, &data, &n), KERN_SUCCESS);
    CHECK_EQ(*(uint32_t *)data, 7);
    vm_deallocate(mach_task_self(), data, n);
    guest_destroy(&g);
}

/* --- two processors --- */

GUEST_CODE64(add64, "movl $20000, %ecx; 1: lock incq 0x3000; loop 1b; hlt");

static void *run_processor(void *argument)
{
    struct guest *g = argument;

    CHECK_EQ(guest_run(g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    if (g->record->reason != HV_EXIT_HALT) {
        printf("  reason %u, address 0x%lx, qualification %lu, value 0x%lx, rip 0x%lx rcx 0x%lx "
               "cr3 0x%lx exits %lu\n",
               g->record->reason, g->record->address, g->record->qualification, g->record->value,
               g->record->registers[HV_RIP], g->record->registers[HV_RCX], g->record->cr3,
               g->record->exits);
    }
    return NULL;
}

/* One more processor for the machine, in the state of the first. */
static void add_processor(struct guest *second, const struct guest *first)
{
    guest_add(second, first);
    for (int flavor = 0; flavor < HV_STATE_APIC; flavor++) {
        mach_msg_type_number_t n = HV_STATE_MAX;
        hv_state_t state;

        CHECK_EQ(hv_vcpu_get_state(first->vcpu, flavor, state, &n), KERN_SUCCESS);
        CHECK_EQ(hv_vcpu_set_state(second->vcpu, flavor, state, n), KERN_SUCCESS);
    }
}

TEST(processors_of_a_machine_share_its_memory)
{
    struct guest first, second;
    pthread_t threads[2];

    if (!GUEST_START(&first, GUEST_LONG, add64)) {
        return;
    }
    add_processor(&second, &first);
    CHECK_EQ(pthread_create(&threads[0], NULL, run_processor, &first), 0);
    CHECK_EQ(pthread_create(&threads[1], NULL, run_processor, &second), 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    CHECK_EQ(pthread_join(threads[1], NULL), 0);
    CHECK_EQ(*(uint64_t *)(first.memory + 0x3000), 2 * ROUNDS);
    guest_remove(&second);
    guest_destroy(&first);
}

/* --- while it runs --- */

GUEST_CODE64(spin64, "1: incq 0x400000; incq 0x3000; jmp 1b");

static void *spin(void *argument)
{
    struct guest *g = argument;

    CHECK_EQ(guest_run(g, 0), HV_EXIT_KICKED);
    return NULL;
}

/* Wait until the guest has gone on. */
static void wait_for_guest(const struct guest *g)
{
    const volatile uint64_t *counter = (const volatile uint64_t *)(g->memory + 0x3000);
    uint64_t before = *counter;

    while (*counter == before) {
        ipc_pause_ms(1);
    }
}

/* Copies of memory that is the guest's alone, and of memory that it shares: the pages are taken
 * away from it in both ways there are, by address and by page. */
TEST(copies_are_made_of_a_guest_that_runs_and_stay_as_they_were)
{
    static const vm_address_t from[] = {0, 0x400000};
    static const vm_size_t where[] = {0x3000, 0};
    vm_address_t at = 0x400000;
    pthread_t thread;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, spin64)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, 16 * SIZE, FALSE), KERN_SUCCESS);
    CHECK_EQ(pthread_create(&thread, NULL, spin, &g), 0);
    for (unsigned i = 0; i < 60; i++) {
        vm_offset_t data = 0;
        mach_msg_type_number_t n = 0;
        uint64_t then;

        wait_for_guest(&g);
        CHECK_EQ(vm_read(g.machine, from[i % 2], 16 * SIZE, &data, &n), KERN_SUCCESS);
        then = *(volatile uint64_t *)(data + where[i % 2]);
        wait_for_guest(&g);
        CHECK_EQ(*(volatile uint64_t *)(data + where[i % 2]), then);
        vm_deallocate(mach_task_self(), data, n);
    }
    hv_vcpu_kick(g.vcpu);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    guest_destroy(&g);
}
