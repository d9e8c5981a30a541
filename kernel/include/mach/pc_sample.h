/* pc_sample.h - statistical samples of program counters. */
#ifndef MACH_PC_SAMPLE_H
#define MACH_PC_SAMPLE_H

#include <mach/vm_types.h>

typedef natural_t sampled_pc_flavor_t;
#define SAMPLED_PC_PERIODIC               0x1U
#define SAMPLED_PC_VM_ZFILL_FAULTS        0x10U
#define SAMPLED_PC_VM_REACTIVATION_FAULTS 0x20U
#define SAMPLED_PC_VM_PAGEIN_FAULTS       0x40U
#define SAMPLED_PC_VM_COW_FAULTS          0x80U
#define SAMPLED_PC_VM_FAULTS_ANY          0x100U
#define SAMPLED_PC_VM_FAULTS                                                                       \
    (SAMPLED_PC_VM_ZFILL_FAULTS | SAMPLED_PC_VM_REACTIVATION_FAULTS |                              \
     SAMPLED_PC_VM_PAGEIN_FAULTS | SAMPLED_PC_VM_COW_FAULTS)

typedef struct sampled_pc {
    rpc_vm_offset_t id;
    rpc_vm_offset_t pc;
    sampled_pc_flavor_t sampletype;
    uint32_t sampletype_pad;
} sampled_pc_t;
typedef sampled_pc_t *sampled_pc_array_t;
typedef natural_t sampled_pc_seqno_t;
MACH_ABI_SIZE(sampled_pc_t, 24);

#define MAX_PC_SAMPLES 512

#endif
