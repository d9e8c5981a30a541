/* trace.h - what the trace rings hold (host_trace_start and host_trace_read of portolan.defs). */
#ifndef MACH_TRACE_H
#define MACH_TRACE_H

#include <stdint.h>

enum trace_kind {
    TRACE_NONE,
    TRACE_FAULT,     /* a thread touched memory; a: address, b: access (VM_PROT_*) */
    TRACE_FAULT_END, /* a: what it came to (kern_return_t) */
    TRACE_SEND,      /* a message goes to a port; a: its id */
    TRACE_RECEIVE,   /* and is taken; a: its id */
    TRACE_HANDOFF,   /* a message goes straight to a thread, which goes on; a: its id, b: thread */
    TRACE_KCALL,     /* a message is served by the kernel; a: its id */
    TRACE_EXCEPTION, /* a: exception, b: code */
    TRACE_SWITCH,    /* the processor goes over to another thread; b: thread */
    TRACE_WAKE,      /* a thread becomes runnable; b: thread */
    TRACE_IRQ,       /* a: line */
    TRACE_ZEROED,    /* pages were cleared, */
    TRACE_COPIED,    /*   copied, */
    TRACE_MOVED,     /*   or moved from one object into another; a: how many */
    TRACE_KIND_COUNT
};

/* One event. `cause` is the same for all that goes back to one thing: it begins where a thread
 * touches memory or sends on its own account, and goes on with messages and to threads that are
 * woken. Recording took `spent` ticks of the time stamp, which began at `time`. */
struct trace_event {
    uint64_t time;
    uint64_t thread; /* id, 0: none */
    uint64_t a, b;
    uint32_t cause; /* 0: none */
    uint16_t kind;  /* enum trace_kind */
    uint8_t cpu;
    uint8_t interrupt; /* it was in an interrupt, which has nothing to do with the thread */
    uint32_t spent;
    uint32_t task; /* id */
};

#define TRACE_EVENT_WORDS (sizeof(struct trace_event) / sizeof(int64_t))

#endif
