/* usercopy.h - the only way the kernel reads or writes user memory.
 *
 * Each call checks that the whole range lies in the user half, opens SMAP for the copy alone, and
 * turns a fault nobody can satisfy into an error. Sleeps: yes, in a page fault; never called with a
 * spin lock held. Returns: KERN_SUCCESS or KERN_INVALID_ADDRESS; after an error part may be copied.
 */
#ifndef ARCH_USERCOPY_H
#define ARCH_USERCOPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/kern_return.h>

#include "arch/layout.h"

/* An address in a task, not to be dereferenced by the kernel. */
typedef uint64_t user_addr_t;

static inline bool user_range_is_valid(user_addr_t address, size_t size)
{
    return size <= VM_MAX_ADDRESS && address <= VM_MAX_ADDRESS - size;
}

kern_return_t copyin(user_addr_t source, void *destination, size_t size);
kern_return_t copyout(const void *source, user_addr_t destination, size_t size);
/* Copy a string of less than `max` bytes and its terminating zero; *length is its length.
 * KERN_INVALID_ARGUMENT when it is longer. */
kern_return_t copyin_string(user_addr_t source, char *destination, size_t max, size_t *length);

#endif
