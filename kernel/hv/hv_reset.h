/* hv_reset.h - the states of a guest's processor after a reset and INIT, and after a start-up
 * interrupt. */
#ifndef HV_HV_RESET_H
#define HV_HV_RESET_H

#include <stdint.h>

struct hv_vcpu;

/* As after INIT (Intel SDM volume 3, chapter "Processor Management and Initialization"; AMD64 APM
 * volume 2, 14.1.3): MSRs but EFER and the time stamp stay. The processor is owned by the caller.
 */
void hv_reset(struct hv_vcpu *vcpu);
/* Have it begin in real mode at page `vector`. */
void hv_reset_start(struct hv_vcpu *vcpu, uint32_t vector);

#endif
