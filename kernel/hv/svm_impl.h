/* svm_impl.h - shared by the files of AMD's back end. */
#ifndef HV_SVM_IMPL_H
#define HV_SVM_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "hv/hv_impl.h"
#include "hv/hv_tag.h"
#include "hv/svm_vmcb.h"

#define SVM_EFER_SVME (1ul << 12)

#define SVM_WATCH_INTERRUPT 1u /* the monitor's that is pending is in the VMCB */
#define SVM_WATCH_STEP      2u /* over the IRET that ends an NMI's handler */
#define SVM_WATCH_APIC      4u /* one of the APIC's is in the VMCB, and in service */

/* vcpu->control. Keys: [O] whoever owns the vcpu */
struct svm_vcpu {
    struct svm_vmcb *vmcb; /* [O] a page of its own */
    struct hv_tag tag;     /* [O] its ASID */
    bool is_quiet;         /* [O] the VMCB asks for no exit about events */
    uint8_t watches;       /* [O] SVM_WATCH_*: what an exit may have changed */
    uint64_t iret;         /* [O] where the IRET is that is stepped over */
};

static inline struct svm_vcpu *svm_vcpu_of(const struct hv_vcpu *vcpu)
{
    return vcpu->control;
}

/* svm_map.c: the bitmaps of what is intercepted (APM volume 2, 15.10 and 15.11). */
#define SVM_IOPM_SIZE  0x3000u
#define SVM_MSRPM_SIZE 0x2000u
/* Every port. */
void svm_map_fill_io(uint8_t *iopm);
/* Every MSR but those that VMLOAD and VMSAVE change with the guest. */
void svm_map_fill_msrs(uint8_t *msrpm);

/* svm_state.c: state by flavor, as in struct hv_ops. */
void svm_state_get(struct hv_vcpu *vcpu, int flavor, uint64_t *words);
bool svm_state_set(struct hv_vcpu *vcpu, int flavor, const uint64_t *words);
const char *svm_state_check(struct hv_vcpu *vcpu);
/* DR0-3 change with the guest from now on: it uses them. */
void svm_state_use_debug(struct hv_vcpu *vcpu);
void svm_state_tell(const struct hv_vcpu *vcpu);
void svm_state_get_paging(const struct hv_vcpu *vcpu, struct hv_paging *paging);

/* svm_cr.c: the guest was left at a write to that register. Sleeps: yes. */
enum hv_step svm_cr_write_cr4(struct hv_vcpu *vcpu);
enum hv_step svm_cr_write_cr8(struct hv_vcpu *vcpu);

/* svm_exit.c: deal with why the guest was left. */
enum hv_step svm_exit(struct hv_vcpu *vcpu);
/* An exception for the guest; false: another event is on its way. */
bool svm_exit_inject(struct hv_vcpu *vcpu, uint32_t kind, uint32_t vector, uint32_t error);
/* The guest was left after it was to step over an IRET. */
void svm_exit_stepped(struct hv_vcpu *vcpu);
/* It was not entered: nobody is to see it step. */
void svm_exit_unstep(struct hv_vcpu *vcpu);
/* The guest is in the shadow of an STI: is HLT next? Then it is behind that, as if left there.
 * Sleeps: yes. */
bool svm_exit_halts(struct hv_vcpu *vcpu);
/* #GP. */
enum hv_step svm_exit_protection(struct hv_vcpu *vcpu);
/* Go on behind the instruction. */
void svm_exit_advance(struct hv_vcpu *vcpu, uint32_t length);

#endif
