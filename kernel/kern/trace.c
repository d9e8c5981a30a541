/* trace.c - the trace rings. See trace.h.
 *
 * A processor writes its own ring, with interrupts off, and takes no lock: what is traced may hold
 * any. `busy` says that it is just doing so, for who wants to take the ring away. Who reads looks
 * at the ring's counter again afterwards. */
#include "kern/trace.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/switch.h"
#include "ipc/ipc_kmsg.h"
#include "kern/atomic.h"
#include "kern/mutex.h"
#include "kern/printf.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "vm/kmem.h"
#include "vm/vm_page.h"

#define TRACE_DEBUG_EVENTS 256u

/* Keys: [C] its processor with interrupts off, [M] trace_mutex and nothing is traced, [a] atomic */
struct trace_ring {
    struct trace_event *events; /* [M] */
    uint32_t size;              /* [M] in events */
    bool busy;                  /* [a] */
    uint64_t next;              /* [C] counts all events */
};

static struct mutex trace_mutex;
static struct trace_ring trace_rings[CPU_MAX];
static bool trace_on;         /* [a] */
static uint32_t trace_causes; /* [a] the last one given, */
static uint32_t trace_before; /* [a]   and the last one from before the rings were started */

static const char *const trace_names[TRACE_KIND_COUNT] = {
    [TRACE_FAULT] = "fault",         [TRACE_FAULT_END] = "fault ends",
    [TRACE_SEND] = "send",           [TRACE_RECEIVE] = "receive",
    [TRACE_HANDOFF] = "handoff",     [TRACE_KCALL] = "kernel call",
    [TRACE_EXCEPTION] = "exception", [TRACE_SWITCH] = "switch",
    [TRACE_WAKE] = "wake",           [TRACE_IRQ] = "irq",
    [TRACE_ZEROED] = "zeroed",       [TRACE_COPIED] = "copied",
    [TRACE_MOVED] = "moved",
};

/* --- recording --- */

/* What began before the rings were started is nothing they tell of. */
static uint32_t trace_cause_now(uint32_t cause)
{
    return cause > atomic_load(&trace_before) ? cause : 0;
}

static void trace_put(const struct thread *self, enum trace_kind kind, uint64_t a, uint64_t b)
{
    uint64_t flags = interrupt_save_disable();
    uint64_t now = rdtsc_ticks();
    struct cpu *cpu = cpu_current();
    struct trace_ring *ring = &trace_rings[cpu->number];

    __atomic_store_n(&ring->busy, true, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&trace_on, __ATOMIC_SEQ_CST)) {
        struct trace_event *event = &ring->events[ring->next % ring->size];

        *event = (struct trace_event){
            .time = now,
            .thread = self != NULL ? self->id : 0,
            .a = a,
            .b = b,
            .cause =
                self != NULL && cpu->interrupt_depth == 0 ? trace_cause_now(self->trace_cause) : 0,
            .kind = (uint16_t)kind,
            .cpu = (uint8_t)cpu->number,
            .interrupt = cpu->interrupt_depth != 0,
            .task = self != NULL ? (uint32_t)self->task->id : 0,
        };
        event->spent = (uint32_t)(rdtsc_ticks() - now);
        atomic_store_release(&ring->next, ring->next + 1);
    }
    atomic_store_release(&ring->busy, false);
    interrupt_restore(flags);
}

void trace_record(enum trace_kind kind, uint64_t a, uint64_t b)
{
    trace_put(current_thread(), kind, a, b);
}

/* What the thread does next is its own affair, unless it serves somebody. */
static void trace_begin(struct thread *self)
{
    if (trace_cause_now(self->trace_cause) == 0) {
        self->trace_cause = (uint32_t)atomic_fetch_add(&trace_causes, 1) + 1;
        self->trace_own = true;
    }
}

/* What it asked for is done. */
static void trace_end(struct thread *self)
{
    if (self->trace_own) {
        self->trace_cause = 0;
        self->trace_own = false;
    }
}

static void trace_take(struct thread *self, uint32_t cause)
{
    self->trace_cause = cause;
    self->trace_own = false;
}

void trace_record_fault(uint64_t va, uint64_t access)
{
    trace_begin(current_thread());
    trace_record(TRACE_FAULT, va, access);
}

void trace_record_fault_end(kern_return_t kr)
{
    trace_record(TRACE_FAULT_END, (uint32_t)kr, 0);
    trace_end(current_thread());
}

void trace_record_send(struct ipc_kmsg *kmsg)
{
    struct thread *self = current_thread();

    trace_begin(self);
    kmsg->trace_cause = self->trace_cause;
    trace_record(TRACE_SEND, (uint32_t)kmsg->header.msgh_id, 0);
}

/* With a reply the thread goes on with what it had asked for; else it serves from now on. */
void trace_record_receive(const struct ipc_kmsg *kmsg)
{
    struct thread *self = current_thread();
    bool is_reply = MACH_MSGH_BITS_REMOTE(kmsg->header.msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE;

    if (!is_reply) {
        trace_take(self, kmsg->trace_cause);
    }
    trace_record(TRACE_RECEIVE, (uint32_t)kmsg->header.msgh_id, 0);
    trace_end(self);
}

void trace_record_handoff(struct thread *self, struct thread *receiver, uint32_t id, bool is_reply)
{
    trace_begin(self);
    trace_put(self, TRACE_HANDOFF, id, receiver->id);
    if (is_reply) {
        trace_end(receiver);
    } else {
        trace_take(receiver, self->trace_cause);
    }
}

/* Who has no cause of its own gets that of who wakes it. */
void trace_record_wake(struct thread *thread)
{
    struct thread *self = current_thread();

    trace_record(TRACE_WAKE, 0, thread->id);
    if (self != NULL && cpu_current()->interrupt_depth == 0 &&
        trace_cause_now(thread->trace_cause) == 0) {
        trace_take(thread, self->trace_cause);
    }
}

void trace_record_tell(enum trace_kind kind, struct thread *receiver, uint32_t id)
{
    trace_record(kind, id, kind == TRACE_HANDOFF ? receiver->id : 0);
    trace_take(receiver, (uint32_t)atomic_fetch_add(&trace_causes, 1) + 1);
}

/* --- on and off --- */

uint32_t trace_flag(void)
{
    return atomic_load(&trace_on) && !CONFIG_DEBUG ? THREAD_FLAG_TRACED : 0;
}

/* Mark the threads there are; new ones look at trace_on themselves. */
static void trace_mark_threads(struct task *task, void *traced)
{
    spin_lock(&task->lock);
    list_for_each (&task->threads, node) {
        struct thread *thread = list_entry(node, struct thread, task_link);

        if (*(const bool *)traced && !CONFIG_DEBUG) {
            atomic_fetch_or(&thread->flags, THREAD_FLAG_TRACED);
        } else {
            atomic_fetch_and(&thread->flags, ~THREAD_FLAG_TRACED);
        }
    }
    spin_unlock(&task->lock);
}

static void trace_set(bool on)
{
    __atomic_store_n(&trace_on, on, __ATOMIC_SEQ_CST);
    trace_sites_set(on);
    task_foreach(trace_mark_threads, &on);
    for (uint32_t i = 0; i < CPU_MAX; i++) {
        while (__atomic_load_n(&trace_rings[i].busy, __ATOMIC_SEQ_CST)) {
            cpu_relax();
        }
    }
}

/* Rings of another size, empty, in place of those there are. Locks: trace_mutex held. */
static bool trace_resize(uint32_t events)
{
    vm_size_t size = cpu_count * (vm_size_t)events * sizeof(struct trace_event);
    struct trace_event *new = NULL;

    if (size >> PAGE_SHIFT <= vm_page_free_count() / 4) { /* the rest is for others */
        new = kmem_alloc(size);
    }
    if (new == NULL) {
        return false;
    }
    if (trace_rings[0].events != NULL) {
        kmem_free(trace_rings[0].events, cpu_count * (vm_size_t)trace_rings[0].size * sizeof(*new));
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        trace_rings[i].events = new + (uint64_t)i *events;
        trace_rings[i].size = events;
        trace_rings[i].next = 0;
    }
    return true;
}

kern_return_t trace_start(uint32_t events)
{
    bool done, before;

    if (events == 0) {
        return KERN_INVALID_ARGUMENT;
    }
    mutex_lock(&trace_mutex);
    before = atomic_load(&trace_on);
    trace_set(false);
    done = trace_resize(events);
    atomic_store(&trace_before, atomic_load(&trace_causes));
    trace_set(done || before);
    mutex_unlock(&trace_mutex);
    return done ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

void trace_stop(void)
{
    mutex_lock(&trace_mutex);
    trace_set(false);
    mutex_unlock(&trace_mutex);
}

void trace_init(void)
{
    mutex_init(&trace_mutex, "trace");
    if (CONFIG_DEBUG) {
        (void)trace_start(TRACE_DEBUG_EVENTS);
    }
}

/* --- reading --- */

void trace_read(uint32_t cpu, uint64_t *position, struct trace_event *events, uint32_t *count)
{
    const struct trace_ring *ring = &trace_rings[cpu];
    uint32_t max = *count;
    uint64_t next;

    *count = 0;
    mutex_lock(&trace_mutex);
    next = atomic_load_acquire(&ring->next);
    if (next > ring->size && *position < next - ring->size) {
        *position = next - ring->size;
    }
    while (*count < max && *position < next) {
        events[*count] = ring->events[*position % ring->size];
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        /* it may have been written over meanwhile */
        *count += atomic_load(&ring->next) < *position + ring->size;
        *position += 1;
    }
    mutex_unlock(&trace_mutex);
}

/* The newest event older than `before`, over all rings. */
static const struct trace_event *trace_newest_before(uint64_t before)
{
    const struct trace_event *best = NULL;

    for (uint32_t c = 0; c < cpu_count; c++) {
        for (uint32_t i = 0; i < trace_rings[c].size; i++) {
            const struct trace_event *e = &trace_rings[c].events[i];

            if (e->kind != TRACE_NONE && e->time < before &&
                (best == NULL || e->time > best->time)) {
                best = e;
            }
        }
    }
    return best;
}

void trace_print_last(unsigned n)
{
    uint64_t before = ~0ull;

    kprintf("last events, newest first:\n");
    for (unsigned i = 0; i < n; i++) {
        const struct trace_event *e = trace_newest_before(before);

        if (e == NULL) {
            break;
        }
        kprintf("  %12lu cpu %u thread %lu%s cause %u %s %lx %lx\n", e->time, e->cpu, e->thread,
                e->interrupt ? " (interrupted)" : "", e->cause, trace_names[e->kind], e->a, e->b);
        before = e->time;
    }
}
