/* ipc_kmsg.c - messages in the kernel: buffers by size class, the table of rights, destruction
 * without recursion. See ipc_kmsg.h. */
#include "ipc/ipc_kmsg.h"

#include "ipc/ipc_body.h"
#include "ipc/ipc_marequest.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/kobject.h"
#include "kern/ledger.h"
#include "kern/string.h"
#include "kern/task.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

/* Bytes of header and body a message of each class has room for; what is larger comes from kalloc.
 */
static const uint32_t ipc_kmsg_class_room[] = {128, 512, 2048};
static const char *const ipc_kmsg_class_name[] = {"kmsg_128", "kmsg_512", "kmsg_2048"};
#define IPC_KMSG_CLASSES  (uint8_t)(sizeof(ipc_kmsg_class_room) / sizeof(ipc_kmsg_class_room[0]))
#define IPC_KMSG_OVERHEAD (sizeof(struct ipc_kmsg) - sizeof(mach_msg_header_t))

static struct kmem_cache ipc_kmsg_cache[sizeof(ipc_kmsg_class_room) / sizeof(uint32_t)];
static uint64_t ipc_kmsg_large_count;

void ipc_kmsg_init(void)
{
    uint8_t i;

    for (i = 0; i < IPC_KMSG_CLASSES; i++) {
        kmem_cache_init(&ipc_kmsg_cache[i], ipc_kmsg_class_name[i],
                        IPC_KMSG_OVERHEAD + ipc_kmsg_class_room[i], 16);
    }
}

uint64_t ipc_kmsg_live_count(void)
{
    uint64_t count = atomic_load(&ipc_kmsg_large_count);
    uint8_t i;

    for (i = 0; i < IPC_KMSG_CLASSES; i++) {
        struct kmem_cache_stats stats;

        kmem_cache_stats(&ipc_kmsg_cache[i], &stats);
        count += stats.live;
    }
    return count;
}

/* --- life --- */

void ipc_kmsg_setup(struct ipc_kmsg *kmsg, uint32_t room)
{
    kmsg->remote = IP_NULL;
    kmsg->local = IP_NULL;
    kmsg->slots = kmsg->few;
    kmsg->slot_count = 0;
    kmsg->slot_max = IPC_KMSG_FEW_SLOTS;
    kmsg->room = room;
    kmsg->from_kernel = false;
    kmsg->located = false;
    kmsg->header.msgh_bits = 0;
    kmsg->header.msgh_size = room;
}

/* Begin a message of a class. */
static inline void ipc_kmsg_begin(struct ipc_kmsg *kmsg, uint32_t room, uint8_t class)
{
    ipc_kmsg_setup(kmsg, room);
    list_init(&kmsg->link);
    kmsg->size_class = class;
    kmsg->delivered = false;
    kmsg->circular = false;
    kmsg->charged = NULL;
    kmsg->marequest = NULL;
}

/* The smallest class for this room; IPC_KMSG_CLASSES when there is none. */
static inline uint8_t ipc_kmsg_class(uint32_t room)
{
    uint8_t class = 0;

    while (class < IPC_KMSG_CLASSES && ipc_kmsg_class_room[class] < room) {
        class += 1;
    }
    return class;
}

struct ipc_kmsg *ipc_kmsg_alloc_user(uint32_t msg_size)
{
    uint32_t room = MACH_MSG_ALIGN(msg_size);
    uint8_t class = ipc_kmsg_class(room);
    struct ipc_kmsg *kmsg;

    assert(msg_size >= sizeof(mach_msg_header_t) && msg_size <= IPC_KMSG_SIZE_MAX);
    if (class < IPC_KMSG_CLASSES) {
        kmsg = kmem_cache_alloc(&ipc_kmsg_cache[class]);
    } else {
        kmsg = kalloc(IPC_KMSG_OVERHEAD + room);
    }
    if (kmsg == NULL) {
        return NULL;
    }
    if (class == IPC_KMSG_CLASSES) {
        atomic_inc(&ipc_kmsg_large_count);
    }
    ipc_kmsg_begin(kmsg, room, class);
    return kmsg;
}

struct ipc_kmsg *ipc_kmsg_alloc_at_hand(uint32_t msg_size)
{
    uint8_t class = ipc_kmsg_class(msg_size);
    struct ipc_kmsg *kmsg = NULL;

    assert(msg_size >= sizeof(mach_msg_header_t) && msg_size == MACH_MSG_ALIGN(msg_size));
    if (class < IPC_KMSG_CLASSES) {
        kmsg = kmem_cache_alloc_at_hand(&ipc_kmsg_cache[class]);
    }
    if (kmsg != NULL) {
        ipc_kmsg_begin(kmsg, msg_size, class);
    }
    return kmsg;
}

bool ipc_kmsg_reserve_slots(struct ipc_kmsg *kmsg, uint32_t count)
{
    struct ipc_kmsg_slot *old = kmsg->slots;
    struct ipc_kmsg_slot *slots;

    if (count <= kmsg->slot_max) {
        return true;
    }
    count = count < 2 * kmsg->slot_max ? 2 * kmsg->slot_max : count;
    slots = kalloc((uint64_t)count * sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    memcpy(slots, old, (uint64_t)kmsg->slot_count * sizeof(*slots));
    if (old != kmsg->few) {
        kfree(old, (uint64_t)kmsg->slot_max * sizeof(*slots));
    }
    kmsg->slots = slots;
    kmsg->slot_max = count;
    return true;
}

struct ipc_kmsg *ipc_kmsg_alloc(uint32_t msg_size, uint32_t max_slots)
{
    struct ipc_kmsg *kmsg;

    if (msg_size > IPC_KMSG_SIZE_MAX) {
        return NULL;
    }
    kmsg = ipc_kmsg_alloc_user(msg_size);
    if (kmsg == NULL) {
        return NULL;
    }
    kmsg->from_kernel = true;
    if (!ipc_kmsg_reserve_slots(kmsg, max_slots)) {
        ipc_kmsg_free(kmsg);
        return NULL;
    }
    memset(&kmsg->header.msgh_remote_port, 0,
           kmsg->room - offsetof(mach_msg_header_t, msgh_remote_port));
    return kmsg;
}

bool ipc_kmsg_charge(struct ipc_kmsg *kmsg, struct task *task)
{
    assert(kmsg->charged == NULL);
    if (!ledger_charge(&task->ledger, LEDGER_KMSG_BYTES, IPC_KMSG_OVERHEAD + kmsg->room)) {
        return false;
    }
    task_ref(task);
    kmsg->charged = task;
    return true;
}

void ipc_kmsg_credit(struct ipc_kmsg *kmsg)
{
    struct task *task = kmsg->charged;

    if (task != NULL) {
        kmsg->charged = NULL;
        ledger_credit(&task->ledger, LEDGER_KMSG_BYTES, IPC_KMSG_OVERHEAD + kmsg->room);
        task_unref(task);
    }
}

void ipc_kmsg_free(struct ipc_kmsg *kmsg)
{
    ipc_kmsg_credit(kmsg);
    if (kmsg->slots != kmsg->few) {
        kfree(kmsg->slots, (uint64_t)kmsg->slot_max * sizeof(*kmsg->slots));
    }
    if (kmsg->size_class < IPC_KMSG_CLASSES) {
        kmem_cache_free(&ipc_kmsg_cache[kmsg->size_class], kmsg);
    } else {
        kfree(kmsg, IPC_KMSG_OVERHEAD + kmsg->room);
        atomic_dec(&ipc_kmsg_large_count);
    }
}

static void ipc_kmsg_destroy_slot(struct ipc_kmsg_slot *slot)
{
    uint8_t kind = slot->kind;
    uint32_t i;

    slot->kind = IPC_SLOT_EMPTY;
    if (kind == IPC_SLOT_PORT) {
        ipc_port_release_right(slot->object, slot->type);
    } else if (kind == IPC_SLOT_OOL) {
        vm_copy_discard(slot->object);
    } else if (kind == IPC_SLOT_OOL_PORTS || kind == IPC_SLOT_OOL_NAMES) {
        struct ipc_port **ports = slot->object;

        for (i = 0; kind == IPC_SLOT_OOL_PORTS && i < slot->count; i++) {
            ipc_port_release_right(ports[i], slot->type);
        }
        kfree(ports, (uint64_t)slot->count * sizeof(*ports));
    }
}

void ipc_kmsg_destroy_contents(struct ipc_kmsg *kmsg)
{
    struct ipc_port *local = kmsg->local;
    uint32_t i;

    kmsg->local = IP_NULL;
    if (IP_VALID(local)) {
        ipc_port_release_right(local, MACH_MSGH_BITS_LOCAL(kmsg->header.msgh_bits));
    }
    for (i = 0; i < kmsg->slot_count; i++) {
        ipc_kmsg_destroy_slot(&kmsg->slots[i]);
    }
    kmsg->slot_count = 0;
}

static void ipc_kmsg_drop_remote(struct ipc_kmsg *kmsg, struct ipc_port *remote)
{
    uint32_t type = MACH_MSGH_BITS_REMOTE(kmsg->header.msgh_bits);

    if (kmsg->delivered && type == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        ipc_port_release_sonce(remote);
    } else {
        ipc_port_release_right(remote, type);
    }
}

static void ipc_kmsg_clean(struct ipc_kmsg *kmsg)
{
    struct ipc_port *remote = kmsg->remote;
    struct ipc_marequest *marequest = kmsg->marequest;

    if (marequest != NULL) {
        kmsg->marequest = NULL;
        ipc_marequest_accept(marequest);
    }
    kmsg->remote = IP_NULL;
    if (IP_VALID(remote)) {
        ipc_kmsg_drop_remote(kmsg, remote);
    }
    ipc_kmsg_destroy_contents(kmsg);
    ipc_kmsg_free(kmsg);
}

/* Messages that are found while one is being destroyed go on the list of the outermost call, so
 * depth never grows. */
void ipc_kmsg_destroy_list(struct list *messages)
{
    struct ipc_thread *ipc = &current_thread()->ipc;
    struct list *node;

    if (ipc->reap != NULL) {
        list_splice_tail(ipc->reap, messages);
        return;
    }
    ipc->reap = messages;
    while ((node = list_pop(messages)) != NULL) {
        ipc_kmsg_clean(list_entry(node, struct ipc_kmsg, link));
    }
    ipc->reap = NULL;
}

/* Nothing is left in it: its receiver has taken it all. */
static bool ipc_kmsg_is_empty(const struct ipc_kmsg *kmsg)
{
    uint32_t i;

    if (kmsg->marequest != NULL || IP_VALID(kmsg->remote) || IP_VALID(kmsg->local)) {
        return false;
    }
    for (i = 0; i < kmsg->slot_count; i++) {
        if (kmsg->slots[i].kind != IPC_SLOT_EMPTY) {
            return false;
        }
    }
    return true;
}

void ipc_kmsg_destroy(struct ipc_kmsg *kmsg)
{
    struct list messages;

    if (ipc_kmsg_is_empty(kmsg)) {
        ipc_kmsg_free(kmsg);
        return;
    }
    list_init(&messages);
    list_insert_tail(&messages, &kmsg->link);
    ipc_kmsg_destroy_list(&messages);
}

/* --- header --- */

mach_msg_header_t *ipc_kmsg_header(struct ipc_kmsg *kmsg)
{
    return &kmsg->header;
}

/* --- slots --- */

static struct ipc_kmsg_slot *ipc_kmsg_slot(struct ipc_kmsg *kmsg, uint64_t value, uint8_t kind)
{
    if (value == IPC_KMSG_SLOT_NULL || value > kmsg->slot_count ||
        kmsg->slots[value - 1].kind != kind) {
        return NULL;
    }
    return &kmsg->slots[value - 1];
}

struct ipc_port *ipc_kmsg_port(struct ipc_kmsg *kmsg, uint64_t value)
{
    struct ipc_kmsg_slot *slot = ipc_kmsg_slot(kmsg, value, IPC_SLOT_PORT);

    if (slot != NULL) {
        return slot->object;
    }
    return value == IPC_KMSG_SLOT_DEAD ? IP_DEAD : IP_NULL;
}

struct vm_copy *ipc_kmsg_ool(struct ipc_kmsg *kmsg, uint64_t value)
{
    struct ipc_kmsg_slot *slot = ipc_kmsg_slot(kmsg, value, IPC_SLOT_OOL);

    return slot != NULL ? slot->object : NULL;
}

struct ipc_port **ipc_kmsg_ool_ports(struct ipc_kmsg *kmsg, uint64_t value)
{
    struct ipc_kmsg_slot *slot = ipc_kmsg_slot(kmsg, value, IPC_SLOT_OOL_PORTS);

    return slot != NULL ? slot->object : NULL;
}

void ipc_kmsg_consume(struct ipc_kmsg *kmsg, uint64_t value)
{
    if (value != IPC_KMSG_SLOT_NULL && value <= kmsg->slot_count) {
        kmsg->slots[value - 1].kind = IPC_SLOT_EMPTY;
        kmsg->slots[value - 1].object = NULL;
    }
}

/* Which kind of slot an item stands for. */
static uint8_t ipc_kmsg_item_kind(const struct ipc_body_item *item)
{
    if (!item->is_port) {
        return IPC_SLOT_OOL;
    }
    return item->is_inline ? IPC_SLOT_PORT : IPC_SLOT_OOL_PORTS;
}

static void ipc_kmsg_locate_item(struct ipc_kmsg *kmsg, const struct ipc_body_item *item)
{
    uint32_t count = item->is_inline ? item->number : 1;
    uint32_t i;

    for (i = 0; i < count; i++) {
        struct ipc_kmsg_slot *slot = ipc_kmsg_slot(kmsg, item->data[i], ipc_kmsg_item_kind(item));

        if (slot != NULL) {
            slot->offset = item->data_offset + i * (uint32_t)sizeof(uint64_t);
        } else if (item->data[i] != IPC_KMSG_SLOT_DEAD || !item->is_inline) {
            item->data[i] = IPC_KMSG_SLOT_NULL;
        }
    }
}

void ipc_kmsg_locate(struct ipc_kmsg *kmsg)
{
    uint32_t offset = sizeof(kmsg->header);

    while (offset < kmsg->header.msgh_size) {
        struct ipc_body_item item;

        if (ipc_body_next(&kmsg->header, &offset, &item) != MACH_MSG_SUCCESS) {
            break;
        }
        if (item.is_port || !item.is_inline) {
            ipc_kmsg_locate_item(kmsg, &item);
        }
    }
    kmsg->located = true;
}

static uint64_t ipc_kmsg_put(struct ipc_kmsg *kmsg, uint8_t kind, void *object, uint32_t count,
                             unsigned type)
{
    struct ipc_kmsg_slot *slot;

    assert(kmsg->slot_count < kmsg->slot_max);
    slot = &kmsg->slots[kmsg->slot_count];
    *slot = (struct ipc_kmsg_slot){
        .object = object, .count = count, .kind = kind, .type = (uint8_t)type};
    kmsg->slot_count += 1;
    return kmsg->slot_count;
}

uint64_t ipc_kmsg_put_port(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned type)
{
    assert(MACH_MSG_TYPE_PORT_ANY_RIGHT(type));
    if (!IP_VALID(port)) {
        return port == IP_DEAD ? IPC_KMSG_SLOT_DEAD : IPC_KMSG_SLOT_NULL;
    }
    return ipc_kmsg_put(kmsg, IPC_SLOT_PORT, port, 1, type);
}

uint64_t ipc_kmsg_put_ool(struct ipc_kmsg *kmsg, struct vm_copy *copy)
{
    return copy == NULL ? IPC_KMSG_SLOT_NULL : ipc_kmsg_put(kmsg, IPC_SLOT_OOL, copy, 0, 0);
}

uint64_t ipc_kmsg_put_ool_ports(struct ipc_kmsg *kmsg, struct ipc_port **array, uint32_t count,
                                unsigned type)
{
    assert(MACH_MSG_TYPE_PORT_ANY_RIGHT(type));
    if (array == NULL) {
        return IPC_KMSG_SLOT_NULL;
    }
    return ipc_kmsg_put(kmsg, IPC_SLOT_OOL_PORTS, array, count, type);
}

/* --- sending --- */

static bool ipc_kmsg_is_receive_slot(const struct ipc_kmsg_slot *slot)
{
    return slot->type == MACH_MSG_TYPE_PORT_RECEIVE &&
           (slot->kind == IPC_SLOT_PORT || slot->kind == IPC_SLOT_OOL_PORTS);
}

static bool ipc_kmsg_has_receive_rights(const struct ipc_kmsg *kmsg)
{
    uint32_t i;

    for (i = 0; i < kmsg->slot_count; i++) {
        if (ipc_kmsg_is_receive_slot(&kmsg->slots[i])) {
            return true;
        }
    }
    return false;
}

/* The rights of one slot. True when other ports may be on their way to one of them. */
static bool ipc_kmsg_slot_in_transit(struct ipc_kmsg *kmsg, struct ipc_kmsg_slot *slot,
                                     uint64_t transit) REQUIRES(ipc_port_transit_mutex)
{
    bool is_array = slot->kind == IPC_SLOT_OOL_PORTS;
    struct ipc_port **ports = is_array ? slot->object : (struct ipc_port **)&slot->object;
    uint32_t count = is_array ? slot->count : 1;
    bool is_destination = false;
    uint32_t i;

    for (i = 0; i < count; i++) {
        if (IP_VALID(ports[i]) && ipc_port_set_in_transit(ports[i], kmsg->remote, transit)) {
            is_destination = true;
        }
    }
    return is_destination;
}

void ipc_kmsg_set_in_transit(struct ipc_kmsg *kmsg)
{
    bool is_destination = false;
    uint64_t transit;
    uint32_t i;

    if (!IP_VALID(kmsg->remote) || !ipc_kmsg_has_receive_rights(kmsg)) {
        return;
    }
    mutex_lock(&ipc_port_transit_mutex);
    transit = ipc_port_new_transit(kmsg->remote);
    for (i = 0; i < kmsg->slot_count; i++) {
        if (ipc_kmsg_is_receive_slot(&kmsg->slots[i]) &&
            ipc_kmsg_slot_in_transit(kmsg, &kmsg->slots[i], transit)) {
            is_destination = true;
        }
    }
    mutex_unlock(&ipc_port_transit_mutex);
    kmsg->circular = is_destination && ipc_port_is_circular(kmsg->remote, transit);
}

struct ipc_kmsg *ipc_kmsg_serve(struct ipc_kmsg *kmsg)
{
    struct ipc_kmsg *reply;

    kmsg->delivered = true;
    reply = kobject_server(kmsg);
    if (reply != NULL) {
        reply->from_kernel = false;
    }
    return reply;
}

kern_return_t ipc_kmsg_send_kernel(struct ipc_kmsg *kmsg)
{
    if (!IP_VALID(kmsg->remote)) {
        ipc_kmsg_destroy(kmsg);
        return MACH_SEND_INVALID_DEST;
    }
    ipc_kmsg_set_in_transit(kmsg);
    if (kmsg->circular) {
        ipc_kmsg_destroy(kmsg);
        return KERN_SUCCESS;
    }
    if (ipc_port_is_kernel(kmsg->remote)) {
        struct ipc_kmsg *reply = ipc_kmsg_serve(kmsg);

        return reply == NULL ? KERN_SUCCESS : ipc_kmsg_send_kernel(reply);
    }
    return ipc_mqueue_send_always(kmsg);
}

kern_return_t ipc_kmsg_send_timeout(struct ipc_kmsg *kmsg, uint32_t timeout_ms)
{
    mach_msg_return_t mr;

    if (!IP_VALID(kmsg->remote) || ipc_port_is_kernel(kmsg->remote)) {
        ipc_kmsg_destroy(kmsg);
        return MACH_SEND_INVALID_DEST;
    }
    ipc_kmsg_set_in_transit(kmsg);
    mr = kmsg->circular ? MACH_SEND_INVALID_DEST
                        : ipc_mqueue_send(kmsg, MACH_SEND_TIMEOUT, timeout_ms, NULL);
    if (mr != MACH_MSG_SUCCESS) {
        ipc_kmsg_destroy(kmsg);
    }
    return mr == MACH_SEND_NO_BUFFER ? MACH_SEND_TIMED_OUT : mr;
}
