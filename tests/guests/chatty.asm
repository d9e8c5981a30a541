; chatty.asm - leaves the guest again and again, for a port that nobody has: its monitor works as much as it does.
bits 32
chatty: out 0x80, al
        jmp chatty
