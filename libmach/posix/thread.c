/* thread.c - threads as a Linux libc makes and ends them, on Mach threads. */
#define _GNU_SOURCE
#include "posix/thread.h"

#include <errno.h>
#include <mach.h>
#include <portolan.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <sched.h>

#include "core/thread_block.h"
#include "posix/posix.h"

#define THREAD_FLAGS_NEEDED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define THREAD_FLAGS_KNOWN                                                                         \
    (THREAD_FLAGS_NEEDED | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |                    \
     CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED)

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

static int thread_process;      /* 0: not asked for yet */
static int thread_count = 1;    /* threads that libc knows and that live */
static int thread_numbers_used; /* beside the first thread's */

int thread_process_id(void)
{
    int id = __atomic_load_n(&thread_process, __ATOMIC_RELAXED);
    int64_t number = 1;

    if (id == 0) {
        if (task_get_id(mach_task_self(), &number) != KERN_SUCCESS || number <= 0) {
            number = 1;
        }
        id = (int)(number & 0x3fffff);
        __atomic_store_n(&thread_process, id, __ATOMIC_RELAXED);
    }
    return id;
}

int thread_id(void)
{
    struct thread_block *block = thread_block_self();

    if (block->tid == 0) {
        block->tid = thread_process_id();
    }
    return block->tid;
}

/* Numbers above those of programs, below the bits libc uses in the same word. */
static int thread_next_id(void)
{
    return 0x400000 + (__atomic_add_fetch(&thread_numbers_used, 1, __ATOMIC_RELAXED) & 0x3fffff);
}

/* The new thread begins where this one returns to, with the same registers but for the result and
 * the stack. */
static kern_return_t thread_set_start(mach_port_t thread, const struct posix_frame *f,
                                      uint64_t stack)
{
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    kern_return_t kr;

    kr = thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    state.rax = 0;
    state.rdi = f->a0;
    state.rsi = f->a1;
    state.rdx = f->a2;
    state.r10 = f->a3;
    state.r8 = f->a4;
    state.r9 = f->a5;
    state.rbx = f->rbx;
    state.rbp = f->rbp;
    state.r12 = f->r12;
    state.r13 = f->r13;
    state.r14 = f->r14;
    state.r15 = f->r15;
    state.rip = f->return_address;
    state.rcx = f->return_address;
    state.ursp = stack;
    return thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state,
                            i386_THREAD_STATE_COUNT);
}

static kern_return_t thread_set_bases(mach_port_t thread, struct thread_block *block)
{
    struct i386_fsgs_base_state bases = {block->fs_base, (uint64_t)block};

    return thread_set_state(thread, i386_FSGS_BASE_STATE, (thread_state_t)&bases,
                            i386_FSGS_BASE_STATE_COUNT);
}

/* A thread that stands ready with its block. Returns KERN_SUCCESS or undoes everything. */
static kern_return_t thread_make(const struct posix_frame *f, struct thread_block **made)
{
    struct thread_block *block;
    mach_port_t thread;
    kern_return_t kr = thread_block_create(&block);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = thread_create(mach_task_self(), &thread);
    if (kr != KERN_SUCCESS) {
        thread_block_destroy(block);
        return kr;
    }
    thread_block_guard(block);
    block->thread_port = thread;
    block->signal_mask = thread_block_self()->signal_mask;
    block->fs_base = (f->a0 & CLONE_SETTLS) != 0 ? f->a4 : thread_block_self()->fs_base;
    kr = thread_set_start(thread, f, f->a1);
    kr = kr != KERN_SUCCESS ? kr : thread_set_bases(thread, block);
    if (kr != KERN_SUCCESS) {
        thread_terminate(thread);
        syscall_mach_port_deallocate(mach_task_self(), thread);
        thread_block_destroy(block);
        return kr;
    }
    *made = block;
    return KERN_SUCCESS;
}

/* flags, stack, parent's tid, child's tid, tls. Only threads: a copy of the task is not made. */
long linux_clone(struct posix_frame *f)
{
    const uint64_t flags = f->a0;
    struct thread_block *block;
    kern_return_t kr;
    int tid;

    if ((flags & THREAD_FLAGS_NEEDED) != THREAD_FLAGS_NEEDED || f->a1 == 0) {
        return -ENOSYS;
    }
    if ((flags & ~(uint64_t)THREAD_FLAGS_KNOWN) != 0) {
        return -EINVAL;
    }
    kr = thread_make(f, &block);
    if (kr != KERN_SUCCESS) {
        return -EAGAIN;
    }
    tid = thread_next_id();
    block->tid = tid;
    if ((flags & CLONE_PARENT_SETTID) != 0) {
        *(int *)f->a2 = tid;
    }
    if ((flags & CLONE_CHILD_SETTID) != 0) {
        *(int *)f->a3 = tid;
    }
    if ((flags & CLONE_CHILD_CLEARTID) != 0) {
        block->clear_tid = (uint32_t *)f->a3;
    }
    __atomic_add_fetch(&thread_count, 1, __ATOMIC_RELAXED);
    /* From here on the block is the new thread's. */
    thread_resume(block->thread_port);
    return tid;
}

long linux_exit(struct posix_frame *f)
{
    if (__atomic_sub_fetch(&thread_count, 1, __ATOMIC_ACQ_REL) == 0) {
        portolan_exit(((int)f->a0 & 0xff) << 8);
    }
    portolan_thread_exit();
}

long linux_exit_group(struct posix_frame *f)
{
    portolan_exit(((int)f->a0 & 0xff) << 8);
}

long linux_set_tid_address(struct posix_frame *f)
{
    thread_block_self()->clear_tid = (uint32_t *)f->a0;
    return thread_id();
}

/* Locks left behind by a thread that dies are found through this list; a task dies as a whole. */
long linux_set_robust_list(struct posix_frame *f)
{
    (void)f;
    return 0;
}

long linux_gettid(struct posix_frame *f)
{
    (void)f;
    return thread_id();
}

long linux_getpid(struct posix_frame *f)
{
    (void)f;
    return thread_process_id();
}

/* %gs is the library's. */
long linux_arch_prctl(struct posix_frame *f)
{
    struct thread_block *block = thread_block_self();

    switch ((int)f->a0) {
    case ARCH_SET_FS:
        return -portolan_errno(thread_block_install(block, f->a1));
    case ARCH_GET_FS:
        *(uint64_t *)f->a1 = block->fs_base;
        return 0;
    default:
        return -EINVAL;
    }
}
