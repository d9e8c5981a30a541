/* ledger.h - what a task makes the kernel allocate is charged to it, against limits; the offender
 * gets an error and nobody else notices. */
#ifndef KERN_LEDGER_H
#define KERN_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/atomic.h"

enum ledger_kind {
    LEDGER_KMEM_PAGES, /* kernel pages: tables of its names, page tables */
    LEDGER_PORTS,      /* ports whose receive right the task made */
    LEDGER_NAMES,      /* names in its space */
    LEDGER_KMSG_BYTES, /* bytes of messages it has queued anywhere */
    LEDGER_THREADS,    /* threads and their stacks */
    LEDGER_TASKS,      /* tasks it has made and that have not ended */
    LEDGER_COUNT,
};

/* Keys: [a] atomic */
struct ledger {
    uint64_t used[LEDGER_COUNT];  /* [a] */
    uint64_t limit[LEDGER_COUNT]; /* [a] */
};

/* Set the limits every new task starts with; nothing is used. */
void ledger_init(struct ledger *ledger);

/* Add n to the use; false, with nothing changed, when that would pass the limit. */
static inline bool ledger_charge(struct ledger *ledger, enum ledger_kind kind, uint64_t n)
{
    uint64_t used = atomic_fetch_add(&ledger->used[kind], n) + n;

    if (__builtin_expect(used > atomic_load(&ledger->limit[kind]), 0)) {
        atomic_fetch_sub(&ledger->used[kind], n);
        return false;
    }
    return true;
}

static inline void ledger_credit(struct ledger *ledger, enum ledger_kind kind, uint64_t n)
{
    atomic_fetch_sub(&ledger->used[kind], n);
}

#endif
