/* sim.c - the simulated world of the host tests of kernel/ipc. See sim.h. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "ipc/ipc_init.h"
#include "kern/clock.h"
#include "kern/ipc_tt.h"
#include "kern/kobject.h"
#include "kern/mutex.h"

#define SIM_TASKS    64
#define SIM_THREADS  64
#define SIM_HELD_MAX 16

struct task *sim_task;
struct thread *sim_current;
uint32_t sim_handoffs;
uint64_t sim_now_ns;
struct ipc_kmsg *(*sim_kobject)(struct ipc_kmsg *request);
bool (*sim_kobject_plain)(struct ipc_kmsg *request, struct ipc_kmsg *reply);

static struct thread sim_main;
static struct task *sim_tasks[SIM_TASKS];
static struct thread *sim_threads[SIM_THREADS];
static uint32_t sim_thread_count;
static pthread_mutex_t sim_baton = PTHREAD_MUTEX_INITIALIZER;
static struct spinlock *sim_held[SIM_HELD_MAX];
static uint32_t sim_held_count;
static int64_t sim_tasks_live;

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void user_error(const char *format, ...)
{
    (void)format;
}

void kprintf(const char *format, ...)
{
    (void)format;
}

/* --- locks --- */

void sim_lock(struct spinlock *lock, bool nested)
{
    struct spinlock *last = sim_held_count != 0 ? sim_held[sim_held_count - 1] : NULL;

    if (lock->held) {
        panic("lock %s taken twice", lock->name);
    }
    if (last != NULL && (nested ? last->rank > lock->rank : last->rank >= lock->rank)) {
        panic("lock %s taken after %s", lock->name, last->name);
    }
    lock->held = true;
    sim_held[sim_held_count] = lock;
    sim_held_count += 1;
}

void sim_unlock(struct spinlock *lock)
{
    uint32_t i = sim_held_count;

    if (!lock->held) {
        panic("lock %s released but not held", lock->name);
    }
    lock->held = false;
    while (sim_held[i - 1] != lock) {
        i -= 1;
    }
    memmove(&sim_held[i - 1], &sim_held[i], (sim_held_count - i) * sizeof(sim_held[0]));
    sim_held_count -= 1;
}

void sim_may_sleep(const char *what)
{
    if (sim_held_count != 0) {
        panic("%s with lock %s held", what, sim_held[0]->name);
    }
}

void mutex_init(struct mutex *mutex, const char *name)
{
    (void)name;
    mutex->held = false;
}

void mutex_lock(struct mutex *mutex)
{
    sim_may_sleep("mutex");
    if (mutex->held) {
        panic("mutex taken twice");
    }
    mutex->held = true;
}

void mutex_unlock(struct mutex *mutex)
{
    mutex->held = false;
}

/* --- threads --- */

/* The baton is held by whoever runs; give it to `thread` and wait for our turn again. */
static void sim_switch(struct thread *thread)
{
    struct thread *self = sim_current;

    sim_current = thread;
    pthread_cond_signal(&thread->turn);
    while (sim_current != self) {
        pthread_cond_wait(&self->turn, &sim_baton);
    }
}

static void *sim_thread_main(void *argument)
{
    struct thread *thread = argument;

    pthread_mutex_lock(&sim_baton);
    while (sim_current != thread) {
        pthread_cond_wait(&thread->turn, &sim_baton);
    }
    if (setjmp(thread->trap) == 0) {
        thread->result = thread->function(thread->argument);
    }
    thread->wait = THREAD_DEAD;
    sim_current = &sim_main;
    pthread_cond_signal(&sim_main.turn);
    pthread_mutex_unlock(&sim_baton);
    return NULL;
}

struct thread *sim_spawn(struct task *task, uint64_t (*function)(void *), void *argument)
{
    struct thread *thread = calloc(1, sizeof(*thread));

    thread->task = task;
    thread->function = function;
    thread->argument = argument;
    thread->runnable = true;
    ipc_thread_init(&thread->ipc);
    pthread_cond_init(&thread->turn, NULL);
    sim_threads[sim_thread_count] = thread;
    sim_thread_count += 1;
    pthread_create(&thread->host, NULL, sim_thread_main, thread);
    return thread;
}

void sim_run(struct thread *thread)
{
    assert_true(thread->runnable);
    thread->runnable = false;
    sim_switch(thread);
}

void sim_run_all(void)
{
    bool ran = true;

    while (ran) {
        uint32_t i;

        ran = false;
        for (i = 0; i < sim_thread_count; i++) {
            if (sim_threads[i]->runnable) {
                sim_run(sim_threads[i]);
                ran = true;
            }
        }
    }
}

bool sim_is_done(const struct thread *thread)
{
    return thread->wait == THREAD_DEAD;
}

bool sim_is_blocked(const struct thread *thread)
{
    return thread->wait == THREAD_BLOCKED;
}

void sim_end_wait(struct thread *thread, enum wait_result result)
{
    assert_true(thread_wake(thread, result));
    sim_run(thread);
}

void thread_wait_prepare(bool interruptible, uint64_t deadline_ns)
{
    (void)interruptible;
    assert_int_equal(sim_current->wait, THREAD_RUNNING);
    sim_current->wait = THREAD_WAITING;
    sim_current->deadline_ns = deadline_ns;
}

bool thread_claim(struct thread *thread, enum wait_result result)
{
    if (thread->wait != THREAD_WAITING && thread->wait != THREAD_BLOCKED) {
        return false;
    }
    thread->wait = THREAD_CLAIMED;
    thread->wait_result = result;
    return true;
}

void thread_setrun(struct thread *thread)
{
    assert_int_equal(thread->wait, THREAD_CLAIMED);
    thread->runnable = true;
}

bool thread_wake(struct thread *thread, enum wait_result result)
{
    if (!thread_claim(thread, result)) {
        return false;
    }
    thread_setrun(thread);
    return true;
}

enum wait_result thread_block(void (*continuation)(void))
{
    struct thread *self = sim_current;

    sim_may_sleep("thread_block");
    if (self == &sim_main) {
        /* Nobody else could wake it: only a deadline can. */
        if (self->wait != THREAD_CLAIMED) {
            assert_true(self->deadline_ns != 0);
            sim_now_ns = self->deadline_ns;
            self->wait_result = WAIT_TIMED_OUT;
        }
        self->runnable = false;
        self->wait = THREAD_RUNNING;
        return self->wait_result;
    }
    if (self->wait == THREAD_WAITING) {
        self->wait = THREAD_BLOCKED;
        sim_switch(&sim_main);
    }
    self->wait = THREAD_RUNNING;
    if (continuation != NULL) {
        self->used_continuation = true;
        continuation();
        panic("a continuation returned");
    }
    return self->wait_result;
}

enum wait_result thread_handoff(struct thread *thread, void (*continuation)(void))
{
    sim_handoffs += 1;
    thread_setrun(thread);
    return thread_block(continuation);
}

enum wait_result thread_wait_result(void)
{
    return sim_current->wait_result;
}

void thread_syscall_return(uint64_t result)
{
    sim_current->result = result;
    longjmp(sim_current->trap, 1);
}

uint64_t clock_now_ns(void)
{
    return sim_now_ns;
}

/* --- tasks and kernel objects --- */

void ledger_init(struct ledger *ledger)
{
    int i;

    memset(ledger, 0, sizeof(*ledger));
    for (i = 0; i < LEDGER_COUNT; i++) {
        ledger->limit[i] = 1ull << 40;
    }
}

void task_ref(struct task *task)
{
    atomic_inc(&task->refs);
}

void task_unref(struct task *task)
{
    int i;

    if (!atomic_dec_and_test(&task->refs)) {
        return;
    }
    for (i = 0; i < LEDGER_COUNT; i++) {
        if (task->ledger.used[i] != 0) {
            panic("ledger kind %d: %lu left", i, (unsigned long)task->ledger.used[i]);
        }
    }
    sim_tasks_live -= 1;
    free(task);
}

struct task *sim_task_create(void)
{
    struct task *task = calloc(1, sizeof(*task));
    int i = 0;

    task->refs = 1;
    ledger_init(&task->ledger);
    sim_tasks_live += 1;
    assert_int_equal(ipc_space_create(task, &task->space), KERN_SUCCESS);
    while (sim_tasks[i] != NULL) {
        i += 1;
    }
    sim_tasks[i] = task;
    return task;
}

void sim_task_end(struct task *task)
{
    int i;

    ipc_space_destroy(task->space);
    ipc_space_unref(task->space);
    for (i = 0; i < SIM_TASKS; i++) {
        if (sim_tasks[i] == task) {
            sim_tasks[i] = NULL;
        }
    }
    task_unref(task);
}

void sim_become(struct task *task)
{
    sim_main.task = task;
}

struct ipc_space *sim_space(void)
{
    return sim_main.task->space;
}

/* No kernel port of the simulation asks. */
void port_object_no_senders(struct ipc_port *port)
{
    panic("port_object_no_senders called for %p", (void *)port);
}

struct ipc_kmsg *kobject_server(struct ipc_kmsg *request)
{
    sim_may_sleep("kobject_server");
    if (sim_kobject != NULL) {
        return sim_kobject(request);
    }
    ipc_kmsg_destroy(request);
    return NULL;
}

bool kobject_serve_plain(struct ipc_kmsg *request, struct ipc_kmsg *reply)
{
    sim_may_sleep("kobject_serve_plain");
    return sim_kobject_plain != NULL && sim_kobject_plain(request, reply);
}

struct ipc_port *task_self_port(struct task *task)
{
    return ipc_port_make_send(task->self_port);
}

struct ipc_port *thread_self_port(struct thread *thread)
{
    return ipc_port_make_send(thread->task->self_port);
}

struct ipc_port *host_self_port(void)
{
    return IP_NULL;
}

struct ipc_space *port_name_to_space(mach_port_name_t name)
{
    (void)name;
    ipc_space_ref(sim_space());
    return sim_space();
}

/* --- set-up --- */

void sim_init(void)
{
    ipc_init();
    sim_current = &sim_main;
    pthread_cond_init(&sim_main.turn, NULL);
    pthread_mutex_lock(&sim_baton);
}

int sim_setup(void **state)
{
    (void)state;
    ipc_thread_init(&sim_main.ipc);
    sim_main.wait = THREAD_RUNNING;
    sim_fail_alloc_after = -1;
    sim_fail_map = 0;
    sim_shortages = 0;
    sim_kobject = NULL;
    sim_kobject_plain = NULL;
    sim_handoffs = 0;
    sim_held_count = 0;
    sim_task = sim_task_create();
    sim_become(sim_task);
    return 0;
}

static void sim_end_threads(void)
{
    uint32_t i;

    sim_run_all();
    for (i = 0; i < sim_thread_count; i++) {
        struct thread *thread = sim_threads[i];

        if (!sim_is_done(thread)) {
            panic("a thread is left blocked");
        }
        /* It needs the baton to leave. */
        pthread_mutex_unlock(&sim_baton);
        pthread_join(thread->host, NULL);
        pthread_mutex_lock(&sim_baton);
        free(thread);
    }
    sim_thread_count = 0;
}

int sim_teardown(void **state)
{
    int i;

    (void)state;
    sim_fail_alloc_after = -1;
    sim_fail_map = 0;
    sim_shortages = 0;
    for (i = 0; i < SIM_TASKS; i++) {
        if (sim_tasks[i] != NULL) {
            ipc_space_destroy(sim_tasks[i]->space);
        }
    }
    sim_end_threads();
    for (i = 0; i < SIM_TASKS; i++) {
        if (sim_tasks[i] != NULL) {
            sim_task_end(sim_tasks[i]);
        }
    }
    if (ipc_port_live_count() != 0 || ipc_kmsg_live_count() != 0 || sim_memory_left() ||
        sim_tasks_live != 0) {
        printf("left over: %lu ports, %lu messages, %ld tasks\n",
               (unsigned long)ipc_port_live_count(), (unsigned long)ipc_kmsg_live_count(),
               (long)sim_tasks_live);
        abort();
    }
    return 0;
}

/* --- rights and messages --- */

mach_port_name_t sim_receive_right(void)
{
    mach_port_name_t name;

    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_RECEIVE, &name), KERN_SUCCESS);
    return name;
}

mach_port_name_t sim_port_set(void)
{
    mach_port_name_t name;

    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_PORT_SET, &name),
                     KERN_SUCCESS);
    return name;
}

struct ipc_port *sim_port(mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_lookup(sim_space(), name);

    assert_non_null(entry);
    return entry->port;
}

void sim_add_send(mach_port_name_t name, uint32_t urefs)
{
    struct ipc_port *port;

    assert_int_equal(ipc_space_copyin_right(sim_space(), name, MACH_MSG_TYPE_MAKE_SEND, &port),
                     KERN_SUCCESS);
    assert_int_equal(mach_port_insert_right(sim_space(), name, port, MACH_MSG_TYPE_PORT_SEND),
                     KERN_SUCCESS);
    if (urefs > 1) {
        assert_int_equal(
            mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_SEND, (int32_t)(urefs - 1)),
            KERN_SUCCESS);
    }
}

mach_port_name_t sim_foreign_right(struct task *owner, uint32_t type, mach_port_name_t *other)
{
    struct task *self = sim_main.task;
    struct ipc_port *port;
    mach_port_name_t name;

    sim_become(owner);
    *other = sim_receive_right();
    assert_int_equal(ipc_space_copyin_right(sim_space(), *other,
                                            type == MACH_MSG_TYPE_PORT_SEND
                                                ? MACH_MSG_TYPE_MAKE_SEND
                                                : MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                            &port),
                     KERN_SUCCESS);
    sim_become(self);
    assert_int_equal(ipc_space_copyout_right(sim_space(), port, type, &name), KERN_SUCCESS);
    return name;
}

mach_port_type_t sim_type(mach_port_name_t name)
{
    mach_port_type_t type = 0;

    return mach_port_type(sim_space(), name, &type) == KERN_SUCCESS ? type : 0;
}

uint32_t sim_urefs(mach_port_name_t name, mach_port_right_t right)
{
    uint32_t refs = 0;

    assert_int_equal(mach_port_get_refs(sim_space(), name, right, &refs), KERN_SUCCESS);
    return refs;
}

void sim_message(struct sim_msg *msg, uint32_t bits, mach_port_name_t remote,
                 mach_port_name_t local)
{
    memset(msg, 0, sizeof(*msg));
    msg->header.msgh_bits = bits;
    msg->header.msgh_remote_port = remote;
    msg->header.msgh_local_port = local;
}

uint64_t sim_type_word(struct sim_descriptor d)
{
    return MACH_MSG_TYPE_WORD(d.name, d.size,
                              (d.is_inline ? MACH_MSG_TYPE_WORD_INLINE : 0) |
                                  (d.deallocate ? MACH_MSG_TYPE_WORD_DEALLOCATE : 0)) |
           (uint64_t)d.number << 32;
}

mach_msg_return_t sim_trap(void *msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
                           mach_port_name_t rcv_name, uint32_t timeout, mach_port_name_t notify)
{
    return mach_msg_trap((user_addr_t)msg, option, send_size, rcv_size, rcv_name, timeout, notify);
}

mach_msg_return_t sim_send(void *msg, uint32_t size, uint32_t option, uint32_t timeout)
{
    return sim_trap(msg, MACH_SEND_MSG | option, size, 0, NAME_NULL, timeout, NAME_NULL);
}

mach_msg_return_t sim_receive(void *msg, uint32_t size, mach_port_name_t name, uint32_t option)
{
    return sim_trap(msg, MACH_RCV_MSG | MACH_RCV_TIMEOUT | option, 0, size, name, 0, NAME_NULL);
}

mach_msg_return_t sim_post(mach_port_name_t name, int32_t id)
{
    struct sim_msg msg;

    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0), name, NAME_NULL);
    msg.header.msgh_id = id;
    return sim_send(&msg, sizeof(msg.header), MACH_SEND_TIMEOUT, 0);
}

int32_t sim_notification(mach_port_name_t name, uint32_t *value)
{
    struct sim_msg msg;

    memset(&msg, 0, sizeof(msg));
    if (sim_receive(&msg, sizeof(msg), name, 0) != MACH_MSG_SUCCESS) {
        return 0;
    }
    *value = msg.header.msgh_size > sizeof(msg.header) ? (uint32_t)msg.body[1] : 0;
    return msg.header.msgh_id;
}

kern_return_t sim_request(mach_port_name_t name, int32_t id, uint32_t sync, mach_port_name_t notify)
{
    struct ipc_port *right = IP_NULL;
    struct ipc_port *previous = IP_NULL;
    kern_return_t kr;

    if (notify != NAME_NULL) {
        assert_int_equal(
            ipc_space_copyin_right(sim_space(), notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &right),
            KERN_SUCCESS);
    }
    kr = mach_port_request_notification(sim_space(), name, id, sync, right, &previous);
    if (kr != KERN_SUCCESS && right != IP_NULL) {
        ipc_port_release_sonce(right);
    }
    if (kr == KERN_SUCCESS && previous != IP_NULL) {
        ipc_port_release_sonce(previous);
    }
    return kr;
}

void sim_expect_balanced(void)
{
    struct ipc_check_result result;

    ipc_check(&result);
    assert_int_equal(result.errors, 0);
    assert_int_equal(result.kernel_srights, 0);
    assert_int_equal(result.kernel_sorights, 0);
}
