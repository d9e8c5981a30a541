; smp.asm - three more processors are started, and each says so; one is interrupted and answers.
%include "case.inc"

PLACE   equ 0x8000
main:   call apic_init
        mov esi, begin
        mov edi, PLACE
        mov ecx, begin_end - begin
        cld
        rep movsb
        mov dword [APIC + 0x300], 0xc4500       ; INIT to all others
        mov dword [APIC + 0x300], 0xc4608       ; start at 0x8000
        mov ecx, 10000000
all:    cmp dword [started], 3
        je are
        pause
        loop all
are:    cmp dword [started], 3
        CHECK e
        mov dword [APIC + 0x310], 2 << 24
        mov dword [APIC + 0x300], 0x4059        ; vector 0x59 to processor 2
        sti
        hlt
        cli
        cmp dword [last], 0x5a                  ; its answer
        CHECK e
        PASS

bits 16
begin:  cli
        lgdt [cs:begin_gdt - begin]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword CODE:other
begin_gdt:
        dw 39
        dd gdt
begin_end:
bits 32
other:  mov ax, DATA
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov eax, [APIC + 0x20]
        shr eax, 24
        shl eax, 12
        lea esp, [eax + 0x400000]
        lidt [idt_register]
        mov dword [APIC + 0xf0], 0x1ff
        lock inc dword [started]
rest:   sti
        hlt
        cmp dword [last], 0x59
        jne rest
        mov dword [APIC + 0x310], 0
        mov dword [APIC + 0x300], 0x405a        ; to the first
        jmp rest
started: dd 0
