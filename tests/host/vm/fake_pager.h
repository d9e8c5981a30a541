/* fake_pager.h - a pager for the host tests: what the kernel sends it is answered at once, or when
 * a thread would wait, by a function of the test. */
#ifndef TEST_VM_FAKE_PAGER_H
#define TEST_VM_FAKE_PAGER_H

#include "fake.h"
#include "vm/memory_object.h"

/* A message of the kernel; the control port's object is `object`. */
struct fake_message {
    int id;                /* as in memory_object.defs: 2203 is memory_object_data_request */
    struct ipc_port *port; /* it is sent to: the memory object */
    struct vm_object *object;
    vm_offset_t offset;
    vm_size_t length;
    vm_prot_t access;
    struct vm_copy *data;        /* data_return: the function's to discard */
    struct ipc_port *new_object; /* copy: a receive right, the function's to keep or to kill */
    bool dirty;
    bool kernel_copy;
};

/* Called for each message; NULL: nothing is answered. */
extern void (*fake_pager)(const struct fake_message *message);
/* What asking a pager comes to: KERN_SUCCESS, MACH_SEND_TIMED_OUT, MACH_SEND_INTERRUPTED. */
extern kern_return_t fake_send_result;

/* The time; it stands still. */
extern uint64_t fake_now_ns;

/* A new memory object's port, its receive right; another right, to be used up; its death. */
struct ipc_port *fake_pager_port(void);
struct ipc_port *fake_pager_right(struct ipc_port *port);
void fake_pager_kill(struct ipc_port *port);
/* The receive right that came with the last memory_object_create. */
extern struct ipc_port *fake_default_object;
/* What a trap finds by the name 1. */
extern struct vm_object *fake_named_object;
/* Ports alive: part of what must balance. */
extern uint64_t fake_port_count;
/* End the objects that nobody uses, as the kernel's thread does. */
void fake_pager_reap(void);

#endif
