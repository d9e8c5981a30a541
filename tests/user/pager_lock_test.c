/* pager_lock_test.c - memory objects: cleaning, flushing, locks on pages and how they are lifted,
 * precious pages. */
#include <mach.h>
#include <mach_port.h>
#include <string.h>

#include "lib/puppet.h"

static mach_port_t self(void)
{
    return mach_task_self();
}

static void unmap(uint8_t *at, unsigned pages)
{
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)at, pages * PUPPET_PAGE), KERN_SUCCESS);
}

static void expect_locked(struct puppet *pager, vm_offset_t offset, unsigned pages)
{
    struct puppet_message m;

    puppet_expect(pager, PUPPET_LOCK_COMPLETED, &m);
    CHECK_EQ(m.offset, offset);
    CHECK_EQ(m.length, pages * PUPPET_PAGE);
}

/* Two messages that two threads send, in any order. */
static void expect_both(struct puppet *pager, mach_msg_id_t left, mach_msg_id_t right)
{
    struct puppet_message first, second;

    puppet_receive(pager->object, &first, 5000);
    puppet_receive(pager->object, &second, 5000);
    CHECK(first.id == left || first.id == right);
    CHECK_EQ(second.id, left + right - first.id);
    mach_port_deallocate(self(), first.control);
    mach_port_deallocate(self(), second.control);
}

static void clean(struct puppet *pager, unsigned pages)
{
    puppet_lock(pager, 0, pages, MEMORY_OBJECT_RETURN_DIRTY, false, VM_PROT_NO_CHANGE);
}

static void restrict_to(struct puppet *pager, vm_offset_t offset, unsigned pages, vm_prot_t lock)
{
    puppet_lock(pager, offset, pages, MEMORY_OBJECT_RETURN_NONE, false, lock);
    expect_locked(pager, offset, pages);
}

/* --- clean and flush --- */

TEST(cleaning_sends_changed_pages_and_keeps_them)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 4, 1);
    at[PUPPET_PAGE] = 2;
    clean(&pager, 4);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, true), 2);
    expect_locked(&pager, 0, 4);
    CHECK_EQ(at[PUPPET_PAGE], 2);
    CHECK_EQ(at[PUPPET_PAGE + 1], 1);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 4);
}

TEST(a_page_is_cleaned_once_for_each_change)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    for (unsigned i = 0; i < 5; i++) {
        at[0] = (uint8_t)i;
        clean(&pager, 1);
        CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, true), i);
        expect_locked(&pager, 0, 1);
        clean(&pager, 1);
        expect_locked(&pager, 0, 1);
    }
    puppet_end(&pager, at, 1);
}

TEST(pages_only_read_are_clean)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 4, 1);
    CHECK_EQ(at[0] + at[PUPPET_PAGE] + at[2 * PUPPET_PAGE] + at[3 * PUPPET_PAGE], 4);
    clean(&pager, 4);
    expect_locked(&pager, 0, 4);
    puppet_end(&pager, at, 4);
}

TEST(flushing_sends_changed_pages_and_forgets_all)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 4, 1);
    at[PUPPET_PAGE] = 2;
    puppet_lock(&pager, 0, 4, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, false), 2);
    expect_locked(&pager, 0, 4);
    CHECK_EQ(puppet_touch(&pager, at + 2 * PUPPET_PAGE, false, 0, 2 * PUPPET_PAGE, 5), 5);
    CHECK_EQ(puppet_touch(&pager, at + PUPPET_PAGE, false, 0, PUPPET_PAGE, 6), 6);
    puppet_end(&pager, at, 4);
}

TEST(flushing_without_return_throws_changes_away)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    at[0] = 2;
    puppet_lock(&pager, 0, 2, MEMORY_OBJECT_RETURN_NONE, true, VM_PROT_NO_CHANGE);
    expect_locked(&pager, 0, 2);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 3), 3);
    puppet_end(&pager, at, 2);
}

TEST(only_the_pages_of_the_range_are_flushed)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 5, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 5, 1);
    memset(at, 2, 5 * PUPPET_PAGE);
    puppet_lock(&pager, 2 * PUPPET_PAGE, 1, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    CHECK_EQ(puppet_expect_return(&pager, 2 * PUPPET_PAGE, 1, true, false), 2);
    expect_locked(&pager, 2 * PUPPET_PAGE, 1);
    CHECK_EQ(at[0] + at[PUPPET_PAGE] + at[3 * PUPPET_PAGE] + at[4 * PUPPET_PAGE], 8);
    puppet_expect_nothing(&pager);
    CHECK_EQ(puppet_touch(&pager, at + 2 * PUPPET_PAGE, false, 0, 2 * PUPPET_PAGE, 3), 3);
    unmap(at, 5);
    puppet_expect_return(&pager, 0, 2, true, false);
    puppet_expect_return(&pager, 3 * PUPPET_PAGE, 2, true, false);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(pages_side_by_side_come_in_one_message)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 40, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 40, 1);
    memset(at, 2, 3 * PUPPET_PAGE);
    memset(at + 5 * PUPPET_PAGE, 3, PUPPET_PAGE);
    memset(at + 10 * PUPPET_PAGE, 4, 20 * PUPPET_PAGE);
    clean(&pager, 40);
    CHECK_EQ(puppet_expect_return(&pager, 0, 3, true, true), 2);
    CHECK_EQ(puppet_expect_return(&pager, 5 * PUPPET_PAGE, 1, true, true), 3);
    CHECK_EQ(puppet_expect_return(&pager, 10 * PUPPET_PAGE, 16, true, true), 4);
    CHECK_EQ(puppet_expect_return(&pager, 26 * PUPPET_PAGE, 4, true, true), 4);
    expect_locked(&pager, 0, 40);
    puppet_end(&pager, at, 40);
}

#define MANY 600

/* What comes back of so many changed pages, in whatever portions. */
static unsigned count_returned(struct puppet *pager)
{
    struct puppet_message m;
    unsigned pages = 0;

    for (puppet_receive(pager->object, &m, 5000); m.id == PUPPET_DATA_RETURN;
         puppet_receive(pager->object, &m, 5000)) {
        CHECK_EQ(m.offset, pages * PUPPET_PAGE);
        CHECK_EQ(m.data[0], 2);
        pages += (unsigned)(m.length / PUPPET_PAGE);
        vm_deallocate(self(), (vm_address_t)m.data, m.length);
        mach_port_deallocate(self(), m.control);
    }
    CHECK_EQ(m.id, PUPPET_LOCK_COMPLETED);
    mach_port_deallocate(self(), m.control);
    return pages;
}

TEST(many_pages_are_locked_cleaned_and_flushed)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, MANY, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, MANY, 1);
    for (unsigned round = 0; round < 2; round++) {
        memset(at, 2, MANY * PUPPET_PAGE);
        puppet_lock(&pager, 0, MANY, MEMORY_OBJECT_RETURN_DIRTY, round == 1, VM_PROT_NO_CHANGE);
        CHECK_EQ(count_returned(&pager), MANY);
    }
    puppet_supply(&pager, 0, MANY, 1);
    restrict_to(&pager, 0, MANY, VM_PROT_WRITE);
    for (unsigned i = 0; i < MANY; i += MANY - 1) {
        CHECK_EQ(at[i * PUPPET_PAGE], 1);
        CHECK_EQ(toucher_touch(at + i * PUPPET_PAGE, true, 1, 20), KERN_MEMORY_ERROR);
    }
    CHECK_EQ(memory_object_destroy(pager.control, KERN_FAILURE), KERN_SUCCESS);
    for (unsigned i = 0; i < MANY; i += MANY - 1) {
        struct puppet_message m;

        CHECK_EQ(toucher_touch(at + i * PUPPET_PAGE, false, 0, 0), KERN_MEMORY_ERROR);
        puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    }
    puppet_expect_end(&pager);
    unmap(at, MANY);
    puppet_destroy(&pager);
}

TEST(a_pager_s_own_flush_of_nothing_is_confirmed)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_lock(&pager, 0, 4, MEMORY_OBJECT_RETURN_ALL, true, VM_PROT_ALL);
    expect_locked(&pager, 0, 4);
    puppet_lock(&pager, 0, 0, MEMORY_OBJECT_RETURN_ALL, true, VM_PROT_ALL);
    expect_locked(&pager, 0, 0);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 3), 3);
    puppet_end(&pager, at, 4);
}

TEST(a_flush_leaves_alone_what_was_asked_for)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_lock(&pager, 0, 4, MEMORY_OBJECT_RETURN_ALL, true, VM_PROT_ALL);
    expect_locked(&pager, 0, 4);
    puppet_supply(&pager, 0, 1, 3);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 3);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 4);
}

TEST(requests_that_make_no_sense_are_refused)
{
    static const struct {
        vm_offset_t offset;
        vm_size_t size;
        memory_object_return_t should_return;
        vm_prot_t lock;
    } bad[] = {{1, PUPPET_PAGE, 1, 0},   {0, 1, 1, 0},
               {0, PUPPET_PAGE, 3, 0},   {0, PUPPET_PAGE, -1, 0},
               {0, PUPPET_PAGE, 1, 16},  {0, PUPPET_PAGE, 1, -1},
               {~0xffful, 0x2000, 1, 0}, {0, ~0xffful, 1, 0}};
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    at[0] = 2;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(memory_object_lock_request(pager.control, bad[i].offset, bad[i].size,
                                            bad[i].should_return, true, bad[i].lock, pager.object),
                 KERN_SUCCESS); /* sent */
        puppet_expect(&pager, PUPPET_REFUSED, &m);
    }
    CHECK_EQ(at[0], 2);
    puppet_expect_nothing(&pager);
    unmap(at, 1);
    puppet_expect_return(&pager, 0, 1, true, false);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

/* --- precious pages --- */

TEST(a_precious_page_comes_back_though_it_is_clean)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply_as(&pager, 0, 1, 1, VM_PROT_NONE, true);
    puppet_expect(&pager, PUPPET_SUPPLY_COMPLETED, &m);
    puppet_supply(&pager, PUPPET_PAGE, 1, 2);
    clean(&pager, 4);
    expect_locked(&pager, 0, 4);
    unmap(at, 4);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, false, false), 1);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_precious_page_that_was_returned_is_not_precious_any_more)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply_as(&pager, 0, 1, 1, VM_PROT_NONE, true);
    puppet_expect(&pager, PUPPET_SUPPLY_COMPLETED, &m);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_ALL, false, VM_PROT_NO_CHANGE);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, false, true), 1);
    expect_locked(&pager, 0, 1);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_ALL, false, VM_PROT_NO_CHANGE);
    expect_locked(&pager, 0, 1);
    CHECK_EQ(at[0], 1);
    puppet_end(&pager, at, 1);
}

TEST(dirty_and_precious_pages_come_in_messages_of_their_own)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply_as(&pager, 0, 4, 1, VM_PROT_NONE, true);
    puppet_expect(&pager, PUPPET_SUPPLY_COMPLETED, &m);
    memset(at + PUPPET_PAGE, 2, 2 * PUPPET_PAGE);
    unmap(at, 4);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, false, false), 1);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 2, true, false), 2);
    CHECK_EQ(puppet_expect_return(&pager, 3 * PUPPET_PAGE, 1, false, false), 1);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

/* --- locks --- */

/* A touch that has to ask for an unlock first, which is given. */
static int touch_unlocks(struct puppet *pager, uint8_t *at, bool write, int value,
                         vm_offset_t offset)
{
    struct puppet_message m;
    struct toucher toucher;

    toucher_start(&toucher, at, write, value, 0);
    puppet_expect(pager, PUPPET_DATA_UNLOCK, &m);
    CHECK_EQ(m.offset, offset);
    CHECK_EQ(m.length, PUPPET_PAGE);
    CHECK_EQ(m.access & VM_PROT_WRITE, write ? VM_PROT_WRITE : 0);
    puppet_expect_nothing(pager);
    CHECK(!toucher_is_done(&toucher));
    restrict_to(pager, offset, 1, VM_PROT_NONE);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    return toucher.value;
}

TEST(a_page_locked_against_writes_is_read_and_asks_for_the_first_write)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    at[0] = 2;
    restrict_to(&pager, 0, 1, VM_PROT_WRITE);
    CHECK_EQ(at[0], 2);
    at[PUPPET_PAGE] = 3; /* not of the range */
    puppet_expect_nothing(&pager);
    CHECK_EQ(touch_unlocks(&pager, at, true, 4, 0), 4);
    at[1] = 5;
    puppet_expect_nothing(&pager);
    unmap(at, 2);
    CHECK_EQ(puppet_expect_return(&pager, 0, 2, true, false), 4);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_page_may_be_supplied_locked)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply_as(&pager, 0, 1, 1, VM_PROT_WRITE, false);
    puppet_expect(&pager, PUPPET_SUPPLY_COMPLETED, &m);
    CHECK_EQ(at[0], 1);
    CHECK_EQ(touch_unlocks(&pager, at, true, 4, 0), 4);
    unmap(at, 1);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 4);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_page_locked_against_all_is_not_even_read)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    CHECK_EQ(at[0], 1);
    restrict_to(&pager, 0, 1, VM_PROT_ALL);
    CHECK_EQ(touch_unlocks(&pager, at, false, 0, 0), 1);
    puppet_end(&pager, at, 1);
}

TEST(a_locked_page_is_locked_in_each_mapping)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *again = puppet_map_again(&pager, 0, 1, false);

    puppet_supply(&pager, 0, 1, 1);
    at[0] = again[1] = 2;
    restrict_to(&pager, 0, 1, VM_PROT_WRITE);
    CHECK_EQ(toucher_touch(again, true, 3, 50), KERN_MEMORY_ERROR);
    CHECK_EQ(again[0], 2);
    unmap(again, 1);
    unmap(at, 1);
    for (unsigned i = 0; i < 1; i++) {
        struct puppet_message m;

        puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    }
    puppet_expect_return(&pager, 0, 1, true, false);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(an_unlock_that_never_comes_is_an_exception_and_asked_for_again)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    restrict_to(&pager, 0, 1, VM_PROT_WRITE);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(toucher_touch(at, true, 2, 50), KERN_MEMORY_ERROR);
        puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    }
    CHECK_EQ(at[0], 1);
    puppet_end(&pager, at, 1);
}

TEST(many_threads_wait_for_one_unlock_with_one_question)
{
    static struct toucher touchers[20];
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    restrict_to(&pager, 0, 1, VM_PROT_WRITE);
    for (unsigned i = 0; i < 20; i++) {
        toucher_start(&touchers[i], at + i, true, 9, 0);
        CHECK(ipc_wait_blocked(touchers[i].port));
    }
    puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    puppet_expect_nothing(&pager);
    restrict_to(&pager, 0, 1, VM_PROT_NONE);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(toucher_end(&touchers[i]), KERN_SUCCESS);
        CHECK_EQ(at[i], 9);
    }
    puppet_expect_nothing(&pager);
    unmap(at, 1);
    puppet_expect_return(&pager, 0, 1, true, false);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(another_lock_in_answer_to_a_question_is_asked_about_again)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    restrict_to(&pager, 0, 1, VM_PROT_ALL);
    toucher_start(&toucher, at, true, 2, 0);
    puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_WRITE);
    expect_both(&pager, PUPPET_LOCK_COMPLETED, PUPPET_DATA_UNLOCK);
    CHECK(!toucher_is_done(&toucher));
    restrict_to(&pager, 0, 1, VM_PROT_NONE);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    unmap(at, 1);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 2);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_locked_page_that_is_flushed_is_asked_for)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    restrict_to(&pager, 0, 1, VM_PROT_WRITE);
    toucher_start(&toucher, at, true, 2, 0);
    puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    expect_both(&pager, PUPPET_LOCK_COMPLETED, PUPPET_DATA_REQUEST);
    puppet_supply(&pager, 0, 1, 7);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(at[1], 7);
    unmap(at, 1);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 2);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(cleaning_and_locking_in_one_request_gives_the_last_contents)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    at[0] = 2;
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_DIRTY, false, VM_PROT_WRITE);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, true), 2);
    expect_locked(&pager, 0, 1);
    CHECK_EQ(touch_unlocks(&pager, at, true, 4, 0), 4);
    unmap(at, 1);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 4);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

/* --- all at once --- */

static volatile bool counting;

static void *count_up(void *argument)
{
    volatile uint32_t *count = argument;
    uint32_t last = 0;
    long lost = 0;

    while (counting) {
        uint32_t now = *count;

        lost += now != last;
        last = now + 1;
        *count = last;
    }
    return (void *)lost;
}

TEST(a_page_flushed_and_cleaned_while_it_is_written_loses_nothing)
{
    struct puppet_server server;
    pthread_t thread;
    void *lost;
    uint8_t *at = puppet_server_start(&server, 1, false, MEMORY_OBJECT_COPY_NONE);

    memset(server.store, 0, PUPPET_PAGE);
    counting = true;
    CHECK_EQ(pthread_create(&thread, NULL, count_up, at), 0);
    for (unsigned i = 0; i < IPC_LONG_MS && *(volatile uint32_t *)at == 0; i++) {
        ipc_pause_ms(1); /* its processor may be one the host does not run just now */
    }
    for (unsigned i = 0; i < 300; i++) {
        static const vm_prot_t locks[] = {VM_PROT_NO_CHANGE, VM_PROT_WRITE, VM_PROT_ALL};

        puppet_lock(&server.pager, 0, 1, MEMORY_OBJECT_RETURN_DIRTY, i % 2 == 0, locks[i % 3]);
        swtch();
    }
    counting = false;
    CHECK_EQ(pthread_join(thread, &lost), 0);
    CHECK_EQ((long)lost, 0);
    CHECK(*(uint32_t *)at > 0);
    puppet_server_end(&server, at);
    CHECK(server.returns > 0);
}
