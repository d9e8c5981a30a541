; strings.asm - OUTS and INS, with and without REP: a line on the serial port, and eight bytes of the port's scratch register.
bits 32
org 0x100000
        mov dx, 0x3f8
        mov esi, text
        mov ecx, text_end - text
        cld
        rep outsb
        test ecx, ecx
        jnz wrong
        cmp esi, text_end
        jne wrong
        mov dx, 0x3ff
        mov al, 0x5a
        out dx, al
        mov edi, 0x200000 - 4   ; across a page
        mov ecx, 8
        rep insb
        test ecx, ecx
        jnz wrong
        cmp dword [0x200000 - 4], 0x5a5a5a5a
        jne wrong
        cmp dword [0x200000], 0x5a5a5a5a
        jne wrong
        insb
        cmp edi, 0x200000 + 5
        jne wrong
        xor eax, eax
        out 0xf4, eax
wrong:  mov eax, 1
        out 0xf4, eax
text:   db "said by a string instruction", 10
text_end:
