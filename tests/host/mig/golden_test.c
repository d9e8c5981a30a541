/* golden_test.c - what mig says of wrong definitions: bad/NAME.defs must give bad/NAME.expected,
 * with status 1 and no output file. Runs in the top directory; the first argument is mig. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *golden_mig;

static const char *const golden_names[] = {
    "undefined_type",       "included_line",    "missing_semicolon",  "second_routine",
    "out_of_simpleroutine", "no_request_port",  "request_not_a_port", "zero_array",
    "huge_array",           "wrapping_size",    "array_of_arrays",    "bounded_pointer",
    "port_in_struct",       "inout_array",      "bad_flag",           "stray_character",
    "no_subsystem",         "translated_array",
};

static void golden_read(FILE *file, char *text, size_t room)
{
    size_t length = fread(text, 1, room - 1, file);
    text[length] = '\0';
}

static void golden_test(void **state)
{
    const char *name = *state;
    char command[512], path[256], want[4096], got[4096];
    snprintf(path, sizeof(path), "tests/host/mig/bad/%s.expected", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    golden_read(file, want, sizeof(want));
    fclose(file);
    snprintf(command, sizeof(command),
             "%s -user build/mig/golden_output.c tests/host/mig/bad/%s.defs 2>&1", golden_mig,
             name);
    (void)unlink("build/mig/golden_output.c");
    file = popen(command, "r");
    assert_non_null(file);
    golden_read(file, got, sizeof(got));
    int status = pclose(file);
    assert_string_equal(got, want);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_int_not_equal(access("build/mig/golden_output.c", F_OK), 0);
}

int main(int argc, char **argv)
{
    enum { COUNT = sizeof(golden_names) / sizeof(golden_names[0]) };
    struct CMUnitTest tests[COUNT];
    memset(tests, 0, sizeof(tests));
    golden_mig = argc > 1 ? argv[1] : "build/mig/mig";
    for (int i = 0; i < COUNT; i = i + 1) {
        tests[i].name = golden_names[i];
        tests[i].test_func = golden_test;
        tests[i].initial_state = (void *)(uintptr_t)golden_names[i];
    }
    int failed = cmocka_run_group_tests_name("golden", tests, NULL, NULL);
    FILE *tally = argc > 2 ? fopen(argv[2], "a") : NULL;
    if (tally != NULL) {
        fprintf(tally, "%d %d\n", COUNT - failed, failed);
        fclose(tally);
    }
    return failed;
}
