/* vm_user_host.c - memory routines that look at the host port: wiring, limits, contiguous memory,
 * physical addresses; and those that write memory back to pagers. */
#include "vm/vm_user.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "kern/ipc_tt.h"
#include "vm/memory_object.h"
#include "vm/slab.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

/* What a task may wire without the privileged host port. */
#define WIRE_UNPRIVILEGED_MAX (8ul << 20)
/* Pages vm_pages_phys tells about in one call. */
#define PAGES_PHYS_MAX (1ul << 20)

kern_return_t vm_wire(struct ipc_port *host, struct vm_map *map, vm_address_t address,
                      vm_size_t size, vm_prot_t access)
{
    bool privileged = convert_port_to_host_priv(host) != NULL;
    vm_offset_t start;
    vm_offset_t end;
    vm_size_t wired;

    if (!privileged && convert_port_to_host(host) == NULL) {
        return KERN_INVALID_HOST;
    }
    if ((access & ~VM_PROT_ALL) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!vm_map_range(map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    if (!privileged && access != VM_PROT_NONE) {
        mutex_lock(&map->lock);
        wired = map->wired_size;
        mutex_unlock(&map->lock);
        if (end - start > WIRE_UNPRIVILEGED_MAX || wired > WIRE_UNPRIVILEGED_MAX - (end - start)) {
            return KERN_NO_ACCESS;
        }
    }
    return vm_map_wire(map, start, end, access);
}

kern_return_t vm_wire_all(struct ipc_port *host, struct vm_map *map, vm_wire_t flags)
{
    if (convert_port_to_host_priv(host) == NULL) {
        return KERN_INVALID_HOST;
    }
    if ((flags & ~VM_WIRE_ALL) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    return vm_map_wire_all(map, (flags & VM_WIRE_CURRENT) != 0, (flags & VM_WIRE_FUTURE) != 0);
}

/* Send pages of the object to its pager, if it has one that is ready. */
static kern_return_t vm_sync_pages(struct vm_object *object, vm_offset_t start, vm_offset_t end,
                                   memory_object_return_t which, bool flush)
{
    if (object == NULL || (atomic_load(&object->flags) & VM_OBJECT_PAGER_READY) == 0) {
        return KERN_SUCCESS;
    }
    return memory_object_return_range(object, start, end, which, flush);
}

/* Go through the regions of [at, end): look whether there is a hole, or sync. */
static kern_return_t vm_msync_walk(struct vm_map *map, vm_offset_t at, vm_offset_t end, bool sync,
                                   bool flush)
{
    kern_return_t kr = KERN_SUCCESS;

    while (at < end && kr == KERN_SUCCESS) {
        struct vm_map_region region;
        vm_offset_t next;

        if (vm_map_region(map, at, sync, &region) != KERN_SUCCESS) {
            return KERN_INVALID_ADDRESS;
        }
        next = region.end < end ? region.end : end;
        if (region.start > at) {
            kr = KERN_INVALID_ADDRESS;
        } else if (sync) {
            kr = vm_sync_pages(region.object, region.offset + (at - region.start),
                               region.offset + (next - region.start), MEMORY_OBJECT_RETURN_DIRTY,
                               flush);
        }
        if (sync) {
            vm_object_unref(region.object);
        }
        at = next;
    }
    return kr;
}

kern_return_t vm_msync(struct vm_map *map, vm_address_t address, vm_size_t size,
                       vm_sync_t sync_flags)
{
    vm_sync_t both = VM_SYNC_ASYNCHRONOUS | VM_SYNC_SYNCHRONOUS;
    vm_offset_t start;
    vm_offset_t end;
    kern_return_t kr;

    if ((sync_flags & ~(both | VM_SYNC_INVALIDATE)) != 0 || (sync_flags & both) == both) {
        return KERN_INVALID_ARGUMENT;
    }
    if (size == 0) {
        return KERN_SUCCESS;
    }
    if (!vm_map_range(map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    kr = vm_msync_walk(map, start, end, false, false);
    return kr != KERN_SUCCESS
               ? kr
               : vm_msync_walk(map, start, end, true, (sync_flags & VM_SYNC_INVALIDATE) != 0);
}

kern_return_t vm_object_sync(struct vm_object *object, vm_offset_t offset, vm_size_t size,
                             boolean_t should_flush, boolean_t should_return,
                             boolean_t should_iosync)
{
    (void)should_iosync; /* the pages are in the pager's queue when this returns, either way */
    if (((offset | size) & PAGE_MASK) != 0 || offset + size < offset) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!should_flush && !should_return) {
        return KERN_SUCCESS;
    }
    return vm_sync_pages(object, offset, offset + size,
                         should_return ? MEMORY_OBJECT_RETURN_ALL : MEMORY_OBJECT_RETURN_DIRTY,
                         should_flush != 0);
}

kern_return_t vm_set_size_limit(struct ipc_port *host_port, struct vm_map *map,
                                vm_size_t current_limit, vm_size_t max_limit)
{
    bool privileged = convert_port_to_host_priv(host_port) != NULL;
    kern_return_t kr = KERN_SUCCESS;

    if (!privileged && convert_port_to_host(host_port) == NULL) {
        return KERN_INVALID_HOST;
    }
    if (current_limit > max_limit) {
        return KERN_INVALID_ARGUMENT;
    }
    mutex_lock(&map->lock);
    if (max_limit > map->size_limit_max && !privileged) {
        kr = KERN_NO_ACCESS;
    } else {
        map->size_limit = current_limit;
        map->size_limit_max = max_limit;
    }
    mutex_unlock(&map->lock);
    return kr;
}

kern_return_t vm_get_size_limit(struct vm_map *map, vm_size_t *current_limit, vm_size_t *max_limit)
{
    mutex_lock(&map->lock);
    *current_limit = map->size_limit;
    *max_limit = map->size_limit_max;
    mutex_unlock(&map->lock);
    return KERN_SUCCESS;
}

/* An object over a run of contiguous cleared pages; NULL when there is no such run or no memory. */
static struct vm_object *vm_contiguous_create(vm_size_t size, unsigned align_order, phys_addr_t min,
                                              phys_addr_t max, phys_addr_t *phys)
{
    uint64_t npages = size >> PAGE_SHIFT;
    struct vm_page *run = vm_page_alloc_contig(npages, align_order, VM_PAGE_ZERO, min, max);
    struct vm_object *object = NULL;
    uint64_t inserted = 0;

    if (run == NULL) {
        return NULL;
    }
    *phys = vm_page_to_phys(run);
    object = vm_object_create(size);
    if (object != NULL) {
        spin_lock(&object->lock);
        object->flags |= VM_OBJECT_PRIVATE;
        while (inserted < npages &&
               vm_object_page_insert(object, &run[inserted], inserted << PAGE_SHIFT)) {
            inserted += 1;
        }
        spin_unlock(&object->lock);
    }
    if (inserted == npages) {
        return object;
    }
    vm_page_free_contig(&run[inserted], npages - inserted);
    vm_object_unref(object);
    return NULL;
}

/* Map the object and wire it, so that its pages stay what they are; takes the reference over in any
 * case. */
static kern_return_t vm_contiguous_enter(struct vm_map *map, struct vm_object *object,
                                         vm_size_t size, vm_address_t *vaddr)
{
    struct vm_map_request request = {
        .size = size,
        .anywhere = true,
        .object = object,
        .protection = VM_PROT_DEFAULT,
        .max_protection = VM_PROT_ALL,
        .inheritance = VM_INHERIT_DEFAULT,
    };
    vm_offset_t at = 0;
    kern_return_t kr = vm_map_enter(map, &at, &request);

    if (kr != KERN_SUCCESS) {
        vm_object_unref(object);
        return kr;
    }
    kr = vm_map_wire(map, at, at + size, VM_PROT_DEFAULT);
    if (kr != KERN_SUCCESS) {
        (void)vm_map_remove(map, at, at + size);
        return kr;
    }
    *vaddr = at;
    return KERN_SUCCESS;
}

kern_return_t vm_allocate_contiguous(struct host *host_priv, struct vm_map *map,
                                     vm_address_t *vaddr, rpc_phys_addr_t *paddr, vm_size_t size,
                                     rpc_phys_addr_t pmin, rpc_phys_addr_t pmax,
                                     rpc_phys_addr_t palign)
{
    vm_size_t rounded = (size + PAGE_MASK) & ~PAGE_MASK;
    struct vm_object *object;
    phys_addr_t phys;
    kern_return_t kr;

    if (palign < PAGE_SIZE) {
        palign = PAGE_SIZE;
    }
    if (size == 0 || rounded < size || (palign & (palign - 1)) != 0 ||
        (pmax != 0 && pmin >= pmax)) {
        return KERN_INVALID_ARGUMENT;
    }
    object = vm_contiguous_create(rounded, (unsigned)__builtin_ctzl(palign) - PAGE_SHIFT, pmin,
                                  pmax, &phys);
    if (object == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = vm_contiguous_enter(map, object, rounded, vaddr);
    if (kr == KERN_SUCCESS) {
        *paddr = phys;
    }
    return kr;
}

kern_return_t vm_pages_phys(struct host *host_priv, struct vm_map *map, vm_address_t vaddr,
                            vm_size_t size, struct vm_copy **pages, natural_t *count)
{
    vm_offset_t start;
    vm_offset_t end;
    rpc_phys_addr_t *list;
    uint64_t n;

    if (((vaddr | size) & PAGE_MASK) != 0 || size >> PAGE_SHIFT > PAGES_PHYS_MAX) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!vm_map_range(map, vaddr, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    n = (end - start) >> PAGE_SHIFT;
    list = kalloc(n * sizeof(*list) + 1);
    if (list == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    mutex_lock(&map->lock);
    for (uint64_t i = 0; i < n; i += 1) {
        phys_addr_t phys;

        list[i] = pmap_extract(map->pmap, start + (i << PAGE_SHIFT), &phys) ? phys : 0;
    }
    mutex_unlock(&map->lock);
    *pages = vm_copy_from_kernel(list, n * sizeof(*list));
    kfree(list, n * sizeof(*list) + 1);
    if (*pages == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *count = (natural_t)n;
    return KERN_SUCCESS;
}
