; losttables.asm - page tables where no memory is end the machine.
%include "case.inc"

main:   mov eax, 0xd0000000
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        mov eax, 1
        jmp end
