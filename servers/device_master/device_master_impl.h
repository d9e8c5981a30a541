/* device_master_impl.h - what the parts of the device master share.
 *
 * One thread serves everything, and waits for no other user task. Every port carries a payload that
 * says what it is (OBJECT_*) and which one. */
#ifndef DEVICE_MASTER_IMPL_H
#define DEVICE_MASTER_IMPL_H

#include <mach/mach.h>
#include <portolan/driver_types.h>
#include <stdbool.h>
#include <stddef.h>

#include "pci.h"

#define OBJECT_KIND   0xf0000000u
#define OBJECT_INDEX  0x0fffffffu
#define OBJECT_MASTER 0x10000000u /* the service */
#define OBJECT_DRIVER 0x20000000u /* a driver's port; index: its function */
#define OBJECT_NOTIFY 0x30000000u /* notifications of the kernel about rights */
#define OBJECT_NAME   0x40000000u /* opens one device; index: its name */

#define FUNCTIONS_MAX 128u

/* A line of the table of drivers. */
struct driver_entry {
    uint16_t vendor, device; /* 0xffff: any */
    uint32_t class, class_mask;
    const char *name;
    const char *path; /* of the program */
    bool gives_way;   /* where the monitor's disks are had by calls: these are the same ones */
};

enum function_state {
    FUNCTION_ALONE,    /* no driver is for it */
    FUNCTION_STARTING, /* its driver has not registered all its devices yet */
    FUNCTION_RUNNING,
    FUNCTION_RESETTING, /* its driver has ended; started again when due */
    FUNCTION_DOWN,      /* its driver cannot be started, or did not come up too often */
};

/* A function, and its driver. */
struct function {
    struct pci_function pci;
    const struct driver_entry *driver; /* NULL: none */
    enum function_state state;
    mach_port_t task;        /* send right, MACH_PORT_NULL: none runs */
    mach_port_t port;        /* receive right: driver.defs */
    mach_port_t control;     /* send right: asked whether it lives */
    mach_port_t dma;         /* what the driver pins memory with */
    mach_port_t old_dma;     /* of the one before, until the device is known to be reset */
    uint64_t due_ms;         /* when something is to be done about the state */
    uint64_t pinged_ms;      /* 0: it has answered */
    int64_t faults;          /* accesses to memory that its device was refused */
    bool has_strayed;        /* this driver's was */
    bool was_reset;          /* by the function's own means */
    bool is_kept;            /* paging needs it: drivers_keep */
    bool has_settled;        /* came up once, or did not: those behind it may start */
    unsigned failures;       /* starts in a row that did not come up */
    unsigned interrupts;     /* rights to them the driver was given */
    vm_address_t msix_table; /* mapped here, or 0 */
};

/* All set before the loop begins, constant after. */
struct device_master {
    mach_port_t host;     /* privileged host port */
    mach_port_t hardware; /* hardware port */
    mach_port_t set;      /* everything is received from here */
    mach_port_t notify;   /* receive right, OBJECT_NOTIFY */
    mach_port_t service;  /* receive right, OBJECT_MASTER */
    struct function functions[FUNCTIONS_MAX];
    unsigned function_count;
};

extern struct device_master device_master;

/* Milliseconds since the system started. */
uint64_t main_now_ms(void);

/* A driver that paging needs must be started again when there is no memory: from here on nothing of
 * this task is in swap, and it may use the reserve. Returns: those of vm_wire and thread_wire. */
kern_return_t main_wire(void);

/* fixed.c - devices on no bus */

#define FIXED_VENDOR 0x41d0u /* "PNP" */
#define FIXED_CLOCK  0x0b00u
#define FIXED_OWN    0x4254u /* "PRT": what the monitor has whose guest this system is */
#define FIXED_DISKS  0x0001u

/* Call found for each. The structure is the callee's to copy. */
void fixed_scan(void (*found)(const struct pci_function *f));
/* Is the function the monitor's disks? */
bool fixed_is_disks(const struct pci_function *f);
/* Are there any? They are had by calls then, and not by virtio, too. */
bool fixed_has_disks(void);
/* An interrupt of the monitor's disks. Returns: those of hardware_msi_create, KERN_FAILURE (the
 * monitor does not take it). */
kern_return_t fixed_interrupt(mach_port_t *irq);
/* They interrupt no more. */
void fixed_stop(void);

/* drivers.c - their life */

/* Look for a driver for each function. */
void drivers_find(void);
/* The function whose driver's port the request came in on; NULL when it is none. */
struct function *drivers_of_request(void);
/* A task has died. Returns: false when it is no driver. */
bool drivers_dead(mach_port_name_t name);
/* Do what is due: start, ask, end. Returns when the next thing is, in milliseconds from now. */
uint64_t drivers_tick(void);
/* The device does not use what was pinned by the right: end it, also for whom the driver may have
 * passed it on to. Sets *dma to MACH_PORT_NULL. */
void drivers_end_dma(mach_port_t *dma);
/* Paging needs the function's driver, and all that follow it: they may use reserved memory.
 * Returns: those of task_threads and thread_wire. */
kern_return_t drivers_keep(struct function *f);
/* Is one on its way up, that could register any name? */
bool drivers_are_starting(void);

/* names.c - devices */

void names_dead(mach_port_name_t name);
/* The devices of a function are gone for now; their names stay. */
void names_lost(struct function *function);
/* Something has changed: answer those who wait for a name that can be answered. */
void names_settle(void);
/* Offer a device. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_NAME_EXISTS,
 * KERN_RESOURCE_SHORTAGE. Refs: takes the right over on success. */
kern_return_t names_register(struct function *function, const char *kind, int unit,
                             const char *suffix, mach_port_t device, char *name);
/* The function whose device has that name and is there; NULL. */
struct function *names_function(const char *name);
/* Append " name" for each device of the function. Returns: the bytes used. */
size_t names_list(const struct function *function, char *text, size_t room);

#endif
