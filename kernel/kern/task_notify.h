/* task_notify.h - telling one privileged port of every new task. */
#ifndef KERN_TASK_NOTIFY_H
#define KERN_TASK_NOTIFY_H

struct task;

/* A task was created by `parent`: if somebody asked, send mach_notify_new_task. Locks: none held.
 */
void task_notify_created(struct task *parent, struct task *task);

#endif
