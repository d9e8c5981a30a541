/* hv_message.c - interrupts between local APICs, and messages of devices (Intel SDM volume 3,
 * chapter "APIC", 10.6 and 10.11): who they are for, and what they do there.
 *
 * Locks: the machine's, for its processors: what has not ended has its APIC. */
#include "hv/hv_message.h"

#include "hv/hv_apic.h"
#include "hv/hv_impl.h"
#include "hv_kernel_server.h"
#include "kern/assert.h"
#include "kern/atomic.h"

#define SHORTHAND_NONE   0
#define SHORTHAND_SELF   1
#define SHORTHAND_OTHERS 3

#define ADDRESS_BASE(a)        ((a) >> 20)
#define ADDRESS_APIC           0xfeeul
#define ADDRESS_DESTINATION(a) ((a) >> 12 & 0xff)
#define ADDRESS_REDIRECT       8u
#define ADDRESS_LOGICAL        4u
#define DATA_KIND(d)           ((d) >> 8 & 7)
#define DATA_LEVEL             0x8000u
#define VECTOR_MIN             16u

/* False: it does not take it. */
static bool hv_message_deliver(struct hv_vcpu *vcpu, const struct hv_apic_message *message)
{
    struct hv_apic *apic = vcpu->apic;

    switch (message->kind) {
    case HV_APIC_FIXED:
    case HV_APIC_LOWEST:
        if (!hv_apic_post(apic, message->vector, message->is_level)) {
            return false;
        }
        (void)__atomic_fetch_or(&vcpu->pending_interrupt, HV_PENDING_APIC, __ATOMIC_SEQ_CST);
        hv_vcpu_signal(vcpu, HV_SIGNAL_EVENT);
        return true;
    case HV_APIC_NMI:
        atomic_store(&vcpu->pending_nmi, true);
        hv_vcpu_signal(vcpu, HV_SIGNAL_EVENT);
        return true;
    case HV_APIC_INIT: /* a start-up interrupt from before is of no interest any more */
        atomic_store(&apic->startup, HV_APIC_STARTUP_INIT);
        hv_vcpu_signal(vcpu, HV_SIGNAL_APIC);
        return true;
    case HV_APIC_STARTUP:
        hv_apic_start_up(apic, message->vector);
        hv_vcpu_signal(vcpu, HV_SIGNAL_APIC);
        return true;
    default:
        return false;
    }
}

static bool hv_message_is_for(const struct hv_vcpu *vcpu, const struct hv_apic_message *message,
                              const struct hv_vcpu *sender)
{
    if (vcpu->apic == NULL) {
        return false;
    }
    switch (message->shorthand) {
    case SHORTHAND_NONE:
        return hv_apic_matches(vcpu->apic, message);
    case SHORTHAND_SELF:
        return vcpu == sender;
    case SHORTHAND_OTHERS:
        return vcpu != sender && hv_apic_is_enabled(vcpu->apic);
    default:
        return hv_apic_is_enabled(vcpu->apic);
    }
}

/* To one of those that it is for: the one that comes after the last that was chosen. */
static bool hv_message_send_to_one(struct hv_machine *machine,
                                   const struct hv_apic_message *message,
                                   const struct hv_vcpu *sender)
{
    struct hv_vcpu *chosen = NULL;

    assert(spin_is_held(&machine->lock));
    list_for_each (&machine->vcpus, at) {
        struct hv_vcpu *vcpu = list_entry(at, struct hv_vcpu, machine_link);

        if (hv_message_is_for(vcpu, message, sender) &&
            (chosen == NULL ||
             (chosen->number <= machine->last_chosen && vcpu->number > machine->last_chosen))) {
            chosen = vcpu;
        }
    }
    if (chosen == NULL) {
        return false;
    }
    machine->last_chosen = chosen->number;
    return hv_message_deliver(chosen, message);
}

static bool hv_message_send_to_all(struct hv_machine *machine,
                                   const struct hv_apic_message *message,
                                   const struct hv_vcpu *sender)
{
    bool taken = false;

    assert(spin_is_held(&machine->lock));
    list_for_each (&machine->vcpus, at) {
        struct hv_vcpu *vcpu = list_entry(at, struct hv_vcpu, machine_link);

        if (hv_message_is_for(vcpu, message, sender)) {
            taken |= hv_message_deliver(vcpu, message);
        }
    }
    return taken;
}

kern_return_t hv_message_send(struct hv_machine *machine, const struct hv_apic_message *message,
                              struct hv_vcpu *sender)
{
    kern_return_t kr = KERN_TERMINATED;
    bool taken;

    spin_lock(&machine->lock);
    if (!machine->ended) {
        taken = message->kind == HV_APIC_LOWEST ? hv_message_send_to_one(machine, message, sender)
                                                : hv_message_send_to_all(machine, message, sender);
        kr = taken ? KERN_SUCCESS : KERN_FAILURE;
    }
    spin_unlock(&machine->lock);
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no machine; not the address of an APIC, or an
 * interrupt that is not delivered so), KERN_FAILURE (it is for no APIC that takes it),
 * KERN_TERMINATED. */
kern_return_t hv_machine_message(hv_machine_t machine, uint64_t address, uint32_t data)
{
    struct hv_apic_message message = {
        .destination = (uint32_t)ADDRESS_DESTINATION(address),
        .vector = (uint8_t)data,
        .kind = (uint8_t)DATA_KIND(data),
        .is_logical = (address & ADDRESS_LOGICAL) != 0,
        .is_level = (data & DATA_LEVEL) != 0,
    };

    if (ADDRESS_BASE(address) != ADDRESS_APIC ||
        (message.kind <= HV_APIC_LOWEST && message.vector < VECTOR_MIN) ||
        (message.kind != HV_APIC_FIXED && message.kind != HV_APIC_LOWEST &&
         message.kind != HV_APIC_NMI && message.kind != HV_APIC_INIT)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (message.kind == HV_APIC_FIXED && message.is_logical && (address & ADDRESS_REDIRECT) != 0) {
        message.kind = HV_APIC_LOWEST;
    }
    return hv_message_send(machine, &message, NULL);
}
