/* bootstrap_impl.h - what the parts of the bootstrap server share.
 *
 * One thread serves everything: nothing here waits for another user task. Every port carries a
 * payload that says what it is (OBJECT_*) and which one. */
#ifndef BOOTSTRAP_IMPL_H
#define BOOTSTRAP_IMPL_H

#include <portolan/portolan.h>

#include "archive.h"
#include "manifest.h"

#define OBJECT_KIND   0xf0000000u
#define OBJECT_INDEX  0x0fffffffu
#define OBJECT_NAMES  0x10000000u /* a bootstrap port; index: the entry it was given to */
#define OBJECT_EXIT   0x20000000u /* told the end of the entry's task */
#define OBJECT_FILE   0x30000000u /* an open file */
#define OBJECT_NOTIFY 0x40000000u /* notifications of the kernel about rights */

#define NO_ENTRY OBJECT_INDEX

/* All set before the loop begins, constant after. */
struct bootstrap {
    mach_port_t host;     /* privileged host port */
    mach_port_t hardware; /* hardware port */
    mach_port_t hv;       /* hypervisor port */
    mach_port_t set;      /* everything is received from here */
    mach_port_t notify;   /* receive right, OBJECT_NOTIFY */
    struct archive_node *root;
    struct manifest manifest;
    char **run; /* program and arguments that take the session's place, or NULL */
};

extern struct bootstrap bootstrap;

/* names.c */

/* Declare the services of the manifest: each gets its port now, so that clients can queue. */
void names_init(void);
/* The name of the send right to a service, or MACH_PORT_NULL. */
mach_port_t names_port(const char *name);
/* Is the receive right of the entry's service with a task? */
bool names_is_out(unsigned entry);
/* The entry is not started any more: its service is dead. */
void names_give_up(unsigned entry);
/* The kernel returned the receive right under that name. */
void names_returned(mach_port_name_t name);
/* A registered port died. */
void names_dead(mach_port_name_t name);

/* tasks.c */

/* Start every entry of the manifest in its order. */
void tasks_start(void);
/* Something that must be over before a restart is over now. */
void tasks_check(unsigned entry);
/* The exit right of the entry's task was used or destroyed. */
void tasks_exited(unsigned entry, int status);
/* A task died. Returns: false when the name is none of a task. */
bool tasks_dead(mach_port_name_t name);

/* files.c */

/* Make the root directory's object. */
void files_init(void);
/* The receive right of the root directory. */
mach_port_t files_root(void);
/* No send rights to an open file are left. */
void files_no_senders(uint32_t index);

#endif
