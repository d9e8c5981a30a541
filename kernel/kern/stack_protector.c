/* stack_protector.c - the word gcc's stack protector compares, and what happens when it was
 * overwritten. */
#include <stdint.h>

#include "kern/assert.h"
#include "kern/stack_protector.h"

uintptr_t __stack_chk_guard =
    0x5bd1e995c0ffee00ul; /* replaced at start-up; the zero byte stops strings */

void stack_protector_init(uint64_t entropy)
{
    __stack_chk_guard = (entropy * 0x9e3779b97f4a7c15ul) & ~0xfful;
}

void __stack_chk_fail(void)
{
    panic("kernel stack smashed, found on return to %p", __builtin_return_address(0));
}
