/* usercopy.c - copying to and from user memory: the range is checked here, faults end in the fixups
 * of entry.asm. */
#include "arch/usercopy.h"

#include "kern/assert.h"
#include "kern/preempt.h"

uint64_t usercopy_bytes(void *destination, const void *source, size_t size);
int64_t usercopy_string(char *destination, const char *source, size_t max);

kern_return_t copyin(user_addr_t source, void *destination, size_t size)
{
    assert(cpu_preempt_count() == 0);
    if (!user_range_is_valid(source, size)) {
        return KERN_INVALID_ADDRESS;
    }
    return usercopy_bytes(destination, (const void *)source, size) == 0 ? KERN_SUCCESS
                                                                        : KERN_INVALID_ADDRESS;
}

kern_return_t copyout(const void *source, user_addr_t destination, size_t size)
{
    assert(cpu_preempt_count() == 0);
    if (!user_range_is_valid(destination, size)) {
        return KERN_INVALID_ADDRESS;
    }
    return usercopy_bytes((void *)destination, source, size) == 0 ? KERN_SUCCESS
                                                                  : KERN_INVALID_ADDRESS;
}

kern_return_t copyin_string(user_addr_t source, char *destination, size_t max, size_t *length)
{
    int64_t n;

    if (source >= VM_MAX_ADDRESS) {
        return KERN_INVALID_ADDRESS;
    }
    if (max > VM_MAX_ADDRESS - source) {
        max = VM_MAX_ADDRESS - source;
    }
    n = usercopy_string(destination, (const char *)source, max);
    if (n < 0) {
        return KERN_INVALID_ADDRESS;
    }
    if ((size_t)n == max) {
        return KERN_INVALID_ARGUMENT;
    }
    *length = (size_t)n;
    return KERN_SUCCESS;
}
