/* right_table_test.c - the whole state machine of rights: every operation on every kind of name
 * with every interesting count. A line of the table is an operation, a column a kind, a letter what
 * happens:
 *
 *   N  KERN_INVALID_NAME         R  KERN_INVALID_RIGHT     V  KERN_INVALID_VALUE
 *   E  KERN_NAME_EXISTS          X  KERN_RIGHT_EXISTS      A  KERN_INVALID_ARGUMENT
 *   I  KERN_NOT_IN_SET
 *      - the name is as it was
 *   K  success, the name is as it was
 *   G  success, all under the name is gone
 *   D  success, the receive right is gone and the send right has become a dead name
 *   C  the count changes by the argument: KERN_INVALID_VALUE below 0, KERN_UREFS_OVERFLOW above
 *      0xffff; at 0 the right is gone, and a receive right beside it stays
 *   B  success, a send right is beside the receive right, with one reference more
 *   U  one reference more; KERN_UREFS_OVERFLOW when 0xffff would be reached
 *   L  one reference more, or as it was when 0xffff would be reached
 *   T  success, one reference more unless there are 0xffff: then KERN_UREFS_OVERFLOW
 *   M  success, a send right with one reference is there
 *   O  success, something other is there that the operation says */
#include "ipc_test.h"

#include <stdio.h>

/* The columns. A right that died is a send or send-once right whose port is dead and that nobody
 * has looked at since. */
enum kind { NONE, RECEIVE, SEND, BOTH, ONCE, SET, DEAD, DIED_SEND, DIED_ONCE, KINDS };

static const char *const kind_names[KINDS] = {"no name",
                                              "a receive right",
                                              "a send right",
                                              "send and receive rights",
                                              "a send-once right",
                                              "a port set",
                                              "a dead name",
                                              "a send right that died",
                                              "a send-once right that died"};

struct table_state {
    enum kind kind;
    uint32_t urefs;
    mach_port_name_t name;
    struct task *owner;     /* of the port behind a send right */
    mach_port_name_t other; /* the port's name there */
};

struct table_row {
    const char *text;
    kern_return_t (*operate)(struct table_state *s, int32_t argument);
    int32_t argument;
    char cells[KINDS + 1];
};

#define SPACE sim_space()

/* --- operations --- */

static kern_return_t do_deallocate(struct table_state *s, int32_t argument)
{
    (void)argument;
    return mach_port_deallocate(SPACE, s->name);
}

static kern_return_t do_destroy(struct table_state *s, int32_t argument)
{
    (void)argument;
    return mach_port_destroy(SPACE, s->name);
}

#define MOD_REFS(kind, right)                                                                      \
    static kern_return_t do_mod_##kind(struct table_state *s, int32_t delta)                       \
    {                                                                                              \
        return mach_port_mod_refs(SPACE, s->name, right, delta);                                   \
    }
MOD_REFS(send, MACH_PORT_RIGHT_SEND)
MOD_REFS(receive, MACH_PORT_RIGHT_RECEIVE)
MOD_REFS(once, MACH_PORT_RIGHT_SEND_ONCE)
MOD_REFS(set, MACH_PORT_RIGHT_PORT_SET)
MOD_REFS(dead, MACH_PORT_RIGHT_DEAD_NAME)
MOD_REFS(number, MACH_PORT_RIGHT_NUMBER)

/* What get_refs must say of a right: 1 for one that is not counted. */
static uint32_t table_refs(const struct table_state *s, mach_port_right_t right)
{
    static const mach_port_type_t types[KINDS] = {
        0,
        MACH_PORT_TYPE_RECEIVE,
        MACH_PORT_TYPE_SEND,
        MACH_PORT_TYPE_SEND_RECEIVE,
        MACH_PORT_TYPE_SEND_ONCE,
        MACH_PORT_TYPE_PORT_SET,
        MACH_PORT_TYPE_DEAD_NAME,
        MACH_PORT_TYPE_DEAD_NAME,
        MACH_PORT_TYPE_DEAD_NAME,
    };

    if ((types[s->kind] & MACH_PORT_TYPE(right)) == 0) {
        return 0;
    }
    return right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME ? s->urefs : 1;
}

static kern_return_t do_get_refs(struct table_state *s, int32_t right)
{
    mach_port_urefs_t refs = ~0u;
    kern_return_t kr = mach_port_get_refs(SPACE, s->name, (uint32_t)right, &refs);

    if (kr == KERN_SUCCESS) {
        assert_int_equal(refs, table_refs(s, (uint32_t)right));
    }
    return kr;
}

static kern_return_t do_type(struct table_state *s, int32_t argument)
{
    mach_port_type_t type;

    (void)argument;
    return mach_port_type(SPACE, s->name, &type);
}

/* The name to look at afterwards is the new one. */
static kern_return_t do_rename(struct table_state *s, int32_t to)
{
    kern_return_t kr = mach_port_rename(SPACE, s->name, (uint32_t)to);

    if (kr == KERN_SUCCESS) {
        assert_int_equal(sim_type(s->name), 0);
        s->name = (uint32_t)to;
    }
    return kr;
}

static kern_return_t do_rename_onto_another(struct table_state *s, int32_t argument)
{
    (void)argument;
    return mach_port_rename(SPACE, s->name, sim_receive_right());
}

static kern_return_t do_allocate_name(struct table_state *s, int32_t right)
{
    return mach_port_allocate_name(SPACE, (uint32_t)right, s->name);
}

static kern_return_t do_set_qlimit(struct table_state *s, int32_t limit)
{
    return mach_port_set_qlimit(SPACE, s->name, (uint32_t)limit);
}

static kern_return_t do_set_mscount(struct table_state *s, int32_t count)
{
    return mach_port_set_mscount(SPACE, s->name, (uint32_t)count);
}

static kern_return_t do_set_seqno(struct table_state *s, int32_t seqno)
{
    return mach_port_set_seqno(SPACE, s->name, (uint32_t)seqno);
}

static kern_return_t do_set_payload(struct table_state *s, int32_t argument)
{
    return mach_port_set_protected_payload(SPACE, s->name, (uint32_t)argument);
}

static kern_return_t do_clear_payload(struct table_state *s, int32_t argument)
{
    (void)argument;
    return mach_port_clear_protected_payload(SPACE, s->name);
}

static kern_return_t do_receive_status(struct table_state *s, int32_t argument)
{
    mach_port_status_t status;

    (void)argument;
    return mach_port_get_receive_status(SPACE, s->name, &status);
}

static kern_return_t do_set_status(struct table_state *s, int32_t argument)
{
    struct vm_copy *members;
    uint32_t count = 0;

    (void)argument;
    return mach_port_get_set_status(SPACE, s->name, &members, &count);
}

static kern_return_t do_join_set(struct table_state *s, int32_t argument)
{
    (void)argument;
    return mach_port_move_member(SPACE, s->name, sim_port_set());
}

static kern_return_t do_leave_set(struct table_state *s, int32_t argument)
{
    (void)argument;
    return mach_port_move_member(SPACE, s->name, NAME_NULL);
}

static kern_return_t do_take_member(struct table_state *s, int32_t argument)
{
    (void)argument;
    return mach_port_move_member(SPACE, sim_receive_right(), s->name);
}

static kern_return_t do_dead_name_request(struct table_state *s, int32_t sync)
{
    return sim_request(s->name, MACH_NOTIFY_DEAD_NAME, (uint32_t)sync, sim_receive_right());
}

static kern_return_t do_no_senders_request(struct table_state *s, int32_t sync)
{
    return sim_request(s->name, MACH_NOTIFY_NO_SENDERS, (uint32_t)sync, sim_receive_right());
}

static kern_return_t do_port_destroyed_request(struct table_state *s, int32_t sync)
{
    return sim_request(s->name, MACH_NOTIFY_PORT_DESTROYED, (uint32_t)sync, sim_receive_right());
}

static kern_return_t do_other_request(struct table_state *s, int32_t id)
{
    return sim_request(s->name, id, 0, sim_receive_right());
}

static kern_return_t do_extract(struct table_state *s, int32_t disposition)
{
    struct ipc_port *port;
    mach_msg_type_name_t type;
    kern_return_t kr = mach_port_extract_right(SPACE, s->name, (uint32_t)disposition, &port, &type);

    if (kr == KERN_SUCCESS) {
        assert_int_equal(type, ipc_right_type((uint32_t)disposition));
        ipc_port_release_right(port, type);
    }
    return kr;
}

/* Through a message that is received by another task, which ends with the test. */
static kern_return_t do_carry(struct table_state *s, int32_t disposition)
{
    mach_port_name_t box = sim_receive_right();
    struct sim_msg msg;
    mach_msg_return_t mr;

    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0) | MACH_MSGH_BITS_COMPLEX, box,
                NAME_NULL);
    msg.body[0] = sim_type_word((struct sim_descriptor){(uint32_t)disposition, 64, 1, true, false});
    msg.body[1] = s->name;
    mr = sim_send(&msg, sizeof(msg.header) + 16, MACH_SEND_TIMEOUT, 0);
    assert_int_equal(mach_port_destroy(SPACE, box), KERN_SUCCESS);
    if (mr == MACH_SEND_INVALID_RIGHT) {
        return sim_type(s->name) == 0 ? KERN_INVALID_NAME : KERN_INVALID_RIGHT;
    }
    return mr;
}

/* As the destination of a message: nothing but the right in the header. */
static kern_return_t do_send_to(struct table_state *s, int32_t disposition)
{
    struct sim_msg msg;
    mach_msg_return_t mr;

    sim_message(&msg, MACH_MSGH_BITS((uint32_t)disposition, 0), s->name, NAME_NULL);
    mr = sim_send(&msg, sizeof(msg.header), MACH_SEND_TIMEOUT, 0);
    if (mr == MACH_SEND_INVALID_DEST) {
        return sim_type(s->name) == 0 ? KERN_INVALID_NAME : KERN_INVALID_RIGHT;
    }
    return mr;
}

/* A port this space has no right for. */
static mach_port_name_t table_new_port(const struct table_state *s)
{
    mach_port_name_t name;

    assert_int_equal(mach_port_allocate(s->owner->space, MACH_PORT_RIGHT_RECEIVE, &name),
                     KERN_SUCCESS);
    return name;
}

/* The port behind the name, or another where there is none. */
static struct ipc_port *table_port(const struct table_state *s)
{
    struct ipc_space *from = SPACE;
    mach_port_name_t name = s->name;

    if (s->kind == NONE || s->kind >= SET) {
        from = s->owner->space;
        name = table_new_port(s);
    }
    return ipc_space_lookup(from, name)->port;
}

static kern_return_t table_insert(mach_port_name_t name, struct ipc_port *port, uint32_t type)
{
    kern_return_t kr = mach_port_insert_right(SPACE, name, port, type);

    if (kr != KERN_SUCCESS) {
        ipc_port_release_right(port, type);
    }
    return kr;
}

static kern_return_t do_insert_send(struct table_state *s, int32_t argument)
{
    (void)argument;
    return table_insert(s->name, ipc_port_make_send(table_port(s)), MACH_MSG_TYPE_PORT_SEND);
}

static kern_return_t do_insert_send_elsewhere(struct table_state *s, int32_t name)
{
    return table_insert((uint32_t)name, ipc_port_make_send(table_port(s)), MACH_MSG_TYPE_PORT_SEND);
}

static kern_return_t do_insert_once(struct table_state *s, int32_t argument)
{
    (void)argument;
    return table_insert(s->name, ipc_port_make_sonce(table_port(s)), MACH_MSG_TYPE_PORT_SEND_ONCE);
}

/* The receive right of the port behind a send right comes from its owner; else that of a new one.
 */
static kern_return_t do_insert_receive(struct table_state *s, int32_t argument)
{
    struct ipc_port *port;
    mach_port_name_t name = s->kind == SEND ? s->other : table_new_port(s);

    (void)argument;
    assert_int_equal(
        ipc_space_copyin_right(s->owner->space, name, MACH_MSG_TYPE_MOVE_RECEIVE, &port),
        KERN_SUCCESS);
    return table_insert(s->name, port, MACH_MSG_TYPE_PORT_RECEIVE);
}

/* A send right for the port behind the name comes in a message: it never fails. */
static kern_return_t do_arrive(struct table_state *s, int32_t argument)
{
    mach_port_name_t name;
    struct ipc_port *port = ipc_port_make_send(table_port(s));
    kern_return_t kr;

    (void)argument;
    kr = ipc_space_copyout_right(SPACE, port, MACH_MSG_TYPE_PORT_SEND, &name);
    if (s->kind == RECEIVE || s->kind == SEND || s->kind == BOTH) {
        assert_int_equal(name, s->name);
    } else {
        assert_int_not_equal(name, s->name);
    }
    return kr;
}

/* --- the table --- */

#define MOVE_RECEIVE MACH_MSG_TYPE_MOVE_RECEIVE
#define MOVE_SEND    MACH_MSG_TYPE_MOVE_SEND
#define MOVE_ONCE    MACH_MSG_TYPE_MOVE_SEND_ONCE
#define COPY_SEND    MACH_MSG_TYPE_COPY_SEND
#define MAKE_SEND    MACH_MSG_TYPE_MAKE_SEND
#define MAKE_ONCE    MACH_MSG_TYPE_MAKE_SEND_ONCE
#define FRESH_NAME   0x155

/*   columns: none, receive, send, both, once, set, dead, died send, died once */
static struct table_row rows[] = {
    {"deallocate", do_deallocate, -1, "NRCCCRCCC"},
    {"destroy", do_destroy, 0, "NGGGGGGGG"},
    {"mod_refs send by 0", do_mod_send, 0, "NRKKRRRRR"},
    {"mod_refs send by 1", do_mod_send, 1, "NRCCRRRRR"},
    {"mod_refs send by 2", do_mod_send, 2, "NRCCRRRRR"},
    {"mod_refs send by 0xfffe", do_mod_send, 0xfffe, "NRCCRRRRR"},
    {"mod_refs send by -1", do_mod_send, -1, "NRCCRRRRR"},
    {"mod_refs send by -2", do_mod_send, -2, "NRCCRRRRR"},
    {"mod_refs send by -0xffff", do_mod_send, -0xffff, "NRCCRRRRR"},
    {"mod_refs send by the highest number", do_mod_send, INT32_MAX, "NRCCRRRRR"},
    {"mod_refs send by the lowest number", do_mod_send, INT32_MIN, "NRCCRRRRR"},
    {"mod_refs receive by 0", do_mod_receive, 0, "NKRKRRRRR"},
    {"mod_refs receive by 1", do_mod_receive, 1, "NVRVRRRRR"},
    {"mod_refs receive by -1", do_mod_receive, -1, "NGRDRRRRR"},
    {"mod_refs receive by -2", do_mod_receive, -2, "NVRVRRRRR"},
    {"mod_refs send-once by 0", do_mod_once, 0, "NRRRKRRRR"},
    {"mod_refs send-once by 1", do_mod_once, 1, "NRRRVRRRR"},
    {"mod_refs send-once by -1", do_mod_once, -1, "NRRRGRRRR"},
    {"mod_refs send-once by -2", do_mod_once, -2, "NRRRVRRRR"},
    {"mod_refs set by 0", do_mod_set, 0, "NRRRRKRRR"},
    {"mod_refs set by 1", do_mod_set, 1, "NRRRRVRRR"},
    {"mod_refs set by -1", do_mod_set, -1, "NRRRRGRRR"},
    {"mod_refs set by the lowest number", do_mod_set, INT32_MIN, "NRRRRVRRR"},
    {"mod_refs dead by 0", do_mod_dead, 0, "NRRRRRKKK"},
    {"mod_refs dead by 1", do_mod_dead, 1, "NRRRRRCCC"},
    {"mod_refs dead by -1", do_mod_dead, -1, "NRRRRRCCC"},
    {"mod_refs dead by -2", do_mod_dead, -2, "NRRRRRCCC"},
    {"mod_refs dead by the highest number", do_mod_dead, INT32_MAX, "NRRRRRCCC"},
    {"mod_refs dead by the lowest number", do_mod_dead, INT32_MIN, "NRRRRRCCC"},
    {"mod_refs of a right that is none", do_mod_number, 0, "VVVVVVVVV"},
    {"get_refs send", do_get_refs, MACH_PORT_RIGHT_SEND, "NKKKKKKKK"},
    {"get_refs receive", do_get_refs, MACH_PORT_RIGHT_RECEIVE, "NKKKKKKKK"},
    {"get_refs send-once", do_get_refs, MACH_PORT_RIGHT_SEND_ONCE, "NKKKKKKKK"},
    {"get_refs set", do_get_refs, MACH_PORT_RIGHT_PORT_SET, "NKKKKKKKK"},
    {"get_refs dead", do_get_refs, MACH_PORT_RIGHT_DEAD_NAME, "NKKKKKKKK"},
    {"get_refs of a right that is none", do_get_refs, MACH_PORT_RIGHT_NUMBER, "VVVVVVVVV"},
    {"type", do_type, 0, "NKKKKKKKK"},
    {"rename", do_rename, FRESH_NAME, "NKKKKKKKK"},
    {"rename to null", do_rename, 0, "VVVVVVVVV"},
    {"rename to dead", do_rename, -1, "VVVVVVVVV"},
    {"rename onto another", do_rename_onto_another, 0, "EEEEEEEEE"},
    {"allocate_name receive", do_allocate_name, MACH_PORT_RIGHT_RECEIVE, "OEEEEEEEE"},
    {"allocate_name set", do_allocate_name, MACH_PORT_RIGHT_PORT_SET, "OEEEEEEEE"},
    {"allocate_name dead", do_allocate_name, MACH_PORT_RIGHT_DEAD_NAME, "OEEEEEEEE"},
    {"allocate_name send", do_allocate_name, MACH_PORT_RIGHT_SEND, "VVVVVVVVV"},
    {"allocate_name send-once", do_allocate_name, MACH_PORT_RIGHT_SEND_ONCE, "VVVVVVVVV"},
    {"set_qlimit", do_set_qlimit, MACH_PORT_QLIMIT_MAX, "NKRKRRRRR"},
    {"set_qlimit too high", do_set_qlimit, MACH_PORT_QLIMIT_MAX + 1, "VVVVVVVVV"},
    {"set_mscount", do_set_mscount, 9, "NKRKRRRRR"},
    {"set_seqno", do_set_seqno, 9, "NKRKRRRRR"},
    {"set_protected_payload", do_set_payload, 9, "NKRKRRRRR"},
    {"clear_protected_payload", do_clear_payload, 0, "NKRKRRRRR"},
    {"get_receive_status", do_receive_status, 0, "NKRKRRRRR"},
    {"get_set_status", do_set_status, 0, "NRRRRKRRR"},
    {"move_member into a set", do_join_set, 0, "NKRKRRRRR"},
    {"move_member out of no set", do_leave_set, 0, "NIRIRRRRR"},
    {"move_member of another into it", do_take_member, 0, "NRRRRKRRR"},
    {"request dead-name", do_dead_name_request, 0, "NKKKKRAAA"},
    {"request dead-name at once", do_dead_name_request, 1, "NKKKKRTTT"},
    {"request no-senders", do_no_senders_request, 100, "NKRKRRRRR"},
    {"request no-senders of none made", do_no_senders_request, 0, "NKRKRRRRR"},
    {"request port-destroyed", do_port_destroyed_request, 0, "NKRKRRRRR"},
    {"request port-destroyed with a number", do_port_destroyed_request, 1, "VVVVVVVVV"},
    {"request send-once", do_other_request, MACH_NOTIFY_SEND_ONCE, "VVVVVVVVV"},
    {"request port-deleted", do_other_request, MACH_NOTIFY_PORT_DELETED, "VVVVVVVVV"},
    {"request msg-accepted", do_other_request, MACH_NOTIFY_MSG_ACCEPTED, "VVVVVVVVV"},
    {"extract move-receive", do_extract, MOVE_RECEIVE, "NGRDRRRRR"},
    {"extract move-send", do_extract, MOVE_SEND, "NRCCRRCCC"},
    {"extract move-send-once", do_extract, MOVE_ONCE, "NRRRGRCCC"},
    {"extract copy-send", do_extract, COPY_SEND, "NRKKRRKKK"},
    {"extract make-send", do_extract, MAKE_SEND, "NKRKRRRRR"},
    {"extract make-send-once", do_extract, MAKE_ONCE, "NKRKRRRRR"},
    {"extract by no disposition", do_extract, 15, "VVVVVVVVV"},
    {"carry move-receive", do_carry, MOVE_RECEIVE, "NGRDRRRRR"},
    {"carry move-send", do_carry, MOVE_SEND, "NRCCRRCCC"},
    {"carry move-send-once", do_carry, MOVE_ONCE, "NRRRGRCCC"},
    {"carry copy-send", do_carry, COPY_SEND, "NRKKRRKKK"},
    {"carry make-send", do_carry, MAKE_SEND, "NKRKRRRRR"},
    {"carry make-send-once", do_carry, MAKE_ONCE, "NKRKRRRRR"},
    {"send to it by move-send", do_send_to, MOVE_SEND, "NRCCRRRRR"},
    {"send to it by move-send-once", do_send_to, MOVE_ONCE, "NRRRGRRRR"},
    {"send to it by copy-send", do_send_to, COPY_SEND, "NRKKRRRRR"},
    {"send to it by make-send", do_send_to, MAKE_SEND, "NKRKRRRRR"},
    {"send to it by make-send-once", do_send_to, MAKE_ONCE, "NKRKRRRRR"},
    {"insert_right send", do_insert_send, 0, "MBUUEEEEE"},
    {"insert_right send elsewhere", do_insert_send_elsewhere, FRESH_NAME, "KXXXKKKKK"},
    {"insert_right send-once", do_insert_once, 0, "OEEEEEEEE"},
    {"insert_right receive", do_insert_receive, 0, "OEOEEEEEE"},
    {"a send right arrives", do_arrive, 0, "KBLLKKKKK"},
};

/* --- what is expected --- */

/* What is under a name. */
struct table_end {
    kern_return_t result;
    mach_port_type_t type;
    uint32_t urefs;
};

static struct table_end table_now(const struct table_state *s)
{
    static const mach_port_type_t types[KINDS] = {
        0,
        MACH_PORT_TYPE_RECEIVE,
        MACH_PORT_TYPE_SEND,
        MACH_PORT_TYPE_SEND_RECEIVE,
        MACH_PORT_TYPE_SEND_ONCE,
        MACH_PORT_TYPE_PORT_SET,
        MACH_PORT_TYPE_DEAD_NAME,
        MACH_PORT_TYPE_DEAD_NAME,
        MACH_PORT_TYPE_DEAD_NAME,
    };

    return (struct table_end){KERN_SUCCESS, types[s->kind], s->urefs};
}

/* The count of a send right or dead name changes. */
static struct table_end table_count(const struct table_state *s, int64_t delta)
{
    struct table_end end = table_now(s);
    int64_t urefs = (int64_t)s->urefs + delta;

    if (urefs < 0 || urefs > (int64_t)MACH_PORT_UREFS_MAX) {
        end.result = urefs < 0 ? KERN_INVALID_VALUE : KERN_UREFS_OVERFLOW;
        return end;
    }
    end.urefs = (uint32_t)urefs;
    if (urefs == 0) {
        end.type = s->kind == BOTH ? MACH_PORT_TYPE_RECEIVE : 0;
    }
    return end;
}

static struct table_end table_add_one(const struct table_state *s, uint32_t most,
                                      kern_return_t at_most)
{
    struct table_end end = table_now(s);

    if (s->urefs + 1 > most) {
        end.result = at_most;
    } else {
        end.urefs += 1;
    }
    return end;
}

static struct table_end table_refuse(const struct table_state *s, char cell)
{
    static const struct {
        char cell;
        kern_return_t kr;
    } codes[] = {{'N', KERN_INVALID_NAME}, {'R', KERN_INVALID_RIGHT}, {'V', KERN_INVALID_VALUE},
                 {'E', KERN_NAME_EXISTS},  {'X', KERN_RIGHT_EXISTS},  {'A', KERN_INVALID_ARGUMENT},
                 {'I', KERN_NOT_IN_SET}};
    struct table_end end = table_now(s);
    size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].cell == cell) {
            end.result = codes[i].kr;
            return end;
        }
    }
    fail_msg("no such letter: %c", cell);
    return end;
}

/* What is there after an operation that fills an empty name, or gives a send right its receive
 * right. */
static struct table_end table_other(const struct table_state *s, const struct table_row *row)
{
    if (row->operate == do_insert_once) {
        return (struct table_end){KERN_SUCCESS, MACH_PORT_TYPE_SEND_ONCE, 1};
    }
    if (row->operate == do_insert_receive) {
        return (struct table_end){
            KERN_SUCCESS, s->kind == SEND ? MACH_PORT_TYPE_SEND_RECEIVE : MACH_PORT_TYPE_RECEIVE,
            s->urefs};
    }
    return (struct table_end){KERN_SUCCESS, MACH_PORT_TYPE((uint32_t)row->argument),
                              row->argument == MACH_PORT_RIGHT_DEAD_NAME ? 1 : 0};
}

static struct table_end table_expect(const struct table_state *s, const struct table_row *row)
{
    switch (row->cells[s->kind]) {
    case 'K':
        return table_now(s);
    case 'G':
        return (struct table_end){KERN_SUCCESS, 0, 0};
    case 'D':
        return (struct table_end){KERN_SUCCESS, MACH_PORT_TYPE_DEAD_NAME, s->urefs};
    case 'C':
        return table_count(s, row->operate == do_deallocate || row->argument == MOVE_SEND ||
                                      row->argument == MOVE_ONCE
                                  ? -1
                                  : row->argument);
    case 'B':
        return (struct table_end){KERN_SUCCESS, MACH_PORT_TYPE_SEND_RECEIVE, 1};
    case 'M':
        return (struct table_end){KERN_SUCCESS, MACH_PORT_TYPE_SEND, 1};
    case 'U':
        return table_add_one(s, MACH_PORT_UREFS_MAX - 1, KERN_UREFS_OVERFLOW);
    case 'L':
        return table_add_one(s, MACH_PORT_UREFS_MAX - 1, KERN_SUCCESS);
    case 'T':
        return table_add_one(s, MACH_PORT_UREFS_MAX, KERN_UREFS_OVERFLOW);
    case 'O':
        return table_other(s, row);
    default:
        return table_refuse(s, row->cells[s->kind]);
    }
}

/* --- making the states --- */

static void table_make_foreign(struct table_state *s, uint32_t type)
{
    s->name = sim_foreign_right(s->owner, type, &s->other);
    if (s->urefs > 1) {
        assert_int_equal(
            mach_port_mod_refs(SPACE, s->name, MACH_PORT_RIGHT_SEND, (int32_t)s->urefs - 1),
            KERN_SUCCESS);
    }
    if (s->kind >= DEAD) {
        assert_int_equal(mach_port_destroy(s->owner->space, s->other), KERN_SUCCESS);
    }
}

static void table_make(struct table_state *s)
{
    switch (s->kind) {
    case NONE:
        s->name = 0x4d;
        return;
    case RECEIVE:
    case BOTH:
        s->name = sim_receive_right();
        if (s->kind == BOTH) {
            sim_add_send(s->name, s->urefs);
        }
        return;
    case SET:
        s->name = sim_port_set();
        return;
    case DEAD:
        assert_int_equal(mach_port_allocate(SPACE, MACH_PORT_RIGHT_DEAD_NAME, &s->name),
                         KERN_SUCCESS);
        assert_int_equal(
            mach_port_mod_refs(SPACE, s->name, MACH_PORT_RIGHT_DEAD_NAME, (int32_t)s->urefs - 1),
            KERN_SUCCESS);
        return;
    case SEND:
    case DIED_SEND:
        table_make_foreign(s, MACH_MSG_TYPE_PORT_SEND);
        return;
    default:
        table_make_foreign(s, MACH_MSG_TYPE_PORT_SEND_ONCE);
    }
}

/* The counts that a kind is tried with. */
static bool table_has_count(enum kind kind, uint32_t urefs)
{
    switch (kind) {
    case SEND:
    case BOTH:
    case DEAD:
    case DIED_SEND:
        return urefs != 0;
    case ONCE:
    case DIED_ONCE:
        return urefs == 1;
    default:
        return urefs == 0;
    }
}

static void table_try(const struct table_row *row, enum kind kind, uint32_t urefs)
{
    struct table_state s = {.kind = kind, .urefs = urefs, .owner = sim_task_create()};
    struct table_end end;
    struct ipc_entry *entry;
    mach_port_type_t type;
    kern_return_t kr;

    table_make(&s);
    end = table_expect(&s, row);
    kr = row->operate(&s, row->argument);
    type = sim_type(s.name) & MACH_PORT_TYPE_ALL_RIGHTS;
    entry = ipc_space_lookup(SPACE, s.name);
    if (kr != end.result || type != end.type ||
        (entry != NULL && (entry->bits & IPC_ENTRY_UREFS) != end.urefs)) {
        fail_msg("%s on %s with %u references: code %d, type %#x, references %u; expected %d, %#x, "
                 "%u",
                 row->text, kind_names[kind], urefs, kr, type,
                 entry != NULL ? entry->bits & IPC_ENTRY_UREFS : 0, end.result, end.type,
                 end.urefs);
    }
    sim_expect_balanced();
    mach_port_destroy(SPACE, s.name);
    mach_port_destroy(SPACE, FRESH_NAME);
    sim_task_end(s.owner);
}

/* One operation on every kind with every count. */
static void table_line(void **state)
{
    static const uint32_t counts[] = {0, 1, 2, 0xfffe, 0xffff};
    const struct table_row *row = *state;
    unsigned kind;
    size_t i;

    for (kind = 0; kind < KINDS; kind++) {
        for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            if (table_has_count((enum kind)kind, counts[i])) {
                table_try(row, (enum kind)kind, counts[i]);
            }
        }
    }
}

int ipc_test_right_table(struct ipc_test *tests)
{
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tests[i] = (struct ipc_test){rows[i].text, table_line, &rows[i]};
    }
    return (int)i;
}
