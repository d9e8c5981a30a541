/* signal.c - signals: actions and masks are kept, none is delivered to a handler. A signal that a
 * program sends itself ends it where that is what the signal does. */
#define _GNU_SOURCE
#include <errno.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <signal.h>

#include "core/thread_block.h"
#include "posix/posix.h"
#include "posix/thread.h"

#define SIGNAL_MAX      64
#define SIGNAL_SET_SIZE 8

/* As the kernel of Linux has it. */
struct linux_action {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

static struct portolan_lock signal_lock;
static struct linux_action signal_actions[SIGNAL_MAX + 1]; /* under signal_lock */

long linux_rt_sigaction(struct posix_frame *f)
{
    const int signal = (int)f->a0;
    const struct linux_action *fresh = (const struct linux_action *)f->a1;
    struct linux_action *old = (struct linux_action *)f->a2;
    struct linux_action before;

    if (signal < 1 || signal > SIGNAL_MAX || f->a3 != SIGNAL_SET_SIZE ||
        (fresh != NULL && (signal == SIGKILL || signal == SIGSTOP))) {
        return -EINVAL;
    }
    portolan_lock_acquire(&signal_lock);
    before = signal_actions[signal];
    portolan_lock_release(&signal_lock);
    if (fresh != NULL) {
        struct linux_action now = *fresh;

        portolan_lock_acquire(&signal_lock);
        signal_actions[signal] = now;
        portolan_lock_release(&signal_lock);
    }
    if (old != NULL) {
        *old = before;
    }
    return 0;
}

long linux_rt_sigprocmask(struct posix_frame *f)
{
    struct thread_block *block = thread_block_self();
    const uint64_t *set = (const uint64_t *)f->a1;
    const uint64_t before = block->signal_mask;

    if (f->a3 != SIGNAL_SET_SIZE) {
        return -EINVAL;
    }
    if (set != NULL) {
        switch ((int)f->a0) {
        case SIG_BLOCK:
            block->signal_mask = before | *set;
            break;
        case SIG_UNBLOCK:
            block->signal_mask = before & ~*set;
            break;
        case SIG_SETMASK:
            block->signal_mask = *set;
            break;
        default:
            return -EINVAL;
        }
    }
    if (f->a2 != 0) {
        *(uint64_t *)f->a2 = before;
    }
    return 0;
}

/* Does the signal do nothing by itself, or only stop or continue? */
static bool signal_is_harmless(int signal)
{
    switch (signal) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return true;
    default:
        return false;
    }
}

static long signal_self(int signal)
{
    uint64_t handler;

    if (signal < 0 || signal > SIGNAL_MAX) {
        return -EINVAL;
    }
    if (signal == 0) {
        return 0;
    }
    portolan_lock_acquire(&signal_lock);
    handler = signal_actions[signal].handler;
    portolan_lock_release(&signal_lock);
    if (handler == (uint64_t)SIG_DFL && !signal_is_harmless(signal)) {
        portolan_exit(signal);
    }
    return 0;
}

long linux_kill(struct posix_frame *f)
{
    int process = (int)f->a0;

    return process == 0 || process == thread_process_id() ? signal_self((int)f->a1) : -ESRCH;
}

long linux_tkill(struct posix_frame *f)
{
    return signal_self((int)f->a1);
}

long linux_tgkill(struct posix_frame *f)
{
    return (int)f->a0 == thread_process_id() ? signal_self((int)f->a2) : -ESRCH;
}

/* With no handlers to run, no stack for them is needed. */
long linux_sigaltstack(struct posix_frame *f)
{
    stack_t *old = (stack_t *)f->a1;

    if (old != NULL) {
        old->ss_sp = NULL;
        old->ss_flags = SS_DISABLE;
        old->ss_size = 0;
    }
    return 0;
}
