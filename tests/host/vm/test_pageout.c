/* test_pageout.c - page replacement: memory that is more than the machine has, kept by a default
 * pager of the test, and files whose pages go and come back. */
#include "fake_pager.h"
#include "tests.h"

#include <stdlib.h>

#include "ipc/ipc_port.h"
#include "kern/thread.h"
#include "mach_kernel_server.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"
#include "vm/vm_user.h"

/* What the default pager keeps: of one object, by page number. */
#define SWAP_PAGES 40000u
static uint64_t *swap[SWAP_PAGES]; /* the first word of each page: the rest follows from it */
static struct {
    unsigned created, initialized, returned, requests, ends;
} swap_seen;

static void swap_keep(const struct fake_message *message)
{
    for (vm_size_t at = 0; at < message->length; at += PG) {
        uint64_t index = (message->offset + at) / PG;

        assert_true(index < SWAP_PAGES);
        if (swap[index] == NULL) {
            swap[index] = malloc(PG);
        }
        ok(vm_copy_read(message->data, at, swap[index], PG));
    }
    vm_copy_discard(message->data);
}

static void swap_supply(const struct fake_message *message)
{
    for (vm_size_t at = 0; at < message->length; at += PG) {
        uint64_t *page = swap[(message->offset + at) / PG];

        assert_non_null(page);
        ok(memory_object_data_supply(message->object, message->offset + at,
                                     vm_copy_from_kernel(page, PG), PG, VM_PROT_NONE, false, NULL,
                                     0));
    }
}

/* The default pager may use reserved memory. */
static void swap_message(const struct fake_message *message)
{
    uint32_t flags = fake_thread.flags;

    fake_thread.flags |= THREAD_FLAG_VM_PRIVILEGE;
    switch (message->id) {
    case 2250:
        swap_seen.created += 1;
        break;
    case 2251:
        swap_seen.initialized += 1;
        swap_keep(message);
        break;
    case 2208:
        swap_seen.returned += 1;
        swap_keep(message);
        break;
    case 2203:
        swap_seen.requests += 1;
        swap_supply(message);
        break;
    default:
        swap_seen.ends += message->id == 2201;
    }
    fake_thread.flags = flags;
}

static struct ipc_port *swap_port;

static struct vm_map *swap_begin(void)
{
    struct ipc_port *port;

    memset(&swap_seen, 0, sizeof(swap_seen));
    fake_pager = swap_message;
    fake_default_object = NULL;
    swap_port = fake_pager_port();
    port = fake_pager_right(swap_port);
    ok(vm_set_default_memory_manager((host_priv_t)2, &port));
    assert_null(port);
    return fake_map();
}

/* The default pager is gone again, and everything else. */
static void swap_finish(struct vm_map *map)
{
    struct ipc_port *port = IP_DEAD;

    vm_map_unref(map);
    fake_pager_reap();
    ok(vm_set_default_memory_manager((host_priv_t)2, &port));
    assert_ptr_equal(port, swap_port);
    ipc_port_release_send(port);
    fake_pager_kill(swap_port);
    if (fake_default_object != NULL) {
        fake_pager_kill(fake_default_object);
    }
    for (unsigned i = 0; i < SWAP_PAGES; i += 1) {
        free(swap[i]);
        swap[i] = NULL;
    }
}

static uint64_t word_of(unsigned page, unsigned round)
{
    return page * 0x9e3779b97f4a7c15ul + round;
}

static void put_word(struct vm_map *map, vm_offset_t at, uint64_t word)
{
    ok(vm_fault_write(map, at, &word, sizeof(word)));
}

static uint64_t get_word(struct vm_map *map, vm_offset_t at)
{
    uint64_t word = 0;

    ok(vm_fault_read(map, at, &word, sizeof(word)));
    return word;
}

static void more_memory_than_there_is_keeps_its_contents(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 3 / 2;
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, pages * PG);

    (void)state;
    for (unsigned round = 0; round < 3; round += 1) {
        for (unsigned i = 0; i < pages; i += 1) {
            if (round != 0) {
                assert_int_equal(get_word(map, at + i * PG), word_of(i, round - 1));
            }
            if (round < 2) {
                put_word(map, at + i * PG, word_of(i, round));
            }
        }
    }
    assert_int_equal(swap_seen.created, 1);
    assert_true(swap_seen.initialized >= pages / 3 / MEMORY_OBJECT_CLUSTER);
    assert_true(swap_seen.returned != 0 && swap_seen.requests != 0);
    fake_check_map(map);
    swap_finish(map);
    assert_int_equal(swap_seen.ends, 1);
}

static void without_a_default_pager_a_shortage_is_told(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() + 10;
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, pages * PG);
    kern_return_t kr = KERN_SUCCESS;
    unsigned i;

    (void)state;
    for (i = 0; i < pages && kr == KERN_SUCCESS; i += 1) {
        kr = vm_fault(map, at + i * PG, VM_PROT_WRITE);
    }
    assert_int_equal(kr, KERN_RESOURCE_SHORTAGE);
    assert_true(i > pages / 2);
    vm_map_unref(map);
}

static void wired_pages_stay(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 5 / 4;
    struct vm_map *map = swap_begin();
    vm_offset_t wired = fake_allocate(map, 4 * PG);
    vm_offset_t at = fake_allocate(map, pages * PG);
    phys_addr_t before, after;

    (void)state;
    ok(vm_inherit(map, wired, 4 * PG, VM_INHERIT_NONE)); /* a region of its own */
    ok(vm_map_wire(map, wired, wired + 4 * PG, VM_PROT_DEFAULT));
    assert_true(pmap_extract(map->pmap, wired + PG, &before));
    for (unsigned i = 0; i < pages; i += 1) {
        put_word(map, at + i * PG, i);
    }
    assert_true(swap_seen.initialized != 0);
    assert_true(pmap_extract(map->pmap, wired + PG, &after));
    assert_int_equal(before, after);
    swap_finish(map);
}

void run_pageout_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_memory_than_there_is_keeps_its_contents),
        TEST(without_a_default_pager_a_shortage_is_told),
        TEST(wired_pages_stay),
    };

    RUN_GROUP(tests);
}
