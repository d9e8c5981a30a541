/* error.h - sentences for return codes. */
#ifndef PORTOLAN_ERROR_H
#define PORTOLAN_ERROR_H

#include <mach/kern_return.h>

/* What a return code means, for people: of Mach, of a stub, of a device, of spawn.h, or one that
 * carries an errno. Never NULL; "unknown error code" for others. Locks: none. Sleeps: no. */
const char *mach_error_string(kern_return_t kr);

/* The identifier of a Mach code ("KERN_INVALID_ARGUMENT"), or NULL. */
const char *mach_error_name(kern_return_t kr);

#endif
