/* pager_impl.h - what the files of the pager library share. */
#ifndef LIBMACH_PAGER_PAGER_IMPL_H
#define LIBMACH_PAGER_PAGER_IMPL_H

#include <mach.h>
#include <portolan/pager.h>

#define PAGER_PAGE_SIZE ((vm_size_t)4096)

/* Ids of memory_object.defs. */
#define MEMORY_OBJECT_LOCK_COMPLETED 2206

/* Keys: [L] the lock of pager.c, [I] immutable after create, [S] of the thread that serves it */
struct pager {
    struct pager *next;          /* [L] of the same chain */
    uint64_t id;                 /* [I] the protected payload; never used again */
    const struct pager_ops *ops; /* [I] */
    void *context;               /* [I] */
    mach_port_t port;            /* [I] receive right */
    mach_port_t control; /* [L] one send right; MACH_PORT_NULL: the kernel does not know it */
    mach_port_t name;    /* [S] one send right */
    struct pager_attributes attributes; /* [L] */
};

/* Is it a right to a port of the kernel? A call to another port could block, for ever. */
bool pager_is_kernel(mach_port_t control);

/* The object the message that is being served came in on, when it comes from the kernel: with its
 * right to `control`, of which it has brought one more reference. NULL: give everything back. */
struct pager *pager_served(mach_port_t control);
/* The same for a message that is answered there: the kernel still has the port. */
struct pager *pager_asked(mach_port_t control);
/* The same for a new object, whatever the right. */
struct pager *pager_served_any(void);
/* Drop the reference that the message brought. */
void pager_served_end(mach_port_t control);
void pager_set_control(struct pager *pager, mach_port_t control);

/* A reference to the right to the control port, for a call; MACH_PORT_NULL when there is none. */
mach_port_t pager_control_take(struct pager *pager);
void pager_control_drop(mach_port_t control);

struct pager_attributes pager_attributes_of(struct pager *pager);

#endif
