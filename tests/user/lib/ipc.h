/* ipc.h - what the tests of ports and messages share: messages made item by item, threads that
 * block in mach_msg, and looks at what a name denotes. */
#ifndef IPC_H
#define IPC_H

#include <pthread.h>

#include "test.h"

#define IPC_BODY_MAX  12288
#define IPC_NO_NAME   0x00abcdefu
#define IPC_PAGE_SIZE 4096u

/* Addresses no program may use. */
#define IPC_KERNEL_TEXT   0xffffffff80100000ul
#define IPC_KERNEL_MEMORY 0xffff800000100000ul
#define IPC_NON_CANONICAL 0x0000900000000000ul
#define IPC_USER_END      0x0000800000000000ul

/* Long enough that only a lost wake-up reaches it. */
#define IPC_LONG_MS 20000

/* A message with room behind it. */
struct ipc_message {
    mach_msg_header_t head;
    uint8_t body[IPC_BODY_MAX];
};

/* --- messages --- */

/* An empty message; the header's msgh_size grows with what is added. */
void ipc_begin(struct ipc_message *m, mach_port_t to, unsigned disposition, int id);
/* Add bytes as they are; a body with items needs a multiple of 8. */
void ipc_add_bytes(struct ipc_message *m, const void *bytes, uint32_t size);
/* Add an inline array of rights and make the message complex. */
void ipc_add_ports(struct ipc_message *m, const mach_port_t *ports, uint32_t count,
                   unsigned disposition);
/* Add the pointer to an out-of-line array of rights. */
void ipc_add_port_array(struct ipc_message *m, const mach_port_t *ports, uint32_t count,
                        unsigned disposition, bool deallocate);
/* Add the pointer to out-of-line memory. */
void ipc_add_memory(struct ipc_message *m, const void *data, uint32_t size, bool deallocate);
mach_msg_return_t ipc_send(struct ipc_message *m, int option, unsigned timeout);
/* Receive; the buffer is filled with 0xa5 before. */
mach_msg_return_t ipc_receive(mach_port_t from, struct ipc_message *m, int option,
                              unsigned timeout);
/* The i-th descriptor of a received message, and its data (that of inline items, or the pointer).
 */
mach_msg_type_t *ipc_item(struct ipc_message *m, unsigned i);
uint64_t *ipc_item_data(struct ipc_message *m, unsigned i);

/* --- names --- */

mach_port_type_t ipc_type(mach_port_t name); /* 0 for a name that denotes nothing */
mach_port_urefs_t ipc_refs(mach_port_t name, mach_port_right_t right);
mach_port_status_t ipc_status(mach_port_t receive);
mach_port_t ipc_receive_right(void); /* without a send right */
mach_port_t ipc_send_once(mach_port_t receive);
mach_port_t ipc_set(void);
/* A dead name with one reference. */
mach_port_t ipc_dead_name(void);
void ipc_drop(mach_port_t name);
/* The names this task has. */
uint32_t ipc_name_count(void);

/* --- threads --- */

/* One trap of mach_msg, done by a thread of its own. */
struct ipc_call {
    pthread_t thread;
    mach_port_t port; /* the thread's */
    mach_msg_header_t *message;
    int option;
    uint32_t send_size, rcv_size;
    mach_port_t from;
    unsigned timeout;
    mach_port_t notify;
    mach_msg_return_t result;
    bool is_done;
};

/* Start it and wait until it blocks or is done. */
void ipc_call_start(struct ipc_call *call);
bool ipc_call_is_done(const struct ipc_call *call);
/* Wait for its end; the result. */
mach_msg_return_t ipc_call_end(struct ipc_call *call);
/* The thread receives into m. */
void ipc_call_receive(struct ipc_call *call, mach_port_t from, struct ipc_message *m, int option,
                      unsigned timeout);
/* The thread sends m. */
void ipc_call_send(struct ipc_call *call, struct ipc_message *m, int option, unsigned timeout);
/* The thread sends m with a reply right to `reply` and waits for the answer there. */
void ipc_call_rpc(struct ipc_call *call, struct ipc_message *m, mach_port_t reply);
/* Wait until the thread waits; false after a second. */
bool ipc_wait_blocked(mach_port_t thread);
void ipc_pause_ms(unsigned ms);

/* Fresh memory, and what gives it back. */
uint8_t *ipc_pages(unsigned count);
void ipc_free_pages(void *pages, unsigned count);
void ipc_protect(void *pages, unsigned count, int protection);

#endif
