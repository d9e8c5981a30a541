/* test_file.c - the table of descriptors, and pipes. */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <portolan/portolan.h>
#include <string.h>

#include "posix/file.h"
#include "posix/pipe.h"

static int set_up(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int fd = 0; fd < FILE_MAX; fd++) {
        file_close(fd);
    }
    return 0;
}

static void lowest_descriptor_is_taken(void **state)
{
    (void)state;
    assert_int_equal(portolan_fd_open(100, O_RDWR), 0);
    assert_int_equal(portolan_fd_open(101, O_RDWR), 1);
    assert_int_equal(portolan_fd_open(102, O_RDWR), 2);
    assert_int_equal(file_close(1), 0);
    assert_int_equal(fake.last_dropped, 101);
    assert_int_equal(portolan_fd_open(103, O_RDWR), 1);
    assert_int_equal(portolan_fd_port(1), 103);
    assert_int_equal(file_install(file_get(0), 7, false), 7);
}

static void last_close_drops_the_right(void **state)
{
    (void)state;
    assert_int_equal(portolan_fd_open(100, O_RDWR), 0);
    assert_int_equal(file_install(file_get(0), 0, false), 1);
    assert_int_equal(file_close(0), 0);
    assert_int_equal(fake.ports_dropped, 0);
    assert_int_equal(portolan_fd_port(1), 100);
    assert_int_equal(file_close(1), 0);
    assert_int_equal(fake.ports_dropped, 1);
    assert_int_equal(file_close(1), -EBADF);
}

static void placing_closes_what_was_there(void **state)
{
    (void)state;
    portolan_fd_open(100, O_RDWR);
    portolan_fd_open(101, O_RDWR);
    assert_int_equal(file_install_at(file_get(0), 1, true), 1);
    assert_int_equal(fake.last_dropped, 101);
    assert_int_equal(portolan_fd_port(1), 100);
    assert_int_equal(file_close_on_exec(1), 1);
    assert_int_equal(file_close_on_exec(0), 0);
    assert_int_equal(file_set_close_on_exec(1, false), 0);
    assert_int_equal(file_close_on_exec(1), 0);
}

static void bad_descriptors_are_refused(void **state)
{
    (void)state;
    assert_null(file_get(-1));
    assert_null(file_get(FILE_MAX));
    assert_null(file_get(5));
    assert_int_equal(file_close(-1), -EBADF);
    assert_int_equal(file_close(FILE_MAX), -EBADF);
    assert_int_equal(file_close_on_exec(5), -EBADF);
    assert_int_equal(file_set_close_on_exec(5, true), -EBADF);
    assert_int_equal(portolan_fd_port(5), MACH_PORT_NULL);
}

static void full_table_refuses_and_keeps_the_right(void **state)
{
    (void)state;
    for (int fd = 0; fd < FILE_MAX; fd++) {
        assert_int_equal(portolan_fd_open(1000 + (mach_port_t)fd, O_RDWR), fd);
    }
    assert_int_equal(portolan_fd_open(5, O_RDWR), -EMFILE);
    assert_int_equal(fake.ports_dropped, 0);
    assert_null(file_create(FILE_NOTHING, 0));
    file_close(17);
    assert_int_equal(portolan_fd_open(5, O_RDWR), 17);
}

static void start_opens_what_ports_names(void **state)
{
    char *environment[] = {"PORTS=stdin:5 stderr:6 root:9 fd4:8", NULL};

    (void)state;
    fake_environment(environment);
    file_start();
    assert_int_equal(portolan_fd_port(0), 5);
    assert_int_equal(portolan_fd_port(1), MACH_PORT_NULL);
    assert_int_equal(file_get(1)->kind, FILE_KERNEL_CONSOLE);
    assert_int_equal(portolan_fd_port(2), 6);
    assert_int_equal(portolan_fd_port(3), MACH_PORT_NULL);
    assert_int_equal(portolan_fd_port(4), 8);
    file_put(file_get(1));
    fake_environment(NULL);
}

static void pipe_keeps_order_round_its_end(void **state)
{
    struct pipe *pipe = pipe_create();
    char data[40000];
    char seen[40000];

    (void)state;
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof(data); i++) {
            data[i] = (char)(i * 7 + (size_t)round);
        }
        assert_int_equal(pipe_write(pipe, data, sizeof(data), true), sizeof(data));
        assert_int_equal(pipe_read(pipe, seen, sizeof(seen), true), sizeof(seen));
        assert_memory_equal(data, seen, sizeof(data));
    }
    pipe_close(pipe, true);
    pipe_close(pipe, false);
    assert_int_equal(fake.regions_freed, fake.regions_made);
}

static void pipe_tells_its_limits(void **state)
{
    struct pipe *pipe = pipe_create();
    char data[70000] = {0};

    (void)state;
    assert_int_equal(pipe_read(pipe, data, 1, true), -EAGAIN);
    assert_int_equal(pipe_ready(pipe, false), 0);
    assert_int_equal(pipe_write(pipe, data, sizeof(data), true), 65536);
    assert_int_equal(pipe_write(pipe, data, 1, true), -EAGAIN);
    assert_int_equal(pipe_ready(pipe, true), 0);
    assert_int_equal(pipe_ready(pipe, false), IO_READY_READ);
    pipe_close(pipe, true);
    assert_int_equal(pipe_read(pipe, data, sizeof(data), false), 65536);
    assert_int_equal(pipe_read(pipe, data, 1, false), 0);
    pipe_close(pipe, false);
}

static void pipe_without_reader_is_broken(void **state)
{
    struct pipe *pipe = pipe_create();

    (void)state;
    pipe_close(pipe, false);
    assert_int_equal(pipe_write(pipe, "x", 1, false), -EPIPE);
    assert_true((pipe_ready(pipe, true) & IO_READY_HANGUP) != 0);
    pipe_close(pipe, true);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
const struct CMUnitTest file_tests[] = {
    FILE_TEST(lowest_descriptor_is_taken),
    FILE_TEST(last_close_drops_the_right),
    FILE_TEST(placing_closes_what_was_there),
    FILE_TEST(bad_descriptors_are_refused),
    FILE_TEST(full_table_refuses_and_keeps_the_right),
    FILE_TEST(start_opens_what_ports_names),
    FILE_TEST(pipe_keeps_order_round_its_end),
    FILE_TEST(pipe_tells_its_limits),
    FILE_TEST(pipe_without_reader_is_broken),
};
const size_t file_test_count = sizeof(file_tests) / sizeof(file_tests[0]);
