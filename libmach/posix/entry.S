/* entry.S - where an emulated system call arrives: rax the number, arguments in registers, rcx
 * the return address. The caller's stack is left alone, red zone and all: its thread's block has
 * one for this. Everything but rax, rcx and r11 comes back as it was; the C code has no vector
 * registers. */
#include "../core/thread_block.h"

    .text
    .globl posix_entry
    .type posix_entry, @function
posix_entry:
    movq %rsp, %gs:THREAD_BLOCK_USER_STACK
    movq %gs:THREAD_BLOCK_HANDLER_STACK, %rsp
    pushq %gs:THREAD_BLOCK_USER_STACK
    pushfq
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %rbp
    pushq %rbx
    pushq %rcx
    pushq %r9
    pushq %r8
    pushq %r10
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rax
    cld
    movq %rsp, %rdi
    call posix_dispatch
    addq $8, %rsp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %r10
    popq %r8
    popq %r9
    popq %rcx
    addq $48, %rsp              /* C kept rbx, rbp, r12 to r15 */
    popfq
    popq %rsp
    jmp *%rcx
    .size posix_entry, . - posix_entry
    .section .note.GNU-stack, "", @progbits
