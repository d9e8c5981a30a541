/* rights.c - giving a new task its rights, and the line that names them. */
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>

#include "core/text.h"
#include "posix/file.h"
#include "spawn/spawn_impl.h"

#define RIGHTS_NAMES_MAX 4096 /* names tried before giving up */

static bool rights_is_send(mach_msg_type_name_t disposition)
{
    return disposition == MACH_MSG_TYPE_COPY_SEND || disposition == MACH_MSG_TYPE_MAKE_SEND ||
           disposition == MACH_MSG_TYPE_MOVE_SEND;
}

static bool rights_is_move(mach_msg_type_name_t disposition)
{
    return disposition >= MACH_MSG_TYPE_MOVE_RECEIVE && disposition <= MACH_MSG_TYPE_MOVE_SEND_ONCE;
}

/* Append to the variable PORTS. Returns false when it is full. */
static bool rights_name(struct spawn_work *work, const char *label, mach_port_name_t name)
{
    char number[21];
    size_t n = text_decimal(number, name);
    size_t needed = text_length(label) + 1 + n + 1;

    if (work->ports_length + needed >= sizeof(work->ports)) {
        return false;
    }
    if (work->ports[work->ports_length - 1] != '=') {
        work->ports[work->ports_length++] = ' ';
    }
    work->ports_length += text_copy(work->ports + work->ports_length, label,
                                    sizeof(work->ports) - work->ports_length);
    work->ports[work->ports_length++] = ':';
    work->ports_length += text_copy(work->ports + work->ports_length, number, sizeof(number));
    return true;
}

/* Is the name kept for a right that moves later? */
static bool rights_is_reserved(const struct spawn_work *work, mach_port_name_t name)
{
    for (unsigned i = 0; i < work->moved_count; i++) {
        if (work->moved[i].wanted == name) {
            return true;
        }
    }
    return false;
}

/* Insert under the lowest name that is free. */
static kern_return_t rights_insert_anywhere(struct spawn_work *work, const struct spawn_right *r,
                                            mach_port_name_t *name)
{
    kern_return_t kr = KERN_NAME_EXISTS;

    while (kr == KERN_NAME_EXISTS && work->next_name < RIGHTS_NAMES_MAX) {
        *name = work->next_name++;
        if (!rights_is_reserved(work, *name)) {
            kr = mach_port_insert_right(work->task, *name, r->right, r->disposition);
        }
    }
    return kr;
}

/* The name the task already has for the port, or 0. */
static mach_port_name_t rights_find(const struct spawn_work *work, const struct spawn_right *r)
{
    for (unsigned i = 0; rights_is_send(r->disposition) && i < work->given_count; i++) {
        if (work->given[i].right == r->right) {
            return work->given[i].name;
        }
    }
    return MACH_PORT_NAME_NULL;
}

/* A right that leaves the caller: only checked and given a name, it moves last of all. */
static kern_return_t rights_reserve(struct spawn_work *work, const struct spawn_right *r,
                                    mach_port_name_t *name)
{
    const mach_port_right_t kind =
        r->disposition == MACH_MSG_TYPE_MOVE_RECEIVE ? MACH_PORT_RIGHT_RECEIVE
        : r->disposition == MACH_MSG_TYPE_MOVE_SEND  ? MACH_PORT_RIGHT_SEND
                                                     : MACH_PORT_RIGHT_SEND_ONCE;
    mach_port_type_t type;

    if (mach_port_type(mach_task_self(), r->right, &type) != KERN_SUCCESS ||
        (type & MACH_PORT_TYPE(kind)) == 0) {
        return KERN_INVALID_RIGHT;
    }
    while (*name == MACH_PORT_NAME_NULL) {
        if (!rights_is_reserved(work, work->next_name)) {
            *name = work->next_name;
        }
        work->next_name++;
    }
    work->moved[work->moved_count] = *r;
    work->moved[work->moved_count++].wanted = *name;
    return KERN_SUCCESS;
}

/* Insert the right, or reserve a name for it. */
static kern_return_t rights_insert(struct spawn_work *work, const struct spawn_right *r,
                                   mach_port_name_t *name)
{
    if (*name == MACH_PORT_NAME_NULL) {
        *name = r->wanted;
    }
    if (r->wanted != MACH_PORT_NAME_NULL && r->wanted != *name) {
        return KERN_RIGHT_EXISTS; /* one port has one name in a task */
    }
    if (rights_is_move(r->disposition)) {
        return rights_reserve(work, r, name);
    }
    if (*name == MACH_PORT_NAME_NULL) {
        return rights_insert_anywhere(work, r, name);
    }
    return mach_port_insert_right(work->task, *name, r->right, r->disposition);
}

/* The right the task has under that name is its bootstrap port too. The caller may hold the receive
 * right only, so a send right is fetched from the task. */
static kern_return_t rights_set_bootstrap(struct spawn_work *work, mach_port_name_t name)
{
    mach_msg_type_name_t type;
    mach_port_t right;
    kern_return_t kr =
        mach_port_extract_right(work->task, name, MACH_MSG_TYPE_COPY_SEND, &right, &type);

    if (kr == KERN_SUCCESS) {
        kr = task_set_special_port(work->task, TASK_BOOTSTRAP_PORT, right);
        mach_port_deallocate(mach_task_self(), right);
    }
    return kr;
}

static kern_return_t rights_give(struct spawn_work *work, const struct spawn_right *r)
{
    mach_port_name_t name = rights_find(work, r);
    kern_return_t kr;

    if (!MACH_PORT_VALID(r->right) || work->given_count == SPAWN_RIGHTS_MAX ||
        work->moved_count == SPAWN_RIGHTS_MAX) {
        return SPAWN_BAD_RIGHT;
    }
    kr = rights_insert(work, r, &name);
    if (kr != KERN_SUCCESS) {
        return kr == KERN_RESOURCE_SHORTAGE || kr == KERN_NO_SPACE ? kr : SPAWN_BAD_RIGHT;
    }
    if (rights_is_send(r->disposition)) {
        work->given[work->given_count++] = (struct spawn_given){r->right, name};
    }
    if (r->name != NULL && !work->spawn->foreign && !rights_name(work, r->name, name)) {
        return SPAWN_ARGUMENTS_TOO_LONG;
    }
    if (r->name != NULL && text_equal(r->name, "bootstrap") && !work->spawn->foreign) {
        return rights_set_bootstrap(work, name);
    }
    return KERN_SUCCESS;
}

static bool rights_lists(const struct spawn *spawn, const char *name)
{
    for (unsigned i = 0; i < spawn->nrights; i++) {
        if (spawn->rights[i].name != NULL && text_equal(spawn->rights[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Hand on one of the caller's own, unless another is given under the name. */
static kern_return_t rights_inherit(struct spawn_work *work, const char *name, mach_port_t right)
{
    const struct spawn_right r = {name, right, MACH_MSG_TYPE_COPY_SEND, MACH_PORT_NAME_NULL};

    if (right == MACH_PORT_NULL || rights_lists(work->spawn, name)) {
        return KERN_SUCCESS;
    }
    return rights_give(work, &r);
}

static kern_return_t rights_inherit_all(struct spawn_work *work)
{
    static const char *const standard[] = {"stdin", "stdout", "stderr"};
    char name[24] = "fd";
    kern_return_t kr = rights_inherit(work, "root", portolan_port("root"));

    for (int fd = 0; fd < FILE_MAX && kr == KERN_SUCCESS; fd++) {
        if (file_close_on_exec(fd) != 0) {
            continue;
        }
        text_decimal(name + 2, (uint64_t)fd);
        kr = rights_inherit(work, fd < 3 ? standard[fd] : name, portolan_fd_port(fd));
    }
    return kr == KERN_SUCCESS ? rights_inherit(work, "bootstrap", portolan_bootstrap()) : kr;
}

static kern_return_t rights_give_exit(struct spawn_work *work)
{
    const struct spawn_right r = {"exit", work->exit_receive, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                  MACH_PORT_NAME_NULL};

    return work->exit_receive != MACH_PORT_NULL ? rights_give(work, &r) : KERN_SUCCESS;
}

/* Those with names of their own choice first, so that no other takes them. */
static kern_return_t rights_give_listed(struct spawn_work *work, bool with_names)
{
    const struct spawn *spawn = work->spawn;
    kern_return_t kr = KERN_SUCCESS;

    for (unsigned i = 0; i < spawn->nrights && kr == KERN_SUCCESS; i++) {
        if ((spawn->rights[i].wanted != MACH_PORT_NAME_NULL) == with_names) {
            kr = rights_give(work, &spawn->rights[i]);
        }
    }
    return kr;
}

kern_return_t spawn_give_rights(struct spawn_work *work)
{
    kern_return_t kr;

    work->ports_length = text_copy(work->ports, "PORTS=", sizeof(work->ports));
    work->next_name = 1;
    kr = rights_give_listed(work, true);
    kr = kr == KERN_SUCCESS ? rights_give_listed(work, false) : kr;
    kr = kr == KERN_SUCCESS ? rights_give_exit(work) : kr;
    if (work->spawn->foreign || work->spawn->closed) {
        if (kr == KERN_SUCCESS && !rights_lists(work->spawn, "bootstrap")) {
            kr = task_set_special_port(work->task, TASK_BOOTSTRAP_PORT, MACH_PORT_NULL);
        }
        return kr;
    }
    return kr == KERN_SUCCESS ? rights_inherit_all(work) : kr;
}

kern_return_t spawn_give_moved(struct spawn_work *work)
{
    for (unsigned i = 0; i < work->moved_count; i++) {
        const struct spawn_right *r = &work->moved[i];
        kern_return_t kr = mach_port_insert_right(work->task, r->wanted, r->right, r->disposition);

        if (kr != KERN_SUCCESS) {
            return kr == KERN_RESOURCE_SHORTAGE ? kr : SPAWN_BAD_RIGHT;
        }
    }
    return KERN_SUCCESS;
}
