/* svm_state.c - the state of a guest's processor, by flavor (mach/hv.h), in and out of its VMCB. */
#include "arch/io.h"
#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/hv_walk.h"
#include "hv/svm_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"

#define HALF_OF_SEGMENT 2u

/* Where the segments of HV_STATE_SEGMENTS are in a VMCB. */
static const uint8_t svm_state_segments[HV_SEGMENTS_COUNT / HALF_OF_SEGMENT] = {
    [HV_SEGMENT_ES] = SVM_ES,     [HV_SEGMENT_CS] = SVM_CS, [HV_SEGMENT_SS] = SVM_SS,
    [HV_SEGMENT_DS] = SVM_DS,     [HV_SEGMENT_FS] = SVM_FS, [HV_SEGMENT_GS] = SVM_GS,
    [HV_SEGMENT_LDTR] = SVM_LDTR, [HV_SEGMENT_TR] = SVM_TR, [HV_SEGMENT_GDTR] = SVM_GDTR,
    [HV_SEGMENT_IDTR] = SVM_IDTR,
};

/* --- general registers --- */

static void svm_state_get_general(struct hv_vcpu *vcpu, uint64_t *words)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    for (unsigned i = 0; i <= HV_R15; i++) {
        words[i] = vcpu->registers[i];
    }
    words[HV_RAX] = v->rax;
    words[HV_RSP] = v->rsp;
    words[HV_RIP] = v->rip;
    words[HV_RFLAGS] = v->rflags;
}

static bool svm_state_set_general(struct hv_vcpu *vcpu, const uint64_t *words)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    for (unsigned i = 0; i <= HV_R15; i++) {
        vcpu->registers[i] = words[i];
    }
    v->rax = words[HV_RAX];
    v->rsp = words[HV_RSP];
    v->rip = words[HV_RIP];
    vcpu->unchecked |= ((words[HV_RFLAGS] ^ v->rflags) & HV_RFLAGS_VM) != 0;
    v->rflags = (words[HV_RFLAGS] & HV_RFLAGS_ALL) | HV_RFLAGS_ONE;
    return true;
}

/* --- segments --- */

static void svm_state_get_segments(struct hv_vcpu *vcpu, uint64_t *words)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    for (unsigned i = 0; i < HV_SEGMENTS_COUNT; i += HALF_OF_SEGMENT) {
        const struct svm_segment *s = &v->segments[svm_state_segments[i / HALF_OF_SEGMENT]];

        words[i] = s->selector | (uint64_t)s->attributes << 16 | (uint64_t)s->limit << 32;
        words[i + 1] = s->base;
    }
}

static bool svm_state_set_segments(struct hv_vcpu *vcpu, const uint64_t *words)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    for (unsigned i = 0; i < HV_SEGMENTS_COUNT; i += HALF_OF_SEGMENT) {
        v->segments[svm_state_segments[i / HALF_OF_SEGMENT]] = (struct svm_segment){
            .selector = (uint16_t)words[i],
            .attributes = (uint16_t)(words[i] >> 16 & HV_ATTRIBUTES),
            .limit = (uint32_t)(words[i] >> 32),
            .base = words[i + 1],
        };
    }
    vcpu->unchecked = true;
    return true;
}

/* --- control registers --- */

static void svm_state_get_control(struct hv_vcpu *vcpu, uint64_t *words)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    words[HV_CR0] = v->cr0;
    words[HV_CR2] = v->cr2;
    words[HV_CR3] = v->cr3;
    words[HV_CR4] = v->cr4;
    words[HV_CR8] = v->virtual_control & SVM_V_TPR;
    words[HV_EFER] = v->efer & ~SVM_EFER_SVME;
    words[HV_PAT] = v->pat;
    for (unsigned i = 0; i < 4; i++) {
        words[HV_DR0 + i] = vcpu->debug[i];
    }
    words[HV_DR6] = v->dr6;
    words[HV_DR7] = v->dr7;
    words[HV_TSC_OFFSET] = v->tsc_offset;
}

void svm_state_use_debug(struct hv_vcpu *vcpu)
{
    vcpu->extras |= HV_EXTRA_DEBUG;
    svm_vcpu_of(vcpu)->vmcb->intercept_dr = 0;
}

static bool svm_state_set_control(struct hv_vcpu *vcpu, const uint64_t *words)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    if (words[HV_CR8] > 15) {
        return false;
    }
    v->cr0 = words[HV_CR0] | HV_CR0_ET;
    v->cr2 = words[HV_CR2];
    v->cr3 = words[HV_CR3];
    v->cr4 = words[HV_CR4];
    v->virtual_control = (v->virtual_control & ~SVM_V_TPR) | (uint32_t)words[HV_CR8];
    v->efer = words[HV_EFER] | SVM_EFER_SVME;
    v->pat = words[HV_PAT];
    for (unsigned i = 0; i < 4; i++) {
        vcpu->debug[i] = words[HV_DR0 + i];
    }
    v->dr6 = words[HV_DR6];
    v->dr7 = words[HV_DR7];
    if (words[HV_DR7] != HV_RESET_DR7) { /* else DR0-3 are nothing yet but what is read */
        svm_state_use_debug(vcpu);
    }
    v->tsc_offset = words[HV_TSC_OFFSET];
    svm_vcpu_of(vcpu)->tag.cpu = -1; /* what its TLB has is of other page tables */
    vcpu->unchecked = true;
    return true;
}

/* --- MSRs, events --- */

static void svm_state_get_msrs(struct hv_vcpu *vcpu, uint64_t *words)
{
    const uint64_t *msrs = &svm_vcpu_of(vcpu)->vmcb->star;

    for (unsigned i = 0; i < HV_MSRS_COUNT; i++) {
        words[i] = msrs[i];
    }
}

static bool svm_state_set_msrs(struct hv_vcpu *vcpu, const uint64_t *words)
{
    uint64_t *msrs = &svm_vcpu_of(vcpu)->vmcb->star;

    for (unsigned i = 0; i < HV_MSRS_COUNT; i++) {
        msrs[i] = words[i];
    }
    return true;
}

static_assert(__builtin_offsetof(struct svm_vmcb, sysenter_eip) ==
                  __builtin_offsetof(struct svm_vmcb, star) + HV_SYSENTER_EIP * 8,
              "HV_STATE_MSRS is in the VMCB's order");

static void svm_state_get_events(struct hv_vcpu *vcpu, uint64_t *words)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    hv_vcpu_get_events(vcpu, words);
    words[HV_EVENT_INJECTED] = (v->event & HV_EVENT_VALID) != 0 ? v->event : 0;
    words[HV_EVENT_SHADOW] = v->interrupt_shadow & 1;
}

static bool svm_state_set_events(struct hv_vcpu *vcpu, const uint64_t *words)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    if (!hv_vcpu_set_events(vcpu, words)) {
        return false;
    }
    svm_vcpu_of(vcpu)->is_quiet = false;
    v->event = words[HV_EVENT_INJECTED];
    v->interrupt_shadow = words[HV_EVENT_SHADOW];
    vcpu->unchecked = true;
    return true;
}

/* --- by flavor --- */

struct svm_state_flavor {
    void (*get)(struct hv_vcpu *vcpu, uint64_t *words);
    bool (*set)(struct hv_vcpu *vcpu, const uint64_t *words);
};

static const struct svm_state_flavor svm_state_flavors[] = {
    [HV_STATE_GENERAL] = {svm_state_get_general, svm_state_set_general},
    [HV_STATE_SEGMENTS] = {svm_state_get_segments, svm_state_set_segments},
    [HV_STATE_CONTROL] = {svm_state_get_control, svm_state_set_control},
    [HV_STATE_MSRS] = {svm_state_get_msrs, svm_state_set_msrs},
    [HV_STATE_EVENTS] = {svm_state_get_events, svm_state_set_events},
};

void svm_state_get(struct hv_vcpu *vcpu, int flavor, uint64_t *words)
{
    assert(flavor >= 0 && flavor <= HV_STATE_EVENTS);
    svm_state_flavors[flavor].get(vcpu, words);
}

bool svm_state_set(struct hv_vcpu *vcpu, int flavor, const uint64_t *words)
{
    assert(flavor >= 0 && flavor <= HV_STATE_EVENTS);
    return svm_state_flavors[flavor].set(vcpu, words);
}

/* The privilege level goes by the mode and SS (APM volume 2, 15.5.1). */
static void svm_state_settle_level(struct svm_vmcb *v)
{
    bool protected = (v->cr0 & HV_CR0_PE) != 0;

    v->cpl = !protected                        ? 0
             : (v->rflags & HV_RFLAGS_VM) != 0 ? 3
                                               : HV_ATTRIBUTE_DPL(v->segments[SVM_SS].attributes);
}

const char *svm_state_check(struct hv_vcpu *vcpu)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    struct hv_check state = {
        .cr0 = v->cr0,
        .cr3 = v->cr3,
        .cr4 = v->cr4,
        .efer = v->efer & ~SVM_EFER_SVME,
        .pat = v->pat,
        .dr6 = v->dr6,
        .dr7 = v->dr7,
        .rflags = v->rflags,
        .event = v->event,
        .code = v->segments[SVM_CS].attributes,
    };

    svm_state_settle_level(v);
    return hv_check(&state, &hv_limits);
}

void svm_state_tell(const struct hv_vcpu *vcpu)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    volatile struct hv_record *record = vcpu->record;

    for (unsigned i = 0; i <= HV_R15; i++) {
        record->registers[i] = vcpu->registers[i];
    }
    record->registers[HV_RAX] = v->rax;
    record->registers[HV_RSP] = v->rsp;
    record->registers[HV_RIP] = v->rip;
    record->registers[HV_RFLAGS] = v->rflags;
}

void svm_state_get_paging(const struct hv_vcpu *vcpu, struct hv_paging *paging)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    const struct svm_segment *code = &v->segments[SVM_CS];
    bool is_64bit = (v->efer & HV_EFER_LMA) != 0 && (code->attributes & HV_ATTRIBUTE_LONG) != 0;

    *paging = (struct hv_paging){
        .cr0 = v->cr0,
        .cr3 = v->cr3,
        .cr4 = v->cr4,
        .efer = v->efer & ~SVM_EFER_SVME,
        .code_base = is_64bit ? 0 : code->base,
        .rip = v->rip,
        .is_64bit = is_64bit,
    };
}
