/* path.h - the working directory, and paths as servers want them: from the root, without '.' and
 * doubled '/', and without the leading '/'. */
#ifndef LIBMACH_POSIX_PATH_H
#define LIBMACH_POSIX_PATH_H

#include <portolan/io_types.h>
#include <stddef.h>

/* Join a path to the directory `base` (a result of this function) and tidy it into out, of
 * DIR_PATH_MAX bytes. An absolute path ignores base. '..' and a slash at the end stay: they are
 * the server's. Returns 0, -ENOENT (the path is empty), -ENAMETOOLONG. Locks: none. */
int path_join(char *out, const char *base, const char *path);

/* The same with the base a descriptor stands for (AT_FDCWD: the working directory). Also returns
 * -EBADF, -ENOTDIR. */
int path_resolve(char *out, int directory, const char *path);

/* The working directory: PWD of the environment at the start, otherwise the root. */
void path_start(void);
void path_get_directory(char *out);
void path_set_directory(const char *path);

#endif
