/* abi_test.c - messages byte by byte against the tables of the ABI, so that a mistake the user's
 * and the server's stubs share is seen. The user's stubs write into a mach_msg_trap() that keeps
 * the request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <mach/mach.h>
#include <mach/mig_support.h>

#include "gen/device.h"
#include "gen/exc.h"
#include "gen/gnumach.h"
#include "gen/mach.h"
#include "gen/mach4.h"
#include "gen/mach_debug.h"
#include "gen/mach_host.h"
#include "gen/mach_port.h"

static uint64_t abi_words[65536 / 8];
static uint32_t abi_rcv_size;

mach_port_t mig_get_reply_port(void)
{
    return 0x33;
}

void mig_dealloc_reply_port(mach_port_t port)
{
    (void)port;
}

void mig_put_reply_port(mach_port_t port)
{
    (void)port;
}

void mig_allocate(vm_address_t *address, vm_size_t size)
{
    (void)size;
    *address = 0;
}

void mig_deallocate(vm_address_t address, vm_size_t size)
{
    (void)address;
    (void)size;
}

void mach_msg_destroy(mach_msg_header_t *msg)
{
    (void)msg;
}

mach_msg_return_t mach_msg_again(mach_msg_return_t result, mach_msg_header_t *msg,
                                 mach_msg_option_t option, mach_msg_size_t send_size,
                                 mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
                                 mach_msg_timeout_t timeout, mach_port_name_t notify)
{
    (void)msg;
    (void)option;
    (void)send_size;
    (void)rcv_size;
    (void)rcv_name;
    (void)timeout;
    (void)notify;
    return result;
}

mach_msg_return_t mach_msg_trap(mach_msg_header_t *msg, mach_msg_option_t option,
                                mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                                mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
                                mach_port_name_t notify)
{
    (void)option;
    (void)rcv_name;
    (void)timeout;
    (void)notify;
    memset(abi_words, 0, sizeof(abi_words));
    memcpy(abi_words, msg, send_size);
    abi_rcv_size = rcv_size;
    return MACH_SEND_INVALID_DEST;
}

/* The request is these words of 8 bytes. */
static void abi_expect(const uint64_t *words, size_t count)
{
    assert_int_equal(((mach_msg_header_t *)abi_words)->msgh_size, count * 8);
    for (size_t i = 0; i < count; i = i + 1) {
        assert_int_equal(abi_words[i], words[i]);
    }
}
#define ABI_EXPECT(...)                                                                            \
    do {                                                                                           \
        const uint64_t words[] = {__VA_ARGS__};                                                    \
        abi_expect(words, sizeof(words) / sizeof(words[0]));                                       \
    } while (0)

/* bits and size; id in the high half of the last word of the header */
#define ABI_HEADER(bits, size, to, reply, id)                                                      \
    (uint64_t)(bits) | (uint64_t)(size) << 32, (to), (reply), (uint64_t)(id) << 32
#define ABI_ONE 1ull << 32

static void vm_allocate_is_80_bytes(void **state)
{
    (void)state;
    vm_address_t address = 0x123000;
    assert_int_equal(vm_allocate(7, &address, 0x2000, TRUE), MACH_SEND_INVALID_DEST);
    ABI_EXPECT(ABI_HEADER(0x1513, 80, 7, 0x33, 2021), 0x2000400b | ABI_ONE, 0x123000,
               0x2000400b | ABI_ONE, 0x2000, 0x20002000 | ABI_ONE, 1);
    assert_true(abi_rcv_size >= 64);
}

static void exception_raise_is_112_bytes(void **state)
{
    (void)state;
    (void)exception_raise(7, 8, 9, EXC_BAD_ACCESS, KERN_INVALID_ADDRESS, 0x1122334455667788);
    ABI_EXPECT(ABI_HEADER(0x80001513, 112, 7, 0x33, 2400), 0x20004013 | ABI_ONE, 8,
               0x20004013 | ABI_ONE, 9, 0x20002002 | ABI_ONE, 1, 0x20002002 | ABI_ONE, 1,
               0x2000400b | ABI_ONE, 0x1122334455667788);
}

static void a_count_in_out_travels_in_the_request(void **state)
{
    (void)state;
    mach_msg_type_number_t count = 30;
    task_info_data_t info;
    (void)task_info(7, TASK_BASIC_INFO, info, &count);
    ABI_EXPECT(ABI_HEADER(0x1513, 64, 7, 0x33, 2012), 0x20002002 | ABI_ONE, 1, 0x20002002 | ABI_ONE,
               30);
}

static void a_port_name_is_not_a_right(void **state)
{
    (void)state;
    (void)mach_port_deallocate(7, 0x44);
    ABI_EXPECT(ABI_HEADER(0x1513, 48, 7, 0x33, 3206), 0x2000200f | ABI_ONE, 0x44);
}

static void a_polymorphic_right_is_as_the_caller_says(void **state)
{
    (void)state;
    (void)mach_port_insert_right(7, 0x44, 0x45, MACH_MSG_TYPE_MAKE_SEND);
    ABI_EXPECT(ABI_HEADER(0x80001513, 64, 7, 0x33, 3215), 0x2000200f | ABI_ONE, 0x44,
               0x20004014 | ABI_ONE, 0x45);
}

static void memory_goes_out_of_line(void **state)
{
    (void)state;
    static char data[24];
    (void)vm_write(7, 0x1000, (pointer_t)(uintptr_t)data, 24);
    ABI_EXPECT(ABI_HEADER(0x80001513, 64, 7, 0x33, 2027), 0x2000400b | ABI_ONE, 0x1000,
               0x40000809 | 24ull << 32, (uint64_t)(uintptr_t)data);
}

static void rights_out_of_line_are_32_bit_names(void **state)
{
    (void)state;
    mach_port_t ports[2] = {1, 2};
    (void)mach_ports_register(7, ports, 2);
    ABI_EXPECT(ABI_HEADER(0x80001513, 48, 7, 0x33, 2033), 0x40002013 | 2ull << 32,
               (uint64_t)(uintptr_t)ports);
}

static void inline_rights_take_8_bytes_each(void **state)
{
    (void)state;
    mach_port_t object = 0x50;
    uint64_t offset = 0x1000, start = 0, len = 0x3000;
    mach_port_t proxy;
    (void)memory_object_create_proxy(7, VM_PROT_READ, &object, MACH_MSG_TYPE_COPY_SEND, 1, &offset,
                                     1, &start, 1, &len, 1, &proxy);
    ABI_EXPECT(ABI_HEADER(0x80001513, 112, 7, 0x33, 4010), 0x20002002 | ABI_ONE, 1,
               0x20004013 | ABI_ONE, 0x50, 0x2000400b | ABI_ONE, 0x1000, 0x2000400b | ABI_ONE, 0,
               0x2000400b | ABI_ONE, 0x3000);
}

static void a_time_is_two_words(void **state)
{
    (void)state;
    time_value_t now = {.seconds = 5, .microseconds = 6, .microseconds_pad = 0};
    (void)host_set_time(7, now);
    ABI_EXPECT(ABI_HEADER(0x1513, 56, 7, 0x33, 2632), 0x2000400b | 2ull << 32, 5, 6);
}

static void a_string_is_zero_to_its_end(void **state)
{
    (void)state;
    mach_port_t device;
    (void)device_open(7, D_READ, "eth0", &device);
    assert_int_equal(abi_words[0], 0x1513 | 184ull << 32);
    assert_int_equal(abi_words[6], 0x2000080c | 128ull << 32);
    assert_int_equal(abi_words[7], 0x30687465);
    for (unsigned i = 8; i < 23; i = i + 1) {
        assert_int_equal(abi_words[i], 0);
    }
}

static void a_varying_string_counts_its_nul(void **state)
{
    (void)state;
    (void)task_set_name(7, "abcdefgh");
    ABI_EXPECT(ABI_HEADER(0x13, 56, 7, 0, 4202), 0x2000080c | 9ull << 32, 0x6867666564636261, 0);
}

/* As the kernel sends it. */
static void notifications_have_their_layout(void **state)
{
    (void)state;
    assert_int_equal(sizeof(mach_dead_name_notification_t), 48);
    assert_int_equal(offsetof(mach_dead_name_notification_t, not_port), 40);
    assert_int_equal(sizeof(mach_port_status_t), 36);
    assert_int_equal(i386_THREAD_STATE_COUNT, 42);
    assert_int_equal(TASK_BASIC_INFO_COUNT, 30);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vm_allocate_is_80_bytes),
        cmocka_unit_test(exception_raise_is_112_bytes),
        cmocka_unit_test(a_count_in_out_travels_in_the_request),
        cmocka_unit_test(a_port_name_is_not_a_right),
        cmocka_unit_test(a_polymorphic_right_is_as_the_caller_says),
        cmocka_unit_test(memory_goes_out_of_line),
        cmocka_unit_test(rights_out_of_line_are_32_bit_names),
        cmocka_unit_test(inline_rights_take_8_bytes_each),
        cmocka_unit_test(a_time_is_two_words),
        cmocka_unit_test(a_string_is_zero_to_its_end),
        cmocka_unit_test(a_varying_string_counts_its_nul),
        cmocka_unit_test(notifications_have_their_layout),
    };
    int count = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("abi", tests, NULL, NULL);
    FILE *tally = argc > 1 ? fopen(argv[1], "a") : NULL;
    if (tally != NULL) {
        fprintf(tally, "%d %d\n", count - failed, failed);
        fclose(tally);
    }
    return failed;
}
