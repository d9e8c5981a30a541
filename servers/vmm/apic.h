/* apic.h - the registers of local APICs in the guest's memory. The APICs are the kernel's; an
 * access that was decoded here is passed on for the processor it is of. */
#ifndef VMM_APIC_H
#define VMM_APIC_H

#include "machine.h"

/* Put them on the machine's bus. False: another device is there. */
bool apic_init(struct machine *machine);

#endif
