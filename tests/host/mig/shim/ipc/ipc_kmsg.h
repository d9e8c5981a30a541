/* ipc_kmsg.h - kmsgs for tests of the kernel's stubs: they remember what is done to them. */
#ifndef SHIM_IPC_KMSG_H
#define SHIM_IPC_KMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/message.h>

struct vm_copy;
struct ipc_port;

#define SHIM_SLOTS 8

struct ipc_kmsg {
    union {
        mach_msg_header_t header;
        uint8_t bytes[4096];
    } __attribute__((aligned(8)));
    void *slot[SHIM_SLOTS];
    unsigned slot_type[SHIM_SLOTS];
    bool consumed[SHIM_SLOTS];
    uint32_t slot_count;
    struct ipc_port *remote, *local;
    unsigned remote_type, local_type;
};

struct ipc_kmsg *ipc_kmsg_alloc(uint32_t msg_size, uint32_t max_slots);
mach_msg_header_t *ipc_kmsg_header(struct ipc_kmsg *kmsg);
struct ipc_port *ipc_kmsg_remote(struct ipc_kmsg *kmsg);
struct ipc_port *ipc_kmsg_local(struct ipc_kmsg *kmsg);
void ipc_kmsg_set_remote(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned disposition);
void ipc_kmsg_set_local(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned disposition);
struct ipc_port *ipc_kmsg_port(struct ipc_kmsg *kmsg, uint64_t slot);
struct vm_copy *ipc_kmsg_ool(struct ipc_kmsg *kmsg, uint64_t slot);
struct ipc_port **ipc_kmsg_ool_ports(struct ipc_kmsg *kmsg, uint64_t slot);
void ipc_kmsg_consume(struct ipc_kmsg *kmsg, uint64_t slot);
static inline void ipc_kmsg_place(struct ipc_kmsg *kmsg, void *place, uint64_t slot)
{
    (void)kmsg;
    __builtin_memcpy(place, &slot, sizeof(slot));
}

static inline void ipc_kmsg_placed(struct ipc_kmsg *kmsg)
{
    (void)kmsg;
}

uint64_t ipc_kmsg_put_port(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned type);
uint64_t ipc_kmsg_put_ool(struct ipc_kmsg *kmsg, struct vm_copy *copy);
uint64_t ipc_kmsg_put_ool_ports(struct ipc_kmsg *kmsg, struct ipc_port **array, uint32_t count,
                                unsigned type);
kern_return_t ipc_kmsg_send_kernel(struct ipc_kmsg *kmsg);
kern_return_t ipc_kmsg_send_timeout(struct ipc_kmsg *kmsg, uint32_t timeout_ms);

#endif
