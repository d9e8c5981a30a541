; paging.asm - page faults: the address in CR2, what it was in the error code; a page that is mapped elsewhere.
%include "case.inc"

TABLE   equ 0x300000
main:   mov edi, TABLE          ; 4 MiB each
        mov eax, 0x83
        mov ecx, 1024
fill:   mov [edi], eax
        add eax, 0x400000
        add edi, 4
        loop fill
        mov dword [TABLE + 4 * 100], 0
        mov dword [TABLE + 4 * 101], 0x81       ; address 0, read-only
        mov eax, cr4
        or eax, 0x10
        mov cr4, eax
        mov eax, TABLE
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80010000
        mov cr0, eax
        FAULTS mov eax, [100 * 0x400000 + 0x123]
        cmp dword [last], 14
        CHECK e
        cmp dword [error], 0
        CHECK e
        mov eax, cr2
        cmp eax, 100 * 0x400000 + 0x123
        CHECK e
        FAULTS mov dword [101 * 0x400000 + 0x100000], 1
        cmp dword [error], 3
        CHECK e
        mov eax, [101 * 0x400000 + 0x100000]
        cmp eax, [0x100000]
        CHECK e
        mov esi, 100 * 0x400000 - 4     ; OUTS across the end of what is mapped
        mov ecx, 8
        mov dx, 0x80
        cld
        FAULTS rep outsb
        cmp dword [last], 14
        CHECK e
        cmp ecx, 4
        CHECK e
        mov eax, cr2
        cmp eax, 100 * 0x400000
        CHECK e
        PASS
