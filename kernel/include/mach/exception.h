/* exception.h - kinds of exceptions, and the codes x86 gives with them. */
#ifndef MACH_EXCEPTION_H
#define MACH_EXCEPTION_H

#define EXC_BAD_ACCESS      1 /* code: KERN_*, subcode: the address */
#define EXC_BAD_INSTRUCTION 2 /* code: EXC_I386_* */
#define EXC_ARITHMETIC      3 /* code: EXC_I386_* */
#define EXC_EMULATION       4
#define EXC_SOFTWARE        5
#define EXC_BREAKPOINT      6 /* code: EXC_I386_SGL, EXC_I386_BPT */

#define EXC_I386_INVOP 1

#define EXC_I386_DIV       1
#define EXC_I386_INTO      2
#define EXC_I386_NOEXT     3
#define EXC_I386_EXTOVR    4
#define EXC_I386_EXTERR    5
#define EXC_I386_EMERR     6
#define EXC_I386_BOUND     7
#define EXC_I386_SSEEXTERR 8

#define EXC_I386_SGL 1
#define EXC_I386_BPT 2

#define EXC_I386_INVTSSFLT 10
#define EXC_I386_SEGNPFLT  11
#define EXC_I386_STKFLT    12
#define EXC_I386_GPFLT     13
#define EXC_I386_ALIGNFLT  17

#endif
