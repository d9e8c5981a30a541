/* hv.c - which back end runs guests here. */
#include "hv/hv.h"

#include "arch/cpu_features.h"
#include "arch/io.h"
#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/hv_impl.h"
#include "kern/printf.h"

#define CPUID_SIZES 0x80000008u

const struct hv_ops *hv_ops;
struct hv_limits hv_limits;

static void hv_find_limits(void)
{
    unsigned bits = cpuid(CPUID_SIZES, 0).eax & 0xff;

    hv_limits.physical_bits = bits < HV_PHYSICAL_BITS ? bits : HV_PHYSICAL_BITS;
    hv_limits.efer = HV_EFER_SCE | HV_EFER_LME | HV_EFER_LMA | HV_EFER_NXE;
    hv_limits.cr4 = HV_CR4_BASIC | (cpu_features.umip ? CR4_UMIP : 0) |
                    (cpu_features.fsgsbase ? CR4_FSGSBASE : 0) |
                    (cpu_features.smep ? CR4_SMEP : 0) | (cpu_features.smap ? CR4_SMAP : 0) |
                    (cpu_features.xsave ? CR4_OSXSAVE : 0);
}

void hv_init(void)
{
    static const struct hv_ops *const back_ends[] = {&svm_ops, &vmx_ops};

    hv_find_limits();
    for (unsigned i = 0; i < sizeof(back_ends) / sizeof(back_ends[0]) && hv_ops == NULL; i++) {
        if (back_ends[i]->init()) {
            hv_ops = back_ends[i];
            kprintf("hv: virtual machines by %s%s\n", hv_ops->name,
                    hv_limits.tells_writes ? ", which tells what they write" : "");
        }
    }
}
