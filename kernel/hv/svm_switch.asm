; svm_switch.asm - into a guest and out of it (AMD64 APM volume 2, 15.5, and volume 3, VMRUN).
;
; svm_switch(guest, registers, host): physical addresses of the guest's VMCB and of the page where this processor's FS, GS, TR, LDTR and system call
; registers are kept meanwhile; registers is uint64_t[16] in the processor's order, of which RAX and RSP are in the VMCB. Global interrupts off (CLGI):
; in between, %gs is the guest's.

section .text
bits 64

align 16
global svm_switch
svm_switch:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rdx
    push rsi
    mov rax, rdx
    vmsave
    mov rax, rdi
    mov rcx, [rsi + 8]
    mov rdx, [rsi + 16]
    mov rbx, [rsi + 24]
    mov rbp, [rsi + 40]
    mov rdi, [rsi + 56]
    mov r8, [rsi + 64]
    mov r9, [rsi + 72]
    mov r10, [rsi + 80]
    mov r11, [rsi + 88]
    mov r12, [rsi + 96]
    mov r13, [rsi + 104]
    mov r14, [rsi + 112]
    mov r15, [rsi + 120]
    mov rsi, [rsi + 48]
    vmload
    vmrun                               ; keeps and restores rax, rsp, the flags, the control registers
    vmsave
    xchg rsi, [rsp]                     ; registers; the guest's rsi
    mov [rsi + 8], rcx
    mov [rsi + 16], rdx
    mov [rsi + 24], rbx
    mov [rsi + 40], rbp
    mov [rsi + 56], rdi
    mov [rsi + 64], r8
    mov [rsi + 72], r9
    mov [rsi + 80], r10
    mov [rsi + 88], r11
    mov [rsi + 96], r12
    mov [rsi + 104], r13
    mov [rsi + 112], r14
    mov [rsi + 120], r15
    pop qword [rsi + 48]
    pop rax
    vmload
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    xor ecx, ecx                        ; nothing of the guest's is left where a wrong guess could use it
    xor edx, edx
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    ret
