/* paths.c - what programs that change files share. */
#include "paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

#define PATHS_BUFFER (256 * 1024)

/* Say what could not be done; always false. */
static bool paths_failed(const char *path)
{
    program_say("%s: %s", path, strerror(errno));
    return false;
}

static bool paths_join(const char *directory, const char *name, char path[PATH_MAX])
{
    size_t length = strlen(directory);
    bool slash = length != 0 && directory[length - 1] != '/';

    if (snprintf(path, PATH_MAX, "%s%s%s", directory, slash ? "/" : "", name) < PATH_MAX) {
        return true;
    }
    program_say("%s/%s: the path is too long", directory, name);
    return false;
}

bool paths_is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void paths_absolute(const char *path, char *absolute, size_t size)
{
    char directory[PATH_MAX] = "";

    if (path[0] != '/' && getcwd(directory, sizeof(directory)) == NULL) {
        program_fail("the working directory: %s", strerror(errno));
    }
    if ((size_t)snprintf(absolute, size, "%s%s%s", directory, directory[0] != '\0' ? "/" : "",
                         path) >= size) {
        program_fail("%s: the path is too long", path);
    }
}

bool paths_target(const char *from, const char *to, char target[PATH_MAX])
{
    size_t end = strlen(from);
    size_t start;
    char name[NAME_MAX + 1];

    while (end > 1 && from[end - 1] == '/') {
        end--;
    }
    for (start = end; start > 0 && from[start - 1] != '/'; start--) {
        continue;
    }
    if (!paths_is_directory(to) || end - start > NAME_MAX) {
        return paths_join("", to, target);
    }
    memcpy(name, from + start, end - start);
    name[end - start] = '\0';
    return paths_join(to, name, target);
}

static int paths_is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

bool paths_each(const char *directory, bool (*call)(const char *path, const char *name, void *with),
                void *with)
{
    char path[PATH_MAX];
    struct dirent **entries;
    bool good = true;
    int n = scandir(directory, &entries, paths_is_entry, alphasort);

    if (n < 0) {
        return paths_failed(directory);
    }
    for (int i = 0; i < n; i++) {
        good = paths_join(directory, entries[i]->d_name, path) &&
               call(path, entries[i]->d_name, with) && good;
        free(entries[i]);
    }
    free(entries);
    return good;
}

/* --- copying --- */

static bool paths_copy_bytes(int in, const char *from, int out, const char *to)
{
    char *buffer = malloc(PATHS_BUFFER);
    ssize_t n = buffer != NULL ? 0 : -1;
    bool good = true;

    while (good && buffer != NULL && (n = read(in, buffer, PATHS_BUFFER)) > 0) {
        good = write(out, buffer, (size_t)n) == n || paths_failed(to);
    }
    free(buffer);
    return good && (n == 0 || paths_failed(from));
}

static bool paths_copy_file(const char *from, const char *to, const struct stat *st)
{
    struct stat there;
    bool good;
    int in, out;

    if (stat(to, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino) {
        program_say("%s and %s are the same file", from, to);
        return false;
    }
    in = open(from, O_RDONLY);
    if (in < 0) {
        return paths_failed(from);
    }
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC, st->st_mode & 0777);
    good = out >= 0 ? paths_copy_bytes(in, from, out, to) : paths_failed(to);
    if (out >= 0) {
        close(out);
    }
    close(in);
    return good;
}

static bool paths_copy_link(const char *from, const char *to)
{
    char target[PATH_MAX];
    ssize_t n = readlink(from, target, sizeof(target) - 1);

    if (n < 0) {
        return paths_failed(from);
    }
    target[n] = '\0';
    return symlink(target, to) == 0 || paths_failed(to);
}

static bool paths_copy_entry(const char *path, const char *name, void *to)
{
    char target[PATH_MAX];

    return paths_join(to, name, target) && paths_copy(path, target, true);
}

static bool paths_copy_directory(const char *from, const char *to, const struct stat *st)
{
    size_t length = strlen(from);

    if (strncmp(from, to, length) == 0 && to[length] == '/') {
        program_say("%s: cannot be copied into itself", from);
        return false;
    }
    if (mkdir(to, (st->st_mode & 0777) | 0700) != 0 &&
        (errno != EEXIST || !paths_is_directory(to))) {
        return paths_failed(to);
    }
    return paths_each(from, paths_copy_entry, (void *)to);
}

bool paths_copy(const char *from, const char *to, bool whole)
{
    struct stat st;

    if ((whole ? lstat(from, &st) : stat(from, &st)) != 0) {
        return paths_failed(from);
    }
    if (S_ISLNK(st.st_mode)) {
        return paths_copy_link(from, to);
    }
    if (!S_ISDIR(st.st_mode)) {
        return paths_copy_file(from, to, &st);
    }
    if (!whole) {
        program_say("%s: is a directory; -r copies it with all in it", from);
        return false;
    }
    return paths_copy_directory(from, to, &st);
}

/* --- removing --- */

static bool paths_remove_entry(const char *path, const char *name, void *unused)
{
    (void)name;
    (void)unused;
    return paths_remove(path, true);
}

bool paths_remove(const char *path, bool whole)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        return paths_failed(path);
    }
    if (!S_ISDIR(st.st_mode)) {
        return unlink(path) == 0 || paths_failed(path);
    }
    if (!whole) {
        program_say("%s: is a directory; -r removes it with all in it", path);
        return false;
    }
    return paths_each(path, paths_remove_entry, NULL) && (rmdir(path) == 0 || paths_failed(path));
}
