/* disk.h - the disks of a machine, and the thread that does what is asked of them, by virtio or by
 * hypercalls: one request after the other, without the machine's lock. */
#ifndef VMM_DISK_H
#define VMM_DISK_H

#include "machine.h"

/* Make the machine's disks known to the guest: the n-th is the store's. Before it runs. Returns:
 * NULL, or why not. */
const char *disk_insert(struct machine *machine, struct store *store);
/* There may be a request: context is the machine. Locks: the machine's held. */
void disk_wake(void *context);
/* Is one being done? Locks: the machine's held. */
bool disk_is_busy(const struct machine *machine);
/* Start the thread, if there are disks. Returns: NULL, or why not. */
const char *disk_run(struct machine *machine);

#endif
