/* mig_kernel.h - the tables that tools/mig generates for interfaces the kernel serves. */
#ifndef KERN_MIG_KERNEL_H
#define KERN_MIG_KERNEL_H

#include <stdint.h>

struct ipc_kmsg;

struct mig_kernel_routine {
    /* Check the request, call the routine, fill the reply in. NULL where the interface skips the
     * id. */
    void (*stub)(struct ipc_kmsg *request, struct ipc_kmsg *reply);
    const char *name;
    uint32_t reply_size;  /* largest reply in bytes; 0 for one-way routines */
    uint32_t reply_slots; /* rights and out-of-line regions a reply can hold */
};

struct mig_kernel_subsystem {
    const char *name;
    int32_t base; /* id of routines[0] */
    uint32_t count;
    const struct mig_kernel_routine *routines;
};

#endif
