/* hv_run.c - the loop that runs a guest: in, out, deal with why, in again.
 *
 * To the scheduler the thread is one that runs in the kernel, with interrupts enabled and free to
 * be preempted between guest and guest. What the guest's memory needs is an ordinary fault in the
 * machine's map. The vector registers are the guest's from the first entry on and change with the
 * thread (fpu_exchange). */
#include "hv/hv_run.h"

#include "arch/fpu.h"
#include "arch/interrupt.h"
#include "hv/hv_apic_vcpu.h"
#include "hv/hv_impl.h"
#include "hv/hv_walk.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/preempt.h"
#include "kern/sched.h"
#include "kern/waitq.h"
#include "vm/vm_fault.h"

#define INSTRUCTION_MAX 15u /* bytes */

static void hv_run_exchange_fpu(struct hv_vcpu *vcpu)
{
    interrupt_disable();
    fpu_exchange(&current_thread()->pcb, &vcpu->fpu);
    interrupt_enable();
}

/* An access of the guest to its APIC that the monitor has decoded: what it was told of as one to
 * memory. False: that has something to be told. */
static bool hv_run_reach_apic(struct hv_vcpu *vcpu, uint32_t request)
{
    uint64_t offset = vcpu->record->address;

    if ((request & HV_RUN_APIC_READ) != 0) {
        vcpu->exit.reason = HV_EXIT_APIC;
        vcpu->exit.value = hv_apic_vcpu_read(vcpu, offset);
        return false;
    }
    return hv_apic_vcpu_write(vcpu, offset, vcpu->record->value);
}

/* Each word of the record is read once: the monitor may change it any time. False: there is
 * something to tell before the guest runs. */
static bool hv_run_take_request(struct hv_vcpu *vcpu)
{
    const volatile struct hv_record *record = vcpu->record;
    uint32_t request = record->request;
    uint64_t words[HV_GENERAL_COUNT];

    if ((request & HV_RUN_REGISTERS) != 0) {
        for (unsigned i = 0; i < HV_GENERAL_COUNT; i++) {
            words[i] = record->registers[i];
        }
        (void)hv_ops->set_state(vcpu, HV_STATE_GENERAL, words);
    }
    if ((request & HV_RUN_ADVANCE) != 0 && vcpu->exit.length != 0) {
        hv_ops->advance(vcpu);
    }
    vcpu->window = (request & HV_RUN_WINDOW) != 0;
    vcpu->halt_exits = (request & HV_RUN_HALT_EXITS) != 0;
    vcpu->exit.reason = HV_EXIT_NONE;
    vcpu->exit.length = 0;
    return (request & (HV_RUN_APIC_READ | HV_RUN_APIC_WRITE)) == 0 ||
           hv_run_reach_apic(vcpu, request);
}

/* Is there something to do before the guest goes on? */
static bool hv_run_is_called(const struct hv_vcpu *vcpu)
{
    return (atomic_load(&vcpu->signals) | cpu_ast()) != 0 ||
           (atomic_load(&current_thread()->flags) & THREAD_FLAG_AST) != 0;
}

static enum hv_step hv_run_fault(struct hv_vcpu *vcpu)
{
    uint64_t qualification = vcpu->exit.qualification;
    vm_prot_t access = VM_PROT_READ | ((qualification & HV_MEMORY_WRITE) != 0 ? VM_PROT_WRITE : 0) |
                       ((qualification & HV_MEMORY_FETCH) != 0 ? VM_PROT_EXECUTE : 0);
    kern_return_t kr = vm_fault(vcpu->machine->map, vcpu->exit.address, access);

    if (kr == KERN_SUCCESS) {
        return HV_RESUME;
    }
    vcpu->exit.reason = kr == KERN_ABORTED ? HV_EXIT_KICKED : HV_EXIT_MEMORY;
    vcpu->exit.value = (uint64_t)kr;
    return HV_RETURN;
}

/* Would the halted guest go on? */
static bool hv_run_has_event(struct hv_vcpu *vcpu)
{
    uint32_t interrupt = atomic_load(&vcpu->pending_interrupt);

    if (vcpu->halted == HV_HALTED_STARTUP) {
        return false;
    }
    return (atomic_load(&vcpu->pending_nmi) && !vcpu->nmi_blocked) ||
           (interrupt != 0 && hv_ops->takes_interrupts(vcpu) &&
            ((interrupt & HV_PENDING_VALID) != 0 || hv_apic_vcpu_is_wanted(vcpu)));
}

/* What a halted processor would tell the monitor at once. */
static uint32_t hv_run_halt_reason(const struct hv_vcpu *vcpu)
{
    if (vcpu->halted == HV_HALTED_STARTUP) {
        return HV_EXIT_NONE;
    }
    return vcpu->halt_exits                                 ? HV_EXIT_HALT
           : vcpu->window && hv_ops->takes_interrupts(vcpu) ? HV_EXIT_WINDOW
                                                            : HV_EXIT_NONE;
}

static enum hv_step hv_run_wait(struct hv_vcpu *vcpu)
{
    const uint32_t calls = HV_SIGNAL_KICK | HV_SIGNAL_END | HV_SIGNAL_APIC;

    vcpu->halted = vcpu->halted == HV_HALTED_NOT ? HV_HALTED_HLT : vcpu->halted;
    waitq_assert_wait(&vcpu->waiting, true, 0);
    if (hv_run_has_event(vcpu)) {
        vcpu->halted = HV_HALTED_NOT;
        waitq_cancel_wait(&vcpu->waiting);
        return HV_RESUME;
    }
    vcpu->exit.reason = hv_run_halt_reason(vcpu);
    if (vcpu->exit.reason != HV_EXIT_NONE) {
        vcpu->halted = vcpu->halt_exits ? HV_HALTED_NOT : vcpu->halted;
        waitq_cancel_wait(&vcpu->waiting);
        return HV_RETURN;
    }
    if ((atomic_load(&vcpu->signals) & calls) != 0) {
        waitq_cancel_wait(&vcpu->waiting);
    } else {
        (void)waitq_block(&vcpu->waiting);
    }
    return HV_RESUME;
}

/* Is there a processor that could be in the state it has been given? */
static bool hv_run_is_valid(struct hv_vcpu *vcpu)
{
    if (vcpu->unchecked) {
        vcpu->exit.sentence = hv_ops->check(vcpu);
        vcpu->unchecked = vcpu->exit.sentence != NULL;
        vcpu->exit.reason = vcpu->unchecked ? HV_EXIT_INVALID : vcpu->exit.reason;
    }
    return !vcpu->unchecked;
}

/* The thread leaves the guest, for the monitor or for itself, or its APIC calls. */
static __attribute__((noinline)) enum hv_step hv_run_attend(struct hv_vcpu *vcpu)
{
    uint32_t signals = atomic_load(&vcpu->signals);
    bool is_told = (atomic_load(&current_thread()->flags) & THREAD_FLAG_AST) != 0;

    if (is_told) {
        sched_poke(current_thread()); /* whoever told it may not have got to that: it is to stop
                                         before it is in user mode */
    }
    if ((signals & (HV_SIGNAL_KICK | HV_SIGNAL_END)) != 0 || (cpu_ast() & AST_THREAD) != 0 ||
        is_told) {
        atomic_fetch_and(&vcpu->signals, ~HV_SIGNAL_KICK);
        vcpu->exit.reason = HV_EXIT_KICKED;
        return HV_RETURN;
    }
    if ((cpu_ast() & AST_RESCHED) != 0) {
        preempt_check();
    }
    hv_apic_vcpu_attend(vcpu);
    return hv_run_is_valid(vcpu) ? HV_RESUME : HV_RETURN;
}

static enum hv_step hv_run_step(struct hv_vcpu *vcpu)
{
    enum hv_step step = HV_WAIT;

    if (__builtin_expect(hv_run_is_called(vcpu) && hv_run_attend(vcpu) == HV_RETURN, 0)) {
        return HV_RETURN;
    }
    if (vcpu->halted == HV_HALTED_NOT) {
        step = hv_ops->run(vcpu);
    }
    if (__builtin_expect(step == HV_RESUME, 1)) {
        return step;
    }
    switch (step) {
    case HV_FAULT:
        return hv_run_fault(vcpu);
    case HV_WAIT:
        return hv_run_wait(vcpu);
    case HV_YIELD:
        thread_yield();
        return HV_RESUME;
    default:
        return step;
    }
}

/* The instruction that memory stopped, for the monitor to do in its place. */
static void hv_run_tell_instruction(struct hv_vcpu *vcpu, const struct hv_paging *paging)
{
    uint8_t bytes[INSTRUCTION_MAX];
    size_t n = hv_walk_read(vcpu->machine->map, paging, paging->code_base + paging->rip, bytes,
                            sizeof(bytes));

    for (size_t i = 0; i < n; i++) {
        vcpu->record->instruction[i] = bytes[i];
    }
    vcpu->record->instruction_count = (uint32_t)n;
}

/* What is needed to find the guest's code, and its operands. */
static void hv_run_tell_paging(struct hv_vcpu *vcpu)
{
    volatile struct hv_record *record = vcpu->record;
    struct hv_paging paging;

    hv_ops->get_paging(vcpu, &paging);
    record->cr0 = paging.cr0;
    record->cr3 = paging.cr3;
    record->cr4 = paging.cr4;
    record->efer = paging.efer;
    record->code_base = paging.code_base;
    record->instruction_count = 0;
    if (vcpu->exit.reason == HV_EXIT_MEMORY) {
        hv_run_tell_instruction(vcpu, &paging);
    }
}

/* Write the record. */
static void hv_run_tell(struct hv_vcpu *vcpu)
{
    volatile struct hv_record *record = vcpu->record;
    const struct hv_exit *exit = &vcpu->exit;
    const char *sentence = exit->reason == HV_EXIT_INVALID ? exit->sentence : "";
    unsigned i = 0;

    record->reason = exit->reason;
    record->qualification = exit->qualification;
    record->address = exit->address;
    record->value = exit->value;
    record->size = exit->size;
    record->length = exit->length;
    record->exits = vcpu->exits;
    for (; sentence[i] != '\0' && i < HV_SENTENCE_MAX - 1; i++) {
        record->sentence[i] = sentence[i];
    }
    record->sentence[i] = '\0';
    hv_ops->tell(vcpu);
    hv_run_tell_paging(vcpu);
}

kern_return_t hv_run(struct hv_vcpu *vcpu)
{
    enum hv_step step;

    assert(atomic_load(&vcpu->busy) == 1 && vcpu->record != NULL);
    if (hv_run_take_request(vcpu) && hv_run_is_valid(vcpu)) {
        hv_run_exchange_fpu(vcpu);
        do {
            step = hv_run_step(vcpu);
        } while (step == HV_RESUME);
        hv_run_exchange_fpu(vcpu);
    }
    hv_run_tell(vcpu);
    return atomic_load_acquire(&vcpu->machine->ended) ? KERN_TERMINATED : KERN_SUCCESS;
}
