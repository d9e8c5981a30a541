/* find.c - paths below others, by name and kind. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "paths.h"
#include "program.h"

#define USAGE "find [PATH...] [-name PATTERN] [-type f|d|l]"

static const char *find_pattern; /* NULL: any name */
static mode_t find_type;         /* 0: any kind */

static bool find_one(const char *path, const char *name, void *unused)
{
    struct stat st;

    (void)unused;
    if (lstat(path, &st) != 0) {
        program_say("%s: %s", path, strerror(errno));
        return false;
    }
    if ((find_pattern == NULL || fnmatch(find_pattern, name, 0) == 0) &&
        (find_type == 0 || (st.st_mode & S_IFMT) == find_type)) {
        puts(path);
    }
    return !S_ISDIR(st.st_mode) || paths_each(path, find_one, NULL);
}

static mode_t find_type_of(const char *word)
{
    if (strcmp(word, "f") == 0) {
        return S_IFREG;
    }
    if (strcmp(word, "d") == 0) {
        return S_IFDIR;
    }
    if (strcmp(word, "l") == 0) {
        return S_IFLNK;
    }
    program_usage(USAGE);
}

static bool find_below(const char *path)
{
    const char *slash = strrchr(path, '/');

    return find_one(path, slash != NULL && slash[1] != '\0' ? slash + 1 : path, NULL);
}

int main(int argc, char **argv)
{
    bool good = true;
    int paths = 1;

    program_start(argv);
    while (paths < argc && argv[paths][0] != '-') {
        paths++;
    }
    for (int i = paths; i < argc; i += 2) {
        if (i + 1 == argc) {
            program_usage(USAGE);
        } else if (strcmp(argv[i], "-name") == 0) {
            find_pattern = argv[i + 1];
        } else if (strcmp(argv[i], "-type") == 0) {
            find_type = find_type_of(argv[i + 1]);
        } else {
            program_usage(USAGE);
        }
    }
    if (paths == 1) {
        good = find_below(".");
    }
    for (int i = 1; i < paths; i++) {
        good = find_below(argv[i]) && good;
    }
    return good ? 0 : 1;
}
