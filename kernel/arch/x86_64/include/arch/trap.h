/* trap.h - what entry.asm calls. */
#ifndef ARCH_TRAP_H
#define ARCH_TRAP_H

#include <stdint.h>

#include <mach/port.h>

#include "arch/pcb.h"
#include "arch/usercopy.h"

void trap_from_user(struct trap_frame *frame);
void trap_from_kernel(struct trap_frame *frame);
/* Leave for user mode after an exception, with the registers as they are now. */
_Noreturn void trap_exception_return(void);
/* NMI, double fault, machine check: on their own stacks. */
void trap_nmi(struct trap_frame *frame);
/* Before a return to user mode with cpu->ast set. Interrupts enabled. */
void trap_ast(void);
/* A system call ended by the slow way out: keep its result. */
void trap_syscall_result(uint64_t result);
/* A system call with a positive number. */
void trap_emulate(struct trap_frame *frame);
void trap_bad_number(void);
/* mach_msg, any of it: reads the seventh argument from the user's stack. Interrupts off on entry,
 * on afterwards. */
uint64_t trap_mach_msg(user_addr_t msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
                       mach_port_name_t rcv_name, uint32_t timeout);
void trap_bad_stack(void);

/* One entry of the table of traps; 16 bytes, known to entry.asm. */
struct trap_entry {
    void *function;
    uint64_t stack_arguments; /* arguments beyond the six in registers */
};

#endif
