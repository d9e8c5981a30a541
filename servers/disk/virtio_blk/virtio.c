/* virtio.c - a virtio function over PCI, without what came before 1.0. */
#include "virtio.h"

#include <mach/vm_param.h>
#include <portolan/portolan.h>
#include <stddef.h>

#define PCI_CAPABILITIES      0x34
#define PCI_STATUS            0x06
#define PCI_STATUS_LIST       0x10
#define CAPABILITY_VENDOR     0x09
#define CAPABILITIES_MAX      48u
#define CAPABILITY_TYPE       3
#define CAPABILITY_BAR        4
#define CAPABILITY_OFFSET     8
#define CAPABILITY_SIZE       12
#define CAPABILITY_MULTIPLIER 16

#define CAPABILITY_MSIX 0x11
#define TYPE_COMMON     1
#define TYPE_NOTIFY     2
#define TYPE_ISR        3
#define TYPE_DEVICE     4
#define BARS            6

/* struct virtio_pci_common_cfg */
#define COMMON_DEVICE_SELECT 0
#define COMMON_DEVICE        4
#define COMMON_DRIVER_SELECT 8
#define COMMON_DRIVER        12
#define COMMON_MSIX          16
#define COMMON_QUEUES        18
#define COMMON_STATUS        20
#define COMMON_GENERATION    21
#define COMMON_QUEUE         22
#define COMMON_QUEUE_SIZE    24
#define COMMON_QUEUE_VECTOR  26
#define COMMON_QUEUE_ENABLE  28
#define COMMON_QUEUE_NOTIFY  30
#define COMMON_QUEUE_DESC    32
#define COMMON_QUEUE_AVAIL   40
#define COMMON_QUEUE_USED    48
#define COMMON_BYTES         56

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER      2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_READY       15 /* all of them, and nothing else */
#define NO_VECTOR          0xffff
#define RESET_TRIES        1000

static vm_address_t virtio_bars[BARS];
static vm_size_t virtio_bar_sizes[BARS];

static uint32_t virtio_pci(unsigned offset, int size)
{
    int value = 0;

    if (driver_config_read(driver.port, (int)offset, size, &value) != KERN_SUCCESS) {
        driver_fail("its configuration cannot be read");
    }
    return (uint32_t)value;
}

/* The memory a capability names; NULL when it is not in a BAR. */
static volatile uint8_t *virtio_region(unsigned capability, uint32_t *size)
{
    uint32_t bar = virtio_pci(capability + CAPABILITY_BAR, 1);
    uint32_t offset = virtio_pci(capability + CAPABILITY_OFFSET, 4);

    *size = virtio_pci(capability + CAPABILITY_SIZE, 4);
    if (bar >= BARS) {
        return NULL;
    }
    if (virtio_bars[bar] == 0 &&
        driver_map(driver.port, (int)bar, HARDWARE_CACHE_NONE, &virtio_bars[bar],
                   &virtio_bar_sizes[bar]) != KERN_SUCCESS) {
        virtio_bars[bar] = 0;
        return NULL;
    }
    if (offset % 4 != 0 || offset > virtio_bar_sizes[bar] ||
        *size > virtio_bar_sizes[bar] - offset) {
        return NULL;
    }
    return (volatile uint8_t *)(virtio_bars[bar] + offset);
}

/* Take a capability's region for what its type says, the first of each. */
static void virtio_capability(struct virtio *virtio, unsigned at)
{
    uint32_t type = virtio_pci(at + CAPABILITY_TYPE, 1);
    volatile uint8_t *region;
    uint32_t size;

    if (type < TYPE_COMMON || type > TYPE_DEVICE) {
        return;
    }
    region = virtio_region(at, &size);
    if (region == NULL) {
        return;
    }
    if (type == TYPE_COMMON && virtio->common == NULL && size >= COMMON_BYTES) {
        virtio->common = region;
    } else if (type == TYPE_NOTIFY && virtio->notify == NULL) {
        virtio->notify = region;
        virtio->notify_size = size;
        virtio->notify_multiplier = virtio_pci(at + CAPABILITY_MULTIPLIER, 4);
    } else if (type == TYPE_ISR && virtio->isr == NULL && size != 0) {
        virtio->isr = region;
    } else if (type == TYPE_DEVICE && virtio->device == NULL) {
        virtio->device = region;
        virtio->device_size = size;
    }
}

static void virtio_find(struct virtio *virtio)
{
    unsigned at = virtio_pci(PCI_CAPABILITIES, 1) & ~3u;

    if ((virtio_pci(PCI_STATUS, 2) & PCI_STATUS_LIST) == 0) {
        at = 0;
    }
    for (unsigned n = 0; n < CAPABILITIES_MAX && at >= 0x40; n++) {
        uint32_t id = virtio_pci(at, 1);

        if (id == CAPABILITY_VENDOR) {
            virtio_capability(virtio, at);
        }
        virtio->has_messages |= id == CAPABILITY_MSIX;
        at = virtio_pci(at + 1, 1) & ~3u;
    }
    if (virtio->common == NULL || virtio->notify == NULL || virtio->device == NULL ||
        (virtio->isr == NULL && !virtio->has_messages)) {
        driver_fail("no virtio 1 device");
    }
}

static void put8(struct virtio *virtio, unsigned offset, uint8_t value)
{
    virtio->common[offset] = value;
}

static void put16(struct virtio *virtio, unsigned offset, uint16_t value)
{
    *(volatile uint16_t *)(virtio->common + offset) = value;
}

static void put32(struct virtio *virtio, unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(virtio->common + offset) = value;
}

static void put64(struct virtio *virtio, unsigned offset, uint64_t value)
{
    put32(virtio, offset, (uint32_t)value);
    put32(virtio, offset + 4, (uint32_t)(value >> 32));
}

static uint16_t get16(const struct virtio *virtio, unsigned offset)
{
    return *(volatile uint16_t *)(virtio->common + offset);
}

static uint32_t get32(const struct virtio *virtio, unsigned offset)
{
    return *(volatile uint32_t *)(virtio->common + offset);
}

void virtio_reset(struct virtio *virtio)
{
    put8(virtio, COMMON_STATUS, 0);
    for (unsigned i = 0; virtio->common[COMMON_STATUS] != 0; i++) {
        if (i == RESET_TRIES) {
            driver_fail("the device does not reset");
        }
        thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1);
    }
}

static void virtio_agree(struct virtio *virtio, uint64_t wanted)
{
    uint64_t offered;

    put32(virtio, COMMON_DEVICE_SELECT, 0);
    offered = get32(virtio, COMMON_DEVICE);
    put32(virtio, COMMON_DEVICE_SELECT, 1);
    offered |= (uint64_t)get32(virtio, COMMON_DEVICE) << 32;
    if ((offered & VIRTIO_F_VERSION_1) == 0) {
        driver_fail("the device is older than virtio 1");
    }
    if (driver.is_translated && (offered & VIRTIO_F_ACCESS_PLATFORM) == 0) {
        driver_fail("the device goes past the IOMMU; QEMU: iommu_platform=on");
    }
    virtio->features = offered & (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM);
    put32(virtio, COMMON_DRIVER_SELECT, 0);
    put32(virtio, COMMON_DRIVER, (uint32_t)virtio->features);
    put32(virtio, COMMON_DRIVER_SELECT, 1);
    put32(virtio, COMMON_DRIVER, (uint32_t)(virtio->features >> 32));
    put8(virtio, COMMON_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    if ((virtio->common[COMMON_STATUS] & STATUS_FEATURES_OK) == 0) {
        driver_fail("the device does not agree on features");
    }
}

void virtio_begin(struct virtio *virtio, uint64_t wanted)
{
    virtio_find(virtio);
    virtio_reset(virtio);
    put8(virtio, COMMON_STATUS, STATUS_ACKNOWLEDGE);
    put8(virtio, COMMON_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    virtio_agree(virtio, wanted);
    put16(virtio, COMMON_MSIX, NO_VECTOR);
}

/* Where the queue's number is written to tell the device. */
static volatile uint16_t *virtio_doorbell(const struct virtio *virtio)
{
    uint64_t offset = (uint64_t)get16(virtio, COMMON_QUEUE_NOTIFY) * virtio->notify_multiplier;

    if (offset % 2 != 0 || offset + 2 > virtio->notify_size) {
        driver_fail("the doorbell is not in the device");
    }
    return (volatile uint16_t *)(virtio->notify + offset);
}

static uint16_t virtio_queue_size(struct virtio *virtio, uint16_t number, uint16_t size)
{
    uint16_t largest;

    if (number >= get16(virtio, COMMON_QUEUES)) {
        driver_fail("no queue %u", number);
    }
    put16(virtio, COMMON_QUEUE, number);
    largest = get16(virtio, COMMON_QUEUE_SIZE);
    if (largest == 0 || (largest & (largest - 1)) != 0) {
        driver_fail("queue %u of size %u", number, largest);
    }
    return largest < size ? largest : size;
}

void virtio_queue(struct virtio *virtio, struct virtq *queue, uint16_t number, uint16_t size,
                  uint16_t vector)
{
    vm_address_t memory;
    int64_t phys;
    uint64_t avail, used;

    size = virtio_queue_size(virtio, number, size);
    avail = size * sizeof(struct virtq_desc);
    used = mach_round_page(avail + 6 + 2ul * size);
    if (driver_dma_allocate(driver.port, used + 6 + 8ul * size, 0, &memory, &phys) !=
        KERN_SUCCESS) {
        driver_fail("no memory for its queue");
    }
    *queue = (struct virtq){
        .size = size,
        .desc = (volatile struct virtq_desc *)memory,
        .avail = (volatile uint16_t *)(memory + avail),
        .used = (volatile uint8_t *)(memory + used),
        .doorbell = virtio_doorbell(virtio),
        .number = number,
    };
    put16(virtio, COMMON_QUEUE_SIZE, size);
    vector = virtio->has_messages ? vector : NO_VECTOR;
    put16(virtio, COMMON_QUEUE_VECTOR, vector);
    if (get16(virtio, COMMON_QUEUE_VECTOR) != vector) {
        driver_fail("no interrupt for queue %u", number);
    }
    put64(virtio, COMMON_QUEUE_DESC, (uint64_t)phys);
    put64(virtio, COMMON_QUEUE_AVAIL, (uint64_t)phys + avail);
    put64(virtio, COMMON_QUEUE_USED, (uint64_t)phys + used);
    put16(virtio, COMMON_QUEUE_ENABLE, 1);
}

void virtio_ready(struct virtio *virtio)
{
    put8(virtio, COMMON_STATUS, STATUS_READY);
}

void virtio_acknowledge(const struct virtio *virtio)
{
    if (!virtio->has_messages) {
        (void)*virtio->isr; /* reading is what does it */
    }
}

bool virtio_is_ready(const struct virtio *virtio)
{
    return virtio->common[COMMON_STATUS] == STATUS_READY;
}

uint8_t virtio_config8(const struct virtio *virtio, uint32_t offset)
{
    return offset < virtio->device_size ? virtio->device[offset] : 0;
}

uint32_t virtio_config32(const struct virtio *virtio, uint32_t offset)
{
    return offset + 4 <= virtio->device_size ? *(volatile uint32_t *)(virtio->device + offset) : 0;
}

/* Twice the same generation: both halves are of one number. */
uint64_t virtio_config64(const struct virtio *virtio, uint32_t offset)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < RESET_TRIES; i++) {
        uint8_t generation = virtio->common[COMMON_GENERATION];

        value = virtio_config32(virtio, offset) | (uint64_t)virtio_config32(virtio, offset + 4)
                                                      << 32;
        if (virtio->common[COMMON_GENERATION] == generation) {
            break;
        }
    }
    return value;
}

void virtq_offer(struct virtq *queue, uint16_t head)
{
    queue->avail[2 + queue->avail_index % queue->size] = head;
    queue->avail_index++;
}

void virtq_tell(struct virtq *queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    queue->avail[1] = queue->avail_index;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *queue->doorbell = queue->number;
}

bool virtq_take(struct virtq *queue, uint32_t *head)
{
    volatile uint32_t *ring = (volatile uint32_t *)(queue->used + 4);

    if (*(volatile uint16_t *)(queue->used + 2) == queue->used_index) {
        return false;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    *head = ring[queue->used_index % queue->size * 2u];
    queue->used_index++;
    return true;
}
