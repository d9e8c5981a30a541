/* vm_pageout.h - page replacement: pages nobody uses are given back to their pagers, or thrown away
 * where the pager has them, so that there is always free memory.
 *
 * Objects are visited in turn, like the pages of a clock with a hand per object: a page that was
 * referenced since the last visit gets another round, one that was not goes. Anonymous memory goes
 * to the default pager. */
#ifndef VM_VM_PAGEOUT_H
#define VM_VM_PAGEOUT_H

#include <stdbool.h>
#include <stdint.h>

struct vm_object;

void vm_pageout_bootstrap(void);
/* Start the thread. */
void vm_pageout_start(void);

/* From now on pages of the object may be taken; no more. Locks: takes PAGEOUT. Sleeps: no. */
void vm_pageout_add(struct vm_object *object);
void vm_pageout_remove(struct vm_object *object);

/* Take pages until there is enough free memory, or nothing can be taken: what the thread does.
 * Returns: false when there is too little, and nothing was found in the end. Sleeps: yes. */
bool vm_pageout_run(void);

/* Free pages below which pages are taken, and up to which. */
uint64_t vm_pageout_low(void);
/* Memory is getting low: have the thread look. Locks: any but those behind PHYS. Sleeps: no. */
void vm_pageout_wake(void);
/* Pages were freed: who waits looks again. As vm_pageout_wake(). */
void vm_pageout_freed(void);
/* Pages are on their way to a pager; they are free. As vm_pageout_wake(). */
void vm_pageout_sent(uint64_t npages);
void vm_pageout_done(uint64_t npages);

/* A thread's wait for memory; zeroed at first. */
struct vm_pageout_wait {
    unsigned plenty;      /* times in a row there was enough memory after all */
    uint64_t failures;    /* there had been at the beginning */
    uint64_t deadline_ns; /* for pages on their way; 0: has not begun */
};

/* Wait a little for free memory. Locks: none held. Sleeps: yes. Returns: true: try again; false:
 * there is none to be had, or the thread was aborted. */
bool vm_pageout_wait(struct vm_pageout_wait *wait);

#endif
