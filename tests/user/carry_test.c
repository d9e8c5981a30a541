/* carry_test.c - rights in messages: every disposition, inline and in arrays out of line, from
 * every kind of name; what is refused moves nothing. */
#include <mach_port.h>
#include <string.h>

#include "lib/ipc.h"

#define MANY 1000

static struct ipc_message in, out;

/* What a name may denote before it is sent. */
enum source { RECEIVE, SEND, SEND_RECEIVE, SEND_ONCE, DEAD, SET, NOTHING, SOURCES };

/* A name of that kind. *port is a receive right that is to be dropped after it, if any. */
static mach_port_t make_source(enum source kind, mach_port_t *port)
{
    mach_port_t name;

    *port = MACH_PORT_NULL;
    switch (kind) {
    case RECEIVE:
        *port = ipc_receive_right();
        return *port;
    case SEND_RECEIVE:
        *port = test_port();
        return *port;
    case SEND: /* the receive right lies in the queue of *port */
        name = test_port();
        *port = test_port();
        ipc_begin(&out, *port, MACH_MSG_TYPE_COPY_SEND, 0);
        ipc_add_ports(&out, &name, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
        return name;
    case SEND_ONCE:
        *port = ipc_receive_right();
        return ipc_send_once(*port);
    case DEAD:
        return ipc_dead_name();
    case SET:
        return ipc_set();
    default:
        return IPC_NO_NAME;
    }
}

static void drop_source(mach_port_t name, mach_port_t port)
{
    if (ipc_type(name) != 0 && name != port) {
        mach_port_destroy(mach_task_self(), name);
    }
    if (port != MACH_PORT_NULL && ipc_type(port) != 0) {
        mach_port_destroy(mach_task_self(), port);
    }
}

/* Does the kind have what the disposition takes? In a body a dead name may stand for a right. */
static bool may_carry(enum source kind, unsigned disposition)
{
    switch (disposition) {
    case MACH_MSG_TYPE_MOVE_RECEIVE:
    case MACH_MSG_TYPE_MAKE_SEND:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
        return kind == RECEIVE || kind == SEND_RECEIVE;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
        return kind == SEND_ONCE || kind == DEAD;
    default:
        return kind == SEND || kind == SEND_RECEIVE || kind == DEAD;
    }
}

static void add_right(struct ipc_message *m, const mach_port_t *names, uint32_t count,
                      unsigned disposition, bool in_line)
{
    if (in_line) {
        ipc_add_ports(m, names, count, disposition);
    } else {
        ipc_add_port_array(m, names, count, disposition, false);
    }
}

static mach_port_t arrived(struct ipc_message *m, unsigned item, unsigned index)
{
    if (ipc_item(m, item)->msgt_inline) {
        return (mach_port_t)ipc_item_data(m, item)[index];
    }
    return ((mach_port_t *)*ipc_item_data(m, item))[index];
}

/* Unmap the arrays out of line of a message whose rights have been looked at. */
static void free_array(struct ipc_message *m, unsigned item)
{
    if (!ipc_item(m, item)->msgt_inline && *ipc_item_data(m, item) != 0) {
        syscall_vm_deallocate(mach_task_self(), *ipc_item_data(m, item),
                              ipc_item(m, item)->msgt_number * sizeof(mach_port_t));
    }
}

static unsigned arriving_type(unsigned disposition)
{
    switch (disposition) {
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        return MACH_MSG_TYPE_PORT_RECEIVE;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
        return MACH_MSG_TYPE_PORT_SEND_ONCE;
    default:
        return MACH_MSG_TYPE_PORT_SEND;
    }
}

static void carry_one(enum source kind, unsigned disposition, bool in_line)
{
    static const mach_port_type_t types[] = {MACH_PORT_TYPE_RECEIVE, MACH_PORT_TYPE_SEND,
                                             MACH_PORT_TYPE_SEND_ONCE};
    mach_port_t to = test_port(), port, name = make_source(kind, &port), got;
    mach_port_type_t before = ipc_type(name);

    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    add_right(&out, &name, 1, disposition, in_line);
    if (!may_carry(kind, disposition)) {
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
        CHECK_EQ(ipc_type(name), before);
    } else {
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
        got = arrived(&in, 0, 0);
        CHECK_EQ(ipc_item(&in, 0)->msgt_name, arriving_type(disposition));
        CHECK_EQ(ipc_item(&in, 0)->msgt_number, 1);
        if (kind == DEAD) {
            CHECK_EQ(got, MACH_PORT_DEAD);
        } else {
            CHECK((ipc_type(got) &
                   types[arriving_type(disposition) - MACH_MSG_TYPE_PORT_RECEIVE]) != 0);
            if (got != name && got != port) {
                ipc_drop(got);
            }
        }
        free_array(&in, 0);
    }
    drop_source(name, port);
    ipc_drop(to);
}

static void carry_all(unsigned disposition, bool in_line)
{
    uint32_t names = ipc_name_count();

    for (unsigned kind = 0; kind < SOURCES; kind++) {
        carry_one(kind, disposition, in_line);
    }
    CHECK_EQ(ipc_name_count(), names);
}

#define CARRY_TEST(name, disposition)                                                              \
    TEST(name##_inline_takes_what_it_says_from_every_kind_of_name)                                 \
    {                                                                                              \
        carry_all(disposition, true);                                                              \
    }                                                                                              \
    TEST(name##_out_of_line_takes_what_it_says_from_every_kind_of_name)                            \
    {                                                                                              \
        carry_all(disposition, false);                                                             \
    }
CARRY_TEST(move_receive, MACH_MSG_TYPE_MOVE_RECEIVE)
CARRY_TEST(move_send, MACH_MSG_TYPE_MOVE_SEND)
CARRY_TEST(move_send_once, MACH_MSG_TYPE_MOVE_SEND_ONCE)
CARRY_TEST(copy_send, MACH_MSG_TYPE_COPY_SEND)
CARRY_TEST(make_send, MACH_MSG_TYPE_MAKE_SEND)
CARRY_TEST(make_send_once, MACH_MSG_TYPE_MAKE_SEND_ONCE)

/* --- arrays --- */

static void carry_many(bool in_line, uint32_t count)
{
    static mach_port_t names[MANY];
    mach_port_t to = test_port(), port = test_port();

    for (uint32_t i = 0; i < count; i++) {
        names[i] = port;
    }
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    add_right(&out, names, count, MACH_MSG_TYPE_COPY_SEND, in_line);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_item(&in, 0)->msgt_number, count);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 1 + count);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(arrived(&in, 0, i), port);
    }
    free_array(&in, 0);
    ipc_drop(port);
    ipc_drop(to);
}

TEST(a_thousand_inline_rights_of_one_port_come_under_one_name)
{
    carry_many(true, MANY);
}
TEST(a_thousand_rights_in_an_array_come_under_one_name)
{
    carry_many(false, MANY);
}

TEST(an_array_of_send_once_rights_gives_each_a_name_of_its_own)
{
    enum { COUNT = 300 };
    static mach_port_t names[COUNT];
    mach_port_t to = test_port(), port = ipc_receive_right();

    for (unsigned i = 0; i < COUNT; i++) {
        names[i] = port;
    }
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_port_array(&out, names, COUNT, MACH_MSG_TYPE_MAKE_SEND_ONCE, false);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_status(port).mps_sorights, COUNT);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_EQ(ipc_type(arrived(&in, 0, i)), MACH_PORT_TYPE_SEND_ONCE);
        ipc_drop(arrived(&in, 0, i));
    }
    free_array(&in, 0);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    ipc_drop(port);
    ipc_drop(to);
}

TEST(an_array_of_receive_rights_moves_them_all)
{
    enum { COUNT = 100 };
    static mach_port_t names[COUNT];
    mach_port_t to = test_port();

    for (unsigned i = 0; i < COUNT; i++) {
        names[i] = ipc_receive_right();
    }
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_port_array(&out, names, COUNT, MACH_MSG_TYPE_MOVE_RECEIVE, false);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_EQ(ipc_type(names[i]), 0);
    }
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_EQ(ipc_type(arrived(&in, 0, i)), MACH_PORT_TYPE_RECEIVE);
        ipc_drop(arrived(&in, 0, i));
    }
    free_array(&in, 0);
    ipc_drop(to);
}

TEST(null_and_dead_names_travel_in_arrays_as_they_are)
{
    mach_port_t to = test_port();
    mach_port_t names[] = {MACH_PORT_NULL, to, MACH_PORT_DEAD, MACH_PORT_NULL};

    for (unsigned in_line = 0; in_line < 2; in_line++) {
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        add_right(&out, names, 4, MACH_MSG_TYPE_COPY_SEND, in_line != 0);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
        for (unsigned i = 0; i < 4; i++) {
            CHECK_EQ(arrived(&in, 0, i), names[i]);
        }
        free_array(&in, 0);
    }
    ipc_drop(to);
}

TEST(an_array_of_no_rights_arrives_as_an_array_of_none)
{
    mach_port_t to = test_port();

    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, NULL, 0, MACH_MSG_TYPE_COPY_SEND);
    ipc_add_port_array(&out, NULL, 0, MACH_MSG_TYPE_MOVE_RECEIVE, false);
    ipc_add_port_array(&out, (mach_port_t *)IPC_KERNEL_TEXT, 0, MACH_MSG_TYPE_COPY_SEND, true);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_size, out.head.msgh_size);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(ipc_item(&in, i)->msgt_number, 0);
    }
    CHECK_EQ(*ipc_item_data(&in, 1), 0);
    CHECK_EQ(*ipc_item_data(&in, 2), 0);
    ipc_drop(to);
}

TEST(an_array_at_a_bad_address_is_refused)
{
    mach_port_t to = test_port();
    uint8_t *pages = ipc_pages(2);
    uint64_t addresses[] = {0,
                            16,
                            IPC_KERNEL_TEXT,
                            IPC_NON_CANONICAL,
                            IPC_USER_END - 4,
                            ~0ul - 3,
                            (uint64_t)pages + IPC_PAGE_SIZE - 4};

    ipc_free_pages(pages + IPC_PAGE_SIZE, 1);
    *(mach_port_t *)(pages + IPC_PAGE_SIZE - 4) = to;
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_port_array(&out, (mach_port_t *)addresses[i], 2, MACH_MSG_TYPE_COPY_SEND, false);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_MEMORY);
    }
    CHECK_EQ(ipc_refs(to, MACH_PORT_RIGHT_SEND), 1);
    ipc_free_pages(pages, 1);
    ipc_drop(to);
}

TEST(an_array_that_is_deallocated_leaves_the_sender)
{
    mach_port_t to = test_port();
    mach_port_t *names = (mach_port_t *)ipc_pages(1);
    vm_address_t address = (vm_address_t)names;

    names[0] = to;
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_port_array(&out, names, IPC_PAGE_SIZE / sizeof(*names), MACH_MSG_TYPE_COPY_SEND, true);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(syscall_vm_allocate(mach_task_self(), &address, IPC_PAGE_SIZE, FALSE), KERN_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(arrived(&in, 0, 0), to);
    free_array(&in, 0);
    syscall_vm_deallocate(mach_task_self(), address, IPC_PAGE_SIZE);
    ipc_drop(to);
}

TEST(counts_that_do_not_fit_the_message_are_refused)
{
    mach_port_t to = test_port();
    static const uint32_t counts[] = {2,          3,          0x1fffffff, 0x20000000, 0x20000001,
                                      0x3fffffff, 0x7fffffff, 0x80000000, 0xffffffff};

    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_ports(&out, &to, 1, MACH_MSG_TYPE_COPY_SEND);
        ipc_item(&out, 0)->msgt_number = counts[i];
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_MSG_TOO_SMALL);
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_port_array(&out, &to, counts[i], MACH_MSG_TYPE_COPY_SEND, false);
        if (counts[i] > MANY) {
            CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_NO_BUFFER);
        }
    }
    CHECK_EQ(ipc_refs(to, MACH_PORT_RIGHT_SEND), 1);
    ipc_drop(to);
}

TEST(descriptors_that_make_no_sense_are_refused)
{
    mach_port_t to = test_port();
    static const mach_msg_type_t wrong[] = {
        {.msgt_name = MACH_MSG_TYPE_COPY_SEND, .msgt_size = 32, .msgt_inline = 1, .msgt_number = 1},
        {.msgt_name = MACH_MSG_TYPE_COPY_SEND, .msgt_size = 0, .msgt_inline = 1, .msgt_number = 1},
        {.msgt_name = MACH_MSG_TYPE_COPY_SEND, .msgt_size = 64, .msgt_number = 1},
        {.msgt_name = MACH_MSG_TYPE_COPY_SEND, .msgt_size = 8, .msgt_number = 1},
        {.msgt_name = MACH_MSG_TYPE_COPY_SEND,
         .msgt_size = 64,
         .msgt_inline = 1,
         .msgt_deallocate = 1,
         .msgt_number = 1},
        {.msgt_name = MACH_MSG_TYPE_BYTE,
         .msgt_size = 8,
         .msgt_inline = 1,
         .msgt_unused = 1,
         .msgt_number = 8},
        {.msgt_name = MACH_MSG_TYPE_BYTE,
         .msgt_size = 8,
         .msgt_inline = 1,
         .msgt_deallocate = 1,
         .msgt_number = 8},
    };

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_ports(&out, &to, 1, MACH_MSG_TYPE_COPY_SEND);
        *ipc_item(&out, 0) = wrong[i];
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_TYPE);
    }
    ipc_drop(to);
}

TEST(a_body_that_ends_in_the_middle_of_an_item_is_refused)
{
    mach_port_t to = test_port();

    for (uint32_t cut = 8; cut <= 24; cut += 16) { /* the name of the second item, of the first */
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_ports(&out, &to, 1, MACH_MSG_TYPE_COPY_SEND);
        ipc_add_ports(&out, &to, 1, MACH_MSG_TYPE_COPY_SEND);
        out.head.msgh_size -= cut;
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    }
    CHECK_EQ(ipc_refs(to, MACH_PORT_RIGHT_SEND), 1);
    ipc_drop(to);
}

TEST(items_of_all_kinds_travel_in_one_message)
{
    mach_port_t to = test_port(), carried = test_port();
    static const char text[16] = "fifteen letters";
    uint8_t *pages = ipc_pages(3);
    uint64_t word = 0x1122334455667788;
    mach_msg_type_t bytes = {
        .msgt_name = MACH_MSG_TYPE_INTEGER_64, .msgt_size = 64, .msgt_inline = 1, .msgt_number = 1};

    memset(pages, 0x77, 3 * IPC_PAGE_SIZE);
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 9);
    ipc_add_bytes(&out, &bytes, sizeof(bytes));
    ipc_add_bytes(&out, &word, sizeof(word));
    ipc_add_ports(&out, &carried, 1, MACH_MSG_TYPE_MAKE_SEND);
    ipc_add_memory(&out, text, sizeof(text), false);
    ipc_add_port_array(&out, &carried, 1, MACH_MSG_TYPE_MAKE_SEND_ONCE, false);
    ipc_add_memory(&out, pages, 3 * IPC_PAGE_SIZE, false);
    ipc_add_ports(&out, &carried, 1, MACH_MSG_TYPE_COPY_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(*ipc_item_data(&in, 0), 0x1122334455667788);
    CHECK_EQ(arrived(&in, 1, 0), carried);
    CHECK_EQ(strcmp((char *)*ipc_item_data(&in, 2), text), 0);
    CHECK_EQ(ipc_type(arrived(&in, 3, 0)), MACH_PORT_TYPE_SEND_ONCE);
    CHECK_EQ(((uint8_t *)*ipc_item_data(&in, 4))[3 * IPC_PAGE_SIZE - 1], 0x77);
    CHECK_EQ(arrived(&in, 5, 0), carried);
    CHECK_EQ(ipc_refs(carried, MACH_PORT_RIGHT_SEND), 3);
    mach_msg_destroy(&in.head);
    CHECK_EQ(ipc_refs(carried, MACH_PORT_RIGHT_SEND), 1);
    ipc_free_pages(pages, 3);
    ipc_drop(carried);
    ipc_drop(to);
}

/* --- one message, one right, more than once --- */

TEST(a_send_right_can_be_moved_as_often_as_it_has_references)
{
    mach_port_t to = test_port(), port = test_port();
    mach_port_t names[] = {port, port, port};

    CHECK_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 1), KERN_SUCCESS);
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, names, 3, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 2);
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, names, 2, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 2);
    ipc_drop(port);
    ipc_drop(to);
}

TEST(a_receive_right_cannot_be_moved_twice)
{
    mach_port_t to = test_port(), port = test_port();
    mach_port_t names[] = {port, port};

    for (unsigned in_line = 0; in_line < 2; in_line++) {
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        add_right(&out, names, 2, MACH_MSG_TYPE_MOVE_RECEIVE, in_line != 0);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
        CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_SEND_RECEIVE);
    }
    ipc_drop(port);
    ipc_drop(to);
}

TEST(nothing_can_be_made_from_a_receive_right_that_has_been_moved_before_in_the_message)
{
    mach_port_t to = test_port(), port = test_port();

    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MAKE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MAKE_SEND);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 2);
    ipc_drop(port);
    ipc_drop(to);
}

TEST(the_destination_s_own_send_right_may_be_used_up_by_the_header_only)
{
    mach_port_t to = test_port();

    ipc_begin(&out, to, MACH_MSG_TYPE_MOVE_SEND, 1);
    ipc_add_ports(&out, &to, 1, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(ipc_refs(to, MACH_PORT_RIGHT_SEND), 1);
    ipc_begin(&out, to, MACH_MSG_TYPE_MOVE_SEND, 1);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_type(to), MACH_PORT_TYPE_RECEIVE);
    ipc_drop(to);
}

TEST(one_bad_name_among_many_keeps_all_where_they_are)
{
    mach_port_t to = test_port();
    static mach_port_t names[101];
    uint32_t before;

    for (unsigned i = 0; i < 100; i++) {
        names[i] = ipc_receive_right();
    }
    names[100] = IPC_NO_NAME;
    before = ipc_name_count();
    for (unsigned in_line = 0; in_line < 2; in_line++) {
        ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
        add_right(&out, names, 101, MACH_MSG_TYPE_MOVE_RECEIVE, in_line != 0);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_RIGHT);
        CHECK_EQ(ipc_name_count(), before);
    }
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(ipc_type(names[i]), MACH_PORT_TYPE_RECEIVE);
        ipc_drop(names[i]);
    }
    ipc_drop(to);
}

TEST(without_the_complex_bit_names_and_pointers_are_bytes)
{
    mach_port_t to = test_port();

    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &to, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    ipc_add_memory(&out, (void *)IPC_KERNEL_TEXT, 4096, true);
    out.head.msgh_bits &= ~MACH_MSGH_BITS_COMPLEX;
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(memcmp(in.body, out.body, 32), 0);
    CHECK_EQ(in.head.msgh_bits & MACH_MSGH_BITS_COMPLEX, 0);
    ipc_drop(to);
}

/* --- the header --- */

static mach_msg_return_t send_header(mach_port_t to, unsigned to_type, mach_port_t reply,
                                     unsigned reply_type)
{
    ipc_begin(&out, to, to_type, 4);
    out.head.msgh_bits = MACH_MSGH_BITS(to_type, reply_type);
    out.head.msgh_local_port = reply;
    return ipc_send(&out, MACH_SEND_TIMEOUT, 0);
}

TEST(dispositions_that_are_none_are_refused_in_the_header)
{
    mach_port_t to = test_port();
    static const unsigned wrong[] = {0, 1, 15, MACH_MSG_TYPE_MOVE_RECEIVE, 22, 23, 24, 255};

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_EQ(send_header(to, wrong[i], 0, 0), MACH_SEND_INVALID_HEADER);
        CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, to, wrong[i]), MACH_SEND_INVALID_HEADER);
    }
    CHECK_EQ(ipc_type(to), MACH_PORT_TYPE_SEND_RECEIVE);
    ipc_drop(to);
}

TEST(every_disposition_works_for_the_destination)
{
    mach_port_t to = test_port();
    static const unsigned right[] = {MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND,
                                     MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MOVE_SEND};

    for (unsigned i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        CHECK_EQ(send_header(to, right[i], 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(to, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), arriving_type(right[i]));
    }
    CHECK_EQ(ipc_type(to), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, 0, 0), MACH_SEND_INVALID_DEST);
    CHECK_EQ(send_header(ipc_send_once(to), MACH_MSG_TYPE_MOVE_SEND_ONCE, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_status(to).mps_sorights, 1); /* the one in the queue */
    ipc_drop(to);
}

TEST(every_disposition_works_for_the_reply)
{
    mach_port_t to = test_port(), reply = test_port();
    static const unsigned right[] = {MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND,
                                     MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_MOVE_SEND};

    for (unsigned i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, reply, right[i]), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(to, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(MACH_MSGH_BITS_REMOTE(in.head.msgh_bits), arriving_type(right[i]));
        CHECK_EQ(mach_port_deallocate(mach_task_self(), in.head.msgh_remote_port), KERN_SUCCESS);
    }
    ipc_drop(to);
    ipc_drop(reply);
}

TEST(a_reply_right_that_is_not_there_is_refused)
{
    mach_port_t to = test_port(), once = ipc_send_once(to), set = ipc_set();

    CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, IPC_NO_NAME, MACH_MSG_TYPE_MAKE_SEND),
             MACH_SEND_INVALID_REPLY);
    CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, once, MACH_MSG_TYPE_MAKE_SEND_ONCE),
             MACH_SEND_INVALID_REPLY);
    CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, set, MACH_MSG_TYPE_MAKE_SEND_ONCE),
             MACH_SEND_INVALID_REPLY);
    CHECK_EQ(send_header(to, MACH_MSG_TYPE_MOVE_SEND, to, MACH_MSG_TYPE_MOVE_SEND),
             MACH_SEND_INVALID_REPLY);
    CHECK_EQ(ipc_refs(to, MACH_PORT_RIGHT_SEND), 1);
    ipc_drop(once);
    ipc_drop(set);
    ipc_drop(to);
}

TEST(a_dead_name_for_a_reply_arrives_as_dead)
{
    mach_port_t to = test_port(), dead = ipc_dead_name();

    CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, dead, MACH_MSG_TYPE_COPY_SEND),
             MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_remote_port, MACH_PORT_DEAD);
    CHECK_EQ(send_header(to, MACH_MSG_TYPE_COPY_SEND, dead, MACH_MSG_TYPE_MOVE_SEND_ONCE),
             MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(to, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_remote_port, MACH_PORT_DEAD);
    CHECK_EQ(ipc_type(dead), 0); /* its one reference moved */
    ipc_drop(to);
}

TEST(a_reply_right_whose_port_dies_in_the_queue_arrives_as_dead)
{
    mach_port_t to = test_port(), reply = ipc_receive_right();

    CHECK_EQ(test_send(to, reply, 1, 0, 0), MACH_MSG_SUCCESS);
    ipc_drop(reply);
    CHECK_EQ(ipc_receive(to, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_remote_port, MACH_PORT_DEAD);
    ipc_drop(to);
}

/* --- where rights go that nobody receives --- */

TEST(rights_in_the_queue_of_a_port_that_dies_are_given_back)
{
    mach_port_t to = test_port(), port = ipc_receive_right(), notify = ipc_receive_right(),
                previous;

    CHECK_EQ(mach_port_request_notification(mach_task_self(), port, MACH_NOTIFY_NO_SENDERS, 1,
                                            notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MAKE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK(ipc_status(port).mps_srights);
    ipc_drop(to);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_NO_SENDERS);
    CHECK(!ipc_status(port).mps_srights);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_receive_right_sent_to_its_own_port_is_destroyed)
{
    mach_port_t port = test_port();

    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_DEAD_NAME);
    ipc_drop(port);
}

TEST(receive_rights_that_would_wait_in_each_other_s_queues_are_destroyed)
{
    enum { RING = 8 };
    mach_port_t ports[RING];

    for (unsigned i = 0; i < RING; i++) {
        ports[i] = test_port();
    }
    for (unsigned i = 0; i < RING; i++) {
        ipc_begin(&out, ports[(i + 1) % RING], MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_ports(&out, &ports[i], 1, MACH_MSG_TYPE_MOVE_RECEIVE);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    }
    for (unsigned i = 0; i < RING; i++) {
        CHECK_EQ(ipc_type(ports[i]), MACH_PORT_TYPE_DEAD_NAME);
        ipc_drop(ports[i]);
    }
}
