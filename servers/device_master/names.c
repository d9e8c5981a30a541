/* names.c - devices by name. A name outlives its driver: while that is started again, who opens it
 * waits. So a client whose device's port has died opens the name again and goes on. */
#include <device_server.h>
#include <mach/device_types.h>
#include <mach/mig_support.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdio.h>
#include <string.h>

#include <mach_port.h>

#include "device_master_impl.h"
#include "device_master_server.h"

#define NAMES_MAX   256u
#define UNITS_MAX   64u
#define WAITERS_MAX 64u
#define ID_OPEN     2900 /* replies */
#define ID_OPEN_NEW 2906
#define SUFFIX_MAX  8u
#define KIND_MAX    12u

struct name {
    driver_name_t name;
    struct function *function;
    mach_port_t port;   /* send right, MACH_PORT_NULL: not offered now */
    mach_port_t opener; /* receive right, OBJECT_NAME; MACH_PORT_NULL: nobody has asked for one */
};

/* The number a function's unit has among those of its kind. */
struct unit {
    char kind[KIND_MAX + 1];
    unsigned number;
    const struct function *function;
    int unit;
};

struct waiter {
    dev_name_t name;
    mach_port_t reply; /* send-once right, MACH_PORT_NULL: the place is free */
    mach_msg_id_t id;  /* of the reply */
};

static struct name names[NAMES_MAX];
static unsigned name_count;
static struct unit units[UNITS_MAX];
static unsigned unit_count;
static struct waiter waiters[WAITERS_MAX];

static struct name *names_find(const char *name)
{
    for (unsigned i = 0; i < name_count; i++) {
        if (strcmp(names[i].name, name) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

static void names_forget_port(struct name *name)
{
    if (name->port != MACH_PORT_NULL) {
        mach_port_deallocate(mach_task_self(), name->port);
        name->port = MACH_PORT_NULL;
    }
}

void names_lost(struct function *function)
{
    for (unsigned i = 0; i < name_count; i++) {
        if (names[i].function == function) {
            names_forget_port(&names[i]);
        }
    }
}

void names_dead(mach_port_name_t port)
{
    for (unsigned i = 0; i < name_count; i++) {
        if (names[i].port == port && port != MACH_PORT_NULL) {
            names_forget_port(&names[i]);
        }
    }
}

/* --- registering --- */

static bool names_number_is_free(const char *kind, unsigned number)
{
    for (unsigned i = 0; i < unit_count; i++) {
        if (strcmp(units[i].kind, kind) == 0 && units[i].number == number) {
            return false;
        }
    }
    return true;
}

/* The unit's entry, made when it is new; NULL when there are too many. */
static const struct unit *names_unit(const struct function *function, const char *kind, int unit)
{
    struct unit *fresh = &units[unit_count];
    unsigned number = 0;

    for (unsigned i = 0; i < unit_count; i++) {
        if (units[i].function == function && units[i].unit == unit &&
            strcmp(units[i].kind, kind) == 0) {
            return &units[i];
        }
    }
    if (unit_count == UNITS_MAX) {
        return NULL;
    }
    while (!names_number_is_free(kind, number)) {
        number++;
    }
    snprintf(fresh->kind, sizeof(fresh->kind), "%s", kind);
    fresh->number = number;
    fresh->function = function;
    fresh->unit = unit;
    unit_count++;
    return fresh;
}

/* Letters, or after the first letter digits too. */
static bool names_is_word(const char *text, size_t max, bool digits)
{
    size_t n = 0;

    for (; text[n] != '\0'; n++) {
        bool letter = text[n] >= 'a' && text[n] <= 'z';
        bool digit = digits && n != 0 && text[n] >= '0' && text[n] <= '9';

        if (n == max || (!letter && !digit)) {
            return false;
        }
    }
    return digits || n != 0;
}

kern_return_t names_register(struct function *function, const char *kind, int unit,
                             const char *suffix, mach_port_t device, char *result)
{
    const struct unit *entry;
    struct name *name;
    kern_return_t kr;

    if (!names_is_word(kind, KIND_MAX, false) || !names_is_word(suffix, SUFFIX_MAX, true) ||
        unit < 0 || unit >= DRIVER_UNITS_MAX || !MACH_PORT_VALID(device)) {
        return KERN_INVALID_ARGUMENT;
    }
    entry = names_unit(function, kind, unit);
    if (entry == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    snprintf(result, DRIVER_NAME_MAX, "%s%u%s", kind, entry->number, suffix);
    name = names_find(result);
    if (name != NULL && name->port != MACH_PORT_NULL) {
        return KERN_NAME_EXISTS;
    }
    if (name == NULL && name_count == NAMES_MAX) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = server_watch_death(device, device_master.notify);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (name == NULL) {
        name = &names[name_count];
        name_count++;
    }
    memcpy(name->name, result, DRIVER_NAME_MAX);
    name->function = function;
    name->port = device;
    return KERN_SUCCESS;
}

struct function *names_function(const char *name)
{
    const struct name *found = names_find(name);

    return found != NULL && found->port != MACH_PORT_NULL ? found->function : NULL;
}

size_t names_list(const struct function *function, char *text, size_t room)
{
    size_t used = 0;

    for (unsigned i = 0; i < name_count; i++) {
        if (names[i].function == function && names[i].port != MACH_PORT_NULL &&
            used + DRIVER_NAME_MAX + 2 < room) {
            used += (size_t)snprintf(text + used, room - used, " %s", names[i].name);
        }
    }
    return used;
}

/* --- opening --- */

/* What opening the name comes to: KERN_SUCCESS and the port, D_WOULD_BLOCK, or an error. */
static kern_return_t names_open(const char *text, mach_port_t *port)
{
    struct name *name = names_find(text);

    if (name != NULL && name->port != MACH_PORT_NULL) {
        *port = name->port;
        return KERN_SUCCESS;
    }
    if (name != NULL && name->function->state == FUNCTION_DOWN) {
        return D_DEVICE_DOWN;
    }
    if (name != NULL && name->function->state == FUNCTION_RUNNING) {
        return D_NO_SUCH_DEVICE; /* it is not there any more */
    }
    return name != NULL || drivers_are_starting() ? D_WOULD_BLOCK : D_NO_SUCH_DEVICE;
}

/* The reply of device_open, with a copy of the right; of an error, without one: who does not wait
 * for it (device_request.defs) tells by its form what it is. */
static void names_reply(mach_port_t reply, mach_msg_id_t id, kern_return_t result, mach_port_t port)
{
    union {
        mach_msg_header_t head;
        char bytes[64];
    } m;

    memset(&m, 0, sizeof(m));
    mig_reply_put(&m, result);
    mig_type_put(m.bytes + 48,
                 MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_COPY_SEND, 64, MACH_MSG_TYPE_WORD_INLINE), 1);
    mig_store64(m.bytes + 56, port);
    m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX;
    m.head.msgh_size = sizeof(m);
    m.head.msgh_remote_port = reply;
    m.head.msgh_id = id;
    if (mach_msg(&m.head, MACH_SEND_MSG, sizeof(m), 0, MACH_PORT_NULL, 0, MACH_PORT_NULL) !=
        MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), reply);
    }
}

void names_settle(void)
{
    for (unsigned i = 0; i < WAITERS_MAX; i++) {
        mach_port_t port = MACH_PORT_NULL;
        kern_return_t result;

        if (waiters[i].reply == MACH_PORT_NULL) {
            continue;
        }
        result = names_open(waiters[i].name, &port);
        if (result != D_WOULD_BLOCK) {
            names_reply(waiters[i].reply, waiters[i].id, result, port);
            waiters[i].reply = MACH_PORT_NULL;
        }
    }
}

/* Have the reply wait. Returns: MIG_NO_REPLY, or D_NO_MEMORY when too many do. */
static kern_return_t names_wait(const char *name, mach_port_t reply, mach_msg_id_t id)
{
    for (unsigned i = 0; i < WAITERS_MAX; i++) {
        if (waiters[i].reply == MACH_PORT_NULL) {
            snprintf(waiters[i].name, sizeof(waiters[i].name), "%s", name);
            waiters[i].reply = reply;
            waiters[i].id = id;
            return MIG_NO_REPLY;
        }
    }
    return D_NO_MEMORY;
}

static bool names_is_master(void)
{
    return server_current_object() == OBJECT_MASTER;
}

/* May the name be opened by the right that the request came in on? */
static bool names_may_open(const char *name)
{
    uint64_t object = server_current_object();
    uint64_t index = object & OBJECT_INDEX;

    return names_is_master() || ((object & OBJECT_KIND) == OBJECT_NAME && index < name_count &&
                                 strcmp(names[index].name, name) == 0);
}

/* Open, with a reply of that id for who waits, or is refused. */
static kern_return_t names_serve_open(mach_msg_id_t id, mach_port_t reply_port,
                                      mach_msg_type_name_t poly, dev_mode_t mode, const char *name,
                                      mach_port_t *device, mach_msg_type_name_t *device_poly)
{
    mach_port_t port = MACH_PORT_NULL;
    bool is_once = MACH_PORT_VALID(reply_port) && poly == MACH_MSG_TYPE_MOVE_SEND_ONCE;
    kern_return_t result = names_may_open(name) ? names_open(name, &port) : D_INVALID_OPERATION;

    if (result == D_WOULD_BLOCK && (mode & D_NOWAIT) == 0 && is_once) {
        result = names_wait(name, reply_port, id);
    }
    if (result != KERN_SUCCESS && result != MIG_NO_REPLY && is_once) {
        names_reply(reply_port, id, result, MACH_PORT_NULL);
        return MIG_NO_REPLY;
    }
    *device = port;
    *device_poly = MACH_MSG_TYPE_COPY_SEND;
    return result;
}

kern_return_t ds_device_open(mach_port_t master, mach_port_t reply_port, mach_msg_type_name_t poly,
                             dev_mode_t mode, const char *name, mach_port_t *device,
                             mach_msg_type_name_t *device_poly)
{
    (void)master;
    return names_serve_open(ID_OPEN, reply_port, poly, mode, name, device, device_poly);
}

kern_return_t ds_device_open_new(mach_port_t master, mach_port_t reply_port,
                                 mach_msg_type_name_t poly, dev_mode_t mode, const char *name,
                                 mach_port_t *device, mach_msg_type_name_t *device_poly)
{
    (void)master;
    return names_serve_open(ID_OPEN_NEW, reply_port, poly, mode, name, device, device_poly);
}

static kern_return_t names_make_opener(struct name *name)
{
    mach_port_t port;
    kern_return_t kr = server_port_create(device_master.set, &port);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = mach_port_set_protected_payload(mach_task_self(), port,
                                         OBJECT_NAME | (uint64_t)(name - names));
    if (kr != KERN_SUCCESS) {
        portolan_port_destroy_receive(port);
        return kr;
    }
    name->opener = port;
    return KERN_SUCCESS;
}

/* One port a name, which stays as the name does. */
kern_return_t serve_device_master_narrow(mach_port_t master, const char *text, mach_port_t *opener,
                                         mach_msg_type_name_t *disposition)
{
    struct name *name = names_find(text);
    kern_return_t kr = KERN_SUCCESS;

    (void)master;
    if (!names_is_master()) {
        return D_INVALID_OPERATION;
    }
    if (name == NULL) {
        return D_NO_SUCH_DEVICE;
    }
    if (name->opener == MACH_PORT_NULL) {
        kr = names_make_opener(name);
    }
    if (kr == KERN_SUCCESS) {
        *opener = name->opener;
        *disposition = MACH_MSG_TYPE_MAKE_SEND;
    }
    return kr;
}

/* --- listing --- */

static const char *names_state(const struct function *f)
{
    static const char *const states[] = {
        [FUNCTION_ALONE] = "-",         [FUNCTION_STARTING] = "starting",
        [FUNCTION_RUNNING] = "running", [FUNCTION_RESETTING] = "restarting",
        [FUNCTION_DOWN] = "down",
    };

    return states[f->state];
}

kern_return_t serve_device_master_list(mach_port_t master, device_master_text_t text,
                                       mach_msg_type_number_t *count)
{
    size_t room = *count < DEVICE_MASTER_TEXT_MAX ? *count : DEVICE_MASTER_TEXT_MAX;
    size_t used = 0;

    (void)master;
    if (!names_is_master()) {
        return MIG_BAD_ID;
    }
    for (unsigned i = 0; i < device_master.function_count; i++) {
        const struct function *f = &device_master.functions[i];
        const char *driver = f->driver != NULL ? f->driver->name : "-";
        char place[PCI_PLACE_MAX];

        if (room - used < 96) {
            break;
        }
        pci_place(&f->pci, place);
        used +=
            (size_t)snprintf(text + used, room - used, "%-7s %04x:%04x %06x %-10s %-10s", place,
                             f->pci.vendor, f->pci.device, f->pci.class, driver, names_state(f));
        used += names_list(f, text + used, room - used - 1);
        if (f->faults != 0 && room - used > 32) {
            used += (size_t)snprintf(text + used, room - used, " (%lld accesses refused)",
                                     (long long)f->faults);
        }
        text[used] = '\n';
        used++;
    }
    *count = (mach_msg_type_number_t)used;
    return KERN_SUCCESS;
}

kern_return_t serve_device_master_keep(mach_port_t master, mach_port_t host, const char *name)
{
    struct function *f = names_function(name);
    kern_return_t kr;

    (void)master;
    if (!names_is_master()) {
        return MIG_BAD_ID;
    }
    if (host != device_master.host) { /* rights to the same port have the same name */
        return KERN_NO_ACCESS;
    }
    kr = f != NULL ? main_wire() : D_NO_SUCH_DEVICE;
    kr = kr == KERN_SUCCESS ? drivers_keep(f) : kr;
    if (kr == KERN_SUCCESS) {
        mach_port_deallocate(mach_task_self(), host);
    }
    return kr;
}
