/* hv_check.c - is what a monitor sets the state of a processor? AMD64 APM volume 2, 15.5.1
 * (canonicalization and consistency checks), 15.20 (event injection), 15.25.4 (nested paging);
 * Intel SDM volume 3C, 27.2.1.3 and 27.3.1. */
#include "hv/hv_check.h"

#include <stddef.h>

#include "hv/hv_bits.h"

#define UPPER_HALF  0xffffffff00000000ul
#define WITH_ERRORS 0x27d00u /* vectors: #DF, #TS to #PF, #AC */
#define VECTOR_NMI  2
#define VECTOR_LAST 31

bool hv_check_pat(uint64_t pat)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t type = pat >> i & 0xff;

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

bool hv_check_has_error(uint32_t vector)
{
    return vector <= VECTOR_LAST && (WITH_ERRORS >> vector & 1) != 0;
}

static const char *hv_check_bits(const struct hv_check *s, const struct hv_limits *limits)
{
    if ((s->efer & ~limits->efer) != 0) {
        return "EFER has bits that the guest's processor does not have";
    }
    if ((s->cr0 & UPPER_HALF) != 0) {
        return "the upper half of CR0 is not zero";
    }
    if ((s->cr4 & ~limits->cr4) != 0) {
        return "CR4 has bits that the guest's processor does not have";
    }
    if (s->cr3 >> limits->physical_bits != 0) {
        return "CR3 is beyond the physical addresses";
    }
    if ((s->dr6 & UPPER_HALF) != 0) {
        return "the upper half of DR6 is not zero";
    }
    if ((s->dr7 & UPPER_HALF) != 0) {
        return "the upper half of DR7 is not zero";
    }
    return hv_check_pat(s->pat) ? NULL : "PAT has a memory type that does not exist";
}

/* Does each bit go with the others? */
static const char *hv_check_mode(const struct hv_check *s)
{
    bool paging = (s->cr0 & HV_CR0_PG) != 0;
    bool is_long = paging && (s->efer & HV_EFER_LME) != 0;

    if ((s->cr0 & (HV_CR0_NW | HV_CR0_CD)) == HV_CR0_NW) {
        return "CR0.NW is set and CR0.CD is not";
    }
    if (paging && (s->cr0 & HV_CR0_PE) == 0) {
        return "CR0.PG is set and CR0.PE is not";
    }
    if (is_long && (s->cr4 & HV_CR4_PAE) == 0) {
        return "EFER.LME and CR0.PG are set and CR4.PAE is not";
    }
    if (((s->efer & HV_EFER_LMA) != 0) != is_long) {
        return "EFER.LMA is not what EFER.LME and CR0.PG make it";
    }
    if (is_long && (s->rflags & HV_RFLAGS_VM) != 0) {
        return "RFLAGS.VM is set in long mode";
    }
    if (is_long && (s->code & (HV_ATTRIBUTE_LONG | HV_ATTRIBUTE_BIG)) ==
                       (HV_ATTRIBUTE_LONG | HV_ATTRIBUTE_BIG)) {
        return "CS is of 64 bits and of 32 (L and D) in long mode";
    }
    return NULL;
}

static const char *hv_check_event(const struct hv_check *s)
{
    uint64_t event = s->event;
    uint64_t kind = HV_EVENT_KIND(event);
    uint32_t vector = (uint32_t)(event & HV_EVENT_VECTOR);
    bool has_error =
        kind == HV_EVENT_IS_FAULT && hv_check_has_error(vector) && (s->cr0 & HV_CR0_PE) != 0;

    if ((event & HV_EVENT_VALID) == 0) {
        return NULL;
    }
    if (kind != HV_EVENT_IS_HARD && kind != HV_EVENT_IS_NMI && kind != HV_EVENT_IS_FAULT) {
        return "the event to deliver is of no kind that can be";
    }
    if (kind == HV_EVENT_IS_FAULT && (vector > VECTOR_LAST || vector == VECTOR_NMI)) {
        return "the exception to deliver has a vector that none has";
    }
    if (((event & HV_EVENT_HAS_ERROR) != 0) != has_error) {
        return "the event to deliver has an error code and should not, or none";
    }
    if (kind == HV_EVENT_IS_HARD && (s->rflags & HV_RFLAGS_IF) == 0) {
        return "an interrupt is to be delivered, and RFLAGS.IF is not set";
    }
    return NULL;
}

const char *hv_check(const struct hv_check *state, const struct hv_limits *limits)
{
    const char *sentence = hv_check_bits(state, limits);

    sentence = sentence != NULL ? sentence : hv_check_mode(state);
    return sentence != NULL ? sentence : hv_check_event(state);
}

bool hv_check_efer(uint64_t cr0, uint64_t old, const struct hv_limits *limits, uint64_t *efer)
{
    bool paging = (cr0 & HV_CR0_PG) != 0;
    bool changes_mode = ((*efer ^ old) & HV_EFER_LME) != 0;

    if ((*efer & ~limits->efer) != 0 || (paging && changes_mode)) {
        return false;
    }
    *efer &= ~HV_EFER_LMA;
    *efer |= paging && (*efer & HV_EFER_LME) != 0 ? HV_EFER_LMA : 0;
    return true;
}
