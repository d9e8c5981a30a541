/* path.c - paths are made relative to the root here. What ".." means only the server knows: there
 * may be a symbolic link before it. */
#include "posix/path.h"

#include <errno.h>
#include <fcntl.h>
#include <portolan/thread.h>

#include "core/environment.h"
#include "core/text.h"
#include "posix/file.h"

static struct portolan_lock path_lock;
static char path_directory[DIR_PATH_MAX]; /* under path_lock */

/* Add a component of n characters. Returns the new length, or 0 when there is no room. */
static size_t path_add(char *out, size_t length, const char *component, size_t n)
{
    size_t needed = length + (length != 0) + n;

    if (needed >= DIR_PATH_MAX) {
        return 0;
    }
    if (length != 0) {
        out[length++] = '/';
    }
    for (size_t i = 0; i < n; i++) {
        out[length + i] = component[i];
    }
    out[needed] = '\0';
    return needed;
}

int path_join(char *out, const char *base, const char *path)
{
    size_t length = 0;

    if (*path == '\0') {
        return -ENOENT;
    }
    length = text_copy(out, *path == '/' ? "" : base, DIR_PATH_MAX);
    while (*path != '\0') {
        size_t n = 0;

        while (path[n] != '\0' && path[n] != '/') {
            n++;
        }
        if (n != 0 && !(n == 1 && path[0] == '.')) {
            length = path_add(out, length, path, n);
            if (length == 0) {
                return -ENAMETOOLONG;
            }
        }
        path += n;
        if (path[0] == '/' && path[1] == '\0' && length != 0 && length + 1 < DIR_PATH_MAX) {
            out[length] = '/'; /* it has to be a directory */
            out[length + 1] = '\0';
        }
        path += *path == '/';
    }
    return 0;
}

static int path_of_descriptor(int directory, char *out)
{
    struct file *file = file_get(directory);
    int error = 0;

    if (file == NULL) {
        return -EBADF;
    }
    if (file->directory == NULL) {
        error = -ENOTDIR;
    } else {
        text_copy(out, file->directory->path, DIR_PATH_MAX);
    }
    file_put(file);
    return error;
}

int path_resolve(char *out, int directory, const char *path)
{
    char base[DIR_PATH_MAX] = "";
    int error = 0;

    if (*path == '/') {
        return path_join(out, base, path);
    }
    if (directory == AT_FDCWD) {
        path_get_directory(base);
    } else {
        error = path_of_descriptor(directory, base);
    }
    return error != 0 ? error : path_join(out, base, path);
}

void path_start(void)
{
    const char *given = environment_get("PWD");

    if (given != NULL && *given == '/' && path_join(path_directory, "", given) != 0) {
        path_directory[0] = '\0';
    }
}

void path_get_directory(char *out)
{
    portolan_lock_acquire(&path_lock);
    text_copy(out, path_directory, DIR_PATH_MAX);
    portolan_lock_release(&path_lock);
}

void path_set_directory(const char *path)
{
    portolan_lock_acquire(&path_lock);
    text_copy(path_directory, path, DIR_PATH_MAX);
    portolan_lock_release(&path_lock);
}
