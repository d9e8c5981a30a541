/* vm_map_fork.c - the address space of a new task: each region is left out, shared or copied, as
 * its inheritance says.
 *
 * Locks: the parent's map for the whole time. The child is not known to anybody yet. */
#include "vm/vm_map.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"

/* Make the parent's entry and the child's see one object for good. */
static kern_return_t vm_map_fork_share(struct vm_map *parent, struct vm_map_entry *entry,
                                       struct vm_map_entry *child)
{
    kern_return_t kr = vm_map_entry_share(parent, entry);

    if (kr == KERN_SUCCESS) {
        vm_object_ref(entry->object);
        child->object = entry->object;
        child->offset = entry->offset;
        child->needs_copy = false;
    }
    return kr;
}

/* There is only one of a device: what would be a copy is shared. */
static bool vm_map_fork_is_device(const struct vm_map_entry *entry)
{
    return entry->object != NULL && (atomic_load(&entry->object->flags) & VM_OBJECT_DEVICE) != 0;
}

static kern_return_t vm_map_fork_entry(struct vm_map *parent, struct vm_map_entry *entry,
                                       struct vm_map *child)
{
    struct vm_map_entry *copy = vm_map_entry_create();
    kern_return_t kr;

    if (copy == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    copy->start = entry->start;
    copy->end = entry->end;
    copy->protection = entry->protection;
    copy->max_protection = entry->max_protection;
    copy->inheritance = entry->inheritance;
    if (entry->inheritance == VM_INHERIT_SHARE || vm_map_fork_is_device(entry)) {
        kr = vm_map_fork_share(parent, entry, copy);
    } else {
        kr = vm_map_entry_copy(parent, entry, copy);
    }
    if (kr != KERN_SUCCESS) {
        vm_map_entry_destroy(copy);
        return kr;
    }
    vm_map_entry_link(child, copy);
    return KERN_SUCCESS;
}

static kern_return_t vm_map_fork_entries(struct vm_map *parent, struct vm_map *child)
{
    struct rbnode *node = rbtree_first(&parent->entries);
    kern_return_t kr = KERN_SUCCESS;

    assert(mutex_is_held(&parent->lock));
    for (; node != NULL && kr == KERN_SUCCESS; node = rbtree_next(node)) {
        struct vm_map_entry *entry = vm_map_entry_of(node);

        if (entry->inheritance != VM_INHERIT_NONE) {
            kr = vm_map_fork_entry(parent, entry, child);
        }
    }
    child->size_limit = parent->size_limit;
    child->size_limit_max = parent->size_limit_max;
    return kr;
}

/* Make the copies that had to wait until the parent is unlocked. */
static kern_return_t vm_map_fork_finish(struct vm_map *child)
{
    struct rbnode *node = rbtree_first(&child->entries);
    kern_return_t kr = KERN_SUCCESS;

    for (; node != NULL && kr == KERN_SUCCESS; node = rbtree_next(node)) {
        kr = vm_map_entry_copy_finish(vm_map_entry_of(node));
    }
    return kr;
}

kern_return_t vm_map_fork(struct vm_map *parent, struct vm_map **child)
{
    struct pmap *pmap = pmap_create();
    struct vm_map *map;
    kern_return_t kr;

    if (pmap == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    map = vm_map_create(pmap, parent->min, parent->max);
    if (map == NULL) {
        pmap_destroy(pmap);
        return KERN_RESOURCE_SHORTAGE;
    }
    mutex_lock(&parent->lock);
    kr = vm_map_fork_entries(parent, map);
    mutex_unlock(&parent->lock);
    if (kr == KERN_SUCCESS) {
        kr = vm_map_fork_finish(map);
    }
    if (kr != KERN_SUCCESS) {
        vm_map_unref(map);
        return kr;
    }
    *child = map;
    return KERN_SUCCESS;
}
