; hello.asm - a kernel with a Multiboot header, which the linker makes an ELF file of: it prints its command line and turns the
; power off.
%include "guest.inc"

section .multiboot
align 4
        dd 0x1badb002, 0, -0x1badb002

section .text
global start
start:
        cmp eax, 0x2badb002
        jne .wrong
        mov esi, hello
        call print
        mov esi, [ebx + 16]     ; the command line
        call print
        mov esi, newline
        call print
        mov dx, POWER_CONTROL
        mov ax, POWER_OFF
        out dx, ax
.wrong: mov eax, 1
        out EXIT, eax

section .data
hello:  db "Hello from a guest: ", 0
newline: db 10, 0
