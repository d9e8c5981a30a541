/* fs_mount_test.c - file systems mounted and unmounted while the system runs: by whom, where, and
 * what keeps one in use. */
#include <errno.h>
#include <fcntl.h>
#include <file.h>
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/errno.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/files.h"
#include "lib/ipc.h"
#include "lib/test.h"

#define PLACE  FILES_PLACE "/m"
#define TIMES  1000
#define COUNTS 3

static kern_return_t mount_as(mach_port_t host, const char *kind, const char *source,
                              const char *place, int flags)
{
    return file_mount(portolan_port("root"), host, kind, source, place, flags);
}

/* The errno, 0 for none. */
static int mount_on(const char *place)
{
    return portolan_errno(mount_as(portolan_port("host"), "tmpfs", "2", place, 0));
}

static int unmount(const char *place)
{
    return portolan_errno(file_unmount(portolan_port("root"), portolan_port("host"), place));
}

static void start(void)
{
    files_start();
    CHECK_EQ(mkdir(PLACE, 0755), 0);
}

static void write_file(const char *path)
{
    int fd = files_make(path, 3 * FILES_PAGE);

    CHECK(fd >= 0);
    close(fd);
}

TEST(only_the_privileged_host_port_lets_mount)
{
    const mach_port_t forged = test_port();
    mach_port_t others[] = {mach_host_self(), mach_task_self(), MACH_PORT_NULL, forged,
                            portolan_port("root")};

    start();
    CHECK_EQ(mach_port_insert_right(mach_task_self(), forged, forged, MACH_MSG_TYPE_MAKE_SEND),
             KERN_SUCCESS);
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK_EQ(mount_as(others[i], "tmpfs", "2", PLACE, 0), PORTOLAN_ERRNO(EPERM));
        CHECK_EQ(file_unmount(portolan_port("root"), others[i], "/tmp"), PORTOLAN_ERRNO(EPERM));
    }
    CHECK_EQ(mach_port_destroy(mach_task_self(), forged), KERN_SUCCESS);
    CHECK_EQ(unmount(PLACE), EINVAL);
    files_end();
}

static kern_return_t pin_as(mach_port_t host, const char *path)
{
    static file_runs_t runs;
    dir_path_t device;
    mach_msg_type_number_t count = 2 * FILE_RUNS_MAX;

    return file_pin(portolan_port("root"), host, path, device, runs, &count);
}

TEST(only_the_privileged_host_port_pins_a_file)
{
    start();
    write_file("f");
    CHECK_EQ(pin_as(mach_host_self(), FILES_PLACE "/f"), PORTOLAN_ERRNO(EPERM));
    CHECK_EQ(pin_as(MACH_PORT_NULL, FILES_PLACE "/f"), PORTOLAN_ERRNO(EPERM));
    CHECK_EQ(pin_as(portolan_port("host"), FILES_PLACE "/f"), PORTOLAN_ERRNO(ENOTSUP));
    CHECK_EQ(pin_as(portolan_port("host"), FILES_PLACE "/none"), PORTOLAN_ERRNO(ENOENT));
    CHECK_EQ(pin_as(portolan_port("host"), PLACE), PORTOLAN_ERRNO(EINVAL));
    files_end();
}

TEST(what_cannot_be_mounted_is_refused)
{
    const mach_port_t host = portolan_port("host");

    start();
    CHECK_EQ(mount_as(host, "xfs", "disk0", PLACE, 0), PORTOLAN_ERRNO(ENOTSUP));
    CHECK_EQ(mount_as(host, "ext2", "disk77", PLACE, 0), PORTOLAN_ERRNO(ENODEV));
    CHECK_EQ(mount_as(host, "ext2", "", PLACE, 0), PORTOLAN_ERRNO(ENODEV));
    CHECK_EQ(mount_as(host, "tmpfs", "many", PLACE, 0), PORTOLAN_ERRNO(EINVAL));
    CHECK_EQ(mount_as(host, "tmpfs", "0", PLACE, 0), PORTOLAN_ERRNO(EINVAL));
    CHECK_EQ(mount_as(host, "tmpfs", "99999999999999999999", PLACE, 0), PORTOLAN_ERRNO(EINVAL));
    CHECK_EQ(mount_as(host, "tmpfs", "2", PLACE, 2), PORTOLAN_ERRNO(EINVAL));
    files_end();
}

TEST(where_nothing_can_be_mounted)
{
    start();
    write_file("file");
    CHECK_EQ(mount_on(FILES_PLACE "/file"), ENOTDIR);
    CHECK_EQ(mount_on(FILES_PLACE "/none"), ENOENT);
    CHECK_EQ(mount_on("/"), EBUSY);
    CHECK_EQ(mount_on(PLACE), 0);
    CHECK_EQ(mount_on(PLACE), EBUSY);
    CHECK_EQ(unmount(PLACE), 0);
    CHECK_EQ(unmount(PLACE), EINVAL);
    CHECK_EQ(unmount(FILES_PLACE "/file"), EINVAL);
    CHECK_EQ(unmount(FILES_PLACE "/none"), ENOENT);
    CHECK_EQ(unmount("/"), EBUSY);
    files_end();
}

TEST(what_is_covered_is_seen_again_afterwards)
{
    start();
    write_file(PLACE "/below");
    CHECK_EQ(mount_on(PLACE), 0);
    CHECK_EQ(files_size(PLACE "/below"), -1);
    write_file(PLACE "/above");
    CHECK_EQ(rmdir(PLACE), -1);
    CHECK_EQ(errno, EBUSY);
    CHECK_EQ(rename(PLACE, FILES_PLACE "/n"), -1);
    CHECK_EQ(errno, EBUSY);
    CHECK_EQ(unmount(PLACE), 0);
    CHECK_EQ(files_size(PLACE "/below"), 3 * FILES_PAGE);
    CHECK_EQ(files_size(PLACE "/above"), -1);
    CHECK_EQ(rename(PLACE, FILES_PLACE "/n"), 0);
    files_end();
}

TEST(a_read_only_mount_is_not_written)
{
    start();
    CHECK_EQ(mount_as(portolan_port("host"), "tmpfs", "2", PLACE, FILE_MOUNT_READ_ONLY),
             KERN_SUCCESS);
    CHECK_EQ(mkdir(PLACE "/d", 0755), -1);
    CHECK_EQ(errno, EROFS);
    CHECK_EQ(unmount(PLACE), 0);
    files_end();
}

/* Each use is refused while it lasts, what was there is as it was, and then the mount ends. */
TEST(a_mount_in_use_goes_on)
{
    char byte = 0;
    char *map;
    int fd;

    start();
    CHECK_EQ(mount_on(PLACE), 0);
    fd = files_make(PLACE "/f", 3 * FILES_PAGE);
    CHECK_EQ(unmount(PLACE), EBUSY); /* an open file */
    map = files_map(fd, 3 * FILES_PAGE, PROT_READ | PROT_WRITE);
    close(fd);
    CHECK_EQ(unmount(PLACE), EBUSY); /* a mapping */
    CHECK_EQ(map[FILES_PAGE + 1], files_byte(FILES_PAGE + 1));
    map[FILES_PAGE + 1] = 'x';
    CHECK_EQ(munmap(map, 3 * FILES_PAGE), 0);
    CHECK_EQ(mkdir(PLACE "/d", 0755), 0);
    CHECK_EQ(mount_on(PLACE "/d"), 0);
    CHECK_EQ(unmount(PLACE), EBUSY); /* a mount in it */
    CHECK_EQ(unmount(PLACE "/d"), 0);
    fd = open(PLACE "/f", O_RDONLY);
    CHECK_EQ(pread(fd, &byte, 1, FILES_PAGE + 1), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(unlink(PLACE "/f"), 0);
    CHECK_EQ(unmount(PLACE), EBUSY); /* a file without a name */
    close(fd);
    CHECK_EQ(unmount(PLACE), 0);
    files_end();
}

/* No use of a mount is lost, and none outlives it, whenever it begins. */
static void *user(void *unused)
{
    for (unsigned i = 0; i < 2 * TIMES; i++) {
        int fd = open(PLACE "/f", O_RDWR | O_CREAT, 0644);
        char byte = 0;

        if (fd >= 0) {
            CHECK_EQ(pwrite(fd, "u", 1, 100), 1);
            CHECK_EQ(pread(fd, &byte, 1, 100), 1);
            CHECK_EQ(byte, 'u');
            close(fd);
        } else {
            CHECK_EQ(errno, ENOENT);
        }
    }
    return unused;
}

TEST(a_working_directory_is_a_path)
{
    start();
    CHECK_EQ(mount_on(PLACE), 0);
    CHECK_EQ(mkdir(PLACE "/d", 0755), 0);
    CHECK_EQ(chdir(PLACE "/d"), 0);
    write_file("f");
    CHECK_EQ(unmount(PLACE), 0);
    CHECK_EQ(open("f", O_RDONLY), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(chdir(FILES_PLACE), 0);
    files_end();
}

TEST(files_are_used_while_it_comes_and_goes)
{
    unsigned ended = 0;
    pthread_t thread;

    start();
    CHECK_EQ(pthread_create(&thread, NULL, user, NULL), 0);
    for (unsigned i = 0; i < TIMES / 10; i++) {
        int error = mount_on(PLACE);

        CHECK(error == 0 || error == EBUSY);
        error = unmount(PLACE);
        CHECK(error == 0 || error == EBUSY);
        ended += error == 0;
    }
    pthread_join(thread, NULL);
    CHECK(ended != 0);
    (void)unmount(PLACE);
    CHECK_EQ(unmount(PLACE), EINVAL);
    files_end();
}

/* Ports, memory objects and regions there are, once nothing is only kept. */
static void count(int64_t *found)
{
    static const int what[] = {PORTOLAN_COUNT_PORTS, PORTOLAN_COUNT_OBJECTS,
                               PORTOLAN_COUNT_MAP_ENTRIES};
    portolan_counts_t counts;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(file_sync(portolan_port("root"), FILE_SYNC_FORGET), KERN_SUCCESS);
    usleep(300000);
    CHECK_EQ(host_object_counts(mach_host_self(), counts, &n), KERN_SUCCESS);
    for (unsigned i = 0; i < COUNTS; i++) {
        found[i] = counts[what[i]];
    }
}

static void come_and_go(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        CHECK_EQ(mount_on(PLACE), 0);
        if (i % 10 == 0) {
            write_file(PLACE "/f");
        }
        CHECK_EQ(unmount(PLACE), 0);
    }
}

TEST(a_thousand_mounts_leave_nothing)
{
    int64_t before[COUNTS], after[COUNTS];

    start();
    come_and_go(50); /* the server's heap has grown then */
    count(before);
    come_and_go(TIMES);
    count(after);
    for (unsigned i = 0; i < COUNTS; i++) {
        CHECK(after[i] - before[i] <= 2);
    }
    files_end();
}
