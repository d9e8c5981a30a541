/* file.c - files in memory (tmpfs): what a read of pages that are there costs, a mapping of them,
 * and the life of a small file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_impl.h"
#include "program.h"

#define FILE_PATH  "/tmp/bench"
#define FILE_SIZE  (1ul << 20)
#define FILE_PAGE  4096ul
#define FILE_SMALL 1024ul

static char *file_buffer;

static void file_must(bool good, const char *what)
{
    if (!good) {
        program_fail("%s: %s", what, strerror(errno));
    }
}

static void work_read(void *argument)
{
    const int *fd = argument;

    file_must(pread(*fd, file_buffer, FILE_SIZE, 0) == (ssize_t)FILE_SIZE, "read");
}

/* Map it, read a word of every page in order, unmap it. */
static void work_map(void *argument)
{
    const int *fd = argument;
    char *at = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, *fd, 0);

    file_must(at != MAP_FAILED, "mmap");
    for (size_t page = 0; page < FILE_SIZE; page += FILE_PAGE) {
        (void)*(volatile char *)(at + page);
    }
    file_must(munmap(at, FILE_SIZE) == 0, "munmap");
}

static void work_life(void *argument)
{
    int fd = open(FILE_PATH ".small", O_WRONLY | O_CREAT | O_EXCL, 0644);

    (void)argument;
    file_must(fd >= 0, "open");
    file_must(write(fd, file_buffer, FILE_SMALL) == (ssize_t)FILE_SMALL, "write");
    file_must(close(fd) == 0 && unlink(FILE_PATH ".small") == 0, "unlink");
}

void file_all(void)
{
    int fd;

    if (!bench_is_wanted("fs.")) {
        return;
    }
    fd = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);
    file_buffer = malloc(FILE_SIZE);
    file_must(fd >= 0 && file_buffer != NULL, FILE_PATH);
    memset(file_buffer, 'b', FILE_SIZE);
    file_must(write(fd, file_buffer, FILE_SIZE) == (ssize_t)FILE_SIZE, "write");
    bench_measure_fraction("fs.read.cached", FILE_SIZE, work_read, &fd);
    bench_measure_each("fs.mmap.cached", FILE_SIZE / FILE_PAGE, work_map, &fd);
    bench_measure("fs.create_write_unlink", work_life, NULL);
    close(fd);
    unlink(FILE_PATH);
    free(file_buffer);
}
