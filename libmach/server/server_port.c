/* server_port.c - ports of a server: made, put into a set, watched. */
#include <mach/notify.h>
#include <mach_port.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>

#include "core/text.h"

kern_return_t server_set_create(mach_port_t *set)
{
    return syscall_mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, set);
}

kern_return_t server_port_create(mach_port_t set, mach_port_t *port)
{
    mach_port_t fresh;
    kern_return_t kr = portolan_port_allocate(false, &fresh);

    if (kr == KERN_SUCCESS && set != MACH_PORT_NULL) {
        kr = mach_port_move_member(mach_task_self(), fresh, set);
        if (kr != KERN_SUCCESS) {
            portolan_port_destroy_receive(fresh);
        }
    }
    if (kr == KERN_SUCCESS) {
        *port = fresh;
    }
    return kr;
}

kern_return_t server_object_create(mach_port_t set, uint64_t object, mach_port_t *port)
{
    mach_port_t fresh;
    kern_return_t kr = portolan_port_allocate(false, &fresh);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = mach_port_set_protected_payload(mach_task_self(), fresh, object);
    /* Send rights may come and go before the first client has one: count from the first made. */
    kr = kr == KERN_SUCCESS ? server_watch_senders(fresh, 1) : kr;
    if (kr == KERN_SUCCESS && set != MACH_PORT_NULL) {
        kr = mach_port_move_member(mach_task_self(), fresh, set);
    }
    if (kr != KERN_SUCCESS) {
        portolan_port_destroy_receive(fresh);
        return kr;
    }
    *port = fresh;
    return KERN_SUCCESS;
}

static kern_return_t server_watch(mach_port_name_t name, mach_msg_id_t what,
                                  mach_port_mscount_t sync, mach_port_t notify)
{
    mach_port_t previous = MACH_PORT_NULL;
    kern_return_t kr;

    kr = mach_port_request_notification(mach_task_self(), name, what, sync, notify,
                                        MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous);
    if (kr == KERN_SUCCESS && MACH_PORT_VALID(previous)) {
        syscall_mach_port_deallocate(mach_task_self(), previous);
    }
    return kr;
}

kern_return_t server_watch_senders(mach_port_t port, mach_port_mscount_t sync)
{
    return server_watch(port, MACH_NOTIFY_NO_SENDERS, sync, port);
}

kern_return_t server_watch_death(mach_port_name_t name, mach_port_t port)
{
    return server_watch(name, MACH_NOTIFY_DEAD_NAME, 1, port);
}
