/* hv_apic_vcpu.h - the local APIC of a guest's processor: hv_apic.h with that processor's clock,
 * timer, MSRs and neighbours. A processor without one has vcpu->apic NULL; all but
 * hv_apic_vcpu_create() take that, too, if they do not say otherwise. */
#ifndef HV_HV_APIC_VCPU_H
#define HV_HV_APIC_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>

#include "hv/hv_impl.h"

/* What an access to an MSR has come to. */
enum hv_msr_step {
    HV_MSR_NOT_OURS, /* it is none of the APIC's */
    HV_MSR_FAULT,    /* the guest is to have a #GP */
    HV_MSR_DONE,
    HV_MSR_RETURN, /* done, and vcpu->exit has something for the monitor */
};

/* Give it one. False: out of memory. */
bool hv_apic_vcpu_create(struct hv_vcpu *vcpu);
/* It has its number, which is the APIC's id: the state after a reset. */
void hv_apic_vcpu_reset(struct hv_vcpu *vcpu);
/* Its timer is off when this returns. Nobody else can find it any more. */
void hv_apic_vcpu_destroy(struct hv_vcpu *vcpu);

/* The processor is owned by the caller in all of the following. Locks: none. Sleeps: no. */

enum hv_msr_step hv_apic_vcpu_read_msr(struct hv_vcpu *vcpu, uint32_t msr, uint64_t *value);
enum hv_msr_step hv_apic_vcpu_write_msr(struct hv_vcpu *vcpu, uint32_t msr, uint64_t value);
/* A register by its offset in memory. False: the monitor is to be told of vcpu->exit. */
uint64_t hv_apic_vcpu_read(struct hv_vcpu *vcpu, uint64_t offset);
bool hv_apic_vcpu_write(struct hv_vcpu *vcpu, uint64_t offset, uint64_t value);

/* Does an interrupt wait that is above the processor's priority? Sets vcpu->pending_interrupt by
 * whether any waits. */
bool hv_apic_vcpu_is_wanted(struct hv_vcpu *vcpu);
/* Which interrupt is delivered next, and is in service from now on. -1: none. */
int hv_apic_vcpu_take(struct hv_vcpu *vcpu);
/* It was not delivered: it waits again. */
void hv_apic_vcpu_return(struct hv_vcpu *vcpu, uint8_t vector);
/* See to the timer, INIT and start-up if HV_SIGNAL_APIC says so. */
void hv_apic_vcpu_attend(struct hv_vcpu *vcpu);
/* The offset of the guest's time stamp has changed. */
void hv_apic_vcpu_set_time(struct hv_vcpu *vcpu);

/* HV_STATE_APIC. It has one. */
void hv_apic_vcpu_get_state(struct hv_vcpu *vcpu, uint64_t *words);
bool hv_apic_vcpu_set_state(struct hv_vcpu *vcpu, const uint64_t *words);

#endif
