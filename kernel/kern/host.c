/* host.c - the host's ports, and stopping the machine. */
#include "kern/host.h"

#include <mach/hypercall.h>

#include "arch/acpi.h"
#include "arch/hypervisor.h"
#include "arch/interrupt.h"
#include "arch/ipi.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/kobject.h"
#include "kern/printf.h"

struct host host_self;
struct ipc_port *host_name_port;
struct ipc_port *host_priv_port;
struct ipc_port *host_hardware_port;
struct ipc_port *host_hv_port;

void host_init(void)
{
    host_name_port = ipc_port_alloc_kernel(KOBJECT_HOST, &host_self);
    host_priv_port = ipc_port_alloc_kernel(KOBJECT_HOST_PRIV, &host_self);
    host_hardware_port = ipc_port_alloc_kernel(KOBJECT_HARDWARE, &host_self);
    host_hv_port = ipc_port_alloc_kernel(KOBJECT_HV, &host_self);
    if (host_name_port == NULL || host_priv_port == NULL || host_hardware_port == NULL ||
        host_hv_port == NULL) {
        panic("no memory for the host's ports");
    }
}

static void host_pause(void)
{
    uint64_t end = clock_now_ns() + NS_PER_SEC;

    while (clock_now_ns() < end) {
        cpu_relax();
    }
}

static _Noreturn void host_halt(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

void host_power_off(void)
{
    kprintf("host: power off\n");
    interrupt_disable();
    ipi_stop_others();
    (void)hypervisor_call(HYPERCALL_POWER_OFF, 0, 0, 0);
    acpi_power_off();
    host_pause(); /* it takes the hardware a moment */
    kprintf("host: the machine did not switch itself off; it is safe to do so now\n");
    host_halt();
}

void host_restart(void)
{
    kprintf("host: restart\n");
    interrupt_disable();
    ipi_stop_others();
    acpi_reset();
    host_pause();
    host_halt();
}
