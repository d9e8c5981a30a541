; fill.asm - writes two words of its own to each page of 88 MiB and reads them back, three times over; ends with how many were wrong.
bits 32
START   equ 0x400000
BEHIND  equ START + 88 * 1024 * 1024

        xor esi, esi                    ; wrong
        mov ebp, 3
pass:
        mov edx, START
write:
        mov eax, edx
        xor eax, ebp
        mov [edx], eax
        not eax
        mov [edx + 4092], eax
        add edx, 4096
        cmp edx, BEHIND
        jb write
        mov edx, START
read:
        mov eax, edx
        xor eax, ebp
        cmp eax, [edx]
        je first_good
        inc esi
first_good:
        not eax
        cmp eax, [edx + 4092]
        je second_good
        inc esi
second_good:
        add edx, 4096
        cmp edx, BEHIND
        jb read
        dec ebp
        jnz pass
        mov eax, esi
        out 0xf4, eax
