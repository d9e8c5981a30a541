; entry.asm - from GRUB (multiboot2, 32-bit protected mode, paging off) to kernel_main in long mode in the higher half.
;
; Builds boot page tables that map the first 4 GiB at 0, at the direct map and (1 GiB) at the kernel image, all with 2 MiB pages; the kernel replaces them
; with exact ones. Application processors come through ap_trampoline.asm and use the same tables for a moment.

KERNEL_OFFSET   equ 0xffffffff80000000
MB2_MAGIC       equ 0xe85250d6
MB2_BOOT_MAGIC  equ 0x36d76289

section .multiboot progbits alloc noexec nowrite align=8
align 8
mb2_header:
    dd MB2_MAGIC, 0, mb2_header_end - mb2_header
    dd 0x100000000 - (MB2_MAGIC + 0 + (mb2_header_end - mb2_header))
    ; framebuffer wanted, optional: 1024x768x32
    dw 5, 1
    dd 20, 1024, 768, 32
    align 8
    ; load modules on page boundaries
    dw 6, 0
    dd 8
    ; end
    dw 0, 0
    dd 8
mb2_header_end:

section .boot.text progbits alloc exec nowrite align=16
bits 32
global boot_entry
boot_entry:
    cli
    cld
    mov esp, boot_stack_top
    mov edi, eax                    ; magic, multiboot information: arguments of kernel_main
    mov esi, ebx
    cmp eax, MB2_BOOT_MAGIC
    mov ebx, message_multiboot
    jne boot_fail

    ; long mode and no-execute are needed
    mov eax, 0x80000000
    push edi
    push esi
    cpuid
    pop esi
    pop edi
    cmp eax, 0x80000001
    mov ebx, message_long_mode
    jb boot_fail
    push edi
    push esi
    mov eax, 0x80000001
    cpuid
    pop esi
    pop edi
    mov ebx, message_long_mode
    test edx, 1 << 29
    jz boot_fail
    mov ebx, message_nx
    test edx, 1 << 20
    jz boot_fail

    ; page directories: 4 x 512 entries of 2 MiB
    mov ecx, 0
.fill_pd:
    mov eax, ecx
    shl eax, 21
    or eax, 0x83                    ; present, writable, large
    mov [boot_pd + ecx * 8], eax
    mov dword [boot_pd + ecx * 8 + 4], 0
    inc ecx
    cmp ecx, 2048
    jne .fill_pd
    mov ecx, 0
.fill_pdpt:
    mov eax, ecx
    shl eax, 12
    add eax, boot_pd + 3
    mov [boot_pdpt_low + ecx * 8], eax
    inc ecx
    cmp ecx, 4
    jne .fill_pdpt
    mov dword [boot_pdpt_high + 510 * 8], boot_pd + 3
    mov dword [boot_pml4 + 0 * 8], boot_pdpt_low + 3
    mov dword [boot_pml4 + 256 * 8], boot_pdpt_low + 3
    mov dword [boot_pml4 + 511 * 8], boot_pdpt_high + 3

    mov eax, cr4
    or eax, 1 << 5                  ; PAE
    mov cr4, eax
    mov eax, boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080             ; EFER: long mode, no-execute
    rdmsr
    or eax, (1 << 8) | (1 << 11)
    wrmsr
    mov eax, cr0
    or eax, (1 << 31) | (1 << 16) | 1 ; paging, write protect, protected mode
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    jmp 8:boot_long_mode

; ebx: the sentence to print on the serial line and the screen before stopping
boot_fail:
    mov edi, 0xb8000
.next:
    mov cl, [ebx]
    test cl, cl
    jz .stop
    mov ch, 0x4f
    mov [edi], cx
    add edi, 2
    mov dx, 0x3f8 + 5
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    mov al, cl
    mov dx, 0x3f8
    out dx, al
    inc ebx
    jmp .next
.stop:
    hlt
    jmp .stop

bits 64
extern kernel_main
boot_long_mode:
    mov ax, 0
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov rsp, boot_stack_top + KERNEL_OFFSET
    xor ebp, ebp
    mov rax, boot_high
    jmp rax

section .boot.data progbits alloc noexec write align=16
boot_gdt:
    dq 0, 0x00af9a000000ffff, 0x00cf92000000ffff
boot_gdt_pointer:
    dw 23
    dd boot_gdt, 0
message_multiboot: db "Portolan: not started by a multiboot2 loader; boot it with GRUB's multiboot2 command.", 13, 10, 0
message_long_mode: db "Portolan: this processor has no 64-bit mode (long mode), which the kernel needs.", 13, 10, 0
message_nx:        db "Portolan: this processor has no no-execute pages (NX), which the kernel needs.", 13, 10, 0

section .boot.bss nobits alloc noexec write align=4096
global boot_pml4
boot_pml4:      resb 4096
boot_pdpt_low:  resb 4096
boot_pdpt_high: resb 4096
boot_pd:        resb 4 * 4096
boot_stack:     resb 16384
global boot_stack_top
boot_stack_top:

section .text
bits 64
boot_high:
    call kernel_main
    hlt
