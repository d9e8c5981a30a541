/* emulation.c - tables of handlers for emulated system calls. A change makes a new table, so tasks
 * that share one do not see each other's. */
#include "kern/emulation.h"

#include "arch/layout.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/string.h"
#include "kern/task.h"
#include "vm/slab.h"

/* Keys: [a] atomic */
struct emulation {
    uint32_t refs;                        /* [a] */
    vm_address_t handlers[EMULATION_MAX]; /* [a] 0: none */
};

struct emulation *emulation_ref(struct emulation *emulation)
{
    assert(emulation == NULL || atomic_load(&emulation->refs) != 0);
    if (emulation != NULL) {
        atomic_inc(&emulation->refs);
    }
    return emulation;
}

void emulation_unref(struct emulation *emulation)
{
    assert(emulation == NULL || atomic_load(&emulation->refs) != 0);
    if (emulation != NULL && atomic_dec_and_test(&emulation->refs)) {
        kfree(emulation, sizeof(*emulation));
    }
}

vm_address_t emulation_lookup(uint32_t number)
{
    struct task *task = current_task();
    vm_address_t handler = 0;

    if (number >= EMULATION_MAX) {
        return 0;
    }
    spin_lock(&task->lock);
    if (task->emulation != NULL) {
        handler = atomic_load(&task->emulation->handlers[number]);
    }
    spin_unlock(&task->lock);
    return handler;
}

kern_return_t emulation_set(struct task *task, uint32_t start, const vm_address_t *handlers,
                            uint32_t count)
{
    struct emulation *fresh;
    struct emulation *old;

    if (start >= EMULATION_MAX || count > EMULATION_MAX - start) {
        return KERN_INVALID_ARGUMENT;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (handlers[i] >= VM_MAX_ADDRESS) {
            return KERN_INVALID_ARGUMENT;
        }
    }
    fresh = kalloc(sizeof(*fresh));
    if (fresh == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    memset(fresh, 0, sizeof(*fresh));
    fresh->refs = 1;
    spin_lock(&task->lock);
    if (task->dying) { /* what it had is being given back */
        spin_unlock(&task->lock);
        kfree(fresh, sizeof(*fresh));
        return KERN_FAILURE;
    }
    old = task->emulation;
    if (old != NULL) {
        memcpy(fresh->handlers, old->handlers, sizeof(fresh->handlers));
    }
    memcpy(fresh->handlers + start, handlers, count * sizeof(*handlers));
    task->emulation = fresh;
    spin_unlock(&task->lock);
    emulation_unref(old);
    return KERN_SUCCESS;
}

uint32_t emulation_get(struct task *task, vm_address_t *handlers)
{
    uint32_t count = 0;

    memset(handlers, 0, EMULATION_MAX * sizeof(*handlers));
    spin_lock(&task->lock);
    if (task->emulation != NULL) {
        memcpy(handlers, task->emulation->handlers, EMULATION_MAX * sizeof(*handlers));
    }
    spin_unlock(&task->lock);
    for (uint32_t i = 0; i < EMULATION_MAX; i++) {
        count = handlers[i] != 0 ? i + 1 : count;
    }
    return count;
}
