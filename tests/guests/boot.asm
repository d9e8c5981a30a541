; boot.asm - the first sector of a disk that firmware boots: it reads the second by the BIOS, writes what it read to the third, says so
; on the screen, which is the serial line, and turns the power off.
bits 16
org 0x7c00

%define BUFFER 0x8000

        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
        mov si, hello
        call print
        mov ax, 0x0201          ; read one sector
        mov cx, 2
        call disk
        mov si, BUFFER
        call print
        mov ax, 0x0301          ; write one
        mov cx, 3
        call disk
        mov si, written
end:    call print
        mov si, newline         ; the BIOS keeps the last character for later
        call print
        mov dx, 0x604
        mov ax, 0x3400
        out dx, ax
        hlt

; Move sectors between BUFFER and sector CL of the disk.
disk:   mov dh, 0
        mov dl, [drive]
        mov bx, BUFFER
        int 0x13
        mov si, failed
        jc end
        ret

print:  lodsb
        test al, al
        jz .done
        mov ah, 0x0e
        mov bx, 7
        int 0x10
        jmp print
.done:  ret

drive:  db 0
hello:  db "a sector that firmware has booted", 13, 10, 0
written: db "written, and off", 13, 10, 0
failed: db "the BIOS does not move a sector", 13, 10
newline: db 13, 10, 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
        db "a sector that the BIOS has read", 13, 10, 0
        times 1024 - ($ - $$) db 0x5a
