/* system.h - what other calls have to know of the task. */
#ifndef LIBMACH_POSIX_SYSTEM_H
#define LIBMACH_POSIX_SYSTEM_H

/* Permissions that what is made does not get. */
unsigned system_umask(void);

#endif
