/* processor.h - processors and the one processor set they are in, as the interface shows them. */
#ifndef KERN_PROCESSOR_H
#define KERN_PROCESSOR_H

#include <stdint.h>

#include "arch/cpu.h"

struct ipc_port;

struct processor {
    uint32_t number;            /* [I] */
    struct ipc_port *port;      /* [I] */
    struct ipc_port *name_port; /* [I] */
};

struct processor_set {
    struct ipc_port *port;      /* [I] */
    struct ipc_port *name_port; /* [I] */
};

extern struct processor processor_table[CPU_MAX];
extern struct processor_set processor_set_default_set;

/* Make the ports of all processors that run. */
void processor_init(void);
/* The set never goes away: references to it are not counted. */
void pset_unref(struct processor_set *pset);

#endif
