/* rpc.c - round trips of simple messages: a cached reply port, one combined trap a side. */
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/spawn.h>
#include <pthread.h>
#include <stdio.h>

#include "bench_impl.h"
#include "program.h"

#define PROGRAM    "/bin/bench"
#define MESSAGE_ID 4711

static const mach_msg_size_t sizes[] = {0, 32, 128, 1024, 4096};

struct client {
    struct bench_message message;
    mach_port_t service; /* send right */
    mach_port_t reply;   /* receive right */
    mach_msg_size_t size;
};

static void work_rpc(void *argument)
{
    struct client *client = argument;
    mach_msg_header_t *head = &client->message.head;

    head->msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    head->msgh_size = client->size;
    head->msgh_remote_port = client->service;
    head->msgh_local_port = client->reply;
    head->msgh_id = MESSAGE_ID;
    if (mach_msg_trap(head, MACH_SEND_MSG | MACH_RCV_MSG, client->size, sizeof(client->message),
                      client->reply, 0, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
        program_fail("a round trip failed");
    }
}

_Noreturn void bench_serve(mach_port_t service)
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

static void measure_sizes(const char *kind, mach_port_t service)
{
    static struct client client;

    client.service = service;
    client.reply = mach_reply_port();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char name[40];

        snprintf(name, sizeof(name), "ipc.rpc.%s.%u", kind, sizes[i]);
        client.size = (mach_msg_size_t)(sizeof(mach_msg_header_t) + sizes[i]);
        bench_measure(name, work_rpc, &client);
    }
    portolan_port_destroy_receive(client.reply);
}

void bench_rpc_inter(void)
{
    char *const arguments[] = {"bench", NULL};
    struct spawn_right right = {"service", MACH_PORT_NULL, MACH_MSG_TYPE_MOVE_RECEIVE, 0};
    struct spawn spawn = {.path = PROGRAM, .argv = arguments, .rights = &right, .nrights = 1};
    mach_port_t server;
    kern_return_t kr;

    if (!bench_is_wanted("ipc.rpc.inter.")) {
        return;
    }
    program_check(portolan_port_allocate(true, &right.right), "no port for the server");
    kr = spawn_start(&spawn, &server, NULL);
    if (kr != KERN_SUCCESS) {
        program_fail("%s: %s", PROGRAM, spawn_error_string(kr));
    }
    measure_sizes("inter", right.right);
    task_terminate(server);
    mach_port_deallocate(mach_task_self(), server);
    mach_port_deallocate(mach_task_self(), right.right);
}

static void *serve_thread(void *argument)
{
    bench_serve(*(mach_port_t *)argument);
}

void bench_rpc_intra(void)
{
    static mach_port_t service;
    pthread_t thread;

    if (!bench_is_wanted("ipc.rpc.intra.")) {
        return;
    }
    program_check(portolan_port_allocate(true, &service), "no port for the server");
    if (pthread_create(&thread, NULL, serve_thread, &service) != 0) {
        program_fail("no thread for the server");
    }
    measure_sizes("intra", service);
}
