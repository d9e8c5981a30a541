/* hv_hypercall.c - hypercalls that the kernel answers itself: those that would be slower, or less
 * true, with a monitor between. */
#include "hv/hv_hypercall.h"

#include <mach/hypercall.h>

#include "kern/clock.h"

enum hv_step hv_hypercall(struct hv_vcpu *vcpu, uint64_t *rax)
{
    if (*rax == HYPERCALL_TIME) {
        *rax = clock_now_ns();
        return HV_RESUME;
    }
    if (*rax == HYPERCALL_YIELD) {
        *rax = 0;
        return HV_YIELD;
    }
    vcpu->exit.reason = HV_EXIT_HYPERCALL;
    return HV_RETURN;
}
