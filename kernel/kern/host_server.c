/* host_server.c - the routines of mach_host.defs on the host, its processors and the one processor
 * set. Called by generated stubs. */
#include <mach/host_info.h>
#include <mach/host_reboot.h>
#include <mach/machine.h>
#include <mach/policy.h>
#include <mach/processor_info.h>

#include "arch/layout.h"
#include "ddb/ddb.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/host.h"
#include "kern/ipc_tt.h"
#include "kern/processor.h"
#include "kern/sched.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/version.h"
#include "mach_host_kernel_server.h"
#include "mach_kernel_server.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

/* --- the host --- */

static void host_basic(struct host_basic_info *info)
{
    *info = (struct host_basic_info){
        .max_cpus = CPU_MAX,
        .avail_cpus = (integer_t)cpu_count,
        .memory_size = vm_page_total_count() * PAGE_SIZE,
        .cpu_type = CPU_TYPE_X86_64,
        .cpu_subtype = CPU_SUBTYPE_AT386,
    };
}

static mach_msg_type_number_t host_info_count(int flavor)
{
    switch (flavor) {
    case HOST_BASIC_INFO:
        return HOST_BASIC_INFO_COUNT;
    case HOST_PROCESSOR_SLOTS:
        return cpu_count;
    case HOST_SCHED_INFO:
        return HOST_SCHED_INFO_COUNT;
    case HOST_LOAD_INFO:
        return HOST_LOAD_INFO_COUNT;
    default:
        return 0;
    }
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such flavor, or too little room). */
kern_return_t host_info(host_t host, int flavor, host_info_t info, mach_msg_type_number_t *count)
{
    mach_msg_type_number_t needed = host_info_count(flavor);

    if (needed == 0 || *count < needed) {
        return KERN_INVALID_ARGUMENT;
    }
    if (flavor == HOST_BASIC_INFO) {
        host_basic((struct host_basic_info *)info);
    } else if (flavor == HOST_PROCESSOR_SLOTS) {
        for (uint32_t i = 0; i < cpu_count; i++) {
            info[i] = (integer_t)i;
        }
    } else if (flavor == HOST_SCHED_INFO) {
        *(struct host_sched_info *)info = (struct host_sched_info){1, SCHED_TICK_NS / NS_PER_MS};
    } else {
        struct host_load_info *load = (struct host_load_info *)info;

        sched_load((uint32_t *)load->avenrun, (uint32_t *)load->mach_factor);
    }
    *count = needed;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_get_kernel_version(host_t host, kernel_version_t version)
{
    memset(version, 0, KERNEL_VERSION_MAX);
    strlcpy(version, kernel_version, KERNEL_VERSION_MAX);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_reboot(host_priv_t host, int options)
{
    if ((options & RB_DEBUGGER) != 0) {
        ddb_enter("host_reboot");
        return KERN_SUCCESS;
    }
    if ((options & RB_HALT) != 0) {
        host_power_off();
    }
    host_restart();
}

/* --- time --- */

/* Returns: KERN_SUCCESS. */
kern_return_t host_get_time(host_t host, time_value_t *time)
{
    *time = clock_time(clock_wall_ns());
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_get_time64(host_t host, time_value64_t *time)
{
    *time = clock_time64(clock_wall_ns());
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_get_uptime64(host_t host, time_value64_t *uptime)
{
    *uptime = clock_time64(clock_now_ns());
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_VALUE. */
kern_return_t host_set_time64(host_priv_t host, time_value64_t time)
{
    if (time.seconds < 0 || time.seconds > INT64_MAX / (int64_t)NS_PER_SEC - 1 ||
        time.nanoseconds < 0 || time.nanoseconds >= TIME_NANOS_MAX) {
        return KERN_INVALID_VALUE;
    }
    clock_set_wall_ns((uint64_t)time.seconds * NS_PER_SEC + (uint64_t)time.nanoseconds);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_VALUE. */
kern_return_t host_set_time(host_priv_t host, time_value_t time)
{
    return host_set_time64(host, (time_value64_t){time.seconds, (int64_t)time.microseconds * 1000});
}

/* Returns: KERN_SUCCESS, KERN_INVALID_VALUE (more than a day). */
kern_return_t host_adjust_time64(host_priv_t host, time_value64_t adjustment, time_value64_t *old)
{
    int64_t left;

    if (adjustment.seconds < -86400 || adjustment.seconds > 86400 ||
        adjustment.nanoseconds <= -TIME_NANOS_MAX || adjustment.nanoseconds >= TIME_NANOS_MAX) {
        return KERN_INVALID_VALUE;
    }
    left = clock_adjust_ns(adjustment.seconds * (int64_t)NS_PER_SEC + adjustment.nanoseconds);
    *old = (time_value64_t){left / (int64_t)NS_PER_SEC, left % (int64_t)NS_PER_SEC};
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_VALUE (more than a day). */
kern_return_t host_adjust_time(host_priv_t host, time_value_t adjustment, time_value_t *old)
{
    time_value64_t old64;
    kern_return_t kr = host_adjust_time64(
        host, (time_value64_t){adjustment.seconds, (int64_t)adjustment.microseconds * 1000},
        &old64);

    if (kr == KERN_SUCCESS) {
        *old = (time_value_t){.seconds = old64.seconds,
                              .microseconds = (integer_t)(old64.nanoseconds / 1000)};
    }
    return kr;
}

/* --- processors --- */

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t host_processors(host_priv_t host, struct ipc_port ***list,
                              mach_msg_type_number_t *count)
{
    struct ipc_port **ports = kalloc(cpu_count * sizeof(*ports));

    if (ports == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        ports[i] = convert_processor_to_port(&processor_table[i]);
    }
    *list = ports;
    *count = cpu_count;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such flavor, or too little room). */
kern_return_t processor_info(processor_t processor, int flavor, host_t *host, processor_info_t info,
                             mach_msg_type_number_t *count)
{
    if (flavor != PROCESSOR_BASIC_INFO || *count < PROCESSOR_BASIC_INFO_COUNT) {
        return KERN_INVALID_ARGUMENT;
    }
    *(struct processor_basic_info *)info = (struct processor_basic_info){
        .cpu_type = CPU_TYPE_X86_64,
        .cpu_subtype = CPU_SUBTYPE_AT386,
        .running = 1,
        .slot_num = (integer_t)processor->number,
        .is_master = processor->number == 0,
    };
    *host = &host_self;
    *count = PROCESSOR_BASIC_INFO_COUNT;
    return KERN_SUCCESS;
}

/* --- the processor set: there is one, and everything is in it --- */

/* Returns: KERN_SUCCESS. */
kern_return_t processor_set_default(host_t host, processor_set_t *set)
{
    *set = &processor_set_default_set;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t processor_get_assignment(processor_t processor, processor_set_t *set)
{
    *set = &processor_set_default_set;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_get_assignment(thread_t thread, processor_set_t *set)
{
    *set = &processor_set_default_set;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t task_get_assignment(task_t task, processor_set_t *set)
{
    *set = &processor_set_default_set;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t processor_set_policy_enable(processor_set_t set, int policy)
{
    return invalid_policy(policy) ? KERN_INVALID_ARGUMENT : KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_FAILURE (policies stay). */
kern_return_t processor_set_policy_disable(processor_set_t set, int policy,
                                           boolean_t change_threads)
{
    return invalid_policy(policy) ? KERN_INVALID_ARGUMENT : KERN_FAILURE;
}

/* Rights collected while walking tasks; grows by doubling. */
struct host_port_list {
    struct ipc_port **ports;
    uint32_t count;
    uint32_t room;
    bool failed;
};

static void host_list_add(struct host_port_list *list, struct ipc_port *port)
{
    assert(list->count <= list->room);
    if (list->count == list->room && !list->failed) {
        uint32_t room = list->room == 0 ? 64 : list->room * 2;
        struct ipc_port **ports = kalloc(room * sizeof(*ports));

        if (ports == NULL) {
            list->failed = true;
        } else {
            memcpy(ports, list->ports, list->count * sizeof(*ports));
            if (list->room != 0) {
                kfree(list->ports, list->room * sizeof(*ports));
            }
            list->ports = ports;
            list->room = room;
        }
    }
    if (list->failed || !IP_VALID(port)) {
        ipc_port_release_send(port);
        return;
    }
    list->ports[list->count] = port;
    list->count++;
}

/* Hand the list out in an array of exactly its size. */
static kern_return_t host_list_finish(struct host_port_list *list, struct ipc_port ***ports,
                                      mach_msg_type_number_t *count)
{
    struct ipc_port **exact =
        list->count > 0 && !list->failed ? kalloc(list->count * sizeof(*exact)) : NULL;

    if (exact != NULL) {
        memcpy(exact, list->ports, list->count * sizeof(*exact));
    }
    for (uint32_t i = 0; exact == NULL && i < list->count; i++) {
        ipc_port_release_send(list->ports[i]);
    }
    if (list->room != 0) {
        kfree(list->ports, list->room * sizeof(*exact));
    }
    if (list->failed || (exact == NULL && list->count > 0)) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *ports = exact;
    *count = list->count;
    return KERN_SUCCESS;
}

static void host_collect_task(struct task *task, void *argument)
{
    if (task != task_kernel) {
        host_list_add(argument, task_self_port(task));
    }
}

static void host_collect_threads(struct task *task, void *argument)
{
    struct host_port_list *list = argument;
    struct ipc_port **ports;
    mach_msg_type_number_t count;

    if (task == task_kernel) {
        return;
    }
    if (task_threads(task, &ports, &count) != KERN_SUCCESS) {
        list->failed = true;
        return;
    }
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        host_list_add(list, ports[i]);
    }
    if (count > 0) {
        kfree(ports, count * sizeof(*ports));
    }
}

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t processor_set_tasks(processor_set_t set, struct ipc_port ***list,
                                  mach_msg_type_number_t *count)
{
    struct host_port_list ports = {0};

    task_foreach(host_collect_task, &ports);
    return host_list_finish(&ports, list, count);
}

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t processor_set_threads(processor_set_t set, struct ipc_port ***list,
                                    mach_msg_type_number_t *count)
{
    struct host_port_list ports = {0};

    task_foreach(host_collect_threads, &ports);
    return host_list_finish(&ports, list, count);
}

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t host_processor_sets(host_t host, struct ipc_port ***list,
                                  mach_msg_type_number_t *count)
{
    struct host_port_list ports = {0};

    host_list_add(&ports, convert_pset_name_to_port(&processor_set_default_set));
    return host_list_finish(&ports, list, count);
}

/* Returns: KERN_SUCCESS. */
kern_return_t host_processor_set_priv(host_priv_t host, processor_set_t name, processor_set_t *set)
{
    *set = name;
    return KERN_SUCCESS;
}

static void host_count_task(struct task *task, void *argument)
{
    struct processor_set_basic_info *info = argument;

    info->task_count++;
    info->thread_count += (integer_t)task->thread_count;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such flavor, or too little room). */
kern_return_t processor_set_info(processor_set_t set, int flavor, host_t *host,
                                 processor_set_info_t info, mach_msg_type_number_t *count)
{
    uint32_t average[3], factor[3];

    if (flavor == PROCESSOR_SET_BASIC_INFO && *count >= PROCESSOR_SET_BASIC_INFO_COUNT) {
        struct processor_set_basic_info *basic = (struct processor_set_basic_info *)info;

        sched_load(average, factor);
        *basic = (struct processor_set_basic_info){.processor_count = (integer_t)cpu_count,
                                                   .load_average = (integer_t)average[0],
                                                   .mach_factor = (integer_t)factor[0]};
        task_foreach(host_count_task, basic);
        *count = PROCESSOR_SET_BASIC_INFO_COUNT;
    } else if (flavor == PROCESSOR_SET_SCHED_INFO && *count >= PROCESSOR_SET_SCHED_INFO_COUNT) {
        *(struct processor_set_sched_info *)info =
            (struct processor_set_sched_info){POLICY_TIMESHARE | POLICY_FIXEDPRI, 0};
        *count = PROCESSOR_SET_SCHED_INFO_COUNT;
    } else {
        return KERN_INVALID_ARGUMENT;
    }
    *host = &host_self;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t processor_set_processors(processor_set_t set, struct ipc_port ***list,
                                       mach_msg_type_number_t *count)
{
    struct host_port_list ports = {0};

    for (uint32_t i = 0; i < cpu_count; i++) {
        host_list_add(&ports, convert_processor_to_name_port(&processor_table[i]));
    }
    return host_list_finish(&ports, list, count);
}
