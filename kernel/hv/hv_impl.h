/* hv_impl.h - what the files of hv share: machines, their processors, and what a back end does. */
#ifndef HV_HV_IMPL_H
#define HV_HV_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/pcb.h"
#include "hv/hv.h"
#include "kern/atomic.h"
#include "kern/list.h"
#include "kern/port_object.h"
#include "kern/spinlock.h"
#include "kern/thread.h"
#include "vm/vm_map.h"

struct hv_paging;
struct vm_page;

/* Guest physical addresses are below this. */
#define HV_PHYSICAL_BITS 40
#define HV_PHYSICAL_END  (1ul << HV_PHYSICAL_BITS)

/* vcpu->signals */
#define HV_SIGNAL_KICK  1u /* hv_vcpu_run is to return */
#define HV_SIGNAL_END   2u /* so that the processor can go */
#define HV_SIGNAL_EVENT 4u /* there is something to inject */
#define HV_SIGNAL_APIC  8u /* hv_apic_vcpu_attend() has something to do */

/* vcpu->extras */
#define HV_EXTRA_DEBUG 1u /* DR0-3, as it uses them */
#define HV_EXTRA_XCR0  2u /* as it can tell */
#define HV_EXTRA_LEAVE 4u /* the guest is left again at once, once (svm.c) */

/* vcpu->pending_interrupt: the monitor's interrupt, and whether its APIC may have one. */
#define HV_PENDING_VALID 256u /* and the vector */
#define HV_PENDING_APIC  512u

/* Processors of a machine with local APICs: the ids of 8 bits but that for all. */
#define HV_APIC_VCPU_MAX 255u

/* Keys: [L] this->lock, [T] task->lock, [I] immutable, [a] atomic */
struct hv_machine {
    struct port_object object;
    struct spinlock lock;   /* MACHINE */
    struct list vcpus;      /* [L] */
    uint32_t vcpu_count;    /* [L] ever made: the next one's number */
    uint32_t last_chosen;   /* [L] for an interrupt to whom it disturbs least */
    bool has_apics;         /* [L] those made from now on have one */
    struct hv_dirty *dirty; /* [L] log of written pages, or NULL (hv_dirty.c) */
    struct vm_map *map;     /* [I] owns a reference: guest physical memory */
    struct task *task;      /* [L] that made it and is charged, with a reference; NULL: it ended */
    struct list task_link;  /* [T] */
    bool ended;             /* [a] */
};

/* What a step of a processor has come to. */
enum hv_step {
    HV_RESUME, /* nothing is left to do: run on */
    HV_RETURN, /* vcpu->exit says what to tell the monitor */
    HV_FAULT,  /* vcpu->exit has the address and access of a fault in the machine's map */
    HV_WAIT,   /* the guest has halted */
    HV_YIELD,  /* the guest lets others run */
};

/* What hv_vcpu_run returns with, until it is written into the record. */
struct hv_exit {
    uint32_t reason;
    uint32_t size;
    uint32_t length; /* of the instruction; HV_RUN_ADVANCE goes by this, not by the record */
    uint64_t qualification;
    uint64_t address;
    uint64_t value;
    const char *sentence;
};

/* Keys: [O] whoever owns it (busy), [M] machine->lock, [I] immutable, [a] atomic */
struct hv_vcpu {
    struct port_object object;
    struct hv_machine *machine;  /* [I] owns a reference */
    struct list machine_link;    /* [M] */
    uint32_t number;             /* [I] */
    uint32_t busy;               /* [a] 1: owned, by a call or by the end of the machine */
    uint32_t signals;            /* [a] HV_SIGNAL_* */
    int32_t cpu;                 /* [a] processor it runs on, or -1 */
    uint32_t pending_interrupt;  /* [a] HV_PENDING_* */
    bool pending_nmi;            /* [a] */
    bool nmi_blocked;            /* [O] until IRET */
    bool window;                 /* [O] return when an interrupt would be taken */
    bool halt_exits;             /* [O] */
    uint8_t halted;              /* [O] HV_HALTED_* */
    uint8_t extras;              /* [O] HV_EXTRA_*: what changes with the guest beside all else */
    bool unchecked;              /* [O] its state was set since it was last found good */
    struct waitq waiting;        /* its thread, while the guest has halted */
    struct task *task;           /* [O] charged for it, with a reference; NULL: it has nothing */
    struct vm_page *record_page; /* [O] pinned */
    volatile struct hv_record *record; /* [O] in the direct map */
    struct hv_apic *apic;              /* [I] until it is given up; or NULL */
    void *control;                     /* [O] the back end's */
    struct pcb fpu;                    /* [O] of it only the vector state is in use */
    uint64_t registers[16]; /* [O] in the processor's order; the back end keeps RAX and RSP */
    uint64_t debug[4];      /* [O] DR0-3 */
    uint64_t exits;         /* [O] */
    uint64_t xcr0;          /* [O] which vector state it may use (hv_xsave.c) */
    uint32_t osxsave;       /* [O] CR4.OSXSAVE, as CPUID shows it */
    struct hv_exit exit;    /* [O] */
};

/* What a back end does. A vcpu is owned by the caller in all of these. */
struct hv_ops {
    const char *name;
    bool extended_tables; /* nested page tables are of Intel's format (arch/pmap_nested.h) */
    /* Can all processors run guests? Prepares for that. Once. */
    bool (*init)(void);
    /* vcpu->control, in the state after a reset. False: out of memory. */
    bool (*create)(struct hv_vcpu *vcpu);
    void (*destroy)(struct hv_vcpu *vcpu);
    /* Words of a flavor, out of and into vcpu->control and what else is there. False: they cannot
     * be (nothing changed). */
    void (*get_state)(struct hv_vcpu *vcpu, int flavor, uint64_t *words);
    bool (*set_state)(struct hv_vcpu *vcpu, int flavor, const uint64_t *words);
    /* Why no processor can be in that state, or NULL. */
    const char *(*check)(struct hv_vcpu *vcpu);
    /* Go on behind the instruction of the last exit. */
    void (*advance)(struct hv_vcpu *vcpu);
    /* Deliver that next. False: something else already is. */
    bool (*inject)(struct hv_vcpu *vcpu, uint32_t kind, uint32_t vector, uint32_t error);
    bool (*takes_interrupts)(const struct hv_vcpu *vcpu);
    uint64_t (*get_tsc_offset)(struct hv_vcpu *vcpu);
    /* The priority that the guest's processor has by its own CR8. */
    uint32_t (*get_cr8)(const struct hv_vcpu *vcpu);
    void (*set_cr8)(struct hv_vcpu *vcpu, uint32_t cr8);
    /* Enter the guest and deal with why it was left. Sleeps: yes; interrupts enabled. */
    enum hv_step (*run)(struct hv_vcpu *vcpu);
    /* Write the registers into the record. */
    void (*tell)(const struct hv_vcpu *vcpu);
    void (*get_paging)(const struct hv_vcpu *vcpu, struct hv_paging *paging);
};

extern const struct hv_ops svm_ops, vmx_ops;
extern const struct hv_ops *hv_ops; /* [I] after hv_init(); NULL: no guests here */

/* The interrupt that the monitor has injected and that waits, HV_PENDING_VALID and its vector; 0:
 * none. */
static inline uint32_t hv_vcpu_interrupt(const struct hv_vcpu *vcpu)
{
    uint32_t pending = atomic_load(&vcpu->pending_interrupt);

    return (pending & HV_PENDING_VALID) != 0 ? pending & ~HV_PENDING_APIC : 0;
}

/* It waits no more; another (or 0) does. */
static inline void hv_vcpu_set_interrupt(struct hv_vcpu *vcpu, uint32_t interrupt)
{
    (void)atomic_fetch_and(&vcpu->pending_interrupt, HV_PENDING_APIC);
    (void)atomic_fetch_or(&vcpu->pending_interrupt, interrupt);
}

/* HV_STATE_EVENTS, but for what is injected and the shadow, which are the back end's. False: a word
 * can be of no state, and nothing has changed. */
bool hv_vcpu_set_events(struct hv_vcpu *vcpu, const uint64_t *words);
void hv_vcpu_get_events(const struct hv_vcpu *vcpu, uint64_t *words);
/* Have the processor look at its signals. Locks: machine's may be held. */
void hv_vcpu_signal(struct hv_vcpu *vcpu, uint32_t signals);
/* Own it, unless somebody does. */
bool hv_vcpu_own(struct hv_vcpu *vcpu);
/* End that; what it has is given back if its machine has ended meanwhile. Sleeps: yes. */
void hv_vcpu_disown(struct hv_vcpu *vcpu);

#endif
