/* whyfault.h - what the parts of whyfault share. */
#ifndef WHYFAULT_H
#define WHYFAULT_H

#include <mach/trace.h>
#include <stdbool.h>
#include <stdint.h>

/* What was recorded, in order of time. */
struct events {
    struct trace_event *list;
    unsigned count;
};

/* --- events.c --- */

/* Begin to record; fails with a sentence. */
void events_start(void);
/* No more, and get what there is. */
void events_stop(struct events *events);
/* What of it belongs to the fault of this thread at the address: from its beginning to its end.
 * Returns: false when there was none. */
bool events_of_fault(const struct events *all, uint64_t thread, uint64_t address,
                     struct events *fault);

/* --- names.c --- */

/* The name of the request with the id, or of which it is the reply (*is_reply); NULL: none has it.
 */
const char *names_message(uint64_t id, bool *is_reply);
/* Learn the names of the tasks and threads there are. */
void names_learn(void);
/* The name of a task, "?" when it is not known. */
const char *names_task(uint32_t task);
/* The task of a thread, by the events it has or by what has been learned; 0: not known. */
uint32_t names_task_of(const struct events *events, uint64_t thread);

/* --- tree.c --- */

/* Print who did what, with the instructions since the fault, and then how much of what. */
void tree_print(const struct events *fault);
/* Print the events as they are, a line each: for a program that draws them. */
void tree_print_raw(const struct events *fault);

#endif
