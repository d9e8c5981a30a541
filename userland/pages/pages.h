/* pages.h - the pager of the tutorial, and what its client looks at. */
#ifndef PAGES_H
#define PAGES_H

#include <mach.h>
#include <stdbool.h>

#define PAGE  4096u
#define PAGES 16u

struct pager;

struct pages_counts {
    volatile unsigned computed, kept; /* pages */
    volatile bool ended;              /* nobody can use the notebook any more */
};
extern struct pages_counts pages_counts;
extern char pages_book[PAGES][PAGE];

/* A new object, the notebook or squares, whose messages come in on the set. Returns: those of
 * pager_create. */
kern_return_t pages_create(mach_port_t set, bool notebook, struct pager **pager);

#endif
