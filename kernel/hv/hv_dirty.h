/* hv_dirty.h - the log of the pages that a machine's guest has written. */
#ifndef HV_HV_DIRTY_H
#define HV_HV_DIRTY_H

struct hv_machine;
struct task;

/* Give up the log of a machine that has ended, if it has one; task is who was charged. Sleeps: no.
 */
void hv_dirty_end(struct hv_machine *machine, struct task *task);

#endif
