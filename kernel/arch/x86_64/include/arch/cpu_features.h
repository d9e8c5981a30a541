/* cpu_features.h - what the processor can do, found once on the boot processor. */
#ifndef ARCH_CPU_FEATURES_H
#define ARCH_CPU_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

/* Keys: [I] all, after cpu_features_init() */
struct cpu_features {
    bool smep, smap, umip, fsgsbase, pcid, pge, pdpe1gb;
    bool xsave, avx;
    bool x2apic, tsc_deadline, tsc_invariant, rdtscp;
    bool emulated;       /* by QEMU, in software (TCG) */
    uint64_t xsave_mask; /* XCR0 */
    uint32_t xsave_size; /* bytes of a save area with that mask */
    char vendor[13];
    char brand[49];
};

extern struct cpu_features cpu_features;

/* Look at CPUID. Panics with a sentence when something the kernel needs is missing. */
void cpu_features_init(void);

#endif
