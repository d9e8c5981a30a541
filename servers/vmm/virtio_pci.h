/* virtio_pci.h - a virtio device as a PCI function (VIRTIO 1.2, 2.1 to 2.4 and 4.1; no legacy
 * interface).
 *
 * A device is a struct with a struct virtio_pci in it. Everything is called with the machine's lock
 * held. */
#ifndef VMM_VIRTIO_PCI_H
#define VMM_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "msix.h"
#include "pci.h"
#include "virtio_queue.h"

#define VIRTIO_PCI_QUEUES_MAX 2u

#define VIRTIO_ID_BLOCK   2u
#define VIRTIO_ID_CONSOLE 3u
#define VIRTIO_ID_ENTROPY 4u

/* What a kind of device is, and does. */
struct virtio_pci_ops {
    uint16_t id;       /* VIRTIO_ID_* */
    uint32_t class;    /* base class, subclass, interface */
    unsigned queues;   /* up to VIRTIO_PCI_QUEUES_MAX */
    uint64_t features; /* of the device's own, besides those of all */
    /* The driver has put something into a queue. */
    void (*notify)(void *device, unsigned queue);
    /* Forget all requests. False: some are still being worked on; the device calls
     * virtio_pci_reset_done() when it is through. */
    bool (*reset)(void *device);
    unsigned config_size;                /* of the device's own registers, */
    const void *(*config)(void *device); /*   which only say something */
};

/* The queue of a guest broke a rule: what becomes of the machine is its monitor's to say. */
typedef void virtio_pci_broken_function(void *context, const char *sentence);

struct virtio_pci {
    struct pci_function function;
    struct msix msix;
    const struct virtio_pci_ops *ops;
    void *device;
    virtio_pci_broken_function *broken;
    void *context;
    struct virtio_queue queues[VIRTIO_PCI_QUEUES_MAX];
    uint16_t vectors[VIRTIO_PCI_QUEUES_MAX];
    uint16_t config_vector;
    uint16_t queue_select;
    uint32_t feature_select;
    uint32_t driver_feature_select;
    uint64_t features; /* the driver's choice */
    uint8_t status;
    uint8_t isr;
    bool is_resetting; /* waits for the device */
};

/* The machine a device is for. */
struct virtio_pci_machine {
    const struct memory *memory;
    msix_send_function *send; /* messages of MSI-X; NULL: it has no local APICs */
    virtio_pci_broken_function *broken;
    void *context; /* for both */
};

/* A device after a reset. It is inserted by pci_insert(&v->function). */
void virtio_pci_init(struct virtio_pci *v, const struct virtio_pci_ops *ops, void *device,
                     const struct virtio_pci_machine *machine);
/* The next request of a queue, if the driver is ready. False: there is none. */
bool virtio_pci_pop(struct virtio_pci *v, unsigned queue, struct virtio_chain *chain);
/* A request is done, with so many bytes written; the driver is told if it wants to know. */
void virtio_pci_push(struct virtio_pci *v, unsigned queue, uint16_t head, uint32_t written);
/* A request is one that no driver may make. */
void virtio_pci_break(struct virtio_pci *v, const char *sentence);
/* The device has stopped working on requests, as ops->reset asked. */
void virtio_pci_reset_done(struct virtio_pci *v);
static inline bool virtio_pci_has(const struct virtio_pci *v, uint64_t feature)
{
    return (v->features & feature) != 0;
}

#endif
