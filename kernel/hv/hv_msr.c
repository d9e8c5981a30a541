/* hv_msr.c - the MSRs of a guest, in one table: those that it reaches itself, as they change with
 * it, and those whose values are checked. All others are the monitor's: they are the host's, or of
 * devices that it emulates. AMD64 APM volume 2, 15.11; Intel SDM volume 3C, 25.6.9. */
#include "hv/hv_msr.h"

#include <stddef.h>

#include "arch/io.h"
#include "hv/hv_apic_vcpu.h"
#include "hv/hv_check.h"

#define MSR_TSC          0x10u
#define MSR_SYSENTER_CS  0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define VECTOR_GP        13

const struct hv_msr hv_msrs[] = {
    {MSR_TSC, HV_TSC_OFFSET},          /* the host's and an offset */
    {MSR_PAT, HV_PAT},                 /* not each value exists */
    {MSR_EFER, HV_EFER},               /* likewise; and some bits are the host's */
    {MSR_SYSENTER_CS, HV_MSR_REACHED}, /* the ways into the guest's kernel */
    {MSR_SYSENTER_ESP, HV_MSR_REACHED},
    {MSR_SYSENTER_EIP, HV_MSR_REACHED},
    {MSR_STAR, HV_MSR_REACHED},
    {MSR_LSTAR, HV_MSR_REACHED},
    {MSR_CSTAR, HV_MSR_REACHED},
    {MSR_SFMASK, HV_MSR_REACHED},
    {MSR_FS_BASE, HV_MSR_REACHED}, /* segments, which are the guest's */
    {MSR_GS_BASE, HV_MSR_REACHED},
    {MSR_KERNEL_GS_BASE, HV_MSR_REACHED},
};
const unsigned hv_msr_count = sizeof(hv_msrs) / sizeof(hv_msrs[0]);

static const struct hv_msr *hv_msr_find(uint32_t number)
{
    for (unsigned i = 0; i < hv_msr_count; i++) {
        if (hv_msrs[i].number == number && hv_msrs[i].word != HV_MSR_REACHED) {
            return &hv_msrs[i];
        }
    }
    return NULL;
}

static uint64_t hv_msr_read(struct hv_vcpu *vcpu, const struct hv_msr *msr)
{
    uint64_t words[HV_CONTROL_COUNT];

    hv_ops->get_state(vcpu, HV_STATE_CONTROL, words);
    return words[msr->word] + (msr->number == MSR_TSC ? rdtsc() : 0);
}

/* False: it does not have that value. */
static bool hv_msr_write(struct hv_vcpu *vcpu, const struct hv_msr *msr, uint64_t value)
{
    bool unchecked = vcpu->unchecked; /* the state is none of the monitor's */
    uint64_t words[HV_CONTROL_COUNT];

    hv_ops->get_state(vcpu, HV_STATE_CONTROL, words);
    if (msr->number == MSR_TSC) {
        value -= rdtsc();
    } else if (msr->number == MSR_PAT
                   ? !hv_check_pat(value)
                   : !hv_check_efer(words[HV_CR0], words[HV_EFER], &hv_limits, &value)) {
        return false;
    }
    words[msr->word] = value;
    (void)hv_ops->set_state(vcpu, HV_STATE_CONTROL, words);
    hv_apic_vcpu_set_time(vcpu);
    vcpu->unchecked = unchecked;
    return true;
}

static enum hv_step hv_msr_tell(struct hv_vcpu *vcpu, uint32_t number, bool is_write,
                                uint64_t value)
{
    vcpu->exit.reason = is_write ? HV_EXIT_MSR_WRITE : HV_EXIT_MSR_READ;
    vcpu->exit.address = number;
    vcpu->exit.value = is_write ? value : 0;
    return HV_RETURN;
}

static enum hv_msr_step hv_msr_do(struct hv_vcpu *vcpu, uint32_t number, bool is_write,
                                  uint64_t *value)
{
    const struct hv_msr *msr = hv_msr_find(number);

    if (msr == NULL) {
        return is_write ? hv_apic_vcpu_write_msr(vcpu, number, *value)
                        : hv_apic_vcpu_read_msr(vcpu, number, value);
    }
    if (is_write) {
        return hv_msr_write(vcpu, msr, *value) ? HV_MSR_DONE : HV_MSR_FAULT;
    }
    *value = hv_msr_read(vcpu, msr);
    return HV_MSR_DONE;
}

enum hv_step hv_msr_exit(struct hv_vcpu *vcpu, bool is_write, uint64_t *rax)
{
    uint32_t number = (uint32_t)vcpu->registers[HV_RCX];
    uint64_t value = (uint32_t)*rax | vcpu->registers[HV_RDX] << 32;
    enum hv_msr_step step = hv_msr_do(vcpu, number, is_write, &value);

    if (step == HV_MSR_NOT_OURS) {
        return hv_msr_tell(vcpu, number, is_write, value);
    }
    if (step == HV_MSR_FAULT) {
        (void)hv_ops->inject(vcpu, HV_INJECT_EXCEPTION_ERROR, VECTOR_GP, 0);
    } else {
        if (!is_write) {
            *rax = (uint32_t)value;
            vcpu->registers[HV_RDX] = value >> 32;
        }
        hv_ops->advance(vcpu);
    }
    vcpu->exit.length = 0; /* the monitor has nothing to go on behind */
    return step == HV_MSR_RETURN ? HV_RETURN : HV_RESUME;
}
