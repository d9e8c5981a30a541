/* hv_hypercall.h - hypercalls that the kernel answers itself (mach/hypercall.h). */
#ifndef HV_HV_HYPERCALL_H
#define HV_HV_HYPERCALL_H

#include <stdint.h>

#include "hv/hv_impl.h"

/* By code of the guest's system, on a processor the caller owns. *rax has the number, and is set to
 * the answer. Returns: HV_RESUME or HV_YIELD, answered: go on behind the instruction; HV_RETURN: it
 * is the monitor's, which vcpu->exit says. Sleeps: no. */
enum hv_step hv_hypercall(struct hv_vcpu *vcpu, uint64_t *rax);

#endif
