/* vmx_state.c - the state of a guest's processor, by flavor (mach/hv.h), in and out of its VMCS.
 *
 * A VMCS is read and written by instructions, and only while it is loaded. So what has been read of
 * it is kept until the guest runs again, and what is written is kept until then. Some bits of CR0
 * and CR4 are not the guest's: it sees them as it would, and they are what VMX operation needs. */
#include "arch/io.h"
#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/hv_walk.h"
#include "hv/vmx_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"

#define HALF_OF_SEGMENT 2u
#define RIGHTS_LOW      0xffu /* of attributes: the rest is four bits further up in VMCS_RIGHTS */
#define RIGHTS_HIGH     0xf00u
#define PDPTES_ALIGNED  0xffffffe0ul
#define VMX_NO_FIELD    0u

#define SEGMENT_FIELDS(segment)                                                                    \
    [VMX_SEGMENT(segment, VMX_SELECTOR)] = VMCS_SELECTOR + 2 * (segment),                          \
                          [VMX_SEGMENT(segment, VMX_RIGHTS)] = VMCS_RIGHTS + 2 * (segment),        \
                          TABLE_FIELDS(segment)
#define TABLE_FIELDS(segment)                                                                      \
    [VMX_SEGMENT(segment, VMX_LIMIT)] = VMCS_LIMIT + 2 * (segment),                                \
                          [VMX_SEGMENT(segment, VMX_BASE)] = VMCS_BASE + 2 * (segment)

static const uint16_t vmx_state_fields[VMX_WORDS] = {
    [VMX_RIP] = VMCS_RIP,
    [VMX_RSP] = VMCS_RSP,
    [VMX_RFLAGS] = VMCS_RFLAGS,
    [VMX_INTERRUPTIBLE] = VMCS_INTERRUPTIBLE,
    [VMX_CR0] = VMCS_CR0,
    [VMX_CR3] = VMCS_CR3,
    [VMX_CR4] = VMCS_CR4,
    [VMX_EFER] = VMCS_EFER,
    [VMX_PAT] = VMCS_PAT,
    [VMX_DR7] = VMCS_DR7,
    [VMX_TSC_OFFSET] = VMCS_TSC_OFFSET,
    [VMX_SYSENTER_CS] = VMCS_SYSENTER_CS,
    [VMX_SYSENTER_ESP] = VMCS_SYSENTER_ESP,
    [VMX_SYSENTER_EIP] = VMCS_SYSENTER_EIP,
    SEGMENT_FIELDS(HV_SEGMENT_ES),
    SEGMENT_FIELDS(HV_SEGMENT_CS),
    SEGMENT_FIELDS(HV_SEGMENT_SS),
    SEGMENT_FIELDS(HV_SEGMENT_DS),
    SEGMENT_FIELDS(HV_SEGMENT_FS),
    SEGMENT_FIELDS(HV_SEGMENT_GS),
    SEGMENT_FIELDS(HV_SEGMENT_LDTR),
    SEGMENT_FIELDS(HV_SEGMENT_TR),
    TABLE_FIELDS(HV_SEGMENT_GDTR),
    TABLE_FIELDS(HV_SEGMENT_IDTR),
};

/* What each exit reads, and what is told to the monitor besides. */
#define VMX_STATE_WANTED                                                                           \
    (VMX_WORD(VMX_RIP) | VMX_WORD(VMX_RSP) | VMX_WORD(VMX_RFLAGS) | VMX_WORD(VMX_INTERRUPTIBLE))
#define VMX_STATE_KEPT                                                                             \
    (VMX_WORD(VMX_CR0) | VMX_WORD(VMX_CR3) | VMX_WORD(VMX_CR4) | VMX_WORD(VMX_EFER) |              \
     VMX_WORD(VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS)) |                                            \
     VMX_WORD(VMX_SEGMENT(HV_SEGMENT_CS, VMX_BASE)))
#define VMX_STATE_ALL (VMX_WORD(VMX_WORDS) - 1)

static_assert(VMX_WORDS < 64, "a bit for each word");

/* --- words --- */

/* Have the words of the mask that are not known read. */
static void vmx_state_know(const struct hv_vcpu *vcpu, uint64_t mask)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    uint64_t missing = mask & ~v->known;

    if (missing == 0) {
        return;
    }
    vmx_load(vcpu);
    v->known |= missing;
    for (; missing != 0; missing &= missing - 1) {
        unsigned word = (unsigned)__builtin_ctzl(missing);

        if (vmx_state_fields[word] != VMX_NO_FIELD) {
            v->words[word] = vmx_read(vmx_state_fields[word]);
        }
    }
    vmx_unload(vcpu);
}

uint64_t vmx_state_fetch(const struct hv_vcpu *vcpu, enum vmx_word word)
{
    vmx_state_know(vcpu, VMX_WORD(word));
    return vmx_vcpu_of(vcpu)->words[word];
}

/* What goes with a shadow of interrupts (SDM volume 3C, 27.3.1.5): that of STI needs IF, and with
 * TF a step waits behind each. */
static void vmx_state_settle_shadow(struct vmx_vcpu *v)
{
    uint64_t *state = &v->words[VMX_INTERRUPTIBLE];

    if ((*state & VMX_SHADOW_STI) != 0 && (v->words[VMX_RFLAGS] & HV_RFLAGS_IF) == 0) {
        *state ^= VMX_SHADOW_STI | VMX_SHADOW_MOV_SS;
    }
    if ((*state & VMX_SHADOW) != 0) {
        uint64_t pending = vmx_read(VMCS_PENDING_DEBUG) & ~VMX_PENDING_STEP;
        bool steps = (v->words[VMX_RFLAGS] & HV_RFLAGS_TF) != 0;

        vmx_write(VMCS_PENDING_DEBUG, pending | (steps ? VMX_PENDING_STEP : 0));
    }
}

void vmx_state_enter(struct vmx_vcpu *v)
{
    if ((v->changed & (VMX_WORD(VMX_RFLAGS) | VMX_WORD(VMX_INTERRUPTIBLE))) != 0) {
        vmx_state_settle_shadow(v);
    }
    if ((v->changed & VMX_WORD(VMX_EFER)) != 0) {
        vmx_write(VMCS_ENTRY, (vmx_read(VMCS_ENTRY) & ~(uint64_t)VMX_ENTRY_LONG) |
                                  ((v->words[VMX_EFER] & HV_EFER_LMA) != 0 ? VMX_ENTRY_LONG : 0));
    }
    if ((v->changed & VMX_WORD(VMX_CR0)) != 0) {
        vmx_write(VMCS_CR0_SHADOW, v->cr0_shown);
    }
    if ((v->changed & VMX_WORD(VMX_CR4)) != 0) {
        vmx_write(VMCS_CR4_SHADOW, v->words[VMX_CR4] & CR4_OSXSAVE);
    }
    while (v->changed != 0) {
        unsigned word = (unsigned)__builtin_ctzl(v->changed);

        v->changed &= v->changed - 1;
        if (vmx_state_fields[word] != VMX_NO_FIELD) {
            vmx_write(vmx_state_fields[word], v->words[word]);
        }
    }
}

void vmx_state_leave(struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    v->known = VMX_STATE_WANTED;
    v->words[VMX_RIP] = vmx_read(VMCS_RIP);
    v->words[VMX_RSP] = vmx_read(VMCS_RSP);
    v->words[VMX_RFLAGS] = vmx_read(VMCS_RFLAGS);
    v->words[VMX_INTERRUPTIBLE] = vmx_read(VMCS_INTERRUPTIBLE);
    vcpu->nmi_blocked = (v->words[VMX_INTERRUPTIBLE] & VMX_SHADOW_NMI) != 0;
}

void vmx_state_keep(const struct hv_vcpu *vcpu)
{
    vmx_state_know(vcpu, VMX_STATE_KEPT);
}

/* --- general registers --- */

static void vmx_state_get_general(struct hv_vcpu *vcpu, uint64_t *words)
{
    for (unsigned i = 0; i <= HV_R15; i++) {
        words[i] = vcpu->registers[i];
    }
    words[HV_RSP] = vmx_state_word(vcpu, VMX_RSP);
    words[HV_RIP] = vmx_state_word(vcpu, VMX_RIP);
    words[HV_RFLAGS] = vmx_state_word(vcpu, VMX_RFLAGS);
}

static bool vmx_state_set_general(struct hv_vcpu *vcpu, const uint64_t *words)
{
    uint64_t flags = (words[HV_RFLAGS] & HV_RFLAGS_ALL) | HV_RFLAGS_ONE;

    for (unsigned i = 0; i <= HV_R15; i++) {
        vcpu->registers[i] = words[i];
    }
    vcpu->unchecked |= ((flags ^ vmx_state_word(vcpu, VMX_RFLAGS)) & HV_RFLAGS_VM) != 0 ||
                       (vmx_vcpu_of(vcpu)->event & HV_EVENT_VALID) != 0 ||
                       !vmx_check_rip(words[HV_RIP], vmx_state_word(vcpu, VMX_EFER),
                                      vmx_state_word(vcpu, VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS)));
    vmx_state_set_word(vcpu, VMX_RSP, words[HV_RSP]);
    vmx_state_set_word(vcpu, VMX_RIP, words[HV_RIP]);
    vmx_state_set_word(vcpu, VMX_RFLAGS, flags);
    return true;
}

/* --- segments --- */

static void vmx_state_get_segments(struct hv_vcpu *vcpu, uint64_t *words)
{
    vmx_state_know(vcpu, VMX_STATE_ALL);
    for (unsigned i = 0; i < HV_SEGMENTS_COUNT; i += HALF_OF_SEGMENT) {
        unsigned segment = i / HALF_OF_SEGMENT;
        uint64_t rights = vmx_state_word(vcpu, VMX_SEGMENT(segment, VMX_RIGHTS));

        /* of an unusable one the other bits say little (SDM volume 3C, 25.4.1) */
        rights &= (rights & VMX_RIGHTS_UNUSABLE) != 0 ? ~(uint64_t)HV_ATTRIBUTE_PRESENT : ~0ul;
        words[i] = vmx_state_word(vcpu, VMX_SEGMENT(segment, VMX_SELECTOR)) |
                   ((rights & RIGHTS_LOW) | (rights >> 4 & RIGHTS_HIGH)) << 16 |
                   vmx_state_word(vcpu, VMX_SEGMENT(segment, VMX_LIMIT)) << 32;
        words[i + 1] = vmx_state_word(vcpu, VMX_SEGMENT(segment, VMX_BASE));
    }
}

static void vmx_state_set_segment(struct hv_vcpu *vcpu, unsigned segment, uint64_t attributes,
                                  uint64_t selector, uint64_t limit, uint64_t base)
{
    bool usable = (attributes & HV_ATTRIBUTE_PRESENT) != 0;

    vmx_state_set_word(vcpu, VMX_SEGMENT(segment, VMX_SELECTOR), selector);
    vmx_state_set_word(vcpu, VMX_SEGMENT(segment, VMX_RIGHTS),
                       (attributes & RIGHTS_LOW) | (attributes & RIGHTS_HIGH) << 4 |
                           (usable ? 0 : VMX_RIGHTS_UNUSABLE));
    vmx_state_set_word(vcpu, VMX_SEGMENT(segment, VMX_LIMIT), limit);
    vmx_state_set_word(vcpu, VMX_SEGMENT(segment, VMX_BASE), base);
}

static bool vmx_state_set_segments(struct hv_vcpu *vcpu, const uint64_t *words)
{
    for (unsigned i = 0; i < HV_SEGMENTS_COUNT; i += HALF_OF_SEGMENT) {
        vmx_state_set_segment(vcpu, i / HALF_OF_SEGMENT, words[i] >> 16 & HV_ATTRIBUTES,
                              (uint16_t)words[i], words[i] >> 32, words[i + 1]);
    }
    vcpu->unchecked = true;
    return true;
}

/* --- control registers --- */

static uint64_t vmx_state_cr0(const struct hv_vcpu *vcpu)
{
    return (vmx_state_word(vcpu, VMX_CR0) & ~VMX_CR0_HIDDEN) | vmx_vcpu_of(vcpu)->cr0_shown;
}

static uint64_t vmx_state_cr4(const struct hv_vcpu *vcpu)
{
    return (vmx_state_word(vcpu, VMX_CR4) & hv_limits.cr4) | vmx_vcpu_of(vcpu)->cr4_shown;
}

static void vmx_state_set_crs(struct hv_vcpu *vcpu, uint64_t cr0, uint64_t cr4)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    v->cr0_shown = cr0 & VMX_CR0_HIDDEN;
    v->cr4_shown = cr4 & ~hv_limits.cr4;
    vmx_state_set_word(vcpu, VMX_CR0, (cr0 & ~VMX_CR0_HIDDEN) | vmx_cr0_fixed);
    vmx_state_set_word(vcpu, VMX_CR4, (cr4 & hv_limits.cr4) | vmx_cr4_fixed);
}

static void vmx_state_get_control(struct hv_vcpu *vcpu, uint64_t *words)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    vmx_state_know(vcpu, VMX_STATE_ALL);
    words[HV_CR0] = vmx_state_cr0(vcpu);
    words[HV_CR2] = v->cr2;
    words[HV_CR3] = vmx_state_word(vcpu, VMX_CR3);
    words[HV_CR4] = vmx_state_cr4(vcpu);
    words[HV_CR8] = v->cr8;
    words[HV_EFER] = vmx_state_word(vcpu, VMX_EFER);
    words[HV_PAT] = vmx_state_word(vcpu, VMX_PAT);
    for (unsigned i = 0; i < 4; i++) {
        words[HV_DR0 + i] = vcpu->debug[i];
    }
    words[HV_DR6] = v->dr6;
    words[HV_DR7] = vmx_state_word(vcpu, VMX_DR7);
    words[HV_TSC_OFFSET] = vmx_state_word(vcpu, VMX_TSC_OFFSET);
}

static bool vmx_state_set_control(struct hv_vcpu *vcpu, const uint64_t *words)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    if (words[HV_CR8] > 15) {
        return false;
    }
    vmx_state_set_crs(vcpu, words[HV_CR0] | HV_CR0_ET, words[HV_CR4]);
    v->cr2 = words[HV_CR2];
    v->cr8 = words[HV_CR8];
    v->dr6 = words[HV_DR6];
    for (unsigned i = 0; i < 4; i++) {
        vcpu->debug[i] = words[HV_DR0 + i];
    }
    v->uses_debug |= words[HV_DR7] != HV_RESET_DR7;
    v->is_quiet = false;
    vmx_state_set_word(vcpu, VMX_CR3, words[HV_CR3]);
    vmx_state_set_word(vcpu, VMX_EFER, words[HV_EFER]);
    vmx_state_set_word(vcpu, VMX_PAT, words[HV_PAT]);
    vmx_state_set_word(vcpu, VMX_DR7, words[HV_DR7]);
    vmx_state_set_word(vcpu, VMX_TSC_OFFSET, words[HV_TSC_OFFSET]);
    v->tag.cpu = -1; /* what its TLB has is of other page tables */
    vcpu->unchecked = true;
    return true;
}

/* --- MSRs, events --- */

static void vmx_state_get_msrs(struct hv_vcpu *vcpu, uint64_t *words)
{
    for (unsigned i = 0; i < VMX_MSR_COUNT; i++) {
        words[i] = vmx_vcpu_of(vcpu)->msrs[i];
    }
    for (unsigned i = VMX_MSR_COUNT; i < HV_MSRS_COUNT; i++) {
        words[i] = vmx_state_word(vcpu, VMX_SYSENTER_CS + i - HV_SYSENTER_CS);
    }
}

static bool vmx_state_set_msrs(struct hv_vcpu *vcpu, const uint64_t *words)
{
    for (unsigned i = 0; i < VMX_MSR_COUNT; i++) {
        vmx_vcpu_of(vcpu)->msrs[i] = words[i];
    }
    for (unsigned i = VMX_MSR_COUNT; i < HV_MSRS_COUNT; i++) {
        vmx_state_set_word(vcpu, VMX_SYSENTER_CS + i - HV_SYSENTER_CS, words[i]);
    }
    vcpu->unchecked = true;
    return true;
}

static void vmx_state_get_events(struct hv_vcpu *vcpu, uint64_t *words)
{
    const struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    hv_vcpu_get_events(vcpu, words);
    words[HV_EVENT_INJECTED] = (v->event & HV_EVENT_VALID) != 0 ? v->event : 0;
    words[HV_EVENT_SHADOW] = (vmx_state_word(vcpu, VMX_INTERRUPTIBLE) & VMX_SHADOW) != 0;
}

static bool vmx_state_set_events(struct hv_vcpu *vcpu, const uint64_t *words)
{
    if (!hv_vcpu_set_events(vcpu, words)) {
        return false;
    }
    vmx_vcpu_of(vcpu)->event = words[HV_EVENT_INJECTED];
    vmx_state_set_word(vcpu, VMX_INTERRUPTIBLE,
                       (words[HV_EVENT_SHADOW] != 0 ? VMX_SHADOW_STI : 0) |
                           (vcpu->nmi_blocked ? VMX_SHADOW_NMI : 0));
    vcpu->unchecked = true;
    return true;
}

/* --- by flavor --- */

struct vmx_state_flavor {
    void (*get)(struct hv_vcpu *vcpu, uint64_t *words);
    bool (*set)(struct hv_vcpu *vcpu, const uint64_t *words);
};

static const struct vmx_state_flavor vmx_state_flavors[] = {
    [HV_STATE_GENERAL] = {vmx_state_get_general, vmx_state_set_general},
    [HV_STATE_SEGMENTS] = {vmx_state_get_segments, vmx_state_set_segments},
    [HV_STATE_CONTROL] = {vmx_state_get_control, vmx_state_set_control},
    [HV_STATE_MSRS] = {vmx_state_get_msrs, vmx_state_set_msrs},
    [HV_STATE_EVENTS] = {vmx_state_get_events, vmx_state_set_events},
};

void vmx_state_get(struct hv_vcpu *vcpu, int flavor, uint64_t *words)
{
    assert(flavor >= 0 && flavor <= HV_STATE_EVENTS);
    vmx_state_flavors[flavor].get(vcpu, words);
}

bool vmx_state_set(struct hv_vcpu *vcpu, int flavor, const uint64_t *words)
{
    assert(flavor >= 0 && flavor <= HV_STATE_EVENTS);
    return vmx_state_flavors[flavor].set(vcpu, words);
}

void vmx_state_clear(struct hv_vcpu *vcpu)
{
    for (unsigned i = 0; i < VMX_SEGMENTS; i++) {
        vmx_state_set_word(vcpu, i, 0);
    }
    vmx_state_set_word(vcpu, VMX_PAT, HV_RESET_PAT);
}

uint64_t vmx_state_get_tsc_offset(struct hv_vcpu *vcpu)
{
    uint64_t offset;

    vmx_load(vcpu);
    offset = vmx_state_word(vcpu, VMX_TSC_OFFSET);
    vmx_unload(vcpu);
    return offset;
}

/* --- what is wrong with it --- */

/* Paging with PAE alone takes its four highest entries when CR3 is loaded: so does a change of
 * state (SDM volume 3C, 27.3.1.6). Sleeps: yes. */
static const char *vmx_state_load_pdptes(struct hv_vcpu *vcpu)
{
    uint64_t table = vmx_state_word(vcpu, VMX_CR3) & PDPTES_ALIGNED;
    uint64_t pdptes[4];

    if ((vmx_state_word(vcpu, VMX_CR0) & HV_CR0_PG) == 0 ||
        (vmx_state_word(vcpu, VMX_CR4) & HV_CR4_PAE) == 0 ||
        (vmx_state_word(vcpu, VMX_EFER) & HV_EFER_LMA) != 0) {
        return NULL;
    }
    if (vm_fault_read(vcpu->machine->map, table, pdptes, sizeof(pdptes)) != KERN_SUCCESS) {
        return "CR3 points to no memory that can be read";
    }
    if (!vmx_check_pdptes(pdptes, hv_limits.physical_bits)) {
        return "a page directory pointer has bits that are reserved";
    }
    vmx_load(vcpu);
    for (unsigned i = 0; i < 4; i++) {
        vmx_write(VMCS_PDPTE + 2 * i, pdptes[i]);
    }
    vmx_unload(vcpu);
    return NULL;
}

const char *vmx_state_check(struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    const char *sentence;
    struct hv_check state;

    vmx_state_know(vcpu, VMX_STATE_ALL);
    state = (struct hv_check){
        .cr0 = vmx_state_cr0(vcpu),
        .cr3 = v->words[VMX_CR3],
        .cr4 = vmx_state_cr4(vcpu),
        .efer = v->words[VMX_EFER],
        .pat = v->words[VMX_PAT],
        .dr6 = v->dr6,
        .dr7 = v->words[VMX_DR7],
        .rflags = v->words[VMX_RFLAGS],
        .event = v->event,
        .code = (v->words[VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS)] & RIGHTS_LOW) |
                (v->words[VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS)] >> 4 & RIGHTS_HIGH),
    };
    sentence = hv_check(&state, &hv_limits);
    sentence = sentence != NULL ? sentence : vmx_check(v->words, v->msrs);
    return sentence != NULL ? sentence : vmx_state_load_pdptes(vcpu);
}

/* --- for the record --- */

void vmx_state_tell(const struct hv_vcpu *vcpu)
{
    const struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    volatile struct hv_record *record = vcpu->record;

    for (unsigned i = 0; i <= HV_R15; i++) {
        record->registers[i] = vcpu->registers[i];
    }
    record->registers[HV_RSP] = v->words[VMX_RSP];
    record->registers[HV_RIP] = v->words[VMX_RIP];
    record->registers[HV_RFLAGS] = v->words[VMX_RFLAGS];
}

bool vmx_state_is_64bit(const struct hv_vcpu *vcpu)
{
    uint64_t rights = vmx_state_word(vcpu, VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS));

    return (vmx_state_word(vcpu, VMX_EFER) & HV_EFER_LMA) != 0 &&
           (rights >> 4 & HV_ATTRIBUTE_LONG) != 0;
}

void vmx_state_get_paging(const struct hv_vcpu *vcpu, struct hv_paging *paging)
{
    bool is_64bit = vmx_state_is_64bit(vcpu);

    *paging = (struct hv_paging){
        .cr0 = vmx_state_cr0(vcpu),
        .cr3 = vmx_state_word(vcpu, VMX_CR3),
        .cr4 = vmx_state_cr4(vcpu),
        .efer = vmx_state_word(vcpu, VMX_EFER),
        .code_base = is_64bit ? 0 : vmx_state_word(vcpu, VMX_SEGMENT(HV_SEGMENT_CS, VMX_BASE)),
        .rip = vmx_state_word(vcpu, VMX_RIP),
        .is_64bit = is_64bit,
    };
}
