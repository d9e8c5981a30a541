/* paths.h - what programs that change files share: where something goes, copying and removing whole
 * trees. A mistake is told on standard error, and the rest goes on. */
#ifndef USERLAND_PATHS_H
#define USERLAND_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Where `from` goes when it is put at `to`: into it when that is a directory. Returns: false with a
 * sentence said when that is too long. */
bool paths_target(const char *from, const char *to, char target[PATH_MAX]);
bool paths_is_directory(const char *path);
/* The path from the root on, for a server that does not know the working directory. Ends the
 * program with a sentence when it is too long. */
void paths_absolute(const char *path, char *absolute, size_t size);

/* Copy a file, a symbolic link, or (whole) a directory with all in it. Returns: false with a
 * sentence said when not all was copied. */
bool paths_copy(const char *from, const char *to, bool whole);
/* Remove a file, or (whole) a directory with all in it. Returns: as paths_copy. */
bool paths_remove(const char *path, bool whole);

/* Calls for each entry of a directory, in the order of names, with the path joined. Returns: false
 * when one of the calls did, or with a sentence said when the directory could not be read. */
bool paths_each(const char *directory, bool (*call)(const char *path, const char *name, void *with),
                void *with);

#endif
