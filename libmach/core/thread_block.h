/* thread_block.h - the library's block of a thread, at %gs:0. Below the structure, down to a guard
 * page, is the stack emulated system calls run on: the caller's may be tiny, or just going away. */
#ifndef LIBMACH_CORE_THREAD_BLOCK_H
#define LIBMACH_CORE_THREAD_BLOCK_H

#define THREAD_BLOCK_SELF          0
#define THREAD_BLOCK_HANDLER_STACK 8
#define THREAD_BLOCK_USER_STACK    16

#ifndef __ASSEMBLER__

#include <mach/mach.h>
#include <mach/mig_support.h>
#include <stdbool.h>

#define THREAD_BLOCK_SIZE ((vm_size_t)48 * 1024)

/* Used by its own thread alone, once that runs. */
struct thread_block {
    struct thread_block *self;
    uint64_t handler_stack; /* top of the stack for emulated calls */
    uint64_t user_stack;    /* where entry.S keeps the caller's stack pointer */
    uint64_t fs_base;       /* what arch_prctl set, libc's block */
    mach_port_t reply_port;
    mach_port_t thread_port;
    uint32_t *clear_tid; /* zeroed and woken at the end, or NULL */
    uint64_t signal_mask;
    vm_address_t base; /* of the whole block with its stack */
    int tid;           /* 0: not asked for yet */
};

MACH_ABI_OFFSET(struct thread_block, self, THREAD_BLOCK_SELF);
MACH_ABI_OFFSET(struct thread_block, handler_stack, THREAD_BLOCK_HANDLER_STACK);
MACH_ABI_OFFSET(struct thread_block, user_stack, THREAD_BLOCK_USER_STACK);
MACH_ABI_OFFSET(struct thread_block, reply_port, MIG_REPLY_PORT);

static inline struct thread_block *thread_block_self(void)
{
    struct thread_block *block;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(block));
    return block;
}

/* New block for a thread that does not run yet. Returns: KERN_SUCCESS, KERN_NO_SPACE,
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t thread_block_create(struct thread_block **block);

/* For one that was never used. */
void thread_block_destroy(struct thread_block *block);

/* Make the page below the stack inaccessible (needs a reply port). */
void thread_block_guard(struct thread_block *block);

/* Set the bases of %fs and %gs for the calling thread. */
kern_return_t thread_block_install(struct thread_block *block, uint64_t fs_base);

#endif

#endif
