/* message_test.c - bodies: malformed descriptors are refused with nothing moved, rights and memory
 * arrive, nothing leaks. */
#include "ipc_test.h"

#include <stdlib.h>

#define COMPLEX     MACH_MSGH_BITS_COMPLEX
#define SIMPLE_BITS MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0)

static uint64_t inline_ports(uint32_t disposition, uint32_t number)
{
    return sim_type_word((struct sim_descriptor){disposition, 64, number, true, false});
}

static uint64_t outline(uint32_t name, uint32_t bits, uint32_t number, bool deallocate)
{
    return sim_type_word((struct sim_descriptor){name, bits, number, false, deallocate});
}

/* A complex message to a receive right of our own, with a body of `words` words. */
static mach_msg_return_t send_body(mach_port_name_t dest, const uint64_t *body, uint32_t words)
{
    struct sim_msg msg;

    sim_message(&msg, SIMPLE_BITS | COMPLEX, dest, NAME_NULL);
    memcpy(msg.body, body, words * sizeof(body[0]));
    return sim_send(&msg, (uint32_t)sizeof(msg.header) + words * 8, MACH_SEND_TIMEOUT, 0);
}

struct bad_body {
    const char *name;
    uint64_t words[6];
    uint32_t count;
    mach_msg_return_t result;
};

#define WORD(name, bits, flags, number)                                                            \
    (MACH_MSG_TYPE_WORD(name, bits, flags) | (uint64_t)(number) << 32)
#define INLINE  MACH_MSG_TYPE_WORD_INLINE
#define DEALLOC MACH_MSG_TYPE_WORD_DEALLOCATE

static struct bad_body bad_bodies[] = {
    {"inline data longer than the message", {WORD(8, 8, INLINE, 9), 0}, 2, MACH_SEND_MSG_TOO_SMALL},
    {"inline count whose size wraps 32 bits",
     {WORD(2, 32, INLINE, 0xffffffff), 0},
     2,
     MACH_SEND_MSG_TOO_SMALL},
    {"inline count whose size wraps to little",
     {WORD(11, 64, INLINE, 0x20000001), 0},
     2,
     MACH_SEND_MSG_TOO_SMALL},
    {"pointer beyond the end", {WORD(8, 8, 0, 4)}, 1, MACH_SEND_MSG_TOO_SMALL},
    {"unused bits of a descriptor",
     {WORD(2, 32, INLINE | 0x01000000, 1), 0},
     2,
     MACH_SEND_INVALID_TYPE},
    {"deallocate of inline data", {WORD(2, 32, INLINE | DEALLOC, 1), 0}, 2, MACH_SEND_INVALID_TYPE},
    {"inline port of 32 bits", {WORD(19, 32, INLINE, 1), 0}, 2, MACH_SEND_INVALID_TYPE},
    {"out-of-line port of 64 bits", {WORD(19, 64, 0, 1), 0}, 2, MACH_SEND_INVALID_TYPE},
    {"inline ports more than the message holds",
     {WORD(19, 64, INLINE, 2), 0},
     2,
     MACH_SEND_MSG_TOO_SMALL},
    {"port count that wraps", {WORD(19, 64, INLINE, 0x20000000), 0}, 2, MACH_SEND_MSG_TOO_SMALL},
    {"a right of a name that denotes nothing",
     {WORD(19, 64, INLINE, 1), 999},
     2,
     MACH_SEND_INVALID_RIGHT},
    {"memory at an address that is not there",
     {WORD(8, 8, 0, 16), 16},
     2,
     MACH_SEND_INVALID_MEMORY},
    {"memory in the kernel half",
     {WORD(8, 8, 0, 16), 0xffff800000000000},
     2,
     MACH_SEND_INVALID_MEMORY},
    {"memory that wraps around",
     {WORD(11, 64, 0, 0xffffffff), 0x7fffffffffff},
     2,
     MACH_SEND_INVALID_MEMORY},
    {"array of ports that is not there", {WORD(19, 32, 0, 4), 16}, 2, MACH_SEND_INVALID_MEMORY},
    {"more out-of-line ports than a message carries",
     {WORD(19, 32, 0, 20000), 16},
     2,
     MACH_SEND_NO_BUFFER},
    {"second item malformed",
     {WORD(2, 32, INLINE, 1), 5, WORD(8, 8, INLINE, 99)},
     3,
     MACH_SEND_MSG_TOO_SMALL},
};

static void bad_body(void **state)
{
    const struct bad_body *bad = *state;
    mach_port_name_t dest = sim_receive_right();
    mach_port_status_t status;

    assert_int_equal(send_body(dest, bad->words, bad->count), bad->result);
    assert_int_equal(mach_port_get_receive_status(sim_space(), dest, &status), KERN_SUCCESS);
    assert_int_equal(status.mps_msgcount, 0);
    assert_int_equal(status.mps_srights, 0);
    sim_expect_balanced();
}

static void size_must_be_whole(void **state)
{
    struct sim_msg msg;
    mach_port_name_t dest = sim_receive_right();

    (void)state;
    sim_message(&msg, SIMPLE_BITS, dest, NAME_NULL);
    assert_int_equal(sim_send(&msg, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    assert_int_equal(sim_send(&msg, 28, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    assert_int_equal(sim_send(&msg, 34, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    assert_int_equal(sim_send(&msg, 0xfffffffc, 0, 0), MACH_SEND_NO_BUFFER);
    assert_int_equal(sim_send((void *)16, 32, 0, 0), MACH_SEND_INVALID_DATA);
}

static void header_must_name_rights_to_send_to(void **state)
{
    struct sim_msg msg;
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t dead;

    (void)state;
    mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &dead);
    sim_message(&msg, MACH_MSGH_BITS(0, 0), dest, NAME_NULL);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_HEADER);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_RECEIVE, 0), dest, NAME_NULL);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_HEADER);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0), dest, 5);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_HEADER);
    sim_message(&msg, SIMPLE_BITS, NAME_NULL, NAME_NULL);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_DEST);
    sim_message(&msg, SIMPLE_BITS, NAME_DEAD, NAME_NULL);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_DEST);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), dead, NAME_NULL);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_DEST);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_COPY_SEND), dest, dest);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_REPLY);
    sim_expect_balanced();
}

static void header_is_swapped_on_receive(void **state)
{
    struct sim_msg msg;
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t reply = sim_receive_right();

    (void)state;
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), dest,
                reply);
    msg.header.msgh_id = 1234;
    msg.header.msgh_size = 99;
    msg.header.msgh_bits |= 0x00ff0000;
    msg.body[0] = 77;
    assert_int_equal(sim_send(&msg, 36, 0, 0), MACH_MSG_SUCCESS);
    memset(&msg, 0xee, sizeof(msg));
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0), MACH_MSG_SUCCESS);
    assert_int_equal(msg.header.msgh_bits,
                     MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND));
    assert_int_equal(msg.header.msgh_local_port, dest);
    assert_int_equal(msg.header.msgh_local_pad, 0);
    assert_int_equal(msg.header.msgh_remote_pad, 0);
    assert_int_equal(msg.header.msgh_size, 40);
    assert_int_equal(msg.header.msgh_id, 1234);
    assert_int_equal(msg.header.msgh_seqno, 0);
    assert_true(msg.body[0] == 77);
    assert_true(msg.body[1] == 0xeeeeeeeeeeeeeeee);
    assert_int_equal(sim_type(msg.header.msgh_remote_port), MACH_PORT_TYPE_SEND_ONCE);
    sim_expect_balanced();
}

static void body_without_complex_is_opaque(void **state)
{
    struct sim_msg msg;
    mach_port_name_t dest = sim_receive_right();

    (void)state;
    sim_message(&msg, SIMPLE_BITS, dest, NAME_NULL);
    msg.body[0] = WORD(8, 8, 0, 100);
    msg.body[1] = 0x1000;
    assert_int_equal(sim_send(&msg, 48, 0, 0), MACH_MSG_SUCCESS);
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0), MACH_MSG_SUCCESS);
    assert_true(msg.body[1] == 0x1000);
}

static void payload_replaces_the_local_name(void **state)
{
    struct sim_msg msg;
    mach_port_name_t dest = sim_receive_right();

    (void)state;
    assert_int_equal(mach_port_set_protected_payload(sim_space(), dest, 0xfeedface12345678),
                     KERN_SUCCESS);
    sim_post(dest, 1);
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0), MACH_MSG_SUCCESS);
    assert_true(msg.header.msgh_protected_payload == 0xfeedface12345678);
    assert_int_equal(MACH_MSGH_BITS_LOCAL(msg.header.msgh_bits), MACH_MSG_TYPE_PROTECTED_PAYLOAD);
    mach_port_clear_protected_payload(sim_space(), dest);
    sim_post(dest, 2);
    sim_receive(&msg, sizeof(msg), dest, 0);
    assert_int_equal(msg.header.msgh_local_port, dest);
}

static void every_kind_of_right_travels_in_a_body(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t moved = sim_receive_right();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t once = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND_ONCE, &other);
    struct sim_msg msg;
    uint64_t body[] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1),
                       moved,
                       inline_ports(MACH_MSG_TYPE_COPY_SEND, 3),
                       send,
                       NAME_NULL,
                       NAME_DEAD,
                       inline_ports(MACH_MSG_TYPE_MOVE_SEND_ONCE, 1),
                       once};

    (void)state;
    assert_int_equal(send_body(dest, body, 8), MACH_MSG_SUCCESS);
    assert_int_equal(sim_type(moved), 0);
    assert_int_equal(sim_type(once), 0);
    sim_expect_balanced();
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0), MACH_MSG_SUCCESS);
    assert_int_equal(msg.body[0] & 0xff, MACH_MSG_TYPE_PORT_RECEIVE);
    assert_int_equal(msg.body[2] & 0xff, MACH_MSG_TYPE_PORT_SEND);
    assert_int_equal(msg.body[6] & 0xff, MACH_MSG_TYPE_PORT_SEND_ONCE);
    assert_int_equal(sim_type((uint32_t)msg.body[1]), MACH_PORT_TYPE_RECEIVE);
    assert_true(msg.body[3] == send);
    assert_true(msg.body[4] == NAME_NULL);
    assert_true(msg.body[5] == NAME_DEAD);
    assert_int_equal(sim_type((uint32_t)msg.body[7]), MACH_PORT_TYPE_SEND_ONCE);
    assert_int_equal(sim_urefs(send, MACH_PORT_RIGHT_SEND), 2);
    sim_expect_balanced();
}

static void last_send_right_cannot_move_twice(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    uint64_t twice[] = {inline_ports(MACH_MSG_TYPE_MOVE_SEND, 2), send, send};
    uint64_t copy_after[] = {inline_ports(MACH_MSG_TYPE_MOVE_SEND, 1), send,
                             inline_ports(MACH_MSG_TYPE_COPY_SEND, 1), send};
    uint64_t receive_twice[] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 2), dest, dest};

    (void)state;
    assert_int_equal(send_body(dest, twice, 3), MACH_SEND_INVALID_RIGHT);
    assert_int_equal(send_body(dest, copy_after, 4), MACH_SEND_INVALID_RIGHT);
    assert_int_equal(send_body(dest, receive_twice, 3), MACH_SEND_INVALID_RIGHT);
    assert_int_equal(sim_type(send), MACH_PORT_TYPE_SEND);
    assert_int_equal(sim_urefs(send, MACH_PORT_RIGHT_SEND), 1);
    mach_port_mod_refs(sim_space(), send, MACH_PORT_RIGHT_SEND, 1);
    assert_int_equal(send_body(dest, twice, 3), MACH_MSG_SUCCESS);
    assert_int_equal(sim_type(send), 0);
    sim_expect_balanced();
}

static void failed_send_moves_no_right_under_any_name(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t moved = sim_receive_right();
    mach_port_name_t set = sim_port_set();
    mach_port_name_t other;
    mach_port_name_t once = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND_ONCE, &other);
    uint64_t body[] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1),   moved,
                       inline_ports(MACH_MSG_TYPE_MOVE_SEND_ONCE, 1), once,
                       inline_ports(MACH_MSG_TYPE_MAKE_SEND, 1),      4242};

    (void)state;
    mach_port_move_member(sim_space(), moved, set);
    assert_int_equal(send_body(dest, body, 6), MACH_SEND_INVALID_RIGHT);
    assert_int_equal(sim_type(moved), MACH_PORT_TYPE_RECEIVE);
    assert_int_equal(sim_type(once), MACH_PORT_TYPE_SEND_ONCE);
    assert_non_null(sim_port(moved)->pset);
    sim_expect_balanced();
}

static void out_of_line_memory_arrives(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    char data[100];
    struct sim_msg msg;
    uint64_t body[] = {outline(MACH_MSG_TYPE_BYTE, 8, sizeof(data), true), (uint64_t)data,
                       outline(MACH_MSG_TYPE_BYTE, 8, 0, false), 0};

    (void)state;
    memset(data, 'x', sizeof(data));
    assert_int_equal(send_body(dest, body, 4), MACH_MSG_SUCCESS);
    assert_int_equal((unsigned char)data[0], 0xdd);
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0), MACH_MSG_SUCCESS);
    assert_int_equal(((char *)msg.body[1])[99], 'x');
    assert_true(msg.body[3] == 0);
    free((void *)msg.body[1]);
}

static void memory_taken_by_a_failed_send_comes_back(void **state)
{
    struct sim_msg msg;
    mach_port_name_t dest = sim_receive_right();
    char data[64];

    (void)state;
    memset(data, 'y', sizeof(data));
    sim_message(&msg, SIMPLE_BITS | COMPLEX, dest, NAME_NULL);
    msg.body[0] = outline(MACH_MSG_TYPE_BYTE, 8, sizeof(data), true);
    msg.body[1] = (uint64_t)data;
    msg.body[2] = outline(MACH_MSG_TYPE_BYTE, 8, 64, false);
    msg.body[3] = 16;
    assert_int_equal(sim_send(&msg, 64, 0, 0), MACH_SEND_INVALID_MEMORY);
    assert_true(msg.body[1] != (uint64_t)data);
    assert_int_equal(((char *)msg.body[1])[63], 'y');
    free((void *)msg.body[1]);
}

static void out_of_line_ports_arrive_as_names(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t names[150];
    struct sim_msg msg;
    uint64_t body[] = {outline(MACH_MSG_TYPE_MAKE_SEND, 32, 150, false), (uint64_t)names};
    const mach_port_name_t *got;
    uint32_t i;

    (void)state;
    for (i = 0; i < 150; i++) {
        names[i] = i == 7 ? NAME_NULL : i == 8 ? NAME_DEAD : sim_receive_right();
    }
    assert_int_equal(send_body(dest, body, 2), MACH_MSG_SUCCESS);
    sim_expect_balanced();
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0), MACH_MSG_SUCCESS);
    got = (const mach_port_name_t *)msg.body[1];
    assert_int_equal(msg.body[0] & 0xff, MACH_MSG_TYPE_PORT_SEND);
    assert_memory_equal(got, names, sizeof(names));
    assert_int_equal(sim_type(names[149]), MACH_PORT_TYPE_SEND_RECEIVE);
    free((void *)msg.body[1]);
    sim_expect_balanced();
}

static void body_without_room_says_so_and_delivers_the_rest(void **state)
{
    struct task *other = sim_task_create();
    mach_port_name_t dest;
    mach_port_name_t send;
    char data[16] = "0123456789";
    struct sim_msg msg;

    (void)state;
    send = sim_foreign_right(other, MACH_MSG_TYPE_PORT_SEND, &dest);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | COMPLEX, send, NAME_NULL);
    msg.body[0] = inline_ports(MACH_MSG_TYPE_MAKE_SEND, 1);
    msg.body[1] = sim_receive_right();
    msg.body[2] = outline(MACH_MSG_TYPE_BYTE, 8, 16, false);
    msg.body[3] = (uint64_t)data;
    msg.body[4] = sim_type_word((struct sim_descriptor){2, 32, 1, true, false});
    msg.body[5] = 55;
    assert_int_equal(sim_send(&msg, 80, 0, 0), MACH_MSG_SUCCESS);
    sim_become(other);
    other->ledger.limit[LEDGER_NAMES] = 0;
    other->space->name_credit = 0;
    sim_fail_map = 1;
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0),
                     MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE | MACH_MSG_VM_SPACE);
    assert_true(msg.body[1] == NAME_NULL);
    assert_true(msg.body[3] == 0);
    assert_true(msg.body[5] == 55);
    /* The batch of names taken from the ledger by hand above. */
    other->ledger.limit[LEDGER_NAMES] = 1 << 20;
    other->space->name_credit = 15;
    sim_expect_balanced();
}

/* Receive 16 bytes out of line when the first `shortages` tries to map them find no memory. */
static mach_msg_return_t receive_with_shortages(int shortages, uint64_t *address)
{
    struct task *other = sim_task_create();
    mach_port_name_t dest;
    mach_port_name_t send = sim_foreign_right(other, MACH_MSG_TYPE_PORT_SEND, &dest);
    char data[16] = "0123456789";
    struct sim_msg msg;
    mach_msg_return_t mr;

    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | COMPLEX, send, NAME_NULL);
    msg.body[0] = outline(MACH_MSG_TYPE_BYTE, 8, 16, false);
    msg.body[1] = (uint64_t)data;
    assert_int_equal(sim_send(&msg, 48, 0, 0), MACH_MSG_SUCCESS);
    sim_become(other);
    sim_shortages = shortages;
    mr = sim_receive(&msg, sizeof(msg), dest, 0);
    *address = msg.body[1];
    return mr;
}

static void memory_of_a_message_waits_for_a_shortage_to_end(void **state)
{
    uint64_t address;

    (void)state;
    assert_int_equal(receive_with_shortages(3, &address), MACH_MSG_SUCCESS);
    assert_string_equal((char *)address, "0123456789");
    free((void *)address);
    sim_expect_balanced();
}

static void memory_of_a_message_is_lost_when_none_is_to_be_had(void **state)
{
    uint64_t address;

    (void)state;
    assert_int_equal(receive_with_shortages(4, &address), MACH_RCV_BODY_ERROR | MACH_MSG_VM_KERNEL);
    assert_true(address == 0);
    sim_expect_balanced();
}

static void reply_without_room_is_a_header_error(void **state)
{
    struct task *other = sim_task_create();
    mach_port_name_t dest;
    mach_port_name_t send = sim_foreign_right(other, MACH_MSG_TYPE_PORT_SEND, &dest);
    mach_port_name_t reply = sim_receive_right();
    struct sim_msg msg;
    uint32_t value;

    (void)state;
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), send,
                reply);
    assert_int_equal(sim_send(&msg, 40, 0, 0), MACH_MSG_SUCCESS);
    sim_become(other);
    sim_task_end(sim_task_create());
    other->ledger.limit[LEDGER_NAMES] = 0;
    other->space->name_credit = 0;
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0),
                     MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE);
    assert_int_equal(msg.header.msgh_local_port, dest);
    assert_int_equal(msg.header.msgh_remote_port, NAME_NULL);
    other->space->name_credit = 15;
    sim_become(sim_task);
    assert_int_equal(sim_notification(reply, &value), MACH_NOTIFY_SEND_ONCE);
    sim_expect_balanced();
}

static void message_too_large_is_destroyed_without_large(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t moved = sim_receive_right();
    uint64_t body[] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1), moved};
    struct sim_msg msg;

    (void)state;
    assert_int_equal(send_body(dest, body, 2), MACH_MSG_SUCCESS);
    assert_int_equal(sim_receive(&msg, 40, dest, 0), MACH_RCV_TOO_LARGE);
    assert_int_equal(msg.header.msgh_size, 48);
    assert_int_equal(msg.header.msgh_local_port, dest);
    assert_int_equal(ipc_port_live_count(), 1);
    assert_int_equal(sim_receive(&msg, sizeof(msg), dest, 0), MACH_RCV_TIMED_OUT);
}

static void message_too_large_stays_with_large(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    sim_message(&msg, SIMPLE_BITS, dest, NAME_NULL);
    sim_send(&msg, 100, 0, 0);
    memset(&msg, 0, sizeof(msg));
    assert_int_equal(sim_receive(&msg, 64, dest, MACH_RCV_LARGE), MACH_RCV_TOO_LARGE);
    assert_int_equal(msg.header.msgh_size, 104);
    assert_int_equal(sim_receive(&msg, 0, dest, MACH_RCV_LARGE), MACH_RCV_TOO_LARGE);
    assert_int_equal(sim_receive(&msg, 104, dest, MACH_RCV_LARGE), MACH_MSG_SUCCESS);
}

static void buffer_that_cannot_be_written_is_invalid_data(void **state)
{
    mach_port_name_t dest = sim_receive_right();

    (void)state;
    sim_post(dest, 1);
    assert_int_equal(sim_receive((void *)16, 100, dest, 0), MACH_RCV_INVALID_DATA);
    sim_expect_balanced();
}

static void port_in_its_own_message_is_destroyed_not_queued(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t send;
    uint64_t body[] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1), dest};

    (void)state;
    sim_add_send(dest, 1);
    send = dest;
    assert_int_equal(send_body(dest, body, 2), MACH_MSG_SUCCESS);
    assert_int_equal(sim_type(send), MACH_PORT_TYPE_DEAD_NAME);
    assert_int_equal(ipc_port_live_count(), 0);
}

static void circle_of_three_ports_is_found(void **state)
{
    mach_port_name_t names[3];
    struct sim_msg msg;
    int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        names[i] = sim_receive_right();
        sim_add_send(names[i], 1);
    }
    /* 0 goes into 1, 1 into 2, and 2 into 0. */
    for (i = 0; i < 3; i++) {
        sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | COMPLEX, names[(i + 1) % 3],
                    NAME_NULL);
        msg.body[0] = inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1);
        msg.body[1] = names[i];
        assert_int_equal(sim_send(&msg, 48, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    }
    for (i = 0; i < 3; i++) {
        assert_int_equal(sim_type(names[i]), MACH_PORT_TYPE_DEAD_NAME);
    }
    assert_int_equal(ipc_port_live_count(), 0);
    assert_int_equal(ipc_kmsg_live_count(), 0);
}

/* A port travels to another, without a message. Returns: the number of its way. */
static uint64_t set_out(struct ipc_port *port, struct ipc_port *dest)
{
    uint64_t transit;

    mutex_lock(&ipc_port_transit_mutex);
    transit = ipc_port_new_transit(dest);
    ipc_port_set_in_transit(port, dest, transit);
    mutex_unlock(&ipc_port_transit_mutex);
    return transit;
}

static void make_ports(struct ipc_port **ports, uint32_t count)
{
    uint32_t i;

    for (i = 0; i < count; i++) {
        ports[i] = ipc_port_create(NULL);
        assert_non_null(ports[i]);
    }
}

/* Wherever they travel. */
static void destroy_ports(struct ipc_port **ports, uint32_t count)
{
    uint32_t i;

    for (i = 0; i < count; i++) {
        ipc_port_release_right(ports[i], MACH_MSG_TYPE_PORT_RECEIVE);
    }
}

static void of_two_that_close_a_circle_at_once_the_later_finds_it(void **state)
{
    struct ipc_port *ports[2];
    uint64_t there, back;

    (void)state;
    make_ports(ports, 2);
    there = set_out(ports[0], ports[1]);
    back = set_out(ports[1], ports[0]);
    assert_false(ipc_port_is_circular(ports[1], there));
    assert_true(ipc_port_is_circular(ports[0], back));
    destroy_ports(ports, 2);
}

static void who_comes_into_a_circle_of_others_gets_out(void **state)
{
    enum { RING = 100, TAIL = 37 };
    struct ipc_port *ports[RING + TAIL];
    uint64_t transit = 0;
    uint32_t i;

    (void)state;
    make_ports(ports, RING + TAIL);
    for (i = 0; i < RING; i++) {
        transit = set_out(ports[i], ports[(i + 1) % RING]);
    }
    assert_true(ipc_port_is_circular(ports[0], transit));
    for (i = RING; i < RING + TAIL; i++) {
        struct ipc_port *dest = i == RING ? ports[5] : ports[i - 1];

        transit = set_out(ports[i], dest);
        assert_false(ipc_port_is_circular(dest, transit));
    }
    destroy_ports(ports, RING + TAIL);
}

static void only_what_others_were_sent_to_can_be_in_a_circle(void **state)
{
    struct ipc_port *ports[2];

    (void)state;
    make_ports(ports, 2);
    mutex_lock(&ipc_port_transit_mutex);
    assert_false(ipc_port_set_in_transit(ports[0], ports[1], ipc_port_new_transit(ports[1])));
    assert_true(ipc_port_set_in_transit(ports[1], ports[0], ipc_port_new_transit(ports[0])));
    mutex_unlock(&ipc_port_transit_mutex);
    destroy_ports(ports, 2);
}

static void port_is_found_among_several_of_a_message(void **state)
{
    mach_port_name_t dest = sim_receive_right(), inner = sim_receive_right();
    mach_port_name_t other = sim_receive_right();
    uint64_t body[] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1), inner};
    struct sim_msg msg;

    (void)state;
    sim_add_send(inner, 1);
    assert_int_equal(send_body(dest, body, 2), MACH_MSG_SUCCESS);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | COMPLEX, inner, NAME_NULL);
    msg.body[0] = inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 2);
    msg.body[1] = other;
    msg.body[2] = dest;
    assert_int_equal(sim_send(&msg, 56, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    assert_int_equal(sim_type(inner), MACH_PORT_TYPE_DEAD_NAME);
    assert_int_equal(ipc_port_live_count(), 0);
}

static void a_million_ports_nested_in_messages_die_at_once(void **state)
{
    enum { PORTS = 1000000 };
    mach_port_name_t inner = sim_receive_right();
    struct sim_msg msg;
    int i;

    (void)state;
    for (i = 1; i < PORTS; i++) {
        mach_port_name_t outer = sim_receive_right();
        uint64_t body[] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1), inner};

        if (send_body(outer, body, 2) != MACH_MSG_SUCCESS) {
            fail();
        }
        inner = outer;
    }
    assert_int_equal(ipc_port_live_count(), PORTS);
    (void)msg;
    assert_int_equal(mach_port_destroy(sim_space(), inner), KERN_SUCCESS);
    assert_int_equal(ipc_port_live_count(), 0);
    assert_int_equal(ipc_kmsg_live_count(), 0);
}

static void without_memory_for_slots_nothing_moves(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t moved = sim_receive_right();
    uint64_t body[8] = {inline_ports(MACH_MSG_TYPE_MOVE_RECEIVE, 1), moved,
                        inline_ports(MACH_MSG_TYPE_MAKE_SEND, 5)};
    int i;

    (void)state;
    for (i = 3; i < 8; i++) {
        body[i] = dest;
    }
    for (i = 0; i < 2; i++) {
        sim_fail_alloc_after = i;
        assert_int_equal(send_body(dest, body, 8), MACH_SEND_NO_BUFFER);
        sim_fail_alloc_after = -1;
    }
    assert_int_equal(sim_type(moved), MACH_PORT_TYPE_RECEIVE);
    assert_int_equal(send_body(dest, body, 8), MACH_MSG_SUCCESS);
    sim_expect_balanced();
}

static void random_bodies_never_break_the_ledger(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    uint32_t random = 42;
    int round;

    (void)state;
    sim_add_send(sim_receive_right(), 3);
    sim_port_set();
    for (round = 0; round < 20000; round++) {
        struct sim_msg msg;
        uint32_t words;
        uint32_t i;

        sim_message(&msg, SIMPLE_BITS | COMPLEX, dest, NAME_NULL);
        random = random * 1664525 + 1013904223;
        words = random >> 28;
        for (i = 0; i < words; i++) {
            random = random * 1664525 + 1013904223;
            if ((random >> 16) % 3 != 0) {
                msg.body[i] = inline_ports(19 + (random >> 8) % 3, (random >> 12) % 3);
            } else {
                msg.body[i] = (random >> 8) % 8;
            }
        }
        sim_send(&msg, 32 + words * 8, MACH_SEND_TIMEOUT, 0);
        if (round % 3 == 0) {
            sim_receive(&msg, sizeof(msg), dest, 0);
        }
    }
    sim_expect_balanced();
}

int ipc_test_message(struct ipc_test *tests)
{
    static const struct ipc_test list[] = {
        IPC_TEST(size_must_be_whole),
        IPC_TEST(header_must_name_rights_to_send_to),
        IPC_TEST(header_is_swapped_on_receive),
        IPC_TEST(body_without_complex_is_opaque),
        IPC_TEST(payload_replaces_the_local_name),
        IPC_TEST(every_kind_of_right_travels_in_a_body),
        IPC_TEST(last_send_right_cannot_move_twice),
        IPC_TEST(failed_send_moves_no_right_under_any_name),
        IPC_TEST(out_of_line_memory_arrives),
        IPC_TEST(memory_taken_by_a_failed_send_comes_back),
        IPC_TEST(out_of_line_ports_arrive_as_names),
        IPC_TEST(body_without_room_says_so_and_delivers_the_rest),
        IPC_TEST(memory_of_a_message_waits_for_a_shortage_to_end),
        IPC_TEST(memory_of_a_message_is_lost_when_none_is_to_be_had),
        IPC_TEST(reply_without_room_is_a_header_error),
        IPC_TEST(message_too_large_is_destroyed_without_large),
        IPC_TEST(message_too_large_stays_with_large),
        IPC_TEST(buffer_that_cannot_be_written_is_invalid_data),
        IPC_TEST(port_in_its_own_message_is_destroyed_not_queued),
        IPC_TEST(circle_of_three_ports_is_found),
        IPC_TEST(of_two_that_close_a_circle_at_once_the_later_finds_it),
        IPC_TEST(who_comes_into_a_circle_of_others_gets_out),
        IPC_TEST(only_what_others_were_sent_to_can_be_in_a_circle),
        IPC_TEST(port_is_found_among_several_of_a_message),
        IPC_TEST(a_million_ports_nested_in_messages_die_at_once),
        IPC_TEST(without_memory_for_slots_nothing_moves),
        IPC_TEST(random_bodies_never_break_the_ledger),
    };
    int count = (int)(sizeof(list) / sizeof(list[0]));
    size_t i;

    memcpy(tests, list, sizeof(list));
    for (i = 0; i < sizeof(bad_bodies) / sizeof(bad_bodies[0]); i++) {
        tests[count] = (struct ipc_test){bad_bodies[i].name, bad_body, &bad_bodies[i]};
        count += 1;
    }
    return count;
}
