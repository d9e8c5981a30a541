/* vmx_exit.c - why a guest was left (Intel SDM volume 3D, appendix C), and what is done about it:
 * some reasons are dealt with here, the others are told to the monitor. */
#include "hv/hv_apic_vcpu.h"
#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/hv_cpuid.h"
#include "hv/hv_hypercall.h"
#include "hv/hv_msr.h"
#include "hv/hv_xsave.h"
#include "hv/vmx_impl.h"
#include "kern/atomic.h"
#include "kern/printf.h"

#define VECTOR_DB 1
#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_AC 17
#define VECTOR_MC 18

#define DR6_RAISED                                                                                 \
    0x600ful /* of the qualification of #DB: what DR6 gets, its last four bits anew */
#define DR6_POINTS 15ul

static uint32_t vmx_exit_length(void)
{
    return (uint32_t)vmx_read(VMCS_LENGTH);
}

/* Outside 64-bit mode the instruction pointer has 32 bits. */
static __attribute__((noinline)) uint64_t vmx_exit_wrap(const struct hv_vcpu *vcpu, uint64_t rip)
{
    return vmx_check_rip(rip, vmx_state_word(vcpu, VMX_EFER),
                         vmx_state_word(vcpu, VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS)))
               ? rip
               : (uint32_t)rip;
}

void vmx_exit_advance(struct hv_vcpu *vcpu, uint32_t length)
{
    uint64_t from = vmx_state_word(vcpu, VMX_RIP);
    uint64_t to = from + length;
    uint64_t shadow = vmx_state_word(vcpu, VMX_INTERRUPTIBLE);

    vmx_state_set_word(vcpu, VMX_RIP, (from ^ to) >> 32 == 0 ? to : vmx_exit_wrap(vcpu, to));
    if ((shadow & VMX_SHADOW) != 0) {
        vmx_state_set_word(vcpu, VMX_INTERRUPTIBLE, shadow & ~(uint64_t)VMX_SHADOW);
    }
}

bool vmx_exit_inject(struct hv_vcpu *vcpu, uint32_t kind, uint32_t vector, uint32_t error)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    uint64_t shadow = vmx_state_word(vcpu, VMX_INTERRUPTIBLE);

    if ((v->event & HV_EVENT_VALID) != 0) {
        return false;
    }
    v->event = vector | (uint64_t)HV_EVENT_IS_FAULT << HV_EVENT_KIND_SHIFT | HV_EVENT_VALID;
    if (kind == HV_INJECT_EXCEPTION_ERROR &&
        (vmx_state_word(vcpu, VMX_CR0) & HV_CR0_PE) != 0) { /* real mode has none */
        v->event |= HV_EVENT_HAS_ERROR | (uint64_t)error << HV_EVENT_ERROR_SHIFT;
    }
    if ((shadow & VMX_SHADOW) != 0) {
        vmx_state_set_word(vcpu, VMX_INTERRUPTIBLE, shadow & ~(uint64_t)VMX_SHADOW);
    }
    return true;
}

/* --- dealt with here --- */

/* The guest has no such instruction. */
static enum hv_step vmx_exit_undefined(struct hv_vcpu *vcpu)
{
    (void)vmx_exit_inject(vcpu, HV_INJECT_EXCEPTION, VECTOR_UD, 0);
    return HV_RESUME;
}

static enum hv_step vmx_exit_protection(struct hv_vcpu *vcpu)
{
    (void)vmx_exit_inject(vcpu, HV_INJECT_EXCEPTION_ERROR, VECTOR_GP, 0);
    return HV_RESUME;
}

/* An interrupt of the host, which has been taken by now, or the time is over; or the guest takes an
 * NMI now, which it is given on the way in (vmx.c). */
static enum hv_step vmx_exit_nothing(struct hv_vcpu *vcpu)
{
    return HV_RESUME;
}

static enum hv_step vmx_exit_cpuid(struct hv_vcpu *vcpu)
{
    uint64_t *registers = vcpu->registers;
    struct cpuid_result r =
        hv_cpuid((uint32_t)registers[HV_RAX], (uint32_t)registers[HV_RCX], vcpu);

    registers[HV_RAX] = r.eax;
    registers[HV_RBX] = r.ebx;
    registers[HV_RCX] = r.ecx;
    registers[HV_RDX] = r.edx;
    vmx_exit_advance(vcpu, vmx_exit_length());
    return HV_RESUME;
}

/* The host's caches are not the guest's to empty. */
static enum hv_step vmx_exit_cache(struct hv_vcpu *vcpu)
{
    vmx_exit_advance(vcpu, vmx_exit_length());
    return HV_RESUME;
}

static enum hv_step vmx_exit_halt(struct hv_vcpu *vcpu)
{
    vmx_exit_advance(vcpu, vmx_exit_length());
    return HV_WAIT;
}

/* DR0-3 and DR6 change with the guest from now on. */
static enum hv_step vmx_exit_debug_register(struct hv_vcpu *vcpu)
{
    vmx_vcpu_of(vcpu)->uses_debug = true;
    vmx_vcpu_of(vcpu)->is_quiet = false;
    return HV_RESUME;
}

static enum hv_step vmx_exit_machine_check(struct hv_vcpu *vcpu)
{
    __asm__ volatile("int $18");
    return HV_RESUME;
}

/* #DB has changed no register yet (SDM volume 3C, 28.1). */
static void vmx_exit_note_debug(struct hv_vcpu *vcpu, uint32_t kind)
{
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    uint64_t raised = vmx_read(VMCS_QUALIFICATION);

    v->dr6 = (v->dr6 & ~DR6_POINTS) | (raised & DR6_RAISED);
    vmx_state_set_word(vcpu, VMX_DR7, vmx_state_word(vcpu, VMX_DR7) & ~HV_DR7_GENERAL);
    if (kind == VMX_EVENT_INT1) {
        vmx_exit_advance(vcpu, vmx_exit_length());
    }
}

void vmx_exit_take_nmi(const struct hv_vcpu *vcpu)
{
    const struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    if (v->error == 0 && v->reason == VMX_EXIT_EVENT &&
        HV_EVENT_KIND(vmx_read(VMCS_EVENT)) == HV_EVENT_IS_NMI) {
        __asm__ volatile("int $2");
    }
}

/* An NMI of the host, or an exception that is left for what it could do to the host: a guest that
 * has #DB or #AC raised again and again while they are delivered would never let an interrupt in,
 * and a machine check is the host's. */
static enum hv_step vmx_exit_event(struct hv_vcpu *vcpu)
{
    uint32_t event = (uint32_t)vmx_read(VMCS_EVENT);
    uint32_t vector = event & HV_EVENT_VECTOR;

    if (HV_EVENT_KIND(event) == HV_EVENT_IS_NMI) {
        return HV_RESUME; /* vmx_exit_take_nmi() */
    }
    if (vector == VECTOR_MC) {
        return vmx_exit_machine_check(vcpu);
    }
    if (vector == VECTOR_DB) {
        vmx_exit_note_debug(vcpu, HV_EVENT_KIND(event));
    }
    (void)vmx_exit_inject(
        vcpu, vector == VECTOR_AC ? HV_INJECT_EXCEPTION_ERROR : HV_INJECT_EXCEPTION, vector, 0);
    return HV_RESUME;
}

/* The guest would take an interrupt now: the one that waits (vmx.c), or one of the monitor's. */
static enum hv_step vmx_exit_window(struct hv_vcpu *vcpu)
{
    if (hv_vcpu_interrupt(vcpu) != 0 || hv_apic_vcpu_is_wanted(vcpu) || !vcpu->window) {
        return HV_RESUME;
    }
    vcpu->window = false;
    vcpu->exit.reason = HV_EXIT_WINDOW;
    return HV_RETURN;
}

static enum hv_step vmx_exit_rdmsr(struct hv_vcpu *vcpu)
{
    vcpu->exit.length = vmx_exit_length();
    return hv_msr_exit(vcpu, false, &vcpu->registers[HV_RAX]);
}

static enum hv_step vmx_exit_wrmsr(struct hv_vcpu *vcpu)
{
    vcpu->exit.length = vmx_exit_length();
    return hv_msr_exit(vcpu, true, &vcpu->registers[HV_RAX]);
}

/* --- control registers --- */

static uint64_t vmx_exit_get_register(struct hv_vcpu *vcpu, unsigned number)
{
    return number == HV_RSP ? vmx_state_word(vcpu, VMX_RSP) : vcpu->registers[number];
}

static enum hv_step vmx_exit_cr8(struct hv_vcpu *vcpu, uint64_t qualification)
{
    unsigned number = VMX_CR_REGISTER(qualification);
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    if (VMX_CR_ACCESS(qualification) == VMX_CR_WRITE) {
        uint64_t value = vmx_exit_get_register(vcpu, number);

        if (value > 15) {
            return vmx_exit_protection(vcpu);
        }
        v->cr8 = value;
    } else if (number == HV_RSP) {
        vmx_state_set_word(vcpu, VMX_RSP, v->cr8);
    } else {
        vcpu->registers[number] = v->cr8;
    }
    vmx_exit_advance(vcpu, vmx_exit_length());
    return HV_RESUME;
}

/* Outside 64-bit mode the upper half of a register is not moved, whatever is in it. */
static enum hv_step vmx_exit_cr4(struct hv_vcpu *vcpu, uint64_t value)
{
    uint64_t cr4 = vmx_state_word(vcpu, VMX_CR4);

    value = vmx_state_is_64bit(vcpu) ? value : (uint32_t)value;
    if ((value & ~hv_limits.cr4) != 0 || ((value ^ cr4) & CR4_OSXSAVE) == 0) {
        return vmx_exit_protection(vcpu);
    }
    vmx_state_set_word(vcpu, VMX_CR4, cr4 ^ CR4_OSXSAVE);
    hv_xsave_set_cr4(vcpu, value);
    return HV_RESUME;
}

static enum hv_step vmx_exit_xsetbv(struct hv_vcpu *vcpu)
{
    uint64_t value = (uint32_t)vcpu->registers[HV_RAX] | vcpu->registers[HV_RDX] << 32;

    if (!hv_xsave_write(vcpu, (uint32_t)vcpu->registers[HV_RCX], value)) {
        return vmx_exit_protection(vcpu);
    }
    vmx_exit_advance(vcpu, vmx_exit_length());
    return HV_RESUME;
}

/* Of CR0 and CR4 only changes of what is not the guest's make it leave, and of OSXSAVE. Those that
 * it may make it sees made, and then executes the instruction again, which does the rest. */
static enum hv_step vmx_exit_cr(struct hv_vcpu *vcpu)
{
    uint64_t qualification = vmx_read(VMCS_QUALIFICATION);
    uint64_t value = vmx_exit_get_register(vcpu, VMX_CR_REGISTER(qualification));
    struct vmx_vcpu *v = vmx_vcpu_of(vcpu);

    if (VMX_CR_NUMBER(qualification) == 8) {
        return vmx_exit_cr8(vcpu, qualification);
    }
    if (VMX_CR_NUMBER(qualification) == 4 && VMX_CR_ACCESS(qualification) == VMX_CR_WRITE) {
        return vmx_exit_cr4(vcpu, value);
    }
    if (VMX_CR_NUMBER(qualification) != 0 || VMX_CR_ACCESS(qualification) != VMX_CR_WRITE ||
        (value & (HV_CR0_NW | HV_CR0_CD)) == HV_CR0_NW ||
        ((value ^ v->cr0_shown) & VMX_CR0_HIDDEN) == 0) {
        return vmx_exit_protection(vcpu);
    }
    v->cr0_shown = value & VMX_CR0_HIDDEN;
    vmx_state_set_word(vcpu, VMX_CR0, vmx_state_word(vcpu, VMX_CR0));
    return HV_RESUME;
}

/* --- told to the monitor --- */

static enum hv_step vmx_exit_io(struct hv_vcpu *vcpu)
{
    uint64_t qualification = vmx_read(VMCS_QUALIFICATION);
    struct hv_exit *exit = &vcpu->exit;

    exit->reason = HV_EXIT_PORT;
    exit->qualification = ((qualification & VMX_IO_IN) != 0 ? HV_PORT_IN : 0) |
                          ((qualification & VMX_IO_STRING) != 0 ? HV_PORT_STRING : 0) |
                          ((qualification & VMX_IO_REPEAT) != 0 ? HV_PORT_REPEAT : 0);
    exit->address = VMX_IO_PORT(qualification);
    exit->size = (uint32_t)VMX_IO_SIZE(qualification);
    exit->value = vcpu->registers[HV_RAX] & ((1ul << 8 * (exit->size & 7)) - 1);
    exit->length = vmx_exit_length();
    return HV_RETURN;
}

static enum hv_step vmx_exit_hypercall(struct hv_vcpu *vcpu)
{
    enum hv_step step;

    if (HV_ATTRIBUTE_DPL(vmx_state_word(vcpu, VMX_SEGMENT(HV_SEGMENT_SS, VMX_RIGHTS))) != 0) {
        return vmx_exit_undefined(vcpu);
    }
    step = hv_hypercall(vcpu, &vcpu->registers[HV_RAX]);
    if (step == HV_RETURN) {
        vcpu->exit.length = vmx_exit_length();
    } else {
        vmx_exit_advance(vcpu, vmx_exit_length());
    }
    return step;
}

static enum hv_step vmx_exit_shutdown(struct hv_vcpu *vcpu)
{
    vmx_vcpu_of(vcpu)->event = 0;
    vcpu->unchecked = true;
    vcpu->exit.reason = HV_EXIT_SHUTDOWN;
    return HV_RETURN;
}

static enum hv_step vmx_exit_task_switch(struct hv_vcpu *vcpu)
{
    vcpu->exit.reason = HV_EXIT_TASK;
    vcpu->exit.qualification = vmx_read(VMCS_QUALIFICATION) & 0xffff; /* the selector */
    return HV_RETURN;
}

static enum hv_step vmx_exit_ept(struct hv_vcpu *vcpu)
{
    uint64_t qualification = vmx_read(VMCS_QUALIFICATION);
    bool is_table = (qualification & (VMX_EPT_IS_LINEAR | VMX_EPT_IS_LAST)) == VMX_EPT_IS_LINEAR;

    vcpu->exit.address = vmx_read(VMCS_PHYSICAL);
    vcpu->exit.qualification = ((qualification & VMX_EPT_WRITE) != 0 ? HV_MEMORY_WRITE : 0) |
                               ((qualification & VMX_EPT_FETCH) != 0 ? HV_MEMORY_FETCH : 0) |
                               (is_table ? HV_MEMORY_TABLE : 0);
    return HV_FAULT;
}

static enum hv_step vmx_exit_invalid(struct hv_vcpu *vcpu, const char *sentence)
{
    vcpu->unchecked = true;
    vcpu->exit.reason = HV_EXIT_INVALID;
    vcpu->exit.sentence = sentence;
    return HV_RETURN;
}

static enum hv_step vmx_exit_ept_malformed(struct hv_vcpu *vcpu)
{
    kprintf("hv: extended page tables have a malformed entry for %lx\n", vmx_read(VMCS_PHYSICAL));
    return vmx_exit_invalid(vcpu,
                            "the machine's page tables are malformed, by a bug of the kernel");
}

/* The sentence of a number, or that of 0. */
static const char *vmx_exit_sentence(const char *const *sentences, uint64_t count, uint64_t number)
{
    return number < count && sentences[number] != NULL ? sentences[number] : sentences[0];
}
#define SENTENCE(sentences, number)                                                                \
    vmx_exit_sentence(sentences, sizeof(sentences) / sizeof((sentences)[0]), number)

/* The processor found something that vmx_state_check() has not (SDM volume 3C, 27.8). */
static enum hv_step vmx_exit_bad_state(struct hv_vcpu *vcpu)
{
    static const char *const sentences[] = {
        [0] = "the processor does not say why it cannot be in this state",
        [2] = "the page directory pointers cannot be loaded",
        [3] = "an NMI cannot be delivered in the shadow of STI",
        [4] = "the VMCS link pointer is wrong, by a bug of the kernel",
    };

    return vmx_exit_invalid(vcpu, SENTENCE(sentences, vmx_read(VMCS_QUALIFICATION)));
}

/* The entry was refused before anything of the guest was looked at (SDM volume 3C, 31.4). */
static enum hv_step vmx_exit_refused(struct hv_vcpu *vcpu, uint32_t error)
{
    static const char *const sentences[] = {
        [0] = "the processor refuses to enter the guest, by a bug of the kernel",
        [4] = "the VMCS has been entered before, by a bug of the kernel",
        [5] = "the VMCS has not been entered before, by a bug of the kernel",
        [7] = "a control field is wrong, by a bug of the kernel",
        [8] = "a host field is wrong, by a bug of the kernel",
        [26] = "a guest is entered in the shadow of MOV SS, by a bug of the kernel",
    };

    vcpu->exit.qualification = error;
    return vmx_exit_invalid(vcpu, SENTENCE(sentences, error));
}

static enum hv_step vmx_exit_unknown(struct hv_vcpu *vcpu)
{
    vcpu->exit.reason = HV_EXIT_UNKNOWN;
    vcpu->exit.qualification = vmx_vcpu_of(vcpu)->reason;
    return HV_RETURN;
}

typedef enum hv_step vmx_exit_function(struct hv_vcpu *vcpu);

static vmx_exit_function *const vmx_exit_table[VMX_EXIT_COUNT] = {
    [VMX_EXIT_EVENT] = vmx_exit_event,
    [VMX_EXIT_INTERRUPT] = vmx_exit_nothing,
    [VMX_EXIT_TRIPLE] = vmx_exit_shutdown,
    [VMX_EXIT_INIT] = vmx_exit_nothing,
    [VMX_EXIT_SIPI] = vmx_exit_nothing,
    [VMX_EXIT_WINDOW] = vmx_exit_window,
    [VMX_EXIT_NMI_WINDOW] = vmx_exit_nothing,
    [VMX_EXIT_TASK_SWITCH] = vmx_exit_task_switch,
    [VMX_EXIT_CPUID] = vmx_exit_cpuid,
    [VMX_EXIT_GETSEC] = vmx_exit_undefined,
    [VMX_EXIT_HLT] = vmx_exit_halt,
    [VMX_EXIT_INVD] = vmx_exit_cache,
    [VMX_EXIT_RDPMC] = vmx_exit_protection,
    [VMX_EXIT_RSM] = vmx_exit_undefined,
    [VMX_EXIT_VMCALL] = vmx_exit_hypercall,
    [VMX_EXIT_VMCLEAR... VMX_EXIT_VMXON] = vmx_exit_undefined,
    [VMX_EXIT_CR] = vmx_exit_cr,
    [VMX_EXIT_DR] = vmx_exit_debug_register,
    [VMX_EXIT_IO] = vmx_exit_io,
    [VMX_EXIT_RDMSR] = vmx_exit_rdmsr,
    [VMX_EXIT_WRMSR] = vmx_exit_wrmsr,
    [VMX_EXIT_BAD_STATE] = vmx_exit_bad_state,
    [VMX_EXIT_BAD_MSR] = vmx_exit_bad_state,
    [VMX_EXIT_MWAIT] = vmx_exit_undefined,
    [VMX_EXIT_MONITOR] = vmx_exit_undefined,
    [VMX_EXIT_MACHINE_CHECK] = vmx_exit_machine_check,
    [VMX_EXIT_EPT] = vmx_exit_ept,
    [VMX_EXIT_EPT_MALFORMED] = vmx_exit_ept_malformed,
    [VMX_EXIT_INVEPT] = vmx_exit_undefined,
    [VMX_EXIT_TIMER] = vmx_exit_nothing,
    [VMX_EXIT_INVVPID] = vmx_exit_undefined,
    [VMX_EXIT_WBINVD] = vmx_exit_cache,
    [VMX_EXIT_XSETBV] = vmx_exit_xsetbv,
    [VMX_EXIT_ENCLS] = vmx_exit_undefined,
    [VMX_EXIT_LOG_FULL] = vmx_exit_nothing,
};

enum hv_step vmx_exit(struct hv_vcpu *vcpu)
{
    const struct vmx_vcpu *v = vmx_vcpu_of(vcpu);
    uint32_t reason = VMX_REASON(v->reason);

    if (v->error != 0) {
        return vmx_exit_refused(vcpu, v->error);
    }
    return reason < VMX_EXIT_COUNT && vmx_exit_table[reason] != NULL ? vmx_exit_table[reason](vcpu)
                                                                     : vmx_exit_unknown(vcpu);
}
