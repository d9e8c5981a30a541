; exceptions.asm - exceptions come to the guest's handlers, with their error codes.
%include "case.inc"

main:   FAULTS ud2
        cmp dword [last], 6
        CHECK e
        xor ecx, ecx
        FAULTS div ecx
        cmp dword [last], 0
        CHECK e
        mov ax, 0x48
        FAULTS mov fs, ax
        cmp dword [last], 13
        CHECK e
        cmp dword [error], 0x48
        CHECK e
        FAULTS int3
        cmp dword [last], 3
        CHECK e
        FAULTS int 0x80
        cmp dword [last], 0x80
        CHECK e
        PASS
