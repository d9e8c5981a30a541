/* task.c - the life of tasks.
 *
 * A task ends in two steps: it is marked dying and its threads are told to end; then, when the last
 * thread is gone, its rights and its memory are given back, by that last thread or by whoever ends
 * a task without threads. The structure stays until the last reference goes. Locks: task list, then
 * task->lock, then thread->lock. */
#include "kern/task.h"

#include "arch/pmap.h"
#include "arch/layout.h"
#include "device/io_perm.h"
#include "hv/hv.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/emulation.h"
#include "kern/kobject.h"
#include "kern/string.h"
#include "kern/waitq.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

struct task *task_kernel;

static struct kmem_cache task_cache;
static struct spinlock task_list_lock = SPINLOCK_INITIALIZER(LOCK_RANK_TASK_LIST, "task list");
static struct list task_list = LIST_INITIALIZER(task_list); /* [task_list_lock] */
static uint64_t task_next_id;                               /* [a] */

void ledger_init(struct ledger *ledger)
{
    static const uint64_t limits[LEDGER_COUNT] = {
        [LEDGER_KMEM_PAGES] = 16384,       [LEDGER_PORTS] = 1200000, [LEDGER_NAMES] = 1200000,
        [LEDGER_KMSG_BYTES] = 64ull << 20, [LEDGER_THREADS] = 4096,  [LEDGER_TASKS] = 1024,
    };

    for (unsigned i = 0; i < LEDGER_COUNT; i++) {
        ledger->used[i] = 0;
        ledger->limit[i] = limits[i];
    }
}

static void task_setup(struct task *t)
{
    memset(t, 0, sizeof(*t));
    spin_init(&t->lock, LOCK_RANK_TASK, "task");
    t->refs = 1;
    list_init(&t->threads);
    list_init(&t->list_link);
    list_init(&t->machines);
    waitq_init(&t->gone, "task gone");
    ledger_init(&t->ledger);
    t->priority = PRIORITY_USER;
    t->max_priority = PRIORITY_USER;
    t->created_ns = clock_now_ns();
    t->id = atomic_fetch_add(&task_next_id, 1) + 1; /* the kernel's is 1 */
}

void task_init(void)
{
    kmem_cache_init(&task_cache, "task", sizeof(struct task), 16);
    task_kernel = kmem_cache_alloc(&task_cache);
    if (task_kernel == NULL) {
        panic("no memory for the kernel task");
    }
    task_setup(task_kernel);
    strlcpy(task_kernel->name, "kernel", sizeof(task_kernel->name));
    task_kernel->pmap = pmap_kernel();
    task_kernel->priority = PRIORITY_SYSTEM;
    list_insert_tail(&task_list, &task_kernel->list_link);
}

/* Send rights for the child that the parent holds. Locks: parent->lock held. */
static void task_inherit_ports(struct task *parent, struct task *child)
{
    assert(spin_is_held(&parent->lock));
    child->exception_port = ipc_port_copy_send(parent->exception_port);
    child->bootstrap_port = ipc_port_copy_send(parent->bootstrap_port);
    for (unsigned i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
        child->registered[i] = ipc_port_copy_send(parent->registered[i]);
    }
    child->priority = parent->priority;
    child->max_priority = parent->max_priority;
    for (unsigned i = 0; i < LEDGER_COUNT;
         i++) { /* a lowered limit is not got round by having children */
        child->ledger.limit[i] = atomic_load(&parent->ledger.limit[i]);
    }
    strlcpy(child->name, parent->name, sizeof(child->name));
}

static void task_release_ports(struct task *task)
{
    struct ipc_port *ports[2 + TASK_PORT_REGISTER_MAX];
    struct emulation *emulation;

    spin_lock(&task->lock);
    ports[0] = task->exception_port;
    ports[1] = task->bootstrap_port;
    task->exception_port = NULL;
    task->bootstrap_port = NULL;
    for (unsigned i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
        ports[2 + i] = task->registered[i];
        task->registered[i] = NULL;
    }
    emulation = task->emulation;
    task->emulation = NULL;
    spin_unlock(&task->lock);
    for (unsigned i = 0; i < 2 + TASK_PORT_REGISTER_MAX; i++) {
        if (IP_VALID(ports[i])) {
            ipc_port_release_send(ports[i]);
        }
    }
    emulation_unref(emulation);
}

/* Charge a new task to its parent, which it keeps for that until it ends. */
static bool task_charge(struct task *parent, struct task *t)
{
    assert(t->creator == NULL);
    if (parent == NULL) {
        return true;
    }
    if (!ledger_charge(&parent->ledger, LEDGER_TASKS, 1)) {
        return false;
    }
    task_ref(parent);
    t->creator = parent;
    return true;
}

static void task_uncharge(struct task *t)
{
    struct task *creator;

    spin_lock(&t->lock);
    creator = t->creator;
    t->creator = NULL;
    spin_unlock(&t->lock);
    if (creator != NULL) {
        ledger_credit(&creator->ledger, LEDGER_TASKS, 1);
        task_unref(creator);
    }
}

/* The address map of a new task. */
static kern_return_t task_create_map(struct task *parent, bool inherit, struct vm_map **map)
{
    struct pmap *pmap;

    if (inherit && parent != NULL) {
        return vm_map_fork(parent->map, map);
    }
    pmap = pmap_create();
    if (pmap == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *map = vm_map_create(pmap, VM_MIN_ADDRESS, VM_MAX_ADDRESS);
    if (*map == NULL) {
        pmap_destroy(pmap);
        return KERN_RESOURCE_SHORTAGE;
    }
    return KERN_SUCCESS;
}

/* Make the task visible, unless its parent has begun to end. */
static kern_return_t task_publish(struct task *parent, bool inherit, struct task *t)
{
    assert(list_empty(&t->threads) && !list_is_linked(&t->list_link));
    if (parent != NULL) {
        spin_lock(&parent->lock);
        if (parent->dying) {
            spin_unlock(&parent->lock);
            return KERN_FAILURE;
        }
        task_inherit_ports(parent, t);
        if (inherit) {
            t->emulation = emulation_ref(parent->emulation);
        }
        spin_unlock(&parent->lock);
    }
    spin_lock(&task_list_lock);
    task_ref(t);
    list_insert_tail(&task_list, &t->list_link);
    spin_unlock(&task_list_lock);
    return KERN_SUCCESS;
}

/* Map, space and port of a new task. On failure it has none of them. */
static kern_return_t task_build(struct task *parent, bool inherit, struct task *t)
{
    kern_return_t kr = task_create_map(parent, inherit, &t->map);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    t->pmap = t->map->pmap;
    kr = KERN_RESOURCE_SHORTAGE;
    if (!pmap_charge_to(t->pmap, &t->ledger)) {
        goto undo_map;
    }
    kr = ipc_space_create(t, &t->space);
    if (kr != KERN_SUCCESS) {
        goto undo_map;
    }
    t->self_port = ipc_port_alloc_kernel(KOBJECT_TASK, t);
    if (t->self_port == NULL) {
        kr = KERN_RESOURCE_SHORTAGE;
        goto undo_space;
    }
    return KERN_SUCCESS;

undo_space:
    ipc_space_destroy(t->space);
    ipc_space_unref(t->space);
undo_map:
    (void)pmap_charge_to(t->pmap, NULL);
    vm_map_unref(t->map);
    return kr;
}

static void task_unbuild(struct task *t)
{
    ipc_port_destroy_kernel(t->self_port);
    ipc_space_destroy(t->space);
    ipc_space_unref(t->space);
    (void)pmap_charge_to(t->pmap, NULL);
    vm_map_unref(t->map);
}

kern_return_t task_create_from(struct task *parent, bool inherit, struct task **task)
{
    struct task *t = kmem_cache_alloc(&task_cache);
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;

    if (t == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    task_setup(t);
    if (!task_charge(parent, t)) {
        goto undo_task;
    }
    kr = task_build(parent, inherit, t);
    if (kr != KERN_SUCCESS) {
        goto undo_charge;
    }
    kr = task_publish(parent, inherit, t);
    if (kr != KERN_SUCCESS) {
        goto undo_build;
    }
    *task = t;
    return KERN_SUCCESS;

undo_build:
    task_unbuild(t);
undo_charge:
    task_uncharge(t);
undo_task:
    kmem_cache_free(&task_cache, t);
    return kr;
}

void task_ref(struct task *task)
{
    assert(atomic_load(&task->refs) != 0);
    atomic_inc(&task->refs);
}

void task_unref(struct task *task)
{
    if (task == NULL || !atomic_dec_and_test(&task->refs)) {
        return;
    }
    assert(task->thread_count == 0 && task->creator == NULL);
    io_perm_task_end(task);
    ipc_space_unref(task->space);
    (void)pmap_charge_to(task->pmap, NULL); /* others may still have the map */
    vm_map_unref(task->map);
    kmem_cache_free(&task_cache, task);
}

void task_tear_down(struct task *task)
{
    struct ipc_port *self_port;
    bool mine;

    assert(task != task_kernel && task->dying && task->thread_count == 0);
    spin_lock(&task->lock);
    mine = !task->torn_down;
    task->torn_down = true;
    self_port = task->self_port;
    task->self_port = NULL;
    spin_unlock(&task->lock);
    if (!mine) {
        return;
    }
    if (self_port != NULL) {
        ipc_port_destroy_kernel(self_port);
    }
    hv_machine_task_end(task);
    task_release_ports(task);
    ipc_space_destroy(task->space);
    (void)vm_map_remove(task->map, task->map->min,
                        task->map->max); /* whole entries only: cannot fail */
    task_uncharge(task);
    spin_lock(&task_list_lock);
    list_remove(&task->list_link);
    spin_unlock(&task_list_lock);
    atomic_store_release(&task->gone_now, true);
    waitq_wake_all(&task->gone, WAIT_OK);
    task_unref(task);
}

/* Tell every thread of the task to end. Returns how many there are. */
static uint32_t task_end_threads(struct task *task)
{
    uint32_t count;

    assert(task != task_kernel);
    spin_lock(&task->lock);
    task->dying = true;
    count = task->thread_count;
    list_for_each (&task->threads, node) {
        thread_terminate_start(list_entry(node, struct thread, task_link));
    }
    spin_unlock(&task->lock);
    return count;
}

kern_return_t task_end(struct task *task)
{
    if (task == task_kernel) {
        return KERN_INVALID_ARGUMENT;
    }
    if (task->essential) {
        panic("essential task %s (%lu) ended", task->name, task->id);
    }
    if (task_end_threads(task) == 0) {
        task_tear_down(task);
    }
    if (task == current_task()) {
        return KERN_SUCCESS; /* the caller ends at its return to user mode */
    }
    while (!atomic_load_acquire(&task->gone_now)) {
        waitq_assert_wait(&task->gone, true, 0);
        if (atomic_load_acquire(&task->gone_now)) {
            waitq_cancel_wait(&task->gone);
            break;
        }
        if (waitq_block(&task->gone) == WAIT_INTERRUPTED) {
            return KERN_ABORTED;
        }
    }
    return KERN_SUCCESS;
}

/* The task with the smallest id above `after`, with a reference, or NULL. The list is in order of
 * ids. */
static struct task *task_after(uint64_t after)
{
    struct task *found = NULL;

    spin_lock(&task_list_lock);
    list_for_each (&task_list, node) {
        struct task *t = list_entry(node, struct task, list_link);

        if (t->id > after) {
            task_ref(t);
            found = t;
            break;
        }
    }
    spin_unlock(&task_list_lock);
    return found;
}

void task_foreach(void (*visit)(struct task *, void *), void *argument)
{
    struct task *t;

    for (uint64_t id = 0; (t = task_after(id)) != NULL; task_unref(t)) {
        id = t->id;
        visit(t, argument);
    }
}

struct list *task_list_head(void)
{
    return &task_list;
}
