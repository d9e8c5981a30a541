/* smp.c - application processors: INIT and startup interrupts (Intel SDM volume 3A, 8.4), then the
 * same set-up as the first. */
#include "arch/smp.h"

#include "arch/acpi.h"
#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/cpu_features.h"
#include "arch/cpu_setup.h"
#include "arch/io.h"
#include "arch/pmap_impl.h"
#include "arch/switch.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/printf.h"
#include "kern/sched.h"
#include "kern/stack.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "kern/timer.h"

#define AP_TRAMPOLINE_PHYS 0x8000ul
#define AP_START_NS        (200 * NS_PER_MS)

extern char ap_trampoline_start[], ap_trampoline_end[];
extern char ap_trampoline_cr3[], ap_trampoline_stack[], ap_trampoline_entry[],
    ap_trampoline_argument[];
extern char boot_pml4[], boot_stack_top[];

static void smp_pause_ns(uint64_t ns)
{
    uint64_t end = clock_now_ns() + ns;

    while (clock_now_ns() < end) {
        cpu_relax();
    }
}

/* On the idle thread's stack: the start-up stack is free for the next processor. */
static void smp_online(void)
{
    atomic_store_release(&cpu_current()->online, true);
    sched_idle();
}

/* First C code of an application processor, on the start-up stack, with the boot page tables. */
static _Noreturn void smp_enter(struct cpu *cpu)
{
    write_cr3(pmap_kernel()->pml4_phys);
    cpu_setup(cpu);
    if (cpu_features.pcid) {
        write_cr4(read_cr4() | CR4_PCIDE);
    }
    cpu->pmap = pmap_kernel();
    apic_init_cpu();
    apic_timer_init_cpu();
    cpu->run_since = rdtsc();
    pmap_flush_local(pmap_kernel(), 0, ~0ul); /* what changed before this processor counted */
    stack_jump(cpu->kernel_stack_top, smp_online);
}

/* Give the trampoline a variable. */
static void smp_set(char *variable, uint64_t value)
{
    *(uint64_t *)((uint8_t *)phys_to_virt(AP_TRAMPOLINE_PHYS) + (variable - ap_trampoline_start)) =
        value;
}

static bool smp_wait_online(struct cpu *cpu, uint64_t ns)
{
    uint64_t end = clock_now_ns() + ns;

    while (!atomic_load_acquire(&cpu->online) && clock_now_ns() < end) {
        cpu_relax();
    }
    return atomic_load_acquire(&cpu->online);
}

static void smp_idle_unused(void *argument) {}

static bool smp_start_one(uint32_t number, uint32_t apic)
{
    struct cpu *cpu = &cpu_table[number];
    struct thread *idle = thread_create_kernel("idle", smp_idle_unused, NULL, PRIORITY_IDLE);
    uint64_t flags;

    stack_prepare();
    flags = interrupt_save_disable();
    cpu->kernel_stack_top = stack_take() + KERNEL_STACK_SIZE;
    interrupt_restore(flags);
    idle->continuation = NULL;
    cpu->number = number;
    cpu->apic_id = apic;
    cpu->self = cpu;
    timer_init_cpu(number);
    sched_init_cpu(cpu, idle);
    smp_set(ap_trampoline_stack, (uint64_t)boot_stack_top + KERNEL_IMAGE_BASE);
    smp_set(ap_trampoline_argument, (uint64_t)cpu);
    apic_send_init(apic);
    smp_pause_ns(10 * NS_PER_MS);
    for (unsigned i = 0; i < 2 && !cpu->online; i++) {
        apic_send_startup(apic, AP_TRAMPOLINE_PHYS >> 12);
        smp_wait_online(cpu, AP_START_NS);
    }
    return cpu->online;
}

void smp_start(void)
{
    uint32_t self = apic_id();

    memcpy(phys_to_virt(AP_TRAMPOLINE_PHYS), ap_trampoline_start,
           (size_t)(ap_trampoline_end - ap_trampoline_start));
    smp_set(ap_trampoline_cr3, (uint64_t)boot_pml4);
    smp_set(ap_trampoline_entry, (uint64_t)smp_enter);
    for (uint32_t i = 0; i < acpi_info.apic_id_count && cpu_count < CPU_MAX; i++) {
        if (acpi_info.apic_ids[i] == self) {
            continue;
        }
        if (!smp_start_one(cpu_count, acpi_info.apic_ids[i])) {
            kprintf("smp: processor with APIC id %u does not start; going on without it and those "
                    "after it\n",
                    acpi_info.apic_ids[i]);
            return;
        }
        cpu_count++; /* from now on it is told of changes to the kernel's page tables; none went on
                        meanwhile */
    }
}
