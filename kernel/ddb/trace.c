/* trace.c - the trace rings. */
#include "ddb/trace.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/switch.h"
#include "kern/clock.h"
#include "kern/printf.h"
#include "kern/thread.h"

#define TRACE_RING 256u

struct trace_event {
    uint64_t ticks;
    uint64_t thread; /* id */
    uint64_t a, b;
    enum trace_kind kind;
};

/* Keys: [C] its processor, interrupts off */
struct trace_ring {
    struct trace_event events[TRACE_RING]; /* [C] */
    uint32_t next;                         /* [C] counts all events */
};

bool trace_enabled = CONFIG_DEBUG;

static struct trace_ring trace_rings[CPU_MAX];

static const char *const trace_names[TRACE_KIND_COUNT] = {
    [TRACE_SEND] = "send",       [TRACE_RECEIVE] = "receive", [TRACE_KCALL] = "kernel call",
    [TRACE_FAULT] = "fault",     [TRACE_BLOCK] = "block",     [TRACE_EXCEPTION] = "exception",
    [TRACE_HANDOFF] = "handoff", [TRACE_WAKE] = "wake",       [TRACE_IRQ] = "irq",
};

void trace_record(enum trace_kind kind, uint64_t a, uint64_t b)
{
    uint64_t flags = interrupt_save_disable();
    struct trace_ring *ring = &trace_rings[cpu_number()];
    struct thread *self = current_thread();

    ring->events[ring->next % TRACE_RING] =
        (struct trace_event){rdtsc_ticks(), self != NULL ? self->id : 0, a, b, kind};
    ring->next++;
    interrupt_restore(flags);
}

/* The newest event older than `before`, over all rings. */
static const struct trace_event *trace_newest_before(uint64_t before, uint32_t *cpu)
{
    const struct trace_event *best = NULL;

    for (uint32_t c = 0; c < cpu_count; c++) {
        for (uint32_t i = 0; i < TRACE_RING; i++) {
            const struct trace_event *e = &trace_rings[c].events[i];

            if (e->kind != TRACE_NONE && e->ticks < before &&
                (best == NULL || e->ticks > best->ticks)) {
                best = e;
                *cpu = c;
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
        uint32_t cpu = 0;
        const struct trace_event *e = trace_newest_before(before, &cpu);

        if (e == NULL) {
            break;
        }
        kprintf("  %12lu cpu %u thread %lu %s %lx %lx\n", e->ticks, cpu, e->thread,
                trace_names[e->kind], e->a, e->b);
        before = e->ticks;
    }
}
