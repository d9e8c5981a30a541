/* portolan_server.c - the routines of portolan.defs. Called by generated stubs. */
#include <mach/portolan.h>

#include "arch/pmap.h"
#include "ddb/ipc_check.h"
#include "ddb/quiet.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/console.h"
#include "kern/ipc_tt.h"
#include "kern/sched.h"
#include "kern/stack.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "portolan_kernel_server.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

static_assert(PORTOLAN_LEDGER_COUNT == LEDGER_COUNT,
              "portolan.h numbers the ledger as ledger.h does");

/* Returns: KERN_SUCCESS. */
kern_return_t task_get_name(task_t task, portolan_name_t name)
{
    memset(name, 0, PORTOLAN_NAME_MAX);
    spin_lock(&task->lock);
    strlcpy(name, task->name, PORTOLAN_NAME_MAX);
    spin_unlock(&task->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t task_get_id(task_t task, int64_t *id)
{
    *id = (int64_t)task->id;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t task_get_ledger(task_t task, portolan_ledger_t used,
                              mach_msg_type_number_t *used_count, portolan_ledger_t limit,
                              mach_msg_type_number_t *limit_count)
{
    for (unsigned i = 0; i < LEDGER_COUNT; i++) {
        used[i] = (int64_t)atomic_load(&task->ledger.used[i]);
        limit[i] = (int64_t)atomic_load(&task->ledger.limit[i]);
    }
    *used_count = LEDGER_COUNT;
    *limit_count = LEDGER_COUNT;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_NO_ACCESS (raising without the privileged host
 * port). */
kern_return_t task_set_ledger_limit(struct ipc_port *host, task_t task, int kind, int64_t new_limit)
{
    if (kind < 0 || kind >= LEDGER_COUNT || new_limit < 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if ((uint64_t)new_limit > atomic_load(&task->ledger.limit[kind]) &&
        convert_port_to_host_priv(host) == NULL) {
        return KERN_NO_ACCESS;
    }
    atomic_store(&task->ledger.limit[kind], (uint64_t)new_limit);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_get_id(thread_t thread, int64_t *id)
{
    *id = (int64_t)thread->id;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_read_messages(host_t host, int64_t *position, portolan_text_t text,
                                 mach_msg_type_number_t *count)
{
    uint64_t from = (uint64_t)*position;

    *count = (mach_msg_type_number_t)console_read_ring(&from, text, PORTOLAN_TEXT_MAX);
    *position = (int64_t)from;
    return KERN_SUCCESS;
}

/* Adds up the caches whose names are those of kernel objects. */
static void portolan_count_cache(struct kmem_cache *cache, void *argument)
{
    static const struct {
        const char *name;
        unsigned index;
    } kinds[] = {
        {"task", PORTOLAN_COUNT_TASKS},
        {"thread", PORTOLAN_COUNT_THREADS},
        {"vm_object", PORTOLAN_COUNT_OBJECTS},
        {"vm_map_entry", PORTOLAN_COUNT_MAP_ENTRIES},
    };
    struct kmem_cache_stats stats;
    int64_t *counts = argument;

    kmem_cache_stats(cache, &stats);
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(stats.name, kinds[i].name) == 0) {
            counts[kinds[i].index] += (int64_t)stats.live;
        }
    }
}

static void portolan_add_names(struct task *task, void *argument)
{
    if (task->space != NULL) {
        *(int64_t *)argument += ipc_space_name_count(task->space);
    }
}

static int64_t portolan_count_names(void)
{
    int64_t names = 0;

    task_foreach(portolan_add_names, &names);
    return names;
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_object_counts(host_t host, portolan_counts_t counts,
                                 mach_msg_type_number_t *count)
{
    memset(counts, 0, PORTOLAN_COUNT_COUNT * sizeof(*counts));
    kmem_cache_visit(portolan_count_cache, counts);
    counts[PORTOLAN_COUNT_PORTS] = (int64_t)ipc_port_live_count();
    counts[PORTOLAN_COUNT_RIGHTS] = portolan_count_names();
    counts[PORTOLAN_COUNT_MESSAGES] = (int64_t)ipc_kmsg_live_count();
    counts[PORTOLAN_COUNT_FREE_PAGES] = (int64_t)vm_page_free_count();
    counts[PORTOLAN_COUNT_TOTAL_PAGES] = (int64_t)vm_page_total_count();
    counts[PORTOLAN_COUNT_KERNEL_STACKS] = (int64_t)stack_count();
    counts[PORTOLAN_COUNT_KERNEL_TABLES] = (int64_t)pmap_kernel_table_count();
    *count = PORTOLAN_COUNT_COUNT;
    return KERN_SUCCESS;
}

/* The walk for quiet_run(). */
static void portolan_check_rights(void *result)
{
    ipc_check(result);
}

/* Returns: KERN_SUCCESS, KERN_FAILURE (the release kernel has no ledger of rights). */
kern_return_t host_check_rights(host_t host, portolan_counts_t counts,
                                mach_msg_type_number_t *count)
{
    struct ipc_check_result r;

    (void)host;
    if (!CONFIG_DEBUG) {
        return KERN_FAILURE;
    }
    quiet_run(portolan_check_rights, &r);
    counts[PORTOLAN_RIGHTS_ERRORS] = (int64_t)r.errors;
    counts[PORTOLAN_RIGHTS_SPACES] = (int64_t)r.spaces;
    counts[PORTOLAN_RIGHTS_NAMES] = (int64_t)r.names;
    counts[PORTOLAN_RIGHTS_PORTS] = (int64_t)r.ports;
    counts[PORTOLAN_RIGHTS_MESSAGES] = (int64_t)r.kmsgs;
    counts[PORTOLAN_RIGHTS_SEND] = (int64_t)r.srights;
    counts[PORTOLAN_RIGHTS_SEND_ONCE] = (int64_t)r.sorights;
    counts[PORTOLAN_RIGHTS_KERNEL_SEND] = (int64_t)r.kernel_srights;
    counts[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE] = (int64_t)r.kernel_sorights;
    *count = PORTOLAN_RIGHTS_COUNT;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such processor). */
kern_return_t thread_bind(thread_t thread, int cpu)
{
    if (cpu < -1 || cpu >= (int)cpu_count) {
        return KERN_INVALID_ARGUMENT;
    }
    sched_bind(thread, cpu);
    if (thread == current_thread() && cpu >= 0 && (uint32_t)cpu != cpu_number()) {
        sched_migrate();
    }
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_set_memory_timeout(thread_t thread, natural_t timeout)
{
    atomic_store(&thread->memory_timeout_ms, timeout);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no events), KERN_RESOURCE_SHORTAGE (they would take
 * more than a quarter of free memory). */
kern_return_t host_trace_start(host_priv_t host, natural_t events)
{
    (void)host;
    return trace_start(events);
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_trace_stop(host_priv_t host)
{
    (void)host;
    trace_stop();
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such processor). */
kern_return_t host_trace_read(host_priv_t host, int cpu, int64_t *position, trace_words_t events,
                              mach_msg_type_number_t *count)
{
    uint32_t n = TRACE_WORDS_MAX / TRACE_EVENT_WORDS;
    uint64_t at = (uint64_t)*position;

    (void)host;
    if (cpu < 0 || (uint32_t)cpu >= cpu_count) {
        return KERN_INVALID_ARGUMENT;
    }
    trace_read((uint32_t)cpu, &at, (struct trace_event *)events, &n);
    *count = n * (mach_msg_type_number_t)TRACE_EVENT_WORDS;
    *position = (int64_t)at;
    return KERN_SUCCESS;
}
