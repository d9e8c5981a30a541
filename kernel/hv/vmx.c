/* vmx.c - Intel's virtual machines (SDM volume 3C, chapters 24 to 29), a back end of hv: processors
 * made ready, VMCSs loaded, VPIDs, events to deliver, the way in and out.
 *
 * A processor is made ready when it first has a VMCS. A VMCS is loaded only while its thread cannot
 * leave the processor: so nobody has to be asked to give one up, and what the processor changes at
 * an exit and the kernel does not need (limits of descriptor tables, the TSS), or the guest has in
 * MSRs that the kernel does not use, is put right once when it is unloaded, however many exits the
 * kernel has dealt with. An interrupt of the host makes it leave the guest and stays pending until
 * interrupts are on again. In any case it leaves after a millisecond: Bochs 2.7 lets no interrupt
 * in while the guest, like the host when it enters, has RFLAGS.IF clear. Extended page tables are
 * the pmap of the machine's map (arch/pmap_nested.h). */
#include "arch/boot_info.h"
#include "arch/clock_machine.h"
#include "arch/cpu.h"
#include "arch/cpu_setup.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/pmap_log.h"
#include "arch/pmap_nested.h"
#include "hv/hv_apic_vcpu.h"
#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/hv_xsave.h"
#include "hv/vmx_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/preempt.h"
#include "kern/printf.h"
#include "kern/sched.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define CPUID_FEATURE_VMX (1u << 5) /* 1.ECX */
#define VPID_COUNT        0x10000u
#define NO_LINK           (~0ul)
#define EVENT_ERROR_MAX   0x7fffu /* VM entry takes no more */
#define VECTOR_NMI        2u
#define TIMER_PER_SECOND  1000u

#define VMX_PIN (VMX_PIN_INTERRUPT | VMX_PIN_NMI | VMX_PIN_VIRTUAL_NMIS | VMX_PIN_TIMER)
#define VMX_PRIMARY                                                                                \
    (VMX_PRIMARY_TSC_OFFSET | VMX_PRIMARY_HLT | VMX_PRIMARY_MWAIT | VMX_PRIMARY_RDPMC |            \
     VMX_PRIMARY_CR8_LOAD | VMX_PRIMARY_CR8_STORE | VMX_PRIMARY_DEBUG | VMX_PRIMARY_IO |           \
     VMX_PRIMARY_MSR_BITMAP | VMX_PRIMARY_MONITOR | VMX_PRIMARY_SECONDARY)
#define VMX_PRIMARY_WINDOWS (VMX_PRIMARY_WINDOW | VMX_PRIMARY_NMI_WINDOW) /* now and then */
#define VMX_PRIMARY_NEVER   (VMX_PRIMARY_INVLPG | VMX_PRIMARY_CR3_LOAD | VMX_PRIMARY_CR3_STORE)
#define VMX_SECONDARY                                                                              \
    (VMX_SECONDARY_EPT | VMX_SECONDARY_VPID | VMX_SECONDARY_WBINVD | VMX_SECONDARY_UNRESTRICTED)
#define VMX_EXIT_CTL                                                                               \
    (VMX_EXIT_CTL_DEBUG | VMX_EXIT_CTL_64BIT | VMX_EXIT_CTL_SAVE_PAT | VMX_EXIT_CTL_LOAD_PAT |     \
     VMX_EXIT_CTL_SAVE_EFER | VMX_EXIT_CTL_LOAD_EFER)
#define VMX_ENTRY      (VMX_ENTRY_DEBUG | VMX_ENTRY_PAT | VMX_ENTRY_EFER)
#define VMX_EXCEPTIONS (1u << 1 | 1u << 17 | 1u << 18) /* #DB, #AC, #MC (vmx_exit.c) */

#define INVALIDATE_ONE 1ul /* of INVEPT: of these tables */
#define INVALIDATE_ALL 2ul /* of INVVPID: of all VPIDs */

/* Keys: [C] its processor only, preemption disabled; [I] immutable after vmx_init() */
struct vmx_cpu {
    phys_addr_t region;   /* [I] for VMXON */
    bool is_ready;        /* [C] */
    struct hv_tags vpids; /* [C] interrupts off, too */
};

/* What a back end needs of a capability MSR: bits that can be set. */
struct vmx_need {
    uint32_t msr;
    uint32_t bits;
    const char *what;
};

static const struct vmx_need vmx_needs[] = {
    {MSR_VMX_PIN, VMX_PIN, "virtual NMIs or the timer"},
    {MSR_VMX_PRIMARY, VMX_PRIMARY | VMX_PRIMARY_WINDOWS, "a control of what makes a guest leave"},
    {MSR_VMX_SECONDARY, VMX_SECONDARY, "EPT, VPIDs or unrestricted guests"},
    {MSR_VMX_EXIT, VMX_EXIT_CTL, "PAT and EFER of the guest's own"},
    {MSR_VMX_ENTRY, VMX_ENTRY | VMX_ENTRY_LONG, "PAT and EFER of the guest's own"},
};

/* Fields that are zero (SDM volume 3C, 25.11.3: what a region begins as says nothing of them). */
static const uint16_t vmx_zeroes[] = {
    VMCS_PAGE_FAULT_MASK,   VMCS_PAGE_FAULT_MATCH,  VMCS_CR3_TARGETS, VMCS_EXIT_STORES,
    VMCS_EXIT_LOADS,        VMCS_ENTRY_LOADS,       VMCS_ENTRY_EVENT, VMCS_DEBUGCTL,
    VMCS_ACTIVITY,          VMCS_PENDING_DEBUG,     VMCS_CR4_SHADOW,  VMCS_HOST_ES,
    VMCS_HOST_DS,           VMCS_HOST_FS,           VMCS_HOST_GS,     VMCS_HOST_SYSENTER_CS,
    VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP,
};

static const uint32_t vmx_msrs[VMX_MSR_COUNT] = {
    [HV_STAR] = MSR_STAR,
    [HV_LSTAR] = MSR_LSTAR,
    [HV_CSTAR] = MSR_CSTAR,
    [HV_SFMASK] = MSR_SFMASK,
    [HV_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
};

uint64_t vmx_cr0_fixed, vmx_cr4_fixed;

static struct vmx_cpu vmx_cpus[CPU_MAX];
static phys_addr_t vmx_bitmap; /* [I] after vmx_init() */
static uint32_t vmx_primary;   /* [I] with what the processor demands */

/* vmx_switch.asm */
uint64_t vmx_switch(uint64_t *registers, uint64_t was_entered);
extern const uint8_t vmx_switch_left[];

/* --- instructions --- */

/* With CR4.VMXE set. False: the processor refuses. */
static bool vmx_on(phys_addr_t region)
{
    bool done; /* neither CF nor ZF (SDM volume 3C, 31.2) */

    __asm__ volatile("vmxon %1" : "=@cca"(done) : "m"(region) : "memory");
    return done;
}

static void vmx_clear(phys_addr_t vmcs)
{
    bool done;

    __asm__ volatile("vmclear %1" : "=@cca"(done) : "m"(vmcs) : "memory");
    assert(done);
}

static void vmx_make_current(phys_addr_t vmcs)
{
    bool done;

    __asm__ volatile("vmptrld %1" : "=@cca"(done) : "m"(vmcs) : "memory");
    assert(done);
}

static void vmx_invalidate_ept(uint64_t eptp)
{
    const uint64_t operand[2] = {eptp, 0};

    __asm__ volatile("invept %0, %1" ::"m"(operand), "r"(INVALIDATE_ONE) : "cc", "memory");
}

static void vmx_invalidate_vpids(void)
{
    const uint64_t operand[2] = {0, 0};

    __asm__ volatile("invvpid %0, %1" ::"m"(operand), "r"(INVALIDATE_ALL) : "cc", "memory");
}

/* --- once --- */

/* The value of a control field: what is wanted, and what has to be (SDM volume 3D, A.3.1). */
static uint32_t vmx_control(uint32_t msr, uint32_t wanted)
{
    uint64_t capability = rdmsr(msr);

    return (wanted | (uint32_t)capability) & (uint32_t)(capability >> 32);
}

/* What this processor lacks, or NULL. */
static const char *vmx_missing(void)
{
    uint64_t control;

    if ((cpuid(1, 0).ecx & CPUID_FEATURE_VMX) == 0) {
        return "VMX";
    }
    control = rdmsr(MSR_FEATURE_CONTROL);
    if ((control & FEATURE_CONTROL_LOCKED) == 0) {
        control |= FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX;
        wrmsr(MSR_FEATURE_CONTROL, control);
    }
    if ((control & FEATURE_CONTROL_VMX) == 0) {
        return "VMX, which its firmware has switched off";
    }
    if ((rdmsr(MSR_VMX_BASIC) & VMX_BASIC_TRUE_CONTROLS) == 0) {
        return "the true capabilities of its controls";
    }
    for (unsigned i = 0; i < sizeof(vmx_needs) / sizeof(vmx_needs[0]); i++) {
        if ((vmx_needs[i].bits & ~(rdmsr(vmx_needs[i].msr) >> 32)) != 0) {
            return vmx_needs[i].what;
        }
    }
    if ((vmx_control(MSR_VMX_PRIMARY, VMX_PRIMARY) & VMX_PRIMARY_NEVER) != 0) {
        return "a guest that is not left when it loads CR3";
    }
    return (rdmsr(MSR_VMX_EPT) & VMX_EPT_NEEDED) == VMX_EPT_NEEDED
               ? NULL
               : "EPT that is cached and noted, of 2 MiB pages, or INVEPT and INVVPID";
}

static void vmx_stamp(void *region)
{
    *(uint32_t *)region = (uint32_t)(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_REVISION);
}

/* VMX operation, on this processor. False: it refuses. Preemption disabled. */
static bool vmx_make_ready(struct vmx_cpu *cpu)
{
    uint64_t flags = interrupt_save_disable(); /* others change CR4, too */

    write_cr4(read_cr4() | VMX_CR4_VMXE);
    interrupt_restore(flags);
    cpu->is_ready = vmx_on(cpu->region);
    return cpu->is_ready;
}

/* Does this processor have it all, and go into VMX operation? Then out of it again: until it has a
 * guest it can be reset. Says what is missing. */
static bool vmx_try(struct vmx_cpu *cpu)
{
    const char *missing = vmx_missing();

    if (missing == NULL) {
        hv_limits.tells_writes &= (rdmsr(MSR_VMX_SECONDARY) >> 32 & VMX_SECONDARY_LOG) != 0;
        preempt_disable();
        vmx_stamp(phys_to_virt(cpu->region));
        if (vmx_make_ready(cpu)) {
            __asm__ volatile("vmxoff" ::: "cc");
            cpu->is_ready = false;
        } else {
            missing = "the will to execute VMXON";
        }
        preempt_enable();
    }
    if (missing != NULL) {
        kprintf("hv: no VMX: processor %u lacks %s\n", cpu_number(), missing);
    }
    return missing == NULL;
}

/* Look at each processor, on it. */
static bool vmx_is_everywhere(void)
{
    bool is_there = true;

    for (uint32_t i = 0; i < cpu_count && is_there; i++) {
        sched_bind(current_thread(), (int)i);
        if (cpu_number() != i) {
            sched_migrate();
        }
        is_there = vmx_try(&vmx_cpus[i]);
    }
    sched_bind(current_thread(), -1);
    return is_there;
}

/* Zeroed. 0: out of memory. */
static phys_addr_t vmx_take_page(void)
{
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    return page != NULL ? vm_page_to_phys(page) : 0;
}

static void vmx_give_page(phys_addr_t phys)
{
    if (phys != 0) {
        vm_page_free(vm_page_from_phys(phys));
    }
}

static bool vmx_init(void)
{
    bool complete = (cpuid(1, 0).ecx & CPUID_FEATURE_VMX) != 0;

    for (uint32_t i = 0; i < cpu_count && complete; i++) {
        vmx_cpus[i].region = vmx_take_page();
        complete = vmx_cpus[i].region != 0;
    }
    vmx_bitmap = complete ? vmx_take_page() : 0;
    hv_limits.tells_writes = true; /* unless one does not, as is found now */
    if (vmx_bitmap == 0 || !vmx_is_everywhere()) {
        return false;
    }
    vmx_map_fill_msrs(phys_to_virt(vmx_bitmap));
    vmx_primary = vmx_control(MSR_VMX_PRIMARY, VMX_PRIMARY);
    vmx_cr0_fixed = rdmsr(MSR_VMX_CR0_FIXED0) & ~(HV_CR0_PE | HV_CR0_PG);
    vmx_cr4_fixed = rdmsr(MSR_VMX_CR4_FIXED0);
    hv_limits.cr4 &= rdmsr(MSR_VMX_CR4_FIXED1) & ~vmx_cr4_fixed;
    return true;
}

/* --- a VMCS --- */

void vmx_load(const struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    struct vmx_cpu *cpu;

    if (v->loads == 0) {
        preempt_disable();
        cpu = &vmx_cpus[cpu_number()];
        if (__builtin_expect(!cpu->is_ready, 0)) {
            bool done = vmx_make_ready(cpu);

            assert(done); /* as it was once */
        }
        vmx_make_current(virt_to_phys(v->vmcs));
        v->was_entered = false;
    }
    v->loads++;
}

void vmx_unload(const struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    assert(v->loads != 0);
    v->loads--;
    if (v->loads == 0) {
        vmx_clear(virt_to_phys(v->vmcs));
        preempt_enable();
    }
}

static uint64_t vmx_eptp(const struct hv_vcpu *vcpu)
{
    return vcpu->machine->map->pmap->pml4_phys | VMX_EPTP;
}

/* All that stays as it is. The VMCS is loaded. */
static void vmx_write_controls(const struct hv_vcpu *vcpu)
{
    uint32_t secondary = vmx_control(MSR_VMX_SECONDARY, VMX_SECONDARY | VMX_SECONDARY_ENCLS);

    for (unsigned i = 0; i < sizeof(vmx_zeroes) / sizeof(vmx_zeroes[0]); i++) {
        vmx_write(vmx_zeroes[i], 0);
    }
    vmx_write(VMCS_PIN, vmx_control(MSR_VMX_PIN, VMX_PIN));
    vmx_write(VMCS_PRIMARY, vmx_primary);
    vmx_vcpu_of(vcpu)->secondary = secondary;
    vmx_write(VMCS_SECONDARY, secondary);
    if ((secondary & VMX_SECONDARY_ENCLS) != 0) {
        vmx_write(VMCS_ENCLS_BITMAP, ~0ul);
    }
    vmx_write(VMCS_EXIT, vmx_control(MSR_VMX_EXIT, VMX_EXIT_CTL));
    vmx_write(VMCS_ENTRY, vmx_control(MSR_VMX_ENTRY, VMX_ENTRY));
    vmx_write(VMCS_EXCEPTIONS, VMX_EXCEPTIONS);
    vmx_write(VMCS_MSR_BITMAP, vmx_bitmap);
    vmx_write(VMCS_EPT, vmx_eptp(vcpu));
    vmx_write(VMCS_TIMER,
              (clock_machine_hz() / TIMER_PER_SECOND >> VMX_MISC_TIMER(rdmsr(MSR_VMX_MISC))) + 1);
    vmx_write(VMCS_LINK, NO_LINK);
    vmx_write(VMCS_CR0_MASK, VMX_CR0_HIDDEN);
    vmx_write(VMCS_CR4_MASK, ~hv_limits.cr4 | CR4_OSXSAVE);
    vmx_write(VMCS_HOST_CS, SELECTOR_KERNEL_CODE);
    vmx_write(VMCS_HOST_SS, SELECTOR_KERNEL_DATA);
    vmx_write(VMCS_HOST_TR, SELECTOR_TSS);
    vmx_write(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmx_write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmx_write(VMCS_HOST_CR0, read_cr0());
    vmx_write(VMCS_HOST_CR4, read_cr4());
    vmx_write(VMCS_HOST_IDTR_BASE, cpu_setup_idt_base());
    vmx_write(VMCS_HOST_RIP, (uint64_t)vmx_switch_left);
}

/* The VMCS, and the log if there is one. False: out of memory. */
static bool vmx_take_memory(struct vmx_vcpu *v)
{
    phys_addr_t vmcs = vmx_take_page();
    phys_addr_t log = vmcs != 0 && hv_limits.tells_writes ? vmx_take_page() : 0;

    if (vmcs == 0 || (hv_limits.tells_writes && log == 0)) {
        vmx_give_page(vmcs);
        return false;
    }
    v->vmcs = phys_to_virt(vmcs);
    v->log = log != 0 ? phys_to_virt(log) : NULL;
    return true;
}

static bool vmx_create(struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = kalloc_zeroed(sizeof(*v));

    if (v == NULL || !vmx_take_memory(v)) {
        kfree(v, v != NULL ? sizeof(*v) : 0);
        return false;
    }
    v->primary = vmx_primary;
    v->tag.cpu = -1;
    vmx_stamp(v->vmcs);
    vcpu->control = v;
    vmx_state_clear(vcpu);
    vmx_load(vcpu);
    vmx_write_controls(vcpu);
    vmx_unload(vcpu);
    return true;
}

static void vmx_destroy(struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    assert(v->loads == 0);
    vmx_give_page(virt_to_phys(v->vmcs));
    vmx_give_page(v->log != NULL ? virt_to_phys(v->log) : 0);
    kfree(v, sizeof(*v));
}

static void vmx_advance(struct hv_vcpu *vcpu)
{
    vmx_exit_advance(vcpu, vcpu->exit.length);
}

static bool vmx_takes_interrupts(const struct hv_vcpu *vcpu)
{
    return (vmx_state_word(vcpu, VMX_RFLAGS) & HV_RFLAGS_IF) != 0 &&
           (vmx_state_word(vcpu, VMX_INTERRUPTIBLE) & VMX_SHADOW) == 0;
}

static uint32_t vmx_get_cr8(const struct hv_vcpu *vcpu)
{
    return (uint32_t)vmx_vcpu_of(vcpu)->cr8;
}

static void vmx_set_cr8(struct hv_vcpu *vcpu, uint32_t cr8)
{
    vmx_vcpu_of(vcpu)->cr8 = cr8;
}

/* --- events --- */

static uint64_t vmx_event(uint64_t kind, uint32_t vector)
{
    return vector | kind << HV_EVENT_KIND_SHIFT | HV_EVENT_VALID;
}

/* Choose what is to be delivered next, if the guest takes it. */
static void vmx_choose_event(struct hv_vcpu *vcpu, struct vmx_vcpu *v)
{
    uint32_t interrupt = hv_vcpu_interrupt(vcpu);
    int vector;

    if (atomic_load(&vcpu->pending_nmi) && !vcpu->nmi_blocked &&
        (vmx_state_word(vcpu, VMX_INTERRUPTIBLE) & VMX_SHADOW) == 0) {
        atomic_store(&vcpu->pending_nmi, false);
        v->event = vmx_event(HV_EVENT_IS_NMI, VECTOR_NMI);
    } else if (interrupt != 0 && vmx_takes_interrupts(vcpu)) {
        hv_vcpu_set_interrupt(vcpu, 0);
        v->event = vmx_event(HV_EVENT_IS_HARD, interrupt & HV_EVENT_VECTOR);
    } else if (atomic_load(&vcpu->pending_interrupt) != 0 && vmx_takes_interrupts(vcpu)) {
        vector = hv_apic_vcpu_take(vcpu);
        v->event = vector >= 0 ? vmx_event(HV_EVENT_IS_HARD, (uint32_t)vector) : 0;
    }
}

/* Delivery ends a shadow; that of an NMI wants them not blocked (SDM volume 3C, 27.3.1.5). */
static void vmx_write_event(struct hv_vcpu *vcpu, struct vmx_vcpu *v)
{
    bool is_nmi = HV_EVENT_KIND(v->event) == HV_EVENT_IS_NMI;
    uint64_t event = is_nmi ? vmx_event(HV_EVENT_IS_NMI, VECTOR_NMI) : v->event;
    uint64_t state = vmx_state_word(vcpu, VMX_INTERRUPTIBLE);
    uint64_t after = state & ~(uint64_t)(VMX_SHADOW | (is_nmi ? VMX_SHADOW_NMI : 0));

    if (after != state) {
        vmx_state_set_word(vcpu, VMX_INTERRUPTIBLE, after);
    }
    vmx_write(VMCS_ENTRY_EVENT, event & VMX_EVENT_BITS);
    vmx_write(VMCS_ENTRY_EVENT_ERROR, v->event >> HV_EVENT_ERROR_SHIFT & EVENT_ERROR_MAX);
}

/* Have what is to be delivered delivered, and the guest left when it takes what waits, or when the
 * monitor wants to know of that. */
static __attribute__((noinline)) void vmx_prepare_some(struct hv_vcpu *vcpu, struct vmx_vcpu *v)
{
    uint32_t primary = v->uses_debug ? vmx_primary & ~VMX_PRIMARY_DEBUG : vmx_primary;

    if ((v->event & HV_EVENT_VALID) == 0) {
        vmx_choose_event(vcpu, v);
    }
    if ((v->event & HV_EVENT_VALID) != 0) {
        vmx_write_event(vcpu, v);
    }
    if (vcpu->window || hv_vcpu_interrupt(vcpu) != 0 || hv_apic_vcpu_is_wanted(vcpu)) {
        primary |= VMX_PRIMARY_WINDOW;
    }
    if (atomic_load(&vcpu->pending_nmi)) {
        primary |= VMX_PRIMARY_NMI_WINDOW;
    }
    v->is_quiet = (primary & VMX_PRIMARY_WINDOWS) == 0;
    if (primary != v->primary) {
        v->primary = primary;
        vmx_write(VMCS_PRIMARY, primary);
    }
}

static inline void vmx_prepare_events(struct hv_vcpu *vcpu, struct vmx_vcpu *v)
{
    if (__builtin_expect(!v->is_quiet || (v->event & HV_EVENT_VALID) != 0 || vcpu->window ||
                             atomic_load(&vcpu->pending_interrupt) != 0 ||
                             atomic_load(&vcpu->pending_nmi),
                         0)) {
        vmx_prepare_some(vcpu, v);
    }
}

/* An IRET that did not come to its end has unblocked NMIs already (SDM volume 3C, 28.2.3). */
static bool vmx_is_unblocked_early(const struct vmx_vcpu *v)
{
    uint64_t about = v->reason == VMX_EXIT_EVENT ? vmx_read(VMCS_EVENT)
                     : v->reason == VMX_EXIT_EPT || v->reason == VMX_EXIT_LOG_FULL
                         ? vmx_read(VMCS_QUALIFICATION)
                         : 0;

    return (about & VMX_EVENT_UNBLOCKS) != 0;
}

/* What has become of it. Software interrupts and the like are raised again by their instruction. */
static void vmx_settle_events(struct hv_vcpu *vcpu, struct vmx_vcpu *v)
{
    uint64_t event = vmx_read(VMCS_VECTORING);

    if (v->error != 0 || (v->reason & VMX_REASON_ENTRY_FAILED) != 0) {
        vmx_write(VMCS_ENTRY_EVENT, 0);
        return;
    }
    v->event = 0;
    if ((event & HV_EVENT_VALID) == 0) {
        if (vmx_is_unblocked_early(v)) {
            vcpu->nmi_blocked = true;
            vmx_state_set_word(vcpu, VMX_INTERRUPTIBLE,
                               vmx_state_word(vcpu, VMX_INTERRUPTIBLE) | VMX_SHADOW_NMI);
        }
    } else if (HV_EVENT_KIND(event) <= HV_EVENT_IS_FAULT) {
        v->event =
            (event & VMX_EVENT_BITS) |
            ((event & HV_EVENT_HAS_ERROR) != 0 ? vmx_read(VMCS_VECTOR_ERROR) << HV_EVENT_ERROR_SHIFT
                                               : 0);
    }
}

/* --- in and out --- */

static void vmx_switch_log(struct vmx_vcpu *v)
{
    v->logs = !v->logs;
    vmx_write(VMCS_SECONDARY, v->secondary | (v->logs ? VMX_SECONDARY_LOG : 0));
    if (v->logs) {
        vmx_write(VMCS_LOG, virt_to_phys(v->log));
        vmx_write(VMCS_LOG_INDEX, VMX_LOG_ENTRIES - 1);
    }
}

/* Take what the processor has told, from the last entry down to the one behind its index (SDM
 * volume 3C, 29.3.6). */
static __attribute__((noinline)) void vmx_take_log(const struct hv_vcpu *vcpu)
{
    const struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    unsigned first = (uint16_t)(vmx_read(VMCS_LOG_INDEX) + 1);

    if (first < VMX_LOG_ENTRIES) {
        pmap_log_note(vcpu->machine->map->pmap, v->log + first, VMX_LOG_ENTRIES - first);
        vmx_write(VMCS_LOG_INDEX, VMX_LOG_ENTRIES - 1);
    }
}

/* Have a VPID under which the TLB has nothing that is not so any more: the one it had, or a new
 * one, with nothing of the machine's tables (SDM volume 3C, 29.4.3). Interrupts off. */
static void vmx_take_vpid(const struct hv_vcpu *vcpu, struct cpu *cpu, uint64_t flushes)
{
    struct hv_tags *vpids = &vmx_cpus[cpu->number].vpids;
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    if (hv_tag_is_good(&v->tag, vpids, cpu->number, flushes)) {
        return;
    }
    if (hv_tag_take(&v->tag, vpids, VPID_COUNT, cpu->number, flushes)) {
        vmx_invalidate_vpids();
    }
    vmx_invalidate_ept(vmx_eptp(vcpu));
    vmx_write(VMCS_VPID, v->tag.number);
    if (pmap_log_is_told(vcpu->machine->map->pmap) != v->logs) { /* pmap_log_switch() led here */
        vmx_switch_log(v);
    }
}

static void vmx_load_debug(const uint64_t *debug, uint64_t dr6)
{
    __asm__ volatile("movq %0, %%dr0; movq %1, %%dr1; movq %2, %%dr2; movq %3, %%dr3; "
                     "movq %4, %%dr6" ::"r"(debug[0]),
                     "r"(debug[1]), "r"(debug[2]), "r"(debug[3]), "r"(dr6));
}

static void vmx_save_debug(uint64_t *debug, uint64_t *dr6)
{
    __asm__ volatile("movq %%dr0, %0; movq %%dr1, %1; movq %%dr2, %2; movq %%dr3, %3; "
                     "movq %%dr6, %4"
                     : "=r"(debug[0]), "=r"(debug[1]), "=r"(debug[2]), "=r"(debug[3]), "=r"(*dr6));
}

static void vmx_cross(struct hv_vcpu *vcpu, struct vmx_vcpu *v)
{
    bool refused;

    vmx_state_enter(v);
    if (__builtin_expect(v->uses_debug, 0)) {
        vmx_load_debug(vcpu->debug, v->dr6);
    }
    if (__builtin_expect(vcpu->extras != 0, 0)) {
        hv_xsave_enter(vcpu);
    }
    __asm__ volatile("movq %0, %%cr2" ::"r"(v->cr2));
    refused = vmx_switch(vcpu->registers, v->was_entered) != 0;
    v->cr2 = read_cr2();
    if (__builtin_expect(v->uses_debug, 0)) {
        vmx_save_debug(vcpu->debug, &v->dr6);
    }
    if (__builtin_expect(vcpu->extras != 0, 0)) { /* HV_EXTRA_XCR0, here */
        hv_xsave_leave(vcpu);
    }
    v->was_entered |= !refused;
    v->error = refused ? (uint32_t)vmx_read(VMCS_ERROR) : 0;
    v->reason = (uint32_t)vmx_read(VMCS_REASON);
}

/* Run the guest until it is left. False: there is something to do first. */
static bool vmx_enter(struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    struct cpu *cpu = cpu_current();
    bool enters;

    interrupt_disable();
    __atomic_store_n(&vcpu->cpu, (int32_t)cpu->number, __ATOMIC_SEQ_CST);
    vmx_take_vpid(vcpu, cpu, pmap_nested_enter(cpu, vcpu->machine->map->pmap));
    /* What comes from here on makes the processor leave the guest. */
    enters = cpu->ast == 0 && __atomic_load_n(&vcpu->signals, __ATOMIC_SEQ_CST) == 0;
    if (enters) {
        vmx_cross(vcpu, v);
        vmx_exit_take_nmi(vcpu);
        vmx_state_leave(vcpu);
    }
    pmap_nested_leave(cpu);
    atomic_store(&vcpu->cpu, -1);
    interrupt_enable();
    return enters;
}

/* This processor's and thread's part of the host, in the VMCS and in v; then the guest's MSRs. */
static void vmx_exchange_in(struct vmx_vcpu *v)
{
    struct cpu *cpu = cpu_current();

    vmx_write(VMCS_HOST_CR3, read_cr3());
    vmx_write(VMCS_HOST_FS_BASE, rdmsr(MSR_FS_BASE));
    vmx_write(VMCS_HOST_GS_BASE, (uint64_t)cpu);
    vmx_write(VMCS_HOST_TR_BASE, (uint64_t)cpu->tss);
    vmx_write(VMCS_HOST_GDTR_BASE, cpu_setup_gdt_base(cpu));
    for (unsigned i = 0; i < VMX_MSR_COUNT; i++) {
        uint64_t guests = v->msrs[i];

        v->msrs[i] = rdmsr(vmx_msrs[i]);
        wrmsr(vmx_msrs[i], guests);
    }
}

static void vmx_exchange_out(struct vmx_vcpu *v)
{
    for (unsigned i = 0; i < VMX_MSR_COUNT; i++) {
        uint64_t hosts = v->msrs[i];

        v->msrs[i] = rdmsr(vmx_msrs[i]);
        wrmsr(vmx_msrs[i], hosts);
    }
    cpu_setup_reload_tables();
}

static enum hv_step vmx_run(struct hv_vcpu *vcpu)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    enum hv_step step;

    atomic_fetch_and(&vcpu->signals, ~HV_SIGNAL_EVENT); /* before it is seen what there is */
    vmx_load(vcpu);
    vmx_exchange_in(v);
    do {
        step = HV_RESUME;
        vmx_prepare_events(vcpu, v);
        if (!vmx_enter(vcpu)) {
            break;
        }
        vcpu->exits++;
        if (__builtin_expect(v->logs, 0)) {
            vmx_take_log(vcpu);
        }
        vmx_settle_events(vcpu, v);
        step = vmx_exit(vcpu);
    } while (step == HV_RESUME && cpu_ast() == 0 && atomic_load(&vcpu->signals) == 0);
    vmx_exchange_out(v);
    if (step != HV_RESUME) {
        vmx_state_keep(vcpu);
    }
    vmx_unload(vcpu);
    return step;
}

const struct hv_ops vmx_ops = {
    .name = "VMX",
    .extended_tables = true,
    .init = vmx_init,
    .create = vmx_create,
    .destroy = vmx_destroy,
    .get_state = vmx_state_get,
    .set_state = vmx_state_set,
    .check = vmx_state_check,
    .advance = vmx_advance,
    .inject = vmx_exit_inject,
    .takes_interrupts = vmx_takes_interrupts,
    .get_tsc_offset = vmx_state_get_tsc_offset,
    .get_cr8 = vmx_get_cr8,
    .set_cr8 = vmx_set_cr8,
    .run = vmx_run,
    .tell = vmx_state_tell,
    .get_paging = vmx_state_get_paging,
};
