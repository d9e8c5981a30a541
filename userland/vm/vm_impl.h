/* vm_impl.h - the parts of vm. */
#ifndef VM_IMPL_H
#define VM_IMPL_H

#include <mach/kern_return.h>
#include <mach/port.h>
#include <stdbool.h>

/* vm run: the words behind it, the last one NULL. Returns: the exit status. */
int run_machine(char **words);
/* Be the terminal of a machine until it ends or Ctrl-] is typed. Returns: the exit status: 0 when
 * it was left, or how the machine ended. */
int console_join(mach_port_t machine);
/* What opens that device, which is there, and no other. One that is to be written must not be
 * mounted: that fails with a sentence. Returns: KERN_SUCCESS, those of device_open and
 * device_master_narrow. */
kern_return_t device_open_only(const char *name, bool is_written, mach_port_t *opener);
/* The service's port; fails with a sentence when there is none. */
mach_port_t master_port(void);

#endif
