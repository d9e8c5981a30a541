; registers.asm - memory that nobody claims reads as all ones and forgets what is written, whatever the instruction.
bits 32
        mov edi, 0xd0000000
        mov eax, [edi]
        cmp eax, -1
        jne wrong
        mov dword [edi], 0
        movzx eax, byte [edi + 1]
        cmp eax, 0xff
        jne wrong
        test dword [edi], 1
        jz wrong
        and dword [edi + 8], 0
        cmp word [edi + 8], -1
        jne wrong
        mov ecx, 4
        xor eax, eax
        rep stosd
        cmp edi, 0xd0000010
        jne wrong
        xchg [edi], eax
        cmp eax, -1
        jne wrong
        xor eax, eax
        out 0xf4, eax
wrong:  mov eax, 1
        out 0xf4, eax
