/* mig_test.h - what tests made by `mig -test` are made of. */
#ifndef MIG_TEST_H
#define MIG_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/message.h>

enum mig_test_kind {
    TEST_FIXED,
    TEST_ANY_PORT, /* one right of any kind */
    TEST_STRING,
    TEST_STRING_V,
    TEST_VAR,
    TEST_EITHER,
    TEST_OOL,
};

struct mig_test_item {
    const char *name; /* NULL ends the list */
    enum mig_test_kind kind;
    uint32_t word;   /* first word of the descriptor */
    uint32_t number; /* elements, of the whole or of one entry */
    uint32_t max;    /* elements, where the number varies */
    uint32_t bits;   /* of an element */
};

struct mig_test_routine {
    const char *name;
    mach_msg_id_t id;
    bool one_way;
    bool has_reply_port; /* the server's routine is given the reply port */
    int complex;         /* 0 never, 1 always, 2 when something is out of line */
    uint32_t min_size, max_size;
    const struct mig_test_item *request;
    const struct mig_test_item *reply;
    kern_return_t (*call)(void); /* calls the user's stub */
    boolean_t (*server)(mach_msg_header_t *request, mach_msg_header_t *reply);
};

/* For the routines of the server under test. */
extern unsigned mig_test_calls;
extern kern_return_t mig_test_code;
extern bool mig_test_out_of_line;
void *mig_test_memory(void);
void *mig_test_buffer(unsigned index);
void mig_test_use_string(const char *text);
void mig_test_use(const void *data, uint64_t size);

int mig_test_main(const char *subsystem, struct mig_test_routine *routines, size_t count, int argc,
                  char **argv);

#endif
