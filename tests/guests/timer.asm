; timer.asm - the 8254 interrupts by the 8259: periods in HLT, one timeout, none while it is masked.
%include "case.inc"

%macro TIMER 2
        mov al, %1
        out 0x43, al
        mov al, (%2) & 0xff
        out 0x40, al
        mov al, (%2) >> 8
        out 0x40, al
%endmacro
main:   mov bl, 0xfe
        call pic_init
        TIMER 0x34, 11932
        sti
again:  hlt
        cmp dword [count], 5
        jb again
        cli
        cmp dword [last], 0x20
        CHECK e
        TIMER 0x30, 5966
        mov dword [count], 0
        sti
        hlt
        cli
        cmp dword [count], 1
        CHECK e
        mov al, 0xff
        out 0x21, al
        TIMER 0x34, 1193
        mov dword [count], 0
        sti
        mov ecx, 20
wait_for: in al, 0x61           ; refresh of memory: some time
        loop wait_for
        cli
        cmp dword [count], 0
        CHECK e
        PASS
