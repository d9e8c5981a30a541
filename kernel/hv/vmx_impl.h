/* vmx_impl.h - shared by the files of Intel's back end. */
#ifndef HV_VMX_IMPL_H
#define HV_VMX_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "hv/hv_impl.h"
#include "hv/hv_tag.h"
#include "hv/vmx_vmcs.h"

#define VMX_CR4_VMXE    (1ul << 13)
#define VMX_LOG_ENTRIES 512u

/* Index of a word of a guest's state that is in its VMCS. */
enum vmx_word {
    VMX_RIP, /* these four are wanted after each exit */
    VMX_RSP,
    VMX_RFLAGS,
    VMX_INTERRUPTIBLE,
    VMX_CR0,
    VMX_CR3,
    VMX_CR4,
    VMX_EFER,
    VMX_PAT,
    VMX_DR7,
    VMX_TSC_OFFSET,
    VMX_SYSENTER_CS,
    VMX_SYSENTER_ESP,
    VMX_SYSENTER_EIP,
    VMX_SEGMENTS, /* four for each of HV_SEGMENT_*, in this order; GDTR and IDTR have two: */
    VMX_WORDS = VMX_SEGMENTS + 40
};
enum vmx_part { VMX_SELECTOR, VMX_RIGHTS, VMX_LIMIT, VMX_BASE, VMX_PARTS };
#define VMX_SEGMENT(segment, part) (VMX_SEGMENTS + VMX_PARTS * (segment) + (part))

/* The MSRs that change with a guest and are not in its VMCS; HV_STATE_MSRS begins with them. */
#define VMX_MSR_COUNT 5

/* vcpu->control. Keys: [O] whoever owns the vcpu */
struct vmx_vcpu {
    void *vmcs;                   /* [O] a page of its own */
    uint64_t *log;                /* [O] of VMX_LOG_ENTRIES addresses, another; or NULL */
    uint32_t secondary;           /* [I] VMCS_SECONDARY, but for the log */
    uint64_t words[VMX_WORDS];    /* [O] what is known of the guest's state, */
    uint64_t known;               /* [O]   bits by enum vmx_word, */
    uint64_t changed;             /* [O]   and what of it the VMCS does not have yet */
    uint64_t cr0_shown;           /* [O] of the bits that are not the guest's, what it sees */
    uint64_t cr4_shown;           /* [O] */
    uint64_t cr2, cr8, dr6;       /* [O] */
    uint64_t msrs[VMX_MSR_COUNT]; /* [O] */
    uint64_t event;               /* [O] to be delivered, as HV_EVENT_INJECTED */
    struct hv_tag tag;            /* [O] its VPID */
    uint32_t loads;               /* [O] not zero: the VMCS is this processor's current one */
    uint32_t primary;             /* [O] VMCS_PRIMARY, as it is there */
    uint32_t reason;              /* [O] VMCS_REASON of the last exit */
    uint32_t error;               /* [O] VMCS_ERROR of an entry that failed at once, or 0 */
    bool was_entered;             /* [O] since the VMCS was loaded */
    bool uses_debug;              /* [O] DR0-3 and DR6 change with it */
    bool is_quiet;                /* [O] nothing is asked for but what always is */
    bool logs;                    /* [O] the VMCS has the log on */
};

static inline struct vmx_vcpu *vmx_vcpu_of(const struct hv_vcpu *vcpu)
{
    return vcpu->control;
}

/* A field of the current VMCS. One that there is not reads as 0. */
static inline uint64_t vmx_read(uint32_t field)
{
    uint64_t value = 0;

    __asm__ volatile("vmread %1, %0" : "+r"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmx_write(uint32_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" ::"r"((uint64_t)field), "r"(value) : "cc");
}

/* vmx.c: have the VMCS current on this processor, which the thread does not leave meanwhile. Calls
 * nest. Sleeps: no, and nothing may until vmx_unload(). */
void vmx_load(const struct hv_vcpu *vcpu);
void vmx_unload(const struct hv_vcpu *vcpu);
/* Bits of CR0 and CR4 that are always set in VMX operation, but in an unrestricted guest. */
extern uint64_t vmx_cr0_fixed, vmx_cr4_fixed; /* [I] after vmx_ops.init() */
#define VMX_CR0_HIDDEN (vmx_cr0_fixed | HV_CR0_NW | HV_CR0_CD)

/* vmx_map.c: the bitmap of MSRs that are intercepted (SDM volume 3C, 25.6.9): all but those that
 * change with the guest. */
#define VMX_MSR_BITMAP_SIZE 0x1000u
void vmx_map_fill_msrs(uint8_t *bitmap);

/* vmx_check.c: of the state that is known whole, what VM entry would refuse (SDM volume 3C, 27.3.1)
 * and hv_check() does not know, as a sentence; NULL: nothing. */
const char *vmx_check(const uint64_t *words, const uint64_t *msrs);
/* Can that be in RIP, when EFER and the rights of CS are so? */
bool vmx_check_rip(uint64_t rip, uint64_t efer, uint64_t code);
/* Are the four page directory pointers of PAE good? */
bool vmx_check_pdptes(const uint64_t *pdptes, unsigned physical_bits);

/* vmx_state.c. A word of the guest's state; set: what the guest has from its next entry on. */
#define VMX_WORD(word) (1ul << (word))
uint64_t vmx_state_fetch(const struct hv_vcpu *vcpu, enum vmx_word word);
static inline uint64_t vmx_state_word(const struct hv_vcpu *vcpu, enum vmx_word word)
{
    const struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    return (v->known & VMX_WORD(word)) != 0 ? v->words[word] : vmx_state_fetch(vcpu, word);
}
static inline void vmx_state_set_word(struct hv_vcpu *vcpu, enum vmx_word word, uint64_t value)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    v->words[word] = value;
    v->known |= VMX_WORD(word);
    v->changed |= VMX_WORD(word);
}
/* Before an entry and after an exit, with the VMCS loaded. */
void vmx_state_enter(struct vmx_vcpu *v);
void vmx_state_leave(struct hv_vcpu *vcpu);
/* Know what is told to the monitor before the VMCS is unloaded. */
void vmx_state_keep(const struct hv_vcpu *vcpu);
/* State by flavor, as in struct hv_ops. */
/* What hv_reset() leaves as it is, as after a reset. */
void vmx_state_clear(struct hv_vcpu *vcpu);
uint64_t vmx_state_get_tsc_offset(struct hv_vcpu *vcpu);
bool vmx_state_is_64bit(const struct hv_vcpu *vcpu); /* its code */
void vmx_state_get(struct hv_vcpu *vcpu, int flavor, uint64_t *words);
bool vmx_state_set(struct hv_vcpu *vcpu, int flavor, const uint64_t *words);
const char *vmx_state_check(struct hv_vcpu *vcpu);
void vmx_state_tell(const struct hv_vcpu *vcpu);
void vmx_state_get_paging(const struct hv_vcpu *vcpu, struct hv_paging *paging);

/* vmx_exit.c: the guest has just been left. Was it for an NMI of the host? Then call its handler:
 * others are blocked until its IRET (SDM volume 3C, 28.3), and that of an interrupt must not come
 * first, or the next NMI would find the stack of NMIs in use. Interrupts off. */
void vmx_exit_take_nmi(const struct hv_vcpu *vcpu);
/* Deal with why the guest was left; the VMCS is loaded. */
enum hv_step vmx_exit(struct hv_vcpu *vcpu);
/* An exception for the guest; false: another event is on its way. */
bool vmx_exit_inject(struct hv_vcpu *vcpu, uint32_t kind, uint32_t vector, uint32_t error);
/* Go on behind the instruction. */
void vmx_exit_advance(struct hv_vcpu *vcpu, uint32_t length);

#endif
