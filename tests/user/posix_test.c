/* posix_test.c - the C library over system call emulation: memory, threads, time, files of the
 * archive. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <mach/mig_support.h>

#include "lib/attack.h"
#include "lib/test.h"

TEST(malloc_gives_memory_that_holds)
{
    char *blocks[64];

    for (unsigned i = 0; i < 64; i++) {
        blocks[i] = malloc(1000 * (i + 1));
        CHECK(blocks[i] != NULL);
        memset(blocks[i], (int)i, 1000 * (i + 1));
    }
    for (unsigned i = 0; i < 64; i++) {
        CHECK_EQ(blocks[i][999], (char)i);
        free(blocks[i]);
    }
}

TEST(mapped_memory_can_be_protected_and_unmapped)
{
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    p[0] = 1;
    CHECK_EQ(mprotect(p, 4096, PROT_READ), 0);
    CHECK_EQ(p[0], 1);
    CHECK_EQ(munmap(p, 65536), 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turns;
static int total;

static void *add(void *unused)
{
    for (unsigned i = 0; i < 500; i++) {
        pthread_mutex_lock(&mutex);
        total++;
        pthread_mutex_unlock(&mutex);
    }
    pthread_mutex_lock(&mutex);
    turns++;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    return unused;
}

TEST(threads_share_a_mutex_and_a_condition)
{
    pthread_t threads[4];
    char marks[4];

    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, add, &marks[i]), 0);
    }
    pthread_mutex_lock(&mutex);
    while (turns < 4) {
        pthread_cond_wait(&condition, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    for (unsigned i = 0; i < 4; i++) {
        void *result = NULL;

        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK(result == &marks[i]);
    }
    CHECK_EQ(total, 2000);
}

static void *use_a_reply_port(void *unused)
{
    CHECK(mig_get_reply_port() != MACH_PORT_NULL);
    return unused;
}

TEST(a_thread_that_is_joined_holds_no_port)
{
    int64_t before = attack_live_ports();

    for (unsigned i = 0; i < 200; i++) {
        pthread_t thread;

        CHECK_EQ(pthread_create(&thread, NULL, use_a_reply_port, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(attack_live_ports(), before);
    }
}

TEST(a_timed_wait_on_a_condition_times_out)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&mutex);
    CHECK_EQ(pthread_cond_timedwait(&condition, &mutex, &until), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

TEST(sleeping_takes_the_time_it_should)
{
    struct timespec before, after, pause = {0, 30000000};

    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_EQ(nanosleep(&pause, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec >= 30000000);
}

TEST(a_file_of_the_archive_can_be_read_and_not_written)
{
    char line[100] = "";
    struct stat st;
    FILE *f = fopen("/etc/motd", "r");

    CHECK(f != NULL);
    if (f != NULL) {
        CHECK(fgets(line, sizeof(line), f) != NULL);
        fclose(f);
    }
    CHECK_EQ(stat("/etc/motd", &st), 0);
    CHECK(S_ISREG(st.st_mode) && st.st_size > 0);
    CHECK_EQ(open("/etc/motd", O_WRONLY), -1);
    CHECK_EQ(errno, EROFS);
    CHECK_EQ(open("/no/such/file", O_RDONLY), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(close(99), -1);
    CHECK_EQ(errno, EBADF);
}

TEST(a_bad_pointer_is_an_error_and_not_the_end)
{
    int fd = open("/etc/motd", O_RDONLY);

    CHECK(fd >= 0);
    CHECK_EQ(read(-1, &fd, 1), -1);
    CHECK_EQ(errno, EBADF);
    close(fd);
}

TEST(a_short_vector_is_written_at_once_or_not_at_all)
{
    static char data[65536]; /* what a pipe holds */
    struct iovec line[2] = {{(char[]){"one half"}, 8}, {(char[]){"and half"}, 8}};
    int fds[2];

    CHECK_EQ(pipe2(fds, O_NONBLOCK), 0);
    CHECK_EQ(write(fds[1], data, sizeof(data)), sizeof(data));
    CHECK_EQ(read(fds[0], data, 10), 10);
    CHECK_EQ(writev(fds[1], line, 2), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(read(fds[0], data, 6), 6);
    CHECK_EQ(writev(fds[1], line, 2), 16);
    CHECK_EQ(write(fds[1], data, 1), -1); /* it is full: nothing of the first try was kept */
    CHECK_EQ(read(fds[0], data, sizeof(data)), sizeof(data));
    CHECK_EQ(memcmp(data + sizeof(data) - 16, "one halfand half", 16), 0);
    close(fds[0]);
    close(fds[1]);
}

TEST(the_environment_of_a_program_is_there)
{
    char text[64];

    CHECK(snprintf(text, sizeof(text), "%d %.3f %s", 42, 1.5, "x") > 0);
    CHECK_EQ(strcmp(text, "42 1.500 x"), 0);
    CHECK(getenv("PORTS") != NULL);
    CHECK(getpid() > 0);
}
