/* svm_bits.h - the bits of control registers that SVM's files look at. AMD64 APM volume 2,
 * 3.1. */
#ifndef HV_SVM_BITS_H
#define HV_SVM_BITS_H

#define SVM_CR0_PE    (1ul << 0)
#define SVM_CR0_ET    (1ul << 4)
#define SVM_CR0_NW    (1ul << 29)
#define SVM_CR0_CD    (1ul << 30)
#define SVM_CR0_PG    (1ul << 31)
#define SVM_CR4_BASIC 0x7fful /* VME to OSXMMEXCPT */
#define SVM_CR4_PAE   (1ul << 5)
#define SVM_EFER_SCE  (1ul << 0)
#define SVM_EFER_LME  (1ul << 8)
#define SVM_EFER_LMA  (1ul << 10)
#define SVM_EFER_NXE  (1ul << 11)
#define SVM_RFLAGS_IF (1ul << 9)
#define SVM_RFLAGS_VM (1ul << 17)
#define SVM_RFLAGS    0x3f7fd5ul /* all there are */
#define SVM_RFLAGS_1  2ul        /* always set */

#endif
