/* pager_test.h - what the files of this test share: a disk that can be made to fail. */
#ifndef PAGER_TEST_H
#define PAGER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store.h"

/* A fresh store over a disk of so many blocks. */
void test_disk(uint32_t blocks);
/* From now on reads, or writes, fail. */
void test_disk_fails(bool reads, bool writes);

extern const struct CMUnitTest store_tests[];
extern const size_t store_test_count;
extern const struct CMUnitTest object_tests[];
extern const size_t object_test_count;
extern const struct CMUnitTest swap_header_tests[];
extern const size_t swap_header_test_count;

#endif
