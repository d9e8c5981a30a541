/* tasks.c - starting what the manifest says, and starting it again. A task has ended when its exit
 * right was used, its task port died and its service's port came back, in whatever order. */
#include <mach/host_reboot.h>
#include <portolan/server_loop.h>
#include <portolan/spawn.h>
#include <stdlib.h>
#include <string.h>

#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>

#include "bootstrap_impl.h"

#define STANDARD_RIGHTS  5
#define RESTART_WINDOW_S 60
#define USER_PRIORITY    25 /* services keep this server's, which is that of system tasks */
#define KILLED           9
#define STARTS_KEPT      (MANIFEST_RESTART_MAX + 1)

struct child {
    const struct manifest_entry *entry;
    mach_port_t names; /* its bootstrap port, receive and send right */
    mach_port_t task;  /* MACH_PORT_NULL: not running */
    mach_port_t exit;  /* receive right told its end, MACH_PORT_NULL when told */
    int status;
    bool replaced;               /* by run=PATH */
    int64_t starts[STARTS_KEPT]; /* seconds; the last ones, a ring */
    unsigned start_count;
};

static struct child *children;

static int64_t uptime_seconds(void)
{
    time_value64_t now = {0};

    host_get_uptime64(mach_host_self(), &now);
    return now.seconds;
}

/* The right an entry asks for, by the word of the manifest. */
static mach_port_t right_port(const char *right)
{
    if (strcmp(right, "host") == 0 || strcmp(right, "host-priv") == 0) {
        return bootstrap.host;
    }
    if (strcmp(right, "hardware") == 0 || strcmp(right, "device-master") == 0) {
        return bootstrap.hardware;
    }
    if (strcmp(right, "hv") == 0) {
        return bootstrap.hv;
    }
    return names_port(right);
}

/* Does the entry name its own root directory? */
static bool child_has_root(const struct manifest_entry *entry)
{
    for (unsigned i = 0; i < entry->right_count; i++) {
        if (strcmp(entry->rights[i].name, "root") == 0) {
            return true;
        }
    }
    return false;
}

/* Fill the table of rights; returns how many. */
static unsigned child_rights(const struct child *child, struct spawn_right *rights)
{
    const struct manifest_entry *entry = child->entry;
    unsigned n = 0;

    for (unsigned i = 0; i < entry->right_count; i++) {
        const struct manifest_right *right = &entry->rights[i];

        rights[n] =
            (struct spawn_right){entry->foreign ? NULL : right->name, right_port(right->right),
                                 MACH_MSG_TYPE_COPY_SEND, right->number};
        n++;
    }
    if (entry->foreign) {
        return n;
    }
    if (!child_has_root(entry)) {
        rights[n] = (struct spawn_right){"root", files_root(), MACH_MSG_TYPE_MAKE_SEND, 0};
        n++;
    }
    rights[n] = (struct spawn_right){"bootstrap", child->names, MACH_MSG_TYPE_COPY_SEND, 0};
    n++;
    for (unsigned i = 0; i < 3 && entry->io != NULL; i++) {
        static const char *const names[] = {"stdin", "stdout", "stderr"};

        rights[n] =
            (struct spawn_right){names[i], names_port(entry->io), MACH_MSG_TYPE_COPY_SEND, 0};
        n++;
    }
    return n;
}

/* The program's file, or NULL with a sentence said. */
static const struct archive_node *child_program(const struct child *child, const char *path)
{
    bool not_directory;
    const struct archive_node *node =
        archive_lookup(bootstrap.root, bootstrap.root, path, &not_directory);

    if (node == NULL || node->is_directory || node->device != 0) {
        portolan_print("bootstrap: /manifest:%u: %s: the program %s is missing in the archive\n",
                       child->entry->line, child->entry->name, path);
        return NULL;
    }
    return node;
}

/* Watch the task, so that its end is noticed however it comes. */
static void child_watch(struct child *child, unsigned index)
{
    if (child->exit != MACH_PORT_NULL) {
        mach_port_set_protected_payload(mach_task_self(), child->exit, OBJECT_EXIT | index);
        mach_port_move_member(mach_task_self(), child->exit, bootstrap.set);
    }
    if (server_watch_death(child->task, bootstrap.notify) != KERN_SUCCESS) {
        mach_port_deallocate(mach_task_self(), child->task); /* dead already */
        child->task = MACH_PORT_NULL;
        tasks_check(index);
    }
}

static bool child_spawn(struct child *child)
{
    struct spawn_right rights[MANIFEST_RIGHTS_MAX + STANDARD_RIGHTS];
    char **arguments = child->replaced ? bootstrap.run : child->entry->arguments;
    const char *path = child->replaced ? bootstrap.run[0] : child->entry->path;
    const struct archive_node *node = child_program(child, path);
    struct spawn spawn = {
        .path = child->replaced ? path : child->entry->name,
        .argv = arguments,
        .envp = child->entry->environment,
        .rights = rights,
        .nrights = child_rights(child, rights),
        .foreign = child->entry->foreign,
        .closed = true,
        .suspended = true,
    };
    kern_return_t kr;

    if (node == NULL) {
        return false;
    }
    spawn.image = node->data;
    spawn.image_size = node->size;
    kr = spawn_start(&spawn, &child->task, spawn.foreign ? NULL : &child->exit);
    if (kr != KERN_SUCCESS) {
        portolan_print("bootstrap: /manifest:%u: %s: %s cannot be started: %s\n",
                       child->entry->line, child->entry->name, path, spawn_error_string(kr));
        child->task = MACH_PORT_NULL;
        child->exit = MACH_PORT_NULL;
        return false;
    }
    if (child->entry->kind != MANIFEST_SERVICE) {
        task_priority(child->task, USER_PRIORITY, TRUE);
    }
    task_resume(child->task);
    return true;
}

static _Noreturn void power_off(void)
{
    for (;;) {
        host_reboot(bootstrap.host, RB_HALT);
    }
}

static void child_start(unsigned index)
{
    struct child *child = &children[index];

    if (child_spawn(child)) {
        child->status = KILLED;
        child->starts[child->start_count % STARTS_KEPT] = uptime_seconds();
        child->start_count++;
        child_watch(child, index);
        return;
    }
    names_give_up(index);
    if (child->replaced) {
        portolan_print("exit status 127\n");
        power_off();
    }
}

/* Restarts in the last minute; the first start is none. */
static unsigned child_restarts(const struct child *child)
{
    int64_t since = uptime_seconds() - RESTART_WINDOW_S;
    unsigned n = 0;

    for (unsigned i = 1; i < child->start_count && i < STARTS_KEPT; i++) {
        n += child->starts[(child->start_count - i) % STARTS_KEPT] >= since;
    }
    return n;
}

static void child_say_end(const struct child *child, const char *what)
{
    if ((child->status & 0x7f) != 0) {
        portolan_print("bootstrap: %s died; %s\n", child->entry->name, what);
    } else {
        portolan_print("bootstrap: %s ended with exit status %d; %s\n", child->entry->name,
                       child->status >> 8 & 0xff, what);
    }
}

/* The task is gone for good: decide what comes next. */
static void child_ended(unsigned index)
{
    struct child *child = &children[index];
    const struct manifest_entry *entry = child->entry;
    bool quiet = entry->foreign || child->status == 0;
    bool has_nothing_to_do = child->status == 0 && entry->kind == MANIFEST_SERVICE;

    if (child->replaced) {
        int code = (child->status & 0x7f) != 0 ? 128 + (child->status & 0x7f) : child->status >> 8;

        portolan_print("exit status %d\n", code & 0xff);
        power_off();
    }
    if (entry->restart == 0 || has_nothing_to_do) {
        if (!quiet) {
            child_say_end(child, "the manifest does not say to start it again");
        }
        names_give_up(index);
    } else if (child_restarts(child) >= entry->restart) {
        child_say_end(child, "it was started again too often in a minute and now stays down");
        names_give_up(index);
    } else {
        if (!quiet) {
            child_say_end(child, "starting it again");
        }
        child_start(index);
    }
}

void tasks_check(unsigned index)
{
    struct child *child = &children[index];

    if (child->start_count != 0 && child->task == MACH_PORT_NULL && child->exit == MACH_PORT_NULL &&
        !names_is_out(index)) {
        child_ended(index);
    }
}

void tasks_exited(unsigned index, int status)
{
    struct child *child = &children[index];

    if (index >= bootstrap.manifest.count || child->exit == MACH_PORT_NULL) {
        return;
    }
    portolan_port_destroy_receive(child->exit);
    child->exit = MACH_PORT_NULL;
    child->status = status;
    tasks_check(index);
}

bool tasks_dead(mach_port_name_t name)
{
    for (unsigned i = 0; i < bootstrap.manifest.count; i++) {
        if (children[i].task == name) {
            mach_port_deallocate(mach_task_self(), name);
            children[i].task = MACH_PORT_NULL;
            tasks_check(i);
            return true;
        }
    }
    return false;
}

/* The entry run=PATH replaces: the session, or else the last one. */
static unsigned session_index(void)
{
    unsigned count = bootstrap.manifest.count;

    for (unsigned i = 0; i < count; i++) {
        if (bootstrap.manifest.entries[i].kind == MANIFEST_SESSION) {
            return i;
        }
    }
    return count;
}

void tasks_start(void)
{
    unsigned count = bootstrap.manifest.count;
    unsigned session = session_index();

    children = calloc(count + 1, sizeof(*children));
    if (children == NULL) {
        portolan_print("bootstrap: no memory for %u tasks\n", count);
        return;
    }
    if (bootstrap.run != NULL && session == count) {
        portolan_print("bootstrap: run=%s: /manifest has no session it could take the place of\n",
                       bootstrap.run[0]);
    }
    for (unsigned i = 0; i < count; i++) {
        children[i].entry = &bootstrap.manifest.entries[i];
        children[i].replaced = bootstrap.run != NULL && i == session;
        if (server_object_create(bootstrap.set, OBJECT_NAMES | i, &children[i].names) !=
                KERN_SUCCESS ||
            mach_port_insert_right(mach_task_self(), children[i].names, children[i].names,
                                   MACH_MSG_TYPE_MAKE_SEND) != KERN_SUCCESS) {
            portolan_print("bootstrap: no bootstrap port for %s\n", children[i].entry->name);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        child_start(i);
    }
}
