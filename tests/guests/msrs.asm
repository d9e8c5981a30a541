; msrs.asm - MSRs: those that are not there fault, both ways; those of the guest keep what is written.
%include "case.inc"

main:   mov ecx, 0x12345
        FAULTS rdmsr
        cmp dword [last], 13
        CHECK e
        FAULTS wrmsr
        cmp dword [last], 13
        CHECK e
        mov ecx, 0xc0000082
        mov eax, 0x89abcdef
        mov edx, 0x1234
        wrmsr
        xor eax, eax
        xor edx, edx
        rdmsr
        cmp eax, 0x89abcdef
        CHECK e
        cmp edx, 0x1234
        CHECK e
        mov ecx, 0x1b
        rdmsr
        and eax, 0xfffff900
        cmp eax, 0xfee00900
        CHECK e
        PASS
