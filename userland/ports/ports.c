/* ports.c - every name a task has: its rights, their counts, and what is behind it; or a check of
 * all rights there are. */
#include <mach.h>
#include <mach_debug.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <string.h>

#include "program.h"
#include "tasks.h"

/* Kinds of kernel objects, as mach_port_kernel_object numbers them. */
static const char *const object_names[] = {
    "",
    "task",
    "thread",
    "host",
    "privileged host",
    "processor",
    "processor name",
    "processor set",
    "set name",
    "hardware",
    "I/O ports",
    "interrupt",
    "memory control",
    "memory name",
    "exception reply",
    "device memory",
};

static unsigned refs_of(mach_port_t task, mach_port_name_t name, mach_port_right_t right)
{
    mach_port_urefs_t refs = 0;

    mach_port_get_refs(task, name, right, &refs);
    return refs;
}

static void print_receive(mach_port_t task, mach_port_name_t name)
{
    mach_port_status_t status;
    mach_port_rights_t senders = 0;

    if (mach_port_get_receive_status(task, name, &status) != KERN_SUCCESS) {
        return;
    }
    mach_port_get_srights(task, name, &senders);
    printf(" receive(queue %u/%u, senders %u, send-once %u%s)", status.mps_msgcount,
           status.mps_qlimit, senders, status.mps_sorights,
           status.mps_nsrequest ? ", watched" : "");
}

static void print_set(mach_port_t task, mach_port_name_t name)
{
    mach_port_name_t *members;
    mach_msg_type_number_t count;

    if (mach_port_get_set_status(task, name, &members, &count) != KERN_SUCCESS) {
        return;
    }
    printf(" set of");
    for (unsigned i = 0; i < count; i++) {
        printf(" %u", members[i]);
    }
    if (count != 0) {
        vm_deallocate(mach_task_self(), (vm_address_t)members, count * sizeof(*members));
    }
}

static void print_object(mach_port_t task, mach_port_name_t name)
{
    unsigned kind = 0;
    vm_offset_t address;

    if (mach_port_kernel_object(task, name, &kind, &address) == KERN_SUCCESS && kind != 0) {
        printf(" -> %s", kind < sizeof(object_names) / sizeof(object_names[0]) ? object_names[kind]
                                                                               : "kernel object");
    }
}

static void print_name(mach_port_t task, mach_port_name_t name, mach_port_type_t type)
{
    printf("%10u ", name);
    if ((type & MACH_PORT_TYPE_RECEIVE) != 0) {
        print_receive(task, name);
    }
    if ((type & MACH_PORT_TYPE_SEND) != 0) {
        printf(" send(%u)", refs_of(task, name, MACH_PORT_RIGHT_SEND));
    }
    if ((type & MACH_PORT_TYPE_SEND_ONCE) != 0) {
        printf(" send-once");
    }
    if ((type & MACH_PORT_TYPE_DEAD_NAME) != 0) {
        printf(" dead(%u)", refs_of(task, name, MACH_PORT_RIGHT_DEAD_NAME));
    }
    if ((type & MACH_PORT_TYPE_PORT_SET) != 0) {
        print_set(task, name);
    }
    if ((type & MACH_PORT_TYPE_DNREQUEST) != 0) {
        printf(" told-of-death");
    }
    print_object(task, name);
    printf("\n");
}

/* Print the ledger of rights; the exit status is 1 when it does not balance. */
static int check_rights(void)
{
    portolan_counts_t n;
    mach_msg_type_number_t count = PORTOLAN_NUMBERS_MAX;

    program_check(host_check_rights(mach_host_self(), n, &count),
                  "rights are checked by the debug kernel alone");
    printf("%ld tasks, %ld names, %ld ports, %ld queued messages\n",
           (long)n[PORTOLAN_RIGHTS_SPACES], (long)n[PORTOLAN_RIGHTS_NAMES],
           (long)n[PORTOLAN_RIGHTS_PORTS], (long)n[PORTOLAN_RIGHTS_MESSAGES]);
    printf("%ld send rights and %ld in the kernel, %ld send-once rights and %ld in the kernel\n",
           (long)n[PORTOLAN_RIGHTS_SEND], (long)n[PORTOLAN_RIGHTS_KERNEL_SEND],
           (long)n[PORTOLAN_RIGHTS_SEND_ONCE], (long)n[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE]);
    printf("%ld errors\n", (long)n[PORTOLAN_RIGHTS_ERRORS]);
    return n[PORTOLAN_RIGHTS_ERRORS] != 0;
}

int main(int argc, char **argv)
{
    portolan_name_t task_name;
    mach_port_t task;
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t count, type_count;

    program_start(argv);
    if (argc != 2) {
        program_usage("ports TASK|--check    (a number as ps shows it)");
    }
    if (strcmp(argv[1], "--check") == 0) {
        return check_rights();
    }
    task = tasks_find(argv[1], task_name);
    program_check(mach_port_names(task, &names, &count, &types, &type_count),
                  "the names cannot be listed");
    printf("%s: %u names\n%10s  RIGHTS\n", task_name, count, "NAME");
    for (unsigned i = 0; i < count && i < type_count; i++) {
        print_name(task, names[i], types[i]);
    }
    return 0;
}
