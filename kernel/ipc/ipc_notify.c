/* ipc_notify.c - notifications: a header, a descriptor and a value, sent to a send-once right. See
 * ipc_notify.h. */
#include "ipc/ipc_notify.h"

#include <mach/notify.h>

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/port_object.h"
#include "vm/memory_object.h"

/* The layout all notifications but send-once share. */
struct ipc_notify_body {
    mach_msg_header_t header;
    mach_msg_type_t type;
    uint64_t value;
};

static_assert(sizeof(struct ipc_notify_body) == sizeof(mach_port_deleted_notification_t), "layout");

/* A message to `notify`, which it takes over; NULL when out of memory, the right released. */
static struct ipc_kmsg *ipc_notify_alloc(struct ipc_port *notify, mach_msg_id_t id, uint32_t size)
{
    struct ipc_kmsg *kmsg = ipc_kmsg_alloc(size, 1);

    assert(IP_VALID(notify));
    if (kmsg == NULL) {
        ipc_port_release_sonce(notify);
        return NULL;
    }
    ipc_kmsg_header(kmsg)->msgh_id = id;
    ipc_kmsg_set_remote(kmsg, notify, MACH_MSG_TYPE_PORT_SEND_ONCE);
    return kmsg;
}

static void ipc_notify_value(struct ipc_port *notify, mach_msg_id_t id, uint32_t type,
                             uint32_t value)
{
    struct ipc_kmsg *kmsg;
    struct ipc_notify_body *body;

    if (!IP_VALID(notify)) {
        return;
    }
    kmsg = ipc_notify_alloc(notify, id, sizeof(*body));
    if (kmsg != NULL) {
        body = (struct ipc_notify_body *)ipc_kmsg_header(kmsg);
        body->type = (mach_msg_type_t){
            .msgt_name = type, .msgt_size = 32, .msgt_inline = 1, .msgt_number = 1};
        body->value = value;
        ipc_kmsg_send_kernel(kmsg);
    }
}

void ipc_notify_port_deleted(struct ipc_port *notify, mach_port_name_t name)
{
    ipc_notify_value(notify, MACH_NOTIFY_PORT_DELETED, MACH_MSG_TYPE_PORT_NAME, name);
}

void ipc_notify_msg_accepted(struct ipc_port *notify, mach_port_name_t name)
{
    ipc_notify_value(notify, MACH_NOTIFY_MSG_ACCEPTED, MACH_MSG_TYPE_PORT_NAME, name);
}

void ipc_notify_no_senders(struct ipc_port *notify, mach_port_mscount_t mscount)
{
    if (IP_VALID(notify) && KOBJECT_OF_RIGHTS(notify->kobject_type)) {
        port_object_no_senders(notify);
        return;
    }
    if (IP_VALID(notify) && notify->kobject_type == KOBJECT_PAGER) {
        memory_object_proxy_no_senders(notify);
        return;
    }
    ipc_notify_value(notify, MACH_NOTIFY_NO_SENDERS, MACH_MSG_TYPE_INTEGER_32, mscount);
}

void ipc_notify_dead_name(struct ipc_port *notify, mach_port_name_t name)
{
    if (IP_VALID(notify) && notify->kobject_type == KOBJECT_MEMORY_CONTROL) {
        memory_object_pager_died(notify);
        ipc_port_release_sonce(notify);
        return;
    }
    ipc_notify_value(notify, MACH_NOTIFY_DEAD_NAME, MACH_MSG_TYPE_PORT_NAME, name);
}

void ipc_notify_port_destroyed(struct ipc_port *notify, struct ipc_port *port)
{
    struct ipc_kmsg *kmsg = NULL;
    struct ipc_notify_body *body;

    if (IP_VALID(notify)) {
        kmsg = ipc_notify_alloc(notify, MACH_NOTIFY_PORT_DESTROYED, sizeof(*body));
    }
    if (kmsg == NULL) {
        ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
        return;
    }
    body = (struct ipc_notify_body *)ipc_kmsg_header(kmsg);
    body->header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    body->type = (mach_msg_type_t){.msgt_name = MACH_MSG_TYPE_PORT_RECEIVE,
                                   .msgt_size = 64,
                                   .msgt_inline = 1,
                                   .msgt_number = 1};
    body->value = ipc_kmsg_put_port(kmsg, port, MACH_MSG_TYPE_PORT_RECEIVE);
    ipc_kmsg_send_kernel(kmsg);
}

void ipc_notify_send_once(struct ipc_port *notify)
{
    struct ipc_kmsg *kmsg;
    bool active;

    if (!IP_VALID(notify)) {
        return;
    }
    /* A dead port is told nothing. (The message would be destroyed, and the right in it, and that
     * would be told again.) */
    spin_lock(&notify->lock);
    active = notify->active;
    spin_unlock(&notify->lock);
    if (!active) {
        ipc_port_release_sonce(notify);
        return;
    }
    kmsg = ipc_notify_alloc(notify, MACH_NOTIFY_SEND_ONCE, sizeof(mach_msg_header_t));
    if (kmsg != NULL) {
        ipc_kmsg_send_kernel(kmsg);
    }
}
