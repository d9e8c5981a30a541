/* rpc_right_test.c - a call that carries a right, to a server that waits: what the server holds
 * afterwards and what the port counts, whichever way the kernel takes. */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <string.h>

#include "lib/peer.h"

#define ROUNDS 40

/* What the server does with the right: the id of the request. */
enum { KEEP = 1, DROP = 2 };

static struct ipc_message in, out;
static struct ipc_message server_message;

/* Answers with the request's body as plain bytes: the client sees what the server saw. */
static void right_server(mach_port_t service)
{
    struct ipc_message *m = &server_message;
    mach_port_t task = (mach_task_self)(); /* not what it is called in the task this is a copy of */
    mach_msg_return_t mr = mach_msg_trap(&m->head, MACH_RCV_MSG, 0, sizeof(*m), service, 0, 0);

    while (mr == MACH_MSG_SUCCESS) {
        if (m->head.msgh_id == DROP) {
            syscall_mach_port_deallocate(task, (mach_port_t)*ipc_item_data(m, 0));
        }
        ipc_peer_answer(m);
        mr = mach_msg_trap(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, sizeof(*m),
                           service, 0, 0);
    }
    syscall_mach_port_deallocate(task, task);
    ipc_peer_idle();
}

/* A call with the right; the name the server got in *got. */
static mach_msg_return_t carry(const struct ipc_peer *peer, mach_port_t reply, mach_port_t name,
                               unsigned disposition, int what, mach_port_t *got)
{
    mach_msg_return_t mr;

    ipc_begin(&out, peer->service, MACH_MSG_TYPE_COPY_SEND, what);
    ipc_add_ports(&out, &name, 1, disposition);
    mr = ipc_rpc_carry(&out, reply);
    if (mr == MACH_MSG_SUCCESS) {
        CHECK_EQ(out.head.msgh_id, what + 100);
        CHECK_EQ(ipc_item(&out, 0)->msgt_name, MACH_MSG_TYPE_PORT_SEND);
        *got = (mach_port_t)*ipc_item_data(&out, 0);
    }
    return mr;
}

static mach_port_urefs_t refs_in(const struct ipc_peer *peer, mach_port_t name)
{
    mach_port_t task = peer->task != MACH_PORT_NULL ? peer->task : mach_task_self();
    mach_port_urefs_t refs = 0;

    CHECK_EQ(mach_port_get_refs(task, name, MACH_PORT_RIGHT_SEND, &refs), KERN_SUCCESS);
    return refs;
}

static void end(struct ipc_peer *peer, mach_port_t reply)
{
    CHECK_EQ(ipc_status(reply).mps_sorights, 0);
    ipc_peer_end(peer);
    ipc_drop(reply);
}

TEST(a_right_made_is_one_name_of_the_server_with_a_reference_each)
{
    mach_port_t reply = mach_reply_port(), port = ipc_receive_right(), got = 0, first = 0;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got), MACH_MSG_SUCCESS);
        first = i == 1 ? got : first;
        CHECK_EQ(got, first);
        CHECK_EQ(refs_in(&peer, got), i);
        CHECK_EQ(ipc_status(port).mps_mscount, i);
        CHECK(ipc_status(port).mps_srights);
    }
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_RECEIVE);
    end(&peer, reply);
    CHECK(!ipc_status(port).mps_srights);
    ipc_drop(port);
}

/* The last of them tells who asked for no-senders, with the count of all that were made. */
TEST(rights_that_the_server_drops_are_gone_and_counted)
{
    mach_port_t reply = mach_reply_port(), port = ipc_receive_right();
    mach_port_t notify = ipc_receive_right(), got, previous;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_MAKE_SEND, DROP, &got), MACH_MSG_SUCCESS);
        CHECK(!ipc_status(port).mps_srights);
    }
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(mach_port_request_notification(mach_task_self(), port, MACH_NOTIFY_NO_SENDERS,
                                            ROUNDS + 1, notify, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                            &previous),
             KERN_SUCCESS);
    CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_MAKE_SEND, DROP, &got), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_NO_SENDERS);
    CHECK_EQ(*ipc_item_data(&in, 0), ROUNDS + 1);
    end(&peer, reply);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_right_copied_stays_with_the_caller)
{
    mach_port_t reply = mach_reply_port(), port = test_port(), got = 0;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_COPY_SEND, KEEP, &got), MACH_MSG_SUCCESS);
        CHECK_EQ(refs_in(&peer, got), i);
        CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 1);
    }
    CHECK_EQ(ipc_status(port).mps_mscount, 1);
    end(&peer, reply);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_right_to_a_kernel_object_can_be_carried)
{
    mach_port_t reply = mach_reply_port(), host = mach_host_self(), got = 0;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        CHECK_EQ(carry(&peer, reply, host, MACH_MSG_TYPE_COPY_SEND, i % 2 == 0 ? KEEP : DROP, &got),
                 MACH_MSG_SUCCESS);
    }
    end(&peer, reply);
    ipc_drop(host);
}

TEST(within_a_task_a_right_adds_a_reference_to_its_name)
{
    mach_port_t reply = mach_reply_port(), port = test_port(), got = 0;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, false);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        CHECK_EQ(carry(&peer, reply, port,
                       i % 2 ? MACH_MSG_TYPE_COPY_SEND : MACH_MSG_TYPE_MAKE_SEND, KEEP, &got),
                 MACH_MSG_SUCCESS);
        CHECK_EQ(got, port);
        CHECK_EQ(refs_in(&peer, got), i + 1);
    }
    end(&peer, reply);
    mach_port_destroy(mach_task_self(), port);
}

/* The count of references stays one below what it can hold: a place is kept for a dead-name
 * notification. */
TEST(a_full_count_of_references_stays_full)
{
    mach_port_t reply = mach_reply_port(), port = ipc_receive_right(), got = 0;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(peer.task, got, MACH_PORT_RIGHT_SEND, MACH_PORT_UREFS_MAX - 4),
             KERN_SUCCESS);
    for (unsigned i = 0; i < 6; i++) {
        mach_port_urefs_t wanted = MACH_PORT_UREFS_MAX - 2 + i;

        CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got), MACH_MSG_SUCCESS);
        CHECK_EQ(refs_in(&peer, got),
                 wanted < MACH_PORT_UREFS_MAX - 1 ? wanted : MACH_PORT_UREFS_MAX - 1);
    }
    end(&peer, reply);
    CHECK(!ipc_status(port).mps_srights);
    ipc_drop(port);
}

TEST(a_right_to_a_dead_port_arrives_dead)
{
    mach_port_t reply = mach_reply_port(), port = test_port(), got = 0;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    CHECK_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_COPY_SEND, KEEP, &got), MACH_MSG_SUCCESS);
    CHECK_EQ(got, MACH_PORT_DEAD);
    CHECK_EQ(carry(&peer, reply, MACH_PORT_DEAD, MACH_MSG_TYPE_COPY_SEND, KEEP, &got),
             MACH_MSG_SUCCESS);
    CHECK_EQ(got, MACH_PORT_DEAD);
    CHECK_EQ(carry(&peer, reply, MACH_PORT_NULL, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got),
             MACH_MSG_SUCCESS);
    CHECK_EQ(got, MACH_PORT_NULL);
    end(&peer, reply);
    ipc_drop(port);
}

TEST(the_ports_of_the_call_itself_can_be_carried)
{
    mach_port_t reply = mach_reply_port(), got = 0, second = 0;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    CHECK_EQ(carry(&peer, reply, reply, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got), MACH_MSG_SUCCESS);
    CHECK_EQ(refs_in(&peer, got), 1);
    CHECK_EQ(carry(&peer, reply, peer.service, MACH_MSG_TYPE_COPY_SEND, KEEP, &second),
             MACH_MSG_SUCCESS);
    CHECK_EQ(second, peer.service); /* what the server calls its own port */
    CHECK_EQ(refs_in(&peer, second), 1);
    end(&peer, reply);
}

TEST(what_the_caller_does_not_have_is_refused_and_nothing_moves)
{
    mach_port_t reply = mach_reply_port(), port = ipc_receive_right(), got = 0;
    mach_port_t stale = ipc_receive_right(), set = ipc_set();
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    ipc_drop(stale);
    CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_COPY_SEND, KEEP, &got),
             MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(carry(&peer, reply, peer.service, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got),
             MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(carry(&peer, reply, stale, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got),
             MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(carry(&peer, reply, set, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got),
             MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(carry(&peer, reply, IPC_NO_NAME, MACH_MSG_TYPE_COPY_SEND, KEEP, &got),
             MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(ipc_status(port).mps_mscount, 0);
    CHECK_EQ(ipc_status(reply).mps_sorights, 0);
    CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_MAKE_SEND, DROP, &got), MACH_MSG_SUCCESS);
    end(&peer, reply);
    ipc_drop(port);
    ipc_drop(set);
}

/* A descriptor that is wrong somewhere: as the long way answers. */
TEST(a_malformed_body_with_a_right_is_refused)
{
    mach_port_t reply = mach_reply_port(), port = ipc_receive_right();
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    for (unsigned kind = 0; kind < 4; kind++) {
        ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, KEEP);
        ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MAKE_SEND);
        ipc_item(&out, 0)->msgt_size = kind == 0 ? 32 : 64;
        ipc_item(&out, 0)->msgt_unused = kind == 1;
        ipc_item(&out, 0)->msgt_deallocate = kind == 2;
        ipc_item(&out, 0)->msgt_number = kind == 3 ? 2 : 1;
        CHECK_EQ(ipc_rpc_carry(&out, reply),
                 kind == 3 ? MACH_SEND_MSG_TOO_SMALL : MACH_SEND_INVALID_TYPE);
    }
    CHECK_EQ(ipc_status(port).mps_mscount, 0);
    end(&peer, reply);
    ipc_drop(port);
}

TEST(data_may_stand_before_and_behind_the_right)
{
    mach_port_t reply = mach_reply_port(), port = ipc_receive_right(), got;
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    for (uint32_t words = 0; words <= 40; words++) { /* from the short way to the long one */
        uint64_t data[41] = {(uint64_t)MACH_MSG_TYPE_INTEGER_64 | 64u << 8 | 1u << 29 |
                             (uint64_t)words << 32};

        memset(data + 1, 0x5c, sizeof(data) - sizeof(data[0]));
        ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, KEEP);
        ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MAKE_SEND);
        ipc_add_bytes(&out, data, (words + 1) * 8);
        CHECK_EQ(ipc_rpc_carry(&out, reply), MACH_MSG_SUCCESS);
        got = (mach_port_t)*ipc_item_data(&out, 0);
        CHECK_EQ(refs_in(&peer, got), words + 1);
        CHECK(memcmp(out.body + 16, data, (words + 1) * 8) == 0);
    }
    end(&peer, reply);
    ipc_drop(port);
}

TEST(two_rights_and_other_rights_arrive_as_well)
{
    mach_port_t reply = mach_reply_port(), ports[] = {ipc_receive_right(), ipc_receive_right()};
    struct ipc_peer peer;

    ipc_peer_start(&peer, right_server, true);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, KEEP);
    ipc_add_ports(&out, ports, 2, MACH_MSG_TYPE_MAKE_SEND);
    CHECK_EQ(ipc_rpc_carry(&out, reply), MACH_MSG_SUCCESS);
    CHECK_EQ(refs_in(&peer, (mach_port_t)ipc_item_data(&out, 0)[0]), 1);
    CHECK_EQ(refs_in(&peer, (mach_port_t)ipc_item_data(&out, 0)[1]), 1);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, DROP);
    ipc_add_ports(&out, ports, 1, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    CHECK_EQ(ipc_rpc_carry(&out, reply), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(ports[0], &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    end(&peer, reply);
    ipc_drop(ports[0]);
    ipc_drop(ports[1]);
}

TEST(a_server_on_a_set_gets_rights_too)
{
    mach_port_t reply = mach_reply_port(), port = ipc_receive_right(), got = 0;
    struct ipc_peer peer;

    ipc_peer_create(&peer, right_server, true); /* its service becomes a set with the port in it */
    CHECK_EQ(mach_port_rename(peer.task, peer.service, 0x999), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate_name(peer.task, MACH_PORT_RIGHT_PORT_SET, peer.service),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(peer.task, 0x999, peer.service), KERN_SUCCESS);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        CHECK_EQ(carry(&peer, reply, port, MACH_MSG_TYPE_MAKE_SEND, KEEP, &got), MACH_MSG_SUCCESS);
        CHECK_EQ(refs_in(&peer, got), i);
    }
    end(&peer, reply);
    ipc_drop(port);
}
