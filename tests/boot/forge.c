/* forge.c - a program of the manifest that uses its exit right, the one right it has to the port
 * the bootstrap server hears of ends on, for a forged notification about the server's own right to
 * the console (`forge destroyed`, `forge dead`), or for a message of no meaning (`forge nonsense`).
 * Says what became of the console, and ends. */
#include <bootstrap.h>
#include <mach/notify.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <string.h>

#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>

static mach_port_t bootstrap(void)
{
    return portolan_port("bootstrap");
}

/* The name a task has for a send right to `port`, or MACH_PORT_NULL. */
static mach_port_t name_in_task(mach_port_t task, mach_port_t port)
{
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t count = 0, type_count;
    mach_port_t found = MACH_PORT_NULL;

    if (mach_port_names(task, &names, &count, &types, &type_count) != KERN_SUCCESS) {
        return MACH_PORT_NULL;
    }
    for (unsigned i = 0; i < count && found == MACH_PORT_NULL; i++) {
        mach_msg_type_name_t type;
        mach_port_t got;

        if ((types[i] & MACH_PORT_TYPE_SEND) != 0 &&
            mach_port_extract_right(task, names[i], MACH_MSG_TYPE_COPY_SEND, &got, &type) ==
                KERN_SUCCESS) {
            found = got == port ? names[i] : MACH_PORT_NULL;
            mach_port_deallocate(mach_task_self(), got);
        }
    }
    return found;
}

/* The bootstrap server's name for it. */
static mach_port_t victim(mach_port_t port)
{
    mach_port_t set_name, set, found = MACH_PORT_NULL;
    mach_msg_type_number_t count = 0;
    mach_port_t *tasks;

    if (processor_set_default(mach_host_self(), &set_name) != KERN_SUCCESS ||
        host_processor_set_priv(portolan_port("host"), set_name, &set) != KERN_SUCCESS ||
        processor_set_tasks(set, &tasks, &count) != KERN_SUCCESS) {
        return MACH_PORT_NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        portolan_name_t name;

        if (task_get_name(tasks[i], name) == KERN_SUCCESS && strcmp(name, "bootstrap") == 0) {
            found = name_in_task(tasks[i], port);
        }
    }
    return found;
}

static mach_msg_return_t forge(int id, mach_port_t name)
{
    struct {
        mach_msg_header_t head;
        mach_msg_type_t type;
        uint64_t name;
    } m = {
        {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
         .msgh_size = sizeof(m),
         .msgh_remote_port = portolan_port("exit"),
         .msgh_id = id},
        {.msgt_name = MACH_MSG_TYPE_PORT_NAME, .msgt_size = 32, .msgt_inline = 1, .msgt_number = 1},
        name};

    if (id == MACH_NOTIFY_PORT_DESTROYED) {
        m.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    }
    return mach_msg(&m.head, MACH_SEND_MSG, sizeof(m), 0, 0, 0, 0);
}

/* Is the console what it was, to those who ask the server? */
static bool is_running(mach_port_t console)
{
    char text[BOOTSTRAP_TEXT_MAX + 1];
    mach_msg_type_number_t size = BOOTSTRAP_TEXT_MAX;
    mach_port_t again = MACH_PORT_NULL;

    if (bootstrap_look_up(bootstrap(), "console", &again) != KERN_SUCCESS || again != console ||
        bootstrap_list(bootstrap(), text, &size) != KERN_SUCCESS) {
        return false;
    }
    text[size] = '\0';
    return strstr(text, "console running") != NULL;
}

int main(int argc, char **argv)
{
    const char *how = argc == 2 ? argv[1] : "nonsense";
    mach_port_t console = MACH_PORT_NULL;
    mach_msg_return_t mr;
    mach_port_t name;

    if (bootstrap_look_up(bootstrap(), "console", &console) != KERN_SUCCESS) {
        portolan_print("forge %s: there is no console\n", how);
        return 1;
    }
    while (!is_running(console)) {
        portolan_sleep(10);
    }
    name = victim(console);
    mr = forge(strcmp(how, "destroyed") == 0 ? MACH_NOTIFY_PORT_DESTROYED
               : strcmp(how, "dead") == 0    ? MACH_NOTIFY_DEAD_NAME
                                             : 12345,
               name);
    portolan_print("forge %s: sent %d, name %s, console %s\n", how, mr,
                   name != MACH_PORT_NULL ? "known" : "unknown",
                   is_running(console) ? "running" : "lost"); /* short: printed in one piece */
    task_terminate(mach_task_self());
    return 0;
}
