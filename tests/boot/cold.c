/* cold.c - a file that no page of which is in memory, read or touched from its start on.
 *
 *     cold read FILE MIB       in pieces of 1 MiB
 *     cold map FILE MIB        mapped, a byte of each page in order */
#include <fcntl.h>
#include <file.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define COLD_PIECE (1ul << 20)
#define COLD_PAGE  4096ul

static int cold_read(int fd, size_t size)
{
    char *buffer = malloc(COLD_PIECE);

    for (size_t at = 0; at < size; at += COLD_PIECE) {
        if (buffer == NULL || pread(fd, buffer, COLD_PIECE, (off_t)at) != (ssize_t)COLD_PIECE) {
            return 1;
        }
    }
    return 0;
}

static int cold_map(int fd, size_t size)
{
    const volatile char *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED) {
        return 1;
    }
    for (size_t page = 0; page < size; page += COLD_PAGE) {
        (void)at[page];
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct timespec pause = {0, 200000000}; /* the kernel's part of it is not waited for */
    size_t size;
    int fd;

    if (argc != 4 || file_sync(portolan_port("root"), FILE_SYNC_FORGET) != KERN_SUCCESS) {
        return 2;
    }
    nanosleep(&pause, NULL);
    size = strtoul(argv[3], NULL, 0) * COLD_PIECE;
    fd = open(argv[2], O_RDONLY);
    if (fd < 0) {
        perror(argv[2]);
        return 1;
    }
    return strcmp(argv[1], "map") == 0 ? cold_map(fd, size) : cold_read(fd, size);
}
