/* vm_debug.c - the memory system seen from inside: the vm routines of mach_debug.defs and the
 * counts of vm_cache_statistics. */
#include "vm/vm_user.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "kern/string.h"
#include "vm/kmem.h"
#include "vm/slab.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

kern_return_t mach_vm_region_info(struct vm_map *map, vm_address_t address,
                                  vm_region_info_t *region, struct ipc_port **object)
{
    struct vm_map_region found;
    kern_return_t kr;

    kr = vm_map_region(map, address, false, &found);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    memset(region, 0, sizeof(*region));
    region->vri_start = found.start;
    region->vri_end = found.end;
    region->vri_protection = found.protection;
    region->vri_max_protection = found.max_protection;
    region->vri_inheritance = found.inheritance;
    region->vri_wired_count = found.wired_count;
    region->vri_user_wired_count = found.wired_count;
    /* Whether there is an object, not where: kernel addresses stay in the kernel. */
    region->vri_object = found.object != NULL;
    region->vri_offset = found.offset;
    region->vri_needs_copy = found.needs_copy;
    region->vri_sharing = found.is_shared;
    *object = NULL;
    return KERN_SUCCESS;
}

/* The object's flags as vm_object_info shows them. */
static vm_object_info_state_t vm_object_info_state(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        vm_object_info_state_t state;
    } table[] = {
        {VM_OBJECT_PAGER_CREATED, VOI_STATE_PAGER_CREATED},
        {VM_OBJECT_PAGER_INITIALIZED, VOI_STATE_PAGER_INITIALIZED},
        {VM_OBJECT_PAGER_READY, VOI_STATE_PAGER_READY},
        {VM_OBJECT_CAN_PERSIST, VOI_STATE_CAN_PERSIST},
        {VM_OBJECT_INTERNAL, VOI_STATE_INTERNAL},
        {VM_OBJECT_TEMPORARY, VOI_STATE_TEMPORARY},
        {VM_OBJECT_ALIVE, VOI_STATE_ALIVE},
    };
    vm_object_info_state_t state = 0;

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i += 1) {
        if ((flags & table[i].flag) != 0) {
            state |= table[i].state;
        }
    }
    return state;
}

kern_return_t mach_vm_object_info(struct vm_object *object, vm_object_info_t *info,
                                  struct ipc_port **shadow, struct ipc_port **copy)
{
    memset(info, 0, sizeof(*info));
    spin_lock(&object->lock);
    info->voi_pagesize = PAGE_SIZE;
    info->voi_size = object->size;
    info->voi_ref_count = atomic_load(&object->refs);
    info->voi_resident_page_count = (natural_t)object->resident_count;
    info->voi_absent_count = (natural_t)object->absent_count;
    info->voi_copy = object->copy != NULL;
    info->voi_shadow = object->shadow != NULL;
    info->voi_shadow_offset = object->shadow_offset;
    info->voi_copy_strategy = object->copy_strategy;
    info->voi_last_alloc = object->last_alloc;
    info->voi_paging_in_progress = (natural_t)object->absent_count;
    info->voi_state = vm_object_info_state(object->flags);
    spin_unlock(&object->lock);
    *shadow = NULL;
    *copy = NULL;
    return KERN_SUCCESS;
}

/* The page's flags as vm_page_info shows them. Locks: of its object. */
static vm_page_info_state_t vm_page_info_state(struct vm_page *page)
{
    static const struct {
        uint16_t flag;
        vm_page_info_state_t state;
    } table[] = {
        {VM_PAGE_ABSENT, VPI_STATE_ABSENT | VPI_STATE_BUSY | VPI_STATE_FICTITIOUS},
        {VM_PAGE_PRECIOUS, VPI_STATE_PRECIOUS},
        {VM_PAGE_DIRTY, VPI_STATE_DIRTY},
    };
    vm_page_info_state_t state = VPI_STATE_TABLED | VPI_STATE_ACTIVE;

    if ((page->flags & VM_PAGE_ABSENT) == 0 && pmap_is_modified(page)) {
        state |= VPI_STATE_DIRTY; /* by a mapping that has not been asked yet */
    }
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i += 1) {
        if ((page->flags & table[i].flag) != 0) {
            state |= table[i].state;
        }
    }
    return state;
}

/* Fill up to `room` records; returns how many pages there are. */
static uint64_t vm_object_pages_fill(struct vm_object *object, vm_page_phys_info_t *records,
                                     uint64_t room, bool with_phys)
{
    uint64_t n = 0;
    struct vm_page *page;

    assert(records != NULL || room == 0);
    spin_lock(&object->lock);
    page = vm_object_page_next(object, 0, ~0ul);
    while (page != NULL) {
        if (n < room) {
            memset(&records[n], 0, sizeof(records[n]));
            records[n].vpi_offset = page->offset;
            records[n].vpi_phys_addr = with_phys ? vm_page_to_phys(page) : 0;
            records[n].vpi_wire_count = page->wire_count;
            records[n].vpi_page_lock = page->access_lock;
            records[n].vpi_state = vm_page_info_state(page);
        }
        n += 1;
        page = vm_object_page_next(object, page->offset + PAGE_SIZE, ~0ul);
    }
    spin_unlock(&object->lock);
    return n;
}

static_assert(sizeof(vm_page_info_t) == sizeof(vm_page_phys_info_t), "one layout for both calls");

static kern_return_t vm_object_pages(struct vm_object *object, bool with_phys,
                                     struct vm_copy **pages, natural_t *count)
{
    vm_page_phys_info_t *records;
    uint64_t room;
    uint64_t n;

    room = vm_object_pages_fill(object, NULL, 0, false);
    records = kalloc(room * sizeof(*records) + 1);
    if (records == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    n = vm_object_pages_fill(object, records, room, with_phys);
    n = n < room ? n : room;
    *pages = vm_copy_from_kernel(records, n * sizeof(*records));
    kfree(records, room * sizeof(*records) + 1);
    if (*pages == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *count = (natural_t)n;
    return KERN_SUCCESS;
}

kern_return_t mach_vm_object_pages(struct vm_object *object, struct vm_copy **pages,
                                   natural_t *count)
{
    return vm_object_pages(object, false, pages, count);
}

kern_return_t mach_vm_object_pages_phys(struct vm_object *object, struct vm_copy **pages,
                                        natural_t *count)
{
    return vm_object_pages(object, true, pages, count);
}

/* --- the allocator's caches --- */

struct vm_slab_records {
    cache_info_t *info; /* NULL: only count */
    uint64_t room;
    uint64_t n;
    uint64_t slab_pages;
};

static void vm_slab_visit(struct kmem_cache *c, void *argument)
{
    struct vm_slab_records *records = argument;
    struct kmem_cache_stats stats;

    kmem_cache_stats(c, &stats);
    records->slab_pages += stats.slabs * stats.slab_size >> PAGE_SHIFT;
    if (records->n < records->room) {
        cache_info_t *info = &records->info[records->n];

        memset(info, 0, sizeof(*info));
        info->cpu_pool_size = c->magazine_limit;
        info->obj_size = stats.size;
        info->align = c->align;
        info->buf_size = stats.stride;
        info->slab_size = stats.slab_size;
        info->bufs_per_slab = stats.slab_objects;
        info->nr_objs = stats.live;
        info->nr_bufs = stats.total;
        info->nr_slabs = stats.slabs;
        strlcpy(info->name, stats.name, sizeof(info->name));
    }
    records->n += 1;
}

kern_return_t host_slab_info(struct host *host, struct vm_copy **info, natural_t *count)
{
    struct vm_slab_records records = {.info = NULL};
    uint64_t room;

    kmem_cache_visit(vm_slab_visit, &records);
    room = records.n;
    records.info = kalloc(room * sizeof(*records.info) + 1);
    if (records.info == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    records.room = room;
    records.n = 0;
    kmem_cache_visit(vm_slab_visit, &records);
    records.n = records.n < room ? records.n : room;
    *info = vm_copy_from_kernel(records.info, records.n * sizeof(*records.info));
    kfree(records.info, room * sizeof(*records.info) + 1);
    if (*info == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *count = (natural_t)records.n;
    return KERN_SUCCESS;
}

kern_return_t vm_cache_statistics(struct vm_map *map, vm_cache_statistics_data_t *statistics)
{
    struct vm_slab_records records = {.info = NULL};
    struct kmem_stats kmem;
    uint64_t kernel;

    kmem_cache_visit(vm_slab_visit, &records);
    kmem_stats(&kmem);
    kernel = records.slab_pages + kmem.committed_pages;
    memset(statistics, 0, sizeof(*statistics));
    statistics->active_tmp_count =
        (integer_t)(vm_page_total_count() - vm_page_free_count() - kernel);
    statistics->slab_count = (integer_t)records.slab_pages;
    return KERN_SUCCESS;
}
