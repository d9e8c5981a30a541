; hpet.asm - the HPET counts, and its first timer interrupts through the I/O APIC.
%include "case.inc"

main:   call apic_init
        mov eax, [HPET + 4]             ; femtoseconds
        cmp eax, 100000000
        CHECK be
        test eax, eax
        CHECK nz
        mov dword [HPET + 0x10], 1
        mov ebx, [HPET + 0xf0]
        mov eax, [HPET + 0xf0]
        cmp eax, ebx
        CHECK a
        mov dword [IOAPIC], 0x10 + 2 * 2 + 1
        mov dword [IOAPIC + 0x10], 0
        mov dword [IOAPIC], 0x10 + 2 * 2
        mov dword [IOAPIC + 0x10], 0x71
        mov dword [HPET + 0x10], 3      ; in the place of the 8254
        mov dword [HPET + 0x100], 4
        mov eax, [HPET + 0xf0]
        add eax, 20000000         ; 200 ms
        mov dword [HPET + 0x10c], 0
        mov [HPET + 0x108], eax
        sti
        hlt
        cli
        cmp dword [last], 0x71
        CHECK e
        PASS
