/* task.h - tasks: an address map, a port space, threads and a ledger. */
#ifndef KERN_TASK_H
#define KERN_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>

#include "kern/ledger.h"
#include "kern/list.h"
#include "kern/spinlock.h"
#include "kern/thread.h"
#include "kern/waitq.h"

struct ipc_port;
struct ipc_space;
struct vm_map;
struct emulation;

#define TASK_NAME_SIZE         64
#define TASK_PORT_REGISTER_MAX 4

/* Keys: [I] immutable after create, [L] this->lock, [A] task list lock, [a] atomic */
struct task {
    struct spinlock lock;            /* TASK */
    uint32_t refs;                   /* [a] */
    bool dying;                      /* [L] no new threads, no new rights */
    bool torn_down;                  /* [L] map and space are being or have been emptied */
    struct vm_map *map;              /* [I] owns a reference */
    struct pmap *pmap;               /* [I] of the map */
    struct ipc_space *space;         /* [I] owns a reference */
    struct list threads;             /* [L] */
    uint32_t thread_count;           /* [L] */
    uint32_t suspend_count;          /* [L] */
    int32_t priority;                /* [L] base priority of new threads */
    int32_t max_priority;            /* [L] */
    struct ipc_port *self_port;      /* [L] kernel port, NULL when ended */
    struct ipc_port *exception_port; /* [L] send right or NULL */
    struct ipc_port *bootstrap_port; /* [L] send right or NULL */
    struct ipc_port *registered[TASK_PORT_REGISTER_MAX]; /* [L] send rights or NULL */
    struct emulation *emulation;  /* [L] handlers of emulated system calls, or NULL */
    bool gone_now;                /* [a] everything has been given back */
    struct waitq gone;            /* threads waiting for that */
    struct list list_link;        /* [A] list of all tasks */
    struct ledger ledger;         /* [a] */
    struct task *creator;         /* [L] whose ledger it is charged to, or NULL; until it ends */
    uint64_t dead_run_ticks;      /* [L] processor time of threads that have ended */
    uint64_t dead_user_samples;   /* [L] */
    uint64_t dead_system_samples; /* [L] */
    uint64_t created_ns;          /* [I] */
    struct list machines;         /* [L] virtual machines it has made */
    uint8_t *io_bitmap;           /* [L] I/O ports it may use, or NULL */
    uint64_t io_version;          /* [L] counts changes of io_bitmap */
    bool is_first;                /* [I] the first task of the boot */
    bool essential;               /* [L] the system cannot go on without it */
    int exception_status;         /* [a] EXC_* that ended it, 0 for none */
    uint64_t faults;              /* [a] for task_info */
    uint64_t messages_sent;       /* [a] */
    uint64_t messages_received;   /* [a] */
    uint64_t id;                  /* [I] for people */
    char name[TASK_NAME_SIZE];    /* [L] */
};

extern struct task *task_kernel;

static inline struct task *current_task(void)
{
    return current_thread()->task;
}

void task_init(void);
/* A new task. parent may be NULL (the first task). With inherit its map is made from the parent's
 * by the inheritance of each region, and it inherits emulation handlers; else it is empty.
 * Bootstrap, exception and registered ports are inherited either way. Refs: caller owns one;
 * another is the task list's until the task ends. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE
 * (memory, or parent's ledger), KERN_FAILURE (parent is ending). */
kern_return_t task_create_from(struct task *parent, bool inherit, struct task **task);
void task_ref(struct task *task);
void task_unref(struct task *task);
/* End a task. When called by another task: returns when its threads are gone and its memory and
 * rights have been given back. */
kern_return_t task_end(struct task *task);
/* The calling thread of the task is the last and is exiting: give memory and rights back. */
void task_tear_down(struct task *task);
/* Call visit(task, argument) for each task, with a reference held and no lock. */
void task_foreach(void (*visit)(struct task *, void *), void *argument);
/* The list of all tasks, for the debugger while nothing else runs. */
struct list *task_list_head(void);

#endif
