/* master.c - the service holds a port for each machine, to which the machine has a right. That
 * right is dead when the service's task has ended; the service's own port stays, and is the next
 * one's. */
#include "master.h"

#include <mach.h>
#include <mach/notify.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <pthread.h>
#include <stdlib.h>

#include "vm_master.h"

#define MESSAGE_MAX  256u
#define MASTER_STACK 65536u

/* The thread's, once it runs. */
static struct {
    const char *name;
    mach_port_t control;
    mach_port_t life;   /* dead when the service has ended */
    mach_port_t notify; /* told of that; nobody but the kernel has rights to it */
} master;

static void master_wait(void)
{
    union {
        mach_msg_header_t head;
        char bytes[MESSAGE_MAX];
    } message;

    while (mach_msg(&message.head, MACH_RCV_MSG, 0, sizeof(message), master.notify,
                    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
    }
    mach_port_deallocate(mach_task_self(), master.life); /* the notification has one more */
}

static _Noreturn void *master_main(void *argument)
{
    kern_return_t kr;

    (void)argument;
    for (;;) {
        master_wait();
        mach_port_deallocate(mach_task_self(), master.life);
        kr = vm_master_adopt(portolan_port("master"), portolan_port("hv"), mach_task_self(),
                             master.control, (char *)master.name, &master.life);
        if (kr == KERN_SUCCESS) {
            kr = server_watch_death(master.life, master.notify);
        }
        if (kr != KERN_SUCCESS) {
            portolan_print("vmm: %s ends: nobody would know of it\n", master.name);
            exit(1);
        }
    }
}

const char *master_watch(const char *name, mach_port_t control)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int error;

    master.name = name;
    master.control = control;
    master.life = portolan_port("life");
    if (portolan_port_allocate(false, &master.notify) != KERN_SUCCESS ||
        server_watch_death(master.life, master.notify) != KERN_SUCCESS) {
        return "the service of machines cannot be watched";
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, MASTER_STACK);
    error = pthread_create(&thread, &attributes, master_main, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0 ? NULL : "there is no memory for a thread";
}
