/* hv_machine.c - virtual machines: their life, and their memory (hv.defs).
 *
 * A machine has ended when its task has, or when that is asked for; what it has is given back then,
 * and the object stays until nobody has a right to its port. Locks: task->lock for the list it is
 * on; machine->lock for the processors. */
#include "arch/pmap_nested.h"
#include "hv/hv_dirty.h"
#include "hv/hv_impl.h"
#include "hv_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/task.h"
#include "vm/slab.h"
#include "vm/vm_object.h"
#include "vm/vm_user.h"

struct hv_machine *convert_port_to_machine(struct ipc_port *port)
{
    return port_object_of(port, KOBJECT_MACHINE);
}

struct ipc_port *convert_machine_to_port(struct hv_machine *machine)
{
    return port_object_port(&machine->object);
}

void hv_machine_unref(struct hv_machine *machine)
{
    port_object_unref(&machine->object);
}

void *hv_machine_take_map(void *object)
{
    struct hv_machine *machine = object;

    if (atomic_load_acquire(&machine->ended)) {
        return NULL;
    }
    vm_map_ref(machine->map);
    return machine->map;
}

/* Tell the processors to end. Those that nobody uses are given up here, the others by who uses
 * them. Locks: none. Sleeps: yes. */
static void hv_machine_end_vcpus(struct hv_machine *machine)
{
    struct list mine = LIST_INITIALIZER(mine);
    struct list others = LIST_INITIALIZER(others);
    struct list *node;

    spin_lock(&machine->lock);
    list_for_each_safe (&machine->vcpus, at, next) {
        struct hv_vcpu *vcpu = list_entry(at, struct hv_vcpu, machine_link);

        hv_vcpu_signal(vcpu, HV_SIGNAL_END);
        if (port_object_try_ref(&vcpu->object) != NULL) {
            list_remove(at);
            list_insert_tail(hv_vcpu_own(vcpu) ? &mine : &others, at);
        }
    }
    spin_unlock(&machine->lock);
    while ((node = list_pop(&mine)) != NULL) {
        hv_vcpu_disown(list_entry(node, struct hv_vcpu, machine_link));
        hv_vcpu_unref(list_entry(node, struct hv_vcpu, machine_link));
    }
    while ((node = list_pop(&others)) != NULL) {
        hv_vcpu_unref(list_entry(node, struct hv_vcpu, machine_link));
    }
}

/* Who found the map before the machine ended may still be about to put something into it: that is
 * over its limit. */
static void hv_machine_empty(struct vm_map *map)
{
    mutex_lock(&map->lock);
    map->size_limit = 0;
    map->size_limit_max = 0;
    mutex_unlock(&map->lock);
    (void)vm_map_remove(map, map->min, map->max); /* whole entries only: cannot fail */
}

/* End the machine, unless it has ended. Locks: none. Sleeps: yes. */
static void hv_machine_stop(struct hv_machine *machine)
{
    struct task *task;

    spin_lock(&machine->lock);
    task = machine->task;
    machine->task = NULL;
    atomic_store_release(&machine->ended, true);
    spin_unlock(&machine->lock);
    if (task == NULL) {
        return;
    }
    spin_lock(&task->lock);
    if (list_is_linked(&machine->task_link)) {
        list_remove(&machine->task_link);
    }
    spin_unlock(&task->lock);
    hv_machine_end_vcpus(machine);
    hv_dirty_end(machine, task);
    hv_machine_empty(machine->map);
    (void)pmap_charge_to(machine->map->pmap, NULL);
    task_unref(task);
}

static void hv_machine_end(struct port_object *object)
{
    struct hv_machine *machine = (struct hv_machine *)object;

    hv_machine_stop(machine);
    assert(list_empty(&machine->vcpus) && !list_is_linked(&machine->task_link));
    vm_map_unref(machine->map);
    kfree(machine, sizeof(*machine));
}

void hv_machine_task_end(struct task *task)
{
    struct list *node;

    do {
        struct hv_machine *machine = NULL;

        spin_lock(&task->lock);
        node = list_pop(&task->machines);
        if (node != NULL) {
            machine = port_object_try_ref((struct port_object *)list_entry(
                node, struct hv_machine, task_link)); /* not one that ends just now */
        }
        spin_unlock(&task->lock);
        if (machine != NULL) {
            hv_machine_stop(machine);
            hv_machine_unref(machine);
        }
    } while (node != NULL);
}

/* As much as the task may have itself: a machine is no way to more memory. */
static void hv_machine_limit(struct vm_map *map, struct vm_map *of_task)
{
    vm_size_t size = map->max - map->min;
    vm_size_t limit, limit_max;

    (void)vm_get_size_limit(of_task, &limit, &limit_max); /* cannot fail */
    map->size_limit = limit < size ? limit : size;
    map->size_limit_max = limit_max < size ? limit_max : size;
}

/* The map of a new machine, its page tables charged to the task. NULL: out of memory, or over the
 * limit. */
static struct vm_map *hv_machine_make_map(struct task *task)
{
    struct pmap *pmap = pmap_create_nested(hv_ops->extended_tables);
    struct vm_map *map;

    if (pmap == NULL) {
        return NULL;
    }
    map = pmap_charge_to(pmap, &task->ledger) ? vm_map_create(pmap, 0, HV_PHYSICAL_END) : NULL;
    if (map == NULL) {
        (void)pmap_charge_to(pmap, NULL);
        pmap_destroy(pmap);
        return NULL;
    }
    if (task->map != NULL) { /* the kernel itself has none, and no limit */
        hv_machine_limit(map, task->map);
    }
    return map;
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (not the hypervisor port), KERN_FAILURE (these processors
 * cannot run guests), KERN_RESOURCE_SHORTAGE. */
kern_return_t hv_machine_create(struct ipc_port *hv, hv_machine_t *result)
{
    struct task *task = current_task();
    struct hv_machine *machine;

    if (!IP_VALID(hv) || hv->kobject_type != KOBJECT_HV) {
        return KERN_NO_ACCESS;
    }
    if (hv_ops == NULL) {
        return KERN_FAILURE;
    }
    machine = kalloc_zeroed(sizeof(*machine));
    if (machine == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    spin_init(&machine->lock, LOCK_RANK_MACHINE, "machine");
    list_init(&machine->vcpus);
    list_init(&machine->task_link);
    machine->map = hv_machine_make_map(task);
    if (machine->map == NULL) {
        goto undo_machine;
    }
    if (!port_object_init(&machine->object, KOBJECT_MACHINE, hv_machine_end)) {
        goto undo_map;
    }
    task_ref(task);
    machine->task = task;
    spin_lock(&task->lock);
    list_insert_tail(&task->machines, &machine->task_link);
    spin_unlock(&task->lock);
    *result = machine;
    return KERN_SUCCESS;

undo_map:
    (void)pmap_charge_to(machine->map->pmap, NULL);
    vm_map_unref(machine->map);
undo_machine:
    kfree(machine, sizeof(*machine));
    return KERN_RESOURCE_SHORTAGE;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no machine). */
kern_return_t hv_machine_terminate(hv_machine_t machine)
{
    hv_machine_stop(machine);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no machine), KERN_FAILURE (it has processors),
 * KERN_TERMINATED. */
kern_return_t hv_machine_enable_apic(hv_machine_t machine)
{
    kern_return_t kr = KERN_SUCCESS;

    spin_lock(&machine->lock);
    if (machine->ended) {
        kr = KERN_TERMINATED;
    } else if (machine->vcpu_count != 0) {
        kr = KERN_FAILURE;
    } else {
        machine->has_apics = true;
    }
    spin_unlock(&machine->lock);
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (not page aligned, no size, no machine or task),
 * KERN_TERMINATED, KERN_INVALID_ADDRESS (not in one region, or beyond the guest's addresses),
 * KERN_PROTECTION_FAILURE (more than the region may be used for), KERN_NO_SPACE (something is
 * there), KERN_RESOURCE_SHORTAGE. */
kern_return_t hv_machine_share(hv_machine_t machine, vm_address_t address, vm_size_t size,
                               vm_map_t source_map, vm_address_t source, vm_prot_t protection)
{
    struct vm_map_request request = {
        .size = size,
        .protection = protection,
        .max_protection = protection,
        .inheritance = VM_INHERIT_SHARE,
    };
    vm_offset_t start, end;
    kern_return_t kr;

    if (size == 0 || ((address | size | source) & PAGE_MASK) != 0 ||
        (protection & ~VM_PROT_ALL) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (atomic_load_acquire(&machine->ended)) {
        return KERN_TERMINATED;
    }
    if (!vm_map_range(source_map, source, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    kr = vm_map_share(source_map, start, end, protection, &request.object, &request.offset);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = vm_map_enter(machine->map, &address, &request);
    if (kr != KERN_SUCCESS) {
        vm_object_unref(request.object);
    }
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (not page aligned, no size, too large, no machine),
 * KERN_TERMINATED, KERN_INVALID_ADDRESS (not all of it is there), KERN_PROTECTION_FAILURE (it
 * cannot be written), KERN_FAILURE (wired, a pager's, or somebody has a copy of it). */
kern_return_t hv_machine_discard(hv_machine_t machine, vm_address_t address, vm_size_t size)
{
    vm_offset_t start, end;

    if (size == 0 || size > HV_DISCARD_MAX || ((address | size) & PAGE_MASK) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (atomic_load_acquire(&machine->ended)) {
        return KERN_TERMINATED;
    }
    if (!vm_map_range(machine->map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    return vm_map_discard(machine->map, start, end);
}
