/* model.h - what random operations are compared with: what each page of a few tasks and memory
 * objects must hold, kept as plain arrays beside the real maps and objects.
 *
 * A cell is the contents of one page, whoever maps it: the byte at MODEL_TAG stands for all of
 * them. Pages that are shared have one cell. What a pager may do to its own data is allowed for in
 * the cell: contents that may be lost, are lost, or may be anything. Operations are made of random
 * numbers that follow from the history's number and their own, so that a history can be run again
 * with some of them left out. */
#ifndef TEST_VM_MODEL_H
#define TEST_VM_MODEL_H

#include "fake_pager.h"

#define MODEL_TASKS        4u
#define MODEL_PAGES        48u /* of a task */
#define MODEL_OBJECTS      12u
#define MODEL_FILES        5u /* objects there are from the beginning; others are copies of them */
#define MODEL_OBJECT_PAGES 24u
#define MODEL_BASE         0x100000ul
#define MODEL_TAG          5u
#define MODEL_NONE         (~0u)
#define MODEL_QUESTIONS    16u

struct model_object;

struct model_cell {
    uint8_t value;
    bool of_object;              /* the page of a memory object, for all who map that */
    bool lossy;                  /* it was its pager's, which is gone: to be had, or an error */
    bool lost;                   /* an error */
    bool any;                    /* its pager has changed it behind a copy's back: any value */
    struct model_object *source; /* whose page it is, or may still be looked for there; NULL */
    unsigned page;               /* in source */
};

struct model_page {
    bool mapped;
    vm_prot_t prot;
    vm_inherit_t inherit;
    unsigned wired;
    unsigned cell;
};

struct model_task {
    struct vm_map *map;
    struct model_page pages[MODEL_PAGES];
};

/* Something a pager has been asked and has not answered. */
struct model_question {
    int id; /* as of a message; 2200: whether it is ready */
    vm_offset_t offset;
    vm_size_t length;
};

/* A memory object: the pager's side of it. */
struct model_object {
    struct ipc_port *port;     /* its receive right; NULL: there is no such object */
    struct vm_object *control; /* the kernel's side, from memory_object_init to _terminate */
    bool ready;
    bool may_cache;
    bool is_copy; /* made by memory_object_copy: ends with the kernel's side */
    bool ending;  /* the model is ending it: nothing is to be expected of its contents */
    memory_object_copy_strategy_t strategy;
    uint8_t stored[MODEL_OBJECT_PAGES]; /* what the pager has */
    unsigned cell[MODEL_OBJECT_PAGES];
    struct model_question asked[MODEL_QUESTIONS];
    unsigned asked_count;
};

struct model {
    struct model_task tasks[MODEL_TASKS];
    struct model_object objects[MODEL_OBJECTS];
    struct model_cell *cells;
    unsigned cell_count;
    struct vm_map *pager_map; /* memory of the pagers */
    uint64_t random;
    /* What pagers may do in this operation. */
    bool late;  /* answer when they are waited for */
    bool fails; /* answer with errors, or not at all */
    bool nests; /* have other things happen while they are waited for */
    /* What has happened in it. */
    bool failed;    /* a pager's failure: an error is right */
    bool disturbed; /* what was waited for may have gone: any error is right */
    bool shortage;  /* memory was short: a shortage is right */
    bool nested;    /* what is being done now is done by somebody else, while a thread waits */
    bool calm;      /* the operation changes no contents: others can be compared meanwhile */
};

extern struct model model;

/* --- model.c --- */

/* A number below n. */
unsigned model_random(unsigned n);
/* Perhaps the operation will lack memory for an object or a page table; from here on there is
 * enough. */
void model_scarce(void);
void model_plenty(void);
/* Start and end a history. */
void model_begin(void);
void model_end(void);
unsigned model_new_cell(uint8_t value);
/* The cells of an object are what its pager has; the old ones go on without it. */
void model_renew_cells(struct model_object *object);
/* Somebody wrote the cell: a byte, or what another held. */
void model_set(unsigned cell, uint8_t value);
void model_give(unsigned cell, const struct model_cell *from);
/* A copy of the page that `from` was, at the address: its cell. */
unsigned model_copied(struct vm_map *map, vm_offset_t at, const struct model_cell *from);
/* Does some task have the cell's page wired? */
bool model_is_wired(unsigned cell);
vm_offset_t model_address(unsigned page);
/* Is the outcome of an access right? Returns: whether it was done. */
bool model_outcome(const struct model_page *page, vm_prot_t access, kern_return_t kr);
/* One access to a page at an address, compared with the model. */
void model_read(struct vm_map *map, vm_offset_t at, const struct model_page *page);
void model_write(struct vm_map *map, vm_offset_t at, const struct model_page *page);
/* Read a cell's page with nothing in the way. Returns: false when it cannot be had. */
bool model_peek(struct vm_map *map, vm_offset_t at, const struct model_page *page, uint8_t *value);
/* The memory object mapped at the address is this one's page; NULL. */
struct model_object *model_object_at(struct vm_map *map, vm_offset_t at, unsigned *page);

/* --- model_pager.c --- */

/* Receives all messages. */
void model_pager(const struct fake_message *message);
/* While a thread waits. Returns: false when its time is up. */
bool model_wait(void);
void model_pager_begin(void);
void model_pager_end(void);
/* Answer the object's oldest question. */
void model_answer(struct model_object *object);
/* Supply pages of the object, in one of the ways there are. */
void model_supply(struct model_object *object, unsigned first, unsigned n);
/* The kernel's side with a reference, for a call of the pager's; NULL: there is none. */
struct vm_object *model_control(struct model_object *object);
/* Memory objects of the default pager: ports. */
unsigned model_default_objects(void);

/* --- model_map_ops.c, model_object_ops.c: each does something at random --- */

void op_allocate(void);
void op_deallocate(void);
void op_attributes(void);
void op_access(void);
void op_copy(void);
void op_send(void);
void op_bytes(void);
void op_fork(void);
void op_share(void);
void op_wire(void);
void op_unwire(void);
void op_map(void);

void op_answer(void);
void op_supply(void);
void op_refuse(void);
void op_lock(void);
void op_change(void);
void op_sync(void);
void op_destroy(void);
void op_kill(void);
void op_pressure(void);
void op_shortage(void);
void op_reap(void);

/* --- model_check.c --- */

/* Contents, regions, mappings, and all counts. */
void model_check(void);

/* --- model_trace.c --- */

/* Run a history of so many operations, or of those `only` (NULL: all) is not 0 for. */
void model_run(unsigned history, unsigned operations, const uint8_t *only);
/* Remember what the operation does. */
void model_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Fail the test, with the last operations. */
void model_fail(const char *file, int line, const char *what, long got, long wanted)
    __attribute__((noreturn));

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            model_fail(__FILE__, __LINE__, #condition, 0, 1);                                      \
        }                                                                                          \
    } while (0)
#define expect_code(call, code)                                                                    \
    do {                                                                                           \
        long got_ = (long)(call), wanted_ = (long)(code);                                          \
        if (got_ != wanted_) {                                                                     \
            model_fail(__FILE__, __LINE__, #call " == " #code, got_, wanted_);                     \
        }                                                                                          \
    } while (0)

#endif
