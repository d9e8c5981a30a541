/* mig_kernel.h - the kernel's own tables, on the host. */
#ifndef SHIM_KERN_MIG_KERNEL_H
#define SHIM_KERN_MIG_KERNEL_H

#include "../../../../../kernel/kern/mig_kernel.h"

#endif
