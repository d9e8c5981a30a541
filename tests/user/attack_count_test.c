/* attack_count_test.c - attacks on what a name counts and on names themselves.
 *
 * M1 "user-reference (uref) overflow or underflow on a name" (CVE-2016-7637: enough references to
 * one send right made the count wrap, and the right was freed under its other users). The attacker
 * drives the count of a name to its ends by calls, insertions and messages, from several threads.
 * A count must stay between 0 and 0xffff, a refused change must leave it alone
 * (KERN_UREFS_OVERFLOW, KERN_INVALID_VALUE), and each reference can be given away once.
 *
 * M14 "port-name reuse (ABA)" (the documentation of guarded ports). The attacker has a victim keep
 * a name whose right has gone, and makes new rights until one comes under it. The name's generation
 * must make a stale name miss (KERN_INVALID_NAME, MACH_SEND_INVALID_DEST, MACH_RCV_INVALID_NAME)
 * however the entry is used meanwhile. */
#include <mach.h>
#include <mach_port.h>

#include "lib/attack.h"

#define LIMIT  0xffff
#define REUSES 200 /* the generation has 256 values */

static struct ipc_message in, out;

static mach_port_t self(void)
{
    return mach_task_self();
}

/* --- M1 --- */

static void refuse_deltas(mach_port_t name, mach_port_right_t right)
{
    static const int deltas[] = {0x7fffffff, 0x10000, LIMIT, -0x7fffffff - 1, -0x10000, -2};

    for (unsigned i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {
        CHECK_EQ(mach_port_mod_refs(self(), name, right, deltas[i]),
                 deltas[i] > 0 ? KERN_UREFS_OVERFLOW : KERN_INVALID_VALUE);
        CHECK_EQ(ipc_refs(name, right), 1);
    }
    CHECK_EQ(mach_port_mod_refs(self(), name, right, LIMIT - 1), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), name, right, 1), KERN_UREFS_OVERFLOW);
    CHECK_EQ(mach_port_mod_refs(self(), name, right, 0x7fffffff), KERN_UREFS_OVERFLOW);
    CHECK_EQ(mach_port_mod_refs(self(), name, right, -LIMIT - 1), KERN_INVALID_VALUE);
    CHECK_EQ(ipc_refs(name, right), LIMIT);
    CHECK_EQ(mach_port_mod_refs(self(), name, right, 1 - LIMIT), KERN_SUCCESS);
    CHECK_EQ(ipc_refs(name, right), 1);
}

TEST(m1_no_delta_takes_a_count_past_its_ends)
{
    mach_port_t port = test_port(), dead = ipc_dead_name();

    refuse_deltas(port, MACH_PORT_RIGHT_SEND);
    refuse_deltas(dead, MACH_PORT_RIGHT_DEAD_NAME);
    CHECK_EQ(attack_send_rights(port), 1);
    ipc_drop(port);
    ipc_drop(dead);
}

TEST(m1_rights_that_are_not_counted_take_no_delta_but_0_and_minus_1)
{
    static const int deltas[] = {1, -2, 0x7fffffff, -0x7fffffff - 1, 0x10000, LIMIT};
    mach_port_t port = ipc_receive_right(), once = ipc_send_once(port), set = ipc_set();

    for (unsigned i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {
        CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, deltas[i]),
                 KERN_INVALID_VALUE);
        CHECK_EQ(mach_port_mod_refs(self(), once, MACH_PORT_RIGHT_SEND_ONCE, deltas[i]),
                 KERN_INVALID_VALUE);
        CHECK_EQ(mach_port_mod_refs(self(), set, MACH_PORT_RIGHT_PORT_SET, deltas[i]),
                 KERN_INVALID_VALUE);
    }
    CHECK_EQ(ipc_status(port).mps_sorights, 1);
    ipc_drop(set);
    ipc_drop(once);
    ipc_drop(port);
}

TEST(m1_a_full_count_refuses_one_more_right_and_keeps_its_own)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, LIMIT - 2), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
             KERN_UREFS_OVERFLOW);
    CHECK_EQ(mach_port_insert_right(self(), port, port, MACH_MSG_TYPE_COPY_SEND),
             KERN_UREFS_OVERFLOW);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), LIMIT - 1);
    CHECK_EQ(attack_send_rights(port), 1);
    ipc_drop(port);
}

TEST(m1_rights_that_arrive_at_a_full_count_leave_it_full)
{
    mach_port_t box = test_port(), port = test_port(), names[64];

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, LIMIT - 3), KERN_SUCCESS);
    for (unsigned i = 0; i < 64; i++) {
        names[i] = port;
    }
    for (unsigned i = 0; i < 4; i++) {
        ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_ports(&out, names, 64, MACH_MSG_TYPE_MAKE_SEND);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(box, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), LIMIT - 1);
        CHECK_EQ(attack_send_rights(port), 1);
    }
    ipc_drop(port);
    ipc_drop(box);
}

TEST(m1_a_dead_name_notification_does_not_overflow_a_full_count)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, LIMIT - 1), KERN_SUCCESS);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_DEAD_NAME, 0, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_DEAD_NAME), LIMIT);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_DEAD_NAME, 1, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_UREFS_OVERFLOW);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_DEAD_NAME), LIMIT);
    ipc_drop(port);
    ipc_drop(notify);
}

static void refuse_second(mach_port_t box, mach_port_t name, unsigned disposition)
{
    mach_port_t names[] = {name, name};

    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, names, 2, disposition);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_port_array(&out, names, 2, disposition, false);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(ipc_receive(box, &in, 0, 0), MACH_RCV_TIMED_OUT);
}

TEST(m1_one_message_cannot_give_a_reference_away_twice)
{
    mach_port_t box = test_port(), port = test_port(), once = ipc_send_once(port);

    refuse_second(box, port, MACH_MSG_TYPE_MOVE_SEND);
    refuse_second(box, port, MACH_MSG_TYPE_MOVE_RECEIVE);
    refuse_second(box, once, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_SEND_RECEIVE);
    CHECK_EQ(ipc_status(port).mps_sorights, 1);
    ipc_drop(once);
    ipc_drop(port);
    ipc_drop(box);
}

static void up_and_down(struct attack_hammer *h)
{
    mach_port_mod_refs(self(), h->port, MACH_PORT_RIGHT_SEND, 2);
    mach_port_mod_refs(self(), h->port, MACH_PORT_RIGHT_SEND, -2);
}

TEST(m1_threads_that_push_a_count_at_its_limit_do_not_get_it_over)
{
    mach_port_t port = test_port();
    struct attack_hammer hammers[3];

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, LIMIT - 8), KERN_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = up_and_down, .port = port};
    }
    attack_start(hammers, 3);
    for (unsigned i = 0; i < 500; i++) {
        CHECK(ipc_refs(port, MACH_PORT_RIGHT_SEND) >= LIMIT - 7); /* had it wrapped: near 0 */
        CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, 8), KERN_UREFS_OVERFLOW);
    }
    attack_stop(hammers, 3);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), LIMIT - 7);
    CHECK_EQ(attack_send_rights(port), 1);
    ipc_drop(port);
}

static void deallocate(struct attack_hammer *h)
{
    h->hits += mach_port_deallocate(self(), h->port) == KERN_SUCCESS;
}

TEST(m1_references_dropped_by_many_are_dropped_once_each)
{
    enum { REFS = 2000 };
    mach_port_t port = test_port();
    struct attack_hammer hammers[3];

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, REFS - 1), KERN_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = deallocate, .port = port};
    }
    attack_start(hammers, 3);
    while (ipc_type(port) != MACH_PORT_TYPE_RECEIVE) {
        swtch();
    }
    ipc_pause_ms(5); /* some more that must be refused */
    attack_stop(hammers, 3);
    CHECK_EQ(hammers[0].hits + hammers[1].hits + hammers[2].hits, REFS);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_INVALID_RIGHT);
    CHECK_EQ(attack_send_rights(port), 0);
    ipc_drop(port);
}

static void send_away(struct attack_hammer *h)
{
    mach_msg_header_t head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0),
                              .msgh_size = sizeof(head),
                              .msgh_remote_port = h->port};

    h->hits += mach_msg(&head, MACH_SEND_MSG, sizeof(head), 0, 0, 0, 0) == MACH_MSG_SUCCESS;
}

TEST(m1_references_sent_away_by_many_are_sent_once_each)
{
    enum { REFS = 1000 };
    mach_port_t port = test_port();
    struct attack_hammer hammers[3];
    unsigned received = 0;

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, REFS - 1), KERN_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = send_away, .port = port};
    }
    attack_start(hammers, 3);
    while (ipc_receive(port, &in, 0, received < REFS ? IPC_LONG_MS : 5) == MACH_MSG_SUCCESS) {
        received++;
    }
    attack_stop(hammers, 3);
    CHECK_EQ(received, REFS);
    CHECK_EQ(hammers[0].hits + hammers[1].hits + hammers[2].hits, REFS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ(attack_send_rights(port), 0);
    ipc_drop(port);
}

/* --- M14 --- */

/* Nothing can be done with a name that denotes nothing. */
static void check_misses(mach_port_t stale)
{
    mach_port_t port = ipc_receive_right();
    mach_port_type_t type;

    CHECK_EQ(mach_port_type(self(), stale, &type), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_deallocate(self(), stale), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_destroy(self(), stale), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_mod_refs(self(), stale, MACH_PORT_RIGHT_SEND, 1), KERN_INVALID_NAME);
    CHECK_EQ(test_send(stale, 0, 1, MACH_SEND_TIMEOUT, 0), MACH_SEND_INVALID_DEST);
    CHECK_EQ(ipc_receive(stale, &in, 0, 0), MACH_RCV_INVALID_NAME);
    CHECK_EQ(syscall_mach_port_insert_right(self(), 0x5000200, stale, MACH_MSG_TYPE_COPY_SEND),
             KERN_INVALID_NAME);
    ipc_begin(&out, port, MACH_MSG_TYPE_MAKE_SEND, 1);
    ipc_add_ports(&out, &stale, 1, MACH_MSG_TYPE_COPY_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
    ipc_drop(port);
}

TEST(m14_a_name_that_was_given_back_reaches_no_new_right)
{
    mach_port_t stale = test_port(), fresh[REUSES];

    ipc_drop(stale);
    for (unsigned i = 0; i < REUSES; i++) {
        fresh[i] = test_port();
        CHECK(fresh[i] != stale);
        CHECK_EQ(ipc_type(stale), 0);
        if (i % 50 == 0) {
            check_misses(stale);
        }
        if (i % 2 == 0) {
            ipc_drop(fresh[i]);
        }
    }
    for (unsigned i = 1; i < REUSES; i += 2) {
        CHECK_EQ(ipc_refs(fresh[i], MACH_PORT_RIGHT_SEND), 1);
        CHECK_EQ(ipc_status(fresh[i]).mps_msgcount, 0);
        ipc_drop(fresh[i]);
    }
}

TEST(m14_a_name_that_was_sent_away_or_renamed_is_stale_too)
{
    mach_port_t box = test_port(), port = ipc_receive_right(), once = ipc_send_once(port);
    mach_port_t renamed = ipc_dead_name();

    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &once, 1, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_port_rename(self(), renamed, 0x5000123), KERN_SUCCESS);
    for (unsigned i = 0; i < 30; i++) {
        mach_port_t fresh = test_port();

        CHECK(fresh != port && fresh != once && fresh != renamed);
        CHECK_EQ(ipc_type(port) | ipc_type(once) | ipc_type(renamed), 0);
        ipc_drop(fresh);
    }
    check_misses(port);
    check_misses(once);
    check_misses(renamed);
    ipc_drop(0x5000123);
    ipc_drop(box);
}

/* With a stale name, all that would disturb a right under it. */
static void disturb(struct attack_hammer *h)
{
    h->hits += test_send(h->port, 0, 99, MACH_SEND_TIMEOUT, 0) == MACH_MSG_SUCCESS;
    h->hits += mach_port_mod_refs(self(), h->port, MACH_PORT_RIGHT_SEND, 1) == KERN_SUCCESS;
    h->hits += mach_port_deallocate(self(), h->port) == KERN_SUCCESS;
}

TEST(m14_threads_with_a_stale_name_do_not_disturb_who_uses_its_entry)
{
    struct attack_hammer hammers[2];
    mach_port_t stale = test_port();

    for (unsigned i = 0; i < 2; i++) {
        hammers[i] = (struct attack_hammer){.blow = disturb, .port = stale};
    }
    ipc_drop(stale);
    attack_start(hammers, 2);
    for (unsigned i = 0; i < REUSES; i++) {
        mach_port_t fresh = test_port();

        CHECK_EQ(ipc_refs(fresh, MACH_PORT_RIGHT_SEND), 1);
        CHECK_EQ(ipc_receive(fresh, &in, 0, 0), MACH_RCV_TIMED_OUT);
        ipc_drop(fresh);
    }
    attack_stop(hammers, 2);
    CHECK_EQ(hammers[0].hits + hammers[1].hits, 0);
}

static void come_and_go(struct attack_hammer *h)
{
    mach_port_t name = MACH_PORT_NULL;

    mach_port_allocate(self(), MACH_PORT_RIGHT_RECEIVE, &name);
    h->hits += name == h->port;
    mach_port_destroy(self(), name);
}

TEST(m14_names_that_come_and_go_never_come_under_one_that_is_kept)
{
    mach_port_t kept = test_port();
    struct attack_hammer hammers[2];

    for (unsigned i = 0; i < 2; i++) {
        hammers[i] = (struct attack_hammer){.blow = come_and_go, .port = kept};
    }
    attack_start(hammers, 2);
    for (unsigned i = 0; i < 500; i++) {
        CHECK_EQ(ipc_type(kept), MACH_PORT_TYPE_SEND_RECEIVE);
        CHECK_EQ(test_send(kept, 0, (int)i, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(kept, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_id, i);
    }
    attack_stop(hammers, 2);
    CHECK_EQ(hammers[0].hits + hammers[1].hits, 0);
    ipc_drop(kept);
}
