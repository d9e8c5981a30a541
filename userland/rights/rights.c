/* rights.c - the program of the tutorial on rights: makes each kind, moves it, and counts. */
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>

/* A message that carries one right. */
struct rights_message {
    mach_msg_header_t head;
    mach_msg_type_t type;
    mach_port_name_inlined_t right;
};

static void rights_must(kern_return_t kr, kern_return_t expected, const char *what)
{
    if (kr != expected) {
        fprintf(stderr, "rights: %s: 0x%x\n", what, (unsigned)kr);
        exit(1);
    }
}

static mach_port_t rights_allocate(mach_port_right_t kind)
{
    mach_port_t name = MACH_PORT_NULL;

    rights_must(mach_port_allocate(mach_task_self(), kind, &name), KERN_SUCCESS, "allocate");
    return name;
}

static void rights_make_send(mach_port_t port)
{
    rights_must(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
                KERN_SUCCESS, "make a send right");
}

/* User references of the right under a name; 0 when it denotes no such right. */
static mach_port_urefs_t rights_refs(mach_port_t name, mach_port_right_t right)
{
    mach_port_urefs_t refs = 0;

    return mach_port_get_refs(mach_task_self(), name, right, &refs) == KERN_SUCCESS ? refs : 0;
}

static mach_msg_return_t rights_send(mach_port_t to, mach_msg_type_name_t by, mach_port_t right,
                                     mach_msg_type_name_t how)
{
    struct rights_message message = {
        .head = {.msgh_bits = MACH_MSGH_BITS(by, 0) | MACH_MSGH_BITS_COMPLEX,
                 .msgh_size = sizeof(message),
                 .msgh_remote_port = to},
        .type = {.msgt_name = how, .msgt_size = 64, .msgt_inline = 1, .msgt_number = 1},
        .right = {.name = right},
    };

    return mach_msg(&message.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, 0, 0, 0);
}

static void rights_receive(mach_port_t from, struct rights_message *message)
{
    rights_must(mach_msg(&message->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(*message), from,
                         1000, 0),
                MACH_MSG_SUCCESS, "receive");
}

/* 1. A receive right makes send rights; the port counts how many were made, the name how many
 * there are. */
static void rights_count(mach_port_t port)
{
    mach_port_status_t status;

    rights_make_send(port);
    rights_make_send(port);
    rights_must(mach_port_get_receive_status(mach_task_self(), port, &status), KERN_SUCCESS,
                "status");
    printf("made twice: make-send count %u, user references %u\n", status.mps_mscount,
           rights_refs(port, MACH_PORT_RIGHT_SEND));
}

/* 2. Copying leaves the sender its right, moving does not; a message in a queue holds a right too.
 */
static void rights_travel(mach_port_t port, mach_port_t box)
{
    static const mach_msg_type_name_t ways[] = {MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND};
    static const char *const names[] = {"copied", "moved"};
    struct rights_message message;

    for (unsigned i = 0; i < 2; i++) {
        mach_port_urefs_t before = rights_refs(port, MACH_PORT_RIGHT_SEND);
        mach_port_urefs_t between;

        rights_must(rights_send(box, MACH_MSG_TYPE_MAKE_SEND, port, ways[i]), MACH_MSG_SUCCESS,
                    "send");
        between = rights_refs(port, MACH_PORT_RIGHT_SEND);
        rights_receive(box, &message);
        printf("%s: %u references before, %u while it travels, %u after, %s name\n", names[i],
               before, between, rights_refs(port, MACH_PORT_RIGHT_SEND),
               message.right.name == port ? "the same" : "another");
    }
}

/* 3. A send-once right has a name of its own, and sending uses it up. */
static void rights_once(mach_port_t box)
{
    struct rights_message message;
    mach_msg_type_name_t type;
    mach_port_t once;

    rights_must(
        mach_port_extract_right(mach_task_self(), box, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &type),
        KERN_SUCCESS, "make a send-once right");
    printf("send-once: %s name, used once", once == box ? "the same" : "another");
    rights_must(
        rights_send(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND),
        MACH_MSG_SUCCESS, "send once");
    rights_receive(box, &message);
    rights_must(
        rights_send(once, MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND),
        MACH_SEND_INVALID_DEST, "send again");
    printf(", and it is gone\n");
}

/* 4. A port set is received from as if it were one port; the message says which it came in on. */
static void rights_set(mach_port_t port, mach_port_t box)
{
    mach_port_t set = rights_allocate(MACH_PORT_RIGHT_PORT_SET);
    struct rights_message message;

    rights_must(mach_port_move_member(mach_task_self(), port, set), KERN_SUCCESS, "join the set");
    rights_must(mach_port_move_member(mach_task_self(), box, set), KERN_SUCCESS, "join the set");
    rights_must(rights_send(box, MACH_MSG_TYPE_MAKE_SEND, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND),
                MACH_MSG_SUCCESS, "send to a member");
    rights_receive(set, &message);
    printf("set: the message came in on %s\n",
           message.head.msgh_local_port == box ? "the second member" : "another port");
    rights_must(mach_port_destroy(mach_task_self(), set), KERN_SUCCESS, "end of the set");
}

/* 5. When the receive right goes the port dies; the names of send rights stay, as dead names. */
static void rights_death(mach_port_t port)
{
    mach_port_urefs_t refs = rights_refs(port, MACH_PORT_RIGHT_SEND);

    rights_must(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1),
                KERN_SUCCESS, "drop the receive right");
    printf("dead: %u send references became %u of a dead name\n", refs,
           rights_refs(port, MACH_PORT_RIGHT_DEAD_NAME));
    rights_must(rights_send(port, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND),
                MACH_SEND_INVALID_DEST, "send to the dead");
    rights_must(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_DEAD_NAME, -(int)refs),
                KERN_SUCCESS, "drop the dead name");
}

int main(void)
{
    mach_port_t port = rights_allocate(MACH_PORT_RIGHT_RECEIVE);
    mach_port_t box = rights_allocate(MACH_PORT_RIGHT_RECEIVE);

    rights_count(port);
    rights_travel(port, box);
    rights_once(box);
    rights_set(port, box);
    rights_death(port);
    rights_must(mach_port_mod_refs(mach_task_self(), box, MACH_PORT_RIGHT_RECEIVE, -1),
                KERN_SUCCESS, "drop the second port");
    return 0;
}
