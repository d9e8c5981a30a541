/* test_path.c - tidied paths, and the names of ports. */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <portolan/portolan.h>
#include <string.h>

#include "posix/path.h"

static void expect_path(const char *base, const char *path, const char *result)
{
    char out[DIR_PATH_MAX];

    assert_int_equal(path_join(out, base, path), 0);
    assert_string_equal(out, result);
}

static void paths_are_tidied(void **state)
{
    (void)state;
    expect_path("", "/", "");
    expect_path("a/b", "/", "");
    expect_path("a/b", ".", "a/b");
    expect_path("a/b", "c", "a/b/c");
    expect_path("a/b", "..", "a/b/..");
    expect_path("a", "./b//c", "a/b/c");
    expect_path("a", "b/../c/./d/..", "a/b/../c/d/..");
    expect_path("", "/x/../../y", "x/../../y");
    expect_path("a", "b/", "a/b/");
    expect_path("", "b//", "b/");
    expect_path("a", "...", "a/...");
    expect_path("a", "..b", "a/..b");
}

static void bad_paths_are_refused(void **state)
{
    char out[DIR_PATH_MAX];
    char path[2 * DIR_PATH_MAX];

    (void)state;
    assert_int_equal(path_join(out, "a", ""), -ENOENT);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(path_join(out, "", path), -ENAMETOOLONG);
    path[DIR_PATH_MAX] = '\0';
    assert_int_equal(path_join(out, "", path), -ENAMETOOLONG);
    path[DIR_PATH_MAX - 1] = '\0';
    assert_int_equal(path_join(out, "", path), 0);
    assert_int_equal(strlen(out), DIR_PATH_MAX - 1);
    assert_int_equal(path_join(out, "a", path), -ENAMETOOLONG);
    assert_int_equal(path_resolve(out, 99, "x"), -EBADF);
}

static void working_directory_comes_from_pwd(void **state)
{
    char *environment[] = {"PWD=/home//me/.", NULL};
    char out[DIR_PATH_MAX];

    (void)state;
    fake_environment(environment);
    path_start();
    assert_int_equal(path_resolve(out, AT_FDCWD, "notes"), 0);
    assert_string_equal(out, "home/me/notes");
    path_set_directory("");
    assert_int_equal(path_resolve(out, AT_FDCWD, "notes"), 0);
    assert_string_equal(out, "notes");
    fake_environment(NULL);
}

static void ports_are_found_by_whole_names(void **state)
{
    char *environment[] = {"XPORTS=a:1",
                           "PORTS=stdin:5 stdin2:6  exit:8 big:4294967295 "
                           "huge:99999999999999999999999 odd: x",
                           NULL};

    (void)state;
    fake_environment(environment);
    assert_int_equal(portolan_port("stdin"), 5);
    assert_int_equal(portolan_port("stdin2"), 6);
    assert_int_equal(portolan_port("exit"), 8);
    assert_int_equal(portolan_port("std"), MACH_PORT_NULL);
    assert_int_equal(portolan_port("in"), MACH_PORT_NULL);
    assert_int_equal(portolan_port("big"), MACH_PORT_NULL);
    assert_int_equal(portolan_port("huge"), MACH_PORT_NULL);
    assert_int_equal(portolan_port("odd"), MACH_PORT_NULL);
    assert_int_equal(portolan_port("x"), MACH_PORT_NULL);
    fake_environment(NULL);
    assert_int_equal(portolan_port("stdin"), MACH_PORT_NULL);
}

static void bootstrap_port_named_or_special(void **state)
{
    char *environment[] = {"PORTS=bootstrap:7", NULL};
    mach_port_t port;

    (void)state;
    fake_environment(environment);
    assert_int_equal(portolan_bootstrap(), 7);
    fake_environment(NULL);
    assert_int_equal(portolan_bootstrap(), 44);
    assert_int_equal(portolan_look_up("x", &port), KERN_SUCCESS);
    assert_int_equal(port, 45);
    assert_int_equal(portolan_check_in("x", &port), KERN_SUCCESS);
    assert_int_equal(port, 46);
}

const struct CMUnitTest path_tests[] = {
    cmocka_unit_test(paths_are_tidied),
    cmocka_unit_test(bad_paths_are_refused),
    cmocka_unit_test(working_directory_comes_from_pwd),
    cmocka_unit_test(ports_are_found_by_whole_names),
    cmocka_unit_test(bootstrap_port_named_or_special),
};
const size_t path_test_count = sizeof(path_tests) / sizeof(path_tests[0]);
