; ap_trampoline.asm - where an application processor starts after the startup IPI: real mode, at AP_TRAMPOLINE_PHYS.
;
; The kernel copies the code there, fills in the variables at its end (the boot page tables, the stack, the C entry), and starts one processor at a time.

AP_TRAMPOLINE_PHYS equ 0x8000
%define AT(x) (AP_TRAMPOLINE_PHYS + (x) - ap_trampoline_start)

section .rodata
global ap_trampoline_start, ap_trampoline_end
global ap_trampoline_cr3, ap_trampoline_stack, ap_trampoline_entry, ap_trampoline_argument

bits 16
align 16
ap_trampoline_start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    lgdt [AT(ap_gdt_pointer)]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    jmp dword 8:AT(ap_protected)

bits 32
ap_protected:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr4
    or eax, 1 << 5
    mov cr4, eax
    mov eax, [AT(ap_trampoline_cr3)]
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, (1 << 8) | (1 << 11)
    wrmsr
    mov eax, cr0
    or eax, (1 << 31) | (1 << 16) | 1
    mov cr0, eax
    jmp 24:AT(ap_long)

bits 64
ap_long:
    xor eax, eax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov rsp, [AT(ap_trampoline_stack)]
    mov rdi, [AT(ap_trampoline_argument)]
    mov rax, [AT(ap_trampoline_entry)]
    xor ebp, ebp
    call rax

align 8
ap_gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
ap_gdt_pointer:
    dw 31
    dd AT(ap_gdt)
align 8
ap_trampoline_cr3:      dq 0
ap_trampoline_stack:    dq 0
ap_trampoline_entry:    dq 0
ap_trampoline_argument: dq 0
ap_trampoline_end:
