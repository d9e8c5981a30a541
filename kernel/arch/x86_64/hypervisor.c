/* hypervisor.c - calls to the monitor this kernel is a guest of. Which instruction makes one is the
 * maker's of the processor to say: VMCALL (Intel SDM volume 3C, 31.3), VMMCALL (AMD64 APM volume
 * 3). */
#include "arch/hypervisor.h"

#include <mach/hypercall.h>

#include "arch/boot_info.h"
#include "arch/cpu_features.h"
#include "arch/io.h"
#include "kern/console.h"
#include "kern/string.h"

#define FEATURE_GUEST (1u << 31) /* of leaf 1, ECX */

static bool hypervisor_used;     /* [I] after hypervisor_init() */
static bool hypervisor_is_intel; /* [I] */

static bool hypervisor_is_there(void)
{
    struct cpuid_result r;

    if ((cpuid(1, 0).ecx & FEATURE_GUEST) == 0) {
        return false;
    }
    r = cpuid(HYPERCALL_CPUID_LEAF, 0);
    return r.ebx == HYPERCALL_CPUID_EBX && r.ecx == HYPERCALL_CPUID_ECX &&
           r.edx == HYPERCALL_CPUID_EDX;
}

void hypervisor_init(void)
{
    char unused[2];

    hypervisor_is_intel = strcmp(cpu_features.vendor, "GenuineIntel") == 0;
    hypervisor_used =
        boot_info_option("paravirtual", unused, sizeof(unused)) && hypervisor_is_there();
    if (hypervisor_used) {
        console_use_hypervisor();
    }
}

bool hypervisor_is_used(void)
{
    return hypervisor_used;
}

uint64_t hypervisor_call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    uint64_t answer = number;

    if (!hypervisor_used) {
        return HYPERCALL_UNKNOWN;
    }
    if (hypervisor_is_intel) {
        __asm__ volatile("vmcall" : "+a"(answer) : "b"(first), "c"(second), "d"(third) : "memory");
    } else {
        __asm__ volatile("vmmcall" : "+a"(answer) : "b"(first), "c"(second), "d"(third) : "memory");
    }
    return answer;
}
