/* hv_bits.h - the bits of a guest's control registers that the hypervisor looks at, and what is in
 * them after a reset. AMD64 APM volume 2, 3.1 and 14.1.3; Intel SDM volume 3A, 2.5 and 10.1.1. */
#ifndef HV_HV_BITS_H
#define HV_HV_BITS_H

#define HV_CR0_PE      (1ul << 0)
#define HV_CR0_ET      (1ul << 4)
#define HV_CR0_NE      (1ul << 5)
#define HV_CR0_NW      (1ul << 29)
#define HV_CR0_CD      (1ul << 30)
#define HV_CR0_PG      (1ul << 31)
#define HV_CR4_BASIC   0x7fful /* VME to OSXMMEXCPT */
#define HV_CR4_PAE     (1ul << 5)
#define HV_EFER_SCE    (1ul << 0)
#define HV_EFER_LME    (1ul << 8)
#define HV_EFER_LMA    (1ul << 10)
#define HV_EFER_NXE    (1ul << 11)
#define HV_RFLAGS_TF   (1ul << 8)
#define HV_RFLAGS_IF   (1ul << 9)
#define HV_RFLAGS_VM   (1ul << 17)
#define HV_RFLAGS_ALL  0x3f7fd5ul /* there are */
#define HV_RFLAGS_ONE  2ul        /* always set */
#define HV_DR7_GENERAL (1ul << 13)

/* A segment's attributes, as HV_STATE_SEGMENTS has them. */
#define HV_ATTRIBUTE_TYPE(a) ((a)&15)
#define HV_ATTRIBUTE_CODE    0x10u /* or data, not a system segment */
#define HV_ATTRIBUTE_DPL(a)  ((a) >> 5 & 3)
#define HV_ATTRIBUTE_PRESENT 0x80u
#define HV_ATTRIBUTE_LONG    0x200u
#define HV_ATTRIBUTE_BIG     0x400u
#define HV_ATTRIBUTE_PAGES   0x800u /* the limit counts pages */
#define HV_ATTRIBUTES        0xfffu

/* An event to be delivered, as HV_EVENT_INJECTED has it: so do VMCB and VMCS. */
#define HV_EVENT_VECTOR      0xffu
#define HV_EVENT_KIND_SHIFT  8
#define HV_EVENT_KIND(e)     ((e) >> HV_EVENT_KIND_SHIFT & 7)
#define HV_EVENT_IS_HARD     0u /* kinds: an interrupt of a device */
#define HV_EVENT_IS_NMI      2u
#define HV_EVENT_IS_FAULT    3u /* an exception that the processor raises */
#define HV_EVENT_IS_SOFT     4u /* INT n */
#define HV_EVENT_HAS_ERROR   (1ul << 11)
#define HV_EVENT_VALID       (1ul << 31)
#define HV_EVENT_ERROR_SHIFT 32

#define HV_RESET_CR0   (HV_CR0_CD | HV_CR0_NW | HV_CR0_ET)
#define HV_RESET_PAT   0x0007040600070406ul
#define HV_RESET_DR6   0xffff0ff0ul
#define HV_RESET_DR7   0x400ul
#define HV_RESET_LIMIT 0xffffu
#define HV_RESET_CODE  0x9bu /* present, code, read */
#define HV_RESET_DATA  0x93u
#define HV_RESET_LDT   0x82u
#define HV_RESET_TSS   0x8bu

#endif
