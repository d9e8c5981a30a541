/* hv_dirty.c - the log of the pages that a machine's guest has written (hv.defs): pmap_log.h, its
 * bits charged to the task that made the machine. Locks: the machine's, then its pmap's. */
#include "hv/hv_dirty.h"

#include "arch/pmap_log.h"
#include "hv/hv_check.h"
#include "hv/hv_impl.h"
#include "hv_kernel_server.h"
#include "kern/ledger.h"
#include "kern/task.h"
#include "vm/slab.h"

#define WORD_SIZE ((vm_size_t)HV_DIRTY_PAGES << PAGE_SHIFT) /* bytes of memory for one word */

struct hv_dirty {
    struct pmap_log log;
    size_t size; /* of its bits, in bytes */
};

/* Bytes of bits for so much memory, and the pages they are charged as. */
static size_t hv_dirty_size(vm_size_t size)
{
    return (size + WORD_SIZE - 1) / WORD_SIZE * sizeof(uint64_t);
}

static uint64_t hv_dirty_pages(size_t size)
{
    return (size + PAGE_MASK) >> PAGE_SHIFT;
}

static void hv_dirty_free(struct hv_dirty *dirty)
{
    if (dirty != NULL) {
        kfree(dirty->log.bits, dirty->size);
        kfree(dirty, sizeof(*dirty));
    }
}

static struct hv_dirty *hv_dirty_create(vm_offset_t start, vm_size_t size)
{
    struct hv_dirty *dirty = kalloc_zeroed(sizeof(*dirty));

    if (dirty == NULL) {
        return NULL;
    }
    dirty->size = hv_dirty_size(size);
    dirty->log.start = start;
    dirty->log.end = start + size;
    dirty->log.is_told = hv_limits.tells_writes;
    dirty->log.bits = kalloc_zeroed(dirty->size);
    if (dirty->log.bits == NULL) {
        kfree(dirty, sizeof(*dirty));
        return NULL;
    }
    return dirty;
}

/* Locks: machine->lock held. */
static kern_return_t hv_dirty_install(struct hv_machine *machine, struct hv_dirty *dirty)
{
    if (machine->ended) {
        return KERN_TERMINATED;
    }
    if (machine->dirty != NULL) {
        return KERN_FAILURE;
    }
    machine->dirty = dirty;
    (void)pmap_log_begin(machine->map->pmap, &dirty->log); /* it has no other */
    return KERN_SUCCESS;
}

/* Locks: machine->lock held, or it has ended. Returns: what is to be freed, or NULL. */
static struct hv_dirty *hv_dirty_remove(struct hv_machine *machine, struct task *task)
{
    struct hv_dirty *dirty = machine->dirty;

    if (dirty != NULL) {
        (void)pmap_log_end(machine->map->pmap);
        machine->dirty = NULL;
        ledger_credit(&task->ledger, LEDGER_KMEM_PAGES, hv_dirty_pages(dirty->size));
    }
    return dirty;
}

void hv_dirty_end(struct hv_machine *machine, struct task *task)
{
    hv_dirty_free(hv_dirty_remove(machine, task));
}

/* Who is charged for it, with a reference; NULL: it has ended. */
static struct task *hv_dirty_take_task(struct hv_machine *machine)
{
    struct task *task;

    spin_lock(&machine->lock);
    task = machine->task;
    if (task != NULL) {
        task_ref(task);
    }
    spin_unlock(&machine->lock);
    return task;
}

/* Charged first: what is refused takes no memory, not even for a moment. */
static kern_return_t hv_dirty_begin(struct hv_machine *machine, struct task *task,
                                    vm_offset_t start, vm_size_t size)
{
    uint64_t pages = hv_dirty_pages(hv_dirty_size(size));
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;
    struct hv_dirty *dirty;

    if (!ledger_charge(&task->ledger, LEDGER_KMEM_PAGES, pages)) {
        return kr;
    }
    dirty = hv_dirty_create(start, size);
    if (dirty != NULL) {
        spin_lock(&machine->lock);
        kr = hv_dirty_install(machine, dirty);
        spin_unlock(&machine->lock);
    }
    if (kr != KERN_SUCCESS) {
        hv_dirty_free(dirty);
        ledger_credit(&task->ledger, LEDGER_KMEM_PAGES, pages);
    }
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no machine, not page aligned, no size),
 * KERN_INVALID_ADDRESS (beyond the guest's addresses), KERN_FAILURE (there is a log),
 * KERN_RESOURCE_SHORTAGE, KERN_TERMINATED. */
kern_return_t hv_machine_start_dirty(hv_machine_t machine, vm_address_t address, vm_size_t size)
{
    struct task *task;
    kern_return_t kr;

    if (((address | size) & PAGE_MASK) != 0 || size == 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (address >= HV_PHYSICAL_END || size > HV_PHYSICAL_END - address) {
        return KERN_INVALID_ADDRESS;
    }
    task = hv_dirty_take_task(machine);
    if (task == NULL) {
        return KERN_TERMINATED;
    }
    kr = hv_dirty_begin(machine, task, address, size);
    task_unref(task);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    pmap_log_switch(machine->map->pmap);
    pmap_log_protect(machine->map->pmap, address, address + size);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no machine), KERN_FAILURE (there is no log),
 * KERN_TERMINATED. */
kern_return_t hv_machine_stop_dirty(hv_machine_t machine)
{
    kern_return_t kr = KERN_TERMINATED;
    struct hv_dirty *dirty = NULL;

    spin_lock(&machine->lock);
    if (!machine->ended) {
        dirty = hv_dirty_remove(machine, machine->task);
        kr = dirty != NULL ? KERN_SUCCESS : KERN_FAILURE;
    }
    spin_unlock(&machine->lock);
    if (dirty != NULL) {
        pmap_log_switch(machine->map->pmap);
    }
    hv_dirty_free(dirty);
    return kr;
}

/* Are these whole words of the log? */
static bool hv_dirty_has(const struct pmap_log *log, vm_address_t address, vm_size_t size)
{
    return address >= log->start && address < log->end && (address - log->start) % WORD_SIZE == 0 &&
           size <= log->end - address && (size % WORD_SIZE == 0 || size == log->end - address);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no machine, not whole words of the log, too many or
 * none), KERN_FAILURE (there is no log), KERN_TERMINATED. */
kern_return_t hv_machine_get_dirty(hv_machine_t machine, vm_address_t address, vm_size_t size,
                                   hv_dirty_t pages, mach_msg_type_number_t *count)
{
    kern_return_t kr = KERN_SUCCESS;

    if (size == 0 || size > HV_DIRTY_MAX * WORD_SIZE) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&machine->lock);
    if (machine->ended) {
        kr = KERN_TERMINATED;
    } else if (machine->dirty == NULL) {
        kr = KERN_FAILURE;
    } else if (!hv_dirty_has(&machine->dirty->log, address, size)) {
        kr = KERN_INVALID_ARGUMENT;
    } else {
        *count = (mach_msg_type_number_t)((size + WORD_SIZE - 1) / WORD_SIZE);
        pmap_log_take(machine->map->pmap, (address - machine->dirty->log.start) >> PAGE_SHIFT,
                      (uint64_t *)pages, *count);
    }
    spin_unlock(&machine->lock);
    if (kr == KERN_SUCCESS) {
        pmap_log_protect(machine->map->pmap, address, address + size);
    }
    return kr;
}
