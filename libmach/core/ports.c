/* ports.c - the ports a program has: its own, and those it was given names for. */
#include <bootstrap.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <process.h>

#include "core/environment.h"
#include "core/text.h"

mach_port_t mach_task_self_;
mach_port_t mach_host_self_;
char *const *environment_start;

const char *environment_get(const char *name)
{
    size_t length = text_length(name);

    for (char *const *e = environment_start; e != NULL && *e != NULL; e++) {
        if (text_begins(*e, name) && (*e)[length] == '=') {
            return *e + length + 1;
        }
    }
    return NULL;
}

const char *environment_ports(void)
{
    const char *ports = environment_get("PORTS");

    return ports != NULL ? ports : "";
}

mach_port_t portolan_port(const char *name)
{
    size_t length = text_length(name);

    for (const char *at = environment_ports(); *at != '\0';) {
        if (text_begins(at, name) && at[length] == ':') {
            uint64_t value = 0;

            for (at += length + 1; *at >= '0' && *at <= '9' && value <= UINT32_MAX; at++) {
                value = value * 10 + (uint64_t)(*at - '0');
            }
            return value < MACH_PORT_NAME_DEAD ? (mach_port_t)value : MACH_PORT_NULL;
        }
        while (*at != '\0' && *at != ' ') {
            at++;
        }
        while (*at == ' ') {
            at++;
        }
    }
    return MACH_PORT_NULL;
}

mach_port_t portolan_bootstrap(void)
{
    static mach_port_t fetched;
    mach_port_t port = portolan_port("bootstrap");

    if (port != MACH_PORT_NULL) {
        return port;
    }
    port = __atomic_load_n(&fetched, __ATOMIC_ACQUIRE);
    if (port == MACH_PORT_NULL &&
        task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &port) == KERN_SUCCESS &&
        MACH_PORT_VALID(port)) {
        __atomic_store_n(&fetched, port, __ATOMIC_RELEASE);
    }
    return MACH_PORT_VALID(port) ? port : MACH_PORT_NULL;
}

kern_return_t portolan_look_up(const char *name, mach_port_t *service)
{
    mach_port_t bootstrap = portolan_bootstrap();

    return bootstrap != MACH_PORT_NULL ? bootstrap_look_up(bootstrap, name, service) : KERN_FAILURE;
}

kern_return_t portolan_check_in(const char *name, mach_port_t *receive)
{
    mach_port_t bootstrap = portolan_bootstrap();

    return bootstrap != MACH_PORT_NULL ? bootstrap_check_in(bootstrap, name, receive)
                                       : KERN_FAILURE;
}

kern_return_t portolan_port_allocate(bool send, mach_port_t *port)
{
    mach_port_t fresh;
    kern_return_t kr;

    kr = syscall_mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &fresh);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (send) {
        kr =
            syscall_mach_port_insert_right(mach_task_self(), fresh, fresh, MACH_MSG_TYPE_MAKE_SEND);
        if (kr != KERN_SUCCESS) {
            portolan_port_destroy_receive(fresh);
            return kr;
        }
    }
    *port = fresh;
    return KERN_SUCCESS;
}

void portolan_port_destroy_receive(mach_port_t port)
{
    mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
}

void portolan_exit(int status)
{
    mach_port_t exit_port = portolan_port("exit");

    if (exit_port != MACH_PORT_NULL) {
        process_exited(exit_port, status);
    }
    for (;;) {
        syscall_task_terminate(mach_task_self());
    }
}
