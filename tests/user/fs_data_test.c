/* fs_data_test.c - contents of files: what is read, written and mapped is the same everywhere, in
 * this task and in others, while files grow, are cut, and lose their names. */
#include <errno.h>
#include <fcntl.h>
#include <mach/mach.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/files.h"
#include "lib/puppet.h"
#include "lib/test.h"

#define PAGE  FILES_PAGE
#define SMALL "/small" /* a tmpfs of 2 MiB, of the tests' manifest */

static bool is_as_made(const char *data, size_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != files_byte(offset + i)) {
            return false;
        }
    }
    return true;
}

static bool is_zero(const char *data, size_t size)
{
    while (size > 0 && data[size - 1] == 0) {
        size--;
    }
    return size == 0;
}

/* --- reading and writing --- */

TEST(what_is_written_is_read)
{
    static char data[20000];
    int fd;

    files_start();
    fd = files_make("a", sizeof(data));
    CHECK_EQ(read(fd, data, sizeof(data)), (long)sizeof(data));
    CHECK(is_as_made(data, 0, sizeof(data)));
    CHECK_EQ(read(fd, data, 1), 0);
    CHECK_EQ(lseek(fd, 5000, SEEK_SET), 5000);
    CHECK_EQ(read(fd, data, 7000), 7000);
    CHECK(is_as_made(data, 5000, 7000));
    CHECK_EQ(lseek(fd, -1, SEEK_END), 19999);
    CHECK_EQ(read(fd, data, 10), 1);
    close(fd);
    files_end();
}

TEST(large_reads_of_any_place_and_length)
{
    enum { SIZE = 1 << 20 };
    char *data = malloc(SIZE + 100);
    int fd;

    files_start();
    fd = files_make("a", SIZE);
    CHECK_EQ(pread(fd, data, SIZE, 0), SIZE);
    CHECK(is_as_made(data, 0, SIZE));
    CHECK_EQ(pread(fd, data + 1, 300000, 12345), 300000);
    CHECK(is_as_made(data + 1, 12345, 300000));
    CHECK_EQ(pread(fd, data, SIZE, SIZE - 50000), 50000);
    CHECK(is_as_made(data, SIZE - 50000, 50000));
    CHECK_EQ(pread(fd, data, SIZE, SIZE), 0);
    CHECK_EQ(pread(fd, data, SIZE, SIZE * 10l), 0);
    close(fd);
    free(data);
    files_end();
}

TEST(what_was_read_does_not_change_with_the_file)
{
    enum { SIZE = 64 * 1024 };
    char *data = malloc(SIZE);
    int fd;

    files_start();
    fd = files_make("a", SIZE);
    CHECK_EQ(pread(fd, data, SIZE, 0), SIZE);
    CHECK_EQ(pwrite(fd, "changed", 7, 0), 7);
    CHECK(is_as_made(data, 0, SIZE));
    data[1] = 'x';
    CHECK(files_hold(fd, SIZE - 1, (char[]){files_byte(SIZE - 1)}, 1));
    close(fd);
    free(data);
    files_end();
}

TEST(vectors_are_one_after_the_other)
{
    char a[10], b[5000], c[20];
    struct iovec in[3] = {{a, 10}, {b, 5000}, {c, 20}};
    int fd;

    files_start();
    fd = files_make("a", 5025);
    CHECK_EQ(readv(fd, in, 3), 5025);
    CHECK(is_as_made(a, 0, 10));
    CHECK(is_as_made(b, 10, 5000));
    CHECK(is_as_made(c, 5010, 15));
    CHECK_EQ(pwritev(fd, in, 2, 100), 5010);
    CHECK_EQ(preadv(fd, in, 1, 100), 10);
    CHECK(is_as_made(a, 0, 10));
    close(fd);
    files_end();
}

TEST(access_is_that_of_the_open)
{
    char byte = 0;
    int fd;

    files_start();
    close(files_make("a", 10));
    fd = open("a", O_RDONLY);
    CHECK_EQ(files_error(write(fd, &byte, 1)), EBADF);
    CHECK_EQ(files_error(ftruncate(fd, 0)), EINVAL);
    close(fd);
    fd = open("a", O_WRONLY);
    CHECK_EQ(files_error(read(fd, &byte, 1)), EBADF);
    CHECK_EQ(write(fd, &byte, 1), 1);
    close(fd);
    fd = open("a", O_PATH);
    CHECK_EQ(files_error(read(fd, &byte, 1)), EBADF);
    close(fd);
    fd = open(".", O_RDONLY);
    CHECK_EQ(files_error(read(fd, &byte, 1)), EISDIR);
    close(fd);
    CHECK_EQ(files_error(pread(fd, &byte, 1, -1)), EINVAL);
    files_end();
}

TEST(appending_is_at_the_end_wherever_the_position_is)
{
    int one, two;

    files_start();
    one = open("a", O_RDWR | O_CREAT | O_APPEND, 0644);
    two = open("a", O_WRONLY | O_APPEND);
    CHECK_EQ(write(one, "one", 3), 3);
    CHECK_EQ(write(two, "two", 3), 3);
    CHECK_EQ(lseek(one, 0, SEEK_SET), 0);
    CHECK_EQ(write(one, "three", 5), 5);
    CHECK(files_hold(one, 0, "onetwothree", 11));
    CHECK_EQ(fcntl(one, F_SETFL, 0), 0);
    CHECK_EQ(pwrite(one, "ONE", 3, 0), 3);
    CHECK(files_hold(one, 0, "ONEtwothree", 11));
    CHECK_EQ(fcntl(one, F_SETFL, O_APPEND), 0);
    CHECK_EQ(write(one, "!", 1), 1);
    CHECK(files_hold(one, 8, "ree!", 4));
    close(one);
    close(two);
    files_end();
}

TEST(copies_of_a_descriptor_share_the_position)
{
    char byte;
    int one, two, other;

    files_start();
    one = files_make("a", 100);
    two = dup(one);
    other = open("a", O_RDONLY);
    CHECK_EQ(lseek(one, 10, SEEK_SET), 10);
    CHECK_EQ(read(two, &byte, 1), 1);
    CHECK_EQ(byte, files_byte(10));
    CHECK_EQ(lseek(one, 0, SEEK_CUR), 11);
    CHECK_EQ(lseek(other, 0, SEEK_CUR), 0);
    close(one);
    CHECK_EQ(read(two, &byte, 1), 1);
    CHECK_EQ(byte, files_byte(11));
    close(two);
    close(other);
    files_end();
}

TEST(holes_are_zeroes_and_cost_nothing)
{
    static char data[3 * 4096];
    struct stat st;
    int fd;

    files_start();
    fd = open("a", O_RDWR | O_CREAT, 0644);
    CHECK_EQ(pwrite(fd, "end", 3, 1l << 30), 3);
    CHECK_EQ(files_size("a"), (1l << 30) + 3);
    CHECK_EQ(pread(fd, data, sizeof(data), 500 << 20), (long)sizeof(data));
    CHECK(is_zero(data, sizeof(data)));
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(st.st_blocks < 200);
    CHECK(files_hold(fd, (1l << 30) - 1, "\0end", 4));
    close(fd);
    files_end();
}

TEST(positions_that_cannot_be)
{
    int fd;

    files_start();
    fd = files_make("a", 10);
    CHECK_EQ(files_error(lseek(fd, -1, SEEK_SET)), EINVAL);
    CHECK_EQ(files_error(lseek(fd, -11, SEEK_END)), EINVAL);
    CHECK_EQ(files_error(lseek(fd, 0, 77)), EINVAL);
    CHECK_EQ(files_error(lseek(fd, INT64_MAX, SEEK_END)), EINVAL);
    CHECK_EQ(files_error(pwrite(fd, "x", 1, INT64_MAX)), EFBIG);
    CHECK_EQ(files_error(ftruncate(fd, INT64_MAX)), EFBIG);
    CHECK_EQ(files_error(ftruncate(fd, -1)), EINVAL);
    CHECK_EQ(files_size("a"), 10);
    close(fd);
    files_end();
}

TEST(a_full_file_system_refuses_and_recovers)
{
    static char block[8192];
    struct statfs st;
    long written = 0;
    int fd = open(SMALL "/a", O_RDWR | O_CREAT, 0644);

    CHECK_EQ(statfs(SMALL, &st), 0);
    while (write(fd, block, sizeof(block)) == (long)sizeof(block)) {
        written += (long)sizeof(block);
    }
    CHECK_EQ(errno, ENOSPC);
    CHECK(written > (long)(st.f_bfree - 64) * 4096);
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK_EQ(pwrite(fd, "works", 5, 0), 5);
    close(fd);
    CHECK_EQ(unlink(SMALL "/a"), 0);
}

/* --- mapping --- */

TEST(a_mapping_and_reads_are_the_same_pages)
{
    char *at;
    int fd;

    files_start();
    fd = files_make("a", 4 * PAGE);
    at = files_map(fd, 4 * PAGE, PROT_READ | PROT_WRITE);
    CHECK(is_as_made(at, 0, 4 * PAGE));
    CHECK_EQ(pwrite(fd, "written", 7, 5000), 7);
    CHECK(memcmp(at + 5000, "written", 7) == 0);
    memcpy(at + 2 * PAGE, "mapped", 6);
    CHECK_EQ(pread(fd, (char[8]){0}, 6, 2 * PAGE), 6);
    CHECK(files_hold(fd, 4 * PAGE - 1, (char[]){files_byte(4 * PAGE - 1)}, 1));
    memcpy(at + 4 * PAGE - 6, "mapped", 6);
    CHECK(files_hold(fd, 4 * PAGE - 6, "mapped", 6));
    CHECK_EQ(munmap(at, 4 * PAGE), 0);
    close(fd);
    files_end();
}

TEST(two_mappings_are_the_same_pages)
{
    char *one, *two;
    int fd;

    files_start();
    fd = files_make("a", 2 * PAGE);
    one = files_map(fd, 2 * PAGE, PROT_READ | PROT_WRITE);
    two = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    close(fd);
    one[PAGE + 5] = 'x';
    CHECK_EQ(two[5], 'x');
    munmap(one, 2 * PAGE);
    CHECK_EQ(two[5], 'x');
    CHECK(is_as_made(two + 6, PAGE + 6, PAGE - 6));
    munmap(two, PAGE);
    files_end();
}

TEST(a_private_mapping_is_the_mappers)
{
    char *at;
    int fd;

    files_start();
    fd = files_make("a", 2 * PAGE);
    close(fd);
    fd = open("a", O_RDONLY);
    at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(at != MAP_FAILED);
    CHECK(is_as_made(at, 0, 2 * PAGE));
    at[0] = 'x';
    CHECK(files_hold(fd, 2 * PAGE - 1, (char[]){files_byte(2 * PAGE - 1)}, 1));
    CHECK_EQ(pread(fd, at + 1, 1, 0), 1);
    CHECK_EQ(at[1], files_byte(0));
    munmap(at, 2 * PAGE);
    close(fd);
    files_end();
}

TEST(a_mapping_allows_what_the_open_does)
{
    char *at;
    int fd;

    files_start();
    close(files_make("a", PAGE));
    fd = open("a", O_RDONLY);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, EACCES);
    at = files_map(fd, PAGE, PROT_READ);
    CHECK(mprotect(at, PAGE, PROT_READ | PROT_WRITE) != 0);
    munmap(at, PAGE);
    close(fd);
    fd = open("a", O_WRONLY);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, EACCES);
    close(fd);
    fd = open(".", O_RDONLY);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, ENODEV);
    close(fd);
    files_end();
}

TEST(a_program_of_the_archive_can_be_mapped)
{
    int fd = open("/bin/ls", O_RDONLY);
    char *at = files_map(fd, PAGE, PROT_READ);
    char head[4];

    CHECK(memcmp(at, "\177ELF", 4) == 0);
    CHECK_EQ(pread(fd, head, 4, 0), 4);
    CHECK(memcmp(head, at, 4) == 0);
    munmap(at, PAGE);
    close(fd);
}

TEST(behind_the_end_there_is_no_memory)
{
    char *at;
    int fd;

    files_start();
    fd = files_make("a", PAGE + 100);
    at = files_map(fd, 4 * PAGE, PROT_READ | PROT_WRITE);
    CHECK(is_zero(at + PAGE + 100, PAGE - 100));
    CHECK_EQ(toucher_touch((uint8_t *)at + 2 * PAGE, false, 0, 5000), KERN_MEMORY_ERROR);
    CHECK_EQ(toucher_touch((uint8_t *)at + 3 * PAGE, true, 1, 5000), KERN_MEMORY_ERROR);
    CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
    CHECK(is_zero(at + 2 * PAGE, 2 * PAGE));
    at[3 * PAGE] = 'x';
    CHECK_EQ(pread(fd, at, 1, 3 * PAGE), 1);
    CHECK_EQ(at[0], 'x');
    munmap(at, 4 * PAGE);
    close(fd);
    files_end();
}

TEST(a_file_cut_under_a_mapping_is_cut)
{
    char *at;
    int fd;

    files_start();
    fd = files_make("a", 8 * PAGE);
    at = files_map(fd, 8 * PAGE, PROT_READ | PROT_WRITE);
    memset(at, 'x', 8 * PAGE);
    CHECK_EQ(ftruncate(fd, PAGE + 10), 0);
    CHECK_EQ(toucher_touch((uint8_t *)at + 2 * PAGE, false, 0, 5000), KERN_MEMORY_ERROR);
    CHECK_EQ(at[PAGE + 9], 'x');
    CHECK(is_zero(at + PAGE + 10, PAGE - 10));
    CHECK_EQ(ftruncate(fd, 8 * PAGE), 0);
    CHECK(is_zero(at + 2 * PAGE, 6 * PAGE));
    munmap(at, 8 * PAGE);
    close(fd);
    files_end();
}

TEST(what_was_cut_off_does_not_come_back)
{
    static char data[4 * 4096];
    int fd;

    files_start();
    fd = files_make("a", 4 * PAGE);
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(ftruncate(fd, 10), 0);
    CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
    CHECK_EQ(pread(fd, data, sizeof(data), 0), (long)sizeof(data));
    CHECK(is_as_made(data, 0, 10));
    CHECK(is_zero(data + 10, sizeof(data) - 10));
    CHECK_EQ(pwrite(fd, "x", 1, 8 * PAGE), 1);
    CHECK(files_hold(fd, 8 * PAGE - 1, "\0x", 2));
    close(fd);
    files_end();
}

TEST(a_mapping_writes_into_a_hole)
{
    char *at;
    int fd;

    files_start();
    fd = open("a", O_RDWR | O_CREAT, 0644);
    CHECK_EQ(ftruncate(fd, 64 * PAGE), 0);
    at = files_map(fd, 64 * PAGE, PROT_READ | PROT_WRITE);
    CHECK_EQ(at[20 * PAGE], 0); /* read first, then written */
    at[20 * PAGE] = 'x';
    at[40 * PAGE] = 'y';
    CHECK_EQ(msync(at, 64 * PAGE, MS_SYNC), 0);
    munmap(at, 64 * PAGE);
    CHECK(files_hold(fd, 64 * PAGE - 1, "", 1));
    CHECK_EQ(pread(fd, (at = malloc(2)), 1, 20 * PAGE), 1);
    CHECK_EQ(at[0], 'x');
    CHECK_EQ(pread(fd, at, 1, 40 * PAGE), 1);
    CHECK_EQ(at[0], 'y');
    free(at);
    close(fd);
    files_end();
}

TEST(a_mapping_of_a_full_file_system_fails_when_it_is_written)
{
    static char block[8192];
    char *at;
    int fd, full;

    fd = open(SMALL "/a", O_RDWR | O_CREAT, 0644);
    CHECK_EQ(ftruncate(fd, PAGE), 0);
    at = files_map(fd, PAGE, PROT_READ | PROT_WRITE);
    CHECK_EQ(at[0], 0);
    full = open(SMALL "/b", O_RDWR | O_CREAT, 0644);
    while (write(full, block, sizeof(block)) == (long)sizeof(block)) {
        continue;
    }
    while (write(full, block, 4096) == 4096) {
        continue;
    }
    CHECK_EQ(toucher_touch((uint8_t *)at, true, 1, 1000), KERN_MEMORY_ERROR);
    CHECK_EQ(at[0], 0);
    CHECK_EQ(ftruncate(full, 0), 0);
    CHECK_EQ(toucher_touch((uint8_t *)at, true, 1, 5000), KERN_SUCCESS);
    CHECK_EQ(at[0], 1);
    munmap(at, PAGE);
    close(fd);
    close(full);
    CHECK_EQ(unlink(SMALL "/a"), 0);
    CHECK_EQ(unlink(SMALL "/b"), 0);
}

/* --- without a name --- */

TEST(an_open_file_without_a_name_is_a_file)
{
    struct stat st;
    int fd;

    files_start();
    fd = files_make("a", 3 * PAGE);
    CHECK_EQ(unlink("a"), 0);
    CHECK_EQ(files_size("a"), -1);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(st.st_size, 3 * PAGE);
    CHECK_EQ(pwrite(fd, "more", 4, 3 * PAGE), 4);
    CHECK(files_hold(fd, 3 * PAGE, "more", 4));
    CHECK_EQ(fsync(fd), 0);
    close(files_make("a", 1)); /* another one */
    CHECK(files_hold(fd, 3 * PAGE, "more", 4));
    close(fd);
    files_end();
}

TEST(a_mapping_outlives_name_and_descriptor)
{
    char *at;
    int fd;

    files_start();
    fd = files_make("a", 8 * PAGE);
    at = files_map(fd, 8 * PAGE, PROT_READ | PROT_WRITE);
    CHECK_EQ(unlink("a"), 0);
    close(fd);
    CHECK(is_as_made(at, 0, 8 * PAGE));
    memset(at, 'x', 8 * PAGE);
    sync();
    CHECK_EQ(at[7 * PAGE], 'x');
    munmap(at, 8 * PAGE);
    files_end();
}

TEST(room_comes_back_with_the_last_of_a_file)
{
    struct statfs before, after;
    unsigned tries = 0;
    int fd;

    files_start();
    CHECK_EQ(statfs(".", &before), 0);
    fd = files_make("a", 50 * PAGE);
    CHECK_EQ(unlink("a"), 0);
    close(fd);
    do {
        usleep(10000);
        CHECK_EQ(statfs(".", &after), 0);
        tries++;
    } while (after.f_bfree < before.f_bfree && tries < 200);
    CHECK(after.f_bfree >= before.f_bfree); /* others may be on their way back, too */
    files_end();
}

/* --- other tasks --- */

/* What the other task does with the file "a": it sees the first page, changes the second. */
TEST_CHILD(partner)
{
    char *at;
    int fd;

    CHECK_EQ(chdir(FILES_PLACE), 0);
    fd = open("a", O_RDWR);
    at = files_map(fd, 2 * PAGE, PROT_READ | PROT_WRITE);
    if (memcmp(at, "for the other task", 18) != 0) {
        exit(1);
    }
    if (pwrite(fd, "by a call", 9, PAGE) != 9) {
        exit(2);
    }
    strcpy(at + PAGE + 100, "by a mapping");
    exit(0);
}

TEST(tasks_share_a_file_by_calls_and_mappings)
{
    char *at;
    int fd;

    files_start();
    fd = files_make("a", 2 * PAGE);
    at = files_map(fd, 2 * PAGE, PROT_READ | PROT_WRITE);
    strcpy(at, "for the other task");
    CHECK_EQ(test_run_child("partner"), 0);
    CHECK(memcmp(at + PAGE, "by a call", 9) == 0);
    CHECK_EQ(strcmp(at + PAGE + 100, "by a mapping"), 0);
    munmap(at, 2 * PAGE);
    close(fd);
    files_end();
}

TEST_CHILD(filler)
{
    CHECK_EQ(chdir(FILES_PLACE), 0);
    for (unsigned i = 0; i < 100; i++) {
        int fd = open("a", O_WRONLY | O_APPEND);

        if (fd < 0 || write(fd, "0123456789", 10) != 10) {
            exit(1);
        }
        close(fd);
    }
    exit(0);
}

TEST(appends_of_tasks_do_not_meet)
{
    char text[10];
    int fd;

    files_start();
    fd = files_make("a", 0);
    CHECK_EQ(test_run_child("filler"), 0);
    CHECK_EQ(test_run_child("filler"), 0);
    CHECK_EQ(files_size("a"), 2000);
    for (unsigned i = 0; i < 200; i++) {
        CHECK_EQ(pread(fd, text, 10, i * 10), 10);
        CHECK(memcmp(text, "0123456789", 10) == 0);
    }
    close(fd);
    files_end();
}

TEST(a_big_file_is_what_was_written)
{
    enum { MIB = 1 << 20, SIZE = 4 };
    char *data = malloc(MIB);
    int fd;

    files_start();
    fd = open("a", O_RDWR | O_CREAT, 0644);
    for (unsigned i = 0; i < SIZE; i++) {
        memset(data, (int)i + 1, MIB);
        CHECK_EQ(write(fd, data, MIB), MIB);
    }
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    for (unsigned i = 0; i < SIZE; i++) {
        CHECK_EQ(read(fd, data, MIB), MIB);
        CHECK(data[0] == (char)(i + 1) && memcmp(data, data + 1, MIB - 1) == 0);
    }
    close(fd);
    free(data);
    files_end();
}
