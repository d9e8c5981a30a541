/* panic.c - stopping the machine because of a mistake of ours. */
#include "arch/panic.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/ipi.h"
#include "arch/pcb.h"
#include "ddb/backtrace.h"
#include "ddb/ddb.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/console.h"
#include "kern/printf.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"

#define PANIC_TRACE_EVENTS 16

static uint32_t panic_cpu; /* [a] number + 1 of the processor that panicked first */

bool panic_is_under_way(void)
{
    return atomic_load(&panic_cpu) != 0;
}

void panic_stop_this_cpu(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* The first processor that panics goes on; others, and a panic inside a panic, stop here. */
static void panic_begin(const char *format, va_list arguments)
{
    struct thread *self = current_thread();

    interrupt_disable();
    if (!atomic_cas(&panic_cpu, 0, cpu_number() + 1)) {
        panic_stop_this_cpu();
    }
    console_break_lock(true);
    ipi_stop_others();
    cpu_preempt_add(1);
    kprintf("\npanic: ");
    kvprintf(format, arguments);
    kprintf("\n");
    if (self != NULL) {
        kprintf("cpu %u, thread %lu of task %s\n", cpu_number(), self->id, self->task->name);
    }
}

static _Noreturn void panic_end(void)
{
    trace_print_last(PANIC_TRACE_EVENTS);
    kprintf("panic: stopped\n");
    ddb_enter("panic");
    panic_stop_this_cpu();
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    panic_begin(format, arguments);
    va_end(arguments);
    backtrace_print(0, (uint64_t)__builtin_frame_address(0));
    panic_end();
}

void panic_frame(const struct trap_frame *f, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    panic_begin(format, arguments);
    va_end(arguments);
    kprintf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    kprintf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    kprintf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    kprintf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    kprintf("rip %016lx rflags %lx cr3 %lx\n", f->rip, f->rflags, read_cr3());
    backtrace_print(f->rip, f->rbp);
    panic_end();
}
