/* test_pageout.c - page replacement: memory that is more than the machine has, kept by a default
 * pager of the test, and files whose pages go and come back. */
#include "fake_pager.h"
#include "tests.h"

#include <stdlib.h>

#include "ipc/ipc_port.h"
#include "kern/thread.h"
#include "kern/waitq.h"
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

/* What the default pager has of memory that is not needed is forgotten. */
static void what_was_discarded_does_not_come_back(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 5 / 4;
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, pages * PG);
    unsigned requests;

    (void)state;
    for (unsigned i = 0; i < pages; i += 1) {
        put_word(map, at + i * PG, word_of(i, 0));
    }
    assert_true(swap_seen.initialized != 0);
    requests = swap_seen.requests;
    ok(vm_map_discard(map, at + PG, at + (pages - 1) * PG));
    for (unsigned i = 1; i < pages - 1; i += 1000) {
        assert_int_equal(get_word(map, at + i * PG), 0);
    }
    assert_int_equal(swap_seen.requests, requests);
    assert_int_equal(get_word(map, at), word_of(0, 0));
    assert_int_equal(swap_seen.requests, requests + 1);
    swap_finish(map);
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

/* A driver that swap depends on pins memory: its pager could be waited for for ever. */
static void a_page_that_is_in_swap_is_not_waited_for_to_be_pinned(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 5 / 4;
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, pages * PG);
    struct vm_page *page = NULL;
    unsigned requests;

    (void)state;
    for (unsigned i = 0; i < pages; i += 1) {
        put_word(map, at + i * PG, i);
    }
    requests = swap_seen.requests;
    assert_int_equal(vm_fault_pin(map, at, VM_PROT_READ, &page), KERN_ABORTED);
    assert_int_equal(vm_fault_pin(map, at, VM_PROT_DEFAULT, &page), KERN_ABORTED);
    assert_null(page);
    assert_int_equal(swap_seen.requests, requests);
    assert_int_equal(get_word(map, at), 0);
    assert_true(swap_seen.requests > requests);
    ok(vm_fault_pin(map, at, VM_PROT_READ, &page));
    vm_fault_unpin(page);
    swap_finish(map);
}

/* A driver that may use the reserve does not read into it for its clients. */
static void a_pinned_page_that_is_new_is_not_of_the_reserve(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() + 10;
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, pages * PG);
    uint32_t flags = fake_thread.flags;
    struct vm_page *page = NULL;
    unsigned i = 0;

    (void)state;
    while (vm_fault(map, at + i * PG, VM_PROT_WRITE) == KERN_SUCCESS) {
        i += 1;
    }
    fake_thread.flags |= THREAD_FLAG_VM_PRIVILEGE;
    assert_int_equal(vm_fault_pin(map, at + i * PG, VM_PROT_DEFAULT, &page),
                     KERN_RESOURCE_SHORTAGE);
    ok(vm_fault(map, at + i * PG, VM_PROT_WRITE));
    ok(vm_fault_pin(map, at + i * PG, VM_PROT_DEFAULT, &page));
    vm_fault_unpin(page);
    fake_thread.flags = flags;
    vm_map_unref(map);
}

/* --- a slow default pager: what it has received lies there until the kernel waits --- */

#define SLOW_MAX 4096u
static struct fake_message slow_messages[SLOW_MAX];
static unsigned slow_first, slow_end;
static uint64_t slow_pages, slow_pages_max;

static void slow_message(const struct fake_message *message)
{
    if (message->id != 2251 && message->id != 2208) {
        swap_message(message);
        return;
    }
    assert_true(slow_end < SLOW_MAX);
    slow_messages[slow_end] = *message;
    slow_end += 1;
    slow_pages += message->length / PG;
    slow_pages_max = slow_pages > slow_pages_max ? slow_pages : slow_pages_max;
}

/* It comes to one message while somebody waits for memory. */
static bool slow_work(void)
{
    if (slow_first != slow_end) {
        slow_pages -= slow_messages[slow_first].length / PG;
        swap_message(&slow_messages[slow_first]);
        slow_first += 1;
    }
    fake_run_pageout();
    return true;
}

static void pages_on_their_way_count_as_free_soon(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 5 / 4;
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, pages * PG);

    (void)state;
    slow_first = slow_end = 0;
    slow_pages = slow_pages_max = 0;
    fake_pager = slow_message;
    fake_block_hook = slow_work;
    for (unsigned i = 0; i < pages; i += 1) {
        put_word(map, at + i * PG, word_of(i, 0));
    }
    assert_true(slow_pages_max != 0);
    assert_int_equal(fake_default_object->qlimit, UINT32_MAX); /* who asks does not wait for room */
    assert_true(slow_pages_max <= vm_pageout_low() * 5 / 4 + MEMORY_OBJECT_CLUSTER);
    while (slow_first != slow_end) {
        (void)slow_work();
    }
    fake_pager = swap_message;
    fake_block_hook = NULL;
    for (unsigned i = 0; i < pages; i += 97) {
        assert_int_equal(get_word(map, at + i * PG), word_of(i, 0));
    }
    swap_finish(map);
}

/* It is slower than the thread expects: it comes to a message in a while, or (0) never. */
static unsigned slow_waits, slow_every;

static bool slow_work_seldom(void)
{
    fake_now_ns += 20000000;
    slow_waits += 1;
    return slow_every != 0 && slow_waits % slow_every == 0 && slow_work();
}

static void slow_begin(unsigned every)
{
    slow_first = slow_end = 0;
    slow_pages = slow_pages_max = 0;
    slow_waits = 0;
    slow_every = every;
    fake_pager = slow_message;
    fake_block_hook = slow_work_seldom;
}

static void slow_finish(struct vm_map *map)
{
    while (slow_first != slow_end) {
        (void)slow_work();
    }
    fake_pager = swap_message;
    fake_block_hook = NULL;
    swap_finish(map);
}

static void pages_on_their_way_are_waited_for_when_they_take_long(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 5 / 4;
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, pages * PG);

    (void)state;
    slow_begin(100);
    for (unsigned i = 0; i < pages; i += 1) {
        put_word(map, at + i * PG, word_of(i, 0));
    }
    assert_true(slow_waits > slow_every);
    slow_finish(map);
}

static void pages_that_a_pager_keeps_are_not_waited_for_for_ever(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 5 / 4;
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, pages * PG);
    kern_return_t kr = KERN_SUCCESS;
    uint64_t start = 0;

    (void)state;
    slow_begin(0);
    for (unsigned i = 0; i < pages && kr == KERN_SUCCESS; i += 1) {
        start = fake_now_ns;
        kr = vm_fault(map, at + i * PG, VM_PROT_WRITE);
    }
    assert_int_equal(kr, KERN_RESOURCE_SHORTAGE);
    assert_true(fake_now_ns - start >= MEMORY_OBJECT_TIMEOUT_MS * 1000000ul);
    assert_true(fake_now_ns - start < 2 * MEMORY_OBJECT_TIMEOUT_MS * 1000000ul);
    slow_finish(map);
}

/* Have no default pager, or have it again. */
static void swap_register(bool takes)
{
    struct ipc_port *port = takes ? fake_pager_right(swap_port) : IP_DEAD;

    ok(vm_set_default_memory_manager((host_priv_t)2, &port));
    ipc_port_release_send(port);
}

static void a_page_that_is_not_in_swap_stays_when_swap_is_full(void **state)
{
    unsigned pages = (unsigned)vm_page_total_count() * 5 / 4;
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, 2 * pages * PG);
    unsigned messages, i;

    (void)state;
    for (i = 0; i < pages; i += 1) {
        put_word(map, at + i * PG, word_of(i, 0));
    }
    swap_register(false);
    messages = swap_seen.initialized;
    while (i < 2 * pages && vm_fault(map, at + i * PG, VM_PROT_WRITE) == KERN_SUCCESS) {
        put_word(map, at + i * PG, word_of(i, 0));
        i += 1;
    }
    assert_true(i > pages && i < 2 * pages); /* pages that swap has had make way for some */
    assert_int_equal(swap_seen.initialized, messages);
    swap_register(true);
    for (unsigned k = 0; k < i; k += 1) {
        assert_int_equal(get_word(map, at + k * PG), word_of(k, 0));
    }
    assert_true(swap_seen.initialized > messages);
    swap_finish(map);
}

/* The object mapped at the address gets a memory object of the default pager. */
static struct vm_object *backed_object(struct vm_map *map, vm_offset_t at)
{
    struct vm_map_region region;

    ok(vm_map_region(map, at, false, &region));
    assert_true(memory_object_back(region.object));
    return region.object;
}

static void a_copys_page_that_is_paged_out_is_not_replaced(void **state)
{
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, 4 * PG);
    struct vm_map *sharer, *copy;

    (void)state;
    ok(vm_inherit(map, at, 4 * PG, VM_INHERIT_SHARE));
    ok(vm_map_fork(map, &sharer));
    ok(vm_inherit(map, at, 4 * PG, VM_INHERIT_COPY));
    poke(map, at, 1);
    ok(vm_map_fork(map, &copy));
    poke(map, at, 2); /* pushes what was there */
    ok(memory_object_page_out(backed_object(copy, at), 0, PG, false));
    assert_int_equal(swap_seen.initialized, 1);
    ok(vm_protect(map, at, PG, false, VM_PROT_READ));
    ok(vm_protect(map, at, PG, false, VM_PROT_DEFAULT));
    poke(map, at, 3); /* has nothing to push */
    assert_int_equal(peek(copy, at), 1);
    assert_int_equal(swap_seen.requests, 1);
    vm_map_unref(copy);
    vm_map_unref(sharer);
    swap_finish(map);
}

/* --- a default pager that keeps the pages of many objects --- */

#define MANY_PAGES 2048u
static struct {
    struct ipc_port *port; /* NULL: a free place */
    vm_offset_t offset;
    uint8_t data[PG];
} many[MANY_PAGES];

static uint8_t *many_find(struct ipc_port *port, vm_offset_t offset)
{
    unsigned i = 0;

    while (i < MANY_PAGES && (many[i].port != port || many[i].offset != offset)) {
        i++;
    }
    return i < MANY_PAGES ? many[i].data : NULL;
}

static void many_keep(struct ipc_port *port, vm_offset_t offset, struct vm_copy *data,
                      vm_offset_t at)
{
    uint8_t *page = many_find(port, offset);

    for (unsigned i = 0; i < MANY_PAGES && page == NULL; i++) {
        if (many[i].port == NULL) {
            many[i].port = port;
            many[i].offset = offset;
            page = many[i].data;
        }
    }
    assert_non_null(page);
    ok(vm_copy_read(data, at, page, PG));
}

static void many_message(const struct fake_message *message)
{
    switch (message->id) {
    case 2251:
    case 2208:
        for (vm_size_t at = 0; at < message->length; at += PG) {
            many_keep(message->port, message->offset + at, message->data, at);
        }
        vm_copy_discard(message->data);
        break;
    case 2203:
        for (vm_size_t at = 0; at < message->length; at += PG) {
            uint8_t *page = many_find(message->port, message->offset + at);

            assert_non_null(page);
            ok(memory_object_data_supply(message->object, message->offset + at,
                                         vm_copy_from_kernel(page, PG), PG, VM_PROT_NONE, false,
                                         NULL, 0));
        }
        break;
    case 2201:
        for (unsigned i = 0; i < MANY_PAGES; i++) {
            many[i].port = many[i].port == message->port ? NULL : many[i].port;
        }
        fake_default_object = fake_default_object == message->port ? NULL : fake_default_object;
        fake_pager_kill(message->port);
        break;
    default:
        break;
    }
}

static void a_chain_whose_pages_are_in_swap_is_bounded(void **state)
{
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, 8 * PG);
    uint8_t expected[8] = {0};

    (void)state;
    fake_pager = many_message;
    for (unsigned i = 1; i < 100; i++) {
        struct vm_map *child;
        unsigned page = i * 5 % 8;

        ok(vm_map_fork(map, &child));
        ok(vm_fault(map, at + i % 8 * PG, VM_PROT_READ)); /* one is mapped as it is */
        poke(map, at + page * PG, (uint8_t)i);
        expected[page] = (uint8_t)i;
        fake_check_map(map);
        (void)memory_object_page_out(backed_object(map, at), 0, 8 * PG, false);
        vm_map_unref(child);
        fake_pager_reap();
        assert_true(vm_object_chain_length(backed_object(map, at)) <= VM_OBJECT_CHAIN_MAX + 1);
    }
    for (unsigned page = 0; page < 8; page++) {
        assert_int_equal(peek(map, at + page * PG), expected[page]);
    }
    fake_check_map(map);
    swap_finish(map);
    for (unsigned i = 0; i < MANY_PAGES; i++) {
        assert_null(many[i].port); /* every object has ended */
    }
}

static void wired_pages_stay_when_their_memory_is_copied(void **state)
{
    struct vm_map *map = swap_begin();
    vm_offset_t at = fake_allocate(map, 4 * PG);
    phys_addr_t before, after;
    struct vm_map *child;

    (void)state;
    poke(map, at, 1);
    (void)backed_object(map, at);
    ok(vm_map_wire(map, at, at + 4 * PG, VM_PROT_DEFAULT));
    assert_true(pmap_extract(map->pmap, at, &before));
    ok(vm_map_fork(map, &child));
    poke(map, at, 2);
    assert_true(pmap_extract(map->pmap, at, &after));
    assert_int_equal(before, after);
    assert_int_equal(peek(child, at), 1);
    vm_map_unref(child);
    swap_finish(map);
}

void run_pageout_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_memory_than_there_is_keeps_its_contents),
        TEST(without_a_default_pager_a_shortage_is_told),
        TEST(a_chain_whose_pages_are_in_swap_is_bounded),
        TEST(wired_pages_stay),
        TEST(what_was_discarded_does_not_come_back),
        TEST(a_page_that_is_in_swap_is_not_waited_for_to_be_pinned),
        TEST(a_pinned_page_that_is_new_is_not_of_the_reserve),
        TEST(pages_on_their_way_count_as_free_soon),
        TEST(pages_on_their_way_are_waited_for_when_they_take_long),
        TEST(pages_that_a_pager_keeps_are_not_waited_for_for_ever),
        TEST(a_page_that_is_not_in_swap_stays_when_swap_is_full),
        TEST(a_copys_page_that_is_paged_out_is_not_replaced),
        TEST(wired_pages_stay_when_their_memory_is_copied),
    };

    RUN_GROUP(tests);
}
