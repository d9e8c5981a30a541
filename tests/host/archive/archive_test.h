/* archive_test.h - what the files of this test share. */
#ifndef ARCHIVE_TEST_H
#define ARCHIVE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const struct CMUnitTest manifest_tests[];
extern const size_t manifest_test_count;
extern const struct CMUnitTest archive_tests[];
extern const size_t archive_test_count;

#endif
