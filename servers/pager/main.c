/* main.c - the default pager: swap for anonymous memory.
 *
 * usage: pager [swap=DISK|FILE]...     the first that is marked as swap; without one the memory
 * disk
 *
 * It must need no memory that could be in its own swap, and no task that does. So all its memory is
 * wired before the first page comes, its tables have the size they need (object.c), it calls nobody
 * but the kernel, the disk's driver and the device master while it serves, and the size of its
 * address space is bounded: whatever memory a message brings is wired, too. */
#include <mach/vm_wire.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/thread.h>
#include <stdlib.h>
#include <string.h>

#include <gnumach.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>

#include <mach/task_info.h>

#include "default_pager_server.h"
#include "disk_memory.h"
#include "disk_swap.h"
#include "memory_object_default_server.h"
#include "memory_object_server.h"
#include "pager_impl.h"

#define MESSAGE_MAX 8192u
#define ROOM        (4ul << 20) /* for messages and new objects */

struct pager pager = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void main_check(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        portolan_print("pager: %s: %s\n", what, mach_error_string(kr));
        exit(1);
    }
}

/* Keep all memory of this task in memory, and let this thread use the reserve. */
static void main_wire(mach_port_t host)
{
    portolan_trim_stack();
    main_check(vm_wire_all(host, mach_task_self(), VM_WIRE_ALL), "its memory cannot be wired");
    main_check(thread_wire(host, portolan_thread_port(), TRUE), "no right to the reserve");
}

static void main_bound(mach_port_t host)
{
    struct task_basic_info info;
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    main_check(task_info(mach_task_self(), TASK_BASIC_INFO, (task_info_t)&info, &count),
               "its size is not known");
    main_check(vm_set_size_limit(host, mach_task_self(), info.virtual_size + ROOM,
                                 info.virtual_size + ROOM),
               "its size cannot be bounded");
}

/* The first disk named that can be used, else the memory disk. */
static kern_return_t main_find_store(char **words, mach_port_t host, mach_port_t hardware,
                                     struct store_device *device)
{
    for (; *words != NULL; words++) {
        if (strncmp(*words, "swap=", 5) != 0) {
            portolan_print("pager: `%s` is not swap=DISK or swap=/FILE\n", *words);
        } else if (disk_swap_open(host, *words + 5, device)) {
            return KERN_SUCCESS;
        }
    }
    return disk_memory_open(hardware, device);
}

static void main_open_store(char **words, mach_port_t host, mach_port_t hardware)
{
    static struct store_device device;
    kern_return_t kr = main_find_store(words, host, hardware, &device);

    if (kr == KERN_NO_SPACE) { /* there is none of them: `swap` says so to who asks */
        exit(0);
    }
    main_check(kr, "the memory disk cannot be mapped");
    if (!store_init(&device) || !object_tables_init(device.blocks)) {
        main_check(KERN_RESOURCE_SHORTAGE, "no memory for its tables");
    }
}

static void main_port(mach_port_t port, uint64_t payload)
{
    main_check(mach_port_set_protected_payload(mach_task_self(), port, payload), "no payload");
    main_check(mach_port_move_member(mach_task_self(), port, pager.set), "no member of its set");
}

/* From here on the kernel sends pages. */
static void main_register(void)
{
    kern_return_t kr = paging_take(true);

    if (kr != KERN_SUCCESS) {
        portolan_print("pager: the kernel keeps anonymous memory to itself: %s\n",
                       mach_error_string(kr));
    }
}

static boolean_t main_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return memory_object_server(in, out) || memory_object_default_server(in, out) ||
           default_pager_server(in, out);
}

static void main_no_senders(uint64_t payload, mach_port_mscount_t mscount)
{
    (void)mscount;
    paging_no_senders(payload);
}

int main(int argc, char **argv)
{
    static struct server server = {.demux = main_demux,
                                   .max_in = MESSAGE_MAX,
                                   .max_out = MESSAGE_MAX,
                                   .no_senders = main_no_senders};
    mach_port_t host = portolan_port("host");
    mach_port_t hardware = portolan_port("hardware");

    (void)argc;
    if (host == MACH_PORT_NULL || hardware == MACH_PORT_NULL) {
        portolan_print("pager: not given its rights (rights: host=host hardware=hardware)\n");
        return 1;
    }
    pager.host = host;
    main_open_store(argv + 1, host, hardware);
    main_wire(host);
    main_check(server_set_create(&pager.set), "no port set");
    main_check(portolan_check_in("pager", &pager.service),
               "cannot check in as the service `pager`");
    main_port(pager.service, PAGER_SERVICE);
    main_check(portolan_port_allocate(false, &pager.manager), "no port");
    main_port(pager.manager, PAGER_MANAGER);
    if (!supply_start()) {
        main_check(KERN_RESOURCE_SHORTAGE, "no second thread");
    }
    main_bound(host);
    main_register();
    server.receive = pager.set;
    server_loop(&server);
}
