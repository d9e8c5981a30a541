/* pressure.h - what the parts of the pressure test share.
 *
 * The program starts itself several times, as a task for each role. Each has a set of pages that it
 * changes for as long as it is told, in no order, and looks at each page's contents when it comes
 * to it again. Together they have more than the machine has memory, so nearly all there is stays
 * changed, and on its way to a pager or back. */
#ifndef PRESSURE_H
#define PRESSURE_H

#include <mach/mach.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE  4096ul
#define WORDS (PAGE / sizeof(uint64_t))
#define MIB   (1ul << 20)

/* What a role did. */
struct work {
    uint64_t done;   /* pages changed, or calls */
    uint64_t wrong;  /* pages with other contents than were left there, or answers */
    uint64_t gap_ms; /* the longest time between two of them */
    uint64_t last_ms;
};

/* Pages one task uses. */
struct pages {
    uint64_t *words;
    uint64_t count;
    uint32_t *versions; /* how often each page was changed */
    uint64_t random;
};

/* --- main.c --- */

/* Milliseconds since some time. */
uint64_t pressure_now_ms(void);
/* Fresh memory; ends the program when there is no room. */
void *pressure_allocate(uint64_t size);
/* End the program, with a sentence, unless kr is KERN_SUCCESS. */
void pressure_check(kern_return_t kr, const char *what);
/* One more is done. */
void work_step(struct work *work);

/* --- pages.c; needs no libc but for the creation --- */

void pages_create(struct pages *pages, void *memory, uint64_t size);
/* Has the page the contents it was given last? */
bool pages_is_right(const struct pages *pages, uint64_t page);
/* Give it its next contents. */
void pages_change(struct pages *pages, uint64_t page);
uint64_t pages_pick(struct pages *pages);
/* Look at a page, and change it. */
void pages_work(struct pages *pages, struct work *work);

/* --- twin.c: a task with a copy of this one's memory --- */

struct twin {
    mach_port_t task, thread;
};

/* Start it in `function`, which has a stack and nothing else: no libc, no library. `service` is a
 * receive right that moves there under the same name, or MACH_PORT_NULL. */
void twin_start(struct twin *twin, void (*function)(void), mach_port_t service);
void twin_end(struct twin *twin);

/* --- meter.c --- */

/* What memory is used for, in pages. */
struct meter {
    uint64_t free;
    uint64_t programs; /* of all that is neither free nor the kernel's */
    uint64_t seen;     /* of those: in objects with a pager */
    uint64_t dirty;    /* of those: changed since their pager had them */
};

/* Count the pages of all objects of the default pager, and of those mapped in the task. */
void meter_read(struct meter *meter, mach_port_t task);

/* --- the roles --- */

void role_write(uint64_t size, uint64_t end_ms, struct work *work); /* anonymous memory */
void role_fork(uint64_t size, uint64_t end_ms, struct work *work);  /* that tasks have copies of */
void role_pager(uint64_t size, uint64_t end_ms, struct work *work); /* a pager and its client */
void role_call(uint64_t size, uint64_t end_ms, struct work *work);  /* and a server that answers */

#endif
