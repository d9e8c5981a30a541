/* main.c - the device master: finds functions, starts their drivers, and tells clients where
 * the devices are. I/O does not pass through it: a device's port is its driver's. */
#include <mach/notify.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/thread.h>
#include <stdlib.h>

#include <device_server.h>
#include <mach_host.h>
#include <mach_port.h>

#include "device_master_impl.h"
#include "device_master_server.h"
#include "driver_server.h"

#define MESSAGE_MAX 16384

struct device_master device_master;

uint64_t main_now_ms(void)
{
    time_value64_t now = {0};

    host_get_uptime64(mach_host_self(), &now);
    return (uint64_t)now.seconds * 1000 + (uint64_t)now.nanoseconds / 1000000;
}

static void main_found(const struct pci_function *f)
{
    if (device_master.function_count < FUNCTIONS_MAX) {
        device_master.functions[device_master.function_count].pci = *f;
        device_master.function_count++;
    }
}

static boolean_t main_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return driver_server(in, out) || device_server(in, out) || device_master_server(in, out);
}

static void main_dead_name(mach_port_name_t name)
{
    if (!drivers_dead(name)) {
        names_dead(name);
    }
}

static void main_fail(const char *sentence)
{
    portolan_print("device_master: %s\n", sentence);
    exit(1);
}

static void main_ports(void)
{
    if (server_set_create(&device_master.set) != KERN_SUCCESS ||
        server_port_create(device_master.set, &device_master.notify) != KERN_SUCCESS ||
        mach_port_set_protected_payload(mach_task_self(), device_master.notify, OBJECT_NOTIFY) !=
            KERN_SUCCESS) {
        main_fail("no memory for its ports");
    }
    if (portolan_check_in("device_master", &device_master.service) != KERN_SUCCESS ||
        mach_port_set_protected_payload(mach_task_self(), device_master.service, OBJECT_MASTER) !=
            KERN_SUCCESS ||
        mach_port_move_member(mach_task_self(), device_master.service, device_master.set) !=
            KERN_SUCCESS) {
        main_fail("cannot check in as the service `device_master`");
    }
}

/* A notification that did not come where only the kernel has rights to? */
static bool main_is_forged(const mach_msg_header_t *message)
{
    return message->msgh_id >= MACH_NOTIFY_FIRST && message->msgh_id <= MACH_NOTIFY_LAST &&
           message->msgh_protected_payload != OBJECT_NOTIFY;
}

static _Noreturn void main_loop(const struct server *server)
{
    static union {
        mach_msg_header_t head;
        char bytes[MESSAGE_MAX];
    } in, out;

    for (;;) {
        uint64_t left = drivers_tick();
        mach_msg_option_t option = MACH_RCV_MSG | (left < UINT32_MAX ? MACH_RCV_TIMEOUT : 0);

        if (mach_msg(&in.head, option, 0, sizeof(in), device_master.set, (natural_t)left,
                     MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
            continue;
        }
        if (main_is_forged(&in.head)) {
            mach_msg_destroy(&in.head);
        } else {
            server_handle(server, &in.head, &out.head);
        }
    }
}

kern_return_t main_wire(void)
{
    static bool is_wired;
    kern_return_t kr = KERN_SUCCESS;

    if (!is_wired) {
        kr = portolan_wire(device_master.host);
    }
    if (kr == KERN_SUCCESS && !is_wired) {
        kr = thread_wire(device_master.host, portolan_thread_port(), TRUE);
    }
    is_wired = kr == KERN_SUCCESS;
    return kr;
}

int main(void)
{
    static const struct server server = {.demux = main_demux, .dead_name = main_dead_name};

    device_master.host = portolan_port("host");
    device_master.hardware = portolan_port("hardware");
    if (device_master.host == MACH_PORT_NULL || device_master.hardware == MACH_PORT_NULL) {
        main_fail("not given its rights (rights: host=host hardware=hardware)");
    }
    main_ports();
    fixed_scan(main_found);
    if (pci_init(device_master.hardware)) {
        pci_scan(main_found);
    }
    drivers_find();
    main_loop(&server);
}
