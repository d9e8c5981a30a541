/* machine.h - one virtual machine: its memory and devices, its processors' threads, and its life.
 *
 * One lock, machine->lock, for all devices and everything marked [L]; it is not held while a guest
 * runs, nor while anybody but the kernel is waited for. Threads: one a processor (vcpu.c), one for
 * timers (machine.c), one for disks (disk.c), one for messages (service.c). */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <mach/hv.h>
#include <mach/mach.h>
#include <pthread.h>
#include <stdbool.h>

#include "load.h"
#include "platform.h"
#include "store.h"

#define MACHINE_VCPUS_MAX    16u
#define MACHINE_DISKS_MAX    4u
#define MACHINE_SENTENCE_MAX 160u

struct machine;

/* Keys: [L] machine->lock, [T] the processor's thread alone, [I] does not change once it runs. */
struct vcpu {
    struct machine *machine;           /* [I] */
    unsigned number;                   /* [I] */
    hv_vcpu_t port;                    /* [I] */
    volatile struct hv_record *record; /* [T] */
    uint32_t request;                  /* [T] of the record, for the next time */
    bool is_inside;                    /* [L] in hv_vcpu_run, or about to be */
    bool has_interrupt;                /* [L] a controller has one for it */
    uint64_t exits[HV_EXIT_COUNT];     /* [L] by reason */
    uint64_t kernel_exits;             /* [L] all, those the kernel dealt with included */
};

struct machine {
    pthread_mutex_t lock;
    pthread_cond_t changed;   /* is_paused or is_ended */
    pthread_cond_t timers;    /* a timer is due sooner, or is_ended */
    const char *name;         /* [I] */
    hv_machine_t port;        /* [I] */
    struct memory memory;     /* [I] */
    uint64_t memory_size;     /* [I] */
    struct clock clock;       /* [L] */
    struct platform platform; /* [L] */
    struct vcpu *current;     /* [L] whose instruction is being done */
    struct vcpu vcpus[MACHINE_VCPUS_MAX];
    unsigned vcpu_count;                        /* [I] */
    unsigned running;                           /* [L] threads that use the guest's memory */
    struct virtio_blk disks[MACHINE_DISKS_MAX]; /* [L] */
    unsigned disk_count;                        /* [I] */
    pthread_cond_t requests;                    /* a disk may have one, or is_ended */
    uint64_t started_ns;                        /* [I] */
    bool is_paused;                             /* [L] */
    bool is_ended;                              /* [L] */
    int status;                                 /* [L] how it ended */
    struct clock_timer flush; /* [L] output has been written, and is to be sent soon */
    void (*output)(struct machine *machine); /* [I] called then, and when it has ended */
};

struct machine_options {
    uint64_t memory_size; /* whole pages */
    unsigned vcpu_count;
    mach_port_t hv; /* the hypervisor port */
};

/* Nanoseconds since the host was started. */
uint64_t machine_now(void);
/* What can end, and say why: the rest comes later. */
void machine_init(struct machine *machine, const char *name,
                  void (*output)(struct machine *machine));
/* Memory, devices and processors, which do not run. Returns: NULL, or why not. */
const char *machine_create(struct machine *machine, const struct machine_options *options);
/* Give the guest these whole pages, which are the caller's and are not changed any more, as a ROM
 * that ends at 4 GiB. Returns: NULL, or why not. */
const char *machine_insert_rom(struct machine *machine, const void *data, uint64_t size);
/* Have the processors begin, the first as `start` says. Returns: NULL, or why not. */
const char *machine_run(struct machine *machine, const struct load_start *start);
/* It has ended, or must: processors leave the guest and do not come back, the guest's memory goes.
 * The first to say so says why. Locks: machine->lock held. */
void machine_end(struct machine *machine, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Have the guest stand still or go on. False: it has ended. Locks: none. */
bool machine_set_paused(struct machine *machine, bool is_paused);

/* A thread that uses the guest's memory, and tells by machine_leave() when it does so no more.
 * False: there is no memory for it. */
bool machine_thread(struct machine *machine, void *(*function)(void *), void *argument,
                    size_t stack);
/* Locks: machine->lock held. */
void machine_leave(struct machine *machine);

/* --- vcpu.c --- */

/* Returns: NULL, or why not. */
const char *vcpu_create(struct vcpu *vcpu, struct machine *machine, unsigned number);
/* Its state, before it runs. */
const char *vcpu_set_start(struct vcpu *vcpu, const struct load_start *start);
const char *vcpu_run(struct vcpu *vcpu);
/* Have it leave the guest and look around. Locks: machine->lock held. */
void vcpu_kick(struct vcpu *vcpu);

/* --- exit.c --- */

/* Deal with why the guest was left. Locks: machine->lock held; the processor's own thread. */
void exit_handle(struct vcpu *vcpu);
/* The name of a reason, for people. */
const char *exit_name(unsigned reason);

#endif
