; triple.asm - a fault with no table of handlers.
bits 32
        ud2
