/* names.c - bootstrap.defs: services by name. A declared service's port exists from the start and
 * comes back when its task dies (port-destroyed notification), so that clients keep their rights
 * and their messages wait for the next start. */
#include <mach/mig_support.h>
#include <mach/notify.h>
#include <portolan/bootstrap_types.h>
#include <portolan/server_loop.h>
#include <stdio.h>
#include <string.h>

#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>

#include "bootstrap_impl.h"
#include "bootstrap_server.h"

#define SERVICES_MAX 128

enum service_state {
    SERVICE_WAITING, /* declared; the receive right is here */
    SERVICE_RUNNING, /* checked in, or registered */
    SERVICE_DEAD,    /* not started any more, or the registered port died */
};

struct service {
    char name[BOOTSTRAP_NAME_MAX];
    enum service_state state;
    mach_port_t port; /* send right; with the receive right while waiting */
    unsigned entry;   /* of the manifest, NO_ENTRY for a registered one */
};

static struct service services[SERVICES_MAX];
static unsigned service_count;

static struct service *service_find(const char *name)
{
    for (unsigned i = 0; i < service_count; i++) {
        if (strcmp(services[i].name, name) == 0) {
            return &services[i];
        }
    }
    return NULL;
}

static struct service *service_of_entry(unsigned entry)
{
    for (unsigned i = 0; i < service_count; i++) {
        if (services[i].entry == entry) {
            return &services[i];
        }
    }
    return NULL;
}

static struct service *service_add(const char *name, unsigned entry)
{
    struct service *service = &services[service_count];

    if (service_count == SERVICES_MAX) {
        return NULL;
    }
    service_count++;
    snprintf(service->name, sizeof(service->name), "%s", name);
    service->entry = entry;
    return service;
}

void names_init(void)
{
    for (unsigned i = 0; i < bootstrap.manifest.count; i++) {
        const struct manifest_entry *entry = &bootstrap.manifest.entries[i];
        struct service *service;

        if (entry->kind != MANIFEST_SERVICE) {
            continue;
        }
        service = service_add(entry->name, i);
        if (service == NULL || portolan_port_allocate(true, &service->port) != KERN_SUCCESS) {
            portolan_print("bootstrap: /manifest:%u: no room for the service %s\n", entry->line,
                           entry->name);
        }
    }
}

mach_port_t names_port(const char *name)
{
    struct service *service = service_find(name);

    return service != NULL ? service->port : MACH_PORT_NULL;
}

bool names_is_out(unsigned entry)
{
    struct service *service = service_of_entry(entry);

    return service != NULL && service->state == SERVICE_RUNNING;
}

/* Destroy the receive right, so that clients learn of it. */
void names_give_up(unsigned entry)
{
    struct service *service = service_of_entry(entry);

    if (service != NULL && service->state == SERVICE_WAITING) {
        portolan_port_destroy_receive(service->port);
        service->state = SERVICE_DEAD;
    }
}

void names_returned(mach_port_name_t name)
{
    for (unsigned i = 0; i < service_count; i++) {
        if (services[i].port == name && services[i].entry != NO_ENTRY) {
            services[i].state = SERVICE_WAITING;
            tasks_check(services[i].entry);
            return;
        }
    }
    portolan_port_destroy_receive(name);
}

void names_dead(mach_port_name_t name)
{
    for (unsigned i = 0; i < service_count; i++) {
        if (services[i].port == name && services[i].entry == NO_ENTRY) {
            mach_port_deallocate(mach_task_self(), name);
            services[i].port = MACH_PORT_NULL;
            services[i].state = SERVICE_DEAD;
        }
    }
}

static bool is_bootstrap_port(mach_port_t port)
{
    return (port & OBJECT_KIND) == OBJECT_NAMES;
}

kern_return_t serve_bootstrap_look_up(mach_port_t port, const char *name, mach_port_t *result)
{
    struct service *service = service_find(name);

    if (!is_bootstrap_port(port)) {
        return MIG_BAD_ID;
    }
    if (service == NULL || service->state == SERVICE_DEAD) {
        return KERN_INVALID_NAME;
    }
    *result = service->port;
    return KERN_SUCCESS;
}

/* Only the task the manifest starts for a service may check in under its name: KERN_NO_ACCESS for
 * others. */
kern_return_t serve_bootstrap_check_in(mach_port_t port, const char *name, mach_port_t *result)
{
    struct service *service = service_find(name);
    mach_port_t previous = MACH_PORT_NULL;
    kern_return_t kr;

    if (!is_bootstrap_port(port)) {
        return MIG_BAD_ID;
    }
    if (service == NULL || service->entry == NO_ENTRY || service->state == SERVICE_DEAD) {
        return KERN_INVALID_NAME;
    }
    if (service->state == SERVICE_RUNNING) {
        return KERN_NAME_EXISTS;
    }
    if (service->entry != (port & OBJECT_INDEX)) {
        return KERN_NO_ACCESS;
    }
    kr = mach_port_request_notification(mach_task_self(), service->port, MACH_NOTIFY_PORT_DESTROYED,
                                        0, bootstrap.notify, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                        &previous);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (MACH_PORT_VALID(previous)) {
        mach_port_deallocate(mach_task_self(), previous);
    }
    service->state = SERVICE_RUNNING;
    *result = service->port;
    return KERN_SUCCESS;
}

kern_return_t serve_bootstrap_register(mach_port_t port, const char *name, mach_port_t right)
{
    struct service *service = service_find(name);
    kern_return_t kr;

    if (!is_bootstrap_port(port)) {
        return MIG_BAD_ID;
    }
    if (name[0] == '\0' || strpbrk(name, " \n") != NULL || !MACH_PORT_VALID(right)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (service != NULL && (service->entry != NO_ENTRY || service->state != SERVICE_DEAD)) {
        return KERN_NAME_EXISTS;
    }
    kr = server_watch_death(right, bootstrap.notify);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    service = service != NULL ? service : service_add(name, NO_ENTRY);
    if (service == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    service->port = right;
    service->state = SERVICE_RUNNING;
    return KERN_SUCCESS;
}

kern_return_t serve_bootstrap_list(mach_port_t port, bootstrap_text_t text,
                                   mach_msg_type_number_t *count)
{
    static const char *const states[] = {"waiting", "running", "dead"};
    char all[BOOTSTRAP_TEXT_MAX];
    size_t used = 0;

    if (!is_bootstrap_port(port)) {
        return MIG_BAD_ID;
    }
    for (unsigned i = 0; i < service_count; i++) {
        size_t room = sizeof(all) - used;
        int length =
            snprintf(all + used, room, "%s %s\n", services[i].name, states[services[i].state]);

        if (length < 0 || (size_t)length >= room) {
            break;
        }
        used += (size_t)length;
    }
    if (used > *count) {
        used = *count;
    }
    memcpy(text, all, used);
    *count = (mach_msg_type_number_t)used;
    return KERN_SUCCESS;
}

kern_return_t serve_bootstrap_shutdown(mach_port_t port, boolean_t restart)
{
    if (!is_bootstrap_port(port)) {
        return MIG_BAD_ID;
    }
    return host_reboot(bootstrap.host, restart ? RB_AUTOBOOT : RB_HALT);
}
