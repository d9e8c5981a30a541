/* fuzz_calls.h - one thread of the fuzzer: makes calls from a grammar, with traps and plain memory
 * alone, since anything it has may be taken from it. */
#ifndef FUZZ_CALLS_H
#define FUZZ_CALLS_H

#include <mach/mach.h>
#include <stdbool.h>
#include <stdint.h>

#define FUZZ_PAGE   4096u
#define FUZZ_BUFFER (16u * FUZZ_PAGE)
#define FUZZ_NAMES  64u

/* Names the starter gives rights in each task. */
#define FUZZ_OTHER_TASK   0x00010001u /* the other task's port */
#define FUZZ_COMMON_FIRST 0x00010010u /* ports both tasks may send to */
#define FUZZ_COMMON_COUNT 8u

/* What a thread works with. Lies in memory the starter shares. */
struct fuzz_thread {
    uint64_t calls;  /* made so far */
    uint64_t done;   /* of these, messages the kernel sent or received */
    uint64_t random; /* state of the generator: with its first value the thread can be run again */
    uint64_t limit;
    mach_port_t self, reply;
    mach_port_name_t names[FUZZ_NAMES]; /* seen lately */
    uint8_t *buffer;                    /* FUZZ_BUFFER bytes, then a page that is not mapped */
    uint8_t *read_only;                 /* a page */
};

/* Runs until `limit` calls are made, then idles. The entry point of a bare thread. */
void fuzz_run(struct fuzz_thread *t);

#endif
