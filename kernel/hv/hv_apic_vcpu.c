/* hv_apic_vcpu.c - the local APIC of a guest's processor (hv_apic_vcpu.h).
 *
 * The host's timer only calls the processor's thread, which posts what is due and sets it again: a
 * timer that nobody attends to is silent after its first interrupt, so a guest's storm of them
 * takes its own time. CR8 is the back end's; the upper half of TPR follows it. */
#include "hv/hv_apic_vcpu.h"

#include <stddef.h>

#include "arch/io.h"
#include "hv/hv_apic.h"
#include "hv/hv_message.h"
#include "hv/hv_reset.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "vm/slab.h"

#define MSR_X2APIC_END 0x900u
#define REGISTER_SHIFT 4
#define PAGE_BYTES     0x1000u
#define UNREACHABLE    0xffffffffu

static struct hv_vcpu *hv_apic_vcpu_of_timer(struct timer *timer)
{
    struct hv_apic *apic = (struct hv_apic *)((char *)timer - offsetof(struct hv_apic, timer));

    return apic->vcpu;
}

static void hv_apic_vcpu_call(struct timer *timer)
{
    hv_vcpu_signal(hv_apic_vcpu_of_timer(timer), HV_SIGNAL_APIC);
}

bool hv_apic_vcpu_create(struct hv_vcpu *vcpu)
{
    struct hv_apic *apic = kalloc_zeroed(sizeof(*apic));

    if (apic == NULL) {
        return false;
    }
    apic->vcpu = vcpu;
    timer_init(&apic->timer, hv_apic_vcpu_call);
    vcpu->apic = apic;
    return true;
}

void hv_apic_vcpu_reset(struct hv_vcpu *vcpu)
{
    if (vcpu->apic != NULL) {
        vcpu->apic->id = vcpu->number;
        hv_apic_reset(vcpu->apic, false);
        vcpu->halted = vcpu->number == 0 ? HV_HALTED_NOT : HV_HALTED_STARTUP;
    }
}

void hv_apic_vcpu_destroy(struct hv_vcpu *vcpu)
{
    if (vcpu->apic != NULL) {
        timer_cancel(&vcpu->apic->timer);
        kfree(vcpu->apic, sizeof(*vcpu->apic));
        vcpu->apic = NULL;
    }
}

/* --- time --- */

/* The interrupt that is next, -1: none. */
static int hv_apic_vcpu_waiting(struct hv_vcpu *vcpu)
{
    int vector;

    /* Who posts one sets the bit last: cleared first, it is not lost. */
    (void)__atomic_fetch_and(&vcpu->pending_interrupt, ~HV_PENDING_APIC, __ATOMIC_SEQ_CST);
    vector = hv_apic_waiting(vcpu->apic);
    if (vector >= 0) {
        (void)atomic_fetch_or(&vcpu->pending_interrupt, HV_PENDING_APIC);
    }
    return vector;
}

/* Post what is due, and have the host's timer call for what will be. One that fires too early does
 * no harm, and takes less than to set it later. */
static void hv_apic_vcpu_keep_time(struct hv_vcpu *vcpu)
{
    struct hv_apic *apic = vcpu->apic;
    uint64_t now = clock_now_ns();
    uint64_t alarm;

    hv_apic_expire(apic, now);
    alarm = hv_apic_alarm(apic, now);
    if (alarm != 0 && !timer_fires_by(&apic->timer, alarm)) {
        timer_cancel(&apic->timer);
        timer_arm(&apic->timer, alarm);
    }
    (void)hv_apic_vcpu_waiting(vcpu); /* a time that has come already is an interrupt now */
}

/* When the guest's time stamp will be that. */
static uint64_t hv_apic_vcpu_deadline(struct hv_vcpu *vcpu, uint64_t tsc)
{
    uint64_t ahead = tsc - (rdtsc() + hv_ops->get_tsc_offset(vcpu));
    uint64_t now = clock_now_ns();

    if ((int64_t)ahead <= 0) {
        return now;
    }
    ahead = clock_ticks_to_ns(ahead);
    return now + (ahead < HV_APIC_DEADLINE_MAX_NS ? ahead : HV_APIC_DEADLINE_MAX_NS);
}

void hv_apic_vcpu_set_time(struct hv_vcpu *vcpu)
{
    struct hv_apic *apic = vcpu->apic;

    if (apic != NULL && apic->tsc != 0) {
        hv_apic_set_tsc(apic, apic->tsc, hv_apic_vcpu_deadline(vcpu, apic->tsc));
        hv_apic_vcpu_keep_time(vcpu);
    }
}

/* --- interrupts --- */

static int hv_apic_vcpu_next(struct hv_vcpu *vcpu)
{
    int vector;

    if ((atomic_load(&vcpu->pending_interrupt) & HV_PENDING_APIC) == 0) {
        return -1;
    }
    vector = hv_apic_vcpu_waiting(vcpu);
    return vector >= 0 && (uint32_t)vector >> 4 > hv_ops->get_cr8(vcpu) ? vector : -1;
}

bool hv_apic_vcpu_is_wanted(struct hv_vcpu *vcpu)
{
    return hv_apic_vcpu_next(vcpu) >= 0;
}

int hv_apic_vcpu_take(struct hv_vcpu *vcpu)
{
    int vector = hv_apic_vcpu_next(vcpu);

    if (vector >= 0) {
        hv_apic_accept(vcpu->apic, (uint8_t)vector);
        (void)hv_apic_vcpu_waiting(vcpu);
    }
    return vector;
}

void hv_apic_vcpu_return(struct hv_vcpu *vcpu, uint8_t vector)
{
    hv_apic_return(vcpu->apic, vector);
    (void)atomic_fetch_or(&vcpu->pending_interrupt, HV_PENDING_APIC);
}

/* A start-up interrupt is for one that waits for it, and for one that INIT has just made wait. */
static void hv_apic_vcpu_start_up(struct hv_vcpu *vcpu)
{
    uint32_t startup = atomic_exchange(&vcpu->apic->startup, 0);

    if ((startup & HV_APIC_STARTUP_INIT) != 0) {
        hv_apic_reset(vcpu->apic, true);
        hv_reset(vcpu);
        vcpu->halted =
            (vcpu->apic->base & HV_APIC_BASE_BOOT) != 0 ? HV_HALTED_NOT : HV_HALTED_STARTUP;
    }
    if ((startup & HV_APIC_STARTUP_VALID) != 0 && vcpu->halted == HV_HALTED_STARTUP) {
        hv_reset_start(vcpu, startup & 0xff);
        vcpu->halted = HV_HALTED_NOT;
    }
}

void hv_apic_vcpu_attend(struct hv_vcpu *vcpu)
{
    if (vcpu->apic == NULL || (atomic_load(&vcpu->signals) & HV_SIGNAL_APIC) == 0) {
        return;
    }
    (void)atomic_fetch_and(&vcpu->signals, ~HV_SIGNAL_APIC); /* before it is seen what there is */
    hv_apic_vcpu_start_up(vcpu);
    hv_apic_vcpu_keep_time(vcpu);
}

/* --- registers --- */

/* CR8 may have been written since. */
static void hv_apic_vcpu_take_priority(struct hv_vcpu *vcpu)
{
    uint32_t cr8 = hv_ops->get_cr8(vcpu);

    if (vcpu->apic->priority >> 4 != cr8) {
        vcpu->apic->priority = cr8 << 4;
    }
}

/* What a write has come to. False: the monitor is to be told. */
static bool hv_apic_vcpu_settle(struct hv_vcpu *vcpu, const struct hv_apic_effect *effect)
{
    hv_ops->set_cr8(vcpu, vcpu->apic->priority >> 4);
    if (effect->sends) {
        (void)hv_message_send(vcpu->machine, &effect->message, vcpu);
    }
    if (effect->times) {
        hv_apic_vcpu_keep_time(vcpu);
    }
    (void)hv_apic_vcpu_waiting(vcpu);
    if (effect->ends) {
        vcpu->exit.reason = HV_EXIT_EOI;
        vcpu->exit.value = effect->vector;
    }
    return !effect->ends;
}

static enum hv_msr_step hv_apic_vcpu_write_register(struct hv_vcpu *vcpu, unsigned number,
                                                    uint64_t value, bool by_msr)
{
    struct hv_apic_effect effect;

    hv_apic_vcpu_take_priority(vcpu);
    if (!hv_apic_write(vcpu->apic, number, value, by_msr, clock_now_ns(), &effect)) {
        return HV_MSR_FAULT;
    }
    return hv_apic_vcpu_settle(vcpu, &effect) ? HV_MSR_DONE : HV_MSR_RETURN;
}

enum hv_msr_step hv_apic_vcpu_read_msr(struct hv_vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    struct hv_apic *apic = vcpu->apic;

    if (apic == NULL) {
        return HV_MSR_NOT_OURS;
    }
    if (msr == MSR_APIC_BASE) {
        *value = apic->base | HV_APIC_BASE_ADDRESS;
        return HV_MSR_DONE;
    }
    if (msr == MSR_TSC_DEADLINE) {
        hv_apic_vcpu_keep_time(vcpu);
        *value = apic->tsc;
        return HV_MSR_DONE;
    }
    if (msr < MSR_X2APIC || msr >= MSR_X2APIC_END) {
        return HV_MSR_NOT_OURS;
    }
    hv_apic_vcpu_take_priority(vcpu);
    return hv_apic_is_wide(apic) &&
                   hv_apic_read(apic, msr - MSR_X2APIC, true, clock_now_ns(), value)
               ? HV_MSR_DONE
               : HV_MSR_FAULT;
}

static enum hv_msr_step hv_apic_vcpu_write_base(struct hv_vcpu *vcpu, uint64_t value)
{
    if (!hv_apic_write_base(vcpu->apic, value)) {
        return HV_MSR_FAULT;
    }
    hv_ops->set_cr8(vcpu, vcpu->apic->priority >> 4);
    return HV_MSR_DONE;
}

enum hv_msr_step hv_apic_vcpu_write_msr(struct hv_vcpu *vcpu, uint32_t msr, uint64_t value)
{
    if (vcpu->apic == NULL) {
        return HV_MSR_NOT_OURS;
    }
    if (msr == MSR_APIC_BASE) {
        hv_apic_vcpu_take_priority(vcpu);
        return hv_apic_vcpu_write_base(vcpu, value);
    }
    if (msr == MSR_TSC_DEADLINE) {
        hv_apic_set_tsc(vcpu->apic, value, hv_apic_vcpu_deadline(vcpu, value));
        hv_apic_vcpu_keep_time(vcpu);
        return HV_MSR_DONE;
    }
    if (msr < MSR_X2APIC || msr >= MSR_X2APIC_END) {
        return HV_MSR_NOT_OURS;
    }
    return hv_apic_is_wide(vcpu->apic)
               ? hv_apic_vcpu_write_register(vcpu, msr - MSR_X2APIC, value, true)
               : HV_MSR_FAULT;
}

/* Are the registers in memory, and is that one's offset? */
static bool hv_apic_vcpu_is_reached(const struct hv_vcpu *vcpu, uint64_t offset)
{
    return vcpu->apic != NULL && hv_apic_is_enabled(vcpu->apic) && !hv_apic_is_wide(vcpu->apic) &&
           offset < PAGE_BYTES && (offset & 0xf) == 0;
}

uint64_t hv_apic_vcpu_read(struct hv_vcpu *vcpu, uint64_t offset)
{
    uint64_t value;

    if (!hv_apic_vcpu_is_reached(vcpu, offset)) {
        return UNREACHABLE;
    }
    hv_apic_vcpu_take_priority(vcpu);
    (void)hv_apic_read(vcpu->apic, (unsigned)(offset >> REGISTER_SHIFT), false, clock_now_ns(),
                       &value);
    (void)hv_apic_vcpu_waiting(vcpu); /* what is not there may have raised an error's interrupt */
    return value;
}

bool hv_apic_vcpu_write(struct hv_vcpu *vcpu, uint64_t offset, uint64_t value)
{
    return !hv_apic_vcpu_is_reached(vcpu, offset) ||
           hv_apic_vcpu_write_register(vcpu, (unsigned)(offset >> REGISTER_SHIFT), (uint32_t)value,
                                       false) != HV_MSR_RETURN;
}

/* --- state --- */

void hv_apic_vcpu_get_state(struct hv_vcpu *vcpu, uint64_t *words)
{
    hv_apic_vcpu_take_priority(vcpu);
    hv_apic_vcpu_keep_time(vcpu);
    hv_apic_get_state(vcpu->apic, clock_now_ns(), words);
}

bool hv_apic_vcpu_set_state(struct hv_vcpu *vcpu, const uint64_t *words)
{
    uint64_t tsc = words[HV_APIC_DEADLINE];

    if (!hv_apic_set_state(vcpu->apic, clock_now_ns(), words)) {
        return false;
    }
    hv_apic_set_tsc(vcpu->apic, tsc, hv_apic_vcpu_deadline(vcpu, tsc));
    hv_ops->set_cr8(vcpu, vcpu->apic->priority >> 4);
    hv_vcpu_signal(vcpu, HV_SIGNAL_APIC); /* what there is to attend to */
    return true;
}
