/* notifications.c - the program of the tutorial on notifications: asks for each kind, brings it
 * about, and checks what comes. */
#include <mach.h>
#include <mach/mig_support.h>
#include <mach/notify.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* All notifications but send-once have this form. */
union notifications_message {
    mach_msg_header_t head;
    mach_dead_name_notification_t named; /* dead-name, port-deleted, msg-accepted */
    mach_no_senders_notification_t no_senders;
    mach_port_destroyed_notification_t destroyed;
};

static void notifications_must(kern_return_t kr, kern_return_t expected, const char *what)
{
    if (kr != expected) {
        fprintf(stderr, "notifications: %s: 0x%x\n", what, (unsigned)kr);
        exit(1);
    }
}

/* A receive right, with a send right under the same name if that is wanted. */
static mach_port_t notifications_port(bool send)
{
    mach_port_t port = MACH_PORT_NULL;

    notifications_must(portolan_port_allocate(send, &port), KERN_SUCCESS, "allocate");
    return port;
}

static void notifications_drop_receive(mach_port_t port)
{
    notifications_must(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1),
                       KERN_SUCCESS, "drop a receive right");
}

/* Ask; a request that was there before is returned as a send-once right, and is ours to drop. */
static void notifications_ask(mach_port_t name, mach_msg_id_t what, unsigned sync, mach_port_t to)
{
    mach_port_t previous;

    notifications_must(mach_port_request_notification(mach_task_self(), name, what, sync, to,
                                                      MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
                       KERN_SUCCESS, "request");
    if (MACH_PORT_VALID(previous)) {
        mach_port_deallocate(mach_task_self(), previous);
    }
}

/* Is it a notification, and one the kernel made? A client has a send right at best: what it sends
 * does not come by a send-once right. */
static bool notifications_is_genuine(const mach_msg_header_t *head)
{
    return head->msgh_id >= MACH_NOTIFY_FIRST && head->msgh_id <= MACH_NOTIFY_LAST &&
           MACH_MSGH_BITS_LOCAL(head->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE;
}

/* Has it the form its number says: the size, and one inline item of that type? */
static bool notifications_has_form(const mach_msg_header_t *head)
{
    uint32_t word = MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_PORT_NAME, 32, MACH_MSG_TYPE_WORD_INLINE);
    bool is_complex = head->msgh_id == MACH_NOTIFY_PORT_DESTROYED;

    if (head->msgh_id == MACH_NOTIFY_SEND_ONCE) {
        return head->msgh_size == sizeof(mach_send_once_notification_t);
    }
    if (head->msgh_id == MACH_NOTIFY_NO_SENDERS) {
        word = MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, MACH_MSG_TYPE_WORD_INLINE);
    } else if (is_complex) {
        word = MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_PORT_RECEIVE, 64, MACH_MSG_TYPE_WORD_INLINE);
    }
    return head->msgh_size == sizeof(mach_dead_name_notification_t) &&
           ((head->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0) == is_complex &&
           mig_item_is(head + 1, word, 1);
}

/* Wait for a message and check it. False: it is no notification, and has been destroyed. */
static bool notifications_receive(mach_port_t from, union notifications_message *message)
{
    notifications_must(mach_msg(&message->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
                                sizeof(*message), from, 1000, 0),
                       MACH_MSG_SUCCESS, "receive");
    if (notifications_is_genuine(&message->head) && notifications_has_form(&message->head)) {
        return true;
    }
    mach_msg_destroy(&message->head);
    return false;
}

static void notifications_expect(mach_port_t from, mach_msg_id_t id,
                                 union notifications_message *message)
{
    if (!notifications_receive(from, message) || message->head.msgh_id != id) {
        fprintf(stderr, "notifications: not what was asked for: %d\n", message->head.msgh_id);
        exit(1);
    }
}

static void notifications_dead_name(mach_port_t box)
{
    mach_port_t port = notifications_port(true);
    union notifications_message message;
    mach_port_urefs_t refs = 0;

    notifications_ask(port, MACH_NOTIFY_DEAD_NAME, 0, box);
    notifications_drop_receive(port);
    notifications_expect(box, MACH_NOTIFY_DEAD_NAME, &message);
    mach_port_get_refs(mach_task_self(), port, MACH_PORT_RIGHT_DEAD_NAME, &refs);
    printf("dead-name: %s name, %u references\n",
           message.named.not_port == port ? "its" : "another", refs);
    mach_port_deallocate(mach_task_self(), port); /* ours */
    mach_port_deallocate(mach_task_self(), port); /* the notification's */
}

static void notifications_port_deleted(mach_port_t box)
{
    mach_port_t port = notifications_port(false);
    union notifications_message message;
    mach_msg_type_name_t type;
    mach_port_t once;

    notifications_must(
        mach_port_extract_right(mach_task_self(), port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &type),
        KERN_SUCCESS, "make a send-once right");
    notifications_ask(once, MACH_NOTIFY_DEAD_NAME, 0, box);
    mach_port_deallocate(mach_task_self(), once);
    notifications_expect(box, MACH_NOTIFY_PORT_DELETED, &message);
    printf("port-deleted: the name went before the port did\n");
    notifications_expect(port, MACH_NOTIFY_SEND_ONCE, &message);
    printf("send-once: the right went without a message\n");
    notifications_drop_receive(port);
}

static void notifications_no_senders(mach_port_t box)
{
    mach_port_t port = notifications_port(true);
    union notifications_message message;

    notifications_ask(port, MACH_NOTIFY_NO_SENDERS, 1, box);
    mach_port_deallocate(mach_task_self(), port);
    notifications_expect(box, MACH_NOTIFY_NO_SENDERS, &message);
    printf("no-senders: %u had been made\n", message.no_senders.not_count);
    notifications_drop_receive(port);
}

static void notifications_port_destroyed(mach_port_t box)
{
    mach_port_t port = notifications_port(false);
    union notifications_message message;

    notifications_ask(port, MACH_NOTIFY_PORT_DESTROYED, 0, box);
    notifications_drop_receive(port);
    notifications_expect(box, MACH_NOTIFY_PORT_DESTROYED, &message);
    printf("port-destroyed: the receive right is back\n");
    notifications_drop_receive(message.destroyed.not_port.name);
}

static mach_msg_return_t notifications_send(mach_port_t to, int option, mach_port_t notify)
{
    mach_msg_header_t message = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
        .msgh_size = sizeof(message),
        .msgh_remote_port = to,
        .msgh_id = MACH_NOTIFY_NO_SENDERS, /* which it is not */
    };

    return mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT | option, sizeof(message), 0, 0, 0,
                    notify);
}

static void notifications_msg_accepted(mach_port_t box)
{
    mach_port_t port = notifications_port(true);
    union notifications_message message;

    mach_port_set_qlimit(mach_task_self(), port, 1);
    notifications_must(notifications_send(port, 0, 0), MACH_MSG_SUCCESS, "send");
    notifications_must(notifications_send(port, 0, 0), MACH_SEND_TIMED_OUT, "send to a full queue");
    notifications_must(notifications_send(port, MACH_SEND_NOTIFY, box), MACH_SEND_WILL_NOTIFY,
                       "force");
    for (unsigned i = 0; i < 2; i++) {
        if (notifications_receive(port, &message)) {
            fprintf(stderr, "notifications: a forged one was taken\n");
            exit(1);
        }
    }
    printf("forged: refused\n");
    notifications_expect(box, MACH_NOTIFY_MSG_ACCEPTED, &message);
    printf("msg-accepted: there is room for the next\n");
    mach_port_destroy(mach_task_self(), port);
}

int main(void)
{
    mach_port_t box = notifications_port(false);

    notifications_dead_name(box);
    notifications_port_deleted(box);
    notifications_no_senders(box);
    notifications_port_destroyed(box);
    notifications_msg_accepted(box);
    notifications_drop_receive(box);
    return 0;
}
