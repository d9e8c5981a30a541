/* virtio_driver.h - a guest's driver of a virtio device, as small as one can be: for tests. */
#ifndef VIRTIO_DRIVER_H
#define VIRTIO_DRIVER_H

#include "virtio_pci.h"
#include "vmm_test.h"

#define DRIVER_RAM     0x40000u
#define DRIVER_SLOT    4u
#define DRIVER_SIZE    16u /* of queues */
#define DRIVER_VERSION (1ull << 32)

/* Common configuration. */
#define AT_DEVICE_SELECT 0x00u
#define AT_DEVICE        0x04u
#define AT_DRIVER_SELECT 0x08u
#define AT_DRIVER        0x0cu
#define AT_COUNT         0x12u
#define AT_STATUS        0x14u
#define AT_QUEUE         0x16u
#define AT_SIZE          0x18u
#define AT_VECTOR        0x1au
#define AT_ENABLE        0x1cu
#define AT_DESCRIPTORS   0x20u
#define AT_RING          0x28u
#define AT_USED          0x30u
#define PAGE_OF_NOTICES  0x1000u
#define PAGE_OF_ISR      0x2000u
#define PAGE_OF_DEVICE   0x3000u

#define WRITE    2u
#define NEXT     1u
#define INDIRECT 4u

struct descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags, next;
};

struct driver {
    uint8_t ram[DRIVER_RAM] __attribute__((aligned(4096)));
    struct memory memory;
    struct bus ports, bus;
    struct pci pci;
    struct test_line lines[PCI_LINES];
    struct virtio_pci_machine machine;
    uint64_t base; /* of the registers */
    const char *broken;
    unsigned messages;
    uint64_t message_address;
    uint32_t message_data;
    uint16_t available[2]; /* of each queue: what has been put in */
};

static struct driver driver;

static inline void driver_broken(void *context, const char *sentence)
{
    ((struct driver *)context)->broken = sentence;
}

static inline void driver_message(void *context, uint64_t address, uint32_t data)
{
    struct driver *d = context;

    d->messages += 1;
    d->message_address = address;
    d->message_data = data;
}

/* The machine, with nothing in it. */
static inline void driver_prepare(void)
{
    memset(&driver, 0, sizeof(driver));
    memory_init(&driver.memory, driver.ram, sizeof(driver.ram));
    bus_init(&driver.ports);
    bus_init(&driver.bus);
    if (!pci_init(&driver.pci, &driver.ports, &driver.bus)) {
        abort();
    }
    for (unsigned n = 0; n < PCI_LINES; n++) {
        test_line_init(&driver.lines[n]);
        driver.pci.lines[n] = driver.lines[n].line;
        driver.pci.lines[n].target = &driver.lines[n];
    }
    driver.machine =
        (struct virtio_pci_machine){&driver.memory, driver_message, driver_broken, &driver};
}

static inline uint32_t driver_config(unsigned offset)
{
    bus_write(&driver.ports, 0xcf8, 4, 0x80000000u | DRIVER_SLOT << 11 | (offset & 0xfc));
    return (uint32_t)bus_read(&driver.ports, 0xcfc, 4);
}

static inline void driver_set_config(unsigned offset, unsigned size, uint32_t value)
{
    bus_write(&driver.ports, 0xcf8, 4, 0x80000000u | DRIVER_SLOT << 11 | (offset & 0xfc));
    bus_write(&driver.ports, 0xcfc + (offset & 3), size, value);
}

/* Put a device in, and let it be bus master. */
static inline void driver_insert(struct virtio_pci *v)
{
    if (!pci_insert(&driver.pci, DRIVER_SLOT, &v->function)) {
        abort();
    }
    driver_set_config(4, 2, 0x0006);
    driver.base = driver_config(0x10) & ~15u;
}

static inline uint64_t driver_in(uint64_t offset, unsigned size)
{
    return bus_read(&driver.bus, driver.base + offset, size);
}

static inline void driver_out(uint64_t offset, unsigned size, uint64_t value)
{
    bus_write(&driver.bus, driver.base + offset, size, value);
}

/* Where a queue's parts are in memory. */
static inline uint32_t driver_descriptors(unsigned queue)
{
    return 0x1000 + 0x4000 * queue;
}

static inline uint32_t driver_ring(unsigned queue)
{
    return 0x2000 + 0x4000 * queue;
}

static inline uint32_t driver_used(unsigned queue)
{
    return 0x3000 + 0x4000 * queue;
}

/* The way of 3.1.1 up to DRIVER_OK. */
static inline void driver_start(unsigned queues, uint64_t features)
{
    features |= DRIVER_VERSION;
    driver_out(AT_STATUS, 1, 0);
    driver_out(AT_STATUS, 1, 3);
    for (unsigned half = 0; half < 2; half++) {
        driver_out(AT_DRIVER_SELECT, 4, half);
        driver_out(AT_DRIVER, 4, features >> (32 * half) & 0xffffffff);
    }
    driver_out(AT_STATUS, 1, 11);
    for (unsigned q = 0; q < queues; q++) {
        driver_out(AT_QUEUE, 2, q);
        driver_out(AT_SIZE, 2, DRIVER_SIZE);
        driver_out(AT_DESCRIPTORS, 4, driver_descriptors(q));
        driver_out(AT_DESCRIPTORS + 4, 4, 0);
        driver_out(AT_RING, 8, driver_ring(q));
        driver_out(AT_USED, 8, driver_used(q));
        driver_out(AT_ENABLE, 2, 1);
    }
    driver_out(AT_STATUS, 1, 15);
}

static inline void driver_describe(unsigned queue, unsigned n, uint64_t address, uint32_t size,
                                   uint16_t flags, uint16_t next)
{
    struct descriptor d = {address, size, flags, next};

    memcpy(driver.ram + driver_descriptors(queue) + 16 * n, &d, sizeof(d));
}

/* Put a chain into a queue, without telling. */
static inline void driver_put(unsigned queue, uint16_t head)
{
    uint16_t *ring = (uint16_t *)(void *)(driver.ram + driver_ring(queue));

    ring[2 + driver.available[queue] % DRIVER_SIZE] = head;
    driver.available[queue] += 1;
    ring[1] = driver.available[queue];
}

static inline void driver_tell(unsigned queue)
{
    driver_out(PAGE_OF_NOTICES + 4 * queue, 2, queue);
}

static inline uint16_t driver_used_index(unsigned queue)
{
    return *(uint16_t *)(void *)(driver.ram + driver_used(queue) + 2);
}

/* The n-th that came back: its head, and how many bytes were written. */
static inline uint32_t driver_used_head(unsigned queue, unsigned n)
{
    return *(uint32_t *)(void *)(driver.ram + driver_used(queue) + 4 + 8 * n);
}

static inline uint32_t driver_used_size(unsigned queue, unsigned n)
{
    return *(uint32_t *)(void *)(driver.ram + driver_used(queue) + 8 + 8 * n);
}

#endif
