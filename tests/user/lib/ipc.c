/* ipc.c - see ipc.h. */
#include "ipc.h"

#include <mach.h>
#include <mach_port.h>
#include <string.h>
#include <sys/mman.h>

#define CALL_STACK   65536
#define BLOCK_TRIES  5000
#define MESSAGE_SIZE ((uint32_t)sizeof(struct ipc_message))

static mach_port_t self(void)
{
    return mach_task_self();
}

/* --- messages --- */

void ipc_begin(struct ipc_message *m, mach_port_t to, unsigned disposition, int id)
{
    m->head = (mach_msg_header_t){.msgh_bits = MACH_MSGH_BITS(disposition, 0),
                                  .msgh_size = sizeof(m->head),
                                  .msgh_remote_port = to,
                                  .msgh_id = id};
}

void ipc_add_bytes(struct ipc_message *m, const void *bytes, uint32_t size)
{
    memcpy((uint8_t *)m + m->head.msgh_size, bytes, size);
    m->head.msgh_size += size;
}

static void add_item(struct ipc_message *m, mach_msg_type_t type)
{
    m->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    ipc_add_bytes(m, &type, sizeof(type));
}

static void add_word(struct ipc_message *m, uint64_t word)
{
    ipc_add_bytes(m, &word, sizeof(word));
}

void ipc_add_ports(struct ipc_message *m, const mach_port_t *ports, uint32_t count,
                   unsigned disposition)
{
    add_item(m, (mach_msg_type_t){.msgt_name = disposition & 0xff,
                                  .msgt_size = 64,
                                  .msgt_inline = 1,
                                  .msgt_number = count});
    for (uint32_t i = 0; i < count; i++) {
        add_word(m, ports[i]);
    }
}

void ipc_add_port_array(struct ipc_message *m, const mach_port_t *ports, uint32_t count,
                        unsigned disposition, bool deallocate)
{
    add_item(m, (mach_msg_type_t){.msgt_name = disposition & 0xff,
                                  .msgt_size = 32,
                                  .msgt_deallocate = deallocate,
                                  .msgt_number = count});
    add_word(m, (uint64_t)ports);
}

void ipc_add_memory(struct ipc_message *m, const void *data, uint32_t size, bool deallocate)
{
    add_item(m, (mach_msg_type_t){.msgt_name = MACH_MSG_TYPE_BYTE,
                                  .msgt_size = 8,
                                  .msgt_deallocate = deallocate,
                                  .msgt_number = size});
    add_word(m, (uint64_t)data);
}

mach_msg_return_t ipc_send(struct ipc_message *m, int option, unsigned timeout)
{
    return mach_msg(&m->head, MACH_SEND_MSG | option, m->head.msgh_size, 0, 0, timeout, 0);
}

mach_msg_return_t ipc_receive(mach_port_t from, struct ipc_message *m, int option, unsigned timeout)
{
    memset(m, 0xa5, sizeof(*m));
    return mach_msg(&m->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | option, 0, MESSAGE_SIZE, from,
                    timeout, 0);
}

mach_msg_type_t *ipc_item(struct ipc_message *m, unsigned i)
{
    uint8_t *at = m->body;

    for (; i > 0; i--) {
        mach_msg_type_t *type = (mach_msg_type_t *)at;
        uint32_t bytes = type->msgt_size / 8 * type->msgt_number;

        at += sizeof(*type) + (type->msgt_inline ? MACH_MSG_ALIGN(bytes) : sizeof(uint64_t));
    }
    return (mach_msg_type_t *)at;
}

uint64_t *ipc_item_data(struct ipc_message *m, unsigned i)
{
    return (uint64_t *)(ipc_item(m, i) + 1);
}

/* --- names --- */

mach_port_type_t ipc_type(mach_port_t name)
{
    mach_port_type_t type = 0;

    return mach_port_type(self(), name, &type) == KERN_SUCCESS ? type & MACH_PORT_TYPE_ALL_RIGHTS
                                                               : 0;
}

mach_port_urefs_t ipc_refs(mach_port_t name, mach_port_right_t right)
{
    mach_port_urefs_t refs = ~0u;

    CHECK_EQ(mach_port_get_refs(self(), name, right, &refs), KERN_SUCCESS);
    return refs;
}

mach_port_status_t ipc_status(mach_port_t receive)
{
    mach_port_status_t status;

    memset(&status, 0xff, sizeof(status));
    CHECK_EQ(mach_port_get_receive_status(self(), receive, &status), KERN_SUCCESS);
    return status;
}

static mach_port_t allocate(mach_port_right_t right)
{
    mach_port_t name = MACH_PORT_NULL;

    CHECK_EQ(mach_port_allocate(self(), right, &name), KERN_SUCCESS);
    return name;
}

mach_port_t ipc_receive_right(void)
{
    return allocate(MACH_PORT_RIGHT_RECEIVE);
}

mach_port_t ipc_set(void)
{
    return allocate(MACH_PORT_RIGHT_PORT_SET);
}

mach_port_t ipc_dead_name(void)
{
    return allocate(MACH_PORT_RIGHT_DEAD_NAME);
}

mach_port_t ipc_send_once(mach_port_t receive)
{
    mach_port_t name = MACH_PORT_NULL;
    mach_msg_type_name_t type;

    CHECK_EQ(mach_port_extract_right(self(), receive, MACH_MSG_TYPE_MAKE_SEND_ONCE, &name, &type),
             KERN_SUCCESS);
    return name;
}

void ipc_drop(mach_port_t name)
{
    CHECK_EQ(mach_port_destroy(self(), name), KERN_SUCCESS);
}

uint32_t ipc_name_count(void)
{
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t name_count = 0, type_count = 0;

    CHECK_EQ(mach_port_names(self(), &names, &name_count, &types, &type_count), KERN_SUCCESS);
    syscall_vm_deallocate(self(), (vm_address_t)names, name_count * sizeof(*names));
    syscall_vm_deallocate(self(), (vm_address_t)types, type_count * sizeof(*types));
    return name_count;
}

/* --- threads --- */

static void *call_run(void *argument)
{
    struct ipc_call *call = argument;

    __atomic_store_n(&call->port, (mach_thread_self)(), __ATOMIC_RELEASE);
    call->result = mach_msg_trap(call->message, call->option, call->send_size, call->rcv_size,
                                 call->from, call->timeout, call->notify);
    __atomic_store_n(&call->is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

bool ipc_wait_blocked(mach_port_t thread)
{
    struct thread_basic_info info;

    for (unsigned i = 0; i < BLOCK_TRIES; i++) {
        mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

        if (thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&info, &count) != KERN_SUCCESS) {
            return false;
        }
        if (info.run_state == TH_STATE_WAITING) {
            return true;
        }
        swtch();
    }
    return false;
}

bool ipc_call_is_done(const struct ipc_call *call)
{
    return __atomic_load_n(&call->is_done, __ATOMIC_ACQUIRE);
}

void ipc_call_start(struct ipc_call *call)
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, CALL_STACK);
    call->port = MACH_PORT_NULL;
    call->is_done = false;
    CHECK_EQ(pthread_create(&call->thread, &attributes, call_run, call), 0);
    while (__atomic_load_n(&call->port, __ATOMIC_ACQUIRE) == MACH_PORT_NULL) {
        swtch();
    }
    for (unsigned i = 0; i < BLOCK_TRIES && !ipc_call_is_done(call); i++) {
        if (ipc_wait_blocked(call->port)) {
            break;
        }
    }
}

mach_msg_return_t ipc_call_end(struct ipc_call *call)
{
    CHECK_EQ(pthread_join(call->thread, NULL), 0);
    mach_port_deallocate(self(), call->port);
    return call->result;
}

void ipc_call_receive(struct ipc_call *call, mach_port_t from, struct ipc_message *m, int option,
                      unsigned timeout)
{
    memset(m, 0xa5, sizeof(*m));
    *call = (struct ipc_call){.message = &m->head,
                              .option = MACH_RCV_MSG | option,
                              .rcv_size = MESSAGE_SIZE,
                              .from = from,
                              .timeout = timeout};
    ipc_call_start(call);
}

void ipc_call_send(struct ipc_call *call, struct ipc_message *m, int option, unsigned timeout)
{
    *call = (struct ipc_call){.message = &m->head,
                              .option = MACH_SEND_MSG | option,
                              .send_size = m->head.msgh_size,
                              .timeout = timeout};
    ipc_call_start(call);
}

void ipc_call_rpc(struct ipc_call *call, struct ipc_message *m, mach_port_t reply)
{
    m->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    m->head.msgh_local_port = reply;
    *call = (struct ipc_call){.message = &m->head,
                              .option = MACH_SEND_MSG | MACH_RCV_MSG,
                              .send_size = m->head.msgh_size,
                              .rcv_size = MESSAGE_SIZE,
                              .from = reply};
    ipc_call_start(call);
}

void ipc_pause_ms(unsigned ms)
{
    thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, ms);
}

/* --- memory --- */

uint8_t *ipc_pages(unsigned count)
{
    void *pages = mmap(NULL, (size_t)count * IPC_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(pages != MAP_FAILED);
    return pages;
}

void ipc_free_pages(void *pages, unsigned count)
{
    CHECK_EQ(munmap(pages, (size_t)count * IPC_PAGE_SIZE), 0);
}

void ipc_protect(void *pages, unsigned count, int protection)
{
    CHECK_EQ(mprotect(pages, (size_t)count * IPC_PAGE_SIZE, protection), 0);
}
