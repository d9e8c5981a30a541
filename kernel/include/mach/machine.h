/* machine.h - processor type codes that host_info and processor_info report. */
#ifndef MACH_MACHINE_H
#define MACH_MACHINE_H

#include <mach/vm_types.h>

typedef integer_t cpu_type_t;
typedef integer_t cpu_subtype_t;

#define CPU_TYPE_ANY        ((cpu_type_t)-1)
#define CPU_TYPE_I386       ((cpu_type_t)7)
#define CPU_TYPE_PENTIUM    ((cpu_type_t)20)
#define CPU_TYPE_PENTIUMPRO ((cpu_type_t)21)
#define CPU_TYPE_X86_64     ((cpu_type_t)26)

#define CPU_SUBTYPE_AT386 ((cpu_subtype_t)1)

#endif
