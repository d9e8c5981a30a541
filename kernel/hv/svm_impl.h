/* svm_impl.h - shared by the files of AMD's back end. */
#ifndef HV_SVM_IMPL_H
#define HV_SVM_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "hv/hv_impl.h"
#include "hv/svm_vmcb.h"

#define SVM_EFER_SVME (1ul << 12)

/* vcpu->control. Keys: [O] whoever owns the vcpu */
struct svm_vcpu {
    struct svm_vmcb *vmcb;    /* [O] a page of its own */
    int32_t asid_cpu;         /* [O] the processor that its ASID is good for, or -1 */
    uint64_t asid_generation; /* [O]   as long as that has this generation, */
    uint64_t flushes;         /* [O]   and the nested page tables have not been flushed since */
    bool uses_debug;          /* [O] DR0-3 change with it */
    bool is_quiet;            /* [O] the VMCB asks for no exit about events */
    bool has_interrupt;       /* [O] the interrupt that is pending is in the VMCB */
};

/* What a guest's processor may have; found once. */
struct svm_limits {
    uint64_t cr4;  /* bits */
    uint64_t efer; /* bits */
    unsigned physical_bits;
};
extern struct svm_limits svm_limits; /* [I] after svm_ops.init() */

static inline struct svm_vcpu *svm_vcpu_of(const struct hv_vcpu *vcpu)
{
    return vcpu->control;
}

/* svm_check.c: of the state in a VMCB, what VMRUN would refuse (APM volume 2, 15.5.1) or should, as
 * a sentence; NULL: nothing. */
const char *svm_check(const struct svm_vmcb *vmcb, const struct svm_limits *limits);
/* May that be written to EFER when what is in the VMCB is so? Gives EFER with LMA as CR0.PG has it.
 */
bool svm_check_efer(const struct svm_vmcb *vmcb, const struct svm_limits *limits, uint64_t *efer);
/* Has each byte of PAT a memory type that exists? */
bool svm_check_pat(uint64_t pat);

/* svm_msr.c: an MSR that a guest has without its monitor. */
struct svm_msr {
    uint32_t number;
    uint64_t (*read)(struct hv_vcpu *vcpu);              /* NULL: the guest reaches it itself */
    bool (*write)(struct hv_vcpu *vcpu, uint64_t value); /* false: not that value */
};
extern const struct svm_msr svm_msrs[];
extern const unsigned svm_msr_count;
/* The one of that number that the kernel reads and writes; NULL: it is the monitor's. */
const struct svm_msr *svm_msr_find(uint32_t number);

/* svm_map.c: the bitmaps of what is intercepted (APM volume 2, 15.10 and 15.11). */
#define SVM_IOPM_SIZE  0x3000u
#define SVM_MSRPM_SIZE 0x2000u
/* Every port. */
void svm_map_fill_io(uint8_t *iopm);
/* Every MSR but those that VMLOAD and VMSAVE change with the guest. */
void svm_map_fill_msrs(uint8_t *msrpm);

/* svm_state.c: state by flavor, as in struct hv_ops. */
void svm_state_reset(struct hv_vcpu *vcpu);
void svm_state_get(struct hv_vcpu *vcpu, int flavor, uint64_t *words);
bool svm_state_set(struct hv_vcpu *vcpu, int flavor, const uint64_t *words);
const char *svm_state_check(struct hv_vcpu *vcpu);
void svm_state_tell(const struct hv_vcpu *vcpu);
void svm_state_get_paging(const struct hv_vcpu *vcpu, struct hv_paging *paging);

/* svm_exit.c: deal with why the guest was left. */
enum hv_step svm_exit(struct hv_vcpu *vcpu);
/* An exception for the guest; false: another event is on its way. */
bool svm_exit_inject(struct hv_vcpu *vcpu, uint32_t kind, uint32_t vector, uint32_t error);
/* Go on behind the instruction. */
void svm_exit_advance(struct hv_vcpu *vcpu, uint32_t length);

#endif
