/* program.h - what the small programs share: sentences about mistakes, and exit statuses. */
#ifndef USERLAND_PROGRAM_H
#define USERLAND_PROGRAM_H

#include <mach/kern_return.h>
#include <mach/port.h>
#include <stdbool.h>
#include <stddef.h>

#define STATUS_USAGE      2 /* a bad command line */
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND  127

/* The program's name, for messages; set by program_start. */
extern const char *program_name;

/* First thing in main. */
void program_start(char **argv);

/* "usage: TEXT" on standard error, exit status 2. */
_Noreturn void program_usage(const char *text);
/* "NAME: sentence" on standard error. */
void program_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, then exit status 1. */
_Noreturn void program_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Fail with what a return code means, when it is not KERN_SUCCESS. */
void program_check(kern_return_t kr, const char *what);

/* A number from min to max; anything else is a usage error that says so. */
unsigned long program_number(const char *word, const char *what, unsigned long min,
                             unsigned long max);

/* The privileged host port; fails with a sentence when it was not given. */
mach_port_t program_host(void);

/* The file of a command: as it is with a slash, else looked for in PATH.
 * Returns: false when there is none; path has size bytes. */
bool program_find(const char *name, char *path, size_t size);

#endif
