/* ipc_fastcarry.h - what a call on the short way may carry beside plain bytes: one send right, or
 * one region of memory. */
#ifndef IPC_IPC_FASTCARRY_H
#define IPC_IPC_FASTCARRY_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>
#include <mach/port.h>

struct ipc_entry;
struct ipc_port;
struct ipc_space;
struct vm_copy;

struct ipc_fastcarry {
    mach_msg_type_t *type; /* where it stands in the body */
    uint64_t *place;
    struct vm_copy *copy;    /* memory, or NULL: then it is a right: */
    mach_port_name_t name;   /* what the sender calls it, */
    bool make;               /* to be made from the receive right, else a copy of a send right, */
    struct ipc_port *port;   /* what it is a right to, */
    struct ipc_entry *entry; /* and where the receiver has one already, or NULL */
};

/* Find it in the kernel's copy of a message of `size` bytes, whose body is whole words. False when
 * the body is not just data and either one name of a send right to be made or copied, or one region
 * that stays with the sender. */
bool ipc_fastcarry_parse(mach_msg_header_t *header, uint32_t size, struct ipc_fastcarry *carry);
/* Is it memory? Before it is copied in. */
bool ipc_fastcarry_is_memory(const struct ipc_fastcarry *carry);
/* Copy the memory out of the current task. Sleeps. False when that fails. */
bool ipc_fastcarry_copyin(struct ipc_fastcarry *carry);
/* The call is declined: give the memory up. Sleeps. */
void ipc_fastcarry_discard(struct ipc_fastcarry *carry);

/* Can a right move from the sender's to the receiver's space now? Always for memory. Interrupts
 * off. Locks: both held; true: the right's port's is, too. The receiver must have a free entry
 * beside the one for the reply right. */
bool ipc_fastcarry_find(struct ipc_fastcarry *carry, struct ipc_space *from, struct ipc_space *to);
/* The same for a right to carry->port. Locks: `to` held. */
bool ipc_fastcarry_find_place(struct ipc_fastcarry *carry, struct ipc_space *to);
/* The call is declined after that. */
void ipc_fastcarry_drop(struct ipc_fastcarry *carry);
/* Move the right, and write what the receiver calls it into the body. Locks: its port's is
 * released. */
void ipc_fastcarry_move(struct ipc_fastcarry *carry, struct ipc_space *to);
/* As the receiver: map the memory, and write its address into the body. Sleeps. Returns:
 * MACH_MSG_SUCCESS, MACH_RCV_BODY_ERROR with what there was no room for. */
mach_msg_return_t ipc_fastcarry_map(struct ipc_fastcarry *carry);

#endif
