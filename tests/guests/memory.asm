; memory.asm - all of the machine's memory is there, and ends where it ends.
%include "case.inc"

main:   mov eax, [memory_kib]
        cmp eax, 64 * 1024
        CHECK e
        shl eax, 10
        mov dword [eax - 4], 0x5a5a5a5a
        cmp dword [eax - 4], 0x5a5a5a5a
        CHECK e
        mov dword [eax], 0x5a5a5a5a
        cmp dword [eax], -1
        CHECK e
        cmp word [eax - 2], 0x5a5a
        CHECK e
        PASS
