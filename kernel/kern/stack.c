/* stack.c - kernel stacks, a few kept at hand by each processor. */
#include "kern/stack.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/layout.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "vm/kmem.h"

#define STACK_CACHE_MAX  8
#define STACK_CACHE_KEEP 4

/* Keys: [C] by its processor with interrupts off */
struct stack_cache {
    uint64_t stacks[STACK_CACHE_MAX]; /* [C] */
    uint32_t count;                   /* [C] */
    uint64_t overflow; /* [C] a chain of stacks to be freed, linked through their first word */
};

static struct stack_cache stack_caches[CPU_MAX];
static uint64_t stack_total; /* [a] */

static uint64_t stack_create(void)
{
    uint64_t va = kmem_va_alloc(KERNEL_STACK_SIZE + PAGE_SIZE, PAGE_SIZE);

    if (va == 0) {
        return 0;
    }
    if (kmem_commit(va + PAGE_SIZE, KERNEL_STACK_SIZE) != KERN_SUCCESS) {
        kmem_va_free(va, KERNEL_STACK_SIZE + PAGE_SIZE);
        return 0;
    }
    atomic_inc(&stack_total);
    return va + PAGE_SIZE;
}

static void stack_destroy(uint64_t stack)
{
    kmem_decommit(stack, KERNEL_STACK_SIZE);
    kmem_va_free(stack - PAGE_SIZE, KERNEL_STACK_SIZE + PAGE_SIZE);
    atomic_dec(&stack_total);
}

bool stack_prepare(void)
{
    uint64_t flags = interrupt_save_disable();
    bool have = stack_caches[cpu_number()].count > 0;
    uint64_t stack;

    interrupt_restore(flags);
    if (have) {
        return true;
    }
    stack = stack_create();
    if (stack == 0) {
        return false;
    }
    flags = interrupt_save_disable();
    stack_give(stack);
    interrupt_restore(flags);
    return true;
}

uint64_t stack_take(void)
{
    struct stack_cache *cache = &stack_caches[cpu_number()];

    assert(!interrupt_is_enabled());
    if (cache->count == 0) {
        return 0;
    }
    cache->count--;
    return cache->stacks[cache->count];
}

void stack_give(uint64_t stack)
{
    struct stack_cache *cache = &stack_caches[cpu_number()];

    assert(!interrupt_is_enabled());
    assert(stack % PAGE_SIZE == 0);
    if (cache->count < STACK_CACHE_MAX) {
        cache->stacks[cache->count] = stack;
        cache->count++;
        return;
    }
    *(uint64_t *)stack = cache->overflow;
    cache->overflow = stack;
}

void stack_trim(void)
{
    for (;;) {
        uint64_t flags = interrupt_save_disable();
        struct stack_cache *cache = &stack_caches[cpu_number()];
        uint64_t stack = cache->overflow;

        if (stack != 0) {
            cache->overflow = *(uint64_t *)stack;
        } else if (cache->count > STACK_CACHE_KEEP) {
            stack = stack_take();
        }
        interrupt_restore(flags);
        if (stack == 0) {
            return;
        }
        stack_destroy(stack);
    }
}

bool stack_is_guard(uint64_t address)
{
    return address >= KMEM_BASE && address < KMEM_BASE + KMEM_SIZE;
}

uint64_t stack_count(void)
{
    return atomic_load(&stack_total);
}
