; stray.asm - jumps to where no memory is.
bits 32
        mov eax, 0xd0000000
        jmp eax
