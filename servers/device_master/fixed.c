/* fixed.c - devices that are on no bus where they could be found. Each is a function without
 * configuration space, whose registers and interrupt line are known: what every PC has, and, in a
 * virtual machine that is asked by calls (mach/hypercall.h), the disks of its monitor. */
#include <mach/hardware.h>
#include <mach/hypercall.h>

#include <hardware.h>
#include <mach_port.h>

#include "device_master_impl.h"

/* Ids as PnP BIOS and ACPI name devices: a vendor is three letters, compressed as in EISA. The
 * classes are those PCI has for them. */
static const struct pci_function fixed_clock = {
    .is_fixed = true,
    .vendor = FIXED_VENDOR,
    .device = FIXED_CLOCK,
    .class = 0x080301,
    .line = 8,
    .bars = {{.base = 0x70, .size = 2, .is_io = true}},
};
static const struct pci_function fixed_disks = {
    .is_fixed = true,
    .vendor = FIXED_OWN,
    .device = FIXED_DISKS,
    .class = 0x018000,
};

static hypercall_t fixed_calls; /* MACH_PORT_NULL: there is no monitor that has disks */

static uint64_t fixed_call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    uint64_t answer = HYPERCALL_UNKNOWN;

    (void)hypercall_make(fixed_calls, number, first, second, third, &answer);
    return answer;
}

/* Look for a monitor that has a disk, and tells when it is done with something. */
static void fixed_find_disks(void)
{
    const uint64_t needed = HYPERCALL_HAS_BLOCK | HYPERCALL_HAS_EVENTS;
    uint64_t features;

    if (hardware_hypercall_create(device_master.hardware, HYPERCALL_FEATURES, HYPERCALL_BLOCK_SIZE,
                                  &fixed_calls) != KERN_SUCCESS) {
        fixed_calls = MACH_PORT_NULL;
        return;
    }
    features = fixed_call(HYPERCALL_FEATURES, 0, 0, 0);
    if (features == HYPERCALL_UNKNOWN || (features & needed) != needed ||
        fixed_call(HYPERCALL_BLOCK_SIZE, 0, 0, 0) == 0) {
        mach_port_deallocate(mach_task_self(), fixed_calls);
        fixed_calls = MACH_PORT_NULL;
    }
}

void fixed_scan(void (*found)(const struct pci_function *f))
{
    found(&fixed_clock);
    fixed_find_disks();
    if (fixed_has_disks()) {
        fixed_stop(); /* whatever an earlier device master has set */
        found(&fixed_disks);
    }
}

bool fixed_is_disks(const struct pci_function *f)
{
    return f->is_fixed && f->vendor == FIXED_OWN && f->device == FIXED_DISKS;
}

bool fixed_has_disks(void)
{
    return fixed_calls != MACH_PORT_NULL;
}

kern_return_t fixed_interrupt(mach_port_t *irq)
{
    int64_t address;
    int data;
    kern_return_t kr = hardware_msi_create(device_master.hardware, irq, &address, &data);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (fixed_call(HYPERCALL_EVENT_VECTOR, HYPERCALL_EVENT_BLOCK, HYPERCALL_MESSAGE_VECTOR(data),
                   HYPERCALL_MESSAGE_APIC(address)) != 0) {
        mach_port_deallocate(mach_task_self(), *irq);
        return KERN_FAILURE;
    }
    return KERN_SUCCESS;
}

void fixed_stop(void)
{
    (void)fixed_call(HYPERCALL_EVENT_VECTOR, HYPERCALL_EVENT_BLOCK, 0, 0);
}
