/* cpu_features.c - CPUID, read once. Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E. */
#include "arch/cpu_features.h"

#include "arch/io.h"
#include "kern/assert.h"
#include "kern/string.h"

#define HYPERVISOR_LEAF   0x40000000u
#define TCG_SIGNATURE     0x54474354u /* "TCGTCGTCGTCG" */
#define TCG_SIGNATURE_ECX 0x43544743u
#define TCG_SIGNATURE_EDX 0x47435447u

struct cpu_features cpu_features;

#define XSAVE_X87 1u
#define XSAVE_SSE 2u
#define XSAVE_AVX 4u

static void cpu_features_read_names(void)
{
    struct cpuid_result r = cpuid(0, 0);
    uint32_t vendor[3] = {r.ebx, r.edx, r.ecx};

    memcpy(cpu_features.vendor, vendor, 12);
    if (cpuid(0x80000000u, 0).eax < 0x80000004u) {
        strlcpy(cpu_features.brand, cpu_features.vendor, sizeof(cpu_features.brand));
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        r = cpuid(0x80000002u + i, 0);
        memcpy(cpu_features.brand + 16 * i, &r, 16);
    }
}

static void cpu_features_read_xsave(void)
{
    struct cpuid_result r = cpuid(0xd, 0);

    cpu_features.xsave_mask = r.eax & (XSAVE_X87 | XSAVE_SSE | (cpu_features.avx ? XSAVE_AVX : 0));
    cpu_features.xsave_size = 576;
    if ((cpu_features.xsave_mask & XSAVE_AVX) != 0) {
        r = cpuid(0xd, 2);
        cpu_features.xsave_size = r.eax + r.ebx;
    }
}

/* The signature of QEMU's TCG, as hypervisors have one. */
static bool cpu_features_is_emulated(void)
{
    struct cpuid_result r = cpuid(HYPERVISOR_LEAF, 0);

    return r.ebx == TCG_SIGNATURE && r.ecx == TCG_SIGNATURE_ECX && r.edx == TCG_SIGNATURE_EDX;
}

void cpu_features_init(void)
{
    struct cpuid_result r = cpuid(1, 0);
    uint32_t max_leaf = cpuid(0, 0).eax;

    cpu_features_read_names();
    if ((r.edx & (1u << 25)) == 0 || (r.edx & (1u << 26)) == 0 || (r.edx & (1u << 24)) == 0) {
        panic("this processor (%s) has no SSE2 or no FXSAVE, which the kernel needs",
              cpu_features.brand);
    }
    if ((r.edx & (1u << 9)) == 0 || (r.edx & (1u << 4)) == 0) {
        panic("this processor (%s) has no local APIC or no time stamp counter, which the kernel "
              "needs",
              cpu_features.brand);
    }
    cpu_features.pge = (r.edx & (1u << 13)) != 0;
    cpu_features.pcid = (r.ecx & (1u << 17)) != 0;
    cpu_features.x2apic = (r.ecx & (1u << 21)) != 0;
    cpu_features.tsc_deadline = (r.ecx & (1u << 24)) != 0;
    cpu_features.xsave = (r.ecx & (1u << 26)) != 0;
    cpu_features.avx = cpu_features.xsave && (r.ecx & (1u << 28)) != 0;
    if (max_leaf >= 7) {
        r = cpuid(7, 0);
        cpu_features.fsgsbase = (r.ebx & 1u) != 0;
        cpu_features.smep = (r.ebx & (1u << 7)) != 0;
        cpu_features.smap = (r.ebx & (1u << 20)) != 0;
        cpu_features.umip = (r.ecx & (1u << 2)) != 0;
    }
    r = cpuid(0x80000001u, 0);
    cpu_features.pdpe1gb = (r.edx & (1u << 26)) != 0;
    cpu_features.rdtscp = (r.edx & (1u << 27)) != 0;
    if (cpuid(0x80000000u, 0).eax >= 0x80000007u) {
        cpu_features.tsc_invariant = (cpuid(0x80000007u, 0).edx & (1u << 8)) != 0;
    }
    cpu_features.emulated = (cpuid(1, 0).ecx & (1u << 31)) != 0 && cpu_features_is_emulated();
    if (cpu_features.xsave) {
        cpu_features_read_xsave();
    }
}
