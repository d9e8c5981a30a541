/* hypervisor.h - the monitor this kernel is a guest of, when it is one of Portolan's and the word
 * `paravirtual` is on the command line: then console, calibration of the clock and power-off are
 * calls to it (mach/hypercall.h), and drivers may make calls, too (hardware.defs). */
#ifndef ARCH_HYPERVISOR_H
#define ARCH_HYPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

/* Look for it. Once, after boot_info_init(). From then on messages go out by calls. */
void hypervisor_init(void);
/* Is it there, and to be used? */
bool hypervisor_is_used(void);
/* Call it. Returns: what it answers, HYPERCALL_UNKNOWN when it is not there. Sleeps: no, but the
 * processor may be taken away meanwhile. */
uint64_t hypervisor_call(uint64_t number, uint64_t first, uint64_t second, uint64_t third);

#endif
