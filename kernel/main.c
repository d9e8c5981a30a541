/* main.c - the kernel's start: a numbered list of steps, each with what it needs. */
#include <stdint.h>

#include "arch/acpi.h"
#include "arch/apic.h"
#include "arch/boot_info.h"
#include "arch/clock_machine.h"
#include "arch/cpu.h"
#include "arch/cpu_features.h"
#include "arch/cpu_setup.h"
#include "arch/hypervisor.h"
#include "arch/io.h"
#include "arch/iommu.h"
#include "arch/irq.h"
#include "arch/pmap_setup.h"
#include "arch/smp.h"
#include "arch/switch.h"
#include "ddb/ddb.h"
#include "ddb/ktest.h"
#include "ddb/quiet.h"
#include "ddb/user_error.h"
#include "device/hardware.h"
#include "hv/hv.h"
#include "ipc/ipc_init.h"
#include "kern/assert.h"
#include "kern/bootstrap.h"
#include "kern/clock.h"
#include "kern/console.h"
#include "kern/gsync.h"
#include "kern/host.h"
#include "kern/printf.h"
#include "kern/processor.h"
#include "kern/sched.h"
#include "kern/stack.h"
#include "kern/stack_protector.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/timer.h"
#include "kern/trace.h"
#include "kern/version.h"
#include "vm/memory_object.h"
#include "vm/slab.h"
#include "vm/vm_balloon.h"
#include "vm/vm_init.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"

#define MIN_MEMORY_PAGES 4096u /* 16 MiB */

_Noreturn void kernel_main(uint32_t magic, uint32_t information);

/* What runs once threads do: the rest of the start, as the first kernel thread. */
static void main_thread(void *argument)
{
    smp_start();           /* 13. the other processors: needs threads, timers, interrupts */
    processor_init();      /* 14. their ports */
    iommu_init();          /*     what devices reach: needs 6, 8, 10 */
    trace_init();          /*     rings of events */
    hardware_init();       /*     the thread that delivers interrupts */
    hv_init();             /*     virtual machines, if the processors can: needs 13 */
    memory_object_start(); /* the thread that ends memory cache objects */
    vm_pageout_start();    /* and the one that takes pages from them */
    vm_balloon_start();    /* and the one that gives pages to a monitor */
    if (CONFIG_DEBUG) {
        quiet_init(); /*     the threads that stop processors for checks: needs 13 */
    }
    kprintf("%s: %u processors, %lu MiB, %s, TSC %lu MHz\n", kernel_version, cpu_count,
            vm_page_total_count() * PAGE_SIZE >> 20, cpu_features.brand,
            (clock_machine_hz() + 500000) / 1000000);
    ktest_run_if_asked(); /* 15. tests inside the debug kernel, with `ktest` on the command line */
    bootstrap_start();    /* 16. the first task */
    thread_exit();
}

/* Not run: idle threads are entered through sched_idle(). */
static void main_idle(void *argument)
{
    sched_idle();
}

/* Make the boot processor's idle thread and the thread that goes on with the start, and become the
 * idle thread. */
static _Noreturn void main_start_scheduler(void)
{
    struct cpu *cpu = cpu_current();
    struct thread *idle = thread_create_kernel("idle", main_idle, NULL, PRIORITY_IDLE);
    struct thread *first = thread_create_kernel("start", main_thread, NULL, PRIORITY_SYSTEM);

    timer_init_cpu(0);
    stack_prepare();
    idle->continuation = NULL;
    cpu->kernel_stack_top = stack_take() + KERNEL_STACK_SIZE;
    sched_init_cpu(cpu, idle);
    first->wait = THREAD_CLAIMED;
    thread_setrun(first);
    stack_jump(cpu->kernel_stack_top, sched_idle);
}

void kernel_main(uint32_t magic, uint32_t information)
{
    struct cpu *cpu = &cpu_table[0];

    (void)magic; /* checked in entry.asm */
    clock_boot_ticks = rdtsc();
    cpu->self = cpu;
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    console_init();              /*  1. messages */
    cpu_setup_idt();             /*  2. faults are reported */
    cpu_features_init();         /*  3. what the processor has */
    cpu_patch_smap();            /*     needs 3, and the text still writable */
    cpu_setup(cpu);              /*  4. descriptor tables, control registers: needs 3 */
    boot_info_init(information); /*  5. memory, modules, command line */
    hypervisor_init();           /*     a monitor that is to be called: needs 3 and 5 */
    acpi_init();                 /*  6. tables: needs 5 and the boot page tables */
    pmap_setup();                /*  7. final kernel page tables: needs 5 */
    vm_page_bootstrap(boot_info.usable, boot_info.usable_count); /*  8. pages: needs 5 and 7 */
    slab_bootstrap();
    vm_init();   /*     kernel map, objects, maps */
    pmap_init(); /*     needs 8 */
    if (vm_page_total_count() < MIN_MEMORY_PAGES) {
        panic("too little memory: %lu MiB, %lu MiB are needed",
              vm_page_total_count() * PAGE_SIZE >> 20, MIN_MEMORY_PAGES * PAGE_SIZE >> 20);
    }
    clock_machine_init(); /*  9. time */
    irq_init();           /* 10. interrupt controllers: needs 6 */
    apic_init_cpu();
    cpu->apic_id = apic_id();
    apic_timer_calibrate(); /*     needs 9 */
    apic_timer_init_cpu();
    ipc_init();    /* 11. ports and messages: needs 8 */
    thread_init(); /* 12. tasks and threads: needs 8 and 11 */
    task_init();
    host_init();
    gsync_init();
    ddb_init();
    user_error_init();
    stack_protector_init(rdtsc());
    main_start_scheduler();
}
