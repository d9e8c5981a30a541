; noise.asm - writes anything to any port and reads any, in all widths, but for the port that ends the machine: 100000 times, or
; until that turns the power off.
bits 32
        mov ebp, 100000
        mov ebx, 0x12345678
next:   imul ebx, ebx, 1664525
        add ebx, 1013904223
        mov edx, ebx
        shr edx, 16
        mov eax, edx
        and eax, 0xfffc
        cmp eax, 0xf4
        je skip
        cmp eax, 0xf0           ; a wide access reaches into it
        je skip
        imul ebx, ebx, 1664525
        add ebx, 1013904223
        mov eax, ebx
        test ebx, 0x10000
        jnz read
        out dx, al
        out dx, ax
        out dx, eax
        jmp skip
read:   in al, dx
        in ax, dx
        in eax, dx
skip:   dec ebp
        jnz next
        xor eax, eax
        out 0xf4, eax
