/* main.c - the bootstrap server, the first task: read the archive's manifest, start the system,
 * then serve names and files for ever.
 *
 * usage: bootstrap HOST HARDWARE TASK HV ARCHIVE-ADDRESS ARCHIVE-SIZE [run=PATH [ARGUMENT...]] */
#include <mach/notify.h>
#include <portolan/server_loop.h>
#include <portolan/spawn.h>
#include <stdlib.h>
#include <string.h>

#include <mach_port.h>

#include "bootstrap_impl.h"
#include "bootstrap_server.h"
#include "dir_server.h"
#include "io_server.h"

#define ARGUMENTS_MIN 7
#define KILLED        9
#define MESSAGE_MAX   16384
#define RIGHT_AT      40 /* in a message: header, descriptor, the right */

struct bootstrap bootstrap;

static void main_report(const char *text)
{
    portolan_print("bootstrap: %s\n", text);
}

static void main_report_line(unsigned line, const char *text)
{
    portolan_print("bootstrap: /manifest:%u: %s\n", line, text);
}

static boolean_t main_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return io_server(in, out) || dir_server(in, out) || bootstrap_server(in, out);
}

/* A notification that can be believed: only the kernel has rights to the port it tells of rights
 * on; of files it only tells what can be looked up. */
static bool main_is_genuine(const mach_msg_header_t *message)
{
    uint32_t kind = message->msgh_local_port & OBJECT_KIND;

    return kind == OBJECT_NOTIFY ||
           (kind == OBJECT_FILE && message->msgh_id == MACH_NOTIFY_NO_SENDERS);
}

/* What comes over a task's exit right uses it up, and the task may have put anything there: its
 * status, or, like the kernel when the right was destroyed unused, no word of it. */
static void main_exit_right(mach_msg_header_t *message)
{
    uint32_t index = message->msgh_local_port & OBJECT_INDEX;
    int status;

    if (!spawn_status_of(message, &status)) {
        status = KILLED;
    }
    mach_msg_destroy(message);
    tasks_exited(index, status);
}

/* The kernel gives back the receive right of a service whose task died. */
static bool main_port_destroyed(const mach_msg_header_t *message)
{
    if (message->msgh_id != MACH_NOTIFY_PORT_DESTROYED || message->msgh_size < RIGHT_AT + 8 ||
        (message->msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0) {
        return false;
    }
    names_returned(mig_load32((const char *)message + RIGHT_AT));
    return true;
}

static void main_handle(const struct server *server, mach_msg_header_t *in, mach_msg_header_t *out)
{
    bool notification = in->msgh_id >= MACH_NOTIFY_FIRST && in->msgh_id <= MACH_NOTIFY_LAST;

    if ((in->msgh_local_port & OBJECT_KIND) == OBJECT_EXIT) {
        main_exit_right(in);
    } else if (notification && !main_is_genuine(in)) {
        mach_msg_destroy(in);
    } else if (!notification || !main_port_destroyed(in)) {
        server_handle(server, in, out);
    }
}

static _Noreturn void main_loop(const struct server *server)
{
    static union {
        mach_msg_header_t head;
        char bytes[MESSAGE_MAX];
    } in, out;

    for (;;) {
        if (mach_msg(&in.head, MACH_RCV_MSG, 0, sizeof(in), bootstrap.set, 0, MACH_PORT_NULL) ==
            MACH_MSG_SUCCESS) {
            main_handle(server, &in.head, &out.head);
        }
    }
}

static void main_no_senders(uint64_t port, mach_port_mscount_t mscount)
{
    (void)mscount;
    if ((port & OBJECT_KIND) == OBJECT_FILE) {
        files_no_senders((uint32_t)port & OBJECT_INDEX);
    }
}

static void main_dead_name(mach_port_name_t name)
{
    if (!tasks_dead(name)) {
        names_dead(name);
    }
}

static void main_ports(void)
{
    if (server_set_create(&bootstrap.set) != KERN_SUCCESS ||
        server_port_create(bootstrap.set, &bootstrap.notify) != KERN_SUCCESS ||
        mach_port_set_protected_payload(mach_task_self(), bootstrap.notify, OBJECT_NOTIFY) !=
            KERN_SUCCESS) {
        portolan_print("bootstrap: no memory for the first ports; the system cannot start\n");
        exit(1);
    }
}

/* The archive and the manifest in it. */
static void main_read(const void *archive, size_t size)
{
    struct archive_node *node;
    bool not_directory;

    bootstrap.root = archive_open(archive, size, main_report);
    if (bootstrap.root == NULL) {
        portolan_print("bootstrap: no memory for the archive's tree; the system cannot start\n");
        exit(1);
    }
    if (!archive_add_device(bootstrap.root, "dev/null", 'n') ||
        !archive_add_device(bootstrap.root, "dev/console", 'c')) {
        portolan_print("bootstrap: no place for /dev in the archive\n");
    }
    node = archive_lookup(bootstrap.root, bootstrap.root, "/manifest", &not_directory);
    if (node == NULL || node->data == NULL) {
        portolan_print("bootstrap: the archive has no /manifest: nothing is started\n");
    } else if (!manifest_parse(&bootstrap.manifest, node->data, node->size, main_report_line)) {
        portolan_print("bootstrap: no memory to read /manifest: nothing is started\n");
    }
}

/* Words of the kernel's command line after `--`. */
static void main_words(char **words)
{
    for (; *words != NULL; words++) {
        if (strncmp(*words, "run=", 4) == 0) {
            *words += 4;
            bootstrap.run = words;
            return;
        }
        portolan_print("bootstrap: unknown word `%s` on the command line (run=PATH)\n", *words);
    }
}

int main(int argc, char **argv)
{
    static const struct server server = {
        .demux = main_demux,
        .no_senders = main_no_senders,
        .dead_name = main_dead_name,
    };

    if (argc < ARGUMENTS_MIN) {
        portolan_print(
            "usage: bootstrap HOST HARDWARE TASK ARCHIVE-ADDRESS ARCHIVE-SIZE [run=PATH]\n");
        return 2;
    }
    bootstrap.host = (mach_port_t)strtoul(argv[1], NULL, 0);
    bootstrap.hardware = (mach_port_t)strtoul(argv[2], NULL, 0);
    bootstrap.hv = (mach_port_t)strtoul(argv[4], NULL, 0);
    main_words(argv + ARGUMENTS_MIN);
    main_ports();
    main_read((const void *)strtoul(argv[5], NULL, 0), strtoul(argv[6], NULL, 0));
    files_init();
    names_init();
    tasks_start();
    main_loop(&server);
}
