/* reply_port.c - the reply port of each thread, kept from call to call, and memory for stubs. */
#include <mach_port.h>
#include <mach/mig_support.h>
#include <portolan/portolan.h>

#include "core/thread_block.h"

mach_port_t mig_get_reply_port(void)
{
    struct thread_block *block = thread_block_self();

    if (block->reply_port == MACH_PORT_NULL) {
        block->reply_port = mach_reply_port();
    }
    return block->reply_port;
}

void mig_dealloc_reply_port(mach_port_t port)
{
    struct thread_block *block = thread_block_self();

    /* Nothing may find the port while it is given up: that is a call itself. */
    if (block->reply_port == port) {
        block->reply_port = MACH_PORT_NULL;
    }
    mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
}

void mig_put_reply_port(mach_port_t port)
{
    (void)port; /* stays the thread's */
}

void mig_allocate(vm_address_t *address, vm_size_t size)
{
    vm_address_t at = 0;

    *address = syscall_vm_allocate(mach_task_self(), &at, size, TRUE) == KERN_SUCCESS ? at : 0;
}

void mig_deallocate(vm_address_t address, vm_size_t size)
{
    syscall_vm_deallocate(mach_task_self(), address, size);
}
