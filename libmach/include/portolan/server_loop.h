/* server_loop.h - the loop of a server: receive, call the stub, reply, with as many threads as
 * wanted, on a port or a port set. */
#ifndef PORTOLAN_SERVER_LOOP_H
#define PORTOLAN_SERVER_LOOP_H

#include <mach/mach.h>
#include <mach/mig_support.h>
#include <stddef.h>

struct server {
    mach_port_t receive; /* a receive right or a port set */
    /* Tell by its id whether the message is one of ours, and serve it: io_server() || ...  */
    boolean_t (*demux)(mach_msg_header_t *in, mach_msg_header_t *out);
    size_t max_in;    /* longest request; 0: 16 KiB. Longer ones are refused and destroyed. */
    size_t max_out;   /* longest reply; 0: 16 KiB */
    unsigned threads; /* 0 or 1: the caller's thread alone */

    /* Notifications the kernel sent to the ports served; NULL: not of interest. `port` is what
     * identifies the port in requests too: its name, or its protected payload. */
    void (*no_senders)(uint64_t port, mach_port_mscount_t mscount);
    void (*dead_name)(mach_port_name_t name); /* the extra reference is dropped afterwards */
    void (*send_once)(uint64_t port);
};

/* Serve for ever. The structure must outlive the loop. With threads > 1 the others are made by
 * pthread_create. */
_Noreturn void server_loop(struct server *server);

/* One more thread for a running loop. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t server_add_thread(struct server *server);

/* Serve one message that was received into `in`: notifications, demux, and the reply sent with no
 * waiting. For programs with a loop of their own; out has max_out bytes. */
void server_handle(const struct server *server, mach_msg_header_t *in, mach_msg_header_t *out);

/* New port set. Returns: KERN_SUCCESS, and those of mach_port_allocate. */
kern_return_t server_set_create(mach_port_t *set);

/* New receive right in the set (MACH_PORT_NULL: in none). Returns: KERN_SUCCESS, KERN_INVALID_NAME,
 * KERN_INVALID_RIGHT (of the set), and those of mach_port_allocate. */
kern_return_t server_port_create(mach_port_t set, mach_port_t *port);

/* The same for an object: messages carry `object` (not 0) in place of the port's name, and
 * no_senders is told once when no send rights are left after the first one was made.
 * Returns: as server_port_create. */
kern_return_t server_object_create(mach_port_t set, uint64_t object, mach_port_t *port);

/* Ask for one no-senders notification, sent to the port itself, when all send rights made so far
 * (sync: the make-send count) are gone. Returns: KERN_SUCCESS, MACH_SEND_INVALID_RIGHT (not a
 * receive right). */
kern_return_t server_watch_senders(mach_port_t port, mach_port_mscount_t sync);

/* Ask for a dead-name notification about `name`, sent to `port`. Returns: KERN_SUCCESS,
 * KERN_INVALID_NAME, KERN_INVALID_RIGHT. */
kern_return_t server_watch_death(mach_port_name_t name, mach_port_t port);

/* In a server routine: what the request came in on, the port's name or what server_object_create
 * was given. (The stub's first argument is its low 32 bits.) 0 outside of a routine. */
uint64_t server_current_object(void);

/* In a server routine: the right to reply with. A routine that returns MIG_NO_REPLY keeps it, and
 * replies later with one of the two below, which use the right up. */
mach_port_t server_current_reply(void);

/* Reply to a request (its id, 6100 for io_read) with an error, or with success if the routine has
 * no out parameters. */
void server_reply_code(mach_port_t reply_to, mach_msg_id_t request, kern_return_t code);

/* Reply with success to a routine whose only out parameter is an array of char: io_read. At most
 * IO_DATA_MAX bytes, and no more than the caller had room for. */
void server_reply_data(mach_port_t reply_to, mach_msg_id_t request, const void *data, size_t size);

#endif
