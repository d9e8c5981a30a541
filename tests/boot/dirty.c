/* dirty.c - `dirty FILE MIB MAKERS`: changes each page of FILE, which is larger than the memory,
 * through a mapping, twice and out of order, while MAKERS threads beside it make, write, read and
 * remove files in the same volume; then reads FILE back. Closes with `dirty: good`, or says what
 * was wrong. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE     4096ul
#define MIB      (1ul << 20)
#define ROUNDS   2ul
#define MAKERS   8u     /* at most */
#define PIECE    2048ul /* pages changed out of order */
#define STRIDE   257ul  /* prime to that */
#define LARGEST  (64ul << 10)
#define PAUSE_NS 20000000

struct maker {
    pthread_t thread;
    unsigned number;
    unsigned long files; /* made and removed */
    const char *wrong;   /* what failed, or NULL */
    int error;           /* then errno */
    uint64_t longest_ms; /* for one file */
};

static const char *file;
static bool stop;

static uint64_t dirty_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t dirty_word(uint64_t page, uint64_t round)
{
    return (page * 0x9e3779b97f4a7c15ul) ^ round;
}

static const char *maker_file(const char *path, char *written, char *read_back, unsigned long size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    const char *wrong = NULL;
    ssize_t count;
    int error;

    if (fd < 0) {
        return "open";
    }
    count = write(fd, written, size);
    if (count != (ssize_t)size) {
        wrong = count < 0 ? "write" : "write of a part";
    } else if (pread(fd, read_back, size, 0) != (ssize_t)size) {
        wrong = "read";
    } else if (memcmp(written, read_back, size) != 0) {
        wrong = "contents";
    }
    error = errno;
    close(fd);
    if (unlink(path) != 0 && wrong == NULL) {
        return "unlink";
    }
    errno = error;
    return wrong;
}

static void *maker_run(void *argument)
{
    struct maker *m = argument;
    char *written = malloc(LARGEST), *read_back = malloc(LARGEST);
    struct timespec pause = {0, PAUSE_NS}; /* the disk is there for all */
    char path[256];
    uint64_t start;

    snprintf(path, sizeof(path), "%s.%u", file, m->number);
    while (written != NULL && read_back != NULL && m->wrong == NULL &&
           !__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        memset(written, (int)m->files, LARGEST);
        start = dirty_ms();
        m->wrong = maker_file(path, written, read_back, 1 + m->files * 1021 % LARGEST);
        m->error = errno;
        start = dirty_ms() - start;
        m->longest_ms = start > m->longest_ms ? start : m->longest_ms;
        m->files++;
        nanosleep(&pause, NULL);
    }
    free(written);
    free(read_back);
    return NULL;
}

static void dirty_write(uint64_t *words, uint64_t pages)
{
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < pages; i++) {
            uint64_t page = i / PIECE * PIECE + i * STRIDE % PIECE;

            words[page * PAGE / sizeof(*words)] = dirty_word(page, round);
            if ((i + 1) % PIECE == 0) {
                printf("round %lu: %lu pages\n", round, i + 1);
            }
        }
    }
}

static bool dirty_read(int fd, uint64_t pages)
{
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t word = 0;

        if (pread(fd, &word, sizeof(word), (off_t)(page * PAGE)) != sizeof(word) ||
            word != dirty_word(page, ROUNDS - 1)) {
            printf("page %lu has %lx\n", page, word);
            return false;
        }
    }
    return true;
}

static bool makers_end(struct maker *makers, unsigned count)
{
    bool good = true;

    __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(makers[i].thread, NULL);
        printf("maker: %lu files, the longest in %lu ms, ", makers[i].files, makers[i].longest_ms);
        if (makers[i].wrong == NULL) {
            printf("all good\n");
        } else {
            printf("%s: %s\n", makers[i].wrong, strerror(makers[i].error));
        }
        good = good && makers[i].wrong == NULL && makers[i].files > 0;
    }
    return good;
}

int main(int argc, char **argv)
{
    uint64_t size = argc == 4 ? strtoul(argv[2], NULL, 10) * MIB : 0;
    int fd = argc == 4 ? open(argv[1], O_RDWR | O_CREAT, 0644) : -1;
    unsigned count = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    struct maker makers[MAKERS];
    void *at;
    bool good;

    if (fd < 0 || size % (PIECE * PAGE) != 0 || size == 0 || count > MAKERS ||
        ftruncate(fd, (off_t)size) != 0) {
        printf("usage: dirty FILE MIB MAKERS\n");
        return 1;
    }
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        printf("dirty: %s cannot be mapped\n", argv[1]);
        return 1;
    }
    file = argv[1];
    for (unsigned i = 0; i < count; i++) {
        makers[i] = (struct maker){.number = i};
        if (pthread_create(&makers[i].thread, NULL, maker_run, &makers[i]) != 0) {
            return 1;
        }
    }
    dirty_write(at, size / PAGE);
    good = makers_end(makers, count);
    good = dirty_read(fd, size / PAGE) && good;
    munmap(at, size);
    close(fd);
    printf("dirty: %s\n", good ? "good" : "bad");
    return good ? 0 : 1;
}
