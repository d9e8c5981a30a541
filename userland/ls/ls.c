/* ls.c - names in directories; -l with type, permissions and size. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "program.h"

static bool list_long;

static void print_entry(const char *folder, const char *name)
{
    struct stat status;
    char path[1200];

    if (!list_long) {
        printf("%s\n", name);
        return;
    }
    snprintf(path, sizeof(path), "%s%s%s", folder, *folder != '\0' ? "/" : "", name);
    if (stat(path, &status) != 0) {
        program_say("%s: %s", path, strerror(errno));
        return;
    }
    printf("%c%c%c%c %9lld %s\n",
           S_ISDIR(status.st_mode)   ? 'd'
           : S_ISCHR(status.st_mode) ? 'c'
                                     : '-',
           (status.st_mode & 0400) != 0 ? 'r' : '-', (status.st_mode & 0200) != 0 ? 'w' : '-',
           (status.st_mode & 0100) != 0 ? 'x' : '-', (long long)status.st_size, name);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int list_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, visible, alphasort);

    if (n < 0) {
        program_say("%s: %s", path, strerror(errno));
        return 1;
    }
    for (int i = 0; i < n; i++) {
        print_entry(path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static int list(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        program_say("%s: %s", path, strerror(errno));
        return 1;
    }
    if (S_ISDIR(status.st_mode)) {
        return list_folder(path);
    }
    print_entry("", path);
    return 0;
}

int main(int argc, char **argv)
{
    int first = 1;
    int status = 0;

    program_start(argv);
    if (argc > 1 && argv[1][0] == '-') {
        if (strcmp(argv[1], "-l") != 0) {
            program_usage("ls [-l] [PATH...]");
        }
        list_long = true;
        first = 2;
    }
    if (first == argc) {
        return list(".");
    }
    for (int i = first; i < argc; i++) {
        if (argc - first > 1) {
            printf("%s%s:\n", i > first ? "\n" : "", argv[i]);
        }
        status |= list(argv[i]);
    }
    return status;
}
