/* vm_impl.h - the parts of vm. */
#ifndef VM_IMPL_H
#define VM_IMPL_H

#include <mach/port.h>

/* vm run: the words behind it, the last one NULL. Returns: the exit status. */
int run_machine(char **words);
/* Be the terminal of a machine until it ends or Ctrl-] is typed. Returns: the exit status: 0 when
 * it was left, or how the machine ended. */
int console_join(mach_port_t machine);
/* The service's port; fails with a sentence when there is none. */
mach_port_t master_port(void);

#endif
