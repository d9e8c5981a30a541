/* hv_cpuid.h - what CPUID shows to a guest. */
#ifndef HV_HV_CPUID_H
#define HV_HV_CPUID_H

#include <stdint.h>

#include "arch/io.h"

#define HV_CPUID_SIGNATURE_LEAF 0x40000000u

/* The answer to a leaf for the guest's processor of that number. */
struct cpuid_result hv_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t number);

#endif
