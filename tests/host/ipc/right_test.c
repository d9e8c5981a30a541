/* right_test.c - the state machine of rights, from a table: what is under the name, what is asked,
 * what comes back, what is there then. */
#include "ipc_test.h"

#include <stdio.h>

enum state_kind { NONE, RECEIVE, SEND, BOTH, ONCE, SET, DEAD, DIED_SEND, DIED_ONCE };

enum operation {
    DEALLOCATE,
    DESTROY,
    MOD_SEND,
    MOD_RECEIVE,
    MOD_ONCE,
    MOD_SET,
    MOD_DEAD,
    MOD_BAD,
    EXTRACT,
    RENAME,
    QLIMIT,
    STATUS,
};

/* The type after is MACH_PORT_TYPE_*, 0 when the name denotes nothing. */
struct row {
    const char *name;
    enum state_kind kind;
    uint32_t urefs;
    enum operation operation;
    int32_t argument;
    kern_return_t result;
    uint32_t type;
    uint32_t urefs_after;
};

#define T_SEND    MACH_PORT_TYPE_SEND
#define T_RECEIVE MACH_PORT_TYPE_RECEIVE
#define T_BOTH    MACH_PORT_TYPE_SEND_RECEIVE
#define T_ONCE    MACH_PORT_TYPE_SEND_ONCE
#define T_SET     MACH_PORT_TYPE_PORT_SET
#define T_DEAD    MACH_PORT_TYPE_DEAD_NAME
#define MAX       MACH_PORT_UREFS_MAX

static struct row rows[] = {
    {"deallocate of no name", NONE, 0, DEALLOCATE, 0, KERN_INVALID_NAME, 0, 0},
    {"deallocate of a receive right", RECEIVE, 0, DEALLOCATE, 0, KERN_INVALID_RIGHT, T_RECEIVE, 0},
    {"deallocate of the only send right", SEND, 1, DEALLOCATE, 0, KERN_SUCCESS, 0, 0},
    {"deallocate of one of three send rights", SEND, 3, DEALLOCATE, 0, KERN_SUCCESS, T_SEND, 2},
    {"deallocate of send beside receive", BOTH, 1, DEALLOCATE, 0, KERN_SUCCESS, T_RECEIVE, 0},
    {"deallocate of one of two sends beside receive", BOTH, 2, DEALLOCATE, 0, KERN_SUCCESS, T_BOTH,
     1},
    {"deallocate of a send-once right", ONCE, 1, DEALLOCATE, 0, KERN_SUCCESS, 0, 0},
    {"deallocate of a port set", SET, 0, DEALLOCATE, 0, KERN_INVALID_RIGHT, T_SET, 0},
    {"deallocate of the last dead name", DEAD, 1, DEALLOCATE, 0, KERN_SUCCESS, 0, 0},
    {"deallocate of one of two dead names", DEAD, 2, DEALLOCATE, 0, KERN_SUCCESS, T_DEAD, 1},
    {"deallocate of a send right that died", DIED_SEND, 2, DEALLOCATE, 0, KERN_SUCCESS, T_DEAD, 1},
    {"deallocate of a send-once right that died", DIED_ONCE, 1, DEALLOCATE, 0, KERN_SUCCESS, 0, 0},
    {"destroy of no name", NONE, 0, DESTROY, 0, KERN_INVALID_NAME, 0, 0},
    {"destroy of a receive right", RECEIVE, 0, DESTROY, 0, KERN_SUCCESS, 0, 0},
    {"destroy of many send rights", SEND, 9, DESTROY, 0, KERN_SUCCESS, 0, 0},
    {"destroy of send and receive", BOTH, 4, DESTROY, 0, KERN_SUCCESS, 0, 0},
    {"destroy of a send-once right", ONCE, 1, DESTROY, 0, KERN_SUCCESS, 0, 0},
    {"destroy of a port set", SET, 0, DESTROY, 0, KERN_SUCCESS, 0, 0},
    {"destroy of a dead name", DEAD, 5, DESTROY, 0, KERN_SUCCESS, 0, 0},
    {"destroy of a send right that died", DIED_SEND, 5, DESTROY, 0, KERN_SUCCESS, 0, 0},
    {"mod_refs of no name", NONE, 0, MOD_SEND, 1, KERN_INVALID_NAME, 0, 0},
    {"mod_refs of an unknown right", RECEIVE, 0, MOD_BAD, 0, KERN_INVALID_VALUE, T_RECEIVE, 0},
    {"mod_refs send up", SEND, 1, MOD_SEND, 4, KERN_SUCCESS, T_SEND, 5},
    {"mod_refs send down", SEND, 5, MOD_SEND, -4, KERN_SUCCESS, T_SEND, 1},
    {"mod_refs send to zero", SEND, 5, MOD_SEND, -5, KERN_SUCCESS, 0, 0},
    {"mod_refs send to zero beside receive", BOTH, 5, MOD_SEND, -5, KERN_SUCCESS, T_RECEIVE, 0},
    {"mod_refs send by nothing", SEND, 5, MOD_SEND, 0, KERN_SUCCESS, T_SEND, 5},
    {"mod_refs send below zero", SEND, 5, MOD_SEND, -6, KERN_INVALID_VALUE, T_SEND, 5},
    {"mod_refs send by the lowest number", SEND, 5, MOD_SEND, INT32_MIN, KERN_INVALID_VALUE, T_SEND,
     5},
    {"mod_refs send by the highest number", SEND, 5, MOD_SEND, INT32_MAX, KERN_UREFS_OVERFLOW,
     T_SEND, 5},
    {"mod_refs send to the limit", SEND, MAX - 1, MOD_SEND, 1, KERN_SUCCESS, T_SEND, MAX},
    {"mod_refs send over the limit", SEND, MAX - 1, MOD_SEND, 2, KERN_UREFS_OVERFLOW, T_SEND,
     MAX - 1},
    {"mod_refs send of a receive right", RECEIVE, 0, MOD_SEND, 1, KERN_INVALID_RIGHT, T_RECEIVE, 0},
    {"mod_refs send of a send-once right", ONCE, 1, MOD_SEND, 1, KERN_INVALID_RIGHT, T_ONCE, 1},
    {"mod_refs send of a set", SET, 0, MOD_SEND, 1, KERN_INVALID_RIGHT, T_SET, 0},
    {"mod_refs send of a dead name", DEAD, 2, MOD_SEND, 1, KERN_INVALID_RIGHT, T_DEAD, 2},
    {"mod_refs send of a right that died", DIED_SEND, 2, MOD_SEND, 1, KERN_INVALID_RIGHT, T_DEAD,
     2},
    {"mod_refs receive by nothing", RECEIVE, 0, MOD_RECEIVE, 0, KERN_SUCCESS, T_RECEIVE, 0},
    {"mod_refs receive away", RECEIVE, 0, MOD_RECEIVE, -1, KERN_SUCCESS, 0, 0},
    {"mod_refs receive away leaves a dead name", BOTH, 3, MOD_RECEIVE, -1, KERN_SUCCESS, T_DEAD, 3},
    {"mod_refs receive up", RECEIVE, 0, MOD_RECEIVE, 1, KERN_INVALID_VALUE, T_RECEIVE, 0},
    {"mod_refs receive by minus two", RECEIVE, 0, MOD_RECEIVE, -2, KERN_INVALID_VALUE, T_RECEIVE,
     0},
    {"mod_refs receive of a send right", SEND, 1, MOD_RECEIVE, -1, KERN_INVALID_RIGHT, T_SEND, 1},
    {"mod_refs send-once away", ONCE, 1, MOD_ONCE, -1, KERN_SUCCESS, 0, 0},
    {"mod_refs send-once by nothing", ONCE, 1, MOD_ONCE, 0, KERN_SUCCESS, T_ONCE, 1},
    {"mod_refs send-once up", ONCE, 1, MOD_ONCE, 1, KERN_INVALID_VALUE, T_ONCE, 1},
    {"mod_refs send-once of a send right", SEND, 1, MOD_ONCE, -1, KERN_INVALID_RIGHT, T_SEND, 1},
    {"mod_refs send-once that died", DIED_ONCE, 1, MOD_ONCE, -1, KERN_INVALID_RIGHT, T_DEAD, 1},
    {"mod_refs set away", SET, 0, MOD_SET, -1, KERN_SUCCESS, 0, 0},
    {"mod_refs set up", SET, 0, MOD_SET, 1, KERN_INVALID_VALUE, T_SET, 0},
    {"mod_refs set of a receive right", RECEIVE, 0, MOD_SET, -1, KERN_INVALID_RIGHT, T_RECEIVE, 0},
    {"mod_refs dead up", DEAD, 1, MOD_DEAD, 2, KERN_SUCCESS, T_DEAD, 3},
    {"mod_refs dead to zero", DEAD, 3, MOD_DEAD, -3, KERN_SUCCESS, 0, 0},
    {"mod_refs dead below zero", DEAD, 3, MOD_DEAD, -4, KERN_INVALID_VALUE, T_DEAD, 3},
    {"mod_refs dead over the limit", DEAD, MAX, MOD_DEAD, 1, KERN_UREFS_OVERFLOW, T_DEAD, MAX},
    {"mod_refs dead of a live send right", SEND, 1, MOD_DEAD, -1, KERN_INVALID_RIGHT, T_SEND, 1},
    {"mod_refs dead of a right that died", DIED_SEND, 2, MOD_DEAD, -1, KERN_SUCCESS, T_DEAD, 1},
    {"extract of no name", NONE, 0, EXTRACT, MACH_MSG_TYPE_COPY_SEND, KERN_INVALID_NAME, 0, 0},
    {"extract with no disposition", SEND, 1, EXTRACT, 15, KERN_INVALID_VALUE, T_SEND, 1},
    {"extract copy send", SEND, 1, EXTRACT, MACH_MSG_TYPE_COPY_SEND, KERN_SUCCESS, T_SEND, 1},
    {"extract copy send of receive only", RECEIVE, 0, EXTRACT, MACH_MSG_TYPE_COPY_SEND,
     KERN_INVALID_RIGHT, T_RECEIVE, 0},
    {"extract copy send of a send-once right", ONCE, 1, EXTRACT, MACH_MSG_TYPE_COPY_SEND,
     KERN_INVALID_RIGHT, T_ONCE, 1},
    {"extract copy send of a set", SET, 0, EXTRACT, MACH_MSG_TYPE_COPY_SEND, KERN_INVALID_RIGHT,
     T_SET, 0},
    {"extract copy send of a dead name", DEAD, 2, EXTRACT, MACH_MSG_TYPE_COPY_SEND, KERN_SUCCESS,
     T_DEAD, 2},
    {"extract move send of the last", SEND, 1, EXTRACT, MACH_MSG_TYPE_MOVE_SEND, KERN_SUCCESS, 0,
     0},
    {"extract move send of two", SEND, 2, EXTRACT, MACH_MSG_TYPE_MOVE_SEND, KERN_SUCCESS, T_SEND,
     1},
    {"extract move send beside receive", BOTH, 1, EXTRACT, MACH_MSG_TYPE_MOVE_SEND, KERN_SUCCESS,
     T_RECEIVE, 0},
    {"extract move send of a dead name", DEAD, 2, EXTRACT, MACH_MSG_TYPE_MOVE_SEND, KERN_SUCCESS,
     T_DEAD, 1},
    {"extract move send of the last dead name", DEAD, 1, EXTRACT, MACH_MSG_TYPE_MOVE_SEND,
     KERN_SUCCESS, 0, 0},
    {"extract move send-once", ONCE, 1, EXTRACT, MACH_MSG_TYPE_MOVE_SEND_ONCE, KERN_SUCCESS, 0, 0},
    {"extract move send-once of a send right", SEND, 1, EXTRACT, MACH_MSG_TYPE_MOVE_SEND_ONCE,
     KERN_INVALID_RIGHT, T_SEND, 1},
    {"extract move send-once that died", DIED_ONCE, 1, EXTRACT, MACH_MSG_TYPE_MOVE_SEND_ONCE,
     KERN_SUCCESS, 0, 0},
    {"extract make send", RECEIVE, 0, EXTRACT, MACH_MSG_TYPE_MAKE_SEND, KERN_SUCCESS, T_RECEIVE, 0},
    {"extract make send of a send right", SEND, 1, EXTRACT, MACH_MSG_TYPE_MAKE_SEND,
     KERN_INVALID_RIGHT, T_SEND, 1},
    {"extract make send-once", BOTH, 1, EXTRACT, MACH_MSG_TYPE_MAKE_SEND_ONCE, KERN_SUCCESS, T_BOTH,
     1},
    {"extract make send-once of a dead name", DEAD, 1, EXTRACT, MACH_MSG_TYPE_MAKE_SEND_ONCE,
     KERN_INVALID_RIGHT, T_DEAD, 1},
    {"extract receive", RECEIVE, 0, EXTRACT, MACH_MSG_TYPE_MOVE_RECEIVE, KERN_SUCCESS, 0, 0},
    {"extract receive leaves send, which then dies", BOTH, 2, EXTRACT, MACH_MSG_TYPE_MOVE_RECEIVE,
     KERN_SUCCESS, T_DEAD, 2},
    {"extract receive of a send right", SEND, 1, EXTRACT, MACH_MSG_TYPE_MOVE_RECEIVE,
     KERN_INVALID_RIGHT, T_SEND, 1},
    {"rename of a send right that died", DIED_SEND, 2, RENAME, 500, KERN_SUCCESS, 0, 0},
    {"qlimit of a receive right", RECEIVE, 0, QLIMIT, 16, KERN_SUCCESS, T_RECEIVE, 0},
    {"qlimit too large", RECEIVE, 0, QLIMIT, 17, KERN_INVALID_VALUE, T_RECEIVE, 0},
    {"qlimit of a send right", SEND, 1, QLIMIT, 1, KERN_INVALID_RIGHT, T_SEND, 1},
    {"qlimit of no name", NONE, 0, QLIMIT, 1, KERN_INVALID_NAME, 0, 0},
    {"receive status of send and receive", BOTH, 1, STATUS, 0, KERN_SUCCESS, T_BOTH, 1},
    {"receive status of a set", SET, 0, STATUS, 0, KERN_INVALID_RIGHT, T_SET, 0},
    {"receive status of a dead name", DEAD, 1, STATUS, 0, KERN_INVALID_RIGHT, T_DEAD, 1},
};

/* Put a right of the kind under a name. */
static mach_port_name_t make(struct task *owner, const struct row *row)
{
    mach_port_name_t name = 9;
    mach_port_name_t other;
    bool died = row->kind == DIED_SEND || row->kind == DIED_ONCE;

    switch (row->kind) {
    case NONE:
        return name;
    case SET:
        return sim_port_set();
    case RECEIVE:
    case BOTH:
        name = sim_receive_right();
        if (row->kind == BOTH) {
            sim_add_send(name, row->urefs);
        }
        return name;
    case DEAD:
        mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &name);
        mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_DEAD_NAME, (int32_t)row->urefs - 1);
        return name;
    default:
        name = sim_foreign_right(owner,
                                 row->kind == SEND || row->kind == DIED_SEND
                                     ? MACH_MSG_TYPE_PORT_SEND
                                     : MACH_MSG_TYPE_PORT_SEND_ONCE,
                                 &other);
        if (row->urefs > 1) {
            mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_SEND, (int32_t)row->urefs - 1);
        }
        if (died) {
            assert_int_equal(mach_port_destroy(owner->space, other), KERN_SUCCESS);
        }
        return name;
    }
}

static kern_return_t extract(mach_port_name_t name, int32_t disposition)
{
    struct ipc_port *port;
    mach_msg_type_name_t type;
    kern_return_t kr =
        mach_port_extract_right(sim_space(), name, (uint32_t)disposition, &port, &type);

    if (kr == KERN_SUCCESS) {
        assert_int_equal(type, ipc_right_type((uint32_t)disposition));
        ipc_port_release_right(port, type);
    }
    return kr;
}

static kern_return_t operate(mach_port_name_t name, const struct row *row)
{
    mach_port_status_t status;

    switch (row->operation) {
    case DEALLOCATE:
        return mach_port_deallocate(sim_space(), name);
    case DESTROY:
        return mach_port_destroy(sim_space(), name);
    case MOD_SEND:
        return mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_SEND, row->argument);
    case MOD_RECEIVE:
        return mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_RECEIVE, row->argument);
    case MOD_ONCE:
        return mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_SEND_ONCE, row->argument);
    case MOD_SET:
        return mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_PORT_SET, row->argument);
    case MOD_DEAD:
        return mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_DEAD_NAME, row->argument);
    case MOD_BAD:
        return mach_port_mod_refs(sim_space(), name, 5, row->argument);
    case EXTRACT:
        return extract(name, row->argument);
    case RENAME:
        return mach_port_rename(sim_space(), name, (uint32_t)row->argument);
    case QLIMIT:
        return mach_port_set_qlimit(sim_space(), name, (uint32_t)row->argument);
    default:
        return mach_port_get_receive_status(sim_space(), name, &status);
    }
}

static void transition(void **state)
{
    const struct row *row = *state;
    struct task *owner = sim_task_create();
    mach_port_name_t name = make(owner, row);
    struct ipc_entry *entry;

    assert_int_equal(operate(name, row), row->result);
    assert_int_equal(sim_type(name), row->type);
    entry = ipc_space_lookup(sim_space(), name);
    if (entry != NULL) {
        assert_int_equal(entry->bits & IPC_ENTRY_UREFS, row->urefs_after);
    }
    sim_expect_balanced();
}

static void insert_right_refuses_what_it_must(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t receive = sim_receive_right();
    struct ipc_port *port = ipc_port_make_send(sim_port(send));
    struct ipc_port *once = ipc_port_make_sonce(sim_port(send));

    (void)state;
    assert_int_equal(mach_port_insert_right(sim_space(), NAME_NULL, port, MACH_MSG_TYPE_PORT_SEND),
                     KERN_INVALID_VALUE);
    assert_int_equal(mach_port_insert_right(sim_space(), 50, port, MACH_MSG_TYPE_COPY_SEND),
                     KERN_INVALID_VALUE);
    assert_int_equal(mach_port_insert_right(sim_space(), 50, IP_NULL, MACH_MSG_TYPE_PORT_SEND),
                     KERN_INVALID_CAPABILITY);
    assert_int_equal(mach_port_insert_right(sim_space(), 50, port, MACH_MSG_TYPE_PORT_SEND),
                     KERN_RIGHT_EXISTS);
    assert_int_equal(
        mach_port_insert_right(sim_space(), receive, once, MACH_MSG_TYPE_PORT_SEND_ONCE),
        KERN_NAME_EXISTS);
    assert_int_equal(mach_port_insert_right(sim_space(), send, port, MACH_MSG_TYPE_PORT_SEND),
                     KERN_SUCCESS);
    assert_int_equal(sim_urefs(send, MACH_PORT_RIGHT_SEND), 2);
    assert_int_equal(mach_port_insert_right(sim_space(), 50, once, MACH_MSG_TYPE_PORT_SEND_ONCE),
                     KERN_SUCCESS);
    sim_expect_balanced();
}

static void insert_right_of_a_dead_port_is_an_invalid_capability(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    struct ipc_port *port = ipc_port_make_send(sim_port(send));

    (void)state;
    mach_port_destroy(owner->space, other);
    assert_int_equal(mach_port_insert_right(sim_space(), 50, port, MACH_MSG_TYPE_PORT_SEND),
                     KERN_INVALID_CAPABILITY);
    assert_int_equal(sim_type(50), 0);
    ipc_port_release_send(port);
}

static void insert_right_at_the_limit_overflows_but_a_message_does_not(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    struct ipc_port *port = ipc_port_make_send(sim_port(send));
    mach_port_name_t name;

    (void)state;
    mach_port_mod_refs(sim_space(), send, MACH_PORT_RIGHT_SEND, MACH_PORT_UREFS_MAX - 2);
    assert_int_equal(mach_port_insert_right(sim_space(), send, port, MACH_MSG_TYPE_PORT_SEND),
                     KERN_UREFS_OVERFLOW);
    assert_int_equal(ipc_space_copyout_right(sim_space(), port, MACH_MSG_TYPE_PORT_SEND, &name),
                     KERN_SUCCESS);
    assert_int_equal(name, send);
    assert_int_equal(sim_urefs(send, MACH_PORT_RIGHT_SEND), MACH_PORT_UREFS_MAX - 1);
    sim_expect_balanced();
}

static void receive_right_joins_the_send_right_under_its_name(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    struct ipc_port *port;
    mach_port_name_t name;

    (void)state;
    assert_int_equal(ipc_space_copyin_right(owner->space, other, MACH_MSG_TYPE_MOVE_RECEIVE, &port),
                     KERN_SUCCESS);
    assert_int_equal(ipc_space_copyout_right(sim_space(), port, MACH_MSG_TYPE_PORT_RECEIVE, &name),
                     KERN_SUCCESS);
    assert_int_equal(name, send);
    assert_int_equal(sim_type(send), MACH_PORT_TYPE_SEND_RECEIVE);
    sim_expect_balanced();
}

static void send_once_rights_each_have_a_name(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t first;
    mach_port_name_t second;
    mach_port_status_t status;

    (void)state;
    ipc_space_copyout_right(sim_space(), ipc_port_make_sonce(sim_port(name)),
                            MACH_MSG_TYPE_PORT_SEND_ONCE, &first);
    ipc_space_copyout_right(sim_space(), ipc_port_make_sonce(sim_port(name)),
                            MACH_MSG_TYPE_PORT_SEND_ONCE, &second);
    assert_int_not_equal(first, second);
    assert_int_equal(mach_port_get_receive_status(sim_space(), name, &status), KERN_SUCCESS);
    assert_int_equal(status.mps_sorights, 2);
}

static void right_that_does_not_fit_is_destroyed(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t name;
    mach_port_name_t other;
    struct ipc_port *port;

    (void)state;
    sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    port = ipc_port_make_send(sim_port(1));
    mach_port_deallocate(sim_space(), 1);
    sim_task->ledger.limit[LEDGER_NAMES] = 0;
    while (mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &name) == KERN_SUCCESS) {
    }
    assert_int_equal(ipc_space_copyout_right(sim_space(), port, MACH_MSG_TYPE_PORT_SEND, &name),
                     KERN_NO_SPACE);
    assert_int_equal(name, NAME_NULL);
    sim_expect_balanced();
}

static void refs_of_a_right_that_is_not_there_are_zero(void **state)
{
    mach_port_name_t name = sim_receive_right();
    uint32_t refs;

    (void)state;
    assert_int_equal(sim_urefs(name, MACH_PORT_RIGHT_RECEIVE), 1);
    assert_int_equal(sim_urefs(name, MACH_PORT_RIGHT_SEND), 0);
    assert_int_equal(sim_urefs(sim_port_set(), MACH_PORT_RIGHT_PORT_SET), 1);
    assert_int_equal(mach_port_get_refs(sim_space(), name, 5, &refs), KERN_INVALID_VALUE);
    assert_int_equal(mach_port_get_refs(sim_space(), 99, 0, &refs), KERN_INVALID_NAME);
}

static void debug_routines_tell_counts_and_kinds(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct ipc_port *kernel = ipc_port_alloc_kernel(KOBJECT_HOST, NULL);
    mach_port_name_t host;
    uint32_t a;
    uint32_t b;
    uint64_t address;

    (void)state;
    sim_add_send(name, 7);
    assert_int_equal(mach_port_get_srights(sim_space(), name, &a), KERN_SUCCESS);
    assert_int_equal(a, 1);
    assert_int_equal(sim_request(name, MACH_NOTIFY_DEAD_NAME, 0, sim_receive_right()),
                     KERN_SUCCESS);
    assert_int_equal(mach_port_dnrequest_info(sim_space(), name, &a, &b), KERN_SUCCESS);
    assert_int_equal(b, 1);
    ipc_space_copyout_right(sim_space(), ipc_port_make_send(kernel), MACH_MSG_TYPE_PORT_SEND,
                            &host);
    assert_int_equal(mach_port_kernel_object(sim_space(), host, &a, &address), KERN_SUCCESS);
    assert_int_equal(a, KOBJECT_HOST);
    assert_int_equal(mach_port_get_srights(sim_space(), host, &a), KERN_INVALID_RIGHT);
    assert_int_equal(mach_port_kernel_object(sim_space(), sim_port_set(), &a, &address),
                     KERN_INVALID_RIGHT);
    ipc_port_destroy_kernel(kernel);
    assert_int_equal(sim_type(host), MACH_PORT_TYPE_DEAD_NAME);
    assert_int_equal(mach_port_kernel_object(sim_space(), host, &a, &address), KERN_INVALID_RIGHT);
}

static void traps_do_what_their_routines_do(void **state)
{
    mach_port_name_t name = 0;

    (void)state;
    assert_int_equal(mach_reply_port(), 1);
    assert_int_equal(syscall_mach_port_allocate(0, MACH_PORT_RIGHT_RECEIVE, (user_addr_t)&name),
                     KERN_SUCCESS);
    assert_int_equal(name, 2);
    assert_int_equal(syscall_mach_port_allocate(0, MACH_PORT_RIGHT_RECEIVE, 8),
                     KERN_INVALID_ADDRESS);
    assert_int_equal(ipc_space_name_count(sim_space()), 2);
    assert_int_equal(syscall_mach_port_insert_right(0, 2, 2, MACH_MSG_TYPE_MAKE_SEND),
                     KERN_SUCCESS);
    assert_int_equal(syscall_mach_port_insert_right(0, 2, 2, 3), KERN_INVALID_VALUE);
    assert_int_equal(syscall_mach_port_insert_right(0, 2, 0, MACH_MSG_TYPE_MAKE_SEND),
                     KERN_INVALID_CAPABILITY);
    assert_int_equal(syscall_mach_port_insert_right(0, 9, 2, MACH_MSG_TYPE_COPY_SEND),
                     KERN_RIGHT_EXISTS);
    assert_int_equal(sim_urefs(2, MACH_PORT_RIGHT_SEND), 1);
    assert_int_equal(syscall_mach_port_deallocate(0, 2), KERN_SUCCESS);
    assert_int_equal(syscall_mach_port_allocate_name(0, MACH_PORT_RIGHT_RECEIVE, 77), KERN_SUCCESS);
    sim_expect_balanced();
}

int ipc_test_right(struct ipc_test *tests)
{
    static const struct ipc_test list[] = {
        IPC_TEST(insert_right_refuses_what_it_must),
        IPC_TEST(insert_right_of_a_dead_port_is_an_invalid_capability),
        IPC_TEST(insert_right_at_the_limit_overflows_but_a_message_does_not),
        IPC_TEST(receive_right_joins_the_send_right_under_its_name),
        IPC_TEST(send_once_rights_each_have_a_name),
        IPC_TEST(right_that_does_not_fit_is_destroyed),
        IPC_TEST(refs_of_a_right_that_is_not_there_are_zero),
        IPC_TEST(debug_routines_tell_counts_and_kinds),
        IPC_TEST(traps_do_what_their_routines_do),
    };
    int count = (int)(sizeof(list) / sizeof(list[0]));
    size_t i;

    memcpy(tests, list, sizeof(list));
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tests[count] = (struct ipc_test){rows[i].name, transition, &rows[i]};
        count += 1;
    }
    return count;
}
