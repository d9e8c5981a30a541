; sector.asm - the first sector of a disk: real mode, where it is loaded is where it was assembled for.
bits 16
org 0x7c00
        mov si, text
        mov dx, 0x3f8
next:   mov al, [cs:si]
        inc si
        test al, al
        jz end
        out dx, al
        jmp next
end:    xor eax, eax
        out 0xf4, eax
text:   db "a sector in real mode", 10, 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
