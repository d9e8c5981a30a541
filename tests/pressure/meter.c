/* meter.c - how much of memory is changed, by the kernel's own counts. */
#include <default_pager.h>
#include <gnumach.h>
#include <mach.h>
#include <mach_debug.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdlib.h>

#include "pressure.h"

#define NAMES_MAX 4096u
#define TRIES     200u /* while the kernel lacks memory for an answer */
#define TRY_MS    5u

/* Name ports of objects, each once: rights to a port have one name. */
static mach_port_t meter_names[NAMES_MAX];
static unsigned meter_count;

/* Refs: takes the right over. */
static void meter_add(mach_port_t name)
{
    bool known = !MACH_PORT_VALID(name);

    pressure_check(meter_count == NAMES_MAX ? KERN_RESOURCE_SHORTAGE : KERN_SUCCESS,
                   "more objects than can be measured");

    for (unsigned i = 0; i < meter_count && !known; i++) {
        known = meter_names[i] == name;
    }
    if (!known) {
        meter_names[meter_count++] = name;
    } else if (MACH_PORT_VALID(name)) {
        mach_port_deallocate(mach_task_self(), name);
    }
}

static void meter_add_swapped(void)
{
    default_pager_object_array_t objects;
    mach_port_array_t ports;
    mach_msg_type_number_t count = 0, ports_count = 0;
    mach_port_t pager;

    pressure_check(portolan_look_up("pager", &pager), "the default pager");
    pressure_check(default_pager_objects(pager, &objects, &count, &ports, &ports_count),
                   "the objects in swap");
    for (mach_msg_type_number_t i = 0; i < ports_count; i++) {
        meter_add(ports[i]);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)objects, count * sizeof(*objects));
    vm_deallocate(mach_task_self(), (vm_address_t)ports, ports_count * sizeof(*ports));
    mach_port_deallocate(mach_task_self(), pager);
}

static void meter_add_mapped(mach_port_t task)
{
    vm_address_t address = 0;
    vm_size_t size = 0;
    vm_prot_t protection, max_protection;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t name;
    vm_offset_t offset;

    while (vm_region(task, &address, &size, &protection, &max_protection, &inheritance, &shared,
                     &name, &offset) == KERN_SUCCESS) {
        meter_add(name);
        address += size;
    }
}

/* Count the pages of one object; none if it has ended. */
static void meter_add_pages(struct meter *meter, mach_port_t name)
{
    vm_page_info_array_t pages;
    mach_msg_type_number_t count = 0;
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;

    for (unsigned i = 0; i < TRIES && kr == KERN_RESOURCE_SHORTAGE; i++) {
        kr = mach_vm_object_pages(name, &pages, &count);
        if (kr == KERN_RESOURCE_SHORTAGE) {
            portolan_sleep(TRY_MS);
        }
    }
    if (kr != KERN_SUCCESS) {
        return;
    }
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        bool there = (pages[i].vpi_state & VPI_STATE_ABSENT) == 0;

        meter->seen += there;
        meter->dirty += there && (pages[i].vpi_state & VPI_STATE_DIRTY) != 0;
    }
    vm_deallocate(mach_task_self(), (vm_address_t)pages, count * sizeof(*pages));
}

void meter_read(struct meter *meter, mach_port_t task)
{
    vm_cache_statistics_data_t caches;
    struct vm_statistics statistics;

    *meter = (struct meter){0};
    meter_count = 0;
    meter_add_swapped();
    meter_add_mapped(task);
    for (unsigned i = 0; i < meter_count; i++) {
        meter_add_pages(meter, meter_names[i]);
        mach_port_deallocate(mach_task_self(), meter_names[i]);
    }
    pressure_check(vm_statistics(mach_task_self(), &statistics), "statistics");
    pressure_check(vm_cache_statistics(mach_task_self(), &caches), "statistics of caches");
    meter->free = (uint64_t)statistics.free_count;
    meter->programs = (uint64_t)caches.active_tmp_count;
}
