/* server_loop.c - the loop of a server: each thread receives, serves, and replies while it receives
 * the next request in the same call. */
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <pthread.h>

#include "server/server_impl.h"

#define LOOP_DEFAULT_SIZE ((size_t)16 * 1024)
#define LOOP_THREAD_STACK ((size_t)128 * 1024)

/* What the routine that runs serves. In loop_run it is left behind until the next message, since
 * nothing else of the program runs before that. */
static __thread const mach_msg_header_t *loop_request;

uint64_t server_current_object(void)
{
    return loop_request != NULL ? server_port_of(loop_request) : 0;
}

mach_port_t server_current_reply(void)
{
    return loop_request != NULL ? loop_request->msgh_remote_port : MACH_PORT_NULL;
}

uint64_t server_port_of(const mach_msg_header_t *message)
{
    bool payload = MACH_MSGH_BITS_LOCAL(message->msgh_bits) == MACH_MSG_TYPE_PROTECTED_PAYLOAD;

    return payload ? message->msgh_protected_payload : message->msgh_local_port;
}

/* Serve a request. Returns whether a reply is to be sent. */
static inline bool loop_serve(const struct server *server, mach_msg_header_t *in,
                              mach_msg_header_t *out)
{
    if (server_is_notification(in)) {
        loop_request = NULL;
        server_notification(server, in);
        return false;
    }
    loop_request = in;
    if (!server->demux(in, out)) {
        /* Nobody's: the stubs have made the reply, MIG_BAD_ID, but took nothing. */
        mig_give_back(in);
    }
    return mig_load32((const char *)out + 40) != (uint32_t)MIG_NO_REPLY &&
           MACH_PORT_VALID(out->msgh_remote_port);
}

/* Options for sending a reply: one who does not wait for it with room must not stop the server. */
static inline mach_msg_option_t loop_send_options(const mach_msg_header_t *out,
                                                  mach_msg_option_t others)
{
    return MACH_MSGH_BITS_REMOTE(out->msgh_bits) == MACH_MSG_TYPE_MOVE_SEND_ONCE
               ? MACH_SEND_MSG | others
               : MACH_SEND_MSG | MACH_SEND_TIMEOUT | others;
}

/* Did the error come from the sending half? Then the reply's rights are still ours. */
static bool loop_send_failed(mach_msg_return_t result)
{
    return result >= MACH_SEND_IN_PROGRESS && result <= MACH_SEND_INVALID_HEADER;
}

void server_handle(const struct server *server, mach_msg_header_t *in, mach_msg_header_t *out)
{
    bool reply = loop_serve(server, in, out);
    mach_msg_return_t result;

    loop_request = NULL;
    if (!reply) {
        return;
    }
    result = mach_msg(out, loop_send_options(out, 0), out->msgh_size, 0, MACH_PORT_NULL,
                      MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
    if (result != MACH_MSG_SUCCESS) {
        mach_msg_destroy(out);
    }
}

static mach_msg_return_t loop_receive(const struct server *server, mach_msg_header_t *in,
                                      size_t size)
{
    return mach_msg_quick(in, MACH_RCV_MSG, 0, (mach_msg_size_t)size, server->receive,
                          MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

/* The trap that sends the reply and receives has not done both. A reply not sent is as it was. */
MIG_COLD mach_msg_return_t loop_reply_again(const struct server *server, mach_msg_header_t *out,
                                            size_t size, mach_msg_return_t result)
{
    result = mach_msg_again(result, out, loop_send_options(out, MACH_RCV_MSG), out->msgh_size,
                            (mach_msg_size_t)size, server->receive, MACH_MSG_TIMEOUT_NONE,
                            MACH_PORT_NULL);
    if (loop_send_failed(result)) {
        mach_msg_destroy(out);
        result = loop_receive(server, out, size);
    }
    return result;
}

/* Send the reply and receive the next request in its buffer. */
static inline mach_msg_return_t loop_reply(const struct server *server, mach_msg_header_t *out,
                                           size_t size)
{
    mach_msg_return_t result =
        mach_msg_trap_in_place(out, loop_send_options(out, MACH_RCV_MSG), out->msgh_size,
                               (mach_msg_size_t)size, server->receive, MACH_MSG_TIMEOUT_NONE);

    return __builtin_expect(result == MACH_MSG_SUCCESS, 1)
               ? result
               : loop_reply_again(server, out, size, result);
}

static _Noreturn void loop_run(const struct server *server, mach_msg_header_t *in,
                               mach_msg_header_t *out, size_t size)
{
    mach_msg_return_t result = loop_receive(server, in, size);

    for (;;) {
        if (result == MACH_MSG_SUCCESS && loop_serve(server, in, out)) {
            mach_msg_header_t *swap = in;

            result = loop_reply(server, out, size);
            in = out; /* the request came in where the reply was */
            out = swap;
            continue;
        }
        if (result == MACH_RCV_INVALID_NAME || result == MACH_RCV_PORT_DIED) {
            portolan_print("server: port %u is gone, nothing to serve\n", server->receive);
            portolan_exit(1 << 8);
        }
        result = loop_receive(server, in, size);
    }
}

static size_t loop_size(const struct server *server)
{
    size_t in = server->max_in != 0 ? server->max_in : LOOP_DEFAULT_SIZE;
    size_t out = server->max_out != 0 ? server->max_out : LOOP_DEFAULT_SIZE;

    /* One size for both: each buffer is used for either. */
    return mach_round_page(in > out ? in : out);
}

static void *loop_thread(void *argument)
{
    const struct server *server = argument;
    size_t size = loop_size(server);
    vm_address_t buffers;

    mig_allocate(&buffers, 2 * size);
    if (buffers == 0) {
        portolan_print("server: no memory for a thread's buffers\n");
        return NULL;
    }
    (void)mig_get_reply_port(); /* not in the middle of its first call */
    loop_run(server, (mach_msg_header_t *)buffers, (mach_msg_header_t *)(buffers + size), size);
}

kern_return_t server_add_thread(struct server *server)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, LOOP_THREAD_STACK);
    error = pthread_create(&thread, &attributes, loop_thread, server);
    pthread_attr_destroy(&attributes);
    return error == 0 ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

void server_loop(struct server *server)
{
    for (unsigned i = 1; i < server->threads; i++) {
        if (server_add_thread(server) != KERN_SUCCESS) {
            break; /* fewer threads serve as well, only slower */
        }
    }
    loop_thread(server);
    portolan_exit(1 << 8);
}
