/* service.c - messages, on the task's first thread. A read that finds nothing leaves its right to
 * reply here and is answered when the guest has written, by the thread that noticed. */
#include "service.h"

#include <errno.h>
#include <mach_port.h>
#include <portolan/errno.h>
#include <portolan/io_types.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io_server.h"
#include "vm_machine_server.h"

#define OBJECT_CONTROL 1u
#define OBJECT_CONSOLE 2u

#define IO_READ_ID   6100
#define CONSOLE_MODE 0600
#define NS_PER_MS    1000000u

/* Key: [L] machine->lock. The others do not change, or are the first thread's. */
static struct {
    struct machine *machine;
    mach_port_t set, control, console;
    mach_port_t reader; /* [L] who waits for output, or MACH_PORT_NULL */
} service;

static bool service_is(uint64_t object)
{
    return server_current_object() == object;
}

/* --- the serial line --- */

/* Is the one who waits still there? A client that was killed takes nothing with it. */
static bool service_has_reader(void)
{
    mach_port_type_t type = MACH_PORT_TYPE_NONE;

    if (service.reader == MACH_PORT_NULL) {
        return false;
    }
    mach_port_type(mach_task_self(), service.reader, &type);
    if ((type & MACH_PORT_TYPE_SEND_RIGHTS) != 0) {
        return true;
    }
    mach_port_deallocate(mach_task_self(), service.reader);
    service.reader = MACH_PORT_NULL;
    return false;
}

void service_output(struct machine *m)
{
    static char data[IO_DATA_MAX]; /* of who has the lock */
    mach_port_t reader = service.reader;

    if ((tty_waiting(&m->platform.tty) == 0 && !m->is_ended) || !service_has_reader()) {
        return;
    }
    service.reader = MACH_PORT_NULL;
    server_reply_data(reader, IO_READ_ID, data, tty_read(&m->platform.tty, data, sizeof(data)));
}

kern_return_t serve_io_read(mach_port_t object, int64_t offset, natural_t wanted, io_data_t data,
                            mach_msg_type_number_t *count)
{
    struct machine *m = service.machine;
    size_t room = wanted < *count ? wanted : *count;
    kern_return_t kr = KERN_SUCCESS;

    (void)object;
    (void)offset;
    if (!service_is(OBJECT_CONSOLE)) {
        return KERN_INVALID_ARGUMENT;
    }
    pthread_mutex_lock(&m->lock);
    if (tty_waiting(&m->platform.tty) != 0 || m->is_ended || room == 0) {
        *count = (mach_msg_type_number_t)tty_read(&m->platform.tty, data, room);
    } else if (service_has_reader()) {
        kr = PORTOLAN_ERRNO(EBUSY);
    } else if (room < IO_DATA_MAX) {
        kr = PORTOLAN_ERRNO(EAGAIN); /* who waits takes what there will be */
    } else {
        service.reader = server_current_reply();
        kr = MIG_NO_REPLY;
    }
    pthread_mutex_unlock(&m->lock);
    return kr;
}

kern_return_t serve_io_write(mach_port_t object, int64_t offset, io_data_t data,
                             mach_msg_type_number_t count, natural_t *written)
{
    struct machine *m = service.machine;

    (void)object;
    (void)offset;
    if (!service_is(OBJECT_CONSOLE)) {
        return KERN_INVALID_ARGUMENT;
    }
    pthread_mutex_lock(&m->lock);
    *written = (natural_t)platform_type(&m->platform, data, count);
    pthread_mutex_unlock(&m->lock);
    return *written != 0 || count == 0 ? KERN_SUCCESS : PORTOLAN_ERRNO(EAGAIN);
}

kern_return_t serve_io_seek(mach_port_t object, int64_t offset, int whence, int64_t *position)
{
    (void)object;
    (void)offset;
    (void)whence;
    (void)position;
    return PORTOLAN_ERRNO(ESPIPE);
}

kern_return_t serve_io_stat(mach_port_t object, io_stat_t stat, mach_msg_type_number_t *count)
{
    int64_t all[IO_STAT_COUNT] = {
        [IO_STAT_TYPE] = IO_TYPE_FILE, [IO_STAT_MODE] = CONSOLE_MODE, [IO_STAT_LINKS] = 1};

    (void)object;
    *count = *count < IO_STAT_COUNT ? *count : IO_STAT_COUNT;
    memcpy(stat, all, *count * sizeof(*all));
    return KERN_SUCCESS;
}

kern_return_t serve_io_truncate(mach_port_t object, int64_t size)
{
    (void)object;
    (void)size;
    return PORTOLAN_ERRNO(EINVAL);
}

kern_return_t serve_io_poll(mach_port_t object, int *ready)
{
    struct machine *m = service.machine;

    (void)object;
    pthread_mutex_lock(&m->lock);
    *ready =
        IO_READY_WRITE | (tty_waiting(&m->platform.tty) != 0 || m->is_ended ? IO_READY_READ : 0);
    pthread_mutex_unlock(&m->lock);
    return KERN_SUCCESS;
}

/* --- the machine --- */

kern_return_t serve_vm_machine_console(mach_port_t machine, mach_port_t *console,
                                       mach_msg_type_name_t *disposition)
{
    (void)machine;
    if (!service_is(OBJECT_CONTROL)) {
        return KERN_INVALID_ARGUMENT;
    }
    *console = service.console;
    *disposition = MACH_MSG_TYPE_MAKE_SEND;
    return KERN_SUCCESS;
}

kern_return_t serve_vm_machine_state(mach_port_t machine, int *state, int *status)
{
    struct machine *m = service.machine;

    (void)machine;
    if (!service_is(OBJECT_CONTROL)) {
        return KERN_INVALID_ARGUMENT;
    }
    pthread_mutex_lock(&m->lock);
    *state = m->is_ended ? VM_ENDED : m->is_paused ? VM_PAUSED : VM_RUNNING;
    *status = m->status;
    pthread_mutex_unlock(&m->lock);
    return KERN_SUCCESS;
}

/* All exits of a reason, or (HV_EXIT_NONE) those the kernel dealt with alone. */
static uint64_t service_exits(const struct machine *m, unsigned reason)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < m->vcpu_count; i++) {
        const struct vcpu *vcpu = &m->vcpus[i];

        sum += reason == HV_EXIT_NONE ? vcpu->kernel_exits : vcpu->exits[reason];
        for (unsigned n = 1; reason == HV_EXIT_NONE && n < HV_EXIT_COUNT; n++) {
            sum -= vcpu->exits[n] < sum ? vcpu->exits[n] : sum;
        }
    }
    return sum;
}

/* What the guest has given back. Returns: the bytes it takes, which may be more than there are. */
static size_t service_describe_balloon(const struct machine *m, char *text, size_t size)
{
    const struct hypercall *h = &m->platform.hypercall;

    if (!h->has_balloon) {
        return 0;
    }
    return (size_t)snprintf(text, size, "balloon: %llu MiB given back of %llu asked for\n",
                            (unsigned long long)h->given * MEMORY_PAGE >> 20,
                            (unsigned long long)h->balloon * MEMORY_PAGE >> 20);
}

static size_t service_describe(const struct machine *m, char *text, size_t size)
{
    uint64_t ms = (machine_now() - m->started_ns) / NS_PER_MS;
    size_t used =
        (size_t)snprintf(text, size, "%s: %s, %u processors, %llu MiB, %llu.%03llu s\n", m->name,
                         m->is_ended    ? "ended"
                         : m->is_paused ? "paused"
                                        : "running",
                         m->vcpu_count, (unsigned long long)m->memory_size >> 20,
                         (unsigned long long)ms / 1000, (unsigned long long)ms % 1000);

    used += used < size ? service_describe_balloon(m, text + used, size - used) : 0;
    for (unsigned i = 0; i < HV_EXIT_COUNT && used < size; i++) {
        uint64_t n = service_exits(m, i);

        if (n != 0) {
            used +=
                (size_t)snprintf(text + used, size - used, "%-10s %12llu %10llu/s\n",
                                 i == HV_EXIT_NONE ? "kernel" : exit_name(i), (unsigned long long)n,
                                 (unsigned long long)(n * 1000 / (ms != 0 ? ms : 1)));
        }
    }
    return used < size ? used : size;
}

kern_return_t serve_vm_machine_info(mach_port_t machine, vm_text_t text,
                                    mach_msg_type_number_t *count)
{
    struct machine *m = service.machine;

    (void)machine;
    if (!service_is(OBJECT_CONTROL)) {
        return KERN_INVALID_ARGUMENT;
    }
    pthread_mutex_lock(&m->lock);
    *count = (mach_msg_type_number_t)service_describe(m, text, *count);
    pthread_mutex_unlock(&m->lock);
    return KERN_SUCCESS;
}

static kern_return_t service_set_paused(bool is_paused)
{
    if (!service_is(OBJECT_CONTROL)) {
        return KERN_INVALID_ARGUMENT;
    }
    return machine_set_paused(service.machine, is_paused) ? KERN_SUCCESS : KERN_FAILURE;
}

kern_return_t serve_vm_machine_pause(mach_port_t machine)
{
    (void)machine;
    return service_set_paused(true);
}

kern_return_t serve_vm_machine_resume(mach_port_t machine)
{
    (void)machine;
    return service_set_paused(false);
}

/* Set it, if the machine can be asked. Locks: machine->lock held. */
static kern_return_t service_set_balloon(struct machine *m, int mib)
{
    if (mib < 0 || (uint64_t)mib << 20 > m->memory_size) {
        return KERN_INVALID_ARGUMENT;
    }
    if (m->is_ended) {
        return KERN_FAILURE;
    }
    if (!m->platform.hypercall.has_balloon) {
        return KERN_INVALID_CAPABILITY;
    }
    hypercall_set_balloon(&m->platform.hypercall, ((uint64_t)mib << 20) / MEMORY_PAGE);
    return KERN_SUCCESS;
}

kern_return_t serve_vm_machine_balloon(mach_port_t machine, int mib)
{
    struct machine *m = service.machine;
    kern_return_t kr;

    (void)machine;
    if (!service_is(OBJECT_CONTROL)) {
        return KERN_INVALID_ARGUMENT;
    }
    pthread_mutex_lock(&m->lock);
    kr = service_set_balloon(m, mib);
    pthread_mutex_unlock(&m->lock);
    return kr;
}

/* --- the loop --- */

/* Nobody has the console any more: a machine that has ended has been looked at. */
static void service_no_senders(uint64_t port, mach_port_mscount_t count)
{
    bool is_ended;

    if (port != OBJECT_CONSOLE) {
        return;
    }
    pthread_mutex_lock(&service.machine->lock);
    is_ended = service.machine->is_ended;
    pthread_mutex_unlock(&service.machine->lock);
    if (is_ended) {
        exit(0);
    }
    server_watch_senders(service.console, count + 1);
}

static boolean_t service_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return io_server(in, out) || vm_machine_server(in, out);
}

const char *service_init(struct machine *machine, mach_port_t control)
{
    service.machine = machine;
    service.control = control;
    if (server_set_create(&service.set) != KERN_SUCCESS ||
        server_object_create(service.set, OBJECT_CONSOLE, &service.console) != KERN_SUCCESS ||
        mach_port_set_protected_payload(mach_task_self(), control, OBJECT_CONTROL) !=
            KERN_SUCCESS ||
        mach_port_move_member(mach_task_self(), control, service.set) != KERN_SUCCESS) {
        return "there are no ports for it";
    }
    return NULL;
}

void service_loop(void)
{
    static struct server server = {.demux = service_demux, .no_senders = service_no_senders};

    server.receive = service.set;
    server_loop(&server);
}
