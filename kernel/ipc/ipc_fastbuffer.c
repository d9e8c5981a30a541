/* ipc_fastbuffer.c - the buffer of a thread that waits. See ipc_fastbuffer.h. */
#include "ipc/ipc_fastbuffer.h"

#include <stddef.h>

#include "arch/layout.h"
#include "arch/pmap_switch.h"
#include "kern/assert.h"
#include "kern/string.h"
#include "kern/thread.h"

bool ipc_fastbuffer_find(struct ipc_fastbuffer *buffer, const struct thread *receiver,
                         uint32_t size)
{
    user_addr_t va = receiver->ipc.msg;
    user_addr_t end = va + size;
    user_addr_t stop = (va | PAGE_MASK) + 1;

    assert(size <= PAGE_SIZE);
    if (va % sizeof(uint64_t) != 0 || va >= VM_MAX_ADDRESS || end > VM_MAX_ADDRESS) {
        return false;
    }
    buffer->size = size;
    buffer->first_size = size;
    buffer->first = pmap_peer_address(receiver->pmap, va);
    if (end > stop) {
        buffer->first_size = (uint32_t)(stop - va);
        buffer->second = pmap_peer_address(receiver->pmap, stop);
        return buffer->first != NULL && buffer->second != NULL;
    }
    return buffer->first != NULL;
}

void ipc_fastbuffer_write(const struct ipc_fastbuffer *buffer, const void *message)
{
    memcpy(buffer->first, message, buffer->first_size);
    if (buffer->first_size != buffer->size) {
        memcpy(buffer->second, (const uint8_t *)message + buffer->first_size,
               buffer->size - buffer->first_size);
    }
}
