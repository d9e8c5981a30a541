/* hv_vcpu.c - virtual processors: their life, and what a monitor does with them (hv.defs).
 *
 * A processor is owned by the call that uses it, by one word: hv_vcpu_run for as long as the guest
 * runs. Interrupts, NMIs and kicks are words of their own, which need no owner. Locks:
 * machine->lock for the list of processors. */
#include "arch/cpu.h"
#include "arch/fpu.h"
#include "arch/ipi.h"
#include "hv/hv_apic_vcpu.h"
#include "hv/hv_check.h"
#include "hv/hv_impl.h"
#include "hv/hv_reset.h"
#include "hv/hv_run.h"
#include "hv/hv_xsave.h"
#include "hv_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/ipc_tt.h"
#include "kern/ledger.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/waitq.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_page.h"

#define VCPU_PAGES        4 /* charged for one: the back end's two, the record's, the rest */
#define VECTOR_COUNT      256
#define EXCEPTION_COUNT   32
#define EXCEPTION_NOT_NMI 2

static const unsigned hv_vcpu_state_count[HV_STATE_FLAVORS] = {
    [HV_STATE_GENERAL] = HV_GENERAL_COUNT, [HV_STATE_SEGMENTS] = HV_SEGMENTS_COUNT,
    [HV_STATE_CONTROL] = HV_CONTROL_COUNT, [HV_STATE_MSRS] = HV_MSRS_COUNT,
    [HV_STATE_EVENTS] = HV_EVENTS_COUNT,   [HV_STATE_VECTORS] = HV_VECTORS_COUNT,
    [HV_STATE_APIC] = HV_APIC_COUNT,       [HV_STATE_XSAVE] = HV_XSAVE_COUNT,
};

static_assert(HV_SEGMENTS_COUNT <= HV_STATE_MAX && HV_VECTORS_COUNT <= HV_STATE_MAX &&
                  HV_APIC_COUNT <= HV_STATE_MAX,
              "hv_state_t");

struct hv_vcpu *convert_port_to_vcpu(struct ipc_port *port)
{
    return port_object_of(port, KOBJECT_VCPU);
}

struct ipc_port *convert_vcpu_to_port(struct hv_vcpu *vcpu)
{
    return port_object_port(&vcpu->object);
}

void hv_vcpu_unref(struct hv_vcpu *vcpu)
{
    port_object_unref(&vcpu->object);
}

/* --- life --- */

/* Give back what it has. Owned, or known to nobody. Sleeps: yes. */
static void hv_vcpu_release(struct hv_vcpu *vcpu)
{
    struct task *task = vcpu->task;

    fpu_destroy(&vcpu->fpu);
    hv_apic_vcpu_destroy(vcpu);
    if (vcpu->control != NULL) {
        hv_ops->destroy(vcpu);
        vcpu->control = NULL;
    }
    if (vcpu->record_page != NULL) {
        vm_fault_unpin(vcpu->record_page);
        vcpu->record_page = NULL;
        vcpu->record = NULL;
    }
    if (task != NULL) {
        vcpu->task = NULL;
        ledger_credit(&task->ledger, LEDGER_KMEM_PAGES, VCPU_PAGES);
        task_unref(task);
    }
}

bool hv_vcpu_own(struct hv_vcpu *vcpu)
{
    return atomic_cas(&vcpu->busy, 0, 1);
}

void hv_vcpu_disown(struct hv_vcpu *vcpu)
{
    assert(atomic_load(&vcpu->busy) == 1);
    do {
        if (atomic_load_acquire(&vcpu->machine->ended)) {
            hv_vcpu_release(vcpu);
        }
        __atomic_store_n(&vcpu->busy, 0, __ATOMIC_SEQ_CST);
        /* who ended the machine meanwhile found it owned, and left the rest to us */
    } while (__atomic_load_n(&vcpu->machine->ended, __ATOMIC_SEQ_CST) &&
             atomic_load(&vcpu->task) != NULL && hv_vcpu_own(vcpu));
}

static void hv_vcpu_end(struct port_object *object)
{
    struct hv_vcpu *vcpu = (struct hv_vcpu *)object;
    struct hv_machine *machine = vcpu->machine;

    spin_lock(&machine->lock);
    if (list_is_linked(&vcpu->machine_link)) {
        list_remove(&vcpu->machine_link);
    }
    spin_unlock(&machine->lock);
    hv_vcpu_release(vcpu);
    kfree(vcpu, sizeof(*vcpu));
    hv_machine_unref(machine);
}

/* The page of the monitor's memory that is the record. */
static kern_return_t hv_vcpu_pin_record(struct hv_vcpu *vcpu, struct vm_map *map,
                                        vm_address_t address)
{
    const vm_prot_t access = VM_PROT_READ | VM_PROT_WRITE;
    kern_return_t kr = vm_fault(map, address, access); /* pinning does not wait for a pager */

    if (kr == KERN_SUCCESS) {
        kr = vm_fault_pin(map, address, access, &vcpu->record_page);
    }
    if (kr != KERN_SUCCESS) {
        return kr == KERN_INVALID_ADDRESS || kr == KERN_PROTECTION_FAILURE ? kr
                                                                           : KERN_RESOURCE_SHORTAGE;
    }
    vcpu->record = vm_page_to_virt(vcpu->record_page);
    return KERN_SUCCESS;
}

/* Everything it needs but a port. What has been done before an error is undone by
 * hv_vcpu_release(). */
static kern_return_t hv_vcpu_build(struct hv_vcpu *vcpu, struct vm_map *map, vm_address_t record)
{
    struct task *task = current_task();

    if (!ledger_charge(&task->ledger, LEDGER_KMEM_PAGES, VCPU_PAGES)) {
        return KERN_RESOURCE_SHORTAGE;
    }
    task_ref(task);
    vcpu->task = task;
    vcpu->cpu = -1;
    vcpu->unchecked = true;
    list_init(&vcpu->machine_link);
    waitq_init(&vcpu->waiting, "halted vcpu");
    if (!fpu_create(&vcpu->fpu) || !hv_ops->create(vcpu) ||
        (atomic_load(&vcpu->machine->has_apics) && !hv_apic_vcpu_create(vcpu))) {
        return KERN_RESOURCE_SHORTAGE;
    }
    hv_reset(vcpu);
    hv_xsave_reset(vcpu);
    fpu_settle(&vcpu->fpu);
    return hv_vcpu_pin_record(vcpu, map, record);
}

/* Make it one of its machine's. Returns: KERN_SUCCESS, KERN_TERMINATED, KERN_RESOURCE_SHORTAGE (no
 * APIC id is left). */
static kern_return_t hv_vcpu_join(struct hv_vcpu *vcpu)
{
    struct hv_machine *machine = vcpu->machine;
    kern_return_t kr = KERN_SUCCESS;

    spin_lock(&machine->lock);
    if (machine->ended) {
        kr = KERN_TERMINATED;
    } else if (machine->has_apics && machine->vcpu_count == HV_APIC_VCPU_MAX) {
        kr = KERN_RESOURCE_SHORTAGE;
    } else {
        list_insert_tail(&machine->vcpus, &vcpu->machine_link);
        vcpu->number = machine->vcpu_count;
        machine->vcpu_count += 1;
        hv_apic_vcpu_reset(vcpu);
    }
    spin_unlock(&machine->lock);
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (the record is not page aligned, no machine or
 * task), KERN_TERMINATED, KERN_RESOURCE_SHORTAGE (memory, or the record's page is not to be had; no
 * APIC id is left),
 * KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE (the record's page cannot be written). */
kern_return_t hv_vcpu_create(hv_machine_t machine, vm_map_t record_map, vm_address_t record,
                             hv_vcpu_t *result)
{
    struct hv_vcpu *vcpu;
    kern_return_t kr;

    if ((record & PAGE_MASK) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (atomic_load_acquire(&machine->ended)) {
        return KERN_TERMINATED;
    }
    vcpu = kalloc_zeroed(sizeof(*vcpu));
    if (vcpu == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    vcpu->machine = machine;
    kr = hv_vcpu_build(vcpu, record_map, record);
    if (kr == KERN_SUCCESS && !port_object_init(&vcpu->object, KOBJECT_VCPU, hv_vcpu_end)) {
        kr = KERN_RESOURCE_SHORTAGE;
    }
    if (kr != KERN_SUCCESS) {
        hv_vcpu_release(vcpu);
        kfree(vcpu, sizeof(*vcpu));
        return kr;
    }
    atomic_inc(&machine->object.refs); /* the caller has one */
    kr = hv_vcpu_join(vcpu);
    if (kr != KERN_SUCCESS) {
        ipc_port_release_send(ipc_port_make_send(vcpu->object.port)); /* nobody has a right to it */
        hv_vcpu_unref(vcpu);
        return kr;
    }
    *result = vcpu;
    return KERN_SUCCESS;
}

/* --- use --- */

void hv_vcpu_signal(struct hv_vcpu *vcpu, uint32_t signals)
{
    int32_t cpu;

    /* Either the signal is seen on the way into the guest, or here that it is in it. */
    __atomic_fetch_or(&vcpu->signals, signals, __ATOMIC_SEQ_CST);
    cpu = __atomic_load_n(&vcpu->cpu, __ATOMIC_SEQ_CST);
    if (cpu >= 0 && (uint32_t)cpu != cpu_number()) {
        ipi_resched((uint32_t)cpu);
    }
    waitq_wake_all(&vcpu->waiting, WAIT_OK);
}

/* Own it for a call. Returns: KERN_SUCCESS, KERN_FAILURE (another call does), KERN_TERMINATED. */
static kern_return_t hv_vcpu_begin(struct hv_vcpu *vcpu)
{
    if (!hv_vcpu_own(vcpu)) {
        return KERN_FAILURE;
    }
    if (vcpu->task == NULL) {
        hv_vcpu_disown(vcpu);
        return KERN_TERMINATED;
    }
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no processor), KERN_FAILURE (it runs already, or a
 * call uses it), KERN_TERMINATED (its machine has ended). */
kern_return_t hv_vcpu_run(hv_vcpu_t vcpu)
{
    kern_return_t kr = hv_vcpu_begin(vcpu);

    if (kr == KERN_SUCCESS) {
        kr = hv_run(vcpu);
        hv_vcpu_disown(vcpu);
    }
    return kr;
}

kern_return_t syscall_hv_vcpu_run(mach_port_name_t name)
{
    struct hv_vcpu *vcpu = port_name_to_vcpu(name);
    kern_return_t kr = KERN_INVALID_ARGUMENT;

    if (vcpu != NULL) {
        kr = hv_vcpu_run(vcpu);
        hv_vcpu_unref(vcpu);
    }
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no processor). */
kern_return_t hv_vcpu_kick(hv_vcpu_t vcpu)
{
    hv_vcpu_signal(vcpu, HV_SIGNAL_KICK);
    return KERN_SUCCESS;
}

void hv_vcpu_get_events(const struct hv_vcpu *vcpu, uint64_t *words)
{
    words[HV_EVENT_INTERRUPT_PENDING] = hv_vcpu_interrupt(vcpu);
    words[HV_EVENT_NMI_PENDING] = atomic_load(&vcpu->pending_nmi);
    words[HV_EVENT_NMI_BLOCKED] = vcpu->nmi_blocked;
    words[HV_EVENT_HALTED] = vcpu->halted;
}

bool hv_vcpu_set_events(struct hv_vcpu *vcpu, const uint64_t *words)
{
    uint64_t interrupt = words[HV_EVENT_INTERRUPT_PENDING];

    if ((interrupt != 0 && (interrupt < HV_PENDING_VALID || interrupt >= 2 * HV_PENDING_VALID)) ||
        words[HV_EVENT_NMI_PENDING] > 1 || words[HV_EVENT_NMI_BLOCKED] > 1 ||
        words[HV_EVENT_SHADOW] > 1 || words[HV_EVENT_HALTED] > HV_HALTED_STARTUP) {
        return false;
    }
    hv_vcpu_set_interrupt(vcpu, (uint32_t)interrupt);
    atomic_store(&vcpu->pending_nmi, words[HV_EVENT_NMI_PENDING] != 0);
    vcpu->nmi_blocked = words[HV_EVENT_NMI_BLOCKED] != 0;
    vcpu->halted = (uint8_t)words[HV_EVENT_HALTED];
    return true;
}

static void hv_vcpu_read_state(struct hv_vcpu *vcpu, int flavor, uint64_t *words)
{
    if (flavor == HV_STATE_VECTORS) {
        memcpy(words, fpu_state(&vcpu->fpu), HV_VECTORS_COUNT * sizeof(*words));
    } else if (flavor == HV_STATE_APIC) {
        hv_apic_vcpu_get_state(vcpu, words);
    } else if (flavor == HV_STATE_XSAVE) {
        hv_xsave_get_state(vcpu, words);
    } else {
        hv_ops->get_state(vcpu, flavor, words);
    }
}

/* False: it cannot be. */
static bool hv_vcpu_write_state(struct hv_vcpu *vcpu, int flavor, const uint64_t *words)
{
    if (flavor == HV_STATE_VECTORS) {
        return fpu_set_state(&vcpu->fpu, words, HV_VECTORS_COUNT * sizeof(*words));
    }
    if (flavor == HV_STATE_APIC) {
        return hv_apic_vcpu_set_state(vcpu, words);
    }
    if (flavor == HV_STATE_XSAVE) {
        return hv_xsave_set_state(vcpu, words);
    }
    if (!hv_ops->set_state(vcpu, flavor, words)) {
        return false;
    }
    if (flavor == HV_STATE_CONTROL) {
        hv_apic_vcpu_set_time(vcpu);
        hv_xsave_set_cr4(vcpu, words[HV_CR4]);
    }
    return true;
}

static bool hv_vcpu_has_flavor(const struct hv_vcpu *vcpu, int flavor)
{
    return flavor >= 0 && flavor < HV_STATE_FLAVORS &&
           (flavor != HV_STATE_APIC || vcpu->apic != NULL) &&
           (flavor != HV_STATE_XSAVE || hv_xsave_has_state());
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no processor, no such flavor or no APIC),
 * KERN_FAILURE (it runs), KERN_TERMINATED. */
kern_return_t hv_vcpu_get_state(hv_vcpu_t vcpu, int flavor, hv_state_t state,
                                mach_msg_type_number_t *count)
{
    kern_return_t kr;

    kr = hv_vcpu_begin(vcpu);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (hv_vcpu_has_flavor(vcpu, flavor)) {
        hv_vcpu_read_state(vcpu, flavor, (uint64_t *)state);
        *count = hv_vcpu_state_count[flavor];
    } else {
        kr = KERN_INVALID_ARGUMENT;
    }
    hv_vcpu_disown(vcpu);
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no processor, no such flavor or no APIC, not its
 * number of words, or a word that can be of no state), KERN_FAILURE (it runs), KERN_TERMINATED. */
kern_return_t hv_vcpu_set_state(hv_vcpu_t vcpu, int flavor, hv_state_t state,
                                mach_msg_type_number_t count)
{
    kern_return_t kr;

    kr = hv_vcpu_begin(vcpu);
    if (kr == KERN_SUCCESS) {
        kr = hv_vcpu_has_flavor(vcpu, flavor) && count == hv_vcpu_state_count[flavor] &&
                     hv_vcpu_write_state(vcpu, flavor, (const uint64_t *)state)
                 ? KERN_SUCCESS
                 : KERN_INVALID_ARGUMENT;
        hv_vcpu_disown(vcpu);
    }
    return kr;
}

static kern_return_t hv_vcpu_inject_exception(struct hv_vcpu *vcpu, int kind, int vector,
                                              int error_code)
{
    kern_return_t kr;

    if (vector >= EXCEPTION_COUNT || vector == EXCEPTION_NOT_NMI ||
        hv_check_has_error((uint32_t)vector) != (kind == HV_INJECT_EXCEPTION_ERROR) ||
        (kind == HV_INJECT_EXCEPTION && error_code != 0)) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = hv_vcpu_begin(vcpu);
    if (kr == KERN_SUCCESS) {
        kr = hv_ops->inject(vcpu, (uint32_t)kind, (uint32_t)vector, (uint32_t)error_code)
                 ? KERN_SUCCESS
                 : KERN_FAILURE;
        hv_vcpu_disown(vcpu);
    }
    return kr;
}

/* False: there is one that waits. */
static bool hv_vcpu_inject_interrupt(struct hv_vcpu *vcpu, uint32_t vector)
{
    uint32_t old;

    do {
        old = atomic_load(&vcpu->pending_interrupt);
        if ((old & HV_PENDING_VALID) != 0) {
            return false;
        }
    } while (!atomic_cas(&vcpu->pending_interrupt, old, old | HV_PENDING_VALID | vector));
    return true;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no processor, kind or vector; an error code where
 * there is none, or none where there is one), KERN_FAILURE (another interrupt or exception is
 * pending; an exception while it runs), KERN_TERMINATED (an exception). */
kern_return_t hv_vcpu_inject(hv_vcpu_t vcpu, int kind, int vector, int error_code)
{
    if (vector < 0 || vector >= VECTOR_COUNT) {
        return KERN_INVALID_ARGUMENT;
    }
    if (kind == HV_INJECT_EXCEPTION || kind == HV_INJECT_EXCEPTION_ERROR) {
        return hv_vcpu_inject_exception(vcpu, kind, vector, error_code);
    }
    if (error_code != 0 || (kind != HV_INJECT_INTERRUPT && kind != HV_INJECT_NMI)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (kind == HV_INJECT_NMI) {
        atomic_store(&vcpu->pending_nmi, true); /* one more is the same one */
    } else if (!hv_vcpu_inject_interrupt(vcpu, (uint32_t)vector)) {
        return KERN_FAILURE;
    }
    hv_vcpu_signal(vcpu, HV_SIGNAL_EVENT);
    return KERN_SUCCESS;
}
