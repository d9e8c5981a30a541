; apic.asm - the local APIC by memory: its registers, an interrupt to itself, an NMI to itself.
%include "case.inc"

main:   call apic_init
        mov eax, [APIC + 0x20]
        test eax, eax
        CHECK z
        mov eax, [APIC + 0x30]
        and eax, 0xff
        cmp eax, 0x14
        CHECK e
        mov dword [APIC + 0x300], 0x44055       ; to itself, vector 0x55
        sti
        nop
        nop
        cli
        cmp dword [last], 0x55
        CHECK e
        mov dword [APIC + 0x80], 0xf0           ; nothing below class 15
        mov dword [last], 0
        mov dword [APIC + 0x300], 0x44056
        sti
        nop
        nop
        cli
        cmp dword [last], 0
        CHECK e
        mov dword [APIC + 0x80], 0
        sti
        nop
        nop
        cli
        cmp dword [last], 0x56
        CHECK e
        mov dword [handler], nothing
        mov dword [APIC + 0x310], 0
        mov dword [APIC + 0x300], 0x4400        ; NMI to processor 0
        nop
        nop
        cmp dword [last], 2
        CHECK e
        PASS
