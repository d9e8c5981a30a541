/* apic.c - reading and writing of local APICs by memory (Intel SDM volume 3, 10.4.1): 32 bits at
 * offsets that are multiples of 16. */
#include "apic.h"

#include <mach.h>
#include <mach/mach_traps.h>

#define APIC_BASE 0xfee00000u
#define APIC_SIZE 0x1000u
#define ALIGNMENT 16u
#define ONES      0xffffffffu

/* The kernel answers at once: the guest does not run meanwhile. */
static uint64_t apic_read(void *device, uint64_t offset, unsigned size)
{
    const struct machine *m = device;
    struct vcpu *vcpu = m->current;

    if (size != 4 || offset % ALIGNMENT != 0) {
        return ONES;
    }
    vcpu->record->address = offset;
    vcpu->record->request = HV_RUN_APIC_READ;
    if (syscall_hv_vcpu_run(vcpu->port) != KERN_SUCCESS || vcpu->record->reason != HV_EXIT_APIC) {
        return ONES;
    }
    return vcpu->record->value;
}

/* Done when the guest goes on. */
static void apic_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    const struct machine *m = device;
    struct vcpu *vcpu = m->current;

    if (size == 4 && offset % ALIGNMENT == 0) {
        vcpu->record->address = offset;
        vcpu->record->value = value;
        vcpu->request |= HV_RUN_APIC_WRITE;
    }
}

bool apic_init(struct machine *m)
{
    struct bus_range range = {APIC_BASE, APIC_SIZE, apic_read, apic_write, m};

    return bus_insert(&m->platform.registers, &range);
}
