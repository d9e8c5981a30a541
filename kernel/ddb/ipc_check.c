/* ipc_check.c - the ledger of rights. See ipc_check.h.
 * Ports found are threaded on a list through check_next, so the walk needs no memory and no
 * recursion however deep messages nest. */
#include "ddb/ipc_check.h"

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_space.h"

struct ipc_check {
    struct ipc_check_result *result;
    struct ipc_port *first; /* ports found */
    struct ipc_port *last;
};

static uint32_t ipc_check_epoch;

/* The first time a port is met in this walk its counters are cleared and it goes on the list. */
static void ipc_check_meet(struct ipc_check *check, struct ipc_port *port)
{
    if (port->check_epoch == ipc_check_epoch) {
        return;
    }
    port->check_epoch = ipc_check_epoch;
    port->check_srights = 0;
    port->check_sorights = 0;
    port->check_receives = 0;
    port->check_next = IP_NULL;
    if (check->last == IP_NULL) {
        check->first = port;
    } else {
        check->last->check_next = port;
    }
    check->last = port;
}

static void ipc_check_right(struct ipc_check *check, struct ipc_port *port, uint32_t type)
{
    if (!IP_VALID(port)) {
        return;
    }
    ipc_check_meet(check, port);
    if (type == MACH_MSG_TYPE_PORT_SEND) {
        port->check_srights += 1;
        check->result->srights += 1;
    } else if (type == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        port->check_sorights += 1;
        check->result->sorights += 1;
    } else if (type == MACH_MSG_TYPE_PORT_RECEIVE) {
        port->check_receives += 1;
    }
}

static void ipc_check_entry(struct ipc_check *check, struct ipc_space *space,
                            struct ipc_entry *entry)
{
    uint32_t type = entry->bits & IPC_ENTRY_TYPE;

    if (type == 0) {
        return;
    }
    check->result->names += 1;
    check->result->errors += entry->claimed != 0 ? 1 : 0;
    if ((type & MACH_PORT_TYPE_SEND) != 0) {
        ipc_check_right(check, entry->port, MACH_MSG_TYPE_PORT_SEND);
    }
    if ((type & MACH_PORT_TYPE_SEND_ONCE) != 0) {
        ipc_check_right(check, entry->port, MACH_MSG_TYPE_PORT_SEND_ONCE);
    }
    if ((type & MACH_PORT_TYPE_RECEIVE) != 0) {
        ipc_check_right(check, entry->port, MACH_MSG_TYPE_PORT_RECEIVE);
        if (entry->port->receiver != space ||
            entry->port->receiver_name != ipc_space_name(space, entry)) {
            check->result->errors += 1;
        }
    }
}

static void ipc_check_space(struct ipc_space *space, void *argument)
{
    struct ipc_check *check = argument;
    uint64_t names = check->result->names;
    uint32_t index;

    check->result->spaces += 1;
    for (index = ipc_space_next_index(space, 1); index < IPC_ENTRY_MAX;
         index = ipc_space_next_index(space, index + 1)) {
        ipc_check_entry(check, space, &space->table[index]);
    }
    if (check->result->names - names != ipc_space_name_count(space)) {
        check->result->errors += 1;
    }
}

static void ipc_check_kmsg(struct ipc_check *check, struct ipc_kmsg *kmsg)
{
    uint32_t bits = kmsg->header.msgh_bits;
    uint32_t i;
    uint32_t j;

    check->result->kmsgs += 1;
    ipc_check_right(check, kmsg->remote, MACH_MSGH_BITS_REMOTE(bits));
    ipc_check_right(check, kmsg->local, MACH_MSGH_BITS_LOCAL(bits));
    for (i = 0; i < kmsg->slot_count; i++) {
        struct ipc_kmsg_slot *slot = &kmsg->slots[i];

        if (slot->kind == IPC_SLOT_PORT) {
            ipc_check_right(check, slot->object, slot->type);
        }
        for (j = 0; slot->kind == IPC_SLOT_OOL_PORTS && j < slot->count; j++) {
            ipc_check_right(check, ((struct ipc_port **)slot->object)[j], slot->type);
        }
    }
}

static void ipc_check_contents(struct ipc_check *check, struct ipc_port *port)
{
    uint32_t queued = 0;

    check->result->ports += port->active ? 1 : 0;
    list_for_each (&port->messages, node) {
        ipc_check_kmsg(check, list_entry(node, struct ipc_kmsg, link));
        queued += 1;
    }
    if (queued != port->msgcount) {
        check->result->errors += 1;
    }
    ipc_check_right(check, port->nsrequest, MACH_MSG_TYPE_PORT_SEND_ONCE);
    ipc_check_right(check, port->pdrequest, MACH_MSG_TYPE_PORT_SEND_ONCE);
    list_for_each (&port->dnrequests, node) {
        ipc_check_right(check, list_entry(node, struct ipc_request, link)->notify,
                        MACH_MSG_TYPE_PORT_SEND_ONCE);
    }
}

/* All rights have been met: compare. Rights the kernel holds are in no entry and no queue. */
static void ipc_check_compare(struct ipc_check *check, const struct ipc_port *port)
{
    struct ipc_check_result *result = check->result;

    if (!port->active) {
        return;
    }
    if (port->check_srights > port->srights || port->check_sorights > port->sorights ||
        port->check_receives > 1) {
        result->errors += 1;
        return;
    }
    result->kernel_srights += port->srights - port->check_srights;
    result->kernel_sorights += port->sorights - port->check_sorights;
}

void ipc_check(struct ipc_check_result *result)
{
    struct ipc_check check = {.result = result};
    struct ipc_port *port;

    *result = (struct ipc_check_result){0};
    ipc_check_epoch += 1;
    ipc_space_foreach(ipc_check_space, &check);
    /* The list grows while it is walked. */
    for (port = check.first; port != IP_NULL; port = port->check_next) {
        ipc_check_contents(&check, port);
    }
    for (port = check.first; port != IP_NULL; port = port->check_next) {
        ipc_check_compare(&check, port);
    }
}
