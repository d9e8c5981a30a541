/* errno.h - errors of io.defs and dir.defs that have an errno, as return codes. */
#ifndef PORTOLAN_ERRNO_H
#define PORTOLAN_ERRNO_H

#include <mach/kern_return.h>

#define PORTOLAN_ERRNO_BASE 0x1000
#define PORTOLAN_ERRNO_MAX  0x0fff
/* The return code that stands for an errno of Linux (positive). */
#define PORTOLAN_ERRNO(e) ((kern_return_t)(PORTOLAN_ERRNO_BASE + (e)))

/* The errno (positive, as of Linux) for any return code: the one it carries, or the nearest one;
 * 0 for KERN_SUCCESS. Locks: none. Sleeps: no. */
int portolan_errno(kern_return_t kr);

#endif
