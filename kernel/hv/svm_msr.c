/* svm_msr.c - the MSRs of a guest, in one table: those that it reaches itself, as VMLOAD and VMSAVE
 * change them with it, and those that are in the VMCB, whose values are checked. All others are the
 * monitor's: they are the host's, or of devices that it emulates. AMD64 APM volume 2, 15.11. */
#include <stddef.h>

#include "arch/io.h"
#include "hv/svm_bits.h"
#include "hv/svm_impl.h"

#define MSR_TSC          0x10u
#define MSR_SYSENTER_CS  0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u

static uint64_t svm_msr_read_tsc(struct hv_vcpu *vcpu)
{
    return rdtsc() + svm_vcpu_of(vcpu)->vmcb->tsc_offset;
}

static bool svm_msr_write_tsc(struct hv_vcpu *vcpu, uint64_t value)
{
    svm_vcpu_of(vcpu)->vmcb->tsc_offset = value - rdtsc();
    return true;
}

static uint64_t svm_msr_read_efer(struct hv_vcpu *vcpu)
{
    return svm_vcpu_of(vcpu)->vmcb->efer & ~SVM_EFER_SVME;
}

static bool svm_msr_write_efer(struct hv_vcpu *vcpu, uint64_t value)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);

    if (!svm_check_efer(s->vmcb, &svm_limits, &value)) {
        return false;
    }
    s->vmcb->efer = value | SVM_EFER_SVME;
    s->asid_cpu = -1; /* NXE means something else for what its TLB has */
    return true;
}

static uint64_t svm_msr_read_pat(struct hv_vcpu *vcpu)
{
    return svm_vcpu_of(vcpu)->vmcb->pat;
}

static bool svm_msr_write_pat(struct hv_vcpu *vcpu, uint64_t value)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);

    if (!svm_check_pat(value)) {
        return false;
    }
    s->vmcb->pat = value;
    s->asid_cpu = -1;
    return true;
}

const struct svm_msr svm_msrs[] = {
    {MSR_TSC, svm_msr_read_tsc, svm_msr_write_tsc},    /* the host's and an offset */
    {MSR_PAT, svm_msr_read_pat, svm_msr_write_pat},    /* not each value exists */
    {MSR_EFER, svm_msr_read_efer, svm_msr_write_efer}, /* SVME is the host's */
    {MSR_SYSENTER_CS, NULL, NULL},                     /* the ways into the guest's kernel */
    {MSR_SYSENTER_ESP, NULL, NULL},
    {MSR_SYSENTER_EIP, NULL, NULL},
    {MSR_STAR, NULL, NULL},
    {MSR_LSTAR, NULL, NULL},
    {MSR_CSTAR, NULL, NULL},
    {MSR_SFMASK, NULL, NULL},
    {MSR_FS_BASE, NULL, NULL}, /* segments, which are the guest's */
    {MSR_GS_BASE, NULL, NULL},
    {MSR_KERNEL_GS_BASE, NULL, NULL},
};
const unsigned svm_msr_count = sizeof(svm_msrs) / sizeof(svm_msrs[0]);

const struct svm_msr *svm_msr_find(uint32_t number)
{
    for (unsigned i = 0; i < svm_msr_count; i++) {
        if (svm_msrs[i].number == number && svm_msrs[i].read != NULL) {
            return &svm_msrs[i];
        }
    }
    return NULL;
}
