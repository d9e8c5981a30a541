/* machine.c - the life of a machine. */
#include "machine.h"

#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"
#include "disk.h"
#include "hv.h"

#define TIMER_STACK 65536u
#define FLUSH_NS    2000000u /* output is collected so long before it is sent */
#define NS_PER_S    1000000000ull

uint64_t machine_now(void)
{
    time_value64_t now = {0};

    host_get_uptime64(mach_host_self(), &now);
    return (uint64_t)now.seconds * NS_PER_S + (uint64_t)now.nanoseconds;
}

/* --- what devices ask for --- */

static uint64_t machine_clock_source(void *context)
{
    (void)context;
    return machine_now();
}

static void machine_clock_sooner(void *context)
{
    struct machine *m = context;

    pthread_cond_signal(&m->timers);
}

static void machine_power(void *context, enum power_event event, uint32_t number)
{
    switch (event) {
    case POWER_IS_OFF:
        machine_end(context, 0, "the guest turned the power off");
        break;
    case POWER_IS_RESET:
        machine_end(context, 1, "the guest reset the machine");
        break;
    case POWER_HAS_EXITED:
        machine_end(context, (int)(number & 0xff), "the guest ended with %u", number);
        break;
    }
}

static void machine_flush(void *device)
{
    struct machine *m = device;

    m->output(m);
}

static void machine_written(void *context)
{
    struct machine *m = context;

    if (m->flush.due_ns == CLOCK_NEVER) {
        clock_set(&m->clock, &m->flush, machine_now() + FLUSH_NS);
    }
}

static void machine_interrupt(void *target, unsigned input, bool level)
{
    struct machine *m = target;
    struct vcpu *vcpu = &m->vcpus[0];

    (void)input;
    vcpu->has_interrupt = level;
    if (level) {
        vcpu_kick(vcpu);
    }
}

static void machine_broken(void *context, const char *sentence)
{
    machine_end(context, 1, "%s", sentence);
}

static void machine_fill(void *data, uint32_t size)
{
    (void)getentropy(data, size);
}

/* A message that no APIC takes is lost, as it would be. */
static void machine_send(void *context, uint64_t address, uint32_t data)
{
    const struct machine *m = context;

    (void)hv_machine_message(m->port, address, data);
}

static uint64_t machine_time_of_day(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

/* --- making one --- */

static const char *machine_share(struct machine *m, uint64_t address, uint64_t offset,
                                 uint64_t size)
{
    if (size != 0 &&
        hv_machine_share(m->port, address, size, mach_task_self(),
                         (vm_address_t)m->memory.base + offset, VM_PROT_ALL) != KERN_SUCCESS) {
        return "its memory cannot be given to the machine";
    }
    return NULL;
}

/* Pages the guest does not need. No disk may be at work in them meanwhile. */
static uint64_t machine_give(void *context, uint64_t page, uint64_t count)
{
    struct machine *m = context;

    if (disk_is_busy(m)) {
        return HYPERCALL_BUSY;
    }
    return hv_machine_discard(m->port, page * MEMORY_PAGE, count * MEMORY_PAGE) == KERN_SUCCESS
               ? 0
               : HYPERCALL_BAD;
}

static const struct platform_ops machine_ops = {
    .wake = disk_wake,
    .time_of_day = machine_time_of_day,
    .give = machine_give,
    .send = machine_send,
    .power = machine_power,
    .written = machine_written,
    .interrupt = machine_interrupt,
    .broken = machine_broken,
    .random = machine_fill,
};

static const char *machine_make_memory(struct machine *m, uint64_t size)
{
    vm_address_t base = 0;
    const char *why;

    if (vm_allocate(mach_task_self(), &base, size, TRUE) != KERN_SUCCESS) {
        return "there is not enough memory for the machine";
    }
    m->memory_size = size;
    memory_init(&m->memory, (void *)base, size);
    why = machine_share(m, 0, 0, m->memory.low_size);
    return why != NULL ? why
                       : machine_share(m, MEMORY_HIGH, m->memory.low_size, m->memory.high_size);
}

static void machine_init_locks(struct machine *m)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    pthread_cond_init(&m->requests, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&m->timers, &attributes);
    pthread_condattr_destroy(&attributes);
}

void machine_init(struct machine *m, const char *name, void (*output)(struct machine *machine))
{
    machine_init_locks(m);
    m->name = name;
    m->output = output;
    m->started_ns = machine_now();
    clock_init(&m->clock, machine_clock_source, machine_clock_sooner, m);
    clock_timer_init(&m->flush, machine_flush, m);
    tty_init(&m->platform.tty);
}

const char *machine_create(struct machine *m, const struct machine_options *options)
{
    const struct platform_options platform = {
        .memory = &m->memory,
        .memory_size = options->memory_size,
        .vcpu_count = options->vcpu_count,
        .clock = &m->clock,
        .date_s = time(NULL),
        .ops = &machine_ops,
        .context = m,
    };
    const char *why = NULL;

    if (!platform_init(&m->platform, &platform) || !apic_init(m)) {
        return "two devices want the same addresses";
    }
    if (hv_machine_create(options->hv, &m->port) != KERN_SUCCESS) {
        return "this computer cannot run guests";
    }
    if (hv_machine_enable_apic(m->port) != KERN_SUCCESS) {
        return "there are no local APICs for it";
    }
    why = machine_make_memory(m, options->memory_size);
    for (unsigned i = 0; i < options->vcpu_count && why == NULL; i++) {
        why = vcpu_create(&m->vcpus[i], m, i);
        m->vcpu_count = i + 1;
    }
    return why;
}

const char *machine_insert_rom(struct machine *m, const void *data, uint64_t size)
{
    if (hv_machine_share(m->port, MEMORY_HIGH - size, size, mach_task_self(), (vm_address_t)data,
                         VM_PROT_READ | VM_PROT_EXECUTE) != KERN_SUCCESS) {
        return "its firmware cannot be given to the machine";
    }
    return NULL;
}

/* --- running --- */

static void machine_wait_timer(struct machine *m, uint64_t due_ns)
{
    struct timespec due = {(time_t)(due_ns / NS_PER_S), (long)(due_ns % NS_PER_S)};

    if (due_ns == CLOCK_NEVER) {
        pthread_cond_wait(&m->timers, &m->lock);
    } else {
        pthread_cond_timedwait(&m->timers, &m->lock, &due);
    }
}

/* Nobody looks at the guest's memory any more: give it back. */
static void machine_release(struct machine *m)
{
    (void)hv_machine_terminate(m->port);
    (void)vm_deallocate(mach_task_self(), (vm_address_t)m->memory.base, m->memory_size);
    m->memory = (struct memory){NULL, 0, 0};
}

static void *machine_run_timers(void *argument)
{
    struct machine *m = argument;

    pthread_mutex_lock(&m->lock);
    while (!m->is_ended) {
        machine_wait_timer(m, clock_run(&m->clock));
    }
    while (m->running != 0) {
        pthread_cond_wait(&m->timers, &m->lock);
    }
    machine_release(m);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static bool machine_start(void *(*function)(void *), void *argument, size_t stack)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    error = pthread_create(&thread, &attributes, function, argument);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

bool machine_thread(struct machine *m, void *(*function)(void *), void *argument, size_t stack)
{
    bool is_started;

    pthread_mutex_lock(&m->lock);
    m->running++; /* before anybody could see it end */
    is_started = machine_start(function, argument, stack);
    m->running -= !is_started;
    pthread_mutex_unlock(&m->lock);
    return is_started;
}

void machine_leave(struct machine *m)
{
    m->running--;
    pthread_cond_signal(&m->timers);
}

const char *machine_run(struct machine *m, const struct load_start *start)
{
    const char *why = vcpu_set_start(&m->vcpus[0], start);

    m->started_ns = machine_now();
    if (why == NULL && !machine_start(machine_run_timers, m, TIMER_STACK)) {
        why = "there is no memory for a thread";
    }
    why = why != NULL ? why : disk_run(m);
    for (unsigned i = 0; i < m->vcpu_count && why == NULL; i++) {
        why = vcpu_run(&m->vcpus[i]); /* all but the first wait to be started */
    }
    return why;
}

bool machine_set_paused(struct machine *m, bool is_paused)
{
    bool is_ended;

    pthread_mutex_lock(&m->lock);
    m->is_paused = is_paused;
    is_ended = m->is_ended;
    for (unsigned i = 0; is_paused && i < m->vcpu_count; i++) {
        vcpu_kick(&m->vcpus[i]);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return !is_ended;
}

/* --- the end --- */

static void machine_say(struct machine *m, const char *text)
{
    for (; *text != '\0'; text++) {
        tty_put(&m->platform.tty, (uint8_t)*text);
    }
}

void machine_end(struct machine *m, int status, const char *format, ...)
{
    char sentence[MACHINE_SENTENCE_MAX];
    va_list arguments;

    if (m->is_ended) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    m->is_ended = true;
    m->status = status;
    machine_say(m, "\r\nvm: ");
    machine_say(m, m->name);
    machine_say(m, ": ");
    machine_say(m, sentence);
    machine_say(m, "\r\n");
    for (unsigned i = 0; i < m->vcpu_count; i++) {
        vcpu_kick(&m->vcpus[i]);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_cond_signal(&m->timers);
    pthread_cond_signal(&m->requests);
    m->output(m);
}
