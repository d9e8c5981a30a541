; keyboardreset.asm - the keyboard controller resets the machine.
%include "case.inc"

main:   mov al, 0xfe
        out 0x64, al
        mov eax, 1
        jmp end
