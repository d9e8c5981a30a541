/* spawn_impl.h - what the files of spawn share: the task in the making. */
#ifndef LIBMACH_SPAWN_SPAWN_IMPL_H
#define LIBMACH_SPAWN_SPAWN_IMPL_H

#include <portolan/spawn.h>

#include "spawn/elf_image.h"

#define SPAWN_RIGHTS_MAX         64
#define SPAWN_PORTS_MAX          2048 /* bytes of the variable PORTS */
#define SPAWN_STACK_SIZE         ((vm_size_t)1024 * 1024)
#define SPAWN_FOREIGN_STACK_SIZE ((vm_size_t)128 * 1024)

/* A right that was given, remembered so that a second one for the same port gets the same name. */
struct spawn_given {
    mach_port_t right;
    mach_port_name_t name;
};

struct spawn_work {
    const struct spawn *spawn;
    mach_port_t task;
    mach_port_t thread;
    mach_port_t exit_receive;
    vm_address_t stack_pointer;
    struct elf_image image;
    struct spawn_given given[SPAWN_RIGHTS_MAX];
    unsigned given_count;
    struct spawn_right moved[SPAWN_RIGHTS_MAX]; /* MOVE rights, with the names kept for them */
    unsigned moved_count;
    mach_port_name_t next_name; /* names below were tried */
    size_t ports_length;
    char ports[SPAWN_PORTS_MAX]; /* "PORTS=..." */
};

/* Put the program's memory into the task. Returns: KERN_SUCCESS, errors of vm calls. */
kern_return_t spawn_load(struct spawn_work *work);

/* Make the stack, with the arguments, and set the stack pointer.
 * Returns: KERN_SUCCESS, SPAWN_ARGUMENTS_TOO_LONG, errors of vm calls. */
kern_return_t spawn_make_stack(struct spawn_work *work);

/* Give the rights, and write the variable PORTS. Rights that MOVE are only given
 * names. Returns: KERN_SUCCESS, SPAWN_BAD_RIGHT, SPAWN_ARGUMENTS_TOO_LONG, ... */
kern_return_t spawn_give_rights(struct spawn_work *work);

/* Give the rights with a MOVE disposition: the last step that can fail. */
kern_return_t spawn_give_moved(struct spawn_work *work);

#endif
