/* ipc_fastbuffer.h - the buffer of a thread that waits in mach_msg, written by way of its page
 * tables: for a message to a receiver that is not switched to. */
#ifndef IPC_IPC_FASTBUFFER_H
#define IPC_IPC_FASTBUFFER_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* Where it is: in one page or two. */
struct ipc_fastbuffer {
    uint32_t size;       /* bytes of the message */
    uint32_t first_size; /* of them in the first page */
    uint8_t *first;
    uint8_t *second;
};

/* Find room for `size` bytes (at most a page). False when a page is not there, or it is no memory
 * of the task, or not aligned. Locks: of what the receiver waits on; between pmap_peer_begin() and
 * pmap_peer_end(), until it has been written. */
bool ipc_fastbuffer_find(struct ipc_fastbuffer *buffer, const struct thread *receiver,
                         uint32_t size);
/* Write the message. Locks: as above. */
void ipc_fastbuffer_write(const struct ipc_fastbuffer *buffer, const void *message);

#endif
