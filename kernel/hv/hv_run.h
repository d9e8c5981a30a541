/* hv_run.h - running a guest on the calling thread. */
#ifndef HV_HV_RUN_H
#define HV_HV_RUN_H

#include <mach/kern_return.h>

struct hv_vcpu;

/* Do what the record asks for, run the guest until there is something for the monitor, and write
 * that into the record. The caller owns vcpu. Sleeps: yes. Returns: KERN_SUCCESS, KERN_TERMINATED.
 */
kern_return_t hv_run(struct hv_vcpu *vcpu);

#endif
