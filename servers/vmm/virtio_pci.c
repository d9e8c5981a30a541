/* virtio_pci.c - a virtio device as a PCI function: registers, status, interrupts.
 *
 * Four structures in one BAR, a page each: common configuration, ISR, the device's own, notices.
 * Each has a capability that says where it is. What a driver may set, and when, is in
 * virtio_pci_write_common(). */
#include "virtio_pci.h"

#include <stddef.h>
#include <string.h>

#define VENDOR       0x1af4u
#define DEVICE_FIRST 0x1040u
#define REVISION     1u
#define REVISION_AT  0x08u /* in configuration space */

#define BAR_REGISTERS 0u
#define BAR_MESSAGES  1u
#define PAGE          4096u

/* Pages of the BAR, in the order of their capabilities' types less one. */
#define PAGE_COMMON 0u
#define PAGE_NOTIFY 1u
#define PAGE_ISR    2u
#define PAGE_DEVICE 3u
#define PAGES       4u

#define CAPABILITY_ID     0x09u
#define CAPABILITY_SIZE   16u
#define CAPABILITY_TYPE   3u
#define CAPABILITY_BAR    4u
#define CAPABILITY_OFFSET 8u
#define CAPABILITY_LENGTH 12u
#define NOTIFY_MULTIPLIER 4u

#define FEATURE_INDIRECT (1ull << 28)
#define FEATURE_EVENT    (1ull << 29)
#define FEATURE_VERSION  (1ull << 32)
#define FEATURES_OF_ALL  (FEATURE_INDIRECT | FEATURE_EVENT | FEATURE_VERSION)

#define STATUS_FEATURES_OK 8u
#define STATUS_DRIVER_OK   4u
#define STATUS_NEEDS_RESET 64u

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

#define NO_VECTOR 0xffffu

/* Registers of the common configuration (4.1.4.3). */
enum virtio_pci_common {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_VECTOR = 0x10,
    QUEUE_COUNT = 0x12,
    STATUS = 0x14,
    GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY = 0x1e,
    QUEUE_DESCRIPTORS = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
    COMMON_SIZE = 0x38,
};

/* --- interrupts --- */

static void virtio_pci_interrupt(struct virtio_pci *v, uint8_t isr, uint16_t vector)
{
    if (msix_is_enabled(&v->msix)) {
        msix_raise(&v->msix, vector);
        return;
    }
    v->isr |= isr;
    pci_function_interrupt(&v->function, true);
}

void virtio_pci_break(struct virtio_pci *v, const char *sentence)
{
    if ((v->status & STATUS_NEEDS_RESET) == 0) {
        v->status |= STATUS_NEEDS_RESET;
        virtio_pci_interrupt(v, ISR_CONFIG, v->config_vector);
        v->broken(v->context, sentence);
    }
}

/* --- requests --- */

bool virtio_pci_pop(struct virtio_pci *v, unsigned queue, struct virtio_chain *chain)
{
    struct virtio_queue *q = &v->queues[queue];
    bool is_there;

    if ((v->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) != STATUS_DRIVER_OK ||
        v->is_resetting || !pci_function_is_master(&v->function)) {
        return false;
    }
    is_there = virtio_queue_pop(q, chain);
    if (q->broken != NULL) {
        virtio_pci_break(v, q->broken);
        return false;
    }
    return is_there;
}

void virtio_pci_push(struct virtio_pci *v, unsigned queue, uint16_t head, uint32_t written)
{
    if (v->queues[queue].is_enabled && virtio_queue_push(&v->queues[queue], head, written)) {
        virtio_pci_interrupt(v, ISR_QUEUE, v->vectors[queue]);
    }
}

/* --- reset --- */

static void virtio_pci_clear(struct virtio_pci *v, const struct memory *memory)
{
    for (unsigned n = 0; n < VIRTIO_PCI_QUEUES_MAX; n++) {
        virtio_queue_init(&v->queues[n], memory);
        v->vectors[n] = NO_VECTOR;
    }
    v->config_vector = NO_VECTOR;
    v->queue_select = 0;
    v->feature_select = v->driver_feature_select = 0;
    v->features = 0;
    v->status = 0;
    v->isr = 0;
    v->is_resetting = false;
}

void virtio_pci_reset_done(struct virtio_pci *v)
{
    virtio_pci_clear(v, v->queues[0].memory);
    pci_function_interrupt(&v->function, false);
}

static void virtio_pci_write_status(struct virtio_pci *v, uint8_t status)
{
    uint64_t offered = FEATURES_OF_ALL | v->ops->features;

    if (v->is_resetting) {
        return;
    }
    if (status == 0) {
        v->is_resetting = true;
        if (v->ops->reset(v->device)) {
            virtio_pci_reset_done(v);
        }
        return;
    }
    if ((v->features & ~offered) != 0 || (v->features & FEATURE_VERSION) == 0) {
        status &= (uint8_t)~STATUS_FEATURES_OK; /* the driver looks whether it stays (3.1.1) */
    }
    v->status = (uint8_t)(v->status | (status & ~STATUS_NEEDS_RESET)); /* it does not go back */
}

/* --- common configuration --- */

static struct virtio_queue *virtio_pci_queue(struct virtio_pci *v)
{
    return v->queue_select < v->ops->queues ? &v->queues[v->queue_select] : NULL;
}

static uint32_t virtio_pci_half(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static uint64_t virtio_pci_read_queue(struct virtio_pci *v, unsigned at)
{
    const struct virtio_queue *q = virtio_pci_queue(v);

    if (q == NULL) {
        return 0;
    }
    switch (at) {
    case QUEUE_SIZE:
        return q->size;
    case QUEUE_VECTOR:
        return v->vectors[v->queue_select];
    case QUEUE_ENABLE:
        return q->is_enabled ? 1 : 0;
    case QUEUE_NOTIFY:
        return v->queue_select;
    case QUEUE_DESCRIPTORS:
        return q->descriptors;
    case QUEUE_DRIVER:
        return q->driver;
    default:
        return q->device;
    }
}

/* The register that begins there. */
static uint64_t virtio_pci_read_common(struct virtio_pci *v, unsigned at)
{
    switch (at) {
    case DEVICE_FEATURE_SELECT:
        return v->feature_select;
    case DEVICE_FEATURE:
        return virtio_pci_half(FEATURES_OF_ALL | v->ops->features, v->feature_select);
    case DRIVER_FEATURE_SELECT:
        return v->driver_feature_select;
    case DRIVER_FEATURE:
        return virtio_pci_half(v->features, v->driver_feature_select);
    case CONFIG_VECTOR:
        return v->config_vector;
    case QUEUE_COUNT:
        return v->ops->queues;
    case STATUS:
        return v->status;
    case GENERATION:
        return 0; /* what a device says of itself does not change */
    case QUEUE_SELECT:
        return v->queue_select;
    default:
        return virtio_pci_read_queue(v, at);
    }
}

static void virtio_pci_enable_queue(struct virtio_pci *v, struct virtio_queue *q)
{
    q->has_indirect = virtio_pci_has(v, FEATURE_INDIRECT);
    q->has_event = virtio_pci_has(v, FEATURE_EVENT);
    if (!virtio_queue_enable(q)) {
        virtio_pci_break(v, q->broken);
    }
}

/* Of a queue that is enabled nothing changes until the next reset. */
static void virtio_pci_write_queue(struct virtio_pci *v, unsigned at, uint64_t value)
{
    struct virtio_queue *q = virtio_pci_queue(v);

    if (q == NULL || q->is_enabled || v->is_resetting) {
        return;
    }
    switch (at) {
    case QUEUE_SIZE:
        q->size = (uint16_t)value;
        break;
    case QUEUE_ENABLE:
        if (value == 1) {
            virtio_pci_enable_queue(v, q);
        }
        break;
    case QUEUE_DESCRIPTORS:
        q->descriptors = value;
        break;
    case QUEUE_DRIVER:
        q->driver = value;
        break;
    case QUEUE_DEVICE:
        q->device = value;
        break;
    default:
        break;
    }
}

/* A vector the function does not have reads back as none (4.1.5.1.2.1). */
static uint16_t virtio_pci_vector(const struct virtio_pci *v, uint64_t value)
{
    return value < v->msix.count ? (uint16_t)value : NO_VECTOR;
}

static void virtio_pci_write_common(struct virtio_pci *v, unsigned at, uint64_t value)
{
    unsigned shift = 32 * (v->driver_feature_select & 1);

    switch (at) {
    case DEVICE_FEATURE_SELECT:
        v->feature_select = (uint32_t)value;
        break;
    case DRIVER_FEATURE_SELECT:
        v->driver_feature_select = (uint32_t)value;
        break;
    case DRIVER_FEATURE:
        if (v->driver_feature_select < 2 && (v->status & STATUS_FEATURES_OK) == 0) {
            v->features &= ~(0xffffffffull << shift);
            v->features |= (value & 0xffffffff) << shift;
        }
        break;
    case CONFIG_VECTOR:
        v->config_vector = virtio_pci_vector(v, value);
        break;
    case STATUS:
        virtio_pci_write_status(v, (uint8_t)value);
        break;
    case QUEUE_SELECT:
        v->queue_select = (uint16_t)value;
        break;
    case QUEUE_VECTOR:
        if (virtio_pci_queue(v) != NULL) {
            v->vectors[v->queue_select] = virtio_pci_vector(v, value);
        }
        break;
    default:
        virtio_pci_write_queue(v, at, value);
        break;
    }
}

/* How large the register is that begins there; 0: none does. */
static unsigned virtio_pci_size_at(uint64_t at)
{
    static const uint8_t sizes[COMMON_SIZE] = {
        [DEVICE_FEATURE_SELECT] = 4,
        [DEVICE_FEATURE] = 4,
        [DRIVER_FEATURE_SELECT] = 4,
        [DRIVER_FEATURE] = 4,
        [CONFIG_VECTOR] = 2,
        [QUEUE_COUNT] = 2,
        [STATUS] = 1,
        [GENERATION] = 1,
        [QUEUE_SELECT] = 2,
        [QUEUE_SIZE] = 2,
        [QUEUE_VECTOR] = 2,
        [QUEUE_ENABLE] = 2,
        [QUEUE_NOTIFY] = 2,
        [QUEUE_DESCRIPTORS] = 8,
        [QUEUE_DRIVER] = 8,
        [QUEUE_DEVICE] = 8,
    };

    return at < COMMON_SIZE ? sizes[at] : 0;
}

/* Registers of 8 bytes are reached in halves, too (4.1.3.1). */
static uint64_t virtio_pci_common_in(struct virtio_pci *v, uint64_t at, unsigned size)
{
    if (size == 4 && at % 4 == 0 && virtio_pci_size_at(at & ~7ull) == 8) {
        return virtio_pci_read_common(v, (unsigned)(at & ~7ull)) >> (8 * (at & 4)) & 0xffffffff;
    }
    return virtio_pci_size_at(at) == size ? virtio_pci_read_common(v, (unsigned)at) : 0;
}

static void virtio_pci_common_out(struct virtio_pci *v, uint64_t at, unsigned size, uint64_t value)
{
    uint64_t whole = at & ~7ull;

    if (size == 4 && at % 4 == 0 && virtio_pci_size_at(whole) == 8) {
        unsigned shift = 8 * (at & 4);
        uint64_t other = virtio_pci_read_common(v, (unsigned)whole) & ~(0xffffffffull << shift);

        virtio_pci_write_common(v, (unsigned)whole, other | (value & 0xffffffff) << shift);
    } else if (virtio_pci_size_at(at) == size) {
        virtio_pci_write_common(v, (unsigned)at, value);
    }
}

/* --- the BAR --- */

static uint64_t virtio_pci_read_isr(struct virtio_pci *v)
{
    uint8_t isr = v->isr;

    v->isr = 0;
    pci_function_interrupt(&v->function, false);
    return isr;
}

static uint64_t virtio_pci_read_device(struct virtio_pci *v, uint64_t at, unsigned size)
{
    uint64_t value = 0;

    if (at + size <= v->ops->config_size) {
        memcpy(&value, (const uint8_t *)v->ops->config(v->device) + at, size);
    }
    return value;
}

static uint64_t virtio_pci_read(void *device, uint64_t offset, unsigned size)
{
    struct virtio_pci *v = device;
    uint64_t at = offset % PAGE;

    switch (offset / PAGE) {
    case PAGE_COMMON:
        return virtio_pci_common_in(v, at, size);
    case PAGE_ISR:
        return at == 0 ? virtio_pci_read_isr(v) : 0;
    case PAGE_DEVICE:
        return virtio_pci_read_device(v, at, size);
    default:
        return 0;
    }
}

static void virtio_pci_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_pci *v = device;
    uint64_t at = offset % PAGE;

    if (offset / PAGE == PAGE_COMMON) {
        virtio_pci_common_out(v, at, size, value);
    } else if (offset / PAGE == PAGE_NOTIFY && at / NOTIFY_MULTIPLIER < v->ops->queues) {
        v->ops->notify(v->device, (unsigned)(at / NOTIFY_MULTIPLIER));
    }
}

static void virtio_pci_config_written(void *device, unsigned offset, unsigned size)
{
    struct virtio_pci *v = device;

    (void)offset;
    (void)size;
    msix_written(&v->msix);
}

/* Where each structure is (4.1.4). There is room for them, in a function that has nothing else. */
static void virtio_pci_add_capabilities(struct virtio_pci *v)
{
    struct pci_function *f = &v->function;

    for (unsigned page = 0; page < PAGES; page++) {
        unsigned size = CAPABILITY_SIZE + (page == PAGE_NOTIFY ? 4 : 0);
        unsigned at = pci_function_add_capability(f, CAPABILITY_ID, size);

        f->config[at + 2] = (uint8_t)size;
        f->config[at + CAPABILITY_TYPE] = (uint8_t)(page + 1);
        f->config[at + CAPABILITY_BAR] = BAR_REGISTERS;
        pci_set32(f, at + CAPABILITY_OFFSET, page * PAGE);
        pci_set32(f, at + CAPABILITY_LENGTH, PAGE);
        if (page == PAGE_NOTIFY) {
            pci_set32(f, at + CAPABILITY_SIZE, NOTIFY_MULTIPLIER);
        }
    }
}

void virtio_pci_init(struct virtio_pci *v, const struct virtio_pci_ops *ops, void *device,
                     const struct virtio_pci_machine *machine)
{
    memset(v, 0, sizeof(*v));
    v->ops = ops;
    v->device = device;
    v->broken = machine->broken;
    v->context = machine->context;
    pci_function_init(&v->function, VENDOR, (uint16_t)(DEVICE_FIRST + ops->id), ops->class, VENDOR,
                      (uint16_t)(DEVICE_FIRST + ops->id));
    v->function.config[REVISION_AT] = REVISION;
    pci_function_set_bar(&v->function, BAR_REGISTERS, false, PAGES * PAGE, virtio_pci_read,
                         virtio_pci_write, v);
    virtio_pci_add_capabilities(v);
    if (machine->send != NULL) {
        (void)msix_init(&v->msix, &v->function, BAR_MESSAGES, ops->queues + 1, machine->send,
                        machine->context);
    }
    v->function.written = virtio_pci_config_written;
    v->function.device = v;
    virtio_pci_clear(v, machine->memory);
}
