/* svm_vmcb.h - AMD's virtual machine control block and the numbers around it: AMD64 Architecture
 * Programmer's Manual volume 2, chapter 15, appendices B (layout) and C (exit codes). */
#ifndef HV_SVM_VMCB_H
#define HV_SVM_VMCB_H

#include <stdint.h>

#include "kern/assert.h"

struct svm_segment {
    uint16_t selector;
    uint16_t attributes; /* bits 8-15 and 20-23 of a descriptor's second half */
    uint32_t limit;
    uint64_t base;
};

struct svm_vmcb {
    uint32_t intercept_cr; /* 000 reads of CR0-15, writes from bit 16 on */
    uint32_t intercept_dr; /* 004 likewise */
    uint32_t intercept_exceptions;
    uint32_t intercept_misc1; /* 00c SVM_MISC1_* */
    uint32_t intercept_misc2; /* 010 SVM_MISC2_* */
    uint8_t reserved1[0x3c - 0x14];
    uint32_t pause_filter;
    uint64_t iopm;  /* 040 physical address */
    uint64_t msrpm; /* 048 */
    uint64_t tsc_offset;
    uint32_t asid;            /* 058 */
    uint32_t tlb_control;     /* 05c */
    uint32_t virtual_control; /* 060 SVM_V_* */
    uint32_t virtual_vector;  /* 064 */
    uint64_t interrupt_shadow;
    uint64_t exit_code; /* 070 */
    uint64_t exit_info1;
    uint64_t exit_info2;
    uint64_t exit_event;     /* 088 what was being delivered, as hv_bits.h has it */
    uint64_t nested_control; /* 090 bit 0: nested paging */
    uint8_t reserved2[0xa8 - 0x98];
    uint64_t event; /* 0a8 what is to be delivered */
    uint64_t nested_cr3;
    uint64_t lbr_control;
    uint64_t clean; /* 0c0 */
    uint64_t next_rip;
    uint8_t instruction_count; /* 0d0 */
    uint8_t instruction[15];
    uint8_t reserved3[0x400 - 0xe0];
    struct svm_segment segments[10]; /* 400 in the processor's order: SVM_SEGMENT_* */
    uint8_t reserved4[0x4cb - 0x4a0];
    uint8_t cpl; /* 4cb */
    uint8_t reserved5[4];
    uint64_t efer; /* 4d0 */
    uint8_t reserved6[0x548 - 0x4d8];
    uint64_t cr4; /* 548 */
    uint64_t cr3;
    uint64_t cr0;
    uint64_t dr7;
    uint64_t dr6;
    uint64_t rflags; /* 570 */
    uint64_t rip;
    uint8_t reserved7[0x5d8 - 0x580];
    uint64_t rsp; /* 5d8 */
    uint8_t reserved8[0x5f8 - 0x5e0];
    uint64_t rax;  /* 5f8 */
    uint64_t star; /* 600 from here on by VMLOAD and VMSAVE, up to CR2 */
    uint64_t lstar;
    uint64_t cstar;
    uint64_t sfmask;
    uint64_t kernel_gs_base;
    uint64_t sysenter_cs;
    uint64_t sysenter_esp;
    uint64_t sysenter_eip;
    uint64_t cr2; /* 640 */
    uint8_t reserved9[0x668 - 0x648];
    uint64_t pat; /* 668 */
    uint8_t reserved10[0x1000 - 0x670];
};

static_assert(sizeof(struct svm_vmcb) == 4096, "one page");
static_assert(__builtin_offsetof(struct svm_vmcb, iopm) == 0x40, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, exit_code) == 0x70, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, event) == 0xa8, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, segments) == 0x400, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, cpl) == 0x4cb, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, cr4) == 0x548, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, rax) == 0x5f8, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, cr2) == 0x640, "APM volume 2, appendix B");
static_assert(__builtin_offsetof(struct svm_vmcb, pat) == 0x668, "APM volume 2, appendix B");

/* Index into segments. */
#define SVM_ES   0
#define SVM_CS   1
#define SVM_SS   2
#define SVM_DS   3
#define SVM_FS   4
#define SVM_GS   5
#define SVM_GDTR 6
#define SVM_LDTR 7
#define SVM_IDTR 8
#define SVM_TR   9

#define SVM_TLB_NOTHING   0u
#define SVM_TLB_FLUSH_ALL 1u
#define SVM_V_TPR         0xffu
#define SVM_V_IRQ         (1u << 8)
#define SVM_V_PRIORITY    (15u << 16)
#define SVM_V_IGNORE_TPR  (1u << 20)
#define SVM_V_MASKING     (1u << 24)

#define SVM_CR4_WRITE         (1u << 20) /* of intercept_cr */
#define SVM_MISC1_INTR        (1u << 0)
#define SVM_MISC1_NMI         (1u << 1)
#define SVM_MISC1_INIT        (1u << 3)
#define SVM_MISC1_VINTR       (1u << 4)
#define SVM_MISC1_RDPMC       (1u << 15)
#define SVM_MISC1_CPUID       (1u << 18)
#define SVM_MISC1_RSM         (1u << 19)
#define SVM_MISC1_IRET        (1u << 20)
#define SVM_MISC1_INVD        (1u << 22)
#define SVM_MISC1_HLT         (1u << 24)
#define SVM_MISC1_INVLPGA     (1u << 26)
#define SVM_MISC1_IO          (1u << 27)
#define SVM_MISC1_MSR         (1u << 28)
#define SVM_MISC1_TASK_SWITCH (1u << 29)
#define SVM_MISC1_FERR        (1u << 30)
#define SVM_MISC1_SHUTDOWN    (1u << 31)
#define SVM_MISC2_VMRUN       (1u << 0)
#define SVM_MISC2_VMMCALL     (1u << 1)
#define SVM_MISC2_VMLOAD      (1u << 2)
#define SVM_MISC2_VMSAVE      (1u << 3)
#define SVM_MISC2_STGI        (1u << 4)
#define SVM_MISC2_CLGI        (1u << 5)
#define SVM_MISC2_SKINIT      (1u << 6)
#define SVM_MISC2_RDTSCP      (1u << 7)
#define SVM_MISC2_WBINVD      (1u << 9)
#define SVM_MISC2_MONITOR     (1u << 10)
#define SVM_MISC2_MWAIT       (1u << 11)
#define SVM_MISC2_XSETBV      (1u << 13)
#define SVM_MISC2_RDPRU       (1u << 14)

/* intercept_cr */
#define SVM_CR8_WRITE (1u << 24)

/* exit_code */
#define SVM_EXIT_CR4_WRITE   0x14ul
#define SVM_EXIT_CR8_WRITE   0x18ul
#define SVM_EXIT_DR_FIRST    0x20ul
#define SVM_EXIT_DR_LAST     0x3ful
#define SVM_EXIT_EXCEPTION   0x40ul /* and the vector */
#define SVM_EXIT_STEP        0x41ul /* #DB */
#define SVM_EXIT_INTR        0x60ul
#define SVM_EXIT_NMI         0x61ul
#define SVM_EXIT_INIT        0x63ul
#define SVM_EXIT_VINTR       0x64ul
#define SVM_EXIT_RDPMC       0x6ful
#define SVM_EXIT_CPUID       0x72ul
#define SVM_EXIT_RSM         0x73ul
#define SVM_EXIT_IRET        0x74ul
#define SVM_EXIT_INVD        0x76ul
#define SVM_EXIT_HLT         0x78ul
#define SVM_EXIT_INVLPGA     0x7aul
#define SVM_EXIT_IO          0x7bul
#define SVM_EXIT_MSR         0x7cul
#define SVM_EXIT_TASK_SWITCH 0x7dul
#define SVM_EXIT_FERR        0x7eul
#define SVM_EXIT_SHUTDOWN    0x7ful
#define SVM_EXIT_VMRUN       0x80ul
#define SVM_EXIT_VMMCALL     0x81ul
#define SVM_EXIT_VMLOAD      0x82ul
#define SVM_EXIT_SKINIT      0x86ul
#define SVM_EXIT_RDTSCP      0x87ul
#define SVM_EXIT_WBINVD      0x89ul
#define SVM_EXIT_MONITOR     0x8aul
#define SVM_EXIT_MWAIT       0x8bul
#define SVM_EXIT_XSETBV      0x8dul
#define SVM_EXIT_RDPRU       0x8eul
#define SVM_EXIT_COUNT       0x90ul
#define SVM_EXIT_NPF         0x400ul
#define SVM_EXIT_INVALID     (~0ul)

/* exit_info1 of SVM_EXIT_IO */
#define SVM_IO_IN         1u
#define SVM_IO_STRING     4u
#define SVM_IO_REPEAT     8u
#define SVM_IO_SIZE(info) ((info) >> 4 & 7) /* bytes */
#define SVM_IO_PORT(info) ((info) >> 16 & 0xffff)
/* exit_info1 of SVM_EXIT_NPF: a page fault's error code, and */
#define SVM_NPF_WRITE (1ul << 1)
#define SVM_NPF_FETCH (1ul << 4)
#define SVM_NPF_TABLE (1ul << 33)

#endif
