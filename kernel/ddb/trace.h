/* trace.h - a ring of the last events of each processor, for the debugger and for panics. Costs one
 * test where tracing is off. */
#ifndef DDB_TRACE_H
#define DDB_TRACE_H

#include <stdbool.h>
#include <stdint.h>

enum trace_kind {
    TRACE_NONE,
    TRACE_SEND,      /* a: message id, b: destination port */
    TRACE_RECEIVE,   /* a: message id, b: port */
    TRACE_KCALL,     /* a: message id, b: kernel object's port */
    TRACE_FAULT,     /* a: address, b: access */
    TRACE_EXCEPTION, /* a: exception, b: code */
    TRACE_BLOCK,     /* a: next thread */
    TRACE_HANDOFF,   /* a: thread run in our place */
    TRACE_WAKE,      /* a: thread made runnable */
    TRACE_IRQ,       /* a: line */
    TRACE_KIND_COUNT,
};

extern bool trace_enabled;

void trace_record(enum trace_kind kind, uint64_t a, uint64_t b);
/* Print the last n events of all processors in order of time. Others must not be tracing. */
void trace_print_last(unsigned n);

static inline void trace(enum trace_kind kind, uint64_t a, uint64_t b)
{
    if (__builtin_expect(trace_enabled, 0)) {
        trace_record(kind, a, b);
    }
}

#endif
