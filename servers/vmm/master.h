/* master.h - the service that knows the machine by its name (vm_master.defs). When its task ends
 * the machine goes on, and tells the next one. */
#ifndef VMM_MASTER_H
#define VMM_MASTER_H

#include <mach/port.h>

/* Watch over it with a thread. name: the machine's, which stays; control: its receive right.
 * Returns: NULL, or why not. */
const char *master_watch(const char *name, mach_port_t control);

#endif
