/* hv_msr.h - the MSRs that a guest has without its monitor. */
#ifndef HV_HV_MSR_H
#define HV_HV_MSR_H

#include <stdint.h>

#include "hv/hv_impl.h"

#define HV_MSR_REACHED (-1)

struct hv_msr {
    uint32_t number;
    int word; /* of HV_STATE_CONTROL, where it is; HV_MSR_REACHED: the guest reaches it itself */
};

extern const struct hv_msr hv_msrs[];
extern const unsigned hv_msr_count;

/* The guest has been left at RDMSR or WRMSR, vcpu->exit.length long, with rax: answer it, or raise
 * #GP, or tell the monitor. */
enum hv_step hv_msr_exit(struct hv_vcpu *vcpu, bool is_write, uint64_t *rax);

#endif
