; cpuid.asm - CPUID tells of a hypervisor and its name, and of no hypervisor for the guest.
%include "case.inc"

main:   mov eax, 1
        cpuid
        test ecx, 1 << 31
        CHECK nz
        test ecx, 1 << 5
        CHECK z
        test edx, 1 << 9
        CHECK nz
        mov eax, 0x40000000
        cpuid
        cmp ebx, 0x74726f50
        CHECK e
        cmp ecx, 0x6e616c6f
        CHECK e
        mov eax, 0x80000001
        cpuid
        test ecx, 4
        CHECK z
        PASS
