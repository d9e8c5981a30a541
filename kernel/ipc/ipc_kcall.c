/* ipc_kcall.c - the short way of a call of a kernel object: request and reply lie on the stack, and
 * the reply right is not made, as it would be used at once. Only for requests and replies that are
 * plain bytes; everything else takes the long way (kobject_server). See ipc_kcall.h. */
#include "ipc/ipc_kcall.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_msg.h"
#include "kern/kobject.h"
#include "kern/string.h"
#include "kern/task.h"

/* Have the reply's header as if it had come through the reply port, if that still has its name and
 * the reply would be received from it next. */
static bool ipc_kcall_address(struct ipc_port *port, struct ipc_space *space,
                              mach_port_name_t rcv_name, mach_msg_header_t *header)
{
    uint32_t local_type = MACH_MSG_TYPE_PORT_SEND_ONCE;
    bool next;

    spin_lock(&port->lock);
    next = port->active && port->receiver == space && port->receiver_name == rcv_name &&
           port->pset == NULL && port->msgcount == 0;
    if (next) {
        header->msgh_seqno = port->seqno;
        port->seqno += 1;
        header->msgh_protected_payload = rcv_name;
        if (port->has_payload) {
            header->msgh_protected_payload = port->payload;
            local_type = MACH_MSG_TYPE_PROTECTED_PAYLOAD;
        }
    }
    spin_unlock(&port->lock);
    header->msgh_bits = MACH_MSGH_BITS(0, local_type);
    header->msgh_remote_port = MACH_PORT_NAME_NULL;
    header->msgh_remote_pad = 0;
    return next;
}

/* Send the reply to the reply port like any other, and receive what comes there. */
static mach_msg_return_t ipc_kcall_queue(struct ipc_space *space, mach_port_name_t rcv_name,
                                         struct ipc_kmsg *reply)
{
    const struct ipc_thread *ipc = &current_thread()->ipc;
    const mach_msg_header_t *header = ipc_kmsg_header(reply);
    struct ipc_port *port = IP_NULL;
    struct ipc_kmsg *kmsg;

    (void)ipc_space_copyin_right(space, rcv_name, MACH_MSG_TYPE_MAKE_SEND_ONCE, &port);
    kmsg = IP_VALID(port) ? ipc_kmsg_alloc(header->msgh_size, 0) : NULL;
    if (kmsg == NULL) { /* no such port any more, or no memory: the reply is lost on its way */
        ipc_port_release_right(port, MACH_MSG_TYPE_PORT_SEND_ONCE);
    } else {
        memcpy(ipc_kmsg_header(kmsg), header, header->msgh_size);
        ipc_kmsg_header(kmsg)->msgh_bits = 0;
        ipc_kmsg_set_remote(kmsg, port, MACH_MSG_TYPE_PORT_SEND_ONCE);
        (void)ipc_kmsg_send_kernel(kmsg);
    }
    return mach_msg_trap(ipc->msg, MACH_RCV_MSG, 0, ipc->rcv_size, rcv_name, 0,
                         MACH_PORT_NAME_NULL);
}

mach_msg_return_t ipc_kcall(struct ipc_kcall_message *request, uint32_t size, uint32_t id,
                            struct ipc_port *port, struct ipc_port *reply_port,
                            mach_port_name_t rcv_name)
{
    const struct ipc_thread *ipc = &current_thread()->ipc;
    struct ipc_space *space = current_task()->space;
    struct ipc_kcall_message reply;
    mach_msg_header_t *header = &reply.kmsg.header;
    bool served;
    bool addressed;

    ipc_kmsg_setup(&request->kmsg, size);
    request->kmsg.header.msgh_id = (mach_msg_id_t)id;
    ipc_kmsg_set_remote(&request->kmsg, port, MACH_MSG_TYPE_PORT_SEND);
    ipc_kmsg_setup(&reply.kmsg, sizeof(mach_msg_header_t) + sizeof(reply.body));
    served = kobject_serve_plain(&request->kmsg, &reply.kmsg);
    ipc_port_unref(port);
    addressed = served && header->msgh_size <= ipc->rcv_size &&
                ipc_kcall_address(reply_port, space, rcv_name, header);
    ipc_port_unref(reply_port);
    if (addressed) {
        return copyout(header, ipc->msg, header->msgh_size) == KERN_SUCCESS ? MACH_MSG_SUCCESS
                                                                            : MACH_RCV_INVALID_DATA;
    }
    return served ? ipc_kcall_queue(space, rcv_name, &reply.kmsg)
                  : mach_msg_trap(ipc->msg, MACH_SEND_MSG | MACH_RCV_MSG, size, ipc->rcv_size,
                                  rcv_name, 0, MACH_PORT_NAME_NULL);
}
