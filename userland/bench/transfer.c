/* transfer.c - what messages carry: rights, regions of memory, arguments of a generated stub; and
 * messages that wait in a queue. */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <string.h>

#include "bench_impl.h"
#include "program.h"
#include "sum.h"

#define PAGE 4096u

static struct bench_message message;

static void transfer_call(mach_port_t service, mach_port_t reply, mach_msg_id_t id, uint32_t bits)
{
    mach_msg_header_t *head = &message.head;

    head->msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) | bits;
    head->msgh_remote_port = service;
    head->msgh_local_port = reply;
    head->msgh_id = id;
    if (mach_msg_trap(head, MACH_SEND_MSG | MACH_RCV_MSG, BENCH_ITEM_SIZE, sizeof(message), reply,
                      0, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
        program_fail("a round trip failed");
    }
}

/* --- a right --- */

struct transfer {
    mach_port_t service;
    mach_port_t reply;
    mach_port_t carried; /* a receive right, of which a send right goes along */
    vm_address_t memory;
    vm_size_t size;
    mach_msg_id_t id;
};

static void work_port(void *argument)
{
    struct transfer *t = argument;

    message.item.type = (mach_msg_type_t){.msgt_name = MACH_MSG_TYPE_MAKE_SEND,
                                          .msgt_size = 64,
                                          .msgt_number = 1,
                                          .msgt_inline = TRUE};
    message.item.content = t->carried;
    transfer_call(t->service, t->reply, BENCH_UNTOUCHED, MACH_MSGH_BITS_COMPLEX);
}

static void measure_port(const char *name, unsigned names)
{
    struct transfer t = {.reply = mach_reply_port(), .carried = mach_reply_port()};
    mach_port_t task;

    if (!bench_is_wanted(name)) {
        return;
    }
    t.service = server_start("port", names, &task);
    bench_measure(name, work_port, &t);
    server_stop(t.service, task);
}

void transfer_ports(void)
{
    static const unsigned counts[] = {10, 1000, 100000, 1000000};

    measure_port("ipc.rpc.port", 0);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char name[40];

        snprintf(name, sizeof(name), "ipc.rpc.port.names.%u", counts[i]);
        measure_port(name, counts[i]);
    }
}

/* --- memory --- */

static void work_memory(void *argument)
{
    struct transfer *t = argument;

    message.item.type = (mach_msg_type_t){
        .msgt_name = MACH_MSG_TYPE_BYTE, .msgt_size = 8, .msgt_number = (unsigned)t->size};
    message.item.content = t->memory;
    transfer_call(t->service, t->reply, t->id, MACH_MSGH_BITS_COMPLEX);
}

static void measure_memory(const char *name, mach_port_t service, vm_size_t size, mach_msg_id_t id)
{
    struct transfer t = {.service = service, .reply = mach_reply_port(), .size = size, .id = id};

    program_check(vm_allocate(mach_task_self(), &t.memory, size, TRUE), "vm_allocate");
    memset((void *)t.memory, 1, size);
    bench_measure(name, work_memory, &t);
    vm_deallocate(mach_task_self(), t.memory, size);
}

void transfer_memory(void)
{
    mach_port_t service;
    mach_port_t task;

    if (!bench_is_wanted("ipc.ool.")) {
        return;
    }
    service = server_start("memory", 0, &task);
    measure_memory("ipc.ool.64k.read", service, 64 << 10, BENCH_READ);
    measure_memory("ipc.ool.1m.read", service, 1 << 20, BENCH_READ);
    measure_memory("ipc.ool.1m.untouched", service, 1 << 20, BENCH_UNTOUCHED);
    server_stop(service, task);
}

/* Regions read by the server, of sizes around which copying or sharing costs less. */
void transfer_sizes(void)
{
    mach_port_t service;
    mach_port_t task;

    service = server_start("memory", 0, &task);
    for (vm_size_t size = 1024; size <= 64 << 10; size *= 2) {
        char name[40];

        snprintf(name, sizeof(name), "ipc.ool.size.%lu", (unsigned long)size);
        measure_memory(name, service, size, BENCH_READ);
    }
    server_stop(service, task);
}

/* --- generated stubs --- */

static void work_sum(void *argument)
{
    mach_port_t *service = argument;
    int result = 0;

    if (sum(*service, 1, 2, 3, &result) != KERN_SUCCESS || result != 6) {
        program_fail("a sum failed");
    }
}

void transfer_sum(void)
{
    mach_port_t service;
    mach_port_t task;

    if (!bench_is_wanted("ipc.rpc.mig")) {
        return;
    }
    service = server_start("sum", 0, &task);
    bench_measure("ipc.rpc.mig", work_sum, &service);
    server_stop(service, task);
}

/* --- a queue --- */

#define QUEUED_SIZE (sizeof(mach_msg_header_t) + 32)

static void transfer_send(mach_port_t port)
{
    mach_msg_header_t *head = &message.head;

    head->msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0);
    head->msgh_remote_port = port;
    head->msgh_local_port = MACH_PORT_NULL;
    if (mach_msg_trap(head, MACH_SEND_MSG, QUEUED_SIZE, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL) !=
        MACH_MSG_SUCCESS) {
        program_fail("a message was not sent");
    }
}

static void transfer_receive(mach_port_t port)
{
    if (mach_msg_trap(&message.head, MACH_RCV_MSG, 0, sizeof(message), port, 0, MACH_PORT_NULL) !=
        MACH_MSG_SUCCESS) {
        program_fail("a message was not received");
    }
}

/* Each half alone: the other is done outside of the measuring. */
void transfer_queue(void)
{
    uint64_t smallest_send = UINT64_MAX;
    uint64_t smallest_receive = UINT64_MAX;
    uint64_t nothing = bench_nothing();
    mach_port_t port;

    if (!bench_is_wanted("ipc.send.queued") && !bench_is_wanted("ipc.receive.queued")) {
        return;
    }
    program_check(portolan_port_allocate(true, &port), "no port");
    for (unsigned i = 0; i < BENCH_WARM_UP + BENCH_ROUNDS; i++) {
        uint64_t start = bench_now();
        uint64_t middle, end;

        transfer_send(port);
        middle = bench_now();
        transfer_receive(port);
        end = bench_now();
        smallest_send = middle - start < smallest_send ? middle - start : smallest_send;
        smallest_receive = end - middle < smallest_receive ? end - middle : smallest_receive;
    }
    bench_print("ipc.send.queued", smallest_send - nothing);
    bench_print("ipc.receive.queued", smallest_receive - nothing);
    portolan_port_destroy_receive(port);
}
