; echo.asm - sends back what comes in on the serial line, in brackets; q ends it. ! says that it is ready.
bits 32
        mov dx, 0x3f8
        mov al, '!'
        out dx, al
        mov dx, 0x3fd
again:   in al, dx
        test al, 1
        jz again
        mov dx, 0x3f8
        in al, dx
        cmp al, 'q'
        je end
        mov ah, al
        mov al, '['
        out dx, al
        mov al, ah
        out dx, al
        mov al, ']'
        out dx, al
        mov dx, 0x3fd
        jmp again
end:    mov eax, 7
        out 0xf4, eax
