/* environment.h - what the program was started with, kept before libc knows of it. */
#ifndef LIBMACH_CORE_ENVIRONMENT_H
#define LIBMACH_CORE_ENVIRONMENT_H

/* The environment as it was on the stack at the start; never changes. */
extern char *const *environment_start;

/* The value of a variable at the start, or NULL. */
const char *environment_get(const char *name);

/* The line of rights (PORTS), or "". */
const char *environment_ports(void);

#endif
