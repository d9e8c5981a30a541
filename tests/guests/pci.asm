; pci.asm - what is on the PCI bus: the bridge, random numbers by virtio; its registers are where its BAR says, also when that moves.
%include "case.inc"

%macro CONFIG 2
        mov eax, 0x80000000 | %1 << 11 | %2
        mov dx, 0xcf8
        out dx, eax
        mov dx, 0xcfc
%endmacro
main:   CONFIG 0, 0
        in eax, dx
        cmp eax, 0x12378086
        CHECK e
        CONFIG 1, 0
        in eax, dx
        cmp eax, 0x10441af4
        CHECK e
        CONFIG 31, 0
        in eax, dx
        cmp eax, -1
        CHECK e
        mov ebx, 0x10           ; the first BAR in memory
find:   CONFIG 1, 0
        mov eax, 0x80000800
        or eax, ebx
        mov dx, 0xcf8
        out dx, eax
        mov dx, 0xcfc
        in eax, dx
        and eax, ~15
        cmp eax, 0xc0000000
        jae found
        add ebx, 4
        cmp ebx, 0x28
        jb find
found:  cmp eax, 0xc0000000
        CHECK ae
        mov esi, eax
        mov edi, [esi]
        mov eax, 0xd0000000
        out dx, eax
        in eax, dx
        and eax, ~15
        cmp eax, 0xd0000000
        CHECK e
        cmp [0xd0000000], edi
        CHECK e
        cmp dword [esi], -1
        CHECK e
        PASS
