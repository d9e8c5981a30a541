/* vmx_vmcs.h - fields of Intel's virtual machine control structure and the numbers around it: Intel
 * SDM volume 3D, appendices A (capabilities), B (fields) and C (exit reasons); volume 3C, chapters
 * 25 and 28. */
#ifndef HV_VMX_VMCS_H
#define HV_VMX_VMCS_H

/* Fields: controls. */
#define VMCS_VPID              0x0000u
#define VMCS_MSR_BITMAP        0x2004u
#define VMCS_LOG               0x200eu
#define VMCS_TSC_OFFSET        0x2010u
#define VMCS_EPT               0x201au
#define VMCS_ENCLS_BITMAP      0x202eu
#define VMCS_PIN               0x4000u
#define VMCS_PRIMARY           0x4002u
#define VMCS_EXCEPTIONS        0x4004u
#define VMCS_PAGE_FAULT_MASK   0x4006u
#define VMCS_PAGE_FAULT_MATCH  0x4008u
#define VMCS_EXIT              0x400cu
#define VMCS_ENTRY             0x4012u
#define VMCS_CR3_TARGETS       0x400au
#define VMCS_EXIT_STORES       0x400eu /* counts of MSRs */
#define VMCS_EXIT_LOADS        0x4010u
#define VMCS_ENTRY_LOADS       0x4014u
#define VMCS_ENTRY_EVENT       0x4016u
#define VMCS_ENTRY_EVENT_ERROR 0x4018u
#define VMCS_SECONDARY         0x401eu
#define VMCS_CR0_MASK          0x6000u
#define VMCS_CR4_MASK          0x6002u
#define VMCS_CR0_SHADOW        0x6004u
#define VMCS_CR4_SHADOW        0x6006u
/* Why the guest was left. */
#define VMCS_PHYSICAL      0x2400u
#define VMCS_ERROR         0x4400u
#define VMCS_REASON        0x4402u
#define VMCS_EVENT         0x4404u
#define VMCS_VECTORING     0x4408u
#define VMCS_VECTOR_ERROR  0x440au
#define VMCS_LENGTH        0x440cu
#define VMCS_QUALIFICATION 0x6400u
/* The guest. */
#define VMCS_SELECTOR      0x0800u /* ES; one field further for each of HV_SEGMENT_* */
#define VMCS_LOG_INDEX     0x0812u
#define VMCS_LINK          0x2800u
#define VMCS_DEBUGCTL      0x2802u
#define VMCS_PAT           0x2804u
#define VMCS_EFER          0x2806u
#define VMCS_PDPTE         0x280au /* the first of four */
#define VMCS_LIMIT         0x4800u
#define VMCS_RIGHTS        0x4814u
#define VMCS_INTERRUPTIBLE 0x4824u
#define VMCS_ACTIVITY      0x4826u
#define VMCS_SYSENTER_CS   0x482au
#define VMCS_TIMER         0x482eu
#define VMCS_CR0           0x6800u
#define VMCS_CR3           0x6802u
#define VMCS_CR4           0x6804u
#define VMCS_BASE          0x6806u
#define VMCS_DR7           0x681au
#define VMCS_RSP           0x681cu
#define VMCS_RIP           0x681eu
#define VMCS_RFLAGS        0x6820u
#define VMCS_PENDING_DEBUG 0x6822u
#define VMCS_SYSENTER_ESP  0x6824u
#define VMCS_SYSENTER_EIP  0x6826u
/* The host. */
#define VMCS_HOST_ES           0x0c00u
#define VMCS_HOST_CS           0x0c02u
#define VMCS_HOST_SS           0x0c04u
#define VMCS_HOST_DS           0x0c06u
#define VMCS_HOST_FS           0x0c08u
#define VMCS_HOST_GS           0x0c0au
#define VMCS_HOST_TR           0x0c0cu
#define VMCS_HOST_PAT          0x2c00u
#define VMCS_HOST_EFER         0x2c02u
#define VMCS_HOST_SYSENTER_CS  0x4c00u
#define VMCS_HOST_SYSENTER_ESP 0x6c10u
#define VMCS_HOST_SYSENTER_EIP 0x6c12u
#define VMCS_HOST_CR0          0x6c00u
#define VMCS_HOST_CR3          0x6c02u
#define VMCS_HOST_CR4          0x6c04u
#define VMCS_HOST_FS_BASE      0x6c06u
#define VMCS_HOST_GS_BASE      0x6c08u
#define VMCS_HOST_TR_BASE      0x6c0au
#define VMCS_HOST_GDTR_BASE    0x6c0cu
#define VMCS_HOST_IDTR_BASE    0x6c0eu
#define VMCS_HOST_RIP          0x6c16u /* vmx_switch.asm has VMCS_HOST_RSP */

/* VMCS_PIN */
#define VMX_PIN_INTERRUPT    (1u << 0)
#define VMX_PIN_NMI          (1u << 3)
#define VMX_PIN_VIRTUAL_NMIS (1u << 5)
#define VMX_PIN_TIMER        (1u << 6)
/* VMCS_PRIMARY */
#define VMX_PRIMARY_WINDOW     (1u << 2)
#define VMX_PRIMARY_TSC_OFFSET (1u << 3)
#define VMX_PRIMARY_HLT        (1u << 7)
#define VMX_PRIMARY_INVLPG     (1u << 9)
#define VMX_PRIMARY_MWAIT      (1u << 10)
#define VMX_PRIMARY_RDPMC      (1u << 11)
#define VMX_PRIMARY_CR3_LOAD   (1u << 15)
#define VMX_PRIMARY_CR3_STORE  (1u << 16)
#define VMX_PRIMARY_CR8_LOAD   (1u << 19)
#define VMX_PRIMARY_CR8_STORE  (1u << 20)
#define VMX_PRIMARY_NMI_WINDOW (1u << 22)
#define VMX_PRIMARY_DEBUG      (1u << 23)
#define VMX_PRIMARY_IO         (1u << 24)
#define VMX_PRIMARY_MSR_BITMAP (1u << 28)
#define VMX_PRIMARY_MONITOR    (1u << 29)
#define VMX_PRIMARY_SECONDARY  (1u << 31)
/* VMCS_SECONDARY */
#define VMX_SECONDARY_EPT          (1u << 1)
#define VMX_SECONDARY_VPID         (1u << 5)
#define VMX_SECONDARY_WBINVD       (1u << 6)
#define VMX_SECONDARY_UNRESTRICTED (1u << 7)
#define VMX_SECONDARY_ENCLS        (1u << 15)
#define VMX_SECONDARY_LOG          (1u << 17) /* of written pages: page modification logging */
/* VMCS_EXIT */
#define VMX_EXIT_CTL_DEBUG     (1u << 2)
#define VMX_EXIT_CTL_64BIT     (1u << 9)
#define VMX_EXIT_CTL_SAVE_PAT  (1u << 18)
#define VMX_EXIT_CTL_LOAD_PAT  (1u << 19)
#define VMX_EXIT_CTL_SAVE_EFER (1u << 20)
#define VMX_EXIT_CTL_LOAD_EFER (1u << 21)
/* VMCS_ENTRY */
#define VMX_ENTRY_DEBUG (1u << 2)
#define VMX_ENTRY_LONG  (1u << 9)
#define VMX_ENTRY_PAT   (1u << 14)
#define VMX_ENTRY_EFER  (1u << 15)

/* VMCS_RIGHTS: attributes as a descriptor has them, and */
#define VMX_RIGHTS_UNUSABLE (1u << 16)
/* VMCS_INTERRUPTIBLE */
#define VMX_SHADOW_STI    1u
#define VMX_SHADOW_MOV_SS 2u
#define VMX_SHADOW_NMI    8u
#define VMX_SHADOW        (VMX_SHADOW_STI | VMX_SHADOW_MOV_SS)
/* VMCS_PENDING_DEBUG */
#define VMX_PENDING_STEP (1ul << 14)
/* VMCS_EVENT, VMCS_VECTORING: as HV_EVENT_INJECTED, and */
#define VMX_EVENT_BITS     0x80000fffu
#define VMX_EVENT_UNBLOCKS (1u << 12) /* of NMIs, by the IRET that did not come to its end */
#define VMX_EVENT_INT1     5u         /* a kind, besides those of hv_bits.h */

/* VMCS_REASON */
#define VMX_REASON_ENTRY_FAILED (1u << 31)
#define VMX_REASON(r)           ((r)&0xffffu)
#define VMX_EXIT_EVENT          0 /* exception or NMI */
#define VMX_EXIT_INTERRUPT      1
#define VMX_EXIT_TRIPLE         2
#define VMX_EXIT_INIT           3
#define VMX_EXIT_SIPI           4
#define VMX_EXIT_WINDOW         7
#define VMX_EXIT_NMI_WINDOW     8
#define VMX_EXIT_TASK_SWITCH    9
#define VMX_EXIT_CPUID          10
#define VMX_EXIT_GETSEC         11
#define VMX_EXIT_HLT            12
#define VMX_EXIT_INVD           13
#define VMX_EXIT_RDPMC          15
#define VMX_EXIT_RSM            17
#define VMX_EXIT_VMCALL         18
#define VMX_EXIT_VMCLEAR        19
#define VMX_EXIT_VMXON          27
#define VMX_EXIT_CR             28
#define VMX_EXIT_DR             29
#define VMX_EXIT_IO             30
#define VMX_EXIT_RDMSR          31
#define VMX_EXIT_WRMSR          32
#define VMX_EXIT_BAD_STATE      33
#define VMX_EXIT_BAD_MSR        34
#define VMX_EXIT_MWAIT          36
#define VMX_EXIT_MONITOR        39
#define VMX_EXIT_MACHINE_CHECK  41
#define VMX_EXIT_EPT            48
#define VMX_EXIT_EPT_MALFORMED  49
#define VMX_EXIT_INVEPT         50
#define VMX_EXIT_TIMER          52
#define VMX_EXIT_INVVPID        53
#define VMX_EXIT_WBINVD         54
#define VMX_EXIT_XSETBV         55
#define VMX_EXIT_ENCLS          60
#define VMX_EXIT_LOG_FULL       62
#define VMX_EXIT_COUNT          64

/* VMCS_QUALIFICATION of VMX_EXIT_IO */
#define VMX_IO_SIZE(q) (((q)&7) + 1) /* bytes */
#define VMX_IO_IN      8u
#define VMX_IO_STRING  0x10u
#define VMX_IO_REPEAT  0x20u
#define VMX_IO_PORT(q) ((q) >> 16 & 0xffff)
/* of VMX_EXIT_CR */
#define VMX_CR_NUMBER(q)   ((q)&15)
#define VMX_CR_ACCESS(q)   ((q) >> 4 & 3)
#define VMX_CR_WRITE       0
#define VMX_CR_READ        1
#define VMX_CR_REGISTER(q) ((q) >> 8 & 15)
/* of VMX_EXIT_EPT */
#define VMX_EPT_WRITE     (1u << 1)
#define VMX_EPT_FETCH     (1u << 2)
#define VMX_EPT_IS_LINEAR (1u << 7)
#define VMX_EPT_IS_LAST   (1u << 8) /* else by the guest's page tables */

/* VMCS_EPT, beside the address: write-back, four levels, and note what was used. */
#define VMX_EPTP 0x5eul

/* Capabilities. */
#define MSR_FEATURE_CONTROL     0x3au
#define FEATURE_CONTROL_LOCKED  1u
#define FEATURE_CONTROL_VMX     4u
#define MSR_VMX_BASIC           0x480u
#define VMX_BASIC_REVISION      0x7fffffffu
#define VMX_BASIC_TRUE_CONTROLS (1ul << 55)
#define MSR_VMX_MISC            0x485u
#define VMX_MISC_TIMER(m)       ((m)&31) /* ticks in 2^n of the time stamp */
#define MSR_VMX_CR0_FIXED0      0x486u
#define MSR_VMX_CR0_FIXED1      0x487u
#define MSR_VMX_CR4_FIXED0      0x488u
#define MSR_VMX_CR4_FIXED1      0x489u
#define MSR_VMX_SECONDARY       0x48bu
#define MSR_VMX_EPT             0x48cu
#define MSR_VMX_PIN             0x48du /* these four: the true ones */
#define MSR_VMX_PRIMARY         0x48eu
#define MSR_VMX_EXIT            0x48fu
#define MSR_VMX_ENTRY           0x490u
/* MSR_VMX_EPT: four levels, write-back, 2 MiB, INVEPT, notes, INVEPT of one, INVVPID, of all */
#define VMX_EPT_NEEDED                                                                             \
    (1ul << 6 | 1ul << 14 | 1ul << 16 | 1ul << 20 | 1ul << 21 | 1ul << 25 | 1ul << 32 | 1ul << 42)

#endif
