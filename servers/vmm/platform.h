/* platform.h - all devices of a machine, and how they are joined: a PC as far as guests need one.
 * It knows no kernel: it runs as well in a test. */
#ifndef VMM_PLATFORM_H
#define VMM_PLATFORM_H

#include "bus.h"
#include "clock.h"
#include "cmos.h"
#include "fw_cfg.h"
#include "hpet.h"
#include "hypercall.h"
#include "ioapic.h"
#include "keyboard.h"
#include "memory.h"
#include "pci.h"
#include "pic.h"
#include "pit.h"
#include "power.h"
#include "serial.h"
#include "tty.h"
#include "virtio_console.h"
#include "virtio_rng.h"

/* What the machine around it does. Called with its lock held. */
struct platform_ops {
    power_function *power;                     /* it is off, or has been reset, or ends */
    void (*written)(void *context);            /* the guest has written to its serial line */
    line_function *interrupt;                  /* the interrupt input of the first processor */
    virtio_pci_broken_function *broken;        /* the guest broke a rule: the machine ends */
    void (*random)(void *data, uint32_t size); /* fill it with random bytes, 64 at most */
    msix_send_function *send;    /* a message to local APICs; NULL: the machine has none */
    void (*wake)(void *context); /* a disk has a request by a hypercall */
    uint64_t (*time_of_day)(void *context); /* nanoseconds since 1970 */
    /* Pages of its memory are to be given back: HYPERCALL_BALLOON_GIVE. */
    uint64_t (*give)(void *context, uint64_t page, uint64_t count);
};

struct platform {
    const struct platform_ops *ops;
    void *context;
    struct memory *memory;
    struct clock *clock;
    struct bus ports;
    struct bus registers; /* guest physical addresses that are no memory */
    struct pic pic;
    bool has_apic; /* then there are the next two */
    struct ioapic ioapic;
    struct hpet hpet;
    struct pit pit;
    struct cmos cmos;
    struct keyboard keyboard;
    struct serial serial;
    struct tty tty;
    struct hypercall hypercall;
    struct hypercall_ops hypercall_ops;
    struct power power;
    struct fw_cfg fw_cfg;
    struct pci pci;
    struct virtio_pci_machine virtio; /* what virtio devices are made for */
    struct virtio_rng rng;
    struct virtio_console console;
    bool is_virtio;     /* the guest wrote last to `console`: what is typed goes there */
    unsigned next_slot; /* of PCI */
};

struct platform_options {
    struct memory *memory; /* which the machine has by the time the guest runs */
    uint64_t memory_size;
    unsigned vcpu_count;
    struct clock *clock;
    int64_t date_s; /* seconds since 1970 */
    const struct platform_ops *ops;
    void *context;
};

/* False: devices want the same addresses, which is a mistake in here. */
bool platform_init(struct platform *platform, const struct platform_options *options);
/* Put a PCI function into the next slot, before the guest runs. False: there is no place for it. */
bool platform_insert(struct platform *platform, struct pci_function *function);
/* Somebody types. Returns: how many bytes there was room for. */
size_t platform_type(struct platform *platform, const void *data, size_t size);
/* After the guest has read from a port: what was typed and waits may come in, to where the guest
 * has written last: its serial line, its virtio console, or by hypercalls. */
void platform_settle(struct platform *platform);

#endif
