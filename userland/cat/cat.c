/* cat.c - files one after the other, or standard input. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

static int copy(int from, const char *name)
{
    static char buffer[8192];
    ssize_t n;

    while ((n = read(from, buffer, sizeof(buffer))) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t written = write(STDOUT_FILENO, buffer + done, (size_t)(n - done));

            if (written <= 0) {
                program_fail("standard output: %s", strerror(errno));
            }
            done += written;
        }
    }
    if (n < 0) {
        program_say("%s: %s", name, strerror(errno));
    }
    return n < 0;
}

int main(int argc, char **argv)
{
    int status = 0;

    program_start(argv);
    if (argc == 1) {
        return copy(STDIN_FILENO, "standard input");
    }
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);

        if (fd < 0) {
            program_say("%s: %s", argv[i], strerror(errno));
            status = 1;
            continue;
        }
        status |= copy(fd, argv[i]);
        close(fd);
    }
    return status;
}
