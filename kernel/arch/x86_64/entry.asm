; entry.asm - the ways into the kernel and out of it: interrupts, exceptions, system calls, and the switch between threads.
;
; From user mode the registers go into the thread (TSS.rsp0 points behind thread->pcb.regs), then the thread's kernel stack is taken. From kernel mode
; they go on the stack in use. Offsets: struct cpu (arch/cpu.h) and struct pcb (arch/pcb.h); both are checked by the compiler.

%define CPU_CURRENT     gs:0
%define CPU_STACK_TOP   gs:8
%define CPU_SCRATCH     gs:16
%define CPU_AST         gs:28

%define PCB_R15     0
%define PCB_R14     8
%define PCB_R13     16
%define PCB_R12     24
%define PCB_R11     32
%define PCB_R10     40
%define PCB_R9      48
%define PCB_R8      56
%define PCB_RDI     64
%define PCB_RSI     72
%define PCB_RBP     80
%define PCB_RBX     88
%define PCB_RDX     96
%define PCB_RCX     104
%define PCB_RAX     112
%define PCB_RIP     136
%define PCB_RFLAGS  152
%define PCB_RSP     160
%define PCB_KERNEL_RSP 176
%define PCB_GS_BASE 200
%define PCB_BY_IRET 216
%define FRAME_SIZE  176

%define TRAP_COUNT      128             ; entries of trap_table (trap_table.c)
%define TRAP_MACH_MSG   25
%define THREAD_ON_CPU   265             ; in struct thread, which begins with its pcb
%define ERROR_INVALID_ARGUMENT 4        ; KERN_INVALID_ARGUMENT
%define USER_STACK_MAX  0x7fffffffffa0  ; stack arguments above this would leave the user half

extern trap_from_user, trap_from_kernel, trap_ast, trap_emulate, trap_bad_number, trap_bad_stack
extern trap_syscall_result, trap_nmi, trap_table, ipc_fastpath_entry

; smap: the instruction is written over a 3-byte no-operation at start-up if the processor has SMAP (cpu.c)
%macro SMAP_SITE 1
%%site:
    db 0x0f, 0x1f, 0x00
section .smap_table
    dq %%site
    dq %1
section .text
%endmacro
%macro CLAC 0
    SMAP_SITE 0
%endmacro
%macro STAC 0
    SMAP_SITE 1
%endmacro

; a fault at %1 goes on at %2
%macro ON_FAULT 2
section .exception_table
    dq %1
    dq %2
section .text
%endmacro

section .smap_table progbits alloc noexec nowrite align=8
section .exception_table progbits alloc noexec nowrite align=8
section .text
bits 64

%macro PUSH_REGISTERS 0
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
%endmacro
%macro POP_REGISTERS 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
%endmacro

; --- one stub a vector: push an error code where the hardware does not, and the vector -------------------------------

%assign vector 0
%rep 256
align 16
vector_stub_%+vector:
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21 || vector = 29 || vector = 30
%else
    push 0
%endif
    push vector
%if vector = 2 || vector = 8 || vector = 18
    jmp trap_paranoid
%else
    jmp trap_common
%endif
%assign vector vector + 1
%endrep

section .rodata
align 8
global trap_vector_stubs
trap_vector_stubs:
%assign vector 0
%rep 256
    dq vector_stub_%+vector
%assign vector vector + 1
%endrep
section .text

align 16
trap_common:
    cld
    CLAC
    test byte [rsp + 24], 3             ; saved cs
    jz .kernel
    swapgs
    PUSH_REGISTERS
    mov rdi, rsp
    mov rsp, [CPU_STACK_TOP]
    xor ebp, ebp
    call trap_from_user
    jmp user_return
.kernel:
    PUSH_REGISTERS
    mov rdi, rsp
    call trap_from_kernel
    POP_REGISTERS
    add rsp, 16
    iretq

; NMI, double fault, machine check: on a stack of their own. %gs may be either one, and its value says nothing, since user mode may set any base
; (WRGSBASE): the processor's area is named at the top of the stack, and the base found is put back at the end.
align 16
trap_paranoid:
    cld
    CLAC
    PUSH_REGISTERS
    mov ecx, 0xc0000101                 ; GS base
    rdmsr
    mov ebx, eax
    mov ebp, edx
    mov rax, [rsp + FRAME_SIZE]         ; struct cpu (cpu_setup.c)
    mov rdx, rax
    shr rdx, 32
    wrmsr
    mov rdi, rsp
    call trap_nmi
    mov ecx, 0xc0000101
    mov eax, ebx
    mov edx, ebp
    wrmsr
    POP_REGISTERS
    add rsp, 16
    iretq

; --- back to user mode with everything as the thread holds it ---------------------------------------------------------

align 16
global user_return
user_return:
    cli
    cmp dword [CPU_AST], 0
    jne .ast
    mov rsp, [CPU_CURRENT]
    mov byte [rsp + PCB_BY_IRET], 0
    POP_REGISTERS
    add rsp, 16
    swapgs
    iretq
.ast:
    sti
    call trap_ast
    jmp user_return

; --- system calls ------------------------------------------------------------------------------------------------------

align 64
global syscall_entry
syscall_entry:
    swapgs
    mov [CPU_SCRATCH], rsp
    mov rsp, [CPU_CURRENT]
    mov [rsp + PCB_RIP], rcx
    mov [rsp + PCB_RFLAGS], r11
    mov [rsp + PCB_RBX], rbx
    mov [rsp + PCB_RBP], rbp
    mov [rsp + PCB_R12], r12
    mov [rsp + PCB_R13], r13
    mov [rsp + PCB_R14], r14
    mov [rsp + PCB_R15], r15
    mov rcx, [CPU_SCRATCH]
    mov [rsp + PCB_RSP], rcx
    cmp eax, -TRAP_MACH_MSG
    jne .others
    mov rsp, [CPU_STACK_TOP]
    mov ecx, r10d
    call [rel ipc_fastpath_entry]           ; interrupts off; it may come back as another thread, or not here at all
    mov rdi, rax
    jmp thread_syscall_return
.others:
    test eax, eax
    jns syscall_emulated
    mov rsp, [CPU_STACK_TOP]
    sti
    neg eax
    cmp eax, TRAP_COUNT
    jae syscall_bad_number
    shl eax, 4
    lea r11, [trap_table]
    add r11, rax
    mov eax, [r11 + 8]                  ; number of stack arguments
    test eax, eax
    jnz .stack_arguments
    mov rcx, r10
    call [r11]
    jmp syscall_return
.stack_arguments:
    mov r12, USER_STACK_MAX
    cmp rcx, r12
    ja syscall_bad_stack
    sub rsp, 48
    STAC
.copy:
    mov r12, [rcx + rax * 8]
    ON_FAULT .copy, syscall_bad_stack
    mov [rsp + rax * 8 - 8], r12
    dec eax
    jnz .copy
    CLAC
    mov rcx, r10
    call [r11]
    mov rcx, [CPU_CURRENT]
    mov r12, [rcx + PCB_R12]

; rax: the result; rbx, rbp, r12-r15 hold the caller's values
align 16
syscall_return:
    cli
    mov rdx, [CPU_CURRENT]
    cmp dword [CPU_AST], 0
    jne syscall_return_slowly
    cmp byte [rdx + PCB_BY_IRET], 0
    jne syscall_return_slowly
    mov rcx, [rdx + PCB_RIP]
    mov r11, [rdx + PCB_RFLAGS]
    mov rsp, [rdx + PCB_RSP]
    xor edi, edi
    xor esi, esi
    xor edx, edx
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    swapgs
    o64 sysret

syscall_return_slowly:
    mov rsp, [CPU_STACK_TOP]
    sti
    mov rdi, rax
    call trap_syscall_result
    jmp user_return

; fastpath_leave(from, to) (arch/fastpath.h): the caller's registers and the GS base are `to`'s; `from` is no longer in use here
align 16
global fastpath_leave
fastpath_leave:
    mov rbx, [rsi + PCB_RBX]
    mov rbp, [rsi + PCB_RBP]
    mov r12, [rsi + PCB_R12]
    mov r13, [rsi + PCB_R13]
    mov r14, [rsi + PCB_R14]
    mov r15, [rsi + PCB_R15]
    mov rcx, [rsi + PCB_RIP]
    mov r11, [rsi + PCB_RFLAGS]
    mov rsp, [rsi + PCB_RSP]
    swapgs
    rdgsbase rax
    mov [rdi + PCB_GS_BASE], rax
    cmp rax, [rsi + PCB_GS_BASE]
    mov byte [rdi + THREAD_ON_CPU], 0
    jne .gs_base
.go:
    xor eax, eax
    xor edi, edi
    xor esi, esi
    xor edx, edx
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    o64 sysret
.gs_base:
    mov rdx, [rsi + PCB_GS_BASE]
    wrgsbase rdx
    jmp .go

; thread_syscall_return(result): the same from anywhere in the kernel; the caller's registers come from the thread
align 16
global thread_syscall_return
thread_syscall_return:
    cli
    mov rdx, [CPU_CURRENT]
    mov rax, rdi
    mov rbx, [rdx + PCB_RBX]
    mov rbp, [rdx + PCB_RBP]
    mov r12, [rdx + PCB_R12]
    mov r13, [rdx + PCB_R13]
    mov r14, [rdx + PCB_R14]
    mov r15, [rdx + PCB_R15]
    jmp syscall_return

global thread_exception_return
thread_exception_return:
    mov rsp, [CPU_STACK_TOP]
    jmp user_return

align 16
syscall_emulated:
    mov [rsp + PCB_RAX], rax
    mov [rsp + PCB_RDI], rdi
    mov [rsp + PCB_RSI], rsi
    mov [rsp + PCB_RDX], rdx
    mov [rsp + PCB_R10], r10
    mov [rsp + PCB_R8], r8
    mov [rsp + PCB_R9], r9
    mov [rsp + PCB_R11], r11
    mov rdi, rsp
    mov rsp, [CPU_STACK_TOP]
    sti
    call trap_emulate
    jmp user_return

syscall_bad_number:
    mov rsp, [CPU_STACK_TOP]
    call trap_bad_number
    jmp user_return

syscall_bad_stack:
    CLAC
    mov rsp, [CPU_STACK_TOP]
    call trap_bad_stack
    jmp user_return

; --- switching threads ---------------------------------------------------------------------------------------------------

; switch_stacks(struct pcb *from, struct pcb *to): keep what the C rules say is kept, change stacks; returns in the other thread
align 16
global switch_stacks
switch_stacks:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [rdi + PCB_KERNEL_RSP], rsp
    mov rsp, [rsi + PCB_KERNEL_RSP]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

; stack_jump(uint64_t stack_top, void (*function)(void)): forget the stack in use and run function on a fresh one
global stack_jump
stack_jump:
    mov rsp, rdi
    xor ebp, ebp
    call rsi
    ud2

; --- user memory ---------------------------------------------------------------------------------------------------------

; uint64_t usercopy_bytes(void *destination, const void *source, size_t size): returns the bytes not copied
align 16
global usercopy_bytes
usercopy_bytes:
    STAC
    mov rcx, rdx
    shr rcx, 3
.words:
    rep movsq
    ON_FAULT .words, .words_fault
    mov ecx, edx
    and ecx, 7
.bytes:
    rep movsb
    ON_FAULT .bytes, .bytes_fault
    CLAC
    mov rax, rcx
    ret
.words_fault:
    CLAC
    and edx, 7
    lea rax, [rcx * 8 + rdx]
    ret
.bytes_fault:
    CLAC
    mov rax, rcx
    ret

; int64_t usercopy_string(char *destination, const char *source, size_t max): length copied without the zero, max if none was found, -1 on a fault
global usercopy_string
usercopy_string:
    STAC
    xor eax, eax
.next:
    cmp rax, rdx
    je .done
.load:
    mov cl, [rsi + rax]
    ON_FAULT .load, .fault
    mov [rdi + rax], cl
    test cl, cl
    jz .done
    inc rax
    jmp .next
.done:
    CLAC
    ret
.fault:
    CLAC
    mov rax, -1
    ret
