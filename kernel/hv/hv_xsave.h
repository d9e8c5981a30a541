/* hv_xsave.h - which vector state a guest may use: XCR0, of what the host's threads have (Intel SDM
 * volume 1, chapter 13). The registers themselves are those of its thread while it runs
 * (fpu_exchange). The processor is owned by the caller. */
#ifndef HV_HV_XSAVE_H
#define HV_HV_XSAVE_H

#include <stdbool.h>
#include <stdint.h>

struct hv_vcpu;

/* After a reset: x87 alone. */
void hv_xsave_reset(struct hv_vcpu *vcpu);
/* Its CR4 is that now. */
void hv_xsave_set_cr4(struct hv_vcpu *vcpu, uint64_t cr4);
/* On the way in and out, when vcpu->extras has HV_EXTRA_XCR0. Interrupts off. */
void hv_xsave_enter(const struct hv_vcpu *vcpu);
void hv_xsave_leave(struct hv_vcpu *vcpu);
/* XSETBV. False: a #GP. */
bool hv_xsave_write(struct hv_vcpu *vcpu, uint32_t number, uint64_t value);
/* HV_STATE_XSAVE, where the host has XSAVE. False: they cannot be (nothing changed). */
bool hv_xsave_has_state(void);
void hv_xsave_get_state(struct hv_vcpu *vcpu, uint64_t *words);
bool hv_xsave_set_state(struct hv_vcpu *vcpu, const uint64_t *words);

#endif
