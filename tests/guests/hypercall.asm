; hypercall.asm - calls to the monitor: what there are, a line on the console, time, and those that are refused.
%include "case.inc"

%define CALLS 0x504f5200
%macro CALL 1
        mov eax, CALLS + %1
        vmmcall
%endmacro

main:   CALL 0                  ; features
        test eax, 1             ; a console
        CHECK nz
        test eax, 32            ; power
        CHECK nz
        mov ebx, text
        mov ecx, text_end - text
        CALL 4
        cmp eax, text_end - text
        CHECK e
        mov ebx, 0xd0000000     ; no memory
        mov ecx, 4
        CALL 4
        cmp eax, -2
        CHECK e
        CALL 3                  ; the time of day: after 2001
        cmp eax, 0
        CHECK ne
        mov ebx, 0              ; no disk
        CALL 9
        cmp eax, 0
        CHECK e
        CALL 200
        cmp eax, -1
        CHECK e
        mov ebx, 0
        CALL 13
        mov eax, 99
        jmp end

text:   db "said by a hypercall", 10
text_end:
