/* mig_test.c - runs an interface's stubs against each other and against wrong messages.
 *
 * mach_msg_trap() is a loop back: the request goes through what the kernel does to a message
 * (rights are normalised, ports swapped) to the server's stub, and its reply back. The right
 * request that the user's stub made is then spoilt in every way there is, and the server must
 * refuse each without calling its routine; the same for replies and the user's stub. */
#include "mig_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mach/mig_support.h>

#define TEST_ROOM  (96u * 1024u)
#define TEST_ITEMS 64u

unsigned mig_test_calls;
kern_return_t mig_test_code;
bool mig_test_out_of_line;

static struct mig_test_routine *test_routine;
static unsigned test_destroyed;        /* calls of mach_msg_destroy */
static unsigned test_reply_ports_back; /* of those, with a right to reply in the header */
static uint8_t test_fill;              /* what buffers hold before they are written */
static uint64_t test_request[TEST_ROOM / 8];
static uint32_t test_request_size;
static uint64_t test_sent[TEST_ROOM / 8]; /* the request as the user's stub made it */
static uint64_t test_reply[TEST_ROOM / 8];
static void (*test_spoil_reply)(mach_msg_header_t *reply, unsigned how);
static unsigned test_spoil_how;
static volatile uint64_t test_sink;

/* ---- what the stubs call ---- */

void *mig_test_memory(void)
{
    static uint64_t memory[4096 / 8];
    memset(memory, 0x55, sizeof(memory));
    return memory;
}

void *mig_test_buffer(unsigned index)
{
    static uint64_t buffers[24][16384 / 8];
    assert_true(index < 24);
    return buffers[index];
}

void mig_test_use_string(const char *text)
{
    test_sink = test_sink + strlen(text);
}

/* Reads every byte: the sanitizer sees what is out of bounds. */
void mig_test_use(const void *data, uint64_t size)
{
    const volatile uint8_t *bytes = data;
    for (uint64_t i = 0; i < size; i = i + 1) {
        test_sink = test_sink + bytes[i];
    }
}

mach_port_t mig_get_reply_port(void)
{
    return 0x55;
}

void mig_dealloc_reply_port(mach_port_t port)
{
    assert_int_equal(port, 0x55);
}

void mig_put_reply_port(mach_port_t port)
{
    assert_int_equal(port, 0x55);
}

void mig_allocate(vm_address_t *address, vm_size_t size)
{
    assert_true(size <= 4096);
    *address = (vm_address_t)(uintptr_t)mig_test_memory();
}

void mig_deallocate(vm_address_t address, vm_size_t size)
{
    assert_true(address != 0);
    assert_true(size != 0);
}

void mach_msg_destroy(mach_msg_header_t *msg)
{
    test_destroyed = test_destroyed + 1;
    if (msg->msgh_remote_port != MACH_PORT_NAME_NULL) {
        test_reply_ports_back = test_reply_ports_back + 1;
    }
}

/* ---- messages ---- */

static uint64_t test_item_length(const uint8_t *item)
{
    uint32_t word = mig_load32(item);
    uint64_t number = mig_type_number(item);
    if ((word & MACH_MSG_TYPE_WORD_INLINE) == 0) {
        return 16;
    }
    return 8 + ((number * ((word >> 8) & 0xffff) / 8 + 7) & ~(uint64_t)7);
}

/* Rights arrive as PORT_*, whatever was done to send them. */
static void test_normalise(mach_msg_header_t *msg, uint32_t start)
{
    uint8_t *bytes = (uint8_t *)msg;
    uint64_t at = start;
    while (at < msg->msgh_size) {
        uint8_t name = bytes[at];
        assert_true(at + 8 <= msg->msgh_size);
        if (name == MACH_MSG_TYPE_COPY_SEND || name == MACH_MSG_TYPE_MAKE_SEND) {
            bytes[at] = MACH_MSG_TYPE_PORT_SEND;
        } else if (name == MACH_MSG_TYPE_MAKE_SEND_ONCE) {
            bytes[at] = MACH_MSG_TYPE_PORT_SEND_ONCE;
        }
        at = at + test_item_length(bytes + at);
    }
    assert_int_equal(at, msg->msgh_size);
}

static void test_to_server(const mach_msg_header_t *sent)
{
    mach_msg_header_t *request = (mach_msg_header_t *)test_request;
    memset(test_request, test_fill, sizeof(test_request));
    memcpy(test_request, sent, sent->msgh_size);
    memcpy(test_sent, sent, sent->msgh_size);
    uint32_t local = MACH_MSGH_BITS_LOCAL(sent->msgh_bits);
    request->msgh_bits =
        (sent->msgh_bits & MACH_MSGH_BITS_COMPLEX) |
        MACH_MSGH_BITS(local != 0 ? MACH_MSG_TYPE_PORT_SEND_ONCE : 0, MACH_MSG_TYPE_PORT_SEND);
    request->msgh_remote_port = sent->msgh_local_port;
    request->msgh_local_port = sent->msgh_remote_port;
    test_normalise(request, 32);
    test_request_size = request->msgh_size;
}

/* Let the server's stub have the message in test_request. */
static void test_serve(void)
{
    mach_msg_header_t *reply = (mach_msg_header_t *)test_reply;
    mig_test_calls = 0;
    test_destroyed = 0;
    test_reply_ports_back = 0;
    memset(test_reply, test_fill, sizeof(test_reply));
    assert_true(test_routine->server((mach_msg_header_t *)test_request, reply));
    assert_true(reply->msgh_size >= 48 && reply->msgh_size % 8 == 0);
    assert_int_equal(reply->msgh_id, test_routine->id + 100);
}

static kern_return_t test_reply_code(void)
{
    return (kern_return_t)mig_load32((uint8_t *)test_reply + 40);
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
    mach_msg_header_t *reply = (mach_msg_header_t *)test_reply;
    assert_true((option & MACH_SEND_MSG) != 0);
    assert_int_equal(send_size, msg->msgh_size);
    assert_int_equal(send_size % 8, 0);
    assert_int_equal(timeout, MACH_MSG_TIMEOUT_NONE);
    assert_int_equal(notify, MACH_PORT_NAME_NULL);
    assert_true(send_size <= sizeof(test_request));
    test_to_server(msg);
    test_serve();
    if ((option & MACH_RCV_MSG) == 0) {
        return MACH_MSG_SUCCESS;
    }
    assert_true(rcv_name != MACH_PORT_NAME_NULL);
    test_normalise(reply, 32);
    test_destroyed = 0;
    if (test_spoil_reply != NULL) {
        test_spoil_reply(reply, test_spoil_how);
    }
    if (reply->msgh_size > rcv_size) {
        return MACH_RCV_TOO_LARGE;
    }
    memcpy(msg, reply, reply->msgh_size);
    return MACH_MSG_SUCCESS;
}

/* ---- the tests ---- */

/* Leave bytes behind where the next function's variables will be. */
__attribute__((noinline)) static void test_dirty_stack(uint8_t value)
{
    volatile uint8_t waste[TEST_ROOM];
    for (size_t i = 0; i < sizeof(waste); i = i + 1) {
        waste[i] = value;
    }
    test_sink = test_sink + waste[17];
}

static kern_return_t test_call(uint8_t fill)
{
    test_fill = fill;
    test_dirty_stack(fill);
    return test_routine->call();
}

/* The user's stub and the server's agree, and send no byte they did not write. */
static void test_round_trip(void)
{
    static uint64_t first_sent[TEST_ROOM / 8];
    static uint64_t first_reply[TEST_ROOM / 8];
    mach_msg_header_t *reply = (mach_msg_header_t *)test_reply;
    mig_test_code = KERN_SUCCESS;
    assert_int_equal(test_call(0xa5), KERN_SUCCESS);
    assert_int_equal(mig_test_calls, 1);
    assert_int_equal(test_destroyed, test_reply_ports_back);
    uint32_t sent_size = ((mach_msg_header_t *)test_sent)->msgh_size;
    assert_true(sent_size >= test_routine->min_size && sent_size <= test_routine->max_size);
    memcpy(first_sent, test_sent, sent_size);
    memcpy(first_reply, test_reply, reply->msgh_size);
    assert_int_equal(test_call(0x5a), KERN_SUCCESS);
    assert_int_equal(mig_test_calls, 1);
    assert_memory_equal(first_sent, test_sent, sent_size);
    assert_memory_equal(first_reply, test_reply, reply->msgh_size);
}

struct test_saved {
    uint64_t bytes[TEST_ROOM / 8];
    uint32_t size;
    uint64_t at[TEST_ITEMS]; /* offset of each item */
    unsigned count;
};

static struct test_saved test_good;

/* Keep the right request, and compare its items with the definition. */
static void test_keep_good(void)
{
    mach_msg_header_t *request;
    mig_test_code = KERN_SUCCESS;
    assert_int_equal(test_call(0), KERN_SUCCESS);
    test_to_server((mach_msg_header_t *)test_sent);
    request = (mach_msg_header_t *)test_request;
    test_good.size = request->msgh_size;
    memcpy(test_good.bytes, test_request, sizeof(test_good.bytes));
    uint64_t at = 32;
    test_good.count = 0;
    for (const struct mig_test_item *item = test_routine->request; item->name != NULL;
         item = item + 1) {
        const uint8_t *here = (uint8_t *)test_request + at;
        assert_true(at + 8 <= test_good.size);
        if (item->kind != TEST_ANY_PORT) {
            assert_int_equal(mig_load32(here) & 0x00ffffff, item->word & 0x00ffffff);
        }
        assert_true(test_good.count < TEST_ITEMS);
        test_good.at[test_good.count] = at;
        test_good.count = test_good.count + 1;
        at = at + test_item_length(here);
    }
    assert_int_equal(at, test_good.size);
    assert_int_equal(request->msgh_id, test_routine->id);
}

static mach_msg_header_t *test_restore(void)
{
    memcpy(test_request, test_good.bytes, sizeof(test_request));
    return (mach_msg_header_t *)test_request;
}

/* A one-way request whose server has no use for the right to reply: the stub gives that back. */
static unsigned test_ports_back(void)
{
    mach_msg_header_t *request = (mach_msg_header_t *)test_good.bytes;
    return test_routine->one_way && !test_routine->has_reply_port &&
           request->msgh_remote_port != MACH_PORT_NAME_NULL;
}

/* The message in test_request must be refused, and its rights and memory given back. */
static void test_refused(const char *why)
{
    mach_msg_header_t *request = (mach_msg_header_t *)test_request;
    bool complex = (request->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
    test_serve();
    if (test_reply_code() != MIG_BAD_ARGUMENTS || mig_test_calls != 0) {
        fail_msg("%s: %s: code %d, %u calls", test_routine->name, why, test_reply_code(),
                 mig_test_calls);
    }
    assert_int_equal(((mach_msg_header_t *)test_reply)->msgh_size, 48);
    assert_int_equal(test_destroyed, (complex ? 1 : 0) + test_ports_back());
    assert_int_equal(test_reply_ports_back, test_ports_back());
    assert_int_equal(request->msgh_bits & MACH_MSGH_BITS_COMPLEX, 0);
}

static void test_wrong_sizes(void)
{
    const uint32_t sizes[] = {0,
                              8,
                              24,
                              28,
                              test_good.size - 8,
                              test_good.size - 4,
                              test_good.size + 4,
                              test_good.size + 8,
                              0xfffffff8u,
                              0xffffffffu};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i = i + 1) {
        test_restore()->msgh_size = sizes[i];
        test_refused("wrong size");
    }
}

static void test_wrong_complex(void)
{
    mach_msg_header_t *request = test_restore();
    request->msgh_bits ^= MACH_MSGH_BITS_COMPLEX;
    test_refused("COMPLEX bit");
}

static void test_spoil_word(unsigned i, uint32_t flip, const char *why)
{
    test_restore();
    uint8_t *item = (uint8_t *)test_request + test_good.at[i];
    mig_store32(item, mig_load32(item) ^ flip);
    test_refused(why);
}

static void test_spoil_number(unsigned i, uint32_t number, const char *why)
{
    test_restore();
    mig_store32((uint8_t *)test_request + test_good.at[i] + 4, number);
    test_refused(why);
}

/* Descriptor bits: type name, size, unused bits, inline. The deallocate and long form bits do not
 * matter. */
static void test_wrong_types(unsigned i)
{
    for (unsigned bit = 0; bit < 29; bit = bit + 1) {
        if (test_routine->request[i].kind == TEST_ANY_PORT && bit < 8) {
            continue;
        }
        test_spoil_word(i, 1u << bit, "type");
    }
    test_spoil_word(i, MACH_MSG_TYPE_WORD_INLINE, "inline bit");
    if (test_routine->request[i].kind == TEST_ANY_PORT) {
        const uint8_t names[] = {0, 2, 15, 19, 20, 21, 23, 255};
        for (unsigned n = 0; n < sizeof(names); n = n + 1) {
            test_restore();
            ((uint8_t *)test_request)[test_good.at[i]] = names[n];
            test_refused("not a right");
        }
    }
}

/* Out of line: any number is right when there is memory; whole entries, and none without memory. */
static void test_wrong_ool(unsigned i, const struct mig_test_item *item)
{
    test_restore();
    mig_store64((uint8_t *)test_request + test_good.at[i] + 8, 0);
    test_refused("null pointer with a count");
    if (item->number > 1) {
        test_spoil_number(i, item->number + 1, "part of an entry");
    }
}

/* A message that really is as long as its count says, one entry beyond the maximum. */
static void test_beyond_maximum(unsigned i, const struct mig_test_item *item)
{
    uint8_t *bytes = (uint8_t *)test_request;
    mach_msg_header_t *request = test_restore();
    uint64_t number = (uint64_t)item->max + item->number;
    uint64_t old = test_item_length(bytes + test_good.at[i]);
    uint64_t longer = 8 + ((number * item->bits / 8 + 7) & ~(uint64_t)7);
    uint64_t rest = test_good.size - test_good.at[i] - old;
    if (test_good.size - old + longer > sizeof(test_request)) {
        return;
    }
    memmove(bytes + test_good.at[i] + longer, bytes + test_good.at[i] + old, rest);
    memset(bytes + test_good.at[i] + 8, 0, longer - 8);
    mig_store32(bytes + test_good.at[i] + 4, (uint32_t)number);
    request->msgh_size = (mach_msg_size_t)(test_good.size - old + longer);
    test_refused("count above the maximum");
}

static void test_wrong_numbers(unsigned i)
{
    const struct mig_test_item *item = &test_routine->request[i];
    uint32_t number = mig_type_number((uint8_t *)test_good.bytes + test_good.at[i]);
    if (item->kind == TEST_OOL) {
        test_wrong_ool(i, item);
        return;
    }
    test_spoil_number(i, 0xffffffffu, "count 0xffffffff");
    test_spoil_number(i, 0x80000000u, "count 0x80000000");
    test_spoil_number(i, number + 0x20000000u, "count that wraps in 32 bits");
    if (item->kind == TEST_FIXED || item->kind == TEST_ANY_PORT || item->kind == TEST_STRING) {
        test_spoil_number(i, number + 1, "one more");
        test_spoil_number(i, number - 1, "one less");
        return;
    }
    if (item->number > 1) {
        test_spoil_number(i, number + 1, "part of an entry");
    }
    test_spoil_number(i, item->max + item->number, "count above the maximum, short message");
    test_beyond_maximum(i, item);
}

static void test_unterminated(unsigned i)
{
    const struct mig_test_item *item = &test_routine->request[i];
    if (item->kind != TEST_STRING && item->kind != TEST_STRING_V) {
        return;
    }
    test_restore();
    uint8_t *here = (uint8_t *)test_request + test_good.at[i];
    memset(here + 8, 'x', mig_type_number(here));
    test_refused("string without end");
    if (item->kind == TEST_STRING_V) {
        test_spoil_number(i, 0, "empty string without end");
    }
}

/* array[] the other way: out of line needs the COMPLEX bit. */
static void test_either(unsigned i)
{
    mach_msg_header_t *request = test_restore();
    uint8_t *here = (uint8_t *)test_request + test_good.at[i];
    if (test_routine->request[i].kind != TEST_EITHER) {
        return;
    }
    uint64_t old = test_item_length(here);
    mig_store32(here, mig_load32(here) & ~MACH_MSG_TYPE_WORD_INLINE);
    memmove(here + 16, here + old, test_good.size - test_good.at[i] - old);
    mig_store64(here + 8, (uint64_t)(uintptr_t)mig_test_memory());
    request->msgh_size = (mach_msg_size_t)(test_good.size - old + 16);
    if (test_routine->complex == 2) {
        request->msgh_bits &= ~MACH_MSGH_BITS_COMPLEX;
        test_refused("out of line without COMPLEX");
    }
}

static void test_requests(void)
{
    test_keep_good();
    test_wrong_sizes();
    test_wrong_complex();
    for (unsigned i = 0; i < test_good.count; i = i + 1) {
        test_wrong_types(i);
        test_wrong_numbers(i);
        test_unterminated(i);
        test_either(i);
    }
    test_restore();
    test_serve();
    assert_int_equal(mig_test_calls, 1);
    assert_int_equal(test_reply_code(), test_routine->one_way ? MIG_NO_REPLY : KERN_SUCCESS);
}

/* After an error the stub gives back what the routine did not take; after success it does not. */
static void test_ownership(void)
{
    mach_msg_header_t *request = test_restore();
    bool complex = (request->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
    mig_test_code = KERN_FAILURE;
    test_serve();
    assert_int_equal(mig_test_calls, 1);
    assert_int_equal(test_reply_code(), KERN_FAILURE);
    assert_int_equal(((mach_msg_header_t *)test_reply)->msgh_size, 48);
    assert_int_equal(((mach_msg_header_t *)test_reply)->msgh_bits & MACH_MSGH_BITS_COMPLEX, 0);
    assert_int_equal(test_destroyed, (complex ? 1 : 0) + test_ports_back());
    request = test_restore();
    mig_test_code = MIG_NO_REPLY;
    test_serve();
    assert_int_equal(test_reply_code(), MIG_NO_REPLY);
    assert_int_equal(test_destroyed, test_ports_back());
    mig_test_code = KERN_SUCCESS;
    if (test_routine->one_way && !test_routine->has_reply_port) {
        request = test_restore();
        request->msgh_remote_port = 0x99;
        request->msgh_bits |= MACH_MSG_TYPE_PORT_SEND_ONCE;
        test_serve();
        assert_int_equal(test_reply_ports_back, 1);
        assert_int_equal(((mach_msg_header_t *)test_reply)->msgh_remote_port, 0);
    }
    if (!test_routine->one_way) {
        mig_test_code = KERN_NO_SPACE;
        assert_int_equal(test_routine->call(), KERN_NO_SPACE);
        mig_test_code = KERN_SUCCESS;
    }
}

static const uint32_t test_reply_flips[] = {0x1, 0x80, 0x100, 0x2000, 0x01000000, 0x20000000};

/* how: 0 id, 1 shorter, 2 longer, 3 COMPLEX, 4 death of the server, then bits of each descriptor */
static void test_spoil(mach_msg_header_t *reply, unsigned how)
{
    uint8_t *bytes = (uint8_t *)reply;
    switch (how) {
    case 0:
        reply->msgh_id = reply->msgh_id + 1;
        return;
    case 1:
        reply->msgh_size = reply->msgh_size - 8;
        return;
    case 2:
        reply->msgh_size = reply->msgh_size + 8;
        return;
    case 3:
        reply->msgh_bits ^= MACH_MSGH_BITS_COMPLEX;
        return;
    case 4:
        reply->msgh_id = 71;
        return;
    default:
        break;
    }
    unsigned flips = sizeof(test_reply_flips) / sizeof(test_reply_flips[0]);
    uint64_t at = 32;
    for (unsigned skip = (how - 5) / (flips + 1); skip != 0; skip = skip - 1) {
        at = at + test_item_length(bytes + at);
    }
    unsigned which = (how - 5) % (flips + 1);
    if (which == flips) {
        mig_store32(bytes + at + 4, 0xfffffff0u);
    } else {
        mig_store32(bytes + at, mig_load32(bytes + at) ^ test_reply_flips[which]);
    }
}

/* Changes that leave a right reply: another kind of right where any will do, a count out of line.
 */
static bool test_spoil_is_harmless(unsigned how)
{
    unsigned flips = sizeof(test_reply_flips) / sizeof(test_reply_flips[0]);
    if (how < 5 || (how - 5) / (flips + 1) == 0) {
        return false;
    }
    const struct mig_test_item *item = &test_routine->reply[(how - 5) / (flips + 1) - 1];
    unsigned which = (how - 5) % (flips + 1);
    if (item->kind == TEST_ANY_PORT && which < 2) {
        return true;
    }
    bool ool = item->kind == TEST_OOL || (item->kind == TEST_EITHER && mig_test_out_of_line);
    return ool && which == flips;
}

static void test_replies(void)
{
    unsigned flips = sizeof(test_reply_flips) / sizeof(test_reply_flips[0]) + 1;
    unsigned items = 1;
    for (const struct mig_test_item *item = test_routine->reply; item->name != NULL;
         item = item + 1) {
        items = items + 1;
    }
    if (test_routine->one_way) {
        return;
    }
    test_spoil_reply = test_spoil;
    for (unsigned how = 0; how < 5 + items * flips; how = how + 1) {
        test_spoil_how = how;
        kern_return_t result = test_routine->call();
        if (test_spoil_is_harmless(how)) {
            continue;
        }
        if (result == KERN_SUCCESS) {
            fail_msg("%s: a wrong reply (%u) was taken", test_routine->name, how);
        }
        assert_true(result == MACH_RCV_TOO_LARGE || test_destroyed == 1);
        assert_true(how != 0 || result == MIG_REPLY_MISMATCH);
        assert_true(how != 4 || result == MIG_SERVER_DIED);
    }
    test_spoil_reply = NULL;
}

static void test_stubs(void **state)
{
    test_routine = *state;
    test_spoil_reply = NULL;
    for (int out_of_line = 0; out_of_line < 2; out_of_line = out_of_line + 1) {
        mig_test_out_of_line = out_of_line != 0;
        test_round_trip();
        test_requests();
        test_ownership();
        test_replies();
    }
}

/* An id of another interface is not served. */
static void test_unknown_ids(void **state)
{
    test_routine = *state;
    const mach_msg_id_t ids[] = {test_routine->id - 100000, test_routine->id + 100000, INT32_MIN,
                                 INT32_MAX};
    mach_msg_header_t *request = (mach_msg_header_t *)test_request;
    mach_msg_header_t *reply = (mach_msg_header_t *)test_reply;
    for (unsigned i = 0; i < 4; i = i + 1) {
        memset(test_request, 0, sizeof(test_request));
        request->msgh_size = 32;
        request->msgh_id = ids[i];
        assert_false(test_routine->server(request, reply));
        assert_int_equal(test_reply_code(), MIG_BAD_ID);
    }
}

int mig_test_main(const char *subsystem, struct mig_test_routine *routines, size_t count, int argc,
                  char **argv)
{
    struct CMUnitTest *tests = calloc(count + 1, sizeof(tests[0]));
    for (size_t i = 0; i < count; i = i + 1) {
        tests[i].name = routines[i].name;
        tests[i].test_func = test_stubs;
        tests[i].initial_state = &routines[i];
    }
    tests[count].name = "an_id_of_another_interface_is_refused";
    tests[count].test_func = test_unknown_ids;
    tests[count].initial_state = &routines[0];
    int failed = _cmocka_run_group_tests(subsystem, tests, count + 1, NULL, NULL);
    free(tests);
    if (argc > 1) {
        FILE *tally = fopen(argv[1], "a");
        if (tally != NULL) {
            fprintf(tally, "%zu %d\n", count + 1 - (size_t)failed, failed);
            fclose(tally);
        }
    }
    return failed;
}
