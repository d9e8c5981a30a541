/* service.h - what others ask of a machine: vm_machine.defs, and io.defs for its serial line. */
#ifndef VMM_SERVICE_H
#define VMM_SERVICE_H

#include "machine.h"

/* The port of vm_machine.defs, whose receive right is the task's. Returns: NULL, or why not. */
const char *service_init(struct machine *machine, mach_port_t control);
/* Answer a reader that waits, if there is something to read. Locks: machine->lock held. */
void service_output(struct machine *machine);
/* Serve for ever; ends the task when the machine has ended and nobody has its console. */
_Noreturn void service_loop(void);

#endif
