; date.asm - the clock has a date that can be: digits in BCD, and it goes on.
%include "case.inc"

%macro CMOS 1
        mov al, %1
        out 0x70, al
        in al, 0x71
%endmacro
main:   CMOS 0x32
        cmp al, 0x20
        CHECK e
        CMOS 8
        cmp al, 0x12
        CHECK be
        cmp al, 0
        CHECK ne
        CMOS 7
        cmp al, 0x31
        CHECK be
        CMOS 0
        mov bl, al
        mov ecx, 2000000
again:  CMOS 0
        cmp al, bl
        jne on
        loop again
on:     cmp al, bl
        CHECK ne
        PASS
