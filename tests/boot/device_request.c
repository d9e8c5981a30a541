/* device_request.c - a client of the device master and of a disk that does not wait for replies: it
 * sends requests (device_request.defs), and is told what came of them (device_reply.defs).
 *
 *     device_request NAME     every sector of the disk holds its number; some are written
 *
 * Prints `what: ok`, or what was wrong. */
#include <device_reply_server.h>
#include <device_request.h>
#include <mach/device_types.h>
#include <mach_port.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mach.h>

#include "userland/lib/program.h"

#define SECTOR      512u
#define WORDS       (SECTOR / sizeof(uint64_t))
#define SECTORS     8u /* of a read, and of a write */
#define BEYOND      (1ll << 40)
#define FIRST       300 /* sector that is written */
#define ADDED       1000u
#define AT_ONCE     6u
#define WAIT_MS     30000u
#define MESSAGE_MAX 1024u

enum kind { NOTHING, OPENED, OPENED_NEW, READ, READ_INBAND, WRITTEN, WRITTEN_INBAND };

/* What the last message said. */
static struct {
    enum kind kind;
    kern_return_t code;
    mach_port_t port;
    uint64_t words[WORDS * SECTORS];
    size_t size; /* bytes read or written */
} told;

static mach_port_t reply; /* receive right */

/* --- what is told --- */

kern_return_t device_open_reply(mach_port_t port, kern_return_t code, mach_port_t device)
{
    (void)port;
    told.kind = OPENED;
    told.code = code;
    told.port = device;
    return KERN_SUCCESS;
}

kern_return_t device_open_new_reply(mach_port_t port, kern_return_t code, mach_port_t device)
{
    (void)device_open_reply(port, code, device);
    told.kind = OPENED_NEW;
    return KERN_SUCCESS;
}

kern_return_t device_write_reply(mach_port_t port, kern_return_t code, int written)
{
    (void)port;
    told.kind = WRITTEN;
    told.code = code;
    told.size = (size_t)written;
    return KERN_SUCCESS;
}

kern_return_t device_write_reply_inband(mach_port_t port, kern_return_t code, int written)
{
    (void)port;
    told.kind = WRITTEN_INBAND;
    told.code = code;
    told.size = (size_t)written;
    return KERN_SUCCESS;
}

static void tell_data(enum kind kind, kern_return_t code, const void *data, size_t size)
{
    told.kind = kind;
    told.code = code;
    told.size = size;
    memcpy(told.words, data, size < sizeof(told.words) ? size : sizeof(told.words));
}

kern_return_t device_read_reply(mach_port_t port, kern_return_t code, io_buf_ptr_t data,
                                mach_msg_type_number_t count)
{
    (void)port;
    tell_data(READ, code, data, count);
    if (count != 0) {
        vm_deallocate(mach_task_self(), (vm_address_t)data, count);
    }
    return KERN_SUCCESS;
}

kern_return_t device_read_reply_inband(mach_port_t port, kern_return_t code,
                                       io_buf_ptr_inband_t data, mach_msg_type_number_t count)
{
    (void)port;
    tell_data(READ_INBAND, code, data, count);
    return KERN_SUCCESS;
}

/* Wait for one reply. Returns: false when none came, or one of no known form. */
static bool hear(void)
{
    union {
        mach_msg_header_t head;
        char bytes[MESSAGE_MAX];
    } in, out;

    memset(&told, 0, sizeof(told));
    if (mach_msg(&in.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(in), reply, WAIT_MS,
                 MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
        return false;
    }
    return device_reply_server(&in.head, &out.head) && told.kind != NOTHING;
}

/* --- what is asked --- */

/* The request was sent; its reply is of that kind, with that code and so many bytes. */
static bool expect(const char *what, kern_return_t sent, enum kind kind, kern_return_t code,
                   size_t size)
{
    bool good = sent == KERN_SUCCESS && hear() && told.kind == kind && told.code == code &&
                told.size == size;

    printf("%s: %s", what, good ? "ok\n" : "WRONG");
    if (!good) {
        printf(" sent %d, kind %d, code %d (%s), %zu bytes\n", sent, told.kind, told.code,
               mach_error_string(told.code), told.size);
    }
    return good;
}

/* Do the words read hold the numbers of sectors from `first` on, and something added? */
static void expect_numbers(const char *what, uint64_t first, uint64_t added)
{
    size_t words = told.size / sizeof(uint64_t);
    uint64_t wrong = words == 0;

    for (size_t i = 0; i < words && i < sizeof(told.words) / sizeof(told.words[0]); i++) {
        wrong += told.words[i] != first + i / WORDS + added;
    }
    printf("%s: %s\n", what, wrong == 0 ? "ok" : "WRONG");
}

static mach_port_t ask_to_open(mach_port_t master, const char *name)
{
    mach_port_t device;

    expect("open", device_open_request(master, reply, D_READ | D_WRITE, name), OPENED, KERN_SUCCESS,
           0);
    device = told.port;
    expect("open by the newer form", device_open_new_request(master, reply, D_READ, name),
           OPENED_NEW, KERN_SUCCESS, 0);
    printf("the same device: %s\n", device == told.port ? "ok" : "WRONG");
    expect("open what is not there", device_open_request(master, reply, D_READ, "disk77"), OPENED,
           D_NO_SUCH_DEVICE, 0);
    printf("no right: %s\n", told.port == MACH_PORT_NULL ? "ok" : "WRONG");
    expect("by the newer form", device_open_new_request(master, reply, D_READ, "disk77"),
           OPENED_NEW, D_NO_SUCH_DEVICE, 0);
    return device;
}

static void ask_to_read(mach_port_t device)
{
    expect("read", device_read_request(device, reply, D_READ, 5, SECTOR * SECTORS), READ,
           KERN_SUCCESS, SECTOR * SECTORS);
    expect_numbers("what was read", 5, 0);
    expect("read inline", device_read_request_inband(device, reply, D_READ, 7, 16), READ_INBAND,
           KERN_SUCCESS, 16);
    expect_numbers("what was read inline", 7, 0);
    expect("read beyond", device_read_request(device, reply, D_READ, BEYOND, SECTOR), READ,
           D_INVALID_RECNUM, 0);
    expect("read half", device_read_request(device, reply, D_READ, 0, SECTOR / 2), READ,
           D_INVALID_SIZE, 0);
    expect("read beyond inline", device_read_request_inband(device, reply, D_READ, BEYOND, 16),
           READ_INBAND, D_INVALID_RECNUM, 0);
    expect("read too much inline",
           device_read_request_inband(device, reply, D_READ, 0, IO_INBAND_MAX + 1), READ_INBAND,
           D_INVALID_SIZE, 0);
}

static void ask_to_write(mach_port_t device)
{
    static uint64_t words[WORDS * SECTORS] __attribute__((aligned(SECTOR)));
    char *bytes = (char *)words;

    for (size_t i = 0; i < WORDS * SECTORS; i++) {
        words[i] = FIRST + i / WORDS + ADDED;
    }
    expect("write", device_write_request(device, reply, D_WRITE, FIRST, bytes, sizeof(words)),
           WRITTEN, KERN_SUCCESS, sizeof(words));
    expect("read it", device_read_request(device, reply, D_READ, FIRST, sizeof(words)), READ,
           KERN_SUCCESS, sizeof(words));
    expect_numbers("what was written", FIRST, ADDED);
    expect("write beyond", device_write_request(device, reply, D_WRITE, BEYOND, bytes, SECTOR),
           WRITTEN, D_INVALID_RECNUM, 0);
    expect("write half", device_write_request(device, reply, D_WRITE, 0, bytes, SECTOR / 2),
           WRITTEN, D_INVALID_SIZE, 0);
    expect("write inline", device_write_request_inband(device, reply, D_WRITE, 0, bytes, 16),
           WRITTEN_INBAND, D_INVALID_SIZE, 0);
}

/* Several are sent before the first is answered; each is answered once, in any order. */
static void ask_at_once(mach_port_t device)
{
    unsigned sent = 0, good = 0;
    uint64_t seen = 0;

    for (unsigned i = 0; i < AT_ONCE; i++) {
        sent += device_read_request(device, reply, D_READ, i, SECTOR) == KERN_SUCCESS;
    }
    for (unsigned i = 0; i < sent && hear(); i++) {
        good += told.kind == READ && told.code == KERN_SUCCESS && told.size == SECTOR;
        seen |= told.words[0] < AT_ONCE ? 1ull << told.words[0] : 0;
    }
    printf("several at once: %s\n",
           good == AT_ONCE && seen == (1ull << AT_ONCE) - 1 ? "ok" : "WRONG");
}

int main(int argc, char **argv)
{
    mach_port_t master, device;

    program_start(argv);
    if (argc != 2) {
        program_usage("device_request NAME");
    }
    program_check(portolan_look_up("device_master", &master), "device_master");
    program_check(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &reply), "a port");
    device = ask_to_open(master, argv[1]);
    if (!MACH_PORT_VALID(device)) {
        return 1;
    }
    ask_to_read(device);
    ask_to_write(device);
    ask_at_once(device);
    return 0;
}
