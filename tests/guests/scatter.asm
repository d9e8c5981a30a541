; scatter.asm - reads and writes anywhere from 3 GiB on, in all widths, 5000 times: registers of devices, and where nothing is.
%include "case.inc"

main:   mov ebp, 5000
        mov ebx, 0x13579bdf
again:  imul ebx, ebx, 1664525
        add ebx, 1013904223
        mov esi, ebx
        or esi, 0xc0000000
        test ebx, 0x1000        ; every second time where devices are
        jz anywhere
        and esi, 0x00301fff
        or esi, 0xfec00000
anywhere:
        cmp esi, 0xfffffff0
        ja next
        imul ebx, ebx, 1664525
        add ebx, 1013904223
        test ebx, 0x5000
        jz reading
        mov [esi], bl
        mov [esi], bx
        mov [esi], ebx
        jmp next
reading:
        mov al, [esi]
        mov ax, [esi]
        mov eax, [esi]
next:   dec ebp
        jnz again
        PASS
