/* pager_life_test.c - memory objects from the first map to the end: objects kept in the cache, ends
 * in the middle of something, pagers that die. */
#include <mach.h>
#include <mach/notify.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/puppet.h"
#include "lib/peer.h"

static mach_port_t self(void)
{
    return mach_task_self();
}

static void unmap(uint8_t *at, unsigned pages)
{
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)at, pages * PUPPET_PAGE), KERN_SUCCESS);
}

/* Map an object that has ended, or was never mapped, and say ready. */
static uint8_t *map_anew(struct puppet *pager, unsigned pages, bool may_cache)
{
    struct puppet_message m;
    uint8_t *at = puppet_map_again(pager, 0, pages, false);

    puppet_expect(pager, PUPPET_INIT, &m);
    pager->control = m.control;
    pager->name = m.port;
    CHECK_EQ(memory_object_ready(pager->control, may_cache, MEMORY_OBJECT_COPY_NONE), KERN_SUCCESS);
    return at;
}

static int64_t object_count(void)
{
    portolan_counts_t counts;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(host_object_counts(mach_host_self(), counts, &n), KERN_SUCCESS);
    return counts[PORTOLAN_COUNT_OBJECTS];
}

/* How many there are when nothing ends any more. */
static int64_t settled_count(void)
{
    int64_t last, count = object_count();

    do {
        last = count;
        ipc_pause_ms(20);
        count = object_count();
    } while (count != last);
    return count;
}

/* Wait until there are no more objects than that; what ends takes a moment. */
static bool objects_go_down_to(int64_t count)
{
    for (unsigned i = 0; i < 500 && object_count() > count; i++) {
        ipc_pause_ms(2);
    }
    return object_count() <= count;
}

/* --- the cache --- */

TEST(an_object_that_may_be_cached_keeps_its_pages)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, true, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    at[0] = 2;
    unmap(at, 4);
    puppet_expect_nothing(&pager);
    at = puppet_map_again(&pager, 0, 4, false);
    CHECK_EQ(at[0], 2);
    CHECK_EQ(at[PUPPET_PAGE], 1);
    puppet_expect_nothing(&pager);
    CHECK_EQ(memory_object_change_attributes(pager.control, false, MEMORY_OBJECT_COPY_NONE,
                                             MACH_PORT_NULL),
             KERN_SUCCESS);
    unmap(at, 4);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 2);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(an_object_that_may_not_be_cached_ends_and_begins_anew)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, (int)i), i);
        unmap(at, 1);
        puppet_expect_end(&pager);
        at = map_anew(&pager, 1, false);
    }
    puppet_end(&pager, at, 1);
}

TEST(a_cached_object_ends_when_its_pager_says_so)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 2, true, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    at[PUPPET_PAGE] = 2;
    unmap(at, 2);
    puppet_expect_nothing(&pager);
    CHECK_EQ(memory_object_change_attributes(pager.control, false, MEMORY_OBJECT_COPY_NONE,
                                             pager.object),
             KERN_SUCCESS);
    puppet_expect(&pager, PUPPET_CHANGE_COMPLETED, &m);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, false), 2);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_cached_object_can_be_cleaned_and_flushed)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, true, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    at[0] = 2;
    unmap(at, 1);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 2);
    puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &m);
    at = puppet_map_again(&pager, 0, 1, false);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 4), 4);
    memory_object_change_attributes(pager.control, false, MEMORY_OBJECT_COPY_NONE, MACH_PORT_NULL);
    puppet_end(&pager, at, 1);
}

TEST(a_cached_object_goes_with_its_pager)
{
    struct puppet pager;
    int64_t before = settled_count();
    uint8_t *at = puppet_map(&pager, 8, true, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 8, 1);
    unmap(at, 8);
    CHECK(object_count() > before);
    puppet_destroy(&pager);
    CHECK(objects_go_down_to(before));
}

TEST(a_destroyed_object_that_might_be_cached_goes_when_it_is_unmapped)
{
    struct puppet pager;
    int64_t before = settled_count();
    uint8_t *at = puppet_map(&pager, 8, true, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 8, 1);
    CHECK_EQ(memory_object_destroy(pager.control, KERN_FAILURE), KERN_SUCCESS);
    puppet_expect_end(&pager);
    unmap(at, 8);
    CHECK(objects_go_down_to(before));
    puppet_destroy(&pager);
}

#define CACHED 300

TEST(of_many_cached_objects_the_oldest_end)
{
    static struct puppet pagers[CACHED];
    unsigned ended = 0;

    for (unsigned i = 0; i < CACHED; i++) {
        uint8_t *at = puppet_map(&pagers[i], 1, true, MEMORY_OBJECT_COPY_NONE);

        unmap(at, 1);
    }
    for (unsigned i = 0; i < CACHED; i++) {
        struct puppet_message m;

        puppet_receive(pagers[i].object, &m, i < CACHED - 256 ? 2000 : 0);
        if (m.id == PUPPET_TERMINATE) {
            ipc_drop(m.control);
            ipc_drop(m.port);
            pagers[i].control = pagers[i].name = MACH_PORT_NULL;
            CHECK(i < CACHED - 256);
            ended++;
        }
    }
    CHECK(ended > 0);
    CHECK(ended <= CACHED - 256);
    for (unsigned i = 0; i < CACHED; i++) {
        puppet_destroy(&pagers[i]);
    }
}

/* --- ends in the middle --- */

TEST(destroying_an_object_ends_all_waits_with_an_error)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher touchers[8];
    uint8_t *at = puppet_map(&pager, 8, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 7 * PUPPET_PAGE, 1, 1);
    puppet_lock(&pager, 7 * PUPPET_PAGE, 1, MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_ALL);
    puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &m);
    for (unsigned i = 0; i < 8; i++) {
        toucher_start(&touchers[i], at + i * PUPPET_PAGE, i % 2 != 0, 1, 0);
        CHECK(ipc_wait_blocked(touchers[i].port));
    }
    CHECK_EQ(memory_object_destroy(pager.control, KERN_FAILURE), KERN_SUCCESS);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(toucher_end(&touchers[i]), KERN_MEMORY_ERROR);
    }
    do {
        puppet_receive(pager.object, &m, 1000);
        mach_port_destroy(self(), m.control);
    } while (m.id != 0 && m.id != PUPPET_TERMINATE);
    CHECK_EQ(m.id, PUPPET_TERMINATE);
    ipc_drop(m.port);
    pager.control = pager.name = MACH_PORT_NULL;
    unmap(at, 8);
    puppet_expect_nothing(&pager);
    puppet_destroy(&pager);
}

TEST(a_destroyed_object_loses_its_pages_and_asks_nobody)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    at[0] = 3;
    CHECK_EQ(memory_object_destroy(pager.control, KERN_FAILURE), KERN_SUCCESS);
    puppet_expect_end(&pager);
    CHECK_EQ(toucher_touch(at, false, 0, 0), KERN_MEMORY_ERROR);
    CHECK_EQ(toucher_touch(at + PUPPET_PAGE, true, 1, 0), KERN_MEMORY_ERROR);
    puppet_expect_nothing(&pager);
    unmap(at, 2);
    puppet_destroy(&pager);
}

TEST(a_port_can_be_mapped_again_after_its_object_was_destroyed)
{
    struct puppet pager;
    uint8_t *again, *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(memory_object_destroy(pager.control, KERN_FAILURE), KERN_SUCCESS);
    puppet_expect_end(&pager);
    again = map_anew(&pager, 1, false);
    CHECK_EQ(puppet_touch(&pager, again, false, 0, 0, 4), 4);
    CHECK_EQ(toucher_touch(at, false, 0, 0), KERN_MEMORY_ERROR);
    unmap(at, 1);
    puppet_expect_nothing(&pager);
    CHECK_EQ(again[0], 4);
    puppet_end(&pager, again, 1);
}

TEST(answers_after_the_end_are_ignored)
{
    struct puppet pager, gone;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(memory_object_destroy(pager.control, KERN_FAILURE), KERN_SUCCESS);
    gone = pager;
    puppet_expect(&pager, PUPPET_TERMINATE, &m);
    CHECK_EQ(m.control, gone.control); /* now ours to receive from, so these lie in its queue */
    CHECK_EQ(mach_port_set_qlimit(self(), gone.control, 16), KERN_SUCCESS);
    puppet_supply(&gone, 0, 1, 1);
    memory_object_data_unavailable(gone.control, 0, PUPPET_PAGE);
    memory_object_data_error(gone.control, 0, PUPPET_PAGE, 1);
    memory_object_lock_request(gone.control, 0, PUPPET_PAGE, 2, true, 0, gone.object);
    memory_object_destroy(gone.control, 0);
    CHECK_EQ(toucher_touch(at, false, 0, 0), KERN_MEMORY_ERROR);
    puppet_expect_nothing(&pager);
    ipc_drop(m.control); /* with the right to reply: */
    puppet_expect(&pager, PUPPET_REFUSED, &m);
    mach_port_destroy(self(), gone.name);
    pager.control = pager.name = MACH_PORT_NULL;
    unmap(at, 1);
    puppet_destroy(&pager);
}

TEST(pages_outlive_a_pager_that_died)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 3, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    at[0] = 3;
    puppet_destroy(&pager);
    CHECK_EQ(toucher_touch(at + 2 * PUPPET_PAGE, false, 0, 0), KERN_MEMORY_ERROR);
    CHECK_EQ(at[0], 3);
    CHECK_EQ(at[PUPPET_PAGE], 1);
    at[PUPPET_PAGE] = 2;
    unmap(at, 3);
}

/* A thread without libc that reads one byte. */
static uint8_t *volatile peer_at;

static void peer_reads(mach_port_t service)
{
    volatile uint8_t byte = *peer_at;

    (void)service;
    (void)byte;
    ipc_peer_idle();
}

static mach_port_t start_reader(struct ipc_peer *peer, uint8_t *at, bool own_task)
{
    peer_at = at;
    ipc_peer_create(peer, peer_reads, own_task);
    return peer->thread;
}

TEST(a_thread_that_waits_for_a_page_can_be_ended)
{
    struct puppet pager;
    struct puppet_message m;
    struct ipc_peer peer;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(thread_resume(start_reader(&peer, at, false)), KERN_SUCCESS);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    ipc_peer_end(&peer);
    puppet_supply(&pager, 0, 1, 1);
    CHECK_EQ(at[0], 1);
    puppet_end(&pager, at, 1);
}

TEST(a_task_that_waits_for_a_page_can_be_ended)
{
    struct puppet pager;
    struct puppet_message m;
    struct ipc_peer peer;
    vm_address_t theirs = 0x600000000000;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(vm_inherit(self(), (vm_address_t)at, PUPPET_PAGE, VM_INHERIT_NONE), KERN_SUCCESS);
    start_reader(&peer, (uint8_t *)theirs, true);
    CHECK_EQ(vm_map(peer.task, &theirs, PUPPET_PAGE, 0, 0, pager.object, 0, false, VM_PROT_READ,
                    VM_PROT_READ, VM_INHERIT_NONE),
             KERN_SUCCESS);
    unmap(at, 1);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    ipc_peer_end(&peer);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_suspended_thread_finds_its_page_when_it_goes_on)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(thread_suspend(toucher.port), KERN_SUCCESS);
    puppet_supply(&pager, 0, 1, 6);
    ipc_pause_ms(20);
    CHECK(!toucher_is_done(&toucher));
    CHECK_EQ(thread_resume(toucher.port), KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 6);
    puppet_end(&pager, at, 1);
}

TEST(an_aborted_fault_starts_over)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK(ipc_wait_blocked(toucher.port));
    CHECK_EQ(thread_abort(toucher.port), KERN_SUCCESS);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_supply(&pager, 0, 1, 6);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 6);
    puppet_end(&pager, at, 1);
}

/* --- the beginning --- */

static void *map_once(void *argument)
{
    return puppet_map_again(argument, 0, 1, false);
}

TEST(threads_that_map_an_object_at_once_get_one_object)
{
    for (unsigned round = 0; round < 30; round++) {
        struct puppet pager;
        struct puppet_message m;
        pthread_t threads[4];
        void *maps[4];

        puppet_create(&pager);
        for (unsigned i = 0; i < 4; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, map_once, &pager), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
            CHECK_EQ(pthread_join(threads[i], &maps[i]), 0);
        }
        puppet_expect(&pager, PUPPET_INIT, &m);
        pager.control = m.control;
        pager.name = m.port;
        memory_object_ready(pager.control, false, MEMORY_OBJECT_COPY_NONE);
        CHECK_EQ(puppet_touch(&pager, maps[3], false, 0, 0, 2), 2);
        for (unsigned i = 0; i < 4; i++) {
            CHECK_EQ(*(uint8_t *)maps[i], 2);
        }
        for (unsigned i = 0; i < 3; i++) {
            unmap(maps[i], 1);
        }
        puppet_end(&pager, maps[3], 1);
    }
}

static volatile bool mapping;

static void *map_and_unmap(void *argument)
{
    while (mapping) {
        unmap(puppet_map_again(argument, 0, 1, false), 1);
    }
    return NULL;
}

TEST(mapping_and_ending_at_once_leaves_nothing)
{
    struct puppet pager;
    struct puppet_message m;
    pthread_t threads[3];
    int balance = 0;
    unsigned ends = 0;

    puppet_create(&pager);
    mapping = true;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, map_and_unmap, &pager), 0);
    }
    while (ends < 200) {
        puppet_receive(pager.object, &m, 5000);
        CHECK(m.id == PUPPET_INIT || m.id == PUPPET_TERMINATE);
        if (m.id == 0) {
            break;
        }
        balance += m.id == PUPPET_INIT ? 1 : -1;
        CHECK(balance == 0 || balance == 1);
        ends += m.id == PUPPET_TERMINATE;
        mach_port_destroy(self(), m.control);
        mach_port_destroy(self(), m.port);
    }
    mapping = false;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(mach_port_set_qlimit(self(), pager.object, 16), KERN_SUCCESS);
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    puppet_destroy(&pager);
}

TEST(who_receives_from_the_port_is_the_pager)
{
    static struct ipc_message out, in;
    struct puppet pager;
    mach_port_t box = test_port();
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_add_ports(&out, &pager.object, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(at[0], 1);
    CHECK_EQ(toucher_touch(at + PUPPET_PAGE, false, 0, 50), KERN_MEMORY_ERROR); /* nobody is */
    CHECK_EQ(ipc_receive(box, &in, 0, 1000), MACH_MSG_SUCCESS);
    pager.object = (mach_port_t)*ipc_item_data(&in, 0);
    puppet_answer(&pager, PUPPET_PAGE, 7);
    CHECK_EQ(at[PUPPET_PAGE], 7);
    ipc_drop(box);
    puppet_end(&pager, at, 2);
}

TEST(an_object_in_a_destroyed_message_dies)
{
    static struct ipc_message out;
    struct puppet pager;
    mach_port_t box = test_port();
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_add_ports(&out, &pager.object, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    ipc_drop(box);
    CHECK_EQ(toucher_touch(at, false, 0, 0), KERN_MEMORY_ERROR);
    puppet_destroy(&pager);
    unmap(at, 1);
}

/* --- forgeries --- */

TEST(forged_notifications_do_not_end_an_object)
{
    static const mach_msg_id_t ids[] = {MACH_NOTIFY_PORT_DELETED, MACH_NOTIFY_PORT_DESTROYED,
                                        MACH_NOTIFY_NO_SENDERS, MACH_NOTIFY_SEND_ONCE,
                                        MACH_NOTIFY_DEAD_NAME};
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        static struct ipc_message m;
        mach_msg_type_t type = {.msgt_name = MACH_MSG_TYPE_PORT_NAME,
                                .msgt_size = 32,
                                .msgt_inline = 1,
                                .msgt_number = 1};
        uint64_t number = 1;

        for (unsigned to_name = 0; to_name < 2; to_name++) {
            ipc_begin(&m, to_name ? pager.name : pager.control, MACH_MSG_TYPE_COPY_SEND, ids[i]);
            ipc_add_bytes(&m, &type, sizeof(type));
            ipc_add_bytes(&m, &number, sizeof(number));
            CHECK_EQ(ipc_send(&m, 0, 0), MACH_MSG_SUCCESS);
        }
    }
    CHECK_EQ(at[0], 1);
    CHECK_EQ(puppet_touch(&pager, at + PUPPET_PAGE, false, 0, PUPPET_PAGE, 7), 7);
    puppet_end(&pager, at, 2);
}
