; spin.asm - never leaves the processor by itself.
bits 32
spin:   jmp spin
