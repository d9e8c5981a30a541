; msrnoise.asm - reads and writes MSRs with any number and value, 10000 times, whatever faults.
%include "case.inc"

main:   mov ebp, 10000
        mov ebx, 0x2468ace1
again:  imul ebx, ebx, 1664525
        add ebx, 1013904223
        mov ecx, ebx
        shr ecx, 8
        and ecx, 0x1fff
        test ebx, 0x80
        jz low_range
        or ecx, 0xc0000000
        test ebx, 0x40
        jz low_range
        or ecx, 0x10000
low_range:
        cmp ecx, 0xc0000080     ; EFER decides about the mode
        je next
        cmp ecx, 0x1b           ; where the APIC is
        je next
        imul ebx, ebx, 1664525
        add ebx, 1013904223
        mov eax, ebx
        mov edx, ebx
        sar edx, 20
        test ebx, 0x100
        jz reading
        FAULTS wrmsr
        jmp next
reading:
        FAULTS rdmsr
next:   mov dword [resume], 0
        dec ebp
        jnz again
        PASS
