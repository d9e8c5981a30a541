/* traps.c - the trap stubs: one tiny function for each line of MACH_TRAP_LIST. */
#include <mach/mach_traps.h>

#define TRAP_NUMBER(name, number, arguments) name##_number = number,
enum { MACH_TRAP_LIST(TRAP_NUMBER) };
_Static_assert(mach_msg_trap_number == MACH_MSG_TRAP_NUMBER, "done in place too");

/* The first six arguments are in registers as C passes them, but for the fourth, which the
 * instruction wants in r10; the others are where the caller put them. */
#define TRAP_STUB(name, number, arguments)                                                         \
    __asm__(".pushsection .text." #name ",\"ax\"\n"                                                \
            ".globl " #name "\n"                                                                   \
            ".type " #name ", @function\n" #name ":\n"                                             \
            "    movl $-" #number ", %eax\n"                                                       \
            "    movq %rcx, %r10\n"                                                                \
            "    syscall\n"                                                                        \
            "    ret\n"                                                                            \
            ".size " #name ", . - " #name "\n"                                                     \
            ".popsection\n");

MACH_TRAP_LIST(TRAP_STUB)
