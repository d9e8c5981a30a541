/* no_apic.c - in place of hv_apic_vcpu.c: the guests of host tests have no local APIC to reach; and
 * of cpu_features.c: a processor with AVX. */
#include "arch/cpu_features.h"
#include "hv/hv_apic_vcpu.h"

struct cpu_features cpu_features = {.xsave = true, .avx = true, .xsave_mask = 7, .xsave_size = 832};

void hv_apic_vcpu_set_time(struct hv_vcpu *vcpu) {}

enum hv_msr_step hv_apic_vcpu_read_msr(struct hv_vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    return HV_MSR_NOT_OURS;
}

enum hv_msr_step hv_apic_vcpu_write_msr(struct hv_vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return HV_MSR_NOT_OURS;
}
