/* vm_rights.c - who may do what with a virtual machine: two are started from the image, and opened
 * and ended with rights of all kinds.
 *
 *     vm_rights IMAGE */
#include <fcntl.h>
#include <mach.h>
#include <portolan/portolan.h>
#include <portolan/vm_machine_types.h>
#include <stdio.h>

#include "userland/lib/program.h"
#include "vm_machine.h"
#include "vm_master.h"

static mach_port_t master;
static vm_words_t words; /* none */

static void expect(const char *what, kern_return_t got, kern_return_t wanted)
{
    printf("%s: %s %d\n", what, got == wanted ? "ok" : "WRONG", got);
}

static mach_port_t run(const char *path, const char *name)
{
    vm_rights_t rights;
    mach_port_t machine = MACH_PORT_NULL;

    program_check(portolan_open(path, O_RDONLY, 0, &rights[0]), path);
    program_check(
        vm_master_run(master, (char *)name, words, 0, rights, MACH_MSG_TYPE_COPY_SEND, 1, &machine),
        name);
    return machine;
}

int main(int argc, char **argv)
{
    mach_port_t host, one, two, opened = MACH_PORT_NULL;
    int state, status;

    program_start(argv);
    if (argc != 2) {
        program_usage("vm_rights IMAGE");
    }
    host = program_host();
    program_check(portolan_look_up("vm_master", &master), "vm_master");
    one = run(argv[1], "one");
    two = run(argv[1], "two");
    expect("by name, without a right", vm_master_open(master, mach_task_self(), "one", &opened),
           KERN_NO_ACCESS);
    expect("by name, with a machine", vm_master_open(master, one, "one", &opened), KERN_NO_ACCESS);
    expect("nobody", vm_master_open(master, host, "three", &opened), KERN_INVALID_NAME);
    expect("by name", vm_master_open(master, host, "one", &opened), KERN_SUCCESS);
    expect("is the same", (kern_return_t)(opened - one), 0);
    expect("pause", vm_machine_pause(one), KERN_SUCCESS);
    expect("end without a right", vm_master_kill(master, mach_task_self(), "one"), KERN_NO_ACCESS);
    expect("end with another's", vm_master_kill(master, two, "one"), KERN_NO_ACCESS);
    expect("end nobody", vm_master_kill(master, host, "three"), KERN_INVALID_NAME);
    expect("it goes on", vm_machine_state(one, &state, &status), KERN_SUCCESS);
    expect("end by its own", vm_master_kill(master, one, "one"), KERN_SUCCESS);
    expect("end by the host's", vm_master_kill(master, host, "two"), KERN_SUCCESS);
    return 0;
}
