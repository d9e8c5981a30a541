/* vm_types.h - the name under which machine-dependent integer types are also found. */
#ifndef MACH_MACHINE_VM_TYPES_H
#define MACH_MACHINE_VM_TYPES_H

#include <mach/vm_types.h>

#endif
