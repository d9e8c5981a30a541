/* fs_hostile_test.c - clients of the file server that lie, die, or ask for too much: each gets an
 * error, and everybody else is served. */
#include <dir.h>
#include <errno.h>
#include <fcntl.h>
#include <file.h>
#include <io.h>
#include <mach.h>
#include <mach/notify.h>
#include <mach_port.h>
#include <memory_object.h>
#include <portolan/errno.h>
#include <portolan/file_types.h>
#include <portolan/io_types.h>
#include <portolan/spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/files.h"
#include "lib/ipc.h"
#include "lib/test.h"

#define PAGE FILES_PAGE

/* Is the server still there, and what it had? */
static void check_served(void)
{
    int fd = open("kept", O_RDWR | O_CREAT, 0644);
    char byte = 0;

    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, "k", 1, 0), 1);
    CHECK_EQ(pread(fd, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'k');
    close(fd);
}

static kern_return_t open_at_root(const char *path, int flags, mach_port_t *object)
{
    return dir_open(portolan_port("root"), path, flags, 0644, object);
}

TEST(numbers_of_routines_that_are_none)
{
    struct test_message m;
    mach_port_t reply = test_port();

    files_start();
    for (int id = 6000; id < 6700; id += 7) {
        if (test_send(portolan_port("root"), reply, id, MACH_SEND_TIMEOUT, 1000) ==
            MACH_MSG_SUCCESS) {
            CHECK_EQ(test_receive(reply, &m, 0, 2000), MACH_MSG_SUCCESS);
        }
    }
    check_served();
    CHECK_EQ(mach_port_destroy(mach_task_self(), reply), KERN_SUCCESS);
    files_end();
}

TEST(a_file_is_no_directory_and_a_directory_no_file)
{
    static io_data_t data;
    mach_msg_type_number_t count = 64;
    mach_port_t file, directory, object;
    natural_t written;
    int64_t next;

    files_start();
    CHECK_EQ(open_at_root("tmp/t/a", O_RDWR | O_CREAT, &file), KERN_SUCCESS);
    CHECK_EQ(open_at_root("tmp/t", O_RDONLY, &directory), KERN_SUCCESS);
    CHECK_EQ(dir_open(file, "x", O_RDONLY, 0, &object), PORTOLAN_ERRNO(ENOTDIR));
    CHECK_EQ(dir_open(file, "", O_RDONLY, 0, &object), KERN_SUCCESS);
    ipc_drop(object);
    CHECK_EQ(dir_read(file, 0, &next, data, &count), PORTOLAN_ERRNO(ENOTDIR));
    CHECK_EQ(dir_make(file, "x", 0755), PORTOLAN_ERRNO(ENOTDIR));
    CHECK_EQ(dir_unlink(file, "x", 0), PORTOLAN_ERRNO(ENOTDIR));
    CHECK_EQ(io_read(directory, 0, 64, data, &count), PORTOLAN_ERRNO(EISDIR));
    CHECK_EQ(io_write(directory, 0, data, 1, &written), PORTOLAN_ERRNO(EBADF));
    CHECK_EQ(file_map(directory, VM_PROT_READ, &object), PORTOLAN_ERRNO(ENODEV));
    ipc_drop(file);
    ipc_drop(directory);
    files_end();
}

TEST(offsets_and_positions_that_are_none)
{
    static io_data_t data;
    mach_msg_type_number_t count = 64;
    mach_port_t file, directory;
    natural_t written;
    int64_t position;

    files_start();
    CHECK_EQ(open_at_root("tmp/t/a", O_RDWR | O_CREAT, &file), KERN_SUCCESS);
    CHECK_EQ(open_at_root("tmp/t", O_RDONLY, &directory), KERN_SUCCESS);
    CHECK_EQ(io_read(file, -2, 64, data, &count), PORTOLAN_ERRNO(EINVAL));
    CHECK_EQ(io_read(file, INT64_MIN, 64, data, &count), PORTOLAN_ERRNO(EINVAL));
    CHECK_EQ(io_write(file, INT64_MAX, data, 64, &written), PORTOLAN_ERRNO(EFBIG));
    CHECK_EQ(io_truncate(file, INT64_MIN), PORTOLAN_ERRNO(EINVAL));
    CHECK_EQ(io_seek(file, INT64_MIN, SEEK_CUR, &position), PORTOLAN_ERRNO(EINVAL));
    count = 64;
    CHECK_EQ(dir_read(directory, INT64_MAX, &position, data, &count), KERN_SUCCESS);
    CHECK_EQ(count, 0);
    CHECK_EQ(dir_read(directory, -1, &position, data, &count), PORTOLAN_ERRNO(EINVAL));
    CHECK_EQ(io_write(file, 0, data, 1, &written), KERN_SUCCESS);
    count = 4;
    CHECK_EQ(dir_read(directory, 0, &position, data, &count), PORTOLAN_ERRNO(EINVAL));
    ipc_drop(file);
    ipc_drop(directory);
    files_end();
}

TEST(nobody_says_for_others_that_a_file_is_closed)
{
    struct {
        mach_msg_header_t head;
        mach_msg_type_t type;
        uint32_t count;
        uint32_t pad;
    } forged = {.head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                         .msgh_size = 48,
                         .msgh_id = MACH_NOTIFY_NO_SENDERS}};
    const uint64_t word =
        MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, MACH_MSG_TYPE_WORD_INLINE) | (uint64_t)1
                                                                                          << 32;
    mach_port_t file;
    static io_data_t data = "abcd";
    mach_msg_type_number_t count = 4;
    natural_t written;

    files_start();
    CHECK_EQ(open_at_root("tmp/t/a", O_RDWR | O_CREAT, &file), KERN_SUCCESS);
    memcpy(&forged.type, &word, sizeof(word));
    for (unsigned i = 0; i < 3; i++) {
        forged.head.msgh_remote_port = file;
        forged.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0);
        CHECK_EQ(mach_msg(&forged.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, 48, 0, MACH_PORT_NULL,
                          1000, MACH_PORT_NULL),
                 MACH_MSG_SUCCESS);
    }
    CHECK_EQ(io_write(file, 0, data, 4, &written), KERN_SUCCESS);
    CHECK_EQ(io_read(file, 0, 4, data, &count), KERN_SUCCESS);
    CHECK_EQ(count, 4);
    ipc_drop(file);
    files_end();
}

TEST(a_memory_object_takes_no_orders_from_a_client)
{
    mach_port_t file, object, control = test_port(), name = test_port();
    int fd;
    char *at;

    files_start();
    fd = files_make("a", 2 * PAGE);
    file = portolan_fd_port(fd);
    CHECK_EQ(file_map(file, VM_PROT_READ | VM_PROT_WRITE, &object), KERN_SUCCESS);
    (void)memory_object_init(object, control, name, PAGE);
    (void)memory_object_data_request(object, control, 0, PAGE, VM_PROT_READ);
    (void)memory_object_data_unlock(object, control, 0, PAGE, VM_PROT_WRITE);
    at = files_map(fd, 2 * PAGE, PROT_READ | PROT_WRITE);
    CHECK_EQ(at[5], files_byte(5));
    CHECK_EQ(at[PAGE + 5], files_byte(PAGE + 5));
    CHECK_EQ(fsync(fd), 0);
    munmap(at, 2 * PAGE);
    ipc_drop(object);
    close(fd);
    CHECK_EQ(mach_port_destroy(mach_task_self(), control), KERN_SUCCESS);
    CHECK_EQ(mach_port_destroy(mach_task_self(), name), KERN_SUCCESS);
    check_served();
    files_end();
}

TEST(more_files_than_can_be_open)
{
    enum { MANY = 5000 };
    mach_port_t *files = calloc(MANY, sizeof(*files));
    kern_return_t kr = KERN_SUCCESS;
    unsigned n = 0;

    files_start();
    close(files_make("a", 1));
    while (n < MANY && kr == KERN_SUCCESS) {
        kr = open_at_root("tmp/t/a", O_RDONLY, &files[n]);
        n += kr == KERN_SUCCESS;
    }
    CHECK_EQ(kr, PORTOLAN_ERRNO(ENFILE));
    CHECK(n > 3000);
    for (unsigned i = 0; i < n; i++) {
        ipc_drop(files[i]);
    }
    kr = open_at_root("tmp/t/a", O_RDONLY, &files[0]);
    for (unsigned i = 0; i < 200 && kr != KERN_SUCCESS; i++) {
        usleep(10000);
        kr = open_at_root("tmp/t/a", O_RDONLY, &files[0]);
    }
    CHECK_EQ(kr, KERN_SUCCESS);
    ipc_drop(files[0]);
    free(files);
    check_served();
    files_end();
}

/* --- clients that die --- */

TEST_CHILD(writer)
{
    static char block[8000];

    CHECK_EQ(chdir(FILES_PLACE), 0);
    for (unsigned i = 0;; i++) {
        int fd = open("a", O_RDWR | O_CREAT, 0644);
        char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        (void)!pwrite(fd, block, sizeof(block), (i % 50) * 8000);
        at[100] = 'x';
        (void)!ftruncate(fd, (i % 7) * 1000 + PAGE);
        (void)!pread(fd, block, sizeof(block), 0);
        munmap(at, 4 * PAGE);
        close(fd);
        unlink("b");
        link("a", "b");
        rename("b", "c");
    }
}

/* Start this program as that client, let it work, kill it. */
static void kill_client(const char *word, unsigned milliseconds)
{
    char *argv[] = {"/tests/fs_hostile_test", (char *)word, NULL};
    struct spawn spawn = {.path = "/tests/fs_hostile_test", .argv = argv};
    mach_port_t task, end;

    CHECK_EQ(spawn_start(&spawn, &task, &end), KERN_SUCCESS);
    usleep(milliseconds * 1000);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    (void)spawn_wait(end);
    ipc_drop(task);
}

TEST(a_client_may_die_in_the_middle)
{
    files_start();
    for (unsigned i = 0; i < 10; i++) {
        kill_client("writer", 20 + i * 7);
        check_served();
    }
    files_end();
}

/* Holds a mapping, and never touches what it asked for again. */
TEST_CHILD(holder)
{
    char *at;
    int fd;

    CHECK_EQ(chdir(FILES_PLACE), 0);
    fd = open("big", O_RDWR);
    at = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(at, 'h', 64 * PAGE);
    for (;;) {
        pause();
    }
}

TEST(what_a_dead_client_wrote_is_there)
{
    char byte = 0;
    int fd;

    files_start();
    fd = files_make("big", 64 * PAGE);
    kill_client("holder", 300);
    CHECK_EQ(pread(fd, &byte, 1, 63 * PAGE), 1);
    CHECK_EQ(byte, 'h');
    close(fd);
    files_end();
}

/* A client that asks and does not take the answers. */
TEST(answers_nobody_takes)
{
    mach_port_t reply = test_port();
    struct test_message m;
    unsigned sent = 0;

    files_start();
    for (unsigned i = 0; i < 50; i++) {
        sent += test_send(portolan_port("root"), reply, 6103, MACH_SEND_TIMEOUT, 1000) ==
                MACH_MSG_SUCCESS;
    }
    CHECK_EQ(sent, 50);
    check_served();
    while (test_receive(reply, &m, 0, 100) == MACH_MSG_SUCCESS) {
        continue;
    }
    CHECK_EQ(mach_port_destroy(mach_task_self(), reply), KERN_SUCCESS);
    check_served();
    files_end();
}

/* What the kernel says of a dead name takes a reference of it away: whoever says so for the kernel
 * takes one of the server's own. */
TEST(nobody_says_for_the_kernel_that_a_name_is_dead)
{
    struct {
        mach_msg_header_t head;
        uint64_t type;
        uint32_t name;
        uint32_t pad;
    } forged = {.type = MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_PORT_NAME, 32, MACH_MSG_TYPE_WORD_INLINE) |
                        (uint64_t)1 << 32};
    char byte;
    int fd;

    files_start();
    for (uint32_t name = 1; name < 60; name++) {
        forged.head = (mach_msg_header_t){.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                                          .msgh_size = sizeof(forged),
                                          .msgh_remote_port = portolan_port("root"),
                                          .msgh_id = MACH_NOTIFY_DEAD_NAME};
        forged.name = name;
        CHECK_EQ(mach_msg(&forged.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(forged), 0,
                          MACH_PORT_NULL, 1000, MACH_PORT_NULL),
                 MACH_MSG_SUCCESS);
    }
    CHECK_EQ(file_sync(portolan_port("root"), FILE_SYNC_FORGET), KERN_SUCCESS);
    fd = open("/bin/uname", O_RDONLY); /* the archive has to be asked again */
    CHECK_EQ(read(fd, &byte, 1), 1);
    close(fd);
    check_served();
    files_end();
}
