/* ipc_space.c - name spaces: the table of entries, the list of free ones, and the life of a space.
 * See ipc_space.h. */
#include "ipc/ipc_space.h"

#include "arch/layout.h"
#include "ipc/ipc_marequest.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/ledger.h"
#include "kern/string.h"
#include "kern/task.h"
#include "vm/kmem.h"
#include "vm/slab.h"

_Static_assert((uint64_t)IPC_ENTRY_MAX * sizeof(struct ipc_entry) == KMEM_SLOT_SIZE, "one slot");
#define IPC_SPACE_PER_PAGE     (uint32_t)(PAGE_SIZE / sizeof(struct ipc_entry))
#define IPC_SPACE_PAGES        (IPC_ENTRY_MAX / IPC_SPACE_PER_PAGE)
#define IPC_SPACE_SPARSE_BYTES (IPC_SPACE_PAGES / 8)
#define IPC_SPACE_SPARSE_PAGES ((IPC_SPACE_SPARSE_BYTES + PAGE_SIZE - 1) / PAGE_SIZE)

struct ipc_space ipc_space_kernel;

static struct kmem_cache ipc_space_cache;
static struct spinlock ipc_space_list_lock;
static struct list ipc_space_list;

void ipc_space_init(void)
{
    kmem_cache_init(&ipc_space_cache, "ipc_space", sizeof(struct ipc_space), 64);
    spin_init(&ipc_space_list_lock, LOCK_RANK_TASK_LIST, "ipc_space_list");
    list_init(&ipc_space_list);
    spin_init(&ipc_space_kernel.lock, LOCK_RANK_SPACE, "ipc_space_kernel");
    ipc_space_kernel.refs = 1;
    ipc_space_kernel.active = true;
    list_init(&ipc_space_kernel.link);
}

/* --- memory of the table --- */

static bool ipc_space_page_is_sparse(const struct ipc_space *space, uint32_t page)
{
    return space->sparse != NULL && (space->sparse[page / 8] & (1u << (page % 8))) != 0;
}

static kern_return_t ipc_space_charge_pages(struct ipc_space *space, uint32_t pages)
{
    if (!ledger_charge(&space->task->ledger, LEDGER_KMEM_PAGES, pages)) {
        return KERN_RESOURCE_SHORTAGE;
    }
    space->page_count += pages;
    return KERN_SUCCESS;
}

static void ipc_space_credit_pages(struct ipc_space *space, uint32_t pages)
{
    ledger_credit(&space->task->ledger, LEDGER_KMEM_PAGES, pages);
    space->page_count -= pages;
}

static kern_return_t ipc_space_commit_page(struct ipc_space *space, uint32_t page)
{
    kern_return_t kr = ipc_space_charge_pages(space, 1);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = kmem_commit((vm_offset_t)&space->table[page * IPC_SPACE_PER_PAGE], PAGE_SIZE);
    if (kr != KERN_SUCCESS) {
        ipc_space_credit_pages(space, 1);
        return KERN_RESOURCE_SHORTAGE;
    }
    return KERN_SUCCESS;
}

/* Give the page at the end of the committed part memory. */
static kern_return_t ipc_space_grow(struct ipc_space *space)
{
    uint32_t page = space->committed / IPC_SPACE_PER_PAGE;

    if (!ipc_space_page_is_sparse(space, page)) {
        kern_return_t kr = ipc_space_commit_page(space, page);

        if (kr != KERN_SUCCESS) {
            return kr;
        }
    }
    /* The fast path and walks read `committed` without the lock. */
    atomic_store_release(&space->committed, space->committed + IPC_SPACE_PER_PAGE);
    return KERN_SUCCESS;
}

static kern_return_t ipc_space_commit_sparse(struct ipc_space *space, uint32_t page)
{
    kern_return_t kr;

    if (space->sparse == NULL) {
        uint8_t *bitmap;

        kr = ipc_space_charge_pages(space, IPC_SPACE_SPARSE_PAGES);
        if (kr != KERN_SUCCESS) {
            return kr;
        }
        bitmap = kalloc_zeroed(IPC_SPACE_SPARSE_BYTES);
        if (bitmap == NULL) {
            ipc_space_credit_pages(space, IPC_SPACE_SPARSE_PAGES);
            return KERN_RESOURCE_SHORTAGE;
        }
        atomic_store_release(&space->sparse, bitmap);
    }
    kr = ipc_space_commit_page(space, page);
    if (kr == KERN_SUCCESS) {
        space->sparse[page / 8] |= (uint8_t)(1u << (page % 8));
    }
    return kr;
}

/* --- finding entries --- */

struct ipc_entry *ipc_space_entry_at(struct ipc_space *space, uint32_t index)
{
    if (index < atomic_load_acquire(&space->committed) ||
        (index < IPC_ENTRY_MAX && ipc_space_page_is_sparse(space, index / IPC_SPACE_PER_PAGE))) {
        return &space->table[index];
    }
    return NULL;
}

struct ipc_entry *ipc_space_lookup_far(struct ipc_space *space, mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_entry_at(space, name & IPC_NAME_INDEX_MASK);

    return entry != NULL && ipc_space_entry_is(entry, name) ? entry : NULL;
}

uint32_t ipc_space_index(const struct ipc_space *space, const struct ipc_entry *entry)
{
    return (uint32_t)(entry - space->table);
}

mach_port_name_t ipc_space_name(const struct ipc_space *space, const struct ipc_entry *entry)
{
    return ipc_space_index(space, entry) | (entry->bits & IPC_ENTRY_GENERATION);
}

uint32_t ipc_space_next_index(struct ipc_space *space, uint32_t index)
{
    uint32_t page;

    if (index < space->high_water) {
        return index;
    }
    if (index < space->committed) {
        return index;
    }
    if (space->sparse == NULL) {
        return IPC_ENTRY_MAX;
    }
    for (page = index / IPC_SPACE_PER_PAGE; page < IPC_SPACE_PAGES; page++) {
        if (page % 8 == 0 && space->sparse[page / 8] == 0) {
            page += 7;
        } else if (ipc_space_page_is_sparse(space, page)) {
            uint32_t first = page * IPC_SPACE_PER_PAGE;

            return index > first ? index : first;
        }
    }
    return IPC_ENTRY_MAX;
}

/* --- taking and freeing entries --- */

/* Names are charged in small batches, so that the hot path has no atomic operation. */
static bool ipc_space_charge_name(struct ipc_space *space)
{
    struct ledger *ledger = &space->task->ledger;

    if (space->name_credit == 0) {
        if (ledger_charge(ledger, LEDGER_NAMES, IPC_SPACE_NAME_BATCH)) {
            space->name_credit = IPC_SPACE_NAME_BATCH;
        } else if (ledger_charge(ledger, LEDGER_NAMES, 1)) {
            space->name_credit = 1;
        } else {
            return false;
        }
        space->name_charged += space->name_credit;
    }
    space->name_credit -= 1;
    return true;
}

/* Give a batch back to the ledger when enough has come together. */
static void ipc_space_credit_names(struct ipc_space *space)
{
    if (space->name_credit >= 2 * IPC_SPACE_NAME_BATCH) {
        ledger_credit(&space->task->ledger, LEDGER_NAMES, IPC_SPACE_NAME_BATCH);
        space->name_credit -= IPC_SPACE_NAME_BATCH;
        space->name_charged -= IPC_SPACE_NAME_BATCH;
    }
}

static void ipc_space_free_remove(struct ipc_space *space, struct ipc_entry *entry)
{
    if (space->free_head == ipc_space_index(space, entry)) {
        space->free_head = entry->next;
    } else {
        space->table[entry->prev].next = entry->next;
    }
    space->table[entry->next].prev = entry->prev; /* entry 0 takes the last one's */
}

/* Take the lowest entry never given out. Entries taken by chosen names on the way are passed once.
 */
static kern_return_t ipc_space_take_new(struct ipc_space *space, struct ipc_entry **entry)
{
    while (space->high_water < IPC_ENTRY_MAX - 1) {
        struct ipc_entry *candidate;

        if (space->high_water >= space->committed) {
            kern_return_t kr = ipc_space_grow(space);

            if (kr != KERN_SUCCESS) {
                return kr;
            }
        }
        candidate = &space->table[space->high_water];
        space->high_water += 1;
        if ((candidate->bits & IPC_ENTRY_TYPE) == 0) {
            *entry = candidate;
            return KERN_SUCCESS;
        }
    }
    return KERN_NO_SPACE;
}

kern_return_t ipc_space_entry_alloc(struct ipc_space *space, mach_port_name_t *name,
                                    struct ipc_entry **entry)
{
    assert(spin_is_held(&space->lock) && space->active);
    if (ipc_space_has_free(space)) {
        *entry = ipc_space_take_free(space, name);
        *name |= (*entry)->bits;
        return KERN_SUCCESS;
    }
    if (!ipc_space_charge_name(space)) {
        return KERN_NO_SPACE;
    }
    if (space->free_head != 0) {
        *entry = &space->table[space->free_head];
        ipc_space_free_remove(space, *entry);
    } else {
        kern_return_t kr = ipc_space_take_new(space, entry);

        if (kr != KERN_SUCCESS) {
            space->name_credit += 1;
            return kr;
        }
    }
    *name = ipc_space_name(space, *entry);
    return KERN_SUCCESS;
}

/* The entry of a chosen name must have memory and be free. */
static kern_return_t ipc_space_reach(struct ipc_space *space, mach_port_name_t name)
{
    uint32_t index = name & IPC_NAME_INDEX_MASK;
    struct ipc_entry *entry = ipc_space_entry_at(space, index);

    if (entry != NULL) {
        if ((entry->bits & IPC_ENTRY_TYPE) == 0) {
            return index == 0 ? KERN_NO_SPACE : KERN_SUCCESS;
        }
        return ((entry->bits ^ name) & IPC_ENTRY_GENERATION) == 0 ? KERN_NAME_EXISTS
                                                                  : KERN_NO_SPACE;
    }
    if (index / IPC_SPACE_PER_PAGE == space->committed / IPC_SPACE_PER_PAGE) {
        return ipc_space_grow(space);
    }
    return ipc_space_commit_sparse(space, index / IPC_SPACE_PER_PAGE);
}

kern_return_t ipc_space_entry_alloc_name(struct ipc_space *space, mach_port_name_t name,
                                         struct ipc_entry **entry)
{
    uint32_t index = name & IPC_NAME_INDEX_MASK;
    kern_return_t kr;

    assert(spin_is_held(&space->lock) && space->active);
    kr = ipc_space_reach(space, name);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (!ipc_space_charge_name(space)) {
        return KERN_NO_SPACE;
    }
    *entry = &space->table[index];
    if (index < space->high_water) {
        ipc_space_free_remove(space, *entry);
    } else if (index == space->high_water) {
        space->high_water += 1;
    }
    (*entry)->bits = name & IPC_ENTRY_GENERATION;
    return KERN_SUCCESS;
}

void ipc_space_entry_free(struct ipc_space *space, struct ipc_entry *entry)
{
    uint32_t index = ipc_space_index(space, entry);

    assert(spin_is_held(&space->lock));
    entry->request = NULL;
    entry->claimed = 0;
    if ((space->self_name & IPC_NAME_INDEX_MASK) == index) {
        atomic_store(&space->self_name, MACH_PORT_NAME_NULL);
    }
    ipc_space_give(space, entry);
    if (index < space->high_water) {
        ipc_space_link_free(space, entry, index);
    }
    ipc_space_credit_names(space);
}

/* --- life --- */

kern_return_t ipc_space_create(struct task *task, struct ipc_space **result)
{
    struct ipc_space *space = kmem_cache_alloc(&ipc_space_cache);

    if (space == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    memset(space, 0, sizeof(*space));
    spin_init(&space->lock, LOCK_RANK_SPACE, "ipc_space");
    space->refs = 1;
    space->active = true;
    space->task = task;
    space->high_water = 1;
    ipc_hash_init(&space->hash);
    space->table = (struct ipc_entry *)kmem_slot_alloc();
    if (space->table == NULL) {
        goto undo_space;
    }
    if (ipc_space_grow(space) != KERN_SUCCESS) {
        goto undo_table;
    }
    spin_lock(&ipc_space_list_lock);
    list_insert_tail(&ipc_space_list, &space->link);
    spin_unlock(&ipc_space_list_lock);
    *result = space;
    return KERN_SUCCESS;

undo_table:
    kmem_slot_free((vm_offset_t)space->table);
undo_space:
    kmem_cache_free(&ipc_space_cache, space);
    return KERN_RESOURCE_SHORTAGE;
}

void ipc_space_destroy(struct ipc_space *space)
{
    uint32_t index;
    bool was_active;

    spin_lock(&space->lock);
    was_active = space->active;
    space->active = false;
    spin_unlock(&space->lock);
    if (!was_active) {
        return;
    }
    /* Nobody changes the table of an inactive space, so each right is taken out with the lock held
     * for that right only. */
    for (index = ipc_space_next_index(space, 1); index < IPC_ENTRY_MAX;
         index = ipc_space_next_index(space, index + 1)) {
        if ((space->table[index].bits & IPC_ENTRY_TYPE) != 0) {
            ipc_right_clean(space, &space->table[index]);
        }
    }
    ipc_marequest_forget(space);
    ledger_credit(&space->task->ledger, LEDGER_NAMES, space->name_credit);
    ledger_credit(&space->task->ledger, LEDGER_KMEM_PAGES, space->page_count);
    space->name_charged -= space->name_credit;
    space->name_credit = 0;
    space->page_count = 0;
    spin_lock(&ipc_space_list_lock);
    list_remove(&space->link);
    spin_unlock(&ipc_space_list_lock);
}

void ipc_space_ref(struct ipc_space *space)
{
    atomic_inc(&space->refs);
}

static void ipc_space_free_table(struct ipc_space *space)
{
    uint32_t page = space->committed / IPC_SPACE_PER_PAGE;

    kmem_decommit((vm_offset_t)space->table, (uint64_t)page * PAGE_SIZE);
    while (space->sparse != NULL && page < IPC_SPACE_PAGES) {
        if (ipc_space_page_is_sparse(space, page)) {
            kmem_decommit((vm_offset_t)&space->table[page * IPC_SPACE_PER_PAGE], PAGE_SIZE);
        }
        page += 1;
    }
    kmem_slot_free((vm_offset_t)space->table);
    if (space->sparse != NULL) {
        kfree(space->sparse, IPC_SPACE_SPARSE_BYTES);
    }
}

void ipc_space_unref(struct ipc_space *space)
{
    if (!atomic_dec_and_test(&space->refs)) {
        return;
    }
    assert(!space->active && ipc_space_name_count(space) == 0);
    ipc_space_free_table(space);
    ipc_hash_fini(&space->hash);
    kmem_cache_free(&ipc_space_cache, space);
}

void ipc_space_foreach(void (*visit)(struct ipc_space *, void *), void *argument)
{
    spin_lock(&ipc_space_list_lock);
    list_for_each (&ipc_space_list, node) {
        visit(list_entry(node, struct ipc_space, link), argument);
    }
    spin_unlock(&ipc_space_list_lock);
}

/* --- one right at a time, for kernel calls --- */

kern_return_t ipc_space_copyin_right(struct ipc_space *space, mach_port_name_t name,
                                     uint32_t disposition, struct ipc_port **port)
{
    struct ipc_right_cleanup cleanup;
    kern_return_t kr;

    if (!MACH_MSG_TYPE_PORT_ANY(disposition)) {
        return KERN_INVALID_VALUE;
    }
    ipc_right_cleanup_init(&cleanup);
    spin_lock(&space->lock);
    if (!space->active) {
        spin_unlock(&space->lock);
        return KERN_INVALID_TASK;
    }
    kr = ipc_right_copyin_check(space, name, disposition, true);
    if (kr == KERN_SUCCESS) {
        ipc_right_copyin(space, name, disposition, port, &cleanup);
    }
    spin_unlock(&space->lock);
    if (kr == KERN_SUCCESS && disposition == MACH_MSG_TYPE_MOVE_RECEIVE) {
        ipc_port_receive_moved(*port);
    }
    ipc_right_cleanup_run(&cleanup);
    return kr;
}

kern_return_t ipc_space_copyout_right(struct ipc_space *space, struct ipc_port *port, uint32_t type,
                                      mach_port_name_t *name)
{
    kern_return_t kr = KERN_INVALID_TASK;

    if (!IP_VALID(port)) {
        *name = port == IP_DEAD ? MACH_PORT_NAME_DEAD : MACH_PORT_NAME_NULL;
        return KERN_SUCCESS;
    }
    *name = MACH_PORT_NAME_NULL;
    spin_lock(&space->lock);
    if (space->active) {
        kr = ipc_right_copyout(space, port, type, true, name);
    }
    spin_unlock(&space->lock);
    if (kr == KERN_INVALID_CAPABILITY) {
        *name = MACH_PORT_NAME_DEAD;
        ipc_port_unref(port);
        return KERN_SUCCESS;
    }
    if (kr != KERN_SUCCESS) {
        ipc_port_release_right(port, type);
    }
    return kr;
}
