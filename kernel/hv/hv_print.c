/* hv_print.c - machines and their processors, for the kernel debugger: no lock is taken. */
#include "hv/hv.h"

#include "hv/hv_apic.h"
#include "hv/hv_impl.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/printf.h"
#include "kern/task.h"

static const char *hv_print_state(const struct hv_vcpu *vcpu)
{
    if (atomic_load(&vcpu->cpu) >= 0) {
        return "in the guest";
    }
    if (vcpu->halted == HV_HALTED_STARTUP) {
        return "waits to be started";
    }
    return vcpu->halted == HV_HALTED_HLT   ? "halted"
           : atomic_load(&vcpu->busy) != 0 ? "in the kernel"
                                           : "with its monitor";
}

static void hv_print_vectors(const char *name, const uint32_t *bits)
{
    kprintf(" %s", name);
    for (unsigned vector = 0; vector < 256; vector++) {
        if ((atomic_load(&bits[vector / 32]) >> vector % 32 & 1) != 0) {
            kprintf(" %x", vector);
        }
    }
}

static void hv_print_apic(const struct hv_apic *apic)
{
    uint64_t now = clock_now_ns();

    kprintf("    apic base %x svr %x tpr %x", apic->base, apic->spurious, apic->priority);
    hv_print_vectors("irr", apic->irr);
    hv_print_vectors("isr", apic->isr);
    if (apic->deadline_ns != 0) {
        kprintf(" timer %x in %ld ns", apic->timer_entry, (int64_t)(apic->deadline_ns - now));
    }
    kprintf("\n");
}

static void hv_print_vcpu(const struct hv_vcpu *vcpu)
{
    kprintf("  processor %u %s cpu %d exits %lu last reason %u signals %x interrupt %x%s%s\n",
            vcpu->number, hv_print_state(vcpu), atomic_load(&vcpu->cpu), vcpu->exits,
            vcpu->exit.reason, atomic_load(&vcpu->signals), atomic_load(&vcpu->pending_interrupt),
            atomic_load(&vcpu->pending_nmi) ? " nmi" : "", vcpu->nmi_blocked ? " in nmi" : "");
    if (vcpu->apic != NULL) {
        hv_print_apic(vcpu->apic);
    }
}

void hv_print(void)
{
    kprintf("machines by %s\n", hv_ops != NULL ? hv_ops->name : "nothing: these processors cannot");
    list_for_each (task_list_head(), node) {
        const struct task *task = list_entry(node, struct task, list_link);

        list_for_each (&task->machines, link) {
            const struct hv_machine *machine = list_entry(link, struct hv_machine, task_link);

            kprintf("machine of task %lu %s: map %p%s\n", task->id, task->name,
                    (void *)machine->map, machine->dirty != NULL ? ", written pages logged" : "");
            list_for_each (&machine->vcpus, at) {
                hv_print_vcpu(list_entry(at, struct hv_vcpu, machine_link));
            }
        }
    }
}
