/* name_test.c - the routines of mach_port.defs, each with every error it can return; limits of the
 * ledger; generations of names. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/peer.h"

#define MS_ONCE MACH_MSG_TYPE_MAKE_SEND_ONCE

static struct ipc_message in, out;

static mach_port_t self(void)
{
    return mach_task_self();
}

static mach_port_t new_task(void)
{
    mach_port_t task = MACH_PORT_NULL;

    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    return task;
}

static void end_task(mach_port_t task)
{
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    mach_port_destroy(self(), task);
}

/* --- every routine on what is no task --- */

static kern_return_t do_names(mach_port_t task)
{
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t a, b;

    return mach_port_names(task, &names, &a, &types, &b);
}
static kern_return_t do_type(mach_port_t task)
{
    mach_port_type_t type;

    return mach_port_type(task, 1, &type);
}
static kern_return_t do_rename(mach_port_t task)
{
    return mach_port_rename(task, 1, 2);
}
static kern_return_t do_allocate_name(mach_port_t task)
{
    return mach_port_allocate_name(task, MACH_PORT_RIGHT_RECEIVE, 77);
}
static kern_return_t do_allocate(mach_port_t task)
{
    mach_port_t name;

    return mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name);
}
static kern_return_t do_destroy(mach_port_t task)
{
    return mach_port_destroy(task, 1);
}
static kern_return_t do_deallocate(mach_port_t task)
{
    return mach_port_deallocate(task, 1);
}
static kern_return_t do_get_refs(mach_port_t task)
{
    mach_port_urefs_t refs;

    return mach_port_get_refs(task, 1, MACH_PORT_RIGHT_SEND, &refs);
}
static kern_return_t do_mod_refs(mach_port_t task)
{
    return mach_port_mod_refs(task, 1, MACH_PORT_RIGHT_SEND, 1);
}
static kern_return_t do_set_qlimit(mach_port_t task)
{
    return mach_port_set_qlimit(task, 1, 1);
}
static kern_return_t do_set_mscount(mach_port_t task)
{
    return mach_port_set_mscount(task, 1, 1);
}
static kern_return_t do_get_set_status(mach_port_t task)
{
    mach_port_name_t *members;
    mach_msg_type_number_t count;

    return mach_port_get_set_status(task, 1, &members, &count);
}
static kern_return_t do_move_member(mach_port_t task)
{
    return mach_port_move_member(task, 1, 0);
}
static kern_return_t do_request_notification(mach_port_t task)
{
    mach_port_t previous;

    return mach_port_request_notification(task, 1, MACH_NOTIFY_DEAD_NAME, 0, MACH_PORT_NULL,
                                          MACH_MSG_TYPE_MOVE_SEND_ONCE, &previous);
}
static kern_return_t do_insert_right(mach_port_t task)
{
    return mach_port_insert_right(task, 77, self(), MACH_MSG_TYPE_COPY_SEND);
}
static kern_return_t do_extract_right(mach_port_t task)
{
    mach_port_t right;
    mach_msg_type_name_t type;

    return mach_port_extract_right(task, 1, MACH_MSG_TYPE_COPY_SEND, &right, &type);
}
static kern_return_t do_get_receive_status(mach_port_t task)
{
    mach_port_status_t status;

    return mach_port_get_receive_status(task, 1, &status);
}
static kern_return_t do_set_seqno(mach_port_t task)
{
    return mach_port_set_seqno(task, 1, 1);
}
static kern_return_t do_set_payload(mach_port_t task)
{
    return mach_port_set_protected_payload(task, 1, 1);
}
static kern_return_t do_clear_payload(mach_port_t task)
{
    return mach_port_clear_protected_payload(task, 1);
}

static kern_return_t (*const routines[])(mach_port_t) = {do_names,
                                                         do_type,
                                                         do_rename,
                                                         do_allocate_name,
                                                         do_allocate,
                                                         do_destroy,
                                                         do_deallocate,
                                                         do_get_refs,
                                                         do_mod_refs,
                                                         do_set_qlimit,
                                                         do_set_mscount,
                                                         do_get_set_status,
                                                         do_move_member,
                                                         do_request_notification,
                                                         do_insert_right,
                                                         do_extract_right,
                                                         do_get_receive_status,
                                                         do_set_seqno,
                                                         do_set_payload,
                                                         do_clear_payload};
#define ROUTINES (sizeof(routines) / sizeof(routines[0]))

TEST(every_routine_refuses_a_port_that_is_no_task)
{
    mach_port_t thread = (mach_thread_self)();

    for (unsigned i = 0; i < ROUTINES; i++) {
        CHECK_EQ(routines[i](thread), KERN_INVALID_TASK);
        CHECK_EQ(routines[i](mach_host_self()), KERN_INVALID_TASK);
    }
    mach_port_deallocate(self(), thread);
}

TEST(every_routine_refuses_a_task_that_has_ended)
{
    mach_port_t task = new_task();

    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    for (unsigned i = 0; i < ROUTINES; i++) {
        CHECK_EQ(routines[i](task), MACH_SEND_INVALID_DEST);
    }
    mach_port_destroy(self(), task);
}

TEST(every_routine_that_takes_a_name_refuses_one_that_denotes_nothing)
{
    mach_port_t task = new_task();

    for (unsigned i = 0; i < ROUTINES; i++) {
        if (routines[i] != do_names && routines[i] != do_allocate &&
            routines[i] != do_allocate_name && routines[i] != do_insert_right) {
            CHECK_EQ(routines[i](task), KERN_INVALID_NAME);
        }
    }
    end_task(task);
}

/* --- kinds: what a routine says to each kind of name --- */

struct kinds {
    mach_port_t receive, send, both, once, dead, set;
};

static void make_kinds(struct kinds *k)
{
    k->receive = ipc_receive_right();
    k->both = test_port();
    k->once = ipc_send_once(k->receive);
    k->dead = ipc_dead_name();
    k->set = ipc_set();
    k->send = mach_host_self(); /* the program's own: not dropped */
}

static void drop_kinds(struct kinds *k)
{
    ipc_drop(k->once);
    ipc_drop(k->receive);
    ipc_drop(k->both);
    ipc_drop(k->dead);
    ipc_drop(k->set);
}

TEST(a_receive_right_is_needed_for_its_state)
{
    struct kinds k;
    mach_port_status_t status;

    make_kinds(&k);
    {
        const mach_port_t others[] = {k.send, k.once, k.dead, k.set};

        for (unsigned i = 0; i < 4; i++) {
            CHECK_EQ(mach_port_set_qlimit(self(), others[i], 1), KERN_INVALID_RIGHT);
            CHECK_EQ(mach_port_set_mscount(self(), others[i], 1), KERN_INVALID_RIGHT);
            CHECK_EQ(mach_port_set_seqno(self(), others[i], 1), KERN_INVALID_RIGHT);
            CHECK_EQ(mach_port_get_receive_status(self(), others[i], &status), KERN_INVALID_RIGHT);
            CHECK_EQ(mach_port_set_protected_payload(self(), others[i], 1), KERN_INVALID_RIGHT);
            CHECK_EQ(mach_port_clear_protected_payload(self(), others[i]), KERN_INVALID_RIGHT);
            CHECK_EQ(mach_port_move_member(self(), others[i], k.set), KERN_INVALID_RIGHT);
        }
    }
    drop_kinds(&k);
}

TEST(a_set_is_needed_to_list_members_and_to_join)
{
    struct kinds k;
    mach_port_name_t *members;
    mach_msg_type_number_t count = 0;

    make_kinds(&k);
    {
        const mach_port_t others[] = {k.send, k.once, k.dead, k.receive, k.both};

        for (unsigned i = 0; i < 5; i++) {
            CHECK_EQ(mach_port_get_set_status(self(), others[i], &members, &count),
                     KERN_INVALID_RIGHT);
            CHECK_EQ(mach_port_move_member(self(), k.both, others[i]), KERN_INVALID_RIGHT);
        }
    }
    CHECK_EQ(mach_port_move_member(self(), k.both, IPC_NO_NAME), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_get_set_status(self(), k.set, &members, &count), KERN_SUCCESS);
    CHECK_EQ(count, 0);
    drop_kinds(&k);
}

TEST(deallocate_drops_one_reference_of_what_is_counted_and_refuses_the_rest)
{
    struct kinds k;

    make_kinds(&k);
    CHECK_EQ(mach_port_deallocate(self(), k.receive), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_deallocate(self(), k.set), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_deallocate(self(), k.both), KERN_SUCCESS);
    CHECK_EQ(ipc_type(k.both), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ(mach_port_deallocate(self(), k.both), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_mod_refs(self(), k.dead, MACH_PORT_RIGHT_DEAD_NAME, 1), KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), k.dead), KERN_SUCCESS);
    CHECK_EQ(ipc_type(k.dead), MACH_PORT_TYPE_DEAD_NAME);
    drop_kinds(&k);
}

TEST(get_refs_says_one_zero_or_the_count)
{
    struct kinds k;

    make_kinds(&k);
    CHECK_EQ(ipc_refs(k.receive, MACH_PORT_RIGHT_RECEIVE), 1);
    CHECK_EQ(ipc_refs(k.receive, MACH_PORT_RIGHT_SEND), 0);
    CHECK_EQ(ipc_refs(k.both, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ(ipc_refs(k.once, MACH_PORT_RIGHT_SEND_ONCE), 1);
    CHECK_EQ(ipc_refs(k.once, MACH_PORT_RIGHT_SEND), 0);
    CHECK_EQ(ipc_refs(k.set, MACH_PORT_RIGHT_PORT_SET), 1);
    CHECK_EQ(ipc_refs(k.set, MACH_PORT_RIGHT_RECEIVE), 0);
    CHECK_EQ(ipc_refs(k.dead, MACH_PORT_RIGHT_DEAD_NAME), 1);
    {
        mach_port_urefs_t refs;

        CHECK_EQ(mach_port_get_refs(self(), k.both, MACH_PORT_RIGHT_NUMBER, &refs),
                 KERN_INVALID_VALUE);
    }
    drop_kinds(&k);
}

TEST(mod_refs_keeps_or_drops_what_is_not_counted)
{
    struct kinds k;

    make_kinds(&k);
    CHECK_EQ(mach_port_mod_refs(self(), k.receive, MACH_PORT_RIGHT_RECEIVE, 0), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), k.receive, MACH_PORT_RIGHT_RECEIVE, 1), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_mod_refs(self(), k.receive, MACH_PORT_RIGHT_RECEIVE, -2),
             KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_mod_refs(self(), k.once, MACH_PORT_RIGHT_SEND_ONCE, 1), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_mod_refs(self(), k.set, MACH_PORT_RIGHT_PORT_SET, 1), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_mod_refs(self(), k.set, MACH_PORT_RIGHT_RECEIVE, -1), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_mod_refs(self(), k.receive, MACH_PORT_RIGHT_SEND, -1), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_mod_refs(self(), k.dead, MACH_PORT_RIGHT_SEND, -1), KERN_INVALID_RIGHT);
    drop_kinds(&k);
    make_kinds(&k);
    CHECK_EQ(mach_port_mod_refs(self(), k.once, MACH_PORT_RIGHT_SEND_ONCE, -1), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), k.set, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), k.dead, MACH_PORT_RIGHT_DEAD_NAME, -1), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), k.receive, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(ipc_type(k.once) | ipc_type(k.set) | ipc_type(k.dead) | ipc_type(k.receive), 0);
    ipc_drop(k.both);
}

TEST(references_stop_at_their_maximum)
{
    mach_port_t port = test_port(), dead = ipc_dead_name();

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, 0xfffe), KERN_SUCCESS);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 0xffff);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, 1), KERN_UREFS_OVERFLOW);
    CHECK_EQ(mach_port_mod_refs(self(), dead, MACH_PORT_RIGHT_DEAD_NAME, 0xffff),
             KERN_UREFS_OVERFLOW);
    CHECK_EQ(mach_port_mod_refs(self(), dead, MACH_PORT_RIGHT_DEAD_NAME, -2), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_insert_right(self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
             KERN_UREFS_OVERFLOW);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 0xffff);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, -0xffff), KERN_SUCCESS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_RECEIVE);
    ipc_drop(port);
    ipc_drop(dead);
}

TEST(a_right_that_comes_when_the_count_is_full_is_dropped_and_counted_right)
{
    mach_port_t port = test_port(), box = test_port();

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, 0xfffe), KERN_SUCCESS);
    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MAKE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(box, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(*ipc_item_data(&in, 0), port);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 0xffff);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, -0xffff), KERN_SUCCESS);
    CHECK(!ipc_status(port).mps_srights);
    ipc_drop(port);
    ipc_drop(box);
}

TEST(rename_refuses_names_in_use_and_names_that_are_none)
{
    struct kinds k;

    make_kinds(&k);
    CHECK_EQ(mach_port_rename(self(), k.both, MACH_PORT_NULL), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_rename(self(), k.both, MACH_PORT_DEAD), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_rename(self(), k.both, k.set), KERN_NAME_EXISTS);
    CHECK_EQ(mach_port_rename(self(), k.both, k.both), KERN_NAME_EXISTS);
    CHECK_EQ(mach_port_rename(self(), IPC_NO_NAME, 0x5000), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_rename(self(), k.both, k.set ^ 0x01000000), KERN_NO_SPACE);
    drop_kinds(&k);
}

TEST(every_kind_of_right_can_be_renamed_and_works)
{
    struct kinds k;
    mach_port_t names[] = {0x5000, 0x5001, 0x5002, 0x5003, 0x5004};

    make_kinds(&k);
    CHECK_EQ(mach_port_rename(self(), k.receive, names[0]), KERN_SUCCESS);
    CHECK_EQ(mach_port_rename(self(), k.both, names[1]), KERN_SUCCESS);
    CHECK_EQ(mach_port_rename(self(), k.once, names[2]), KERN_SUCCESS);
    CHECK_EQ(mach_port_rename(self(), k.dead, names[3]), KERN_SUCCESS);
    CHECK_EQ(mach_port_rename(self(), k.set, names[4]), KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(self(), names[1], names[4]), KERN_SUCCESS);
    CHECK_EQ(ipc_status(names[1]).mps_pset, names[4]);
    CHECK_EQ(test_send(names[1], 0, 3, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(names[4], &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_local_port, names[1]);
    ipc_begin(&out, names[2], MACH_MSG_TYPE_MOVE_SEND_ONCE, 3);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(names[0], &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_local_port, names[0]);
    ipc_drop(names[0]);
    ipc_drop(names[1]);
    ipc_drop(names[3]);
    ipc_drop(names[4]);
}

TEST(allocate_name_refuses_what_allocate_refuses_and_names_in_use)
{
    struct kinds k;

    make_kinds(&k);
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_SEND, 0x5000), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_SEND_ONCE, 0x5000),
             KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_NUMBER, 0x5000), KERN_INVALID_VALUE);
    for (unsigned right = MACH_PORT_RIGHT_RECEIVE; right < MACH_PORT_RIGHT_NUMBER; right++) {
        if (right != MACH_PORT_RIGHT_SEND_ONCE) {
            CHECK_EQ(mach_port_allocate_name(self(), right, k.both), KERN_NAME_EXISTS);
            CHECK_EQ(mach_port_allocate_name(self(), right, k.both ^ 0xff000000), KERN_NO_SPACE);
            CHECK_EQ(mach_port_allocate_name(self(), right, 0x00ffff00), KERN_SUCCESS);
            CHECK_EQ(ipc_type(0x00ffff00), MACH_PORT_TYPE(right));
            ipc_drop(0x00ffff00);
        }
    }
    drop_kinds(&k);
}

TEST(insert_right_refuses_what_cannot_be_inserted)
{
    struct kinds k;
    mach_port_t task = new_task();

    make_kinds(&k);
    CHECK_EQ(mach_port_insert_right(task, 0, k.both, MACH_MSG_TYPE_COPY_SEND), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_insert_right(task, MACH_PORT_DEAD, k.both, MACH_MSG_TYPE_COPY_SEND),
             KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_insert_right(task, 0x50, k.dead, MACH_MSG_TYPE_COPY_SEND),
             KERN_INVALID_CAPABILITY);
    CHECK_EQ(mach_port_insert_right(task, 0x50, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND),
             KERN_INVALID_CAPABILITY);
    CHECK_EQ(mach_port_insert_right(task, 0x50, k.both, MACH_MSG_TYPE_COPY_SEND), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(task, 0x51, k.both, MACH_MSG_TYPE_COPY_SEND),
             KERN_RIGHT_EXISTS);
    CHECK_EQ(mach_port_insert_right(task, 0x50, k.receive, MACH_MSG_TYPE_MAKE_SEND),
             KERN_NAME_EXISTS);
    CHECK_EQ(mach_port_insert_right(task, 0x51, k.receive, MACH_MSG_TYPE_MAKE_SEND_ONCE),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(task, 0x52, k.receive, MACH_MSG_TYPE_MAKE_SEND_ONCE),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(task, 0x50, k.both, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_SUCCESS);
    end_task(task);
    CHECK_EQ(ipc_type(k.both), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ(ipc_receive(k.receive, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    drop_kinds(&k);
}

TEST(extract_right_refuses_what_is_not_there)
{
    struct kinds k;
    mach_port_t right;
    mach_msg_type_name_t type;
    static const unsigned all[] = {MACH_MSG_TYPE_MOVE_RECEIVE,   MACH_MSG_TYPE_MOVE_SEND,
                                   MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_MSG_TYPE_COPY_SEND,
                                   MACH_MSG_TYPE_MAKE_SEND,      MACH_MSG_TYPE_MAKE_SEND_ONCE};

    make_kinds(&k);
    for (unsigned i = 0; i < 6; i++) {
        CHECK_EQ(mach_port_extract_right(self(), k.set, all[i], &right, &type), KERN_INVALID_RIGHT);
        CHECK_EQ(mach_port_extract_right(self(), IPC_NO_NAME, all[i], &right, &type),
                 KERN_INVALID_NAME);
    }
    CHECK_EQ(mach_port_extract_right(self(), k.dead, MACH_MSG_TYPE_MAKE_SEND, &right, &type),
             KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_extract_right(self(), k.dead, MACH_MSG_TYPE_COPY_SEND, &right, &type),
             KERN_SUCCESS);
    CHECK_EQ(right, MACH_PORT_DEAD);
    CHECK_EQ(mach_port_extract_right(self(), k.both, 15, &right, &type), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_extract_right(self(), k.both, 22, &right, &type), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_extract_right(self(), k.once, MACH_MSG_TYPE_COPY_SEND, &right, &type),
             KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_extract_right(self(), k.receive, MACH_MSG_TYPE_MOVE_SEND, &right, &type),
             KERN_INVALID_RIGHT);
    drop_kinds(&k);
}

TEST(rights_of_every_kind_move_between_tasks)
{
    mach_port_t task = new_task(), port = test_port(), back = 0;
    mach_msg_type_name_t type;

    CHECK_EQ(mach_port_insert_right(task, 0x60, port, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_SUCCESS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_SEND);
    CHECK_EQ(mach_port_insert_right(task, 0x60, port, MACH_MSG_TYPE_MOVE_SEND), KERN_SUCCESS);
    CHECK_EQ(ipc_type(port), 0);
    CHECK_EQ(mach_port_extract_right(task, 0x60, MACH_MSG_TYPE_MOVE_RECEIVE, &back, &type),
             KERN_SUCCESS);
    CHECK_EQ(type, MACH_MSG_TYPE_PORT_RECEIVE);
    CHECK_EQ(ipc_type(back), MACH_PORT_TYPE_RECEIVE);
    CHECK(ipc_status(back).mps_srights);
    end_task(task);
    CHECK(!ipc_status(back).mps_srights);
    ipc_drop(back);
}

TEST(a_ktype_needs_the_privileged_host_port)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_set_ktype(mach_host_self(), self(), port, MACH_PORT_RIGHT_SEND,
                                 MACH_PORT_KTYPE_USER_DEVICE),
             KERN_INVALID_HOST);
    ipc_drop(port);
}

TEST(status_says_all_there_is_to_say_of_a_port)
{
    mach_port_t port = test_port(), set = ipc_set(), once = ipc_send_once(port), previous;
    mach_port_status_t s;

    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_PORT_DESTROYED, 0, port,
                                            MS_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_NO_SENDERS, 1000, port,
                                            MS_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(self(), port, set), KERN_SUCCESS);
    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    s = ipc_status(port);
    CHECK_EQ(s.mps_pset, set);
    CHECK_EQ(s.mps_msgcount, 1);
    CHECK_EQ(s.mps_sorights, 3);
    CHECK_EQ(s.mps_srights, TRUE);
    CHECK_EQ(s.mps_pdrequest, TRUE);
    CHECK_EQ(s.mps_nsrequest, TRUE);
    CHECK_EQ(s.mps_mscount, 1);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_PORT_DESTROYED, 0,
                                            MACH_PORT_NULL, MACH_MSG_TYPE_MOVE_SEND_ONCE,
                                            &previous),
             KERN_SUCCESS);
    mach_port_deallocate(self(), previous);
    ipc_drop(once);
    ipc_drop(port);
    ipc_drop(set);
}

TEST(names_of_a_task_with_none_or_thousands_are_listed)
{
    enum { COUNT = 5000 };
    mach_port_t task = new_task();
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t n, t;

    CHECK_EQ(mach_port_names(task, &names, &n, &types, &t), KERN_SUCCESS);
    CHECK_EQ(n, 0);
    CHECK_EQ(t, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_EQ(mach_port_allocate_name(task, MACH_PORT_RIGHT_DEAD_NAME, 3 * i + 1), KERN_SUCCESS);
    }
    CHECK_EQ(mach_port_names(task, &names, &n, &types, &t), KERN_SUCCESS);
    CHECK_EQ(n, COUNT);
    CHECK_EQ(t, COUNT);
    for (unsigned i = 0; i < n; i++) {
        if (names[i] != 3 * i + 1 || types[i] != MACH_PORT_TYPE_DEAD_NAME) {
            CHECK_EQ(names[i], 3 * i + 1);
            break;
        }
    }
    syscall_vm_deallocate(self(), (vm_address_t)names, n * sizeof(*names));
    syscall_vm_deallocate(self(), (vm_address_t)types, t * sizeof(*types));
    end_task(task);
}

/* --- generations --- */

TEST(a_name_comes_again_only_after_256_uses_of_its_entry)
{
    mach_port_t first = ipc_receive_right(), name = first;
    unsigned uses = 0;

    do {
        ipc_drop(name);
        name = ipc_receive_right();
        uses++;
        if (name != first) {
            CHECK_EQ(ipc_type(first), 0);
        }
    } while (name != first && uses < 1000);
    CHECK(uses >= 255);
    ipc_drop(name);
}

TEST(a_stale_name_never_reaches_the_right_that_took_its_entry)
{
    mach_port_t stale = test_port(), fresh[64];
    struct ipc_message m;

    ipc_drop(stale);
    for (unsigned i = 0; i < 64; i++) {
        fresh[i] = test_port();
        CHECK_EQ(ipc_type(stale), 0);
        CHECK_EQ(test_send(stale, 0, 1, 0, 0), MACH_SEND_INVALID_DEST);
        CHECK_EQ(ipc_receive(stale, &m, 0, 0), MACH_RCV_INVALID_NAME);
        CHECK_EQ(mach_port_deallocate(self(), stale), KERN_INVALID_NAME);
        CHECK_EQ(mach_port_destroy(self(), stale), KERN_INVALID_NAME);
    }
    for (unsigned i = 0; i < 64; i++) {
        CHECK_EQ(ipc_type(fresh[i]), MACH_PORT_TYPE_SEND_RECEIVE);
        ipc_drop(fresh[i]);
    }
}

/* --- limits --- */

static int64_t ledger(mach_port_t task, unsigned kind, bool limit)
{
    portolan_ledger_t used, limits;
    mach_msg_type_number_t a = PORTOLAN_NUMBERS_MAX, b = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(task_get_ledger(task, used, &a, limits, &b), KERN_SUCCESS);
    return limit ? limits[kind] : used[kind];
}

/* Somebody else, at work all the time. */
struct bystander {
    struct ipc_peer peer;
    mach_port_t reply;
};

static void bystander_start(struct bystander *b)
{
    b->reply = mach_reply_port();
    ipc_peer_start(&b->peer, ipc_peer_echo, true);
}

static void bystander_works(struct bystander *b)
{
    ipc_begin(&in, b->peer.service, MACH_MSG_TYPE_COPY_SEND, 1);
    CHECK_EQ(ipc_rpc(&in, b->peer.service, b->reply), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 101);
}

static void bystander_end(struct bystander *b)
{
    bystander_works(b);
    ipc_peer_end(&b->peer);
    ipc_drop(b->reply);
}

TEST(a_task_at_its_limit_of_names_gets_no_more_and_nobody_else_notices)
{
    mach_port_t task = new_task(), name = 0;
    struct bystander other;
    kern_return_t kr = KERN_SUCCESS;
    unsigned made = 0;

    bystander_start(&other);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_NAMES, 1000),
             KERN_SUCCESS);
    while (kr == KERN_SUCCESS && made < 2000) {
        kr = mach_port_allocate(task, MACH_PORT_RIGHT_DEAD_NAME, &name);
        made += kr == KERN_SUCCESS;
    }
    CHECK_EQ(kr, KERN_NO_SPACE);
    CHECK_EQ(made, 1000);
    CHECK_EQ(ledger(task, PORTOLAN_LEDGER_NAMES, false), 1000);
    CHECK_EQ(mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name), KERN_NO_SPACE);
    CHECK_EQ(mach_port_allocate(task, MACH_PORT_RIGHT_PORT_SET, &name), KERN_NO_SPACE);
    CHECK_EQ(mach_port_allocate_name(task, MACH_PORT_RIGHT_DEAD_NAME, 0x5000), KERN_NO_SPACE);
    CHECK_EQ(mach_port_insert_right(task, 0x5000, self(), MACH_MSG_TYPE_COPY_SEND), KERN_NO_SPACE);
    bystander_works(&other);
    CHECK_EQ(mach_port_destroy(task, 1), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate(task, MACH_PORT_RIGHT_DEAD_NAME, &name), KERN_SUCCESS);
    bystander_end(&other);
    end_task(task);
}

TEST(a_task_at_its_limit_of_ports_makes_no_more)
{
    mach_port_t task = new_task(), name = 0;
    kern_return_t kr = KERN_SUCCESS;
    unsigned made = 0;

    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_PORTS, 100),
             KERN_SUCCESS);
    while (kr == KERN_SUCCESS && made < 200) {
        kr = mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name);
        made += kr == KERN_SUCCESS;
    }
    CHECK_EQ(kr, KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(made, 100);
    CHECK_EQ(mach_port_allocate_name(task, MACH_PORT_RIGHT_RECEIVE, 0x5000),
             KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(mach_port_destroy(task, 1), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name), KERN_SUCCESS);
    end_task(task);
}

/* Runs in a task of its own whose limit of message bytes is low: floods its port 0x300 and says by
 * a message to 0x301 how many went and what stopped it. */
static void peer_flood(mach_port_t service)
{
    static struct ipc_message m;
    int sent = 0;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;

    (void)service;
    while (mr == MACH_MSG_SUCCESS && sent < 1000) {
        /* rights to 0x300 are made once: no queue limit stops it */
        ipc_begin(&m, 0x300, MACH_MSG_TYPE_MAKE_SEND_ONCE, sent);
        mr = mach_msg_trap(&m.head, MACH_SEND_MSG, sizeof(m.head) + 4096, 0, 0, 0, 0);
        sent += mr == MACH_MSG_SUCCESS;
    }
    mach_msg_trap(&m.head, MACH_RCV_MSG, 0, sizeof(m), 0x300, 0, 0); /* room for one more */
    ipc_begin(&m, 0x301, MACH_MSG_TYPE_COPY_SEND, sent);
    ((int *)m.body)[0] = mr;
    mach_msg_trap(&m.head, MACH_SEND_MSG, sizeof(m.head) + 8, 0, 0, 0, 0);
    ipc_peer_idle();
}

TEST(a_task_at_its_limit_of_queued_bytes_sends_no_more_and_nobody_else_notices)
{
    struct ipc_peer flood;
    struct bystander other;
    mach_port_t report = test_port();

    bystander_start(&other);
    ipc_peer_create(&flood, peer_flood, true);
    CHECK_EQ(mach_port_allocate_name(flood.task, MACH_PORT_RIGHT_RECEIVE, 0x300), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(flood.task, 0x301, report, MACH_MSG_TYPE_COPY_SEND),
             KERN_SUCCESS);
    CHECK_EQ(
        task_set_ledger_limit(mach_host_self(), flood.task, PORTOLAN_LEDGER_KMSG_BYTES, 100000),
        KERN_SUCCESS);
    CHECK_EQ(thread_resume(flood.thread), KERN_SUCCESS);
    CHECK_EQ(ipc_receive(report, &in, 0, IPC_LONG_MS), MACH_MSG_SUCCESS);
    CHECK_EQ(((int *)in.body)[0], MACH_SEND_NO_BUFFER);
    CHECK(in.head.msgh_id >= 20);
    CHECK(in.head.msgh_id <= 100000 / 4096);
    CHECK(ledger(flood.task, PORTOLAN_LEDGER_KMSG_BYTES, false) <= 100000);
    CHECK(ledger(flood.task, PORTOLAN_LEDGER_KMSG_BYTES, false) > 80000);
    bystander_end(&other);
    ipc_peer_end(&flood);
    ipc_drop(report);
}

TEST(bytes_queued_are_given_back_when_they_are_received)
{
    mach_port_t port = test_port();
    int64_t before = ledger(self(), PORTOLAN_LEDGER_KMSG_BYTES, false);

    for (unsigned i = 0; i < MACH_PORT_QLIMIT_DEFAULT; i++) {
        CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    }
    CHECK(ledger(self(), PORTOLAN_LEDGER_KMSG_BYTES, false) > before);
    for (unsigned i = 0; i < MACH_PORT_QLIMIT_DEFAULT; i++) {
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    }
    CHECK_EQ(ledger(self(), PORTOLAN_LEDGER_KMSG_BYTES, false), before);
    ipc_drop(port);
}

TEST(limits_can_be_lowered_by_all_and_raised_by_the_privileged)
{
    mach_port_t task = new_task();
    int64_t limit = ledger(task, PORTOLAN_LEDGER_NAMES, true);

    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_NAMES, limit + 1),
             KERN_NO_ACCESS);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_COUNT, 1),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, -1, 1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_NAMES, -1),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_NAMES, 10),
             KERN_SUCCESS);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_NAMES, 11),
             KERN_NO_ACCESS);
    end_task(task);
}
