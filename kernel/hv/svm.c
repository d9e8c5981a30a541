/* svm.c - AMD's virtual machines (AMD64 APM volume 2, chapter 15), a back end of hv: processors
 * made ready, events to deliver, the way in and out.
 *
 * A processor is made ready when it first runs a guest. While it does, %gs and the like are the
 * guest's, so global interrupts are off (CLGI); interrupts of the host are enabled, and with
 * V_INTR_MASKING make it leave the guest, to be taken after STGI. Nested page tables are the pmap
 * of the machine's map (arch/pmap_nested.h). */
#include "arch/apic.h"
#include "arch/boot_info.h"
#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/ipi.h"
#include "arch/pmap_nested.h"
#include "hv/hv_apic_vcpu.h"
#include "hv/hv_bits.h"
#include "hv/hv_xsave.h"
#include "hv/svm_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/string.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define MSR_VM_CR         0xc0010114u
#define MSR_VM_HSAVE_PA   0xc0010117u
#define VM_CR_SVMDIS      0x10u
#define CPUID_SVM         0x8000000au
#define CPUID_FEATURE_SVM (1u << 2) /* 80000001.ECX */
#define CPUID_SVM_NESTED  1u        /* 8000000a.EDX */

#define VECTOR_BREAKPOINT 3
#define VECTOR_OVERFLOW   4

#define SVM_IOPM_PAGES  (SVM_IOPM_SIZE / PAGE_SIZE)
#define SVM_MSRPM_PAGES (SVM_MSRPM_SIZE / PAGE_SIZE)

#define SVM_MISC1                                                                                  \
    (SVM_MISC1_INTR | SVM_MISC1_NMI | SVM_MISC1_INIT | SVM_MISC1_RDPMC | SVM_MISC1_CPUID |         \
     SVM_MISC1_RSM | SVM_MISC1_INVD | SVM_MISC1_HLT | SVM_MISC1_INVLPGA | SVM_MISC1_IO |           \
     SVM_MISC1_MSR | SVM_MISC1_TASK_SWITCH | SVM_MISC1_FERR | SVM_MISC1_SHUTDOWN)
#define SVM_MISC2                                                                                  \
    (SVM_MISC2_VMRUN | SVM_MISC2_VMMCALL | SVM_MISC2_VMLOAD | SVM_MISC2_VMSAVE | SVM_MISC2_STGI |  \
     SVM_MISC2_CLGI | SVM_MISC2_SKINIT | SVM_MISC2_RDTSCP | SVM_MISC2_WBINVD | SVM_MISC2_MONITOR | \
     SVM_MISC2_MWAIT | SVM_MISC2_XSETBV | SVM_MISC2_RDPRU)
#define SVM_EXCEPTIONS (1u << 1 | 1u << 17 | 1u << 18) /* #DB, #AC, #MC (svm_exit.c) */

/* Keys: [C] its processor only, interrupts off; [I] immutable after svm_init() */
struct svm_cpu {
    phys_addr_t save;     /* [I] where VMRUN keeps the host's state */
    phys_addr_t host;     /* [I] and VMSAVE the rest of it */
    bool is_ready;        /* [C] */
    struct hv_tags asids; /* [C] */
};

static struct svm_cpu svm_cpus[CPU_MAX];
static phys_addr_t svm_iopm;    /* [I] after svm_init() */
static phys_addr_t svm_msrpm;   /* [I] */
static uint32_t svm_asid_count; /* [I] */

/* svm_switch.asm */
void svm_switch(phys_addr_t guest, uint64_t *registers, phys_addr_t host);

/* --- once --- */

static bool svm_is_there(void)
{
    struct cpuid_result r;

    if (cpuid(0x80000000u, 0).eax < CPUID_SVM ||
        (cpuid(0x80000001u, 0).ecx & CPUID_FEATURE_SVM) == 0) {
        return false;
    }
    r = cpuid(CPUID_SVM, 0);
    svm_asid_count = r.ebx;
    return (r.edx & CPUID_SVM_NESTED) != 0 && r.ebx > 1 && (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) == 0;
}

/* Zeroed. 0: out of memory. */
static phys_addr_t svm_take_pages(uint64_t n)
{
    struct vm_page *page = vm_page_alloc_contig(n, 0, VM_PAGE_ZERO, 0, 0);

    return page != NULL ? vm_page_to_phys(page) : 0;
}

static void svm_give_pages(phys_addr_t phys, uint64_t n)
{
    if (phys != 0) {
        vm_page_free_contig(vm_page_from_phys(phys), n);
    }
}

static void svm_give_all(void)
{
    svm_give_pages(svm_iopm, SVM_IOPM_PAGES);
    svm_give_pages(svm_msrpm, SVM_MSRPM_PAGES);
    for (uint32_t i = 0; i < cpu_count; i++) {
        svm_give_pages(svm_cpus[i].save, 1);
        svm_give_pages(svm_cpus[i].host, 1);
    }
}

static bool svm_init(void)
{
    bool complete;

    if (!svm_is_there()) {
        return false;
    }
    svm_iopm = svm_take_pages(SVM_IOPM_PAGES);
    svm_msrpm = svm_take_pages(SVM_MSRPM_PAGES);
    complete = svm_iopm != 0 && svm_msrpm != 0;
    for (uint32_t i = 0; i < cpu_count && complete; i++) {
        svm_cpus[i].save = svm_take_pages(1);
        svm_cpus[i].host = svm_take_pages(1);
        complete = svm_cpus[i].save != 0 && svm_cpus[i].host != 0;
    }
    if (complete) {
        svm_map_fill_io(phys_to_virt(svm_iopm));
        svm_map_fill_msrs(phys_to_virt(svm_msrpm));
    } else {
        svm_give_all();
    }
    return complete;
}

/* --- a guest's processor --- */

static bool svm_create(struct hv_vcpu *vcpu)
{
    struct svm_vcpu *s = kalloc_zeroed(sizeof(*s));
    struct vm_page *page = s != NULL ? vm_page_alloc(VM_PAGE_ZERO) : NULL;

    if (page == NULL) {
        kfree(s, s != NULL ? sizeof(*s) : 0);
        return false;
    }
    s->vmcb = vm_page_to_virt(page);
    s->tag.cpu = -1;
    s->vmcb->intercept_cr = SVM_CR4_WRITE;
    s->vmcb->intercept_dr = ~0u;
    s->vmcb->intercept_exceptions = SVM_EXCEPTIONS;
    s->vmcb->intercept_misc1 = SVM_MISC1;
    s->vmcb->intercept_misc2 = SVM_MISC2;
    s->vmcb->iopm = svm_iopm;
    s->vmcb->msrpm = svm_msrpm;
    s->vmcb->virtual_control = SVM_V_MASKING | SVM_V_IGNORE_TPR | SVM_V_PRIORITY;
    s->vmcb->nested_control = 1;
    s->vmcb->nested_cr3 = vcpu->machine->map->pmap->pml4_phys;
    s->vmcb->pat = HV_RESET_PAT;
    vcpu->control = s;
    return true;
}

static void svm_destroy(struct hv_vcpu *vcpu)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);

    vm_page_free(vm_page_from_phys(virt_to_phys(s->vmcb)));
    kfree(s, sizeof(*s));
}

static void svm_advance(struct hv_vcpu *vcpu)
{
    svm_exit_advance(vcpu, vcpu->exit.length);
}

static bool svm_takes_interrupts(const struct hv_vcpu *vcpu)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    return (v->rflags & HV_RFLAGS_IF) != 0 && (v->interrupt_shadow & 1) == 0;
}

static uint64_t svm_get_tsc_offset(struct hv_vcpu *vcpu)
{
    return svm_vcpu_of(vcpu)->vmcb->tsc_offset;
}

static uint32_t svm_get_cr8(const struct hv_vcpu *vcpu)
{
    return svm_vcpu_of(vcpu)->vmcb->virtual_control & SVM_V_TPR;
}

static void svm_set_cr8(struct hv_vcpu *vcpu, uint32_t cr8)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    v->virtual_control = (v->virtual_control & ~SVM_V_TPR) | cr8;
}

/* --- events --- */

static uint64_t svm_event(uint64_t kind, uint32_t vector)
{
    return vector | kind << HV_EVENT_KIND_SHIFT | HV_EVENT_VALID;
}

/* The interrupt that the guest is to take next, the monitor's or else its APIC's; -1: none.
 * *watches gets what is to be settled behind the exit: the monitor's still waits until it was
 * taken, the APIC's is in service already. */
static int svm_take_interrupt(struct hv_vcpu *vcpu, uint8_t *watches)
{
    uint32_t interrupt = hv_vcpu_interrupt(vcpu);
    int vector;

    if (interrupt == 0) {
        vector = hv_apic_vcpu_take(vcpu);
        *watches |= vector >= 0 ? SVM_WATCH_APIC : 0;
        return vector;
    }
    *watches |= SVM_WATCH_INTERRUPT;
    return (int)(interrupt & HV_EVENT_VECTOR);
}

/* Put an NMI into the VMCB, or the interrupt that comes before the window. */
static void svm_prepare_injection(struct hv_vcpu *vcpu, struct svm_vmcb *v)
{
    uint8_t watches = 0;
    int vector;

    if ((v->event & HV_EVENT_VALID) != 0) {
        return;
    }
    if (atomic_load(&vcpu->pending_nmi) && !vcpu->nmi_blocked && (v->interrupt_shadow & 1) == 0) {
        atomic_store(&vcpu->pending_nmi, false);
        vcpu->nmi_blocked = true;
        v->event = svm_event(HV_EVENT_IS_NMI, 2);
    } else if (vcpu->window && svm_takes_interrupts(vcpu)) {
        vector = svm_take_interrupt(vcpu, &watches);
        v->event = vector >= 0 ? svm_event(HV_EVENT_IS_HARD, (uint32_t)vector) : 0;
        if ((watches & SVM_WATCH_INTERRUPT) != 0) {
            hv_vcpu_set_interrupt(vcpu, 0);
        }
    }
}

/* VMRUN is to deliver an interrupt. QEMU 7.2 keeps its number as that of an exception
 * (helper_vmrun), which it raises in the guest when it next turns to something else, unless the
 * guest is left before: have it left right behind that. */
static bool svm_is_to_leave(const struct svm_vmcb *v)
{
    return (v->event & HV_EVENT_VALID) != 0 && HV_EVENT_KIND(v->event) == HV_EVENT_IS_HARD;
}

/* Put what is to be delivered into the VMCB. An interrupt is the processor's virtual interrupt,
 * taken without an exit when the guest lets it in; where the monitor wants to know when that is,
 * the guest is left then. Of CR8 the processor knows nothing here: while something waits, writes to
 * it are intercepted (QEMU 7.2 ends when CR8 is written then). */
static __attribute__((noinline)) void svm_prepare_some(struct hv_vcpu *vcpu, struct svm_vmcb *v)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);
    bool is_step = (s->watches & SVM_WATCH_STEP) != 0;
    bool waits, is_masked;
    int vector;

    svm_prepare_injection(vcpu, v);
    v->rflags |= is_step ? HV_RFLAGS_TF : 0;
    s->watches &= SVM_WATCH_STEP;
    vector = vcpu->window ? -1 : svm_take_interrupt(vcpu, &s->watches);
    waits = vector >= 0 || vcpu->window;
    is_masked = (atomic_load(&vcpu->pending_interrupt) & HV_PENDING_APIC) != 0; /* by CR8 */
    s->is_quiet = !waits && !is_masked && !vcpu->nmi_blocked;
    v->virtual_vector = (uint32_t)vector & HV_EVENT_VECTOR;
    v->virtual_control &= ~SVM_V_IRQ;
    v->virtual_control |= waits ? SVM_V_IRQ : 0;
    v->intercept_cr = SVM_CR4_WRITE | (waits || is_masked ? SVM_CR8_WRITE : 0);
    v->intercept_misc1 = SVM_MISC1 | (vector < 0 ? SVM_MISC1_VINTR : 0) |
                         (vcpu->nmi_blocked && !is_step ? SVM_MISC1_IRET : 0);
    vcpu->extras |= svm_is_to_leave(v) ? HV_EXTRA_LEAVE : 0;
}

static inline void svm_prepare_events(struct hv_vcpu *vcpu, struct svm_vmcb *v)
{
    if (__builtin_expect(!svm_vcpu_of(vcpu)->is_quiet || vcpu->window ||
                             atomic_load(&vcpu->pending_interrupt) != 0 ||
                             atomic_load(&vcpu->pending_nmi),
                         0)) {
        svm_prepare_some(vcpu, v);
    }
}

/* Does what was being delivered have to be again? Software interrupts and the like are raised again
 * by their instruction. An exception with the vector of the virtual interrupt, which still waits,
 * is that interrupt, as QEMU has it; or it is raised again, too. */
static bool svm_is_to_repeat(const struct svm_vmcb *v)
{
    uint64_t kind = HV_EVENT_KIND(v->exit_event);
    uint64_t vector = v->exit_event & HV_EVENT_VECTOR;

    if ((v->exit_event & HV_EVENT_VALID) == 0 || kind == HV_EVENT_IS_SOFT) {
        return false;
    }
    return kind != HV_EVENT_IS_FAULT ||
           (vector != VECTOR_BREAKPOINT && vector != VECTOR_OVERFLOW &&
            ((v->virtual_control & SVM_V_IRQ) == 0 || vector != v->virtual_vector));
}

/* Has the guest taken the interrupt that was put into the VMCB? If not, it waits as before. */
static void svm_settle_interrupt(struct hv_vcpu *vcpu, const struct svm_vmcb *v, bool is_taken)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);

    if ((s->watches & SVM_WATCH_INTERRUPT) != 0 && is_taken) {
        hv_vcpu_set_interrupt(vcpu, 0);
    }
    if ((s->watches & SVM_WATCH_APIC) != 0 && !is_taken) {
        hv_apic_vcpu_return(vcpu, (uint8_t)v->virtual_vector);
    }
    s->watches &= SVM_WATCH_STEP;
}

static __attribute__((noinline)) void svm_settle_watched(struct hv_vcpu *vcpu,
                                                         const struct svm_vmcb *v)
{
    bool is_valid = v->exit_code != SVM_EXIT_INVALID;

    svm_settle_interrupt(vcpu, v, is_valid && (v->virtual_control & SVM_V_IRQ) == 0);
    if (is_valid && (svm_vcpu_of(vcpu)->watches & SVM_WATCH_STEP) != 0) {
        svm_exit_stepped(vcpu);
    }
}

/* What has become of it. */
static void svm_settle_events(struct hv_vcpu *vcpu, struct svm_vmcb *v)
{
    if (v->exit_code != SVM_EXIT_INVALID) {
        v->event = 0;
        if (__builtin_expect(svm_is_to_repeat(v), 0)) {
            v->event = v->exit_event;
            svm_vcpu_of(vcpu)->is_quiet = false;
        }
    }
    if (__builtin_expect(svm_vcpu_of(vcpu)->watches != 0, 0)) {
        svm_settle_watched(vcpu, v);
    }
}

/* --- in and out; interrupts off --- */

static void svm_make_ready(struct svm_cpu *s)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | SVM_EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, s->save);
    s->is_ready = true;
}

/* Have an ASID under which the TLB has nothing that is not so any more: the one it had, or a new
 * one (APM volume 2, 15.15 and 15.16). */
static void svm_take_asid(struct svm_vcpu *vcpu, struct cpu *cpu, uint64_t flushes)
{
    struct hv_tags *asids = &svm_cpus[cpu->number].asids;

    vcpu->vmcb->tlb_control = SVM_TLB_NOTHING;
    if (hv_tag_is_good(&vcpu->tag, asids, cpu->number, flushes)) {
        return;
    }
    if (hv_tag_take(&vcpu->tag, asids, svm_asid_count, cpu->number, flushes)) {
        vcpu->vmcb->tlb_control = SVM_TLB_FLUSH_ALL;
    }
    vcpu->vmcb->asid = vcpu->tag.number;
}

static void svm_load_debug(const uint64_t *debug)
{
    __asm__ volatile(
        "movq %0, %%dr0; movq %1, %%dr1; movq %2, %%dr2; movq %3, %%dr3" ::"r"(debug[0]),
        "r"(debug[1]), "r"(debug[2]), "r"(debug[3]));
}

static void svm_save_debug(uint64_t *debug)
{
    __asm__ volatile("movq %%dr0, %0; movq %%dr1, %1; movq %%dr2, %2; movq %%dr3, %3"
                     : "=r"(debug[0]), "=r"(debug[1]), "=r"(debug[2]), "=r"(debug[3]));
}

static __attribute__((noinline)) void svm_load_extras(struct hv_vcpu *vcpu)
{
    if ((vcpu->extras & HV_EXTRA_LEAVE) != 0) {
        vcpu->extras &= (uint8_t)~HV_EXTRA_LEAVE;
        ipi_resched(cpu_number());
    }
    if ((vcpu->extras & HV_EXTRA_DEBUG) != 0) {
        svm_load_debug(vcpu->debug);
    }
    if ((vcpu->extras & HV_EXTRA_XCR0) != 0) {
        hv_xsave_enter(vcpu);
    }
}

static __attribute__((noinline)) void svm_save_extras(struct hv_vcpu *vcpu)
{
    if ((vcpu->extras & HV_EXTRA_DEBUG) != 0) {
        svm_save_debug(vcpu->debug);
    }
    if ((vcpu->extras & HV_EXTRA_XCR0) != 0) {
        hv_xsave_leave(vcpu);
    }
}

static void svm_cross(struct hv_vcpu *vcpu, struct svm_vcpu *s)
{
    if (__builtin_expect(vcpu->extras != 0, 0)) {
        svm_load_extras(vcpu);
    }
    interrupt_enable(); /* the host's, in the guest: here they are still off (CLGI) */
    svm_switch(virt_to_phys(s->vmcb), vcpu->registers, svm_cpus[cpu_number()].host);
    interrupt_disable();
    if (__builtin_expect(vcpu->extras != 0, 0)) {
        svm_save_extras(vcpu);
    }
}

/* Run the guest until it is left. False: there is something to do first. */
static bool svm_enter(struct hv_vcpu *vcpu)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);
    struct cpu *cpu;
    bool enters;

    interrupt_disable();
    cpu = cpu_current();
    if (__builtin_expect(!svm_cpus[cpu->number].is_ready, 0)) {
        svm_make_ready(&svm_cpus[cpu->number]);
    }
    __atomic_store_n(&vcpu->cpu, (int32_t)cpu->number, __ATOMIC_SEQ_CST);
    svm_take_asid(s, cpu, pmap_nested_enter(cpu, vcpu->machine->map->pmap));
    __asm__ volatile("clgi" ::: "memory");
    /* What comes from here on makes the processor leave the guest. */
    enters = cpu->ast == 0 && __atomic_load_n(&vcpu->signals, __ATOMIC_SEQ_CST) == 0;
    if (enters) {
        svm_cross(vcpu, s);
        apic_look_again();
    }
    pmap_nested_leave(cpu);
    atomic_store(&vcpu->cpu, -1);
    __asm__ volatile("stgi" ::: "memory");
    interrupt_enable();
    return enters;
}

static enum hv_step svm_run(struct hv_vcpu *vcpu)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    /* QEMU 7.2 forgets the shadow on the way into the guest (VMRUN): the interrupt that is to end
     * the HLT would be taken before it. */
    if (__builtin_expect((v->interrupt_shadow & 1) != 0, 0) && svm_exit_halts(vcpu)) {
        return HV_WAIT;
    }
    atomic_fetch_and(&vcpu->signals, ~HV_SIGNAL_EVENT); /* before it is seen what there is */
    svm_prepare_events(vcpu, v);
    if (!svm_enter(vcpu)) {
        svm_settle_interrupt(vcpu, v, false);
        svm_exit_unstep(vcpu);
        return HV_RESUME;
    }
    vcpu->exits++;
    svm_settle_events(vcpu, v);
    return svm_exit(vcpu);
}

const struct hv_ops svm_ops = {
    .name = "SVM",
    .init = svm_init,
    .create = svm_create,
    .destroy = svm_destroy,
    .get_state = svm_state_get,
    .set_state = svm_state_set,
    .check = svm_state_check,
    .advance = svm_advance,
    .inject = svm_exit_inject,
    .takes_interrupts = svm_takes_interrupts,
    .get_tsc_offset = svm_get_tsc_offset,
    .get_cr8 = svm_get_cr8,
    .set_cr8 = svm_set_cr8,
    .run = svm_run,
    .tell = svm_state_tell,
    .get_paging = svm_state_get_paging,
};
