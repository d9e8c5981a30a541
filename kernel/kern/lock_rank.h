/* lock_rank.h - the order in which spin locks are taken: rising rank, one table for the whole
 * kernel. */
#ifndef KERN_LOCK_RANK_H
#define KERN_LOCK_RANK_H

enum lock_rank {
    LOCK_RANK_TASK_LIST = 5,      /* the list of all tasks */
    LOCK_RANK_TASK = 10,          /* a task: its threads, special ports */
    LOCK_RANK_MACHINE = 15,       /* a virtual machine: its processors */
    LOCK_RANK_SPACE = 20,         /* a port name space */
    LOCK_RANK_PORT = 30,          /* a port (two: by address) */
    LOCK_RANK_PSET = 40,          /* a port set */
    LOCK_RANK_VM_OBJECT = 50,     /* a memory cache object (two: shadowing before shadowed) */
    LOCK_RANK_PAGEOUT = 52,       /* objects whose pages may be taken */
    LOCK_RANK_MEMORY_OBJECT = 55, /* which memory cache object a memory object has */
    LOCK_RANK_PMAP = 60,          /* page tables of an address space */
    LOCK_RANK_PV = 65,            /* the mappings of a physical page */
    LOCK_RANK_PMAP_LARGE = 67,    /* mappings of 2 MiB that become small ones */
    LOCK_RANK_VM_PAGE = 70,       /* page queues */
    LOCK_RANK_SLAB = 80,          /* an allocator cache */
    LOCK_RANK_KMEM = 85,          /* kernel address ranges */
    LOCK_RANK_PHYS = 90,          /* free physical pages */
    LOCK_RANK_THREAD = 91,        /* a thread: suspend counts, termination */
    LOCK_RANK_SHOOTDOWN = 92,     /* remote TLB invalidation */
    /* from here on taken in interrupts too: with interrupts off, after any of the above */
    LOCK_RANK_DEVICE = 95,   /* interrupt lines, I/O ranges */
    LOCK_RANK_WAITQ = 100,   /* a wait queue, a sleeping mutex */
    LOCK_RANK_TIMER = 115,   /* a processor's timers */
    LOCK_RANK_RUNQ = 120,    /* a processor's run queue */
    LOCK_RANK_CONSOLE = 200, /* the kernel console */
};

#endif
