/* main.c - virtual machines at the prompt. */
#include <limits.h>
#include <portolan/portolan.h>
#include <portolan/vm_machine_types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "vm_impl.h"
#include "vm_machine.h"
#include "vm_master.h"

#define USAGE                                                                                      \
    "vm run IMAGE [name=NAME] [memory=MIB] [cpus=N] [cmdline=TEXT] [initrd=FILE]\n"                \
    "              [module=\"FILE WORDS\"]... [disk=FILE|DEVICE[,ro]]... [detach]\n"               \
    "       vm list\n"                                                                             \
    "       vm info|console|pause|resume|kill NAME\n"                                              \
    "       vm balloon NAME MIB"

mach_port_t master_port(void)
{
    mach_port_t master;

    program_check(portolan_look_up("vm_master", &master), "there are no virtual machines here");
    return master;
}

static mach_port_t open_machine(const char *name)
{
    mach_port_t machine;
    kern_return_t kr = vm_master_open(master_port(), program_host(), name, &machine);

    if (kr == KERN_INVALID_NAME) {
        program_fail("no machine has the name `%s`", name);
    }
    program_check(kr, name);
    return machine;
}

static int list(void)
{
    static const char *const states[] = {"running", "paused", "ended"};
    vm_text_t text;
    mach_msg_type_number_t size = VM_TEXT_MAX - 1;
    char *rest = text;

    program_check(vm_master_list(master_port(), text, &size), "the machines cannot be listed");
    text[size] = '\0';
    for (char *name = strsep(&rest, "\n"); rest != NULL; name = strsep(&rest, "\n")) {
        mach_port_t machine = MACH_PORT_NULL;
        int state = VM_ENDED, status;

        if (vm_master_open(master_port(), program_host(), name, &machine) == KERN_SUCCESS &&
            vm_machine_state(machine, &state, &status) == KERN_SUCCESS && state >= VM_RUNNING &&
            state <= VM_ENDED) {
            printf("%-31s %s\n", name, states[state]);
        }
    }
    return 0;
}

static int info(mach_port_t machine)
{
    vm_text_t text;
    mach_msg_type_number_t size = VM_TEXT_MAX;

    program_check(vm_machine_info(machine, text, &size), "the machine does not answer");
    fwrite(text, 1, size, stdout);
    return 0;
}

static int pause_machine(mach_port_t machine)
{
    program_check(vm_machine_pause(machine), "the machine does not stand still");
    return 0;
}

static int resume_machine(mach_port_t machine)
{
    program_check(vm_machine_resume(machine), "the machine does not go on");
    return 0;
}

/* Have it give back so much of its memory, which other programs can use then. */
static int balloon(mach_port_t machine, const char *text)
{
    char *end;
    unsigned long mib = strtoul(text, &end, 10);
    kern_return_t kr = KERN_INVALID_ARGUMENT;

    if (*text >= '0' && *text <= '9' && *end == '\0' && mib <= INT_MAX) {
        kr = vm_machine_balloon(machine, (int)mib);
    }
    if (kr == KERN_INVALID_ARGUMENT) {
        program_fail("`%s` is no number of MiB that the machine has", text);
    }
    if (kr == KERN_INVALID_CAPABILITY) {
        program_fail("the guest gives no memory back");
    }
    program_check(kr, "the machine has ended");
    return 0;
}

static int kill_machine(const char *name)
{
    kern_return_t kr = vm_master_kill(master_port(), program_host(), name);

    if (kr == KERN_INVALID_NAME) {
        program_fail("no machine has the name `%s`", name);
    }
    program_check(kr, name);
    return 0;
}

static const struct {
    const char *name;
    int (*function)(mach_port_t machine);
} commands[] = {
    {"info", info},
    {"console", console_join},
    {"pause", pause_machine},
    {"resume", resume_machine},
};

int main(int argc, char **argv)
{
    program_start(argv);
    if (argc >= 3 && strcmp(argv[1], "run") == 0) {
        return run_machine(argv + 2);
    }
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list();
    }
    if (argc == 3 && strcmp(argv[1], "kill") == 0) {
        return kill_machine(argv[2]);
    }
    if (argc == 4 && strcmp(argv[1], "balloon") == 0) {
        return balloon(open_machine(argv[2]), argv[3]);
    }
    for (unsigned i = 0; argc == 3 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].function(open_machine(argv[2]));
        }
    }
    program_usage(USAGE);
}
