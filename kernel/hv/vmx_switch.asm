; vmx_switch.asm - into a guest and out of it (Intel SDM volume 3C, 27 and 28).
;
; vmx_switch(registers, was_entered): the guest of the VMCS that is loaded; registers is uint64_t[16] in the processor's order, of which RSP is in the
; VMCS. Returns 0 when the guest has been left, at vmx_switch_left; 1 when it was not entered. Interrupts off.

%define VMCS_HOST_RSP 0x6c14

section .text
bits 64

align 16
global vmx_switch
vmx_switch:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rdi
    mov eax, VMCS_HOST_RSP
    vmwrite rax, rsp
    test esi, esi                       ; up to the entry nothing changes the flags
    mov rax, [rdi]
    mov rcx, [rdi + 8]
    mov rdx, [rdi + 16]
    mov rbx, [rdi + 24]
    mov rbp, [rdi + 40]
    mov rsi, [rdi + 48]
    mov r8, [rdi + 64]
    mov r9, [rdi + 72]
    mov r10, [rdi + 80]
    mov r11, [rdi + 88]
    mov r12, [rdi + 96]
    mov r13, [rdi + 104]
    mov r14, [rdi + 112]
    mov r15, [rdi + 120]
    mov rdi, [rdi + 56]
    jnz .again
    vmlaunch
    jmp .refused
.again:
    vmresume
.refused:
    pop rdi
    mov eax, 1
    jmp vmx_switch_end

align 16
global vmx_switch_left
vmx_switch_left:
    xchg rdi, [rsp]                     ; registers; the guest's rdi
    mov [rdi], rax
    mov [rdi + 8], rcx
    mov [rdi + 16], rdx
    mov [rdi + 24], rbx
    mov [rdi + 40], rbp
    mov [rdi + 48], rsi
    mov [rdi + 64], r8
    mov [rdi + 72], r9
    mov [rdi + 80], r10
    mov [rdi + 88], r11
    mov [rdi + 96], r12
    mov [rdi + 104], r13
    mov [rdi + 112], r14
    mov [rdi + 120], r15
    pop qword [rdi + 56]
    xor eax, eax
vmx_switch_end:
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    xor ecx, ecx                        ; nothing of the guest's is left where a wrong guess could use it
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    ret
