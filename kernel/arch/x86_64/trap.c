/* trap.c - interrupts and exceptions, from user mode and from the kernel itself.
 *
 * From user mode `frame` is the current thread's pcb; from the kernel it is on the stack in use.
 * Exceptions of user mode become Mach exceptions. An exception of the kernel is a page fault at a
 * user address inside one of the copy routines of entry.asm (the exception table says where to go
 * on), or it is a bug and the machine stops. */
#include <mach/exception.h>
#include <mach/vm_prot.h>

#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/ipi.h"
#include "arch/irq.h"
#include "arch/layout.h"
#include "arch/panic.h"
#include "arch/pcb.h"
#include "arch/pmap_flush.h"
#include "arch/trap.h"
#include "arch/usercopy.h"
#include "ddb/ddb.h"
#include "ipc/mach_msg.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/emulation.h"
#include "kern/exception.h"
#include "kern/printf.h"
#include "kern/sched.h"
#include "kern/stack.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/timer.h"
#include "vm/vm_fault.h"

#define VECTOR_DIVIDE         0
#define VECTOR_DEBUG          1
#define VECTOR_NMI            2
#define VECTOR_BREAKPOINT     3
#define VECTOR_DOUBLE_FAULT   8
#define VECTOR_PROTECTION     13
#define VECTOR_PAGE_FAULT     14
#define VECTOR_EXCEPTION_LAST 31

#define FAULT_WRITE 2u
#define FAULT_FETCH 16u

/* What an exception of user mode becomes. Vectors not named are general protection faults to the
 * thread. */
struct trap_exception {
    int exception;
    int code;
    const char *what;
};

static const struct trap_exception trap_exceptions[VECTOR_EXCEPTION_LAST + 1] = {
    [0] = {EXC_ARITHMETIC, EXC_I386_DIV, "division by zero"},
    [1] = {EXC_BREAKPOINT, EXC_I386_SGL, "single step or hardware breakpoint"},
    [3] = {EXC_BREAKPOINT, EXC_I386_BPT, "breakpoint"},
    [4] = {EXC_ARITHMETIC, EXC_I386_INTO, "overflow trap"},
    [5] = {EXC_ARITHMETIC, EXC_I386_BOUND, "bound range exceeded"},
    [6] = {EXC_BAD_INSTRUCTION, EXC_I386_INVOP, "invalid instruction"},
    [7] = {EXC_ARITHMETIC, EXC_I386_NOEXT, "no floating-point unit"},
    [9] = {EXC_ARITHMETIC, EXC_I386_EXTOVR, "floating-point overrun"},
    [10] = {EXC_BAD_INSTRUCTION, EXC_I386_INVTSSFLT, "invalid task state segment"},
    [11] = {EXC_BAD_INSTRUCTION, EXC_I386_SEGNPFLT, "segment not present"},
    [12] = {EXC_BAD_INSTRUCTION, EXC_I386_STKFLT, "stack segment fault (address not canonical)"},
    [13] = {EXC_BAD_INSTRUCTION, EXC_I386_GPFLT,
            "general protection fault (privileged instruction or bad address)"},
    [16] = {EXC_ARITHMETIC, EXC_I386_EXTERR, "floating-point error"},
    [17] = {EXC_BAD_INSTRUCTION, EXC_I386_ALIGNFLT, "alignment check"},
    [19] = {EXC_ARITHMETIC, EXC_I386_SSEEXTERR, "SIMD floating-point error"},
};

/* A fault at `instruction` of the kernel goes on at `fixup`. */
struct trap_fixup {
    uint64_t instruction;
    uint64_t fixup;
};

extern const struct trap_fixup exception_table_start[], exception_table_end[];

static vm_prot_t trap_fault_access(uint64_t error)
{
    return (error & FAULT_WRITE) != 0   ? VM_PROT_READ | VM_PROT_WRITE
           : (error & FAULT_FETCH) != 0 ? VM_PROT_READ | VM_PROT_EXECUTE
                                        : VM_PROT_READ;
}

static const char *trap_fault_phrase(vm_prot_t access)
{
    return (access & VM_PROT_WRITE) != 0     ? "write to bad address"
           : (access & VM_PROT_EXECUTE) != 0 ? "execution of bad address"
                                             : "read of bad address";
}

static void trap_user_fault_end(uint64_t address, vm_prot_t access, kern_return_t kr)
{
    if (kr != KERN_SUCCESS && kr != KERN_ABORTED) { /* aborted: the thread ends, or tries again */
        exception_raise_current(EXC_BAD_ACCESS, kr, (int64_t)address, trap_fault_phrase(access));
    }
}

/* The wait for a pager is over. */
static void trap_user_fault_continue(void)
{
    const struct vm_fault_wait *fault = &current_thread()->fault;
    kern_return_t kr = vm_fault_user_continue();

    trap_user_fault_end(fault->address, fault->access, kr);
    trap_exception_return();
}

static void trap_user_page_fault(struct trap_frame *frame, uint64_t address)
{
    vm_prot_t access = trap_fault_access(frame->error);
    kern_return_t kr = KERN_INVALID_ADDRESS;

    if (address < VM_MAX_ADDRESS) {
        kr = vm_fault_user(address, access, trap_user_fault_continue);
    }
    trap_user_fault_end(address, access, kr);
}

static void trap_user_exception(struct trap_frame *frame)
{
    const struct trap_exception *e = &trap_exceptions[frame->vector];

    if (e->what == NULL) {
        e = &trap_exceptions[13];
    }
    exception_raise_current(e->exception, e->code, (int64_t)frame->error, e->what);
}

/* An interrupt, from either mode. Interrupts off. */
static void trap_interrupt(uint64_t vector, bool user)
{
    struct cpu *cpu = cpu_current();
    struct thread *next = NULL;

    assert(!interrupt_is_enabled());
    cpu->interrupt_depth++;
    if (vector == VECTOR_TIMER) {
        apic_end_of_interrupt();
        if (timer_interrupt()) {
            sched_tick(user);
        }
    } else if (vector == VECTOR_RESCHED) {
        apic_end_of_interrupt();
        sched_interrupt();
    } else if (vector == VECTOR_FLUSH) {
        apic_end_of_interrupt();
        pmap_flush_interrupt();
    } else if (vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST) {
        next = irq_interrupt((uint32_t)vector, user);
    }
    cpu->interrupt_depth--;
    if (next != NULL) {
        thread_preempt(next);
    }
}

/* The thread goes back to user mode, perhaps with registers others have set. */
static void trap_end_user_exception(struct thread *self)
{
    struct trap_frame *frame = &self->pcb.regs;

    if ((atomic_load(&self->flags) & THREAD_FLAG_RAX_SET) != 0) {
        atomic_fetch_and(&self->flags,
                         ~THREAD_FLAG_RAX_SET); /* no system call is left to return another value */
    }
    if (frame->rip >= VM_MAX_ADDRESS) {
        /* a jump to an address that is not canonical: IRET there would fault in the kernel, so go
         * where nothing is ever executable (pmap.c) */
        frame->rip = VM_MAX_ADDRESS - PAGE_SIZE;
    }
}

void trap_from_user(struct trap_frame *frame)
{
    uint64_t address;

    if (frame->vector > VECTOR_EXCEPTION_LAST) {
        trap_interrupt(frame->vector, true);
        return;
    }
    address = read_cr2();
    interrupt_enable();
    if (frame->vector == VECTOR_PAGE_FAULT) {
        trap_user_page_fault(frame, address);
    } else {
        trap_user_exception(frame);
    }
    trap_end_user_exception(current_thread());
}

void trap_exception_return(void)
{
    trap_end_user_exception(current_thread());
    thread_exception_return();
}

static bool trap_find_fixup(struct trap_frame *frame, uint64_t *fixup)
{
    for (const struct trap_fixup *f = exception_table_start; f < exception_table_end; f++) {
        if (f->instruction == frame->rip) {
            *fixup = f->fixup;
            return true;
        }
    }
    return false;
}

static _Noreturn void trap_kernel_bug(struct trap_frame *frame, uint64_t address)
{
    interrupt_disable();
    panic_frame(frame, "kernel %s (vector %lu, error %lx) at rip %lx, address %lx",
                frame->vector == VECTOR_PAGE_FAULT ? "page fault"
                : frame->vector <= VECTOR_EXCEPTION_LAST &&
                        trap_exceptions[frame->vector].what != NULL
                    ? trap_exceptions[frame->vector].what
                    : "exception",
                frame->vector, frame->error, frame->rip, address);
}

/* A fault of what runs with interrupts off and takes it for an answer (fastpath.h): of a page that
 * is not there, in user memory or a table of names, or of a buffer that reaches into the hole
 * between the halves. */
static bool trap_kernel_quick_fault(struct trap_frame *frame, uint64_t address)
{
    bool expected = frame->vector == VECTOR_PROTECTION || address < VM_MAX_ADDRESS ||
                    address - KMEM_SLOT_BASE < KMEM_SLOT_COUNT * KMEM_SLOT_SIZE;
    uint64_t fixup;

    if ((frame->rflags & RFLAGS_IF) != 0 || !expected || !trap_find_fixup(frame, &fixup)) {
        return false;
    }
    frame->rip = fixup;
    return true;
}

/* A page fault of the kernel at a user address inside a copy routine. */
static bool trap_kernel_user_fault(struct trap_frame *frame, uint64_t address)
{
    uint64_t fixup;

    if (address >= VM_MAX_ADDRESS || !trap_find_fixup(frame, &fixup) ||
        current_task()->map == NULL || cpu_preempt_count() != 0 ||
        (frame->rflags & RFLAGS_IF) == 0) {
        return false;
    }
    interrupt_enable();
    if (vm_fault(current_task()->map, address, trap_fault_access(frame->error)) != KERN_SUCCESS) {
        frame->rip = fixup;
    }
    interrupt_disable();
    return true;
}

void trap_from_kernel(struct trap_frame *frame)
{
    uint64_t address = read_cr2();

    if (frame->vector > VECTOR_EXCEPTION_LAST) {
        trap_interrupt(frame->vector, false);
        if ((cpu_ast() & AST_RESCHED) != 0 && cpu_preempt_count() == 0 &&
            cpu_current()->interrupt_depth == 0 && (frame->rflags & RFLAGS_IF) != 0) {
            sched_preempt();
        }
        return;
    }
    if (frame->vector == VECTOR_PAGE_FAULT && trap_kernel_user_fault(frame, address)) {
        return;
    }
    if ((frame->vector == VECTOR_PAGE_FAULT || frame->vector == VECTOR_PROTECTION) &&
        trap_kernel_quick_fault(frame, address)) {
        return;
    }
    trap_kernel_bug(frame, address);
}

void trap_nmi(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_NMI) {
        if (panic_is_under_way()) {
            panic_stop_this_cpu();
        }
        ddb_wait();
        return;
    }
    if (frame->vector == VECTOR_DOUBLE_FAULT && stack_is_guard(read_cr2())) {
        panic_frame(frame, "kernel stack overflow at rip %lx, stack pointer %lx", frame->rip,
                    frame->rsp);
    }
    trap_kernel_bug(frame, read_cr2());
}

void trap_ast(void)
{
    uint32_t ast;

    interrupt_disable(); /* another processor's word must not be cleared because we were moved to it
                            in between */
    ast = cpu_ast();
    cpu_current()->ast &= ~AST_THREAD;
    interrupt_enable();
    if ((ast & AST_THREAD) != 0) {
        thread_ast();
    }
    if ((ast & AST_RESCHED) != 0) {
        sched_preempt();
    }
}

void trap_syscall_result(uint64_t result)
{
    struct thread *self = current_thread();

    if ((atomic_load(&self->flags) & THREAD_FLAG_RAX_SET) != 0) {
        atomic_fetch_and(&self->flags, ~THREAD_FLAG_RAX_SET);
        return;
    }
    self->pcb.regs.rax = result;
}

void trap_emulate(struct trap_frame *frame)
{
    vm_address_t handler = frame->rax <= 0x7fffffff ? emulation_lookup((uint32_t)frame->rax) : 0;

    if (handler == 0) {
        trap_bad_number();
        return;
    }
    frame->rcx = frame->rip;
    frame->rip = handler;
}

void trap_bad_number(void)
{
    exception_raise_current(EXC_BAD_INSTRUCTION, EXC_I386_INVOP, 0,
                            "system call with a number that does not exist");
}

uint64_t trap_mach_msg(user_addr_t msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
                       mach_port_name_t rcv_name, uint32_t timeout)
{
    uint64_t notify; /* the seventh argument: behind the return address */

    interrupt_enable();
    if (copyin(current_thread()->pcb.regs.rsp + 8, &notify, sizeof(notify)) != KERN_SUCCESS) {
        trap_bad_stack();
        thread_exception_return();
    }
    return (uint64_t)(int64_t)mach_msg_trap(msg, option, send_size, rcv_size, rcv_name, timeout,
                                            (mach_port_name_t)notify);
}

void trap_bad_stack(void)
{
    exception_raise_current(EXC_BAD_ACCESS, KERN_INVALID_ADDRESS,
                            (int64_t)current_thread()->pcb.regs.rsp,
                            "system call arguments on an unreadable stack");
}
