/* crt1.S - the first instructions of a program: prepare the library, then libc. */
    .text
    .globl _start
    .type _start, @function
_start:
    xorl %ebp, %ebp
    movq %rsp, %rdi
    andq $-16, %rsp
    call libmach_start          /* returns a stack block that libc understands */
    movq (%rax), %rsi           /* argc */
    leaq 8(%rax), %rdx          /* argv */
    movl $main, %edi
    xorl %ecx, %ecx
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    call __libc_start_main
    hlt
    .size _start, . - _start
    .section .note.GNU-stack, "", @progbits
