/* mount.c - the file systems there are, or one more: a disk's, or (-t tmpfs) so many MiB of memory.
 */
#include <file.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <string.h>

#include "paths.h"
#include "program.h"

#define USAGE "mount [DISK DIRECTORY [-t ext2|tmpfs] [-o ro|rw]]"

static int mount_list(void)
{
    file_text_t text;
    mach_msg_type_number_t count = sizeof(text);

    program_check(file_mounts(portolan_port("root"), text, &count), "the file server");
    fwrite(text, 1, count, stdout);
    return 0;
}

/* What the words say. Anything else than USAGE ends the program. */
static void mount_parse(char **words, const char **names, const char **kind, int *flags)
{
    unsigned n = 0;

    for (; *words != NULL; words++) {
        bool has_value = words[1] != NULL;

        if (strcmp(*words, "-t") == 0 && has_value) {
            words++;
            *kind = *words;
        } else if (strcmp(*words, "-o") == 0 && has_value &&
                   (strcmp(words[1], "ro") == 0 || strcmp(words[1], "rw") == 0)) {
            words++;
            *flags = strcmp(*words, "ro") == 0 ? FILE_MOUNT_READ_ONLY : 0;
        } else if (**words != '-' && n < 2) {
            names[n] = *words;
            n++;
        } else {
            program_usage(USAGE);
        }
    }
    if (n != 2) {
        program_usage(USAGE);
    }
}

int main(int argc, char **argv)
{
    const char *names[2];
    const char *kind = "ext2";
    int flags = 0;
    char place[DIR_PATH_MAX];

    program_start(argv);
    if (argc == 1) {
        return mount_list();
    }
    mount_parse(argv + 1, names, &kind, &flags);
    if (strlen(kind) >= FILE_KIND_MAX || strlen(names[0]) >= DIR_PATH_MAX) {
        program_usage(USAGE);
    }
    paths_absolute(names[1], place, sizeof(place));
    program_check(file_mount(portolan_port("root"), program_host(), kind, names[0], place, flags),
                  place);
    return 0;
}
