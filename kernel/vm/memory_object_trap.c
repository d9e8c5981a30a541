/* memory_object_trap.c - the short way of memory_object_data_supply: a trap by which pages move
 * from a pager's memory into the object, without a message. */
#include "vm/memory_object_trap.h"

#include "kern/assert.h"
#include "kern/ipc_tt.h"
#include "kern/task.h"
#include "vm/memory_object.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"
#include "vm/vm_stat.h"

#define SUPPLY_MAX (64ul << 20) /* bytes in one trap: it is not interrupted */

/* A copy of one page of the current task's memory. */
static kern_return_t memory_object_trap_copy(struct vm_map *map, vm_offset_t at,
                                             struct vm_page **page)
{
    struct vm_pageout_wait memory = {.deadline_ns = 0};
    kern_return_t kr;

    *page = vm_page_alloc(0);
    while (*page == NULL && vm_pageout_wait(&memory)) {
        *page = vm_page_alloc(0);
    }
    if (*page == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = vm_fault_read(map, at, vm_page_to_virt(*page), PAGE_SIZE);
    if (kr != KERN_SUCCESS) {
        vm_page_free(*page);
    }
    return kr;
}

/* Supply the pages at [at, at + size): those that can be taken are, of the others a copy. */
static kern_return_t memory_object_trap_supply(struct vm_object *object, vm_offset_t offset,
                                               vm_offset_t at, vm_size_t size, vm_prot_t lock_value,
                                               bool precious)
{
    struct vm_map *map = current_task()->map;
    vm_offset_t end = at + size;

    while (at < end) {
        struct vm_page *pages[MEMORY_OBJECT_CLUSTER];
        unsigned n = end - at < sizeof(pages) / sizeof(pages[0]) * PAGE_SIZE
                         ? (unsigned)((end - at) >> PAGE_SHIFT)
                         : MEMORY_OBJECT_CLUSTER;
        unsigned taken = vm_map_take_pages(map, at, n, pages);
        kern_return_t kr = KERN_SUCCESS;

        if (taken == 0) {
            taken = 1;
            kr = memory_object_trap_copy(map, at, &pages[0]);
        }
        if (kr != KERN_SUCCESS) {
            return kr;
        }
        memory_object_supply_pages(object, offset, pages, taken, lock_value, precious);
        vm_stat_pageins(taken);
        offset += taken * PAGE_SIZE;
        at += taken * PAGE_SIZE;
    }
    return KERN_SUCCESS;
}

kern_return_t syscall_memory_object_supply(mach_port_name_t control, vm_offset_t offset,
                                           vm_offset_t address, vm_size_t size,
                                           vm_prot_t lock_value, int precious)
{
    struct vm_object *object = port_name_to_memory_control(control);
    kern_return_t kr = KERN_INVALID_ARGUMENT;

    if (object == NULL) {
        return MACH_SEND_INTERRUPTED;
    }
    if (size <= SUPPLY_MAX && memory_object_range_ok(offset, size) &&
        memory_object_range_ok(address, size) && (lock_value & ~VM_PROT_ALL) == 0) {
        kr = memory_object_trap_supply(object, offset, address, size, lock_value, precious != 0);
    }
    vm_object_unref(object);
    return kr;
}
