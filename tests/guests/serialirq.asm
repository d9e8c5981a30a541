; serialirq.asm - the serial port interrupts on line 4 when it has sent, and says why.
%include "case.inc"

main:   mov bl, 0xef
        call pic_init
        mov dx, SERIAL + 4
        mov al, 0x08
        out dx, al
        mov dx, SERIAL + 1
        mov al, 2
        out dx, al
        sti
        nop
        nop
        cli
        cmp dword [last], 0x24
        CHECK e
        mov dx, SERIAL + 2
        in al, dx
        and al, 0x0f
        cmp al, 2
        CHECK e
        in al, dx
        and al, 0x0f
        cmp al, 1
        CHECK e
        PASS
