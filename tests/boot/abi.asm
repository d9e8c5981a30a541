; abi.asm - a program without libmach, as other systems of this family start theirs: arguments `1 2`, the names of the privileged host port and of the
; device master port. Checks what it was given, prints with the mach_print trap, and switches the machine off with a host_reboot message.

TRAP_MACH_MSG    equ -25
TRAP_REPLY_PORT  equ -26
TRAP_TASK_SELF   equ -28
TRAP_PRINT       equ -30
TRAP_UNASSIGNED  equ -31
INVALID_ARGUMENT equ 4
ID_PORT_TYPE     equ 3201
ID_HOST_REBOOT   equ 2635
TYPE_SEND        equ 0x10000
RB_HALT          equ 8
RCV_SEND         equ 3
REQUEST_SIZE     equ 48
ROOM             equ 128

%macro trap 1
    mov eax, %1
    syscall
%endmacro

; say RESULT-OF-THE-LAST-COMPARISON: equal is `ok`
%macro verdict 1
    sete al
    lea rsi, [%%text]
    call say
    section .data
%%text: db %1, 10, 0
    section .text
%endmacro

section .text
global _start
_start:
    mov rbx, rsp                    ; the stack as it was handed over
    test rbx, 15
    verdict "the stack is aligned to 16"
    cmp qword [rbx], 3
    verdict "argc is 3"
    mov rax, [rbx + 16]
    cmp word [rax], '1'
    verdict "the first argument is 1"
    mov rax, [rbx + 24]
    cmp word [rax], '2'
    verdict "the second argument is 2"
    cmp qword [rbx + 32], 0
    verdict "a null pointer ends the arguments"

    trap TRAP_UNASSIGNED
    cmp rax, INVALID_ARGUMENT
    verdict "an unassigned trap returns KERN_INVALID_ARGUMENT"

    trap TRAP_REPLY_PORT
    mov [reply_port], eax
    trap TRAP_TASK_SELF
    mov [task], eax
    mov edi, 1
    call port_type
    verdict "name 1 is one send right"
    mov edi, 2
    call port_type
    verdict "name 2 is one send right"
    mov edi, 77
    call port_type
    setne al
    cmp al, 1
    verdict "name 77 is no right"

    lea rsi, [message_end]
    call print
    mov eax, 1                      ; the host port
    mov ecx, ID_HOST_REBOOT
    mov edx, 0x20002002             ; one integer
    mov edi, RB_HALT
    call rpc
    lea rsi, [message_still]
    call print
.stop:
    jmp .stop

; edi: a name. Equal when mach_port_type says it is a send right and nothing else.
port_type:
    mov eax, [task]
    mov ecx, ID_PORT_TYPE
    mov edx, 0x2000200f             ; one port name
    call rpc
    cmp dword [message + 40], 0     ; RetCode
    jne .done
    cmp dword [message + 56], TYPE_SEND
.done:
    ret

; eax: where to, ecx: message id, edx: type word, edi: the argument. Sends the request in `message` and receives the reply there.
rpc:
    mov dword [message], 19 | 21 << 8 ; copy send, make send-once
    mov dword [message + 4], REQUEST_SIZE
    mov [message + 8], rax
    mov eax, [reply_port]
    mov [message + 16], rax
    mov dword [message + 24], 0
    mov [message + 28], ecx
    mov [message + 32], edx
    mov dword [message + 36], 1
    mov [message + 40], rdi
    push 0                          ; seventh argument: no notification; above the return address a C stub would have
    push 0
    lea rdi, [message]
    mov esi, RCV_SEND
    mov edx, REQUEST_SIZE
    mov r10d, ROOM
    mov r8d, [reply_port]
    mov r9d, 0                      ; no timeout
    trap TRAP_MACH_MSG
    add rsp, 16
    ret

; al: 1 when it holds; rsi: the sentence
say:
    push rsi
    lea rsi, [message_ok]
    test al, al
    jnz .chosen
    lea rsi, [message_failed]
.chosen:
    call print
    pop rsi
print:
    mov rdi, rsi
    trap TRAP_PRINT
    ret

section .data
message_ok:     db "abi ok: ", 0
message_failed: db "abi FAILED: ", 0
message_end:    db "abi: end", 10, 0
message_still:  db "abi FAILED: the machine is still on", 10, 0

section .bss
alignb 8
message:    resb ROOM
reply_port: resd 1
task:       resd 1
