/* hv_reset.c - the state after a reset and INIT, as a back end takes any other state. */
#include "hv/hv_reset.h"

#include <mach/hv.h>

#include "arch/io.h"
#include "hv/hv_bits.h"
#include "hv/hv_impl.h"
#include "hv/hv_xsave.h"

#define RIP_RESET  0xfff0u
#define CS_RESET   0xf000u
#define BASE_RESET 0xffff0000u

static uint64_t hv_reset_segment(uint64_t selector, uint64_t attributes)
{
    return selector | attributes << 16 | (uint64_t)HV_RESET_LIMIT << 32;
}

static void hv_reset_segments(struct hv_vcpu *vcpu, uint64_t selector, uint64_t base)
{
    uint64_t words[HV_SEGMENTS_COUNT] = {0};

    for (unsigned i = 0; i < HV_SEGMENTS_COUNT; i += 2) {
        words[i] = hv_reset_segment(0, HV_RESET_DATA);
    }
    words[2 * HV_SEGMENT_CS] = hv_reset_segment(selector, HV_RESET_CODE);
    words[2 * HV_SEGMENT_CS + 1] = base;
    words[2 * HV_SEGMENT_LDTR] = hv_reset_segment(0, HV_RESET_LDT);
    words[2 * HV_SEGMENT_TR] = hv_reset_segment(0, HV_RESET_TSS);
    words[2 * HV_SEGMENT_GDTR] = hv_reset_segment(0, 0);
    words[2 * HV_SEGMENT_IDTR] = hv_reset_segment(0, 0);
    (void)hv_ops->set_state(vcpu, HV_STATE_SEGMENTS, words);
}

static void hv_reset_general(struct hv_vcpu *vcpu, uint64_t rip)
{
    uint64_t words[HV_GENERAL_COUNT] = {
        [HV_RDX] = cpuid(1, 0).eax, [HV_RIP] = rip, [HV_RFLAGS] = HV_RFLAGS_ONE};

    (void)hv_ops->set_state(vcpu, HV_STATE_GENERAL, words);
}

void hv_reset(struct hv_vcpu *vcpu)
{
    uint64_t words[HV_CONTROL_COUNT];
    uint64_t events[HV_EVENTS_COUNT] = {0};
    uint64_t pat, offset;

    hv_ops->get_state(vcpu, HV_STATE_CONTROL, words);
    pat = words[HV_PAT];
    offset = words[HV_TSC_OFFSET];
    for (unsigned i = 0; i < HV_CONTROL_COUNT; i++) {
        words[i] = 0;
    }
    words[HV_CR0] = HV_RESET_CR0;
    words[HV_PAT] = pat;
    words[HV_DR6] = HV_RESET_DR6;
    words[HV_DR7] = HV_RESET_DR7;
    words[HV_TSC_OFFSET] = offset;
    (void)hv_ops->set_state(vcpu, HV_STATE_CONTROL, words);
    hv_xsave_set_cr4(vcpu, 0);
    (void)hv_ops->set_state(vcpu, HV_STATE_EVENTS, events);
    hv_reset_segments(vcpu, CS_RESET, BASE_RESET);
    hv_reset_general(vcpu, RIP_RESET);
}

void hv_reset_start(struct hv_vcpu *vcpu, uint32_t vector)
{
    hv_reset_segments(vcpu, vector << 8, vector << 12);
    hv_reset_general(vcpu, 0);
}
