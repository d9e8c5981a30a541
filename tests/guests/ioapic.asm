; ioapic.asm - the I/O APIC delivers the 8254's interrupts, once for each edge.
%include "case.inc"

main:   call apic_init
        mov dword [IOAPIC], 1
        mov eax, [IOAPIC + 0x10]
        shr eax, 16
        cmp al, 23
        CHECK e
        mov dword [IOAPIC], 0x10 + 2 * 2 + 1
        mov dword [IOAPIC + 0x10], 0
        mov dword [IOAPIC], 0x10 + 2 * 2
        mov dword [IOAPIC + 0x10], 0x70
        mov al, 0x34
        out 0x43, al
        mov al, 0x9c
        out 0x40, al
        mov al, 0x2e
        out 0x40, al
        sti
again:  hlt
        cmp dword [count], 3
        jb again
        cli
        cmp dword [last], 0x70
        CHECK e
        PASS
