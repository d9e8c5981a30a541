/* trace.h - a ring of the last events of each processor: for the debugger, for panics, and for
 * programs (host_trace_start). The debug kernel traces from its start on.
 *
 * While nothing is traced each place costs one instruction that does nothing (arch/trace_site.h),
 * and where a message is handed straight to its receiver none at all (trace_flagged).
 *
 * What an event goes back to, its cause, is kept in threads and in messages. A thread that serves
 * has the cause of the request it has received last; one that only asks has a new one for each
 * fault and each call. */
#ifndef KERN_TRACE_H
#define KERN_TRACE_H

#include <mach/kern_return.h>
#include <mach/trace.h>

#include "arch/trace_site.h"

struct ipc_kmsg;
struct thread;

/* So that a place does not cost registers where it is. */
#define TRACE_RECORD __attribute__((noinline, cold, no_caller_saved_registers))

/* What the places call. Sleeps: no. Locks: any may be held, and interrupts may be off. */
TRACE_RECORD void trace_record(enum trace_kind kind, uint64_t a, uint64_t b);
TRACE_RECORD void trace_record_fault(uint64_t va, uint64_t access);
TRACE_RECORD void trace_record_fault_end(kern_return_t kr);
TRACE_RECORD void trace_record_send(struct ipc_kmsg *kmsg);
TRACE_RECORD void trace_record_receive(const struct ipc_kmsg *kmsg);
/* self hands a message to receiver; a reply when nobody is to answer it. */
TRACE_RECORD void trace_record_handoff(struct thread *self, struct thread *receiver, uint32_t id,
                                       bool is_reply);
TRACE_RECORD void trace_record_wake(struct thread *thread);
/* An interrupt sends a message to receiver (TRACE_SEND), or hands it the processor with it
 * (TRACE_HANDOFF): an affair of its own. */
TRACE_RECORD void trace_record_tell(enum trace_kind kind, struct thread *receiver, uint32_t id);

static inline __attribute__((always_inline)) void trace(enum trace_kind kind, uint64_t a,
                                                        uint64_t b)
{
    if (trace_site()) {
        trace_record(kind, a, b);
    }
}

static inline __attribute__((always_inline)) void trace_send(struct ipc_kmsg *kmsg)
{
    if (trace_site()) {
        trace_record_send(kmsg);
    }
}

static inline __attribute__((always_inline)) void trace_receive(const struct ipc_kmsg *kmsg)
{
    if (trace_site()) {
        trace_record_receive(kmsg);
    }
}

static inline __attribute__((always_inline)) void
trace_handoff(struct thread *self, struct thread *receiver, uint32_t id, bool is_reply)
{
    if (trace_site()) {
        trace_record_handoff(self, receiver, id, is_reply);
    }
}

static inline __attribute__((always_inline)) void trace_wake(struct thread *thread)
{
    if (trace_site()) {
        trace_record_wake(thread);
    }
}

static inline __attribute__((always_inline)) void trace_tell(enum trace_kind kind,
                                                             struct thread *receiver, uint32_t id)
{
    if (trace_site()) {
        trace_record_tell(kind, receiver, id);
    }
}

/* In the release kernel, where the hand-off of a message has no place of its own: threads that are
 * traced have a flag, and go a way that looks at flags anyway. */
static inline void trace_flagged(struct thread *self, struct thread *receiver, uint32_t id,
                                 bool is_reply)
{
    if (!CONFIG_DEBUG) {
        trace_handoff(self, receiver, id, is_reply);
    }
}

/* Of a thread that is new: the flag, or 0. */
uint32_t trace_flag(void);

/* Debug kernel: trace from now on. */
void trace_init(void);
/* Trace from now on, with so many events kept of each processor.
 * Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (0), KERN_RESOURCE_SHORTAGE (more than a quarter of
 * free memory). Sleeps: yes. */
kern_return_t trace_start(uint32_t events);
/* No more; what is in the rings stays. Sleeps: yes. */
void trace_stop(void);
/* Copy up to *count events of a processor from *position on, which moves; older ones than the ring
 * has are left out. In *count how many there were. */
void trace_read(uint32_t cpu, uint64_t *position, struct trace_event *events, uint32_t *count);
/* Print the last n events of all processors, the newest first. Others must not be tracing. */
void trace_print_last(unsigned n);

#endif
