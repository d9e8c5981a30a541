/* df.c - room on file systems, in KiB: on all, or on those the paths are in. */
#include <errno.h>
#include <file.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

#include "program.h"

static unsigned long kib(unsigned long blocks, const struct statfs *st)
{
    return blocks * (unsigned long)st->f_bsize / 1024;
}

static int df_one(const char *name, const char *path)
{
    struct statfs st;
    unsigned long used;

    if (statfs(path, &st) != 0) {
        program_say("%s: %s", path, strerror(errno));
        return 1;
    }
    used = st.f_blocks - st.f_bfree;
    printf("%-12s %10lu %10lu %10lu %3lu%% %s\n", name, kib(st.f_blocks, &st), kib(used, &st),
           kib(st.f_bavail, &st),
           st.f_blocks != 0 ? (used * 100 + st.f_blocks - 1) / st.f_blocks : 0, path);
    return 0;
}

/* Each line: source, place, kind, ro or rw. */
static int df_all(void)
{
    char text[FILE_TEXT_MAX + 1];
    mach_msg_type_number_t count = FILE_TEXT_MAX;
    char *rest = text;
    char *line;
    int status = 0;

    program_check(file_mounts(portolan_port("root"), text, &count), "the file server");
    text[count] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        char *source = strsep(&line, " ");
        char *place = strsep(&line, " ");
        char *kind = strsep(&line, " ");

        status |= df_one(strcmp(kind, "tmpfs") == 0 ? kind : source, place);
    }
    return status;
}

int main(int argc, char **argv)
{
    int status = 0;

    program_start(argv);
    if (argc > 1 && argv[1][0] == '-') {
        program_usage("df [PATH...]");
    }
    printf("%-12s %10s %10s %10s %4s %s\n", "from", "KiB", "used", "free", "use", "at");
    if (argc == 1) {
        return df_all();
    }
    for (int i = 1; i < argc; i++) {
        status |= df_one("-", argv[i]);
    }
    return status;
}
