/* model_trace.c - histories: run, remembered, told when they fail. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#include <sanitizer/common_interface_defs.h>

#include "kern/list.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"

#define CHECK_EVERY 64u
#define TOLD        30u
#define NOTE_MAX    100u

/* What may happen, and how often of WEIGHTS times. */
static const struct {
    unsigned weight;
    void (*run)(void);
} operations[] = {
    {3, op_allocate}, {2, op_deallocate}, {1, op_attributes}, {6, op_access},  {2, op_copy},
    {1, op_send},     {1, op_share},      {1, op_bytes},      {2, op_fork},    {1, op_wire},
    {1, op_unwire},   {4, op_map},        {2, op_answer},     {1, op_supply},  {1, op_refuse},
    {2, op_lock},     {1, op_change},     {1, op_sync},       {1, op_destroy}, {1, op_kill},
    {1, op_reap},     {1, op_pressure},   {1, op_shortage},
};
#define WEIGHTS 38u

static struct {
    unsigned history;
    unsigned operation;
    bool runs;
    char notes[TOLD][NOTE_MAX]; /* a ring */
    unsigned noted;
} trace;

void model_note(const char *format, ...)
{
    char *note = trace.notes[trace.noted % TOLD];
    int n = snprintf(note, NOTE_MAX, "%u%s: ", trace.operation, model.nested ? ", meanwhile" : "");
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(note + n, NOTE_MAX - (size_t)n, format, arguments);
    va_end(arguments);
    trace.noted += 1;
}

/* Also called when a sanitizer ends the process, or a panic. */
static void trace_tell(void)
{
    unsigned first = trace.noted > TOLD ? trace.noted - TOLD : 0;

    if (!trace.runs) {
        return;
    }
    trace.runs = false;
    fprintf(stderr, "history %u failed at operation %u; the last ones:\n", trace.history,
            trace.operation);
    for (unsigned i = first; i < trace.noted; i += 1) {
        fprintf(stderr, "    %s\n", trace.notes[i % TOLD]);
    }
}

void model_fail(const char *file, int line, const char *what, long got, long wanted)
{
    fprintf(stderr, "%s:%d: %s: got %ld, not %ld\n", file, line, what, got, wanted);
    trace_tell();
    abort(); /* what is there cannot be taken down any more */
}

static void run_operation(unsigned operation)
{
    unsigned at, i = 0;

    trace.operation = operation;
    model.random = (uint64_t)trace.history << 32 | operation;
    model.late = model_random(2) == 0;
    model.fails = model_random(6) == 0;
    model.failed = model.disturbed = model.shortage = model.calm = false;
    if (model_random(40) == 0) { /* no message reaches a pager */
        model.failed = true;
        fake_send_result = model_random(2) == 0 ? MACH_SEND_TIMED_OUT : MACH_SEND_INTERRUPTED;
    }
    for (at = model_random(WEIGHTS); at >= operations[i].weight; i += 1) {
        at -= operations[i].weight;
    }
    operations[i].run();
    fake_send_result = KERN_SUCCESS;
    model_plenty();
}

/* Leave so many pages free, for the history. */
static void run_with_pages(struct list *taken)
{
    static const unsigned more[] = {300, 1200, 1500, 3000};
    uint64_t left = vm_pageout_low() + vm_pageout_low() / 4 + more[model_random(4)];
    struct vm_page *page;

    while (vm_page_free_count() > left && (page = vm_page_alloc(0)) != NULL) {
        list_insert_tail(taken, &page->link);
    }
}

void model_run(unsigned history, unsigned count, const uint8_t *only)
{
    struct list taken = LIST_INITIALIZER(taken);
    struct list *node;

    trace.history = history;
    trace.operation = 0;
    trace.noted = 0;
    trace.runs = true;
    fake_panic_hook = trace_tell;
    __sanitizer_set_death_callback(trace_tell);
    model_begin();
    model.random = history;
    model_pager_begin();
    run_with_pages(&taken);
    for (unsigned i = 1; i <= count; i += 1) {
        if (only == NULL || only[i] != 0) {
            run_operation(i);
        }
        if (i % CHECK_EVERY == 0 || i == count) {
            model.random = ~((uint64_t)history << 32 | i);
            model_check();
        }
    }
    model_end();
    model_pager_end();
    while ((node = list_pop(&taken)) != NULL) {
        vm_page_free(list_entry(node, struct vm_page, link));
    }
    trace.runs = false;
}
