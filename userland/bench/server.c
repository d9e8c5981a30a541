/* server.c - the tasks on the other side of the measurements: this program again, told by its first
 * argument what to serve on its port. */
#include <exc_server.h>
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_impl.h"
#include "program.h"
#include "sum_server.h"

#define PROGRAM "/bin/bench"
#define PAGE    4096u

_Noreturn void server_echo(mach_port_t service)
{
    static struct bench_message message;
    mach_msg_header_t *head = &message.head;
    mach_msg_option_t option = MACH_RCV_MSG;

    for (;;) {
        if (mach_msg_trap(head, option, head->msgh_size, sizeof(message), service, 0,
                          MACH_PORT_NULL) == MACH_MSG_SUCCESS) {
            head->msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(head->msgh_bits), 0);
            head->msgh_local_port = MACH_PORT_NULL;
            option = MACH_SEND_MSG | MACH_RCV_MSG;
        } else {
            option = MACH_RCV_MSG; /* the client is gone */
        }
    }
}

/* Receive, handle what came, answer with an empty message. */
static _Noreturn void server_answer(mach_port_t service, void (*handle)(struct bench_message *))
{
    static struct bench_message message;
    mach_msg_header_t *head = &message.head;
    mach_msg_option_t option = MACH_RCV_MSG;

    for (;;) {
        if (mach_msg_trap(head, option, sizeof(*head), sizeof(message), service, 0,
                          MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
            option = MACH_RCV_MSG;
            continue;
        }
        handle(&message);
        head->msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(head->msgh_bits), 0);
        head->msgh_local_port = MACH_PORT_NULL;
        option = MACH_SEND_MSG | MACH_RCV_MSG;
    }
}

static void server_drop_port(struct bench_message *message)
{
    syscall_mach_port_deallocate(mach_task_self(), (mach_port_name_t)message->item.content);
}

static void server_read_memory(struct bench_message *message)
{
    vm_address_t memory = message->item.content;
    vm_size_t size = message->item.type.msgt_number;

    if (message->head.msgh_id == BENCH_READ) {
        for (vm_size_t at = 0; at < size; at += PAGE) {
            (void)*(volatile uint64_t *)(memory + at);
        }
    }
    syscall_vm_deallocate(mach_task_self(), memory, size);
}

kern_return_t serve_sum(mach_port_t server, int a, int b, int c, int *sum)
{
    (void)server;
    *sum = a + b + c;
    return KERN_SUCCESS;
}

/* A write to memory that may only be read: let it be written. */
kern_return_t catch_exception_raise(mach_port_t port, mach_port_t thread, mach_port_t task,
                                    integer_t exception, integer_t code, rpc_long_integer_t subcode)
{
    vm_address_t page = (vm_address_t)subcode & ~(vm_address_t)(PAGE - 1);
    kern_return_t kr = vm_protect(task, page, PAGE, FALSE, VM_PROT_DEFAULT);

    (void)port;
    (void)exception;
    (void)code;
    syscall_mach_port_deallocate(mach_task_self(), thread);
    syscall_mach_port_deallocate(mach_task_self(), task);
    return kr;
}

/* Names that denote nothing, so many. */
void server_make_names(unsigned count)
{
    mach_port_name_t name;

    for (unsigned i = 0; i < count; i++) {
        if (syscall_mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_DEAD_NAME, &name) !=
            KERN_SUCCESS) {
            program_fail("no more than %u names", i);
        }
    }
}

_Noreturn void server_run(mach_port_t service, char **argv)
{
    struct server loop = {.demux = sum_server, .receive = service};
    const char *what = argv[1];

    if (strcmp(what, "port") == 0) {
        server_make_names((unsigned)atoi(argv[2]));
        server_answer(service, server_drop_port);
    } else if (strcmp(what, "memory") == 0) {
        server_answer(service, server_read_memory);
    } else if (strcmp(what, "sum") == 0) {
        server_loop(&loop);
    } else if (strcmp(what, "pager") == 0) {
        pager_serve(service);
    } else if (strcmp(what, "spin") == 0) {
        irq_spin();
    } else if (strcmp(what, "exception") == 0) {
        loop.demux = exc_server;
        server_loop(&loop);
    }
    server_echo(service);
}

mach_port_t server_start(const char *what, unsigned names, mach_port_t *task)
{
    char count[12];
    char *const arguments[] = {"bench", (char *)what, count, NULL};
    struct spawn_right right = {"service", MACH_PORT_NULL, MACH_MSG_TYPE_MOVE_RECEIVE, 0};
    struct spawn spawn = {
        .path = PROGRAM, .argv = arguments, .rights = &right, .nrights = 1, .suspended = true};
    kern_return_t kr;

    snprintf(count, sizeof(count), "%u", names);
    program_check(portolan_port_allocate(true, &right.right), "no port for the server");
    kr = spawn_start(&spawn, task, NULL);
    if (kr != KERN_SUCCESS) {
        program_fail("%s: %s", PROGRAM, spawn_error_string(kr));
    }
    bench_raise_limits(*task);
    task_resume(*task);
    return right.right;
}

void server_stop(mach_port_t service, mach_port_t task)
{
    task_terminate(task);
    mach_port_deallocate(mach_task_self(), task);
    mach_port_deallocate(mach_task_self(), service);
}
