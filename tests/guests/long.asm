; long.asm - into 64-bit mode and back to what is called from there.
%include "case.inc"

TABLES  equ 0x300000
main:   mov edi, TABLES
        mov ecx, 3 * 1024
        xor eax, eax
        rep stosd
        mov dword [TABLES], (TABLES + 0x1000) | 3
        mov dword [TABLES + 0x1000], (TABLES + 0x2000) | 3
        mov dword [TABLES + 0x2000], 0x83
        mov dword [TABLES + 0x2008], 0x200083
        mov eax, cr4
        or eax, 0x20
        mov cr4, eax
        mov eax, TABLES
        mov cr3, eax
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x100
        wrmsr
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        rdmsr
        test eax, 0x400
        CHECK nz
        jmp 0x20:inside
bits 64
inside: mov rax, 0x123456789abcdef0
        mov r8, rax
        shr r8, 32
        cmp r8d, 0x12345678
        mov eax, 0
        je good
        mov eax, 99
good:   out EXIT, eax
bits 32
