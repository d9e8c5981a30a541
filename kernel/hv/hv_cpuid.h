/* hv_cpuid.h - what CPUID shows to a guest. */
#ifndef HV_HV_CPUID_H
#define HV_HV_CPUID_H

#include <stdint.h>

#include "arch/io.h"

#define HV_CPUID_SIGNATURE_LEAF 0x40000000u

struct hv_vcpu;

/* The answer to a leaf for a guest's processor. */
struct cpuid_result hv_cpuid(uint32_t leaf, uint32_t subleaf, const struct hv_vcpu *vcpu);

#endif
