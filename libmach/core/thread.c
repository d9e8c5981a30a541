/* thread.c - the library's block of a thread: made before the thread runs, gone with it. */
#include <gnumach.h>
#include <mach.h>
#include <mach_port.h>
#include <mach_port_request.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>

#include "core/text.h"
#include "core/thread_block.h"

kern_return_t thread_block_create(struct thread_block **block)
{
    vm_address_t base = 0;
    kern_return_t kr;
    struct thread_block *b;

    kr = syscall_vm_allocate((mach_task_self)(), &base, THREAD_BLOCK_SIZE, TRUE);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    b = (struct thread_block *)((base + THREAD_BLOCK_SIZE - sizeof(*b)) & ~(vm_address_t)63);
    b->self = b;
    b->handler_stack = (uint64_t)b;
    b->base = base;
    *block = b;
    return KERN_SUCCESS;
}

void thread_block_destroy(struct thread_block *block)
{
    syscall_vm_deallocate(mach_task_self(), block->base, THREAD_BLOCK_SIZE);
}

void thread_block_guard(struct thread_block *block)
{
    vm_protect(mach_task_self(), block->base, MACH_PAGE_SIZE, FALSE, VM_PROT_NONE);
}

kern_return_t thread_block_install(struct thread_block *block, uint64_t fs_base)
{
    struct i386_fsgs_base_state bases = {fs_base, (uint64_t)block};
    kern_return_t kr;

    kr = thread_set_self_state(i386_FSGS_BASE_STATE, (thread_state_t)&bases,
                               i386_FSGS_BASE_STATE_COUNT);
    if (kr == KERN_SUCCESS) {
        block->fs_base = fs_base;
    }
    return kr;
}

kern_return_t portolan_thread_attach(void)
{
    struct thread_block *block;
    kern_return_t kr;

    kr = thread_block_create(&block);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = thread_block_install(block, 0);
    if (kr != KERN_SUCCESS) {
        thread_block_destroy(block);
        return kr;
    }
    block->thread_port = mach_thread_self();
    thread_block_guard(block);
    return KERN_SUCCESS;
}

mach_port_t portolan_thread_port(void)
{
    return thread_block_self()->thread_port;
}

void portolan_thread_exit(void)
{
    struct thread_block *block = thread_block_self();

    /* Who joins the thread then finds its port gone. No call from here on waits for a reply. */
    if (block->reply_port != MACH_PORT_NULL) {
        mach_port_destroy_request(mach_task_self(), block->reply_port);
        block->reply_port = MACH_PORT_NULL;
    }
    if (block->clear_tid != NULL) {
        /* From here on the thread's other stack may be unmapped at any time. */
        __atomic_store_n(block->clear_tid, 0, __ATOMIC_SEQ_CST);
        gsync_wake(mach_task_self(), (vm_address_t)block->clear_tid, 0, 0);
    }
    for (;;) {
        thread_terminate_release(block->thread_port, mach_task_self(), block->thread_port,
                                 MACH_PORT_NULL, block->base, THREAD_BLOCK_SIZE);
    }
}

kern_return_t portolan_sleep(natural_t milliseconds)
{
    unsigned word = 0;
    kern_return_t kr;

    kr = gsync_wait(mach_task_self(), (vm_address_t)&word, 0, 0, milliseconds, GSYNC_TIMED);
    return kr == KERN_INTERRUPTED ? kr : KERN_SUCCESS;
}

void portolan_lock_acquire(struct portolan_lock *lock)
{
    uint32_t seen = 0;

    if (__atomic_compare_exchange_n(&lock->state, &seen, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
        return;
    }
    while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0) {
        gsync_wait(mach_task_self(), (vm_address_t)&lock->state, 2, 0, 0, 0);
    }
}

void portolan_lock_release(struct portolan_lock *lock)
{
    if (__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2) {
        gsync_wake(mach_task_self(), (vm_address_t)&lock->state, 0, 0);
    }
}
