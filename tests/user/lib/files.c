/* files.c - what tests of the file server share. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static int files_remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

void files_start(void)
{
    files_end();
    CHECK_EQ(mkdir(FILES_PLACE, 0755), 0);
    CHECK_EQ(chdir(FILES_PLACE), 0);
}

void files_end(void)
{
    CHECK_EQ(chdir("/"), 0);
    (void)nftw(FILES_PLACE, files_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char files_byte(size_t offset)
{
    return (char)((offset * 31 + (offset >> 12) * 7) ^ 0x5a);
}

int files_make(const char *path, size_t size)
{
    static char block[FILES_PAGE];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0);
    for (size_t done = 0; done < size;) {
        size_t n = size - done < sizeof(block) ? size - done : sizeof(block);

        for (size_t i = 0; i < n; i++) {
            block[i] = files_byte(done + i);
        }
        CHECK_EQ(files_error(write(fd, block, n) == (long)n ? 0 : -1), 0);
        done += n;
    }
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

bool files_hold(int fd, size_t offset, const char *bytes, size_t size)
{
    char *data = malloc(size + 1);
    bool holds =
        pread(fd, data, size + 1, (off_t)offset) == (ssize_t)size && memcmp(data, bytes, size) == 0;

    free(data);
    return holds;
}

long files_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

int files_error(long result)
{
    return result == -1 ? errno : 0;
}

char *files_map(int fd, size_t size, int protection)
{
    char *at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

    CHECK(at != MAP_FAILED);
    return at;
}
