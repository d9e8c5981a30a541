; apictimer.asm - the local APIC's timer: once, again and again, by the time stamp.
%include "case.inc"

main:   call apic_init
        mov dword [APIC + 0x3e0], 0xb
        mov dword [APIC + 0x320], 0x60
        mov dword [APIC + 0x380], 2000000
        sti
        hlt
        cli
        cmp dword [last], 0x60
        CHECK e
        cmp dword [APIC + 0x390], 0
        CHECK e
        mov dword [count], 0
        mov dword [APIC + 0x320], 0x20061
        mov dword [APIC + 0x380], 2000000
        sti
again:  hlt
        cmp dword [count], 4
        jb again
        cli
        cmp dword [last], 0x61
        CHECK e
        mov dword [APIC + 0x380], 0
        mov eax, 1
        cpuid
        test ecx, 1 << 24
        jz without
        mov dword [APIC + 0x320], 0x40062
        rdtsc
        add eax, 5000000
        adc edx, 0
        mov ecx, 0x6e0
        wrmsr
        sti
        hlt
        cli
        cmp dword [last], 0x62
        CHECK e
without: PASS
