/* ls.c - names in directories: -l with facts, -a those that begin with a dot, -d of a directory
 * itself. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

static bool list_long, list_all, list_itself;

/* As "drwxr-xr-x". */
static void mode_text(mode_t mode, char text[11])
{
    static const char kinds[16] = "?pc?d?b?-?l?s???";

    strcpy(text, "?rwxrwxrwx");
    text[0] = kinds[(mode & S_IFMT) >> 12];
    for (unsigned i = 0; i < 9; i++) {
        if ((mode & (0400u >> i)) == 0) {
            text[i + 1] = '-';
        }
    }
    if ((mode & S_ISVTX) != 0) {
        text[9] = (mode & 1) != 0 ? 't' : 'T';
    }
}

/* One line: of what is at the path, under that name. */
static int print_entry(const char *path, const char *name)
{
    char mode[11], when[32], target[PATH_MAX];
    struct stat st;
    ssize_t n = 0;

    if (!list_long) {
        puts(name);
        return 0;
    }
    if (lstat(path, &st) != 0) {
        program_say("%s: %s", path, strerror(errno));
        return 1;
    }
    mode_text(st.st_mode, mode);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M", gmtime(&st.st_mtime));
    if (S_ISLNK(st.st_mode)) {
        n = readlink(path, target, sizeof(target));
    }
    printf("%s %3u %4u %4u %9lld %s %s%s%.*s\n", mode, (unsigned)st.st_nlink, st.st_uid, st.st_gid,
           (long long)st.st_size, when, name, n > 0 ? " -> " : "", (int)(n > 0 ? n : 0), target);
    return 0;
}

static int visible(const struct dirent *entry)
{
    return list_all || entry->d_name[0] != '.';
}

static int list_folder(const char *path)
{
    char inside[PATH_MAX];
    struct dirent **entries;
    int status = 0;
    int n = scandir(path, &entries, visible, alphasort);

    if (n < 0) {
        program_say("%s: %s", path, strerror(errno));
        return 1;
    }
    for (int i = 0; i < n; i++) {
        snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
        status |= print_entry(inside, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static int list(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 && lstat(path, &st) != 0) {
        program_say("%s: %s", path, strerror(errno));
        return 1;
    }
    return S_ISDIR(st.st_mode) && !list_itself ? list_folder(path) : print_entry(path, path);
}

int main(int argc, char **argv)
{
    int status = 0;
    int option;

    program_start(argv);
    while ((option = getopt(argc, argv, "lad")) != -1) {
        list_long = list_long || option == 'l';
        list_all = list_all || option == 'a';
        list_itself = list_itself || option == 'd';
        if (option == '?') {
            program_usage("ls [-lad] [PATH...]");
        }
    }
    if (optind == argc) {
        return list(".");
    }
    for (int i = optind; i < argc; i++) {
        if (argc - optind > 1 && !list_itself) {
            printf("%s%s:\n", i > optind ? "\n" : "", argv[i]);
        }
        status |= list(argv[i]);
    }
    return status;
}
