/* svm_check.c - is what a VMCB holds the state of a processor? AMD64 APM volume 2, 15.5.1
 * (canonicalization and consistency checks), 15.20 (event injection), 15.25.4 (nested paging). */
#include <stddef.h>

#include "hv/svm_bits.h"
#include "hv/svm_impl.h"

#define UPPER_HALF 0xffffffff00000000ul

bool svm_check_pat(uint64_t pat)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t type = pat >> i & 0xff;

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static const char *svm_check_bits(const struct svm_vmcb *v, const struct svm_limits *limits)
{
    if ((v->efer & ~(limits->efer | SVM_EFER_SVME)) != 0) {
        return "EFER has bits that the guest's processor does not have";
    }
    if ((v->cr0 & UPPER_HALF) != 0) {
        return "the upper half of CR0 is not zero";
    }
    if ((v->cr4 & ~limits->cr4) != 0) {
        return "CR4 has bits that the guest's processor does not have";
    }
    if (v->cr3 >> limits->physical_bits != 0) {
        return "CR3 is beyond the physical addresses";
    }
    if ((v->dr6 & UPPER_HALF) != 0) {
        return "the upper half of DR6 is not zero";
    }
    if ((v->dr7 & UPPER_HALF) != 0) {
        return "the upper half of DR7 is not zero";
    }
    return svm_check_pat(v->pat) ? NULL : "PAT has a memory type that does not exist";
}

/* Does each bit go with the others? */
static const char *svm_check_mode(const struct svm_vmcb *v)
{
    bool paging = (v->cr0 & SVM_CR0_PG) != 0;
    bool is_long = paging && (v->efer & SVM_EFER_LME) != 0;
    uint16_t cs = v->segments[SVM_CS].attributes;

    if ((v->cr0 & (SVM_CR0_NW | SVM_CR0_CD)) == SVM_CR0_NW) {
        return "CR0.NW is set and CR0.CD is not";
    }
    if (paging && (v->cr0 & SVM_CR0_PE) == 0) {
        return "CR0.PG is set and CR0.PE is not";
    }
    if (is_long && (v->cr4 & SVM_CR4_PAE) == 0) {
        return "EFER.LME and CR0.PG are set and CR4.PAE is not";
    }
    if (((v->efer & SVM_EFER_LMA) != 0) != is_long) {
        return "EFER.LMA is not what EFER.LME and CR0.PG make it";
    }
    if (is_long && (v->rflags & SVM_RFLAGS_VM) != 0) {
        return "RFLAGS.VM is set in long mode";
    }
    if (is_long && (cs & (SVM_ATTRIBUTE_LONG | SVM_ATTRIBUTE_BIG)) ==
                       (SVM_ATTRIBUTE_LONG | SVM_ATTRIBUTE_BIG)) {
        return "CS is of 64 bits and of 32 (L and D) in long mode";
    }
    return NULL;
}

static const char *svm_check_event(uint64_t event)
{
    uint64_t kind = SVM_EVENT_KIND(event);
    uint64_t vector = event & SVM_EVENT_VECTOR;

    if ((event & SVM_EVENT_VALID) == 0) {
        return NULL;
    }
    if (kind != SVM_EVENT_INTERRUPT && kind != SVM_EVENT_NMI && kind != SVM_EVENT_EXCEPTION) {
        return "the event to deliver is of no kind that can be";
    }
    if (kind == SVM_EVENT_EXCEPTION && (vector > 31 || vector == 2)) {
        return "the exception to deliver has a vector that none has";
    }
    return NULL;
}

const char *svm_check(const struct svm_vmcb *vmcb, const struct svm_limits *limits)
{
    const char *sentence = svm_check_bits(vmcb, limits);

    sentence = sentence != NULL ? sentence : svm_check_mode(vmcb);
    return sentence != NULL ? sentence : svm_check_event(vmcb->event);
}

bool svm_check_efer(const struct svm_vmcb *vmcb, const struct svm_limits *limits, uint64_t *efer)
{
    bool paging = (vmcb->cr0 & SVM_CR0_PG) != 0;
    bool changes_mode = ((*efer ^ vmcb->efer) & SVM_EFER_LME) != 0;

    if ((*efer & ~limits->efer) != 0 || (paging && changes_mode)) {
        return false;
    }
    *efer &= ~SVM_EFER_LMA;
    *efer |= paging && (*efer & SVM_EFER_LME) != 0 ? SVM_EFER_LMA : 0;
    return true;
}
