/* ipc_fastright.h - the send right that a call on the short way may carry. Interrupts are off in
 * all of it. */
#ifndef IPC_IPC_FASTRIGHT_H
#define IPC_IPC_FASTRIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>
#include <mach/port.h>

struct ipc_entry;
struct ipc_port;
struct ipc_space;

struct ipc_fastright {
    mach_msg_type_t *type; /* where it stands in the body */
    uint64_t *place;
    mach_port_name_t name;
    bool make;               /* a new right from the receive right, else a copy of a send right */
    struct ipc_port *port;   /* what it is a right to, */
    struct ipc_entry *entry; /* and where the receiver has one already, or NULL */
};

/* Find the right in the kernel's copy of a message of `size` bytes, whose body is whole words.
 * False when the body is not just data and one name of a right to be made or copied. */
bool ipc_fastright_parse(mach_msg_header_t *header, uint32_t size, struct ipc_fastright *right);
/* Can the right move from the sender's to the receiver's space now? Locks: both held; true: the
 * port's is, too. The receiver must have a free entry beside the one for the reply right. */
bool ipc_fastright_find(struct ipc_fastright *right, struct ipc_space *from, struct ipc_space *to);
/* Move it, and write what the receiver calls it into the body. Locks: the port's is released. */
void ipc_fastright_move(struct ipc_fastright *right, struct ipc_space *to);

#endif
