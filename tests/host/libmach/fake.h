/* fake.h - the kernel as the tests of libmach see it: it only remembers what it was asked. */
#ifndef TESTS_HOST_LIBMACH_FAKE_H
#define TESTS_HOST_LIBMACH_FAKE_H

#include <mach/mach.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fake {
    unsigned ports_dropped; /* mach_port_deallocate */
    mach_port_name_t last_dropped;
    unsigned receives_dropped; /* mach_port_mod_refs(RECEIVE, -1) */
    unsigned regions_freed;    /* vm_deallocate */
    vm_size_t last_freed;
    unsigned regions_made; /* vm_allocate */
    unsigned wakes;        /* gsync_wake */
};
extern struct fake fake;

/* Forget everything. */
void fake_reset(void);

/* What PORTS and PWD are: a NULL-terminated environment. */
void fake_environment(char *const *environment);

/* The cases of each file. */
extern const struct CMUnitTest elf_tests[];
extern const size_t elf_test_count;
extern const struct CMUnitTest stack_tests[];
extern const size_t stack_test_count;
extern const struct CMUnitTest file_tests[];
extern const size_t file_test_count;
extern const struct CMUnitTest path_tests[];
extern const size_t path_test_count;
extern const struct CMUnitTest core_tests[];
extern const size_t core_test_count;

#endif
