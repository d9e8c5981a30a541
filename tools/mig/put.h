/* put.h - code that puts items into a message, shared by the stubs that send. */
#ifndef MIG_PUT_H
#define MIG_PUT_H

#include "mig.h"

struct put_context {
    FILE *out;
    const struct mig_items *items;
    enum mig_side side;
    const char *base; /* pointer to the message's bytes */
    const char *kmsg; /* the kmsg, on the kernel's sides */
    bool rooms;       /* arrays lie in the message, each where it lies when all are longest */
};

/* Put all items; the message's end is then *position. Declared before: put_locals(). */
void put_locals(const struct put_context *context);
void put_items(const struct put_context *context, struct mig_position *position);
/* Offset of the data of item i when all before are longest. */
uint32_t put_room(const struct mig_items *items, unsigned i);

#endif
