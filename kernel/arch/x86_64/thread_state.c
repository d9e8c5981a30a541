/* thread_state.c - registers of threads, by flavor. Selectors are always the user's; of the flags
 * only those a user program may change are taken. */
#include "arch/thread_state.h"

#include "arch/cpu_features.h"
#include "arch/cpu_setup.h"
#include "arch/fpu.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/layout.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/preempt.h"
#include "kern/string.h"
#include "kern/thread.h"

#define RFLAGS_USER   0x250dd5u /* CF PF AF ZF SF TF DF OF RF AC ID: what user mode may set */
#define RFLAGS_ALWAYS 0x202u    /* bit 1 and IF */
#define FXSAVE_SIZE   512u

static void thread_state_get_general(const struct trap_frame *r, struct i386_thread_state *s)
{
    *s = (struct i386_thread_state){
        .r8 = r->r8,
        .r9 = r->r9,
        .r10 = r->r10,
        .r11 = r->r11,
        .r12 = r->r12,
        .r13 = r->r13,
        .r14 = r->r14,
        .r15 = r->r15,
        .rdi = r->rdi,
        .rsi = r->rsi,
        .rbp = r->rbp,
        .rsp = r->rsp,
        .rbx = r->rbx,
        .rdx = r->rdx,
        .rcx = r->rcx,
        .rax = r->rax,
        .rip = r->rip,
        .cs = SELECTOR_USER_CODE,
        .rfl = r->rflags,
        .ursp = r->rsp,
        .ss = SELECTOR_USER_DATA,
    };
}

static kern_return_t thread_state_set_general(struct thread *thread,
                                              const struct i386_thread_state *s)
{
    struct trap_frame *r = &thread->pcb.regs;

    if (s->rip >= VM_MAX_ADDRESS) {
        return KERN_INVALID_ARGUMENT;
    }
    /* Register by register, each at once good to return to user mode with: should somebody else let
     * the thread go meanwhile, it harms itself alone. The selectors are never anything but the
     * user's. */
    r->r8 = s->r8;
    r->r9 = s->r9;
    r->r10 = s->r10;
    r->r11 = s->r11;
    r->r12 = s->r12;
    r->r13 = s->r13;
    r->r14 = s->r14;
    r->r15 = s->r15;
    r->rdi = s->rdi;
    r->rsi = s->rsi;
    r->rbp = s->rbp;
    r->rbx = s->rbx;
    r->rdx = s->rdx;
    r->rcx = s->rcx;
    r->rax = s->rax;
    atomic_store(&r->rip, s->rip);
    atomic_store(&r->rsp, s->ursp);
    atomic_store(&r->rflags, (s->rfl & RFLAGS_USER) | RFLAGS_ALWAYS);
    thread->pcb.return_by_iret = true;
    if (thread != current_thread()) {
        atomic_fetch_or(&thread->flags, THREAD_FLAG_RAX_SET);
    }
    return KERN_SUCCESS;
}

/* Have the registers that live in the processor in the pcb of the current thread, or put them back.
 */
static void thread_state_sync(struct thread *thread, bool to_pcb)
{
    uint64_t flags;

    if (to_pcb) { /* two callers at once: the second must not find what the first has set wiped out
                   */
        spin_lock(&thread->lock);
        fpu_settle(&thread->pcb);
        spin_unlock(&thread->lock);
    }
    flags = interrupt_save_disable();
    if (thread == current_thread() && to_pcb) {
        fpu_save(&thread->pcb);
        if (cpu_features.fsgsbase) {
            thread->pcb.fs_base = rdmsr(MSR_FS_BASE);
            thread->pcb.gs_base = rdmsr(MSR_KERNEL_GS_BASE);
        }
    } else if (thread == current_thread()) {
        fpu_load(&thread->pcb);
        wrmsr(MSR_FS_BASE, thread->pcb.fs_base);
        wrmsr(MSR_KERNEL_GS_BASE, thread->pcb.gs_base);
    }
    interrupt_restore(flags);
}

uint64_t thread_state_xfloat_size(void)
{
    return sizeof(struct i386_xfloat_state) + fpu_state_size();
}

/* FNSAVE form of the x87 registers from FXSAVE form. */
static void thread_state_get_float(struct thread *thread, struct i386_float_state *s)
{
    const uint8_t *fx = fpu_state(&thread->pcb);
    uint32_t *words = (uint32_t *)s->hw_state;
    uint8_t tags = fx[4];

    memset(s, 0, sizeof(*s));
    s->fpkind = FP_387FX;
    s->initialized = 1;
    words[0] = 0xffff0000u | *(const uint16_t *)fx;
    words[1] = 0xffff0000u | *(const uint16_t *)(fx + 2);
    words[2] = 0xffff0000u;
    for (unsigned i = 0; i < 8; i++) {
        words[2] |= (tags >> i & 1) != 0 ? 0u : 3u << 2 * i; /* valid or empty */
        memcpy(s->hw_state + 28 + 10 * i, fx + 32 + 16 * i, 10);
    }
}

static kern_return_t thread_state_set_float(struct thread *thread, const struct i386_float_state *s)
{
    uint8_t *fx = fpu_state(&thread->pcb);
    const uint32_t *words = (const uint32_t *)s->hw_state;

    assert(fpu_state_size() >= FXSAVE_SIZE);
    *(uint16_t *)fx = (uint16_t)words[0];
    *(uint16_t *)(fx + 2) = (uint16_t)words[1];
    fx[4] = 0;
    for (unsigned i = 0; i < 8; i++) {
        fx[4] |= (words[2] >> 2 * i & 3) != 3 ? 1u << i : 0;
        memcpy(fx + 32 + 16 * i, s->hw_state + 28 + 10 * i, 10);
    }
    if (cpu_features.xsave) {
        *(uint64_t *)(fx + FXSAVE_SIZE) |= 1;
    }
    return KERN_SUCCESS;
}

static void thread_state_get_xfloat(struct thread *thread, struct i386_xfloat_state *s)
{
    assert(fpu_state_size() >= FXSAVE_SIZE);
    *s = (struct i386_xfloat_state){FP_387X, 1, 0, cpu_features.xsave ? 1 : 0};
    memcpy(s->hw_state, fpu_state(&thread->pcb), fpu_state_size());
}

static kern_return_t thread_state_set_bases(struct thread *thread,
                                            const struct i386_fsgs_base_state *s)
{
    if (s->fs_base >= VM_MAX_ADDRESS || s->gs_base >= VM_MAX_ADDRESS) {
        return KERN_INVALID_ARGUMENT;
    }
    thread->pcb.fs_base = s->fs_base;
    thread->pcb.gs_base = s->gs_base;
    return KERN_SUCCESS;
}

/* Words of a flavor's state; 0 for a flavor there is not. */
static mach_msg_type_number_t thread_state_count(int flavor)
{
    switch (flavor) {
    case i386_THREAD_STATE:
    case i386_REGS_SEGS_STATE:
        return i386_THREAD_STATE_COUNT;
    case i386_FSGS_BASE_STATE:
        return i386_FSGS_BASE_STATE_COUNT;
    case i386_FLOAT_STATE:
        return i386_FLOAT_STATE_COUNT;
    case i386_XFLOAT_STATE:
        return (mach_msg_type_number_t)(thread_state_xfloat_size() / sizeof(natural_t));
    default:
        return 0;
    }
}

kern_return_t thread_state_get(struct thread *thread, int flavor, thread_state_t state,
                               mach_msg_type_number_t *count)
{
    mach_msg_type_number_t needed = thread_state_count(flavor);

    if (needed == 0 || *count < needed) {
        return KERN_INVALID_ARGUMENT;
    }
    thread_state_sync(thread, true);
    if (flavor == i386_FSGS_BASE_STATE) {
        *(struct i386_fsgs_base_state *)state =
            (struct i386_fsgs_base_state){thread->pcb.fs_base, thread->pcb.gs_base};
    } else if (flavor == i386_FLOAT_STATE) {
        thread_state_get_float(thread, (struct i386_float_state *)state);
    } else if (flavor == i386_XFLOAT_STATE) {
        thread_state_get_xfloat(thread, (struct i386_xfloat_state *)state);
    } else {
        thread_state_get_general(&thread->pcb.regs, (struct i386_thread_state *)state);
    }
    *count = needed;
    return KERN_SUCCESS;
}

/* Locks: preemption is disabled; the registers are in the pcb. */
static kern_return_t thread_state_set_locked(struct thread *thread, int flavor,
                                             const natural_t *state)
{
    const struct i386_xfloat_state *xfloat = (const struct i386_xfloat_state *)state;

    assert(cpu_preempt_count() != 0);
    if (flavor == i386_FSGS_BASE_STATE) {
        return thread_state_set_bases(thread, (const struct i386_fsgs_base_state *)state);
    }
    if (flavor == i386_FLOAT_STATE) {
        return thread_state_set_float(thread, (const struct i386_float_state *)state);
    }
    if (flavor == i386_XFLOAT_STATE) {
        return fpu_set_state(&thread->pcb, xfloat->hw_state, fpu_state_size())
                   ? KERN_SUCCESS
                   : KERN_INVALID_ARGUMENT;
    }
    return thread_state_set_general(thread, (const struct i386_thread_state *)state);
}

kern_return_t thread_state_set(struct thread *thread, int flavor, const natural_t *state,
                               mach_msg_type_number_t count)
{
    mach_msg_type_number_t needed = thread_state_count(flavor);
    kern_return_t kr;

    if (needed == 0 || count < needed) {
        return KERN_INVALID_ARGUMENT;
    }
    preempt_disable(); /* the current thread's: a switch would save the old registers over the new
                          ones */
    thread_state_sync(thread, true);
    kr = thread_state_set_locked(thread, flavor, state);
    thread_state_sync(thread, false);
    preempt_enable();
    return kr;
}
