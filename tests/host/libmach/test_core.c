/* test_core.c - sentences for codes, numbers as text, messages taken apart, ends of programs. */
#include "fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/mig_support.h>
#include <portolan/errno.h>
#include <portolan/error.h>
#include <portolan/spawn.h>

#include "core/text.h"

static void every_code_of_the_list_is_explained(void **state)
{
    static const kern_return_t codes[] = {
#define MACH_ERROR(name, value, text) value,
#include <mach/errors.def>
    };

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_not_equal(mach_error_string(codes[i]), "unknown error code");
        assert_non_null(mach_error_name(codes[i]));
    }
    assert_string_equal(mach_error_name(KERN_NO_ACCESS), "KERN_NO_ACCESS");
    assert_string_equal(mach_error_string(12345), "unknown error code");
    assert_null(mach_error_name(12345));
}

static void losses_do_not_hide_the_code(void **state)
{
    (void)state;
    assert_string_equal(mach_error_name(MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE),
                        "MACH_RCV_BODY_ERROR");
}

static void errno_goes_there_and_back(void **state)
{
    (void)state;
    for (int e = 1; e < 134; e++) {
        assert_int_equal(portolan_errno(PORTOLAN_ERRNO(e)), e);
        assert_true(strlen(mach_error_string(PORTOLAN_ERRNO(e))) > 0);
    }
    assert_string_equal(mach_error_name(PORTOLAN_ERRNO(ENOENT)), "ENOENT");
    assert_int_equal(portolan_errno(KERN_SUCCESS), 0);
    assert_int_equal(portolan_errno(KERN_NO_ACCESS), EACCES);
    assert_int_equal(portolan_errno(MIG_SERVER_DIED), EIO);
    assert_int_equal(portolan_errno(-999), EIO);
}

static void numbers_become_text(void **state)
{
    char text[21];

    (void)state;
    assert_int_equal(text_decimal(text, 0), 1);
    assert_string_equal(text, "0");
    assert_int_equal(text_decimal(text, UINT64_MAX), 20);
    assert_string_equal(text, "18446744073709551615");
    assert_int_equal(text_copy(text, "abcdef", 4), 3);
    assert_string_equal(text, "abc");
    assert_true(text_begins("PORTS=", "PORTS"));
    assert_false(text_begins("POR", "PORTS"));
}

struct rights_message {
    mach_msg_header_t head;
    mach_msg_type_t send_type;
    uint64_t send;
    mach_msg_type_t receive_type;
    uint64_t receive;
    mach_msg_type_t memory_type;
    vm_address_t memory;
    mach_msg_type_t array_type;
    vm_address_t array;
};

/* A send right in the header, one of each kind in the body, memory, and an array of send rights. */
static void rights_message_make(struct rights_message *m)
{
    mach_port_name_t *names = calloc(2, sizeof(*names));

    names[0] = 31;
    names[1] = MACH_PORT_NAME_DEAD;
    memset(m, 0, sizeof(*m));
    m->head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
    m->head.msgh_size = sizeof(*m);
    m->head.msgh_remote_port = 9;
    mig_type_put(&m->send_type, MACH_MSG_TYPE_WORD(17, 64, MACH_MSG_TYPE_WORD_INLINE), 1);
    m->send = 21;
    mig_type_put(&m->receive_type, MACH_MSG_TYPE_WORD(16, 64, MACH_MSG_TYPE_WORD_INLINE), 1);
    m->receive = 22;
    mig_type_put(&m->memory_type, MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_BYTE, 8, 0), 100);
    m->memory = (vm_address_t)malloc(100);
    mig_type_put(&m->array_type, MACH_MSG_TYPE_WORD(17, 32, 0), 2);
    m->array = (vm_address_t)names;
}

static void message_gives_everything_back(void **state)
{
    struct rights_message m;

    (void)state;
    fake_reset();
    rights_message_make(&m);
    mach_msg_destroy(&m.head);
    assert_int_equal(fake.ports_dropped, 3);
    assert_int_equal(fake.receives_dropped, 1);
    assert_int_equal(fake.regions_freed, 2);
    assert_int_equal(fake.last_freed, 8);
}

static void simple_message_has_only_its_header(void **state)
{
    struct rights_message m;

    (void)state;
    fake_reset();
    rights_message_make(&m);
    m.head.msgh_bits &= ~MACH_MSGH_BITS_COMPLEX;
    mach_msg_destroy(&m.head);
    assert_int_equal(fake.ports_dropped, 1);
    assert_int_equal(fake.regions_freed, 0);
    free((void *)m.memory);
    free((void *)m.array);
}

static void counts_beyond_the_message_are_not_believed(void **state)
{
    struct rights_message m;

    (void)state;
    fake_reset();
    rights_message_make(&m);
    mig_type_put(&m.send_type, MACH_MSG_TYPE_WORD(17, 64, MACH_MSG_TYPE_WORD_INLINE), 0xffffffff);
    mach_msg_destroy(&m.head);
    assert_int_equal(fake.ports_dropped, 1);
    assert_int_equal(fake.regions_freed, 0);
    free((void *)m.memory);
    free((void *)m.array);
}

static void end_of_a_program_is_recognised(void **state)
{
    struct {
        mach_msg_header_t head;
        char body[16];
    } m;
    int status = -1;

    (void)state;
    memset(&m, 0, sizeof(m));
    m.head.msgh_id = 6400;
    m.head.msgh_size = 48;
    mig_type_put(m.body, MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, 0), 1);
    m.body[3] |= 0x20; /* inline */
    mig_store32(m.body + 8, 7 << 8);
    assert_true(spawn_status_of(&m.head, &status));
    assert_int_equal(status, 7 << 8);
    m.head.msgh_size = 40;
    assert_false(spawn_status_of(&m.head, &status));
    m.head.msgh_size = 48;
    m.head.msgh_id = 6100;
    assert_false(spawn_status_of(&m.head, &status));
    m.head.msgh_id = 71;
    assert_true(spawn_status_of(&m.head, &status));
    assert_int_equal(status, 9);
}

const struct CMUnitTest core_tests[] = {
    cmocka_unit_test(every_code_of_the_list_is_explained),
    cmocka_unit_test(losses_do_not_hide_the_code),
    cmocka_unit_test(errno_goes_there_and_back),
    cmocka_unit_test(numbers_become_text),
    cmocka_unit_test(message_gives_everything_back),
    cmocka_unit_test(simple_message_has_only_its_header),
    cmocka_unit_test(counts_beyond_the_message_are_not_believed),
    cmocka_unit_test(end_of_a_program_is_recognised),
};
const size_t core_test_count = sizeof(core_tests) / sizeof(core_tests[0]);
