/* pcb.h - the machine state of a thread. Traps from user mode save straight into it, not on a
 * stack.
 *
 * `regs` ends with what the hardware pushes: TSS.rsp0 points behind it. The offsets are known to
 * entry.asm (checked in thread_machine.c). */
#ifndef ARCH_PCB_H
#define ARCH_PCB_H

#include <stdbool.h>
#include <stdint.h>

/* General registers as entry.asm lays them out, in the thread for user mode and on the kernel stack
 * for the kernel itself. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8; /* 0 .. 56 */
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;    /* 64 .. 112 */
    uint64_t vector;                               /* 120 */
    uint64_t error;                                /* 128 */
    uint64_t rip, cs, rflags, rsp, ss;             /* 136 .. 168 */
};

#define TRAP_FRAME_SIZE 176

struct fpu_area;

struct pcb {
    struct trap_frame regs; /* 0 user registers */
    uint64_t
        kernel_rsp; /* 176 stack pointer while switched out with something on its kernel stack */
    uint64_t kernel_stack; /* 184 lowest address of the stack it was left on; 0 when it has none,
                              and while it runs */
    uint64_t fs_base;      /* 192 */
    uint64_t gs_base;      /* 200 */
    struct fpu_area *fpu;  /* 208 saved FPU/SSE/AVX state while not running */
    bool return_by_iret;   /* 216 user registers were set from outside, or the trap was not a system
                              call */
    bool fpu_fresh; /* 217 [a] while not running: of the area at fpu only the control words (FCW,
                       MXCSR) hold, everything else is initial */
    uint8_t unused[6];
} __attribute__((aligned(16)));

#endif
