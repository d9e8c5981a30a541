/* rpc.c - round trips of simple messages: a cached reply port, one combined trap a side. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <pthread.h>
#include <stdio.h>

#include "bench_impl.h"
#include "program.h"

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

void rpc_inter(void)
{
    mach_port_t service;
    mach_port_t task;

    if (!bench_is_wanted("ipc.rpc.inter.")) {
        return;
    }
    service = server_start("echo", 0, &task);
    measure_sizes("inter", service);
    server_stop(service, task);
}

static void *serve_thread(void *argument)
{
    server_echo(*(mach_port_t *)argument);
}

void rpc_intra(void)
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

/* Bind the only thread of a task. */
static void bind_task(mach_port_t task, int cpu)
{
    thread_array_t threads;
    mach_msg_type_number_t count;

    program_check(task_threads(task, &threads, &count), "task_threads");
    program_check(thread_bind(threads[0], cpu), "thread_bind");
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        mach_port_deallocate(mach_task_self(), threads[i]);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof(*threads));
}

void rpc_cross_cpu(void)
{
    static struct client client = {.size = sizeof(mach_msg_header_t) + 32};
    mach_port_t task;

    if (!bench_is_wanted("ipc.rpc.cross_cpu.32")) {
        return;
    }
    program_check(thread_bind(mach_thread_self(), 0), "thread_bind");
    client.service = server_start("echo", 0, &task);
    client.reply = mach_reply_port();
    bind_task(task, 1);
    bench_measure("ipc.rpc.cross_cpu.32", work_rpc, &client);
    server_stop(client.service, task);
}
