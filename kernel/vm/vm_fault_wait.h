/* vm_fault_wait.h - what a fault that waits for a pager has to know when it goes on. */
#ifndef VM_VM_FAULT_WAIT_H
#define VM_VM_FAULT_WAIT_H

#include <stdint.h>

#include <mach/machine/vm_types.h>
#include <mach/vm_prot.h>

struct vm_object;
struct vm_page;

/* What a thread waits for (vm/memory_object.h). */
struct memory_object_wait {
    struct vm_object *object; /* with a reference; NULL: nothing, look again */
    struct vm_page *page;     /* absent, counted as waiting for it; NULL: for ready or an unlock */
    vm_offset_t offset;
    vm_size_t length; /* to ask the pager for first; 0: it has been asked */
    vm_prot_t access;
};

/* A fault. Of user mode it is in the thread, which may wait without a kernel stack and then goes on
 * in the continuation; else that is NULL and the last two are not set. */
struct vm_fault_wait {
    struct memory_object_wait wait;
    uint64_t deadline_ns; /* of all waits for pagers; 0: has not waited yet */
    void (*continuation)(void);
    vm_offset_t address;
    vm_prot_t access;
};

#endif
