/* svm_exit.c - why a guest was left (AMD64 APM volume 2, appendix C), and what is done about it:
 * some reasons are dealt with here, the others are told to the monitor. */
#include "hv/hv_apic_vcpu.h"
#include "hv/hv_bits.h"
#include "hv/hv_cpuid.h"
#include "hv/hv_hypercall.h"
#include "hv/hv_msr.h"
#include "hv/hv_walk.h"
#include "hv/hv_xsave.h"
#include "hv/svm_impl.h"
#include "kern/atomic.h"

#define VECTOR_DB 1
#define VECTOR_BP 3
#define VECTOR_OF 4
#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_AC 17
#define VECTOR_MC 18

/* Lengths without prefixes. A processor with next-RIP tells the true one. */
#define LENGTH_CPUID   2
#define LENGTH_MSR     2
#define LENGTH_HLT     1
#define LENGTH_VMMCALL 3
#define LENGTH_WBINVD  2
#define LENGTH_XSETBV  3

#define CODE_HLT 0xf4

#define DR6_STEP (1ul << 14)

void svm_exit_advance(struct hv_vcpu *vcpu, uint32_t length)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    uint64_t rip = v->rip + length;

    /* outside 64-bit mode the instruction pointer has 32 bits */
    v->rip =
        (v->efer & HV_EFER_LMA) != 0 && (v->segments[SVM_CS].attributes & HV_ATTRIBUTE_LONG) != 0
            ? rip
            : (uint32_t)rip;
    v->interrupt_shadow = 0;
}

bool svm_exit_inject(struct hv_vcpu *vcpu, uint32_t kind, uint32_t vector, uint32_t error)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    if ((v->event & HV_EVENT_VALID) != 0) {
        return false;
    }
    v->event = vector | (uint64_t)HV_EVENT_IS_FAULT << HV_EVENT_KIND_SHIFT | HV_EVENT_VALID;
    if (kind == HV_INJECT_EXCEPTION_ERROR && (v->cr0 & HV_CR0_PE) != 0) { /* real mode has none */
        v->event |= HV_EVENT_HAS_ERROR | (uint64_t)error << HV_EVENT_ERROR_SHIFT;
    }
    return true;
}

/* --- dealt with here --- */

/* The guest has no such instruction. */
static enum hv_step svm_exit_undefined(struct hv_vcpu *vcpu)
{
    (void)svm_exit_inject(vcpu, HV_INJECT_EXCEPTION, VECTOR_UD, 0);
    return HV_RESUME;
}

enum hv_step svm_exit_protection(struct hv_vcpu *vcpu)
{
    (void)svm_exit_inject(vcpu, HV_INJECT_EXCEPTION_ERROR, VECTOR_GP, 0);
    return HV_RESUME;
}

/* An interrupt of the host: it has been taken by now. */
static enum hv_step svm_exit_nothing(struct hv_vcpu *vcpu)
{
    return HV_RESUME;
}

/* How long the instruction is that was left at. */
static uint32_t svm_exit_length(const struct svm_vmcb *v, uint32_t usual)
{
    uint64_t length = v->next_rip - v->rip;

    return v->next_rip != 0 && length != 0 && length <= 15 ? (uint32_t)length : usual;
}

static enum hv_step svm_exit_cpuid(struct hv_vcpu *vcpu)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    struct cpuid_result r = hv_cpuid((uint32_t)v->rax, (uint32_t)vcpu->registers[HV_RCX], vcpu);

    v->rax = r.eax;
    vcpu->registers[HV_RBX] = r.ebx;
    vcpu->registers[HV_RCX] = r.ecx;
    vcpu->registers[HV_RDX] = r.edx;
    svm_exit_advance(vcpu, svm_exit_length(v, LENGTH_CPUID));
    return HV_RESUME;
}

/* The host's caches are not the guest's to empty. */
static enum hv_step svm_exit_cache(struct hv_vcpu *vcpu)
{
    svm_exit_advance(vcpu, svm_exit_length(svm_vcpu_of(vcpu)->vmcb, LENGTH_WBINVD));
    return HV_RESUME;
}

static enum hv_step svm_exit_halt(struct hv_vcpu *vcpu)
{
    svm_exit_advance(vcpu, svm_exit_length(svm_vcpu_of(vcpu)->vmcb, LENGTH_HLT));
    return HV_WAIT;
}

bool svm_exit_halts(struct hv_vcpu *vcpu)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    struct hv_paging paging;
    uint8_t code;

    if (v->cpl != 0 || (v->event & HV_EVENT_VALID) != 0 || (v->rflags & HV_RFLAGS_TF) != 0) {
        return false;
    }
    svm_state_get_paging(vcpu, &paging);
    if (hv_walk_read(vcpu->machine->map, &paging, paging.code_base + paging.rip, &code, 1) != 1 ||
        code != CODE_HLT) {
        return false;
    }
    svm_exit_advance(vcpu, LENGTH_HLT);
    return true;
}

/* The end of an NMI's handler. The next may come behind this instruction, not before it, where the
 * handler's frame is still in use: the guest steps over it. */
static enum hv_step svm_exit_iret(struct hv_vcpu *vcpu)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);

    if ((s->vmcb->rflags & HV_RFLAGS_TF) != 0) { /* it steps itself */
        vcpu->nmi_blocked = false;
        return HV_RESUME;
    }
    s->iret = s->vmcb->rip;
    s->watches |= SVM_WATCH_STEP;
    return HV_RESUME;
}

void svm_exit_unstep(struct hv_vcpu *vcpu)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);

    if ((s->watches & SVM_WATCH_STEP) != 0) {
        s->vmcb->rflags &= ~HV_RFLAGS_TF;
    }
}

/* Where it is still at the IRET, that is for another reason, and it will be intercepted again. */
void svm_exit_stepped(struct hv_vcpu *vcpu)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);

    s->watches &= (uint8_t)~SVM_WATCH_STEP;
    if (s->vmcb->rip == s->iret && s->vmcb->exit_code != SVM_EXIT_STEP) {
        s->vmcb->rflags &= ~HV_RFLAGS_TF;
        return;
    }
    vcpu->nmi_blocked = false;
    if (s->vmcb->exit_code == SVM_EXIT_STEP) {
        s->vmcb->exit_code = SVM_EXIT_INTR; /* nothing that the guest knows of */
        s->vmcb->dr6 &= ~DR6_STEP;
    }
}

static enum hv_step svm_exit_debug_register(struct hv_vcpu *vcpu)
{
    svm_state_use_debug(vcpu);
    return HV_RESUME;
}

/* Exceptions that are left for what they could do to the host: a guest that has #DB or #AC raised
 * again and again while they are delivered would never let an interrupt in, and a machine check is
 * the host's. */
static enum hv_step svm_exit_exception(struct hv_vcpu *vcpu, uint32_t vector)
{
    if (vector == VECTOR_MC) {
        __asm__ volatile("int $18");
        return HV_RESUME;
    }
    (void)svm_exit_inject(
        vcpu, vector == VECTOR_AC ? HV_INJECT_EXCEPTION_ERROR : HV_INJECT_EXCEPTION, vector, 0);
    return HV_RESUME;
}

/* The guest would take an interrupt now: one that waits (svm.c), or one of the monitor's. */
static enum hv_step svm_exit_window(struct hv_vcpu *vcpu)
{
    if (hv_vcpu_interrupt(vcpu) != 0 || hv_apic_vcpu_is_wanted(vcpu) || !vcpu->window) {
        return HV_RESUME;
    }
    vcpu->window = false;
    vcpu->exit.reason = HV_EXIT_WINDOW;
    return HV_RETURN;
}

static enum hv_step svm_exit_msr(struct hv_vcpu *vcpu)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    vcpu->exit.length = svm_exit_length(v, LENGTH_MSR);
    return hv_msr_exit(vcpu, v->exit_info1 != 0, &v->rax);
}

static enum hv_step svm_exit_xsetbv(struct hv_vcpu *vcpu)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    uint64_t value = (uint32_t)v->rax | vcpu->registers[HV_RDX] << 32;

    if (v->cpl != 0 || !hv_xsave_write(vcpu, (uint32_t)vcpu->registers[HV_RCX], value)) {
        return svm_exit_protection(vcpu);
    }
    svm_exit_advance(vcpu, svm_exit_length(v, LENGTH_XSETBV));
    return HV_RESUME;
}

/* --- told to the monitor --- */

static enum hv_step svm_exit_io(struct hv_vcpu *vcpu)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    struct hv_exit *exit = &vcpu->exit;
    uint64_t info = v->exit_info1;
    uint64_t length = v->exit_info2 - v->rip;

    exit->reason = HV_EXIT_PORT;
    exit->qualification = ((info & SVM_IO_IN) != 0 ? HV_PORT_IN : 0) |
                          ((info & SVM_IO_STRING) != 0 ? HV_PORT_STRING : 0) |
                          ((info & SVM_IO_REPEAT) != 0 ? HV_PORT_REPEAT : 0);
    exit->address = SVM_IO_PORT(info);
    exit->size = (uint32_t)SVM_IO_SIZE(info);
    exit->value = v->rax & ((1ul << 8 * (exit->size & 7)) - 1);
    exit->length = length <= 15 ? (uint32_t)length : 0;
    return HV_RETURN;
}

static enum hv_step svm_exit_hypercall(struct hv_vcpu *vcpu)
{
    struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    uint32_t length = svm_exit_length(v, LENGTH_VMMCALL);
    enum hv_step step;

    if (v->cpl != 0) {
        return svm_exit_undefined(vcpu);
    }
    step = hv_hypercall(vcpu, &v->rax);
    if (step == HV_RETURN) {
        vcpu->exit.length = length;
    } else {
        svm_exit_advance(vcpu, length);
    }
    return step;
}

/* What the VMCB says of the guest is not defined then (APM volume 2, 15.14.3). */
static enum hv_step svm_exit_shutdown(struct hv_vcpu *vcpu)
{
    svm_vcpu_of(vcpu)->vmcb->event = 0;
    vcpu->unchecked = true;
    vcpu->exit.reason = HV_EXIT_SHUTDOWN;
    return HV_RETURN;
}

static enum hv_step svm_exit_task_switch(struct hv_vcpu *vcpu)
{
    vcpu->exit.reason = HV_EXIT_TASK;
    vcpu->exit.qualification = svm_vcpu_of(vcpu)->vmcb->exit_info1;
    return HV_RETURN;
}

static enum hv_step svm_exit_nested_fault(struct hv_vcpu *vcpu)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;
    uint64_t info = v->exit_info1;

    vcpu->exit.address = v->exit_info2;
    vcpu->exit.qualification = ((info & SVM_NPF_WRITE) != 0 ? HV_MEMORY_WRITE : 0) |
                               ((info & SVM_NPF_FETCH) != 0 ? HV_MEMORY_FETCH : 0) |
                               ((info & SVM_NPF_TABLE) != 0 ? HV_MEMORY_TABLE : 0);
    return HV_FAULT;
}

/* The processor found something that hv_check() has not. */
static enum hv_step svm_exit_invalid(struct hv_vcpu *vcpu)
{
    const char *sentence = svm_state_check(vcpu);

    vcpu->unchecked = true;
    vcpu->exit.reason = HV_EXIT_INVALID;
    vcpu->exit.sentence =
        sentence != NULL ? sentence : "the processor does not say why it cannot be in this state";
    return HV_RETURN;
}

static enum hv_step svm_exit_unknown(struct hv_vcpu *vcpu)
{
    vcpu->exit.reason = HV_EXIT_UNKNOWN;
    vcpu->exit.qualification = svm_vcpu_of(vcpu)->vmcb->exit_code;
    return HV_RETURN;
}

typedef enum hv_step svm_exit_function(struct hv_vcpu *vcpu);

static svm_exit_function *const svm_exit_table[SVM_EXIT_COUNT] = {
    [SVM_EXIT_CR4_WRITE] = svm_cr_write_cr4,
    [SVM_EXIT_CR8_WRITE] = svm_cr_write_cr8,
    [SVM_EXIT_DR_FIRST... SVM_EXIT_DR_LAST] = svm_exit_debug_register,
    [SVM_EXIT_INTR] = svm_exit_nothing,
    [SVM_EXIT_NMI] = svm_exit_nothing,
    [SVM_EXIT_INIT] = svm_exit_nothing,
    [SVM_EXIT_VINTR] = svm_exit_window,
    [SVM_EXIT_RDPMC] = svm_exit_protection,
    [SVM_EXIT_CPUID] = svm_exit_cpuid,
    [SVM_EXIT_RSM] = svm_exit_undefined,
    [SVM_EXIT_IRET] = svm_exit_iret,
    [SVM_EXIT_INVD] = svm_exit_cache,
    [SVM_EXIT_HLT] = svm_exit_halt,
    [SVM_EXIT_INVLPGA] = svm_exit_undefined,
    [SVM_EXIT_IO] = svm_exit_io,
    [SVM_EXIT_MSR] = svm_exit_msr,
    [SVM_EXIT_TASK_SWITCH] = svm_exit_task_switch,
    [SVM_EXIT_SHUTDOWN] = svm_exit_shutdown,
    [SVM_EXIT_VMRUN] = svm_exit_undefined,
    [SVM_EXIT_VMMCALL] = svm_exit_hypercall,
    [SVM_EXIT_VMLOAD... SVM_EXIT_SKINIT] = svm_exit_undefined,
    [SVM_EXIT_RDTSCP] = svm_exit_undefined,
    [SVM_EXIT_WBINVD] = svm_exit_cache,
    [SVM_EXIT_MONITOR] = svm_exit_undefined,
    [SVM_EXIT_MWAIT] = svm_exit_undefined,
    [SVM_EXIT_XSETBV] = svm_exit_xsetbv,
    [SVM_EXIT_RDPRU] = svm_exit_undefined,
};

enum hv_step svm_exit(struct hv_vcpu *vcpu)
{
    uint64_t code = svm_vcpu_of(vcpu)->vmcb->exit_code;

    if (code == SVM_EXIT_NPF) {
        return svm_exit_nested_fault(vcpu);
    }
    if (code == SVM_EXIT_INVALID) {
        return svm_exit_invalid(vcpu);
    }
    if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_INTR) {
        return svm_exit_exception(vcpu, (uint32_t)(code - SVM_EXIT_EXCEPTION));
    }
    return code < SVM_EXIT_COUNT && svm_exit_table[code] != NULL ? svm_exit_table[code](vcpu)
                                                                 : svm_exit_unknown(vcpu);
}
