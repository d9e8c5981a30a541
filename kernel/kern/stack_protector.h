/* stack_protector.h - gcc's stack protector. */
#ifndef KERN_STACK_PROTECTOR_H
#define KERN_STACK_PROTECTOR_H

#include <stdint.h>

extern uintptr_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);

/* Choose the guard word. Called by a function that never returns, before interrupts are on. */
void stack_protector_init(uint64_t entropy);

#endif
