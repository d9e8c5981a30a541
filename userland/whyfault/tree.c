/* tree.c - a fault as it went from task to task. */
#include <mach/vm_prot.h>
#include <portolan/error.h>
#include <stdio.h>

#include "whyfault.h"

#define DEPTH_MAX   16u
#define THREADS_MAX 64u

/* What is counted. */
struct totals {
    uint64_t messages, kernel_calls, interrupts;
    uint64_t zeroed, copied, moved; /* pages */
    uint64_t switches;              /* from one thread to another, */
    uint64_t spaces;                /*   those that are of two tasks */
    uint64_t threads;
};

/* A thread is as far to the right as there were messages on the way to it. */
struct place {
    uint64_t thread;
    unsigned depth;
};

struct tree {
    const struct events *fault;
    struct place places[THREADS_MAX];
    unsigned count;
    struct totals totals;
};

static struct place *tree_place(struct tree *tree, uint64_t thread)
{
    for (unsigned i = 0; i < tree->count; i++) {
        if (tree->places[i].thread == thread) {
            return &tree->places[i];
        }
    }
    if (tree->count == THREADS_MAX) {
        return &tree->places[THREADS_MAX - 1];
    }
    tree->places[tree->count] = (struct place){thread, 0};
    return &tree->places[tree->count++];
}

/* The other thread was reached from this one. */
static void tree_reach(struct tree *tree, uint64_t from, uint64_t to)
{
    unsigned before = tree->count;
    struct place *place = tree_place(tree, to);
    unsigned depth = tree_place(tree, from)->depth + 1;

    if (before != tree->count && place->depth == 0) {
        place->depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
    }
}

/* Instructions since the fault, without those that recording took. */
static uint64_t tree_time(const struct events *fault, unsigned i)
{
    uint64_t time = fault->list[i].time - fault->list[0].time;

    for (unsigned k = 0; k < i; k++) {
        if (fault->list[k].cpu == fault->list[i].cpu) {
            time -= fault->list[k].spent;
        }
    }
    return time;
}

static void tree_message(uint64_t id)
{
    bool is_reply;
    const char *name = names_message(id, &is_reply);

    printf("%s%s (%lu)", name != NULL ? name : "message", is_reply && name != NULL ? ", reply" : "",
           id);
}

static void tree_thread(const struct tree *tree, uint64_t thread)
{
    printf("%s.%lu", names_task(names_task_of(tree->fault, thread)), thread);
}

static void tree_what(const struct tree *tree, const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_FAULT:
        printf("touches 0x%lx to %s", e->a, (e->b & VM_PROT_WRITE) != 0 ? "write" : "read");
        break;
    case TRACE_FAULT_END:
        printf("has its page%s%s", e->a != 0 ? " not: " : "",
               e->a != 0 ? mach_error_string((kern_return_t)e->a) : "");
        break;
    case TRACE_SEND:
        printf("sends ");
        tree_message(e->a);
        break;
    case TRACE_RECEIVE:
        printf("receives ");
        tree_message(e->a);
        break;
    case TRACE_HANDOFF:
        printf("hands ");
        tree_message(e->a);
        printf(" and the processor to ");
        tree_thread(tree, e->b);
        break;
    case TRACE_KCALL:
        printf("calls the kernel: ");
        tree_message(e->a);
        break;
    case TRACE_EXCEPTION:
        printf("raises exception %lu, code %lu", e->a, e->b);
        break;
    case TRACE_SWITCH:
        printf("leaves the processor to ");
        tree_thread(tree, e->b);
        break;
    case TRACE_WAKE:
        printf("wakes ");
        tree_thread(tree, e->b);
        break;
    case TRACE_IRQ:
        printf("interrupt line %lu", e->a);
        break;
    case TRACE_ZEROED:
    case TRACE_COPIED:
    case TRACE_MOVED:
        printf("%lu page%s %s", e->a, e->a == 1 ? "" : "s",
               e->kind == TRACE_ZEROED   ? "cleared"
               : e->kind == TRACE_COPIED ? "copied"
                                         : "moved, not copied");
        break;
    default:
        printf("event %u", e->kind);
    }
}

/* Does the processor go over to another task? */
static void tree_count_switch(struct tree *tree, const struct trace_event *e)
{
    tree->totals.switches++;
    tree->totals.spaces += names_task_of(tree->fault, e->b) != e->task;
}

static void tree_count(struct tree *tree, const struct trace_event *e)
{
    struct totals *totals = &tree->totals;

    totals->messages += e->kind == TRACE_SEND || e->kind == TRACE_HANDOFF;
    totals->kernel_calls += e->kind == TRACE_KCALL;
    totals->interrupts += e->kind == TRACE_IRQ;
    totals->zeroed += e->kind == TRACE_ZEROED ? e->a : 0;
    totals->copied += e->kind == TRACE_COPIED ? e->a : 0;
    totals->moved += e->kind == TRACE_MOVED ? e->a : 0;
    if (e->kind == TRACE_HANDOFF || e->kind == TRACE_SWITCH) {
        tree_count_switch(tree, e);
    }
}

static void tree_line(struct tree *tree, unsigned i)
{
    const struct trace_event *e = &tree->fault->list[i];

    if (e->kind == TRACE_SWITCH && e->thread == e->b) {
        return; /* the rest of a hand-off */
    }
    if (!e->interrupt && (e->kind == TRACE_HANDOFF || e->kind == TRACE_WAKE)) {
        tree_reach(tree, e->thread, e->b);
    }
    printf("%9lu  %*s", tree_time(tree->fault, i),
           e->interrupt ? 0 : (int)(2 * tree_place(tree, e->thread)->depth), "");
    if (!e->interrupt) {
        tree_thread(tree, e->thread);
        printf(" ");
    }
    tree_what(tree, e);
    printf("\n");
    tree_count(tree, e);
}

/* Threads that did something, the idle ones and those an interrupt came upon left out. */
static uint64_t tree_threads(const struct tree *tree)
{
    uint64_t threads = 0;

    for (unsigned i = 0; i < tree->count; i++) {
        bool acts = false;

        for (unsigned k = 0; k < tree->fault->count; k++) {
            const struct trace_event *e = &tree->fault->list[k];

            acts = acts || (e->thread == tree->places[i].thread && !e->interrupt &&
                            e->kind != TRACE_SWITCH);
        }
        threads += acts;
    }
    return threads;
}

void tree_print(const struct events *fault)
{
    static struct tree tree;
    const struct totals *totals = &tree.totals;

    tree = (struct tree){.fault = fault};
    for (unsigned i = 0; i < fault->count; i++) {
        tree_line(&tree, i);
    }
    printf("threads involved: %lu\n", tree_threads(&tree));
    printf("messages: %lu, kernel calls: %lu, interrupts: %lu\n", totals->messages,
           totals->kernel_calls, totals->interrupts);
    printf("pages cleared: %lu, copied: %lu, moved: %lu\n", totals->zeroed, totals->copied,
           totals->moved);
    printf("context switches: %lu, address-space switches: %lu\n", totals->switches,
           totals->spaces);
    printf("instructions: %lu\n", tree_time(fault, fault->count - 1));
}

void tree_print_raw(const struct events *fault)
{
    printf("events %u\n", fault->count);
    for (unsigned i = 0; i < fault->count; i++) {
        const struct trace_event *e = &fault->list[i];
        bool is_message = e->kind == TRACE_SEND || e->kind == TRACE_RECEIVE ||
                          e->kind == TRACE_HANDOFF || e->kind == TRACE_KCALL;
        bool is_reply = false;
        const char *name = is_message ? names_message(e->a, &is_reply) : NULL;

        printf("%lu %u %lu %u %s %u %u %u %lu %lu %s%s\n", tree_time(fault, i), e->cpu, e->thread,
               e->task, names_task(e->task), e->cause, e->kind, e->interrupt, e->a, e->b,
               name != NULL ? name : "-", is_reply ? "-reply" : "");
    }
    printf("end\n");
}
