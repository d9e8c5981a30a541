/* run.c - vm run: files are opened here, with the rights of whoever types; the monitor gets no
 * others. */
#include <fcntl.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <portolan/spawn.h>
#include <portolan/vm_machine_types.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "program.h"
#include "vm_impl.h"
#include "vm_machine.h"
#include "vm_master.h"

/* What vm_master_run is to be told. */
static struct {
    vm_name_t name;
    bool is_detached;
    vm_words_t words;
    size_t size; /* of the words */
    vm_rights_t rights;
    unsigned nrights;
} run;

static void run_word(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 1;

    if (size > sizeof(run.words) - run.size) {
        program_fail("these are too many words for a machine");
    }
    snprintf(run.words + run.size, size, "%s%s", name, value);
    run.size += size;
}

/* What was opened by the name, or why it was not. */
static void run_right(const char *name, mach_port_t right, kern_return_t kr)
{
    if (kr != KERN_SUCCESS) {
        program_fail("%s: %s", name, mach_error_string(kr));
    }
    if (run.nrights == VM_RIGHTS_MAX) {
        program_fail("these are too many files for a machine");
    }
    run.rights[run.nrights] = right;
    run.nrights++;
}

static void run_file(const char *path, int flags)
{
    mach_port_t file = MACH_PORT_NULL;
    kern_return_t kr = portolan_open(path, flags, 0, &file);

    run_right(path, file, kr);
}

/* A file, and what is to be said of it: "FILE WORDS". */
static void run_module(char *value)
{
    char *words = strchr(value, ' ');

    if (words != NULL) {
        *words = '\0';
        words++;
    }
    run_file(value, O_RDONLY);
    run_word("module=", words != NULL ? words : "");
}

/* A disk is written, unless ",ro" is behind its name: a file's, which has a slash, or a device's.
 */
static void run_disk(char *value)
{
    size_t size = strlen(value);
    bool is_read_only = size > 3 && strcmp(value + size - 3, ",ro") == 0;

    if (is_read_only) {
        value[size - 3] = '\0';
    }
    if (strchr(value, '/') != NULL) {
        run_file(value, is_read_only ? O_RDONLY : O_RDWR);
        run_word("disk=", is_read_only ? "ro" : "rw");
    } else {
        mach_port_t opener = MACH_PORT_NULL;
        kern_return_t kr = device_open_only(value, !is_read_only, &opener);

        run_right(value, opener, kr);
        run_word(is_read_only ? "disk=ro:" : "disk=rw:", value);
    }
}

static void run_name(const char *name)
{
    if (strlen(name) >= sizeof(run.name)) {
        program_fail("a machine's name has at most %d characters", VM_NAME_MAX - 1);
    }
    strcpy(run.name, name);
}

static void run_option(char *word)
{
    if (strncmp(word, "name=", 5) == 0) {
        run_name(word + 5);
    } else if (strncmp(word, "initrd=", 7) == 0) {
        run_module(word + 7);
    } else if (strncmp(word, "module=", 7) == 0) {
        run_module(word + 7);
    } else if (strncmp(word, "disk=", 5) == 0) {
        run_disk(word + 5);
    } else if (strcmp(word, "detach") == 0) {
        run.is_detached = true;
    } else {
        run_word(word, "");
    }
}

/* The last part of a path, as a name. */
static void run_name_of(const char *path)
{
    const char *last = strrchr(path, '/');

    snprintf(run.name, sizeof(run.name), "%s", last != NULL ? last + 1 : path);
}

int run_machine(char **words)
{
    mach_port_t machine;
    kern_return_t kr;

    run_name_of(words[0]);
    run_file(words[0], O_RDONLY);
    for (char **word = words + 1; *word != NULL; word++) {
        run_option(*word);
    }
    kr = vm_master_run(master_port(), run.name, run.words, (mach_msg_type_number_t)run.size,
                       run.rights, MACH_MSG_TYPE_COPY_SEND, run.nrights, &machine);
    if (kr == KERN_NAME_EXISTS) {
        program_fail("there is a machine of the name `%s` already: name=OTHER", run.name);
    }
    if (kr != KERN_SUCCESS) {
        program_fail("%s: %s", run.name, spawn_error_string(kr));
    }
    return run.is_detached ? 0 : console_join(machine);
}
