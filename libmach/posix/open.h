/* open.h - opening by path. */
#ifndef LIBMACH_POSIX_OPEN_H
#define LIBMACH_POSIX_OPEN_H

#include <mach/mach.h>

/* Open a tidy path (path.h) at the root directory. The caller owns the right.
 * Returns 0 or -errno (-ENOENT when the program was given no root). */
long open_path(const char *path, int flags, int mode, mach_port_t *object);

/* Resolve and open. */
long open_at(int directory, const char *path, int flags, int mode, mach_port_t *object);

/* Is something there? 0 or -errno. */
long open_exists(int directory, const char *path);

/* Facts of an object, IO_STAT_MAX numbers; what the server did not tell is 0. 0 or -errno. */
long open_facts(mach_port_t object, int64_t *facts);

#endif
