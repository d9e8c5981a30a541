/* backtrace.c - panic, and backtraces by frame pointer. The symbol table is made after the kernel
 * is linked once and then linked in (tools/symbols.py): addresses in order, each with the offset of
 * its name. */
#include "arch/backtrace.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/ipi.h"
#include "arch/layout.h"
#include "arch/pcb.h"
#include "arch/pmap.h"
#include "ddb/ddb.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/console.h"
#include "kern/printf.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"

#define BACKTRACE_DEPTH    32
#define PANIC_TRACE_EVENTS 16

struct symbol {
    uint64_t address;
    const char *name;
};

extern const struct symbol symbol_table_start[], symbol_table_end[];
extern char kernel_text_start[], kernel_text_end[];

static uint32_t panic_cpu; /* [a] number + 1 of the processor that panicked first */

const char *backtrace_symbol(uint64_t address, uint64_t *offset)
{
    uint64_t low = 0;
    uint64_t high = (uint64_t)(symbol_table_end - symbol_table_start);

    if (address < (uint64_t)kernel_text_start || address >= (uint64_t)kernel_text_end ||
        high == 0) {
        return NULL;
    }
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;

        if (symbol_table_start[middle].address <= address) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *offset = address - symbol_table_start[low].address;
    return symbol_table_start[low].name;
}

static void backtrace_print_one(unsigned depth, uint64_t rip)
{
    uint64_t offset = 0;
    const char *name = backtrace_symbol(rip, &offset);

    kprintf("  #%-2u %016lx %s+0x%lx\n", depth, rip, name != NULL ? name : "?", offset);
}

/* May the kernel read two words there? */
static bool backtrace_can_read(uint64_t address)
{
    return (address & 7) == 0 && pmap_kernel_can_read(address) && pmap_kernel_can_read(address + 8);
}

void backtrace_print(uint64_t rip, uint64_t rbp)
{
    if (rip != 0) {
        backtrace_print_one(0, rip);
    }
    for (unsigned depth = 1; depth < BACKTRACE_DEPTH && backtrace_can_read(rbp); depth++) {
        uint64_t *frame = (uint64_t *)rbp;

        if (frame[1] == 0) {
            break;
        }
        backtrace_print_one(depth, frame[1]);
        if (frame[0] <= rbp) {
            break;
        }
        rbp = frame[0];
    }
}

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
static void panic_begin(void)
{
    interrupt_disable();
    if (!atomic_cas(&panic_cpu, 0, cpu_number() + 1)) {
        panic_stop_this_cpu();
    }
    console_break_lock(true);
    ipi_stop_others();
    cpu_preempt_add(1);
}

static void panic_where(void)
{
    struct thread *self = current_thread();

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

    panic_begin();
    kprintf("\npanic: ");
    va_start(arguments, format);
    kvprintf(format, arguments);
    va_end(arguments);
    kprintf("\n");
    panic_where();
    backtrace_print(0, (uint64_t)__builtin_frame_address(0));
    panic_end();
}

void panic_frame(const struct trap_frame *f, const char *format, ...)
{
    va_list arguments;

    panic_begin();
    kprintf("\npanic: ");
    va_start(arguments, format);
    kvprintf(format, arguments);
    va_end(arguments);
    kprintf("\n");
    panic_where();
    kprintf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    kprintf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    kprintf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    kprintf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    kprintf("rip %016lx rflags %lx cr3 %lx\n", f->rip, f->rflags, read_cr3());
    backtrace_print(f->rip, f->rbp);
    panic_end();
}
