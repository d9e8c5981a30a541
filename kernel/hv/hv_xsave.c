/* hv_xsave.c - XCR0 of a guest (hv_xsave.h). It is the host's while the host runs, so where the
 * guest can tell (CR4.OSXSAVE) it is changed on the way in and out. */
#include "hv/hv_xsave.h"

#include "arch/cpu_features.h"
#include "arch/fpu.h"
#include "arch/io.h"
#include "hv/hv_impl.h"
#include "kern/assert.h"
#include "kern/string.h"

#define XCR0_X87      1u
#define XCR0_SSE      2u
#define XCR0_AVX      4u
#define CPUID_OSXSAVE (1u << 27) /* 1.ECX */

/* The standard format of a save area. */
#define AREA_SIZE_MAX 1024u
#define HEADER_OFFSET 512u
#define AVX_SIZE      256u

static bool hv_xsave_is_good(uint64_t xcr0)
{
    return (xcr0 & XCR0_X87) != 0 && (xcr0 & ~cpu_features.xsave_mask) == 0 &&
           ((xcr0 & XCR0_AVX) == 0 || (xcr0 & XCR0_SSE) != 0);
}

void hv_xsave_reset(struct hv_vcpu *vcpu)
{
    vcpu->xcr0 = XCR0_X87;
}

void hv_xsave_set_cr4(struct hv_vcpu *vcpu, uint64_t cr4)
{
    bool can_tell = (cr4 & CR4_OSXSAVE) != 0;

    vcpu->osxsave = can_tell ? CPUID_OSXSAVE : 0;
    vcpu->extras &= (uint8_t)~HV_EXTRA_XCR0;
    vcpu->extras |= can_tell ? HV_EXTRA_XCR0 : 0;
}

void hv_xsave_enter(const struct hv_vcpu *vcpu)
{
    if (vcpu->xcr0 != cpu_features.xsave_mask) {
        write_xcr0(vcpu->xcr0);
    }
}

void hv_xsave_leave(struct hv_vcpu *vcpu)
{
    uint64_t xcr0 = read_xcr0();

    if (xcr0 != cpu_features.xsave_mask) {
        write_xcr0(cpu_features.xsave_mask);
    }
    if (__builtin_expect(xcr0 != vcpu->xcr0, 0)) { /* QEMU 7.2 does not intercept XSETBV */
        vcpu->xcr0 = (xcr0 & cpu_features.xsave_mask) | XCR0_X87;
    }
}

bool hv_xsave_write(struct hv_vcpu *vcpu, uint32_t number, uint64_t value)
{
    if (number != 0 || !hv_xsave_is_good(value)) {
        return false;
    }
    vcpu->xcr0 = value;
    return true;
}

bool hv_xsave_has_state(void)
{
    return cpu_features.xsave;
}

/* Where the upper halves are in an area; NULL: the host has none. */
static uint8_t *hv_xsave_upper(uint8_t *area)
{
    return (cpu_features.xsave_mask & XCR0_AVX) != 0 ? area + fpu_state_size() - AVX_SIZE : NULL;
}

static_assert(HV_XSAVE_COUNT == HV_XSAVE_UPPER + AVX_SIZE / sizeof(uint64_t), "16 registers");

void hv_xsave_get_state(struct hv_vcpu *vcpu, uint64_t *words)
{
    uint8_t *area = fpu_state(&vcpu->fpu);
    const uint8_t *upper = hv_xsave_upper(area);

    memset(words, 0, HV_XSAVE_COUNT * sizeof(*words));
    words[HV_XSAVE_XCR0] = vcpu->xcr0;
    words[HV_XSAVE_IN_USE] = *(const uint64_t *)(area + HEADER_OFFSET);
    if (upper != NULL && (words[HV_XSAVE_IN_USE] & XCR0_AVX) != 0) { /* else they are 0 */
        memcpy(words + HV_XSAVE_UPPER, upper, AVX_SIZE);
    }
}

bool hv_xsave_set_state(struct hv_vcpu *vcpu, const uint64_t *words)
{
    uint8_t area[AREA_SIZE_MAX];
    uint8_t *upper = hv_xsave_upper(area);

    assert(fpu_state_size() <= sizeof(area));
    if (!hv_xsave_is_good(words[HV_XSAVE_XCR0])) {
        return false;
    }
    memcpy(area, fpu_state(&vcpu->fpu), fpu_state_size());
    *(uint64_t *)(area + HEADER_OFFSET) = words[HV_XSAVE_IN_USE];
    if (upper != NULL) {
        memcpy(upper, words + HV_XSAVE_UPPER, AVX_SIZE);
    }
    if (!fpu_set_state(&vcpu->fpu, area, fpu_state_size())) {
        return false;
    }
    return hv_xsave_write(vcpu, 0, words[HV_XSAVE_XCR0]);
}
