/* vm_user.c - the memory routines of mach.defs: arguments are checked here, work is done on the
 * map. */
#include "vm/vm_user.h"

#include "ipc/ipc_port.h"
#include "kern/string.h"
#include "vm/kmem.h"
#include "vm/memory_object.h"
#include "vm/slab.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"
#include "vm/vm_stat.h"

kern_return_t vm_allocate(struct vm_map *map, vm_address_t *address, vm_size_t size,
                          boolean_t anywhere)
{
    struct vm_map_request request = {
        .size = (size + PAGE_MASK) & ~PAGE_MASK,
        .anywhere = anywhere != 0,
        .protection = VM_PROT_DEFAULT,
        .max_protection = VM_PROT_ALL,
        .inheritance = VM_INHERIT_DEFAULT,
    };
    vm_address_t at = anywhere != 0 ? 0 : *address & ~PAGE_MASK;
    kern_return_t kr;

    if (size == 0) {
        *address = 0;
        return KERN_SUCCESS;
    }
    if (request.size < size) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = vm_map_enter(map, &at, &request);
    if (kr == KERN_SUCCESS) {
        *address = at;
    }
    return kr;
}

kern_return_t vm_deallocate(struct vm_map *map, vm_address_t address, vm_size_t size)
{
    vm_offset_t start;
    vm_offset_t end;

    if (size == 0) {
        return KERN_SUCCESS;
    }
    if (!vm_map_range(map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    return vm_map_remove(map, start, end);
}

kern_return_t vm_protect(struct vm_map *map, vm_address_t address, vm_size_t size,
                         boolean_t set_maximum, vm_prot_t new_protection)
{
    vm_offset_t start;
    vm_offset_t end;

    if ((new_protection & ~VM_PROT_ALL) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (size == 0) {
        return KERN_SUCCESS;
    }
    if (!vm_map_range(map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    return vm_map_protect(map, start, end, new_protection, set_maximum != 0);
}

kern_return_t vm_inherit(struct vm_map *map, vm_address_t address, vm_size_t size,
                         vm_inherit_t new_inheritance)
{
    vm_offset_t start;
    vm_offset_t end;

    if (new_inheritance < VM_INHERIT_SHARE || new_inheritance > VM_INHERIT_NONE) {
        return KERN_INVALID_ARGUMENT;
    }
    if (size == 0) {
        return KERN_SUCCESS;
    }
    if (!vm_map_range(map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    return vm_map_inherit(map, start, end, new_inheritance);
}

kern_return_t vm_read(struct vm_map *map, vm_address_t address, vm_size_t size,
                      struct vm_copy **data, natural_t *data_count)
{
    kern_return_t kr;

    if (size > UINT32_MAX) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = vm_map_copyin(map, address, size, false, data);
    if (kr == KERN_SUCCESS) {
        *data_count = (natural_t)size;
    }
    return kr;
}

kern_return_t vm_write(struct vm_map *map, vm_address_t address, struct vm_copy *data,
                       natural_t data_count)
{
    if (vm_copy_size(data) != data_count) {
        return KERN_INVALID_ARGUMENT;
    }
    return vm_map_copy_overwrite(map, address, data);
}

kern_return_t vm_copy(struct vm_map *map, vm_address_t source_address, vm_size_t size,
                      vm_address_t dest_address)
{
    struct vm_copy *copy;
    kern_return_t kr;

    kr = vm_map_copyin(map, source_address, size, false, &copy);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = vm_map_copy_overwrite(map, dest_address, copy);
    if (kr != KERN_SUCCESS) {
        vm_copy_discard(copy);
    }
    return kr;
}

kern_return_t vm_region(struct vm_map *map, vm_address_t *address, vm_size_t *size,
                        vm_prot_t *protection, vm_prot_t *max_protection, vm_inherit_t *inheritance,
                        boolean_t *is_shared, struct ipc_port **object_name, vm_offset_t *offset)
{
    struct vm_map_region region;
    kern_return_t kr;

    kr = vm_map_region(map, *address, true, &region);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    *address = region.start;
    *size = region.end - region.start;
    *protection = region.protection;
    *max_protection = region.max_protection;
    *inheritance = region.inheritance;
    *is_shared = region.is_shared;
    *object_name = memory_object_name_right(region.object);
    *offset = region.object == NULL ? 0 : region.offset;
    vm_object_unref(region.object);
    return KERN_SUCCESS;
}

static uint64_t vm_user_wired_pages(void)
{
    struct kmem_stats stats;

    kmem_stats(&stats);
    return stats.committed_pages;
}

kern_return_t vm_statistics(struct vm_map *map, vm_statistics_data_t *statistics)
{
    struct vm_stat total;
    uint64_t free = vm_page_free_count();
    uint64_t wired = vm_user_wired_pages();

    vm_stat_total(&total);
    memset(statistics, 0, sizeof(*statistics));
    statistics->pagesize = (integer_t)PAGE_SIZE;
    statistics->free_count = (integer_t)free;
    statistics->active_count = (integer_t)(vm_page_total_count() - free - wired);
    statistics->wire_count = (integer_t)wired;
    statistics->zero_fill_count = (integer_t)total.zero_fills;
    statistics->reactivations = (integer_t)total.reactivations;
    statistics->pageins = (integer_t)total.pageins;
    statistics->pageouts = (integer_t)total.pageouts;
    statistics->faults = (integer_t)total.faults;
    statistics->cow_faults = (integer_t)total.cow_faults;
    statistics->lookups = (integer_t)total.lookups;
    statistics->hits = (integer_t)total.hits;
    return KERN_SUCCESS;
}

/* Fill in what is mapped: zero-filled memory, or a memory object or a copy of a part of it. Refs: a
 * reference to request->object goes to the caller. */
static kern_return_t vm_map_request_object(struct vm_map_request *request,
                                           struct ipc_port *memory_object, vm_offset_t offset,
                                           bool copy)
{
    struct vm_object *object;
    vm_prot_t most = VM_PROT_ALL;
    kern_return_t kr;

    request->object = NULL;
    /* Zero-filled memory has no offset: whatever is given means the same. */
    request->offset = 0;
    if (memory_object == NULL) {
        return KERN_SUCCESS;
    }
    if ((offset & PAGE_MASK) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = memory_object_open(memory_object, request->size, &offset, &most, &object);
    if (kr == KERN_SUCCESS && (request->protection & ~(copy ? most | VM_PROT_WRITE : most)) != 0) {
        vm_object_unref(object);
        kr = KERN_PROTECTION_FAILURE;
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    request->max_protection &= copy ? most | VM_PROT_WRITE : most;
    request->object = object;
    request->offset = offset;
    if (copy) {
        kr = memory_object_copy_range(object, &request->offset, request->size, &request->object,
                                      &request->needs_copy);
        vm_object_unref(object);
    }
    return kr;
}

kern_return_t vm_map(struct vm_map *map, vm_address_t *address, vm_size_t size, vm_address_t mask,
                     boolean_t anywhere, struct ipc_port *memory_object, vm_offset_t offset,
                     boolean_t copy, vm_prot_t cur_protection, vm_prot_t max_protection,
                     vm_inherit_t inheritance)
{
    struct vm_map_request request = {
        .size = (size + PAGE_MASK) & ~PAGE_MASK,
        .mask = mask,
        .anywhere = anywhere != 0,
        .protection = cur_protection,
        .max_protection = max_protection,
        .inheritance = inheritance,
    };
    vm_address_t at = *address & ~PAGE_MASK;
    kern_return_t kr;

    if (size == 0 || request.size < size || size > VM_MAX_ADDRESS ||
        ((cur_protection | max_protection) & ~VM_PROT_ALL) != 0 ||
        (cur_protection & ~max_protection) != 0 || inheritance < VM_INHERIT_SHARE ||
        inheritance > VM_INHERIT_NONE) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = vm_map_request_object(&request, memory_object, offset, copy != 0);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = vm_map_enter(map, &at, &request);
    if (kr == KERN_SUCCESS) {
        *address = at;
        ipc_port_release_send(memory_object);
    } else {
        vm_object_unref(request.object);
    }
    return kr;
}

kern_return_t vm_machine_attribute(struct vm_map *map, vm_address_t address, vm_size_t size,
                                   vm_machine_attribute_t attribute,
                                   vm_machine_attribute_val_t *value)
{
    vm_offset_t start;
    vm_offset_t end;

    if (attribute != MATTR_CACHE) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!vm_map_range(map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    switch (*value) {
    case MATTR_VAL_CACHE_FLUSH:
    case MATTR_VAL_DCACHE_FLUSH:
    case MATTR_VAL_ICACHE_FLUSH:
    case MATTR_VAL_CACHE_SYNC:
        /* The machine keeps its caches coherent by itself. */
        return KERN_SUCCESS;
    default:
        return KERN_INVALID_ARGUMENT;
    }
}
