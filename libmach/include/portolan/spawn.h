/* spawn.h - starting programs: a fresh task, a static ELF64 program in it, rights under names. */
#ifndef PORTOLAN_SPAWN_H
#define PORTOLAN_SPAWN_H

#include <mach/mach.h>
#include <stdbool.h>
#include <stddef.h>

/* A right the program gets, and the name it finds it by in PORTS. */
struct spawn_right {
    const char *name;                 /* without ':' and ' '; NULL: not listed in PORTS */
    mach_port_t right;                /* the caller's name for it */
    mach_msg_type_name_t disposition; /* MACH_MSG_TYPE_COPY_SEND, MOVE_*, MAKE_* */
    mach_port_name_t wanted;          /* name in the new task; 0: any */
};

struct spawn {
    const char *path;  /* the program's file, unless image is given; also the task's name */
    char *const *argv; /* NULL: the path alone */
    char *const *envp; /* NULL: none; PORTS in it is replaced */
    const void *image; /* the program in memory; not needed any more after the call */
    size_t image_size;
    const struct spawn_right *rights;
    unsigned nrights;
    bool suspended;       /* leave the task suspended once: task_resume starts it */
    bool foreign;         /* not a libmach program: no PORTS, no bootstrap port, no emulation */
    bool closed;          /* gets the rights listed and no others */
    mach_port_t wired_by; /* with this host port all of it is wired as it is made, and its stack is
                           * small; MACH_PORT_NULL: not */
};

/* Codes of spawn_start beside those of Mach and PORTOLAN_ERRNO. */
#define SPAWN_NOT_ELF            0x3001
#define SPAWN_WRONG_MACHINE      0x3002
#define SPAWN_NOT_STATIC         0x3003
#define SPAWN_DAMAGED            0x3004
#define SPAWN_ARGUMENTS_TOO_LONG 0x3005
#define SPAWN_BAD_RIGHT          0x3006 /* a right cannot be given, or its name is taken */

/* Start a program. Unless foreign or closed, the program also inherits what `rights` does not name:
 * stdin, stdout, stderr (the caller's descriptors 0-2), its other descriptors without FD_CLOEXEC
 * (under the names fd3, fd4, ...; pipes of the library cannot be inherited), root, the working
 * directory, and the bootstrap port. A right named "bootstrap" also becomes the task's bootstrap
 * port.
 *   task           send right to the new task, the caller's; NULL: not wanted
 *   exit_receive   receive right on which the end of the program is told (spawn_wait); NULL: not
 *                  wanted
 * Refs: rights with a MOVE disposition are gone on success and kept after an error, unless the
 *   kernel ran out of memory while the last of them moved.
 * Returns: KERN_SUCCESS, SPAWN_*, PORTOLAN_ERRNO(ENOENT, ...), KERN_RESOURCE_SHORTAGE, ... */
kern_return_t spawn_start(const struct spawn *spawn, mach_port_t *task, mach_port_t *exit_receive);

/* Wait for the end of a program, give up the receive right, and return the status as wait(2) has
 * it; 9 (killed) for a program that died without a word, or used the right for something else. */
int spawn_wait(mach_port_t exit_receive);

/* The same with a limit in milliseconds (0: only look). Returns false, and keeps the right, when
 * the program still runs then. */
bool spawn_wait_timed(mach_port_t exit_receive, natural_t milliseconds, int *status);

/* Read the end of a program out of a message received some other way (a port set). Returns false
 * when the message tells no end. */
bool spawn_status_of(const mach_msg_header_t *message, int *status);

/* A sentence for people, for any code spawn_start returns. Never NULL. */
const char *spawn_error_string(kern_return_t kr);

#endif
