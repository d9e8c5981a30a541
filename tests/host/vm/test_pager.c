/* test_pager.c - memory objects: what is asked of a pager, what its answers do, what comes back. */
#include "fake_pager.h"
#include "tests.h"

#include "ddb/slab_debug.h"
#include "ipc/ipc_port.h"
#include "kern/clock.h"
#include "kern/waitq.h"
#include "kern/task.h"
#include "mach_kernel_server.h"
#include "vm/memory_object_trap.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

/* What the pager does, and what it saw. */
static struct {
    memory_object_copy_strategy_t strategy;
    bool may_cache;
    bool late;      /* says ready, supplies nothing */
    unsigned waits; /* times a page was on its way when its return was seen */
    unsigned inits, requests, unlocks, returns, ends, pages_asked;
    struct vm_object *object; /* that of the last message */
    vm_offset_t offset;       /* of the last request or return */
    vm_size_t length;
    uint8_t first; /* the first byte that came back */
    bool kernel_copy;
} pager;

static struct ipc_port *pager_port;

static void pager_supply(struct vm_object *object, vm_offset_t offset, vm_size_t size, uint8_t byte)
{
    char *bytes = test_malloc(size);
    struct vm_copy *copy;

    for (vm_size_t at = 0; at < size; at += PG) {
        memset(bytes + at, byte + (int)((offset + at) / PG), PG);
    }
    copy = vm_copy_from_kernel(bytes, size);
    test_free(bytes);
    ok(memory_object_data_supply(object, offset, copy, (natural_t)size, VM_PROT_NONE, false, NULL,
                                 0));
}

/* Pages are on their way and not in the queue yet: who needs one waits, and does not ask. */
static void see_who_must_wait(const struct fake_message *message)
{
    struct vm_object_hit hit = {.object = message->object, .offset = message->offset};
    struct memory_object_wait wait;

    spin_lock(&message->object->lock);
    if (vm_object_page_lookup(message->object, message->offset) == NULL) {
        ok(memory_object_want(&hit, VM_PROT_READ, &wait));
        assert_int_equal(wait.offset, MEMORY_OBJECT_ALL);
        assert_int_equal(wait.length, 0);
        vm_object_ref(message->object); /* the test's own, as the wait's must not be the last */
        spin_unlock(&message->object->lock);
        vm_object_unref(wait.object);
        vm_object_unref(message->object);
        pager.waits += 1;
        return;
    }
    spin_unlock(&message->object->lock);
}

static void pager_message(const struct fake_message *message)
{
    pager.object = message->object;
    switch (message->id) {
    case 2200:
        pager.inits += 1;
        ok(memory_object_ready(message->object, pager.may_cache, pager.strategy));
        break;
    case 2201:
        pager.ends += 1;
        break;
    case 2203:
        pager.requests += 1;
        pager.offset = message->offset;
        pager.length = message->length;
        pager.pages_asked += (unsigned)(message->length / PG);
        if (!pager.late) {
            pager_supply(message->object, message->offset, message->length, 10);
        }
        break;
    case 2204:
        pager.unlocks += 1;
        ok(memory_object_lock_request(message->object, message->offset, message->length,
                                      MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_NONE, NULL, 0));
        break;
    default:
        if (pager.object->pager != NULL) {
            see_who_must_wait(message);
        }
        pager.returns += 1;
        pager.offset = message->offset;
        pager.kernel_copy = message->kernel_copy;
        ok(vm_copy_read(message->data, 0, &pager.first, 1));
        vm_copy_discard(message->data);
    }
}

static vm_offset_t pager_map(struct vm_map *map, vm_size_t size, bool copy)
{
    vm_offset_t at = 0;

    ok(vm_map(map, &at, size, 0, true, fake_pager_right(pager_port), 0, copy, VM_PROT_DEFAULT,
              VM_PROT_ALL, VM_INHERIT_DEFAULT));
    return at;
}

static struct vm_map *pager_begin(memory_object_copy_strategy_t strategy, bool may_cache)
{
    memset(&pager, 0, sizeof(pager));
    pager.strategy = strategy;
    pager.may_cache = may_cache;
    fake_pager = pager_message;
    pager_port = fake_pager_port();
    return fake_map();
}

static void pager_finish(struct vm_map *map)
{
    vm_map_unref(map);
    fake_pager_kill(pager_port);
    fake_pager_reap();
    assert_int_equal(fake_port_count, 0);
}

static void reads_see_what_was_supplied(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 8 * PG, false);

    (void)state;
    assert_int_equal(peek(map, at + 3 * PG), 13);
    assert_int_equal(peek(map, at + 3 * PG + 1), 13);
    assert_int_equal(pager.requests, 1);
    assert_int_equal(pager.offset, 3 * PG);
    fake_check_map(map);
    pager_finish(map);
}

static void reading_in_order_asks_for_more(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 40 * PG, false);

    (void)state;
    for (unsigned i = 0; i < 40; i += 1) {
        assert_int_equal(peek(map, at + i * PG), 10 + i);
    }
    assert_int_equal(pager.pages_asked, 40);
    assert_int_equal(pager.requests, 3); /* 1, 16, and the rest */
    pager_finish(map);
}

static void changed_pages_come_back_at_the_end(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);

    (void)state;
    poke(map, at + PG, 99);
    assert_int_equal(peek(map, at + 2 * PG), 12);
    ok(vm_deallocate(map, at, 4 * PG));
    fake_pager_reap();
    assert_int_equal(pager.returns, 1);
    assert_int_equal(pager.offset, PG);
    assert_int_equal(pager.first, 99);
    assert_int_equal(pager.ends, 1);
    pager_finish(map);
}

static void a_cached_object_keeps_its_pages(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, true);
    vm_offset_t at = pager_map(map, 4 * PG, false);

    (void)state;
    assert_int_equal(peek(map, at), 10);
    ok(vm_deallocate(map, at, 4 * PG));
    fake_pager_reap();
    assert_int_equal(pager.ends, 0);
    at = pager_map(map, 4 * PG, false);
    assert_int_equal(peek(map, at), 10);
    assert_int_equal(pager.requests, 1);
    assert_int_equal(pager.inits, 1);
    pager_finish(map);
}

static void a_flush_takes_pages_and_cleaning_leaves_them(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);

    (void)state;
    poke(map, at, 77);
    ok(memory_object_lock_request(pager.object, 0, 4 * PG, MEMORY_OBJECT_RETURN_DIRTY, false,
                                  VM_PROT_NO_CHANGE, NULL, 0));
    assert_int_equal(pager.returns, 1);
    assert_true(pager.kernel_copy);
    assert_int_equal(peek(map, at), 77);
    ok(memory_object_lock_request(pager.object, 0, 4 * PG, MEMORY_OBJECT_RETURN_DIRTY, false,
                                  VM_PROT_NO_CHANGE, NULL, 0));
    assert_int_equal(pager.returns, 1);
    poke(map, at, 78);
    ok(memory_object_lock_request(pager.object, 0, 4 * PG, MEMORY_OBJECT_RETURN_DIRTY, true,
                                  VM_PROT_NO_CHANGE, NULL, 0));
    assert_int_equal(pager.returns, 2);
    assert_int_equal(pager.first, 78);
    assert_int_equal(pager.waits, 1);
    assert_false(pager.kernel_copy);
    assert_int_equal(peek(map, at), 10);
    fake_check_map(map);
    pager_finish(map);
}

static void a_locked_page_is_asked_to_be_unlocked(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, PG, false);

    (void)state;
    assert_int_equal(peek(map, at), 10);
    ok(memory_object_lock_request(pager.object, 0, PG, MEMORY_OBJECT_RETURN_NONE, false,
                                  VM_PROT_WRITE, NULL, 0));
    fake_check_map(map);
    assert_int_equal(peek(map, at), 10);
    assert_int_equal(pager.unlocks, 0);
    poke(map, at, 5);
    assert_int_equal(pager.unlocks, 1);
    pager_finish(map);
}

static void copies_keep_what_they_copied(memory_object_copy_strategy_t strategy)
{
    struct vm_map *map = pager_begin(strategy, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);
    vm_offset_t copy;

    poke(map, at + PG, 50);
    copy = pager_map(map, 4 * PG, true);
    poke(map, at + PG, 51);
    poke(map, at + 2 * PG, 52);
    assert_int_equal(peek(map, copy + PG), 50);
    assert_int_equal(peek(map, copy + 2 * PG), 12);
    assert_int_equal(peek(map, copy + 3 * PG), 13);
    poke(map, copy + 3 * PG, 53);
    assert_int_equal(peek(map, at + 3 * PG), 13);
    fake_check_map(map);
    pager_finish(map);
}

static void a_copy_made_at_once_keeps_what_it_copied(void **state)
{
    (void)state;
    copies_keep_what_they_copied(MEMORY_OBJECT_COPY_NONE);
}

static void a_delayed_copy_keeps_what_it_copied(void **state)
{
    (void)state;
    copies_keep_what_they_copied(MEMORY_OBJECT_COPY_DELAY);
}

static void the_pagers_death_is_an_error_for_what_is_not_here(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, true);
    vm_offset_t at = pager_map(map, 4 * PG, false);
    uint8_t value;

    (void)state;
    assert_int_equal(peek(map, at), 10);
    fake_pager_kill(pager_port);
    assert_int_equal(peek(map, at), 10);
    assert_int_equal(fake_read(map, at + PG, &value), KERN_MEMORY_ERROR);
    vm_map_unref(map);
    fake_pager_reap();
    assert_int_equal(fake_port_count, 0);
}

/* The late pager: supplies when a thread waits. */
static bool pager_supply_late(void)
{
    pager_supply(pager.object, pager.offset, pager.length, 30);
    return true;
}

static void a_page_is_waited_for_with_no_lock_held(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 8 * PG, false);
    struct vm_copy *copy;

    (void)state;
    pager.late = true;
    fake_block_hook = pager_supply_late;
    assert_int_equal(peek(map, at + PG), 31);
    ok(vm_map_wire(map, at + 3 * PG, at + 4 * PG, VM_PROT_READ));
    ok(vm_map_wire(map, at + 3 * PG, at + 4 * PG, VM_PROT_NONE));
    ok(vm_map_copyin(map, at + 5 * PG + 1, 3 * PG - 1, false, &copy));
    vm_copy_discard(copy);
    pager_finish(map);
}

static void what_nobody_asked_for_does_not_replace(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);

    (void)state;
    assert_int_equal(peek(map, at), 10);
    pager_supply(pager.object, 0, 4 * PG, 60);
    assert_int_equal(peek(map, at), 10);
    assert_int_equal(peek(map, at + PG), 61);
    assert_int_equal(pager.requests, 1);
    pager_supply(pager.object, 4 * PG, PG, 60); /* beyond the end */
    assert_int_equal(pager.object->resident_count, 4);
    pager_finish(map);
}

static void supplied_pages_move(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 16 * PG, false);
    vm_offset_t data = fake_allocate(map, 16 * PG);
    struct vm_copy *copy;
    phys_addr_t before, after;

    (void)state;
    assert_int_equal(peek(map, at), 10);
    poke(map, data + 5 * PG, 1);
    assert_true(pmap_extract(map->pmap, data + 5 * PG, &before));
    ok(vm_map_copyin(map, data, 16 * PG, true, &copy));
    ok(memory_object_data_supply(pager.object, 0, copy, 16 * PG, VM_PROT_NONE, false, NULL, 0));
    assert_int_equal(peek(map, at + 5 * PG), 1);
    assert_true(pmap_extract(map->pmap, at + 5 * PG, &after));
    assert_int_equal(before, after);
    pager_finish(map);
}

static void a_pager_that_takes_no_message_is_an_error(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = 0;
    uint8_t value;

    (void)state;
    fake_send_result = MACH_SEND_TIMED_OUT;
    assert_int_equal(vm_map(map, &at, PG, 0, true, pager_port, 0, false, VM_PROT_DEFAULT,
                            VM_PROT_ALL, VM_INHERIT_DEFAULT),
                     KERN_MEMORY_ERROR);
    fake_send_result = MACH_SEND_INTERRUPTED;
    assert_int_equal(vm_map(map, &at, PG, 0, true, pager_port, 0, false, VM_PROT_DEFAULT,
                            VM_PROT_ALL, VM_INHERIT_DEFAULT),
                     KERN_ABORTED);
    fake_send_result = KERN_SUCCESS;
    at = pager_map(map, PG, false);
    fake_send_result = MACH_SEND_TIMED_OUT;
    assert_int_equal(fake_read(map, at, &value), KERN_MEMORY_ERROR);
    fake_send_result = MACH_SEND_INTERRUPTED;
    assert_int_equal(fake_read(map, at, &value), KERN_ABORTED);
    fake_send_result = KERN_SUCCESS;
    assert_int_equal(peek(map, at), 10);
    pager_finish(map);
}

static void what_cannot_be_had_is_not_moved(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);
    struct vm_copy *copy;

    (void)state;
    assert_int_equal(peek(map, at), 10);
    fake_send_result = MACH_SEND_TIMED_OUT;
    assert_int_equal(vm_map_copyin(map, at, 4 * PG, true, &copy), KERN_MEMORY_ERROR);
    fake_send_result = KERN_SUCCESS;
    assert_int_equal(peek(map, at + 3 * PG), 13);
    ok(vm_map_copyin(map, at, 4 * PG, true, &copy));
    assert_int_equal(map->entry_count, 0);
    vm_copy_discard(copy);
    pager_finish(map);
}

static void an_aborted_thread_does_not_go_on_copying(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);
    struct vm_copy *copy;

    (void)state;
    fake_send_result = MACH_SEND_INTERRUPTED;
    assert_int_equal(vm_map_copyin(map, at + 1, 3 * PG, false, &copy), KERN_ABORTED);
    assert_int_equal(vm_map_copyin(map, at, 4 * PG, false, &copy), KERN_ABORTED);
    fake_send_result = KERN_SUCCESS;
    ok(vm_map_copyin(map, at + 1, 3 * PG, false, &copy));
    vm_copy_discard(copy);
    pager_finish(map);
}

static void calls_of_pagers_are_checked(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, PG, false);
    struct vm_copy *copy = vm_copy_from_kernel("short", 5);
    boolean_t ready, cache;
    int strategy;

    (void)state;
    assert_int_equal(peek(map, at), 10);
    assert_int_equal(memory_object_ready(NULL, false, 0), KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_ready(pager.object, false, 4), KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_change_attributes(pager.object, false, -1, NULL, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_get_attributes(NULL, &ready, &cache, &strategy),
                     KERN_INVALID_ARGUMENT);
    ok(memory_object_get_attributes(pager.object, &ready, &cache, &strategy));
    assert_true(ready && !cache && strategy == MEMORY_OBJECT_COPY_NONE);
    assert_int_equal(memory_object_destroy(NULL, 0), KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_data_supply(pager.object, 0, copy, 5, 0, false, NULL, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_data_supply(pager.object, 0, copy, PG, 0, false, NULL, 0),
                     KERN_INVALID_ARGUMENT);
    vm_copy_discard(copy);
    assert_int_equal(memory_object_data_error(pager.object, 1, PG, 0), KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_data_unavailable(pager.object, ~PAGE_MASK, 2 * PG),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_lock_request(pager.object, 0, PG, 3, false, 0, NULL, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(memory_object_lock_request(pager.object, 0, PG, 0, false, 16, NULL, 0),
                     KERN_INVALID_ARGUMENT);
    pager_finish(map);
}

static void without_memory_nothing_is_returned_and_nothing_lost(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, PG, false);

    (void)state;
    poke(map, at, 5);
    slab_debug_refuse(0);
    assert_int_equal(memory_object_lock_request(pager.object, 0, PG, MEMORY_OBJECT_RETURN_DIRTY,
                                                true, VM_PROT_NO_CHANGE, NULL, 0),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(pager.returns, 0);
    assert_int_equal(peek(map, at), 5);
    pager_finish(map);
}

static kern_return_t supply(vm_offset_t offset, vm_offset_t at, vm_size_t size, vm_prot_t lock)
{
    return syscall_memory_object_supply(1, offset, at, size, lock, 0);
}

static void the_trap_moves_pages_and_leaves_zeroes(void **state)
{
    static struct task task;
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 32 * PG, false);
    vm_offset_t data = fake_allocate(map, 20 * PG);
    phys_addr_t before, after;

    (void)state;
    assert_int_equal(peek(map, at), 10);
    task.map = map;
    fake_thread.task = &task;
    fake_named_object = pager.object;
    for (unsigned i = 0; i < 20; i += 1) {
        if (i != 7) { /* one that is not there: zeroes */
            poke(map, data + i * PG, (uint8_t)(100 + i));
        }
    }
    assert_true(pmap_extract(map->pmap, data + 5 * PG, &before));
    ok(supply(4 * PG, data, 20 * PG, 0));
    for (unsigned i = 0; i < 20; i += 1) {
        assert_int_equal(peek(map, at + (4 + i) * PG), i == 7 ? 0 : 100 + i);
        assert_int_equal(peek(map, data + i * PG), 0);
    }
    assert_true(pmap_extract(map->pmap, at + 9 * PG, &after));
    assert_int_equal(before, after);
    assert_int_equal(pager.requests, 1);
    fake_check_map(map);
    pager_finish(map);
}

static void the_trap_copies_what_others_see(void **state)
{
    static struct task task;
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 8 * PG, false);
    vm_offset_t data = fake_allocate(map, 2 * PG);
    struct vm_map *child;

    (void)state;
    assert_int_equal(peek(map, at), 10);
    task.map = map;
    fake_thread.task = &task;
    fake_named_object = pager.object;
    poke(map, data, 3);
    ok(vm_inherit(map, at, 8 * PG, VM_INHERIT_NONE));
    ok(vm_map_fork(map, &child));
    ok(supply(2 * PG, data, PG, 0));
    assert_int_equal(peek(map, data), 3);
    assert_int_equal(peek(child, data), 3);
    assert_int_equal(peek(map, at + 2 * PG), 3);
    vm_map_unref(child);
    pager_finish(map);
}

static void the_trap_says_what_is_wrong(void **state)
{
    static struct task task;
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 8 * PG, false);
    vm_offset_t data = fake_allocate(map, 2 * PG);
    struct list taken = LIST_INITIALIZER(taken);
    struct list *node;
    struct vm_page *page;

    (void)state;
    assert_int_equal(peek(map, at), 10);
    task.map = map;
    fake_thread.task = &task;
    fake_named_object = pager.object;
    assert_int_equal(syscall_memory_object_supply(2, 0, data, PG, 0, 0), MACH_SEND_INTERRUPTED);
    assert_int_equal(syscall_memory_object_supply(1, 1, data, PG, 0, 0), KERN_INVALID_ARGUMENT);
    assert_int_equal(syscall_memory_object_supply(1, 0, data + 8, PG, 0, 0), KERN_INVALID_ARGUMENT);
    assert_int_equal(syscall_memory_object_supply(1, 0, data, PG, 8, 0), KERN_INVALID_ARGUMENT);
    assert_int_equal(syscall_memory_object_supply(1, 0, data, (64ul << 20) + PG, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(syscall_memory_object_supply(1, ~PAGE_MASK, data, 2 * PG, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(syscall_memory_object_supply(1, 0, data + 64 * PG, PG, 0, 0),
                     KERN_INVALID_ADDRESS);
    ok(vm_protect(map, data, PG, false, VM_PROT_NONE));
    assert_int_equal(syscall_memory_object_supply(1, 0, data, PG, 0, 0), KERN_PROTECTION_FAILURE);
    /* Memory of a pager that does not answer. */
    fake_send_result = MACH_SEND_TIMED_OUT;
    assert_int_equal(syscall_memory_object_supply(1, 0, at + PG, PG, 0, 0), KERN_MEMORY_ERROR);
    fake_send_result = MACH_SEND_INTERRUPTED;
    assert_int_equal(syscall_memory_object_supply(1, 0, at + PG, PG, 0, 0), KERN_ABORTED);
    fake_send_result = KERN_SUCCESS;
    do { /* what can be taken from the objects goes first */
        while ((page = vm_page_alloc(0)) != NULL) {
            list_insert_tail(&taken, &page->link);
        }
    } while (syscall_memory_object_supply(1, 0, data + PG, PG, 0, 0) == KERN_SUCCESS);
    assert_int_equal(syscall_memory_object_supply(1, 0, data + PG, PG, 0, 0),
                     KERN_RESOURCE_SHORTAGE);
    while ((node = list_pop(&taken)) != NULL) {
        vm_page_free(list_entry(node, struct vm_page, link));
    }
    pager_finish(map);
}

#define FULL (1u << 20) /* more messages than any machine lets lie in a queue */

static void a_pager_with_a_full_queue_is_sent_the_last_pages_only(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);

    (void)state;
    poke(map, at + PG, 99);
    pager_port->msgcount = FULL;
    assert_int_equal(memory_object_lock_request(pager.object, 0, 4 * PG, MEMORY_OBJECT_RETURN_DIRTY,
                                                true, VM_PROT_NO_CHANGE, NULL, 0),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(memory_object_page_out(pager.object, 0, 4 * PG, false),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(pager.returns, 0);
    assert_int_equal(peek(map, at + PG), 99);
    ok(vm_deallocate(map, at, 4 * PG));
    fake_pager_reap();
    assert_int_equal(pager.returns, 1);
    assert_int_equal(pager.first, 99);
    pager_finish(map);
}

static void page_replacement_spares_a_pager_that_is_busy(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);

    (void)state;
    poke(map, at + PG, 99);
    pager_port->msgcount = 4;
    assert_int_equal(memory_object_page_out(pager.object, 0, 4 * PG, true), KERN_ABORTED);
    assert_int_equal(pager.returns, 0);
    ok(memory_object_page_out(pager.object, 0, 4 * PG, false)); /* there is nobody else */
    assert_int_equal(pager.returns, 1);
    pager_port->msgcount = 0;
    poke(map, at + 2 * PG, 99);
    ok(memory_object_page_out(pager.object, 0, 4 * PG, true));
    assert_int_equal(pager.returns, 2);
    pager_finish(map);
}

static void page_replacement_gives_up_a_pager_that_receives_nothing(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map(map, 4 * PG, false);

    (void)state;
    poke(map, at + PG, 99);
    pager_port->msgcount = FULL;
    for (unsigned i = 0; i < 4; i += 1) { /* it receives a little */
        assert_int_equal(memory_object_page_out(pager.object, 0, 4 * PG, false),
                         KERN_RESOURCE_SHORTAGE);
        fake_now_ns += (MEMORY_OBJECT_TIMEOUT_MS + 1000) * NS_PER_MS;
        pager_port->msgcount -= 1;
    }
    assert_int_equal(memory_object_page_out(pager.object, 0, 4 * PG, false),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(peek(map, at + PG), 99);
    assert_int_equal(pager.ends, 0);
    fake_now_ns += (MEMORY_OBJECT_TIMEOUT_MS + 1000) * NS_PER_MS;
    assert_int_equal(memory_object_page_out(pager.object, 0, 4 * PG, false),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(vm_fault(map, at + PG, VM_PROT_READ), KERN_MEMORY_ERROR);
    assert_int_equal(pager.ends, 1);
    assert_int_equal(pager.returns, 0);
    pager_finish(map);
}

/* --- 2 MiB in one piece --- */

/* Supply them from neighbouring pages, but for the last `missing`. */
static void pager_supply_large(struct vm_object *object, unsigned missing)
{
    struct vm_page *first = vm_page_alloc_contig(512, 9, VM_PAGE_ZERO, 0, 0);
    struct vm_page *pages[512];

    for (unsigned i = 0; i < 512; i++) {
        pages[i] = first + i;
        *(uint8_t *)vm_page_to_virt(pages[i]) = (uint8_t)(i + 9);
    }
    memory_object_supply_pages(object, 0, pages, 512 - missing, VM_PROT_NONE, false);
    if (missing != 0) {
        vm_page_free_contig(first + 512 - missing, missing);
    }
}

static vm_offset_t pager_map_large(struct vm_map *map)
{
    vm_offset_t at = 0;

    ok(vm_map(map, &at, LARGE_PAGE_SIZE, LARGE_PAGE_SIZE - 1, true, fake_pager_right(pager_port), 0,
              false, VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_DEFAULT));
    return at;
}

static void pages_supplied_in_one_piece_are_mapped_so(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map_large(map);

    (void)state;
    pager_supply_large(pager.object, 0);
    assert_int_equal(peek(map, at), 9);
    assert_int_equal(fake_mapping_count(map), 512);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(peek(map, at + i * PG), (uint8_t)(i + 9));
    }
    poke(map, at + 7 * PG, 5);
    fake_check_map(map);
    assert_int_equal(pager.requests, 0);
    ok(memory_object_lock_request(pager.object, 0, LARGE_PAGE_SIZE, MEMORY_OBJECT_RETURN_DIRTY,
                                  true, VM_PROT_NONE, NULL, 0));
    assert_int_equal(pager.returns, 1); /* and of that one page */
    assert_int_equal(pager.offset, 7 * PG);
    assert_int_equal(pager.first, 5);
    pager_finish(map);
}

static void pages_that_are_not_all_there_are_mapped_one_by_one(void **state)
{
    struct vm_map *map = pager_begin(MEMORY_OBJECT_COPY_NONE, false);
    vm_offset_t at = pager_map_large(map), there = pager_map_large(map);

    (void)state;
    pager_supply_large(pager.object, 1);
    assert_int_equal(peek(map, at), 9);
    assert_in_range(fake_mapping_count(map), 1, 32);
    assert_int_equal(peek(map, there), 9); /* and where some are mapped already */
    assert_in_range(fake_mapping_count(map), 2, 64);
    fake_check_map(map);
    pager_finish(map);
}

void run_pager_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_see_what_was_supplied),
        TEST(reading_in_order_asks_for_more),
        TEST(changed_pages_come_back_at_the_end),
        TEST(a_cached_object_keeps_its_pages),
        TEST(a_flush_takes_pages_and_cleaning_leaves_them),
        TEST(a_locked_page_is_asked_to_be_unlocked),
        TEST(a_copy_made_at_once_keeps_what_it_copied),
        TEST(a_delayed_copy_keeps_what_it_copied),
        TEST(the_pagers_death_is_an_error_for_what_is_not_here),
        TEST(a_page_is_waited_for_with_no_lock_held),
        TEST(what_nobody_asked_for_does_not_replace),
        TEST(supplied_pages_move),
        TEST(a_pager_that_takes_no_message_is_an_error),
        TEST(what_cannot_be_had_is_not_moved),
        TEST(an_aborted_thread_does_not_go_on_copying),
        TEST(calls_of_pagers_are_checked),
        TEST(the_trap_moves_pages_and_leaves_zeroes),
        TEST(the_trap_copies_what_others_see),
        TEST(the_trap_says_what_is_wrong),
        TEST(without_memory_nothing_is_returned_and_nothing_lost),
        TEST(a_pager_with_a_full_queue_is_sent_the_last_pages_only),
        TEST(page_replacement_spares_a_pager_that_is_busy),
        TEST(page_replacement_gives_up_a_pager_that_receives_nothing),
        TEST(pages_supplied_in_one_piece_are_mapped_so),
        TEST(pages_that_are_not_all_there_are_mapped_one_by_one),
    };

    RUN_GROUP(tests);
}
