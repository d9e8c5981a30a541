/* hv_cpuid.c - what CPUID shows to a guest: of this processor, what is in one table; nothing else.
 * AMD64 APM volume 3, appendix E; Intel SDM volume 2A, CPUID. */
#include "hv/hv_cpuid.h"

#include "arch/cpu_features.h"
#include "hv/hv_apic.h"
#include "hv/hv_impl.h"
#include "kern/atomic.h"

#define LEAF_BASIC        0u
#define LEAF_FEATURES     1u
#define LEAF_STRUCTURED   7u
#define LEAF_TOPOLOGY     0xbu
#define LEAF_XSAVE        0xdu
#define XCR0_AVX          4u
#define XSAVE_SIZE_MIN    576u
#define XSAVE_SIZE_AVX    256u
#define XSAVE_SUBLEAF_AVX 2u
#define LEAF_EXTENDED     0x80000000u
#define LEAF_AMD_FEATURES 0x80000001u
#define LEAF_SIZES        0x80000008u
#define FEATURES_MACHINE  (1u << 31) /* a hypervisor is there */
#define FEATURES_X2APIC   (1u << 21)
#define FEATURES_DEADLINE (1u << 24)
#define FEATURES_APIC     (1u << 9) /* EDX, and the next */
#define FEATURES_THREADS  (1u << 28)
#define APIC_ID_SHIFT     24
#define COUNT_SHIFT       16
#define LEVEL_THREAD      (1u << 8)
#define LEVEL_CORE        (2u << 8)
#define CORE_BITS         8 /* of an APIC id */
#define ALL               ~0u

/* Hidden in a leaf that is shown: bits that are not in its masks. Why, for those that are defined:
 *
 *   1.ECX   0x00000004 DTES64, 0x10 DS-CPL, 0x8000 PDCM   debug store and performance counters
 *                                                         are the host's
 *           0x00000008 MONITOR       would hold a processor of the host; MWAIT is intercepted
 *           0x00000020 VMX, 0x40 SMX no guests of guests
 *           0x00000180 EIST, TM2     frequency and temperature are the host's
 *           0x00020000 PCID          CR4.PCIDE is in no state that a guest may have
 *           0x00200000 x2APIC, 0x01000000 TSC deadline    but where the kernel has a local APIC
 *           0x08000000 OSXSAVE       goes by the guest's CR4
 *   1.EDX   0x00000200 APIC          but where there is one that is enabled; 80000001, too
 *           0x00004080 MCE, MCA, 0x00001000 MTRR          MSRs the kernel does not have for guests
 *           0x00600000 DS, ACPI, 0x20000000 TM            as above: the host's
 *           0x10000000 HTT           processors are told one by one; but with a local APIC
 *   7.EBX   0x00000002 TSC_ADJUST    the offset is the monitor's
 *           0x00000004 SGX           its memory is the host's
 *           0x00000810 HLE, RTM      transactions are aborted by exits
 *           0xdc230000 AVX-512       the host's threads do not have it
 *           0x00000400 INVPCID       as PCID
 *           0x0000d000 RDT-M, RDT-A  cache and bandwidth are the host's
 *           0x02000000 PT            tracing is the host's
 *   7.ECX   all but UMIP: PKU (PKRU would stay in the processor), and what needs AVX-512 or MSRs
 *   7.EDX   all: speculation control is the host's
 *   80000001.ECX  0x00000004 SVM, 0x1000 SKINIT           no guests of guests
 *           0x00000008 ExtApicSpace, 0x400 IBS, 0x0f800000 counters, 0x20000000 MWAITX  the host's
 *           0x00000800 XOP, 0x10000 FMA4, 0x8000 LWP      the maker has left them
 *           0x00000002 CmpLegacy     processors are told one by one
 *           0x00000200 OSVW          MSRs the kernel does not have for guests
 *   80000001.EDX  as 1.EDX; 0x08000000 RDTSCP: TSC_AUX is the host's
 *           0x02000000 FFXSR         a bit of EFER that the guest does not have
 *   80000008.EBX  all: instructions that need MSRs, or are the host's
 */
struct hv_cpuid_leaf {
    uint32_t leaf;
    uint32_t eax, ebx, ecx, edx; /* masks */
};

static const struct hv_cpuid_leaf hv_cpuid_leaves[] = {
    {LEAF_BASIC, 0, ALL, ALL, ALL},                           /* the maker */
    {LEAF_FEATURES, ALL, 0x0000ffff, 0x76d83203, 0x078bad7f}, /* EBX: CLFLUSH, brand */
    {LEAF_STRUCTURED, 0, 0x219c23a9, 0x00000004, 0},          /* FSGSBASE .. SHA */
    {LEAF_EXTENDED, 0, ALL, ALL, ALL},
    {LEAF_AMD_FEATURES, ALL, ALL, 0x000001e1, 0x25d3ad7f},
    {0x80000002u, ALL, ALL, ALL, ALL}, /* the name */
    {0x80000003u, ALL, ALL, ALL, ALL},
    {0x80000004u, ALL, ALL, ALL, ALL},
    {0x80000005u, ALL, ALL, ALL, ALL}, /* caches */
    {0x80000006u, ALL, ALL, ALL, ALL},
    {0x80000007u, 0, 0, 0, 0x00000100}, /* the time stamp does not change its rate */
    {LEAF_SIZES, 0x0000ffff, 0, 0, 0},  /* sizes of addresses */
};

/* The highest leaf of each range is the highest in the table. */
static uint32_t hv_cpuid_highest(uint32_t first)
{
    return first == LEAF_EXTENDED ? LEAF_SIZES : cpu_features.xsave ? LEAF_XSAVE : LEAF_STRUCTURED;
}

static struct cpuid_result hv_cpuid_signature(void)
{
    /* "PortolanHv  " */
    return (struct cpuid_result){HV_CPUID_SIGNATURE_LEAF, 0x74726f50, 0x6e616c6f, 0x20207648};
}

/* What depends on the guest's processor. */
static struct cpuid_result hv_cpuid_adjust(struct cpuid_result r, uint32_t leaf,
                                           const struct hv_vcpu *vcpu)
{
    if (leaf == LEAF_BASIC || leaf == LEAF_EXTENDED) {
        r.eax = hv_cpuid_highest(leaf);
    } else if (leaf == LEAF_FEATURES) {
        r.ebx |= vcpu->number << APIC_ID_SHIFT;
        r.ecx |= FEATURES_MACHINE | vcpu->osxsave;
    } else if (leaf == LEAF_SIZES && (r.eax & 0xff) > HV_PHYSICAL_BITS) {
        r.eax = (r.eax & ~0xffu) | HV_PHYSICAL_BITS;
    }
    return r;
}

/* Vector state and its places in a save area: that of the host's threads. */
static struct cpuid_result hv_cpuid_xsave(uint32_t subleaf, const struct hv_vcpu *vcpu)
{
    struct cpuid_result r = {0, 0, 0, 0};

    if (subleaf == 0) {
        r.eax = (uint32_t)cpu_features.xsave_mask;
        r.ebx = (vcpu->xcr0 & XCR0_AVX) != 0 ? cpu_features.xsave_size : XSAVE_SIZE_MIN;
        r.ecx = cpu_features.xsave_size;
    } else if (subleaf == XSAVE_SUBLEAF_AVX && (cpu_features.xsave_mask & XCR0_AVX) != 0) {
        r.eax = XSAVE_SIZE_AVX;
        r.ebx = cpu_features.xsave_size - XSAVE_SIZE_AVX;
    }
    return r;
}

static struct cpuid_result hv_cpuid_common(uint32_t leaf, uint32_t subleaf,
                                           const struct hv_vcpu *vcpu)
{
    if (leaf == HV_CPUID_SIGNATURE_LEAF) {
        return hv_cpuid_signature();
    }
    for (unsigned i = 0; i < sizeof(hv_cpuid_leaves) / sizeof(hv_cpuid_leaves[0]); i++) {
        const struct hv_cpuid_leaf *l = &hv_cpuid_leaves[i];

        if (l->leaf == leaf && (leaf != LEAF_STRUCTURED || subleaf == 0)) {
            struct cpuid_result r = cpuid(leaf, subleaf);

            return hv_cpuid_adjust((struct cpuid_result){r.eax & l->eax, r.ebx & l->ebx,
                                                         r.ecx & l->ecx, r.edx & l->edx},
                                   leaf, vcpu);
        }
    }
    return leaf == LEAF_XSAVE && cpu_features.xsave ? hv_cpuid_xsave(subleaf, vcpu)
                                                    : (struct cpuid_result){0, 0, 0, 0};
}

/* The guest's processors: a core each, all in one package. */
static struct cpuid_result hv_cpuid_topology(uint32_t subleaf, uint32_t number, uint32_t count)
{
    struct cpuid_result r = {.ecx = subleaf & 0xff, .edx = number};

    if (subleaf == 0) {
        r.ebx = 1;
        r.ecx |= LEVEL_THREAD;
    } else if (subleaf == 1) {
        r.eax = CORE_BITS;
        r.ebx = count;
        r.ecx |= LEVEL_CORE;
    }
    return r;
}

/* With a local APIC there is more to show. */
static __attribute__((noinline)) struct cpuid_result hv_cpuid_with_apic(struct cpuid_result r,
                                                                        uint32_t leaf,
                                                                        uint32_t subleaf,
                                                                        const struct hv_vcpu *vcpu)
{
    uint32_t count = atomic_load(&vcpu->machine->vcpu_count);
    uint32_t apic = hv_apic_is_enabled(vcpu->apic) ? FEATURES_APIC : 0;

    switch (leaf) {
    case LEAF_BASIC:
        r.eax = r.eax < LEAF_TOPOLOGY ? LEAF_TOPOLOGY : r.eax;
        break;
    case LEAF_FEATURES:
        r.ecx |= FEATURES_X2APIC | FEATURES_DEADLINE;
        r.edx |= apic | (count > 1 ? FEATURES_THREADS : 0);
        r.ebx |= count > 1 ? count << COUNT_SHIFT : 0;
        break;
    case LEAF_TOPOLOGY:
        return hv_cpuid_topology(subleaf, vcpu->number, count);
    case LEAF_AMD_FEATURES:
        r.edx |= apic;
        break;
    default:
        break;
    }
    return r;
}

struct cpuid_result hv_cpuid(uint32_t leaf, uint32_t subleaf, const struct hv_vcpu *vcpu)
{
    struct cpuid_result r = hv_cpuid_common(leaf, subleaf, vcpu);

    return vcpu->apic == NULL ? r : hv_cpuid_with_apic(r, leaf, subleaf, vcpu);
}
