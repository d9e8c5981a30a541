; acpi.asm - the root pointer of ACPI is found, its sum is right; the timer goes on.
%include "case.inc"

main:   mov esi, 0xe0000
find:   cmp dword [esi], 'RSD '
        jne next
        cmp dword [esi + 4], 'PTR '
        je found
next:   add esi, 16
        cmp esi, 0x100000
        jb find
found:  cmp esi, 0x100000
        CHECK b
        xor eax, eax
        mov ecx, 36
sum:    add al, [esi]
        inc esi
        loop sum
        test al, al
        CHECK z
        mov dx, 0x608
        in eax, dx
        mov ebx, eax
        in eax, dx
        cmp eax, ebx
        CHECK a
        PASS
