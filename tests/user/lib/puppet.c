/* puppet.c - the pager harness. See puppet.h. */
#include "puppet.h"

#include <mach.h>
#include <mach/mig_errors.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#define EXPECT_MS   5000
#define NOTHING_MS  50
#define TOUCH_STACK 65536

/* --- the pager --- */

void puppet_create(struct puppet *pager)
{
    *pager = (struct puppet){.object = test_port()};
}

static mach_port_t puppet_port_at(struct ipc_message *m, unsigned i)
{
    return (mach_port_t)*ipc_item_data(m, i);
}

/* The items of each message after the header, as memory_object.defs has them. */
static void puppet_parse(struct ipc_message *in, struct puppet_message *m)
{
    switch (m->id) {
    case PUPPET_INIT:
    case PUPPET_TERMINATE:
        m->control = puppet_port_at(in, 0);
        m->port = puppet_port_at(in, 1);
        m->length = m->id == PUPPET_INIT ? *ipc_item_data(in, 2) : 0;
        return;
    case PUPPET_CHANGE_COMPLETED:
        m->may_cache = *(int *)ipc_item_data(in, 0) != 0;
        m->copy_strategy = *(int *)ipc_item_data(in, 1);
        return;
    default:
        m->control = puppet_port_at(in, 0);
        m->offset = *ipc_item_data(in, 1);
    }
    if (m->id == PUPPET_DATA_RETURN) {
        m->data = (uint8_t *)*ipc_item_data(in, 2);
        m->length = ((mach_msg_type_long_t *)ipc_item(in, 2))->msgtl_header.msgt_longform
                        ? ((mach_msg_type_long_t *)ipc_item(in, 2))->msgtl_number
                        : ipc_item(in, 2)->msgt_number;
        m->dirty = *(int *)ipc_item_data(in, 3) != 0;
        m->kernel_copy = *(int *)ipc_item_data(in, 4) != 0;
        return;
    }
    m->length = *ipc_item_data(in, 2);
    if (m->id == PUPPET_DATA_REQUEST || m->id == PUPPET_DATA_UNLOCK) {
        m->access = *(int *)ipc_item_data(in, 3);
    } else if (m->id == PUPPET_COPY) {
        m->port = puppet_port_at(in, 3);
    } else if (m->id == PUPPET_SUPPLY_COMPLETED) {
        m->result = *(int *)ipc_item_data(in, 3);
        m->error_offset = *ipc_item_data(in, 4);
    }
}

void puppet_receive(mach_port_t port, struct puppet_message *m, unsigned timeout_ms)
{
    struct ipc_message in;

    memset(m, 0, sizeof(*m));
    if (ipc_receive(port, &in, MACH_RCV_MSG | MACH_RCV_TIMEOUT, timeout_ms) == MACH_MSG_SUCCESS) {
        m->id = in.head.msgh_id;
        if (m->id >= PUPPET_INIT) {
            puppet_parse(&in, m);
        }
    }
}

void puppet_expect(struct puppet *pager, mach_msg_id_t id, struct puppet_message *m)
{
    puppet_receive(pager->object, m, EXPECT_MS);
    CHECK_EQ(m->id, id);
    /* Each message brings one more reference to the control port's right. */
    if (m->id != 0 && m->id != PUPPET_INIT && m->id != PUPPET_TERMINATE && m->control != 0) {
        CHECK_EQ(m->control, pager->control);
        mach_port_deallocate(mach_task_self(), m->control);
    }
}

void puppet_expect_nothing(struct puppet *pager)
{
    struct puppet_message m;

    puppet_receive(pager->object, &m, NOTHING_MS);
    CHECK_EQ(m.id, 0);
}

uint8_t *puppet_map_again(struct puppet *pager, vm_offset_t offset, unsigned pages, bool copy)
{
    vm_address_t at = 0;

    CHECK_EQ(vm_map(mach_task_self(), &at, pages * PUPPET_PAGE, 0, 1, pager->object, offset, copy,
                    VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL, VM_INHERIT_DEFAULT),
             KERN_SUCCESS);
    return (uint8_t *)at;
}

uint8_t *puppet_map(struct puppet *pager, unsigned pages, bool may_cache, int copy_strategy)
{
    struct puppet_message m;
    uint8_t *at;

    puppet_create(pager);
    at = puppet_map_again(pager, 0, pages, false);
    puppet_expect(pager, PUPPET_INIT, &m);
    pager->control = m.control;
    pager->name = m.port;
    CHECK_EQ(memory_object_ready(pager->control, may_cache, copy_strategy), KERN_SUCCESS);
    return at;
}

static void puppet_supply_bytes(struct puppet *pager, vm_offset_t offset, unsigned pages, int byte,
                                vm_prot_t lock_value, bool precious, mach_port_t reply_to)
{
    uint8_t *data = ipc_pages(pages);

    memset(data, byte, pages * PUPPET_PAGE);
    CHECK_EQ(memory_object_data_supply(pager->control, offset, (vm_offset_t)data,
                                       (mach_msg_type_number_t)(pages * PUPPET_PAGE), true,
                                       lock_value, precious, reply_to),
             KERN_SUCCESS);
}

void puppet_supply(struct puppet *pager, vm_offset_t offset, unsigned pages, int byte)
{
    puppet_supply_bytes(pager, offset, pages, byte, VM_PROT_NONE, false, MACH_PORT_NULL);
}

void puppet_supply_as(struct puppet *pager, vm_offset_t offset, unsigned pages, int byte,
                      vm_prot_t lock_value, bool precious)
{
    puppet_supply_bytes(pager, offset, pages, byte, lock_value, precious, pager->object);
}

void puppet_answer(struct puppet *pager, vm_offset_t offset, int byte)
{
    struct puppet_message m;

    puppet_expect(pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.offset, offset);
    CHECK_EQ(m.length, PUPPET_PAGE);
    puppet_supply(pager, offset, 1, byte);
}

void puppet_lock(struct puppet *pager, vm_offset_t offset, unsigned pages,
                 memory_object_return_t should_return, bool flush, vm_prot_t lock_value)
{
    CHECK_EQ(memory_object_lock_request(pager->control, offset, pages * PUPPET_PAGE, should_return,
                                        flush, lock_value, pager->object),
             KERN_SUCCESS);
}

int puppet_expect_return(struct puppet *pager, vm_offset_t offset, unsigned pages, bool dirty,
                         bool kernel_copy)
{
    struct puppet_message m;
    int byte;

    puppet_expect(pager, PUPPET_DATA_RETURN, &m);
    if (m.id != PUPPET_DATA_RETURN) {
        return -1;
    }
    CHECK_EQ(m.offset, offset);
    CHECK_EQ(m.length, pages * PUPPET_PAGE);
    CHECK_EQ(m.dirty, dirty);
    CHECK_EQ(m.kernel_copy, kernel_copy);
    byte = m.data[0];
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)m.data, m.length), KERN_SUCCESS);
    return byte;
}

void puppet_expect_end(struct puppet *pager)
{
    struct puppet_message m;

    puppet_expect(pager, PUPPET_TERMINATE, &m);
    if (m.id == PUPPET_TERMINATE) {
        ipc_drop(m.control); /* with what there is of send rights: the name is the same */
        ipc_drop(m.port);
        pager->control = pager->name = MACH_PORT_NULL;
    }
}

void puppet_end(struct puppet *pager, uint8_t *at, unsigned pages)
{
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, pages * PUPPET_PAGE), KERN_SUCCESS);
    puppet_expect_end(pager);
    puppet_destroy(pager);
}

void puppet_destroy(struct puppet *pager)
{
    mach_port_destroy(mach_task_self(), pager->object);
    if (pager->control != MACH_PORT_NULL) {
        mach_port_destroy(mach_task_self(), pager->control);
    }
    if (pager->name != MACH_PORT_NULL) {
        mach_port_destroy(mach_task_self(), pager->name);
    }
}

/* --- touching --- */

/* An exception sets a toucher on at puppet_touch_failed. */
int puppet_touch_read(const uint8_t *at);
int puppet_touch_write(uint8_t *at, int value);
void puppet_touch_failed(void);
__asm__(".text\n"
        "puppet_touch_read:\n"
        "    movzbl (%rdi), %eax\n"
        "    ret\n"
        "puppet_touch_write:\n"
        "    movb %sil, (%rdi)\n"
        "    movl $0, %eax\n"
        "    ret\n"
        "puppet_touch_failed:\n"
        "    movl $-1, %eax\n"
        "    ret\n");

static void *toucher_run(void *argument)
{
    struct toucher *toucher = argument;
    int result;

    __atomic_store_n(&toucher->port, mach_thread_self(), __ATOMIC_RELEASE);
    thread_set_special_port(toucher->port, THREAD_EXCEPTION_PORT, toucher->exceptions);
    if (toucher->timeout_ms != 0) {
        thread_set_memory_timeout(toucher->port, toucher->timeout_ms);
    }
    if (toucher->before != NULL) {
        CHECK(puppet_touch_read(toucher->before) >= 0);
        while (!__atomic_load_n(&toucher->go, __ATOMIC_ACQUIRE)) {
            swtch();
        }
    }
    result = toucher->write ? puppet_touch_write(toucher->at, toucher->value)
                            : puppet_touch_read(toucher->at);
    if (!toucher->write && result >= 0) {
        toucher->value = (uint8_t)result;
    }
    __atomic_store_n(&toucher->done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Note the code of the exception that came and have its thread go on behind the access. */
static void toucher_handle(struct toucher *toucher, struct ipc_message *m)
{
    mach_port_t thread = (mach_port_t)*ipc_item_data(m, 0);
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    mig_reply_error_t reply = {
        .Head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                 .msgh_size = sizeof(reply),
                 .msgh_remote_port = m->head.msgh_remote_port,
                 .msgh_id = m->head.msgh_id + 100},
        .RetCodeType = {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
                        .msgt_size = 32,
                        .msgt_inline = 1,
                        .msgt_number = 1},
    };

    toucher->code = *(int *)ipc_item_data(m, 3);
    toucher->subcode = *ipc_item_data(m, 4);
    CHECK_EQ(thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    state.rip = (uint64_t)puppet_touch_failed;
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state, count),
             KERN_SUCCESS);
    mach_port_deallocate(mach_task_self(), thread);
    mach_port_deallocate(mach_task_self(), (mach_port_t)*ipc_item_data(m, 1));
    mach_msg(&reply.Head, MACH_SEND_MSG, sizeof(reply), 0, 0, 0, 0);
}

static void toucher_begin(struct toucher *toucher)
{
    pthread_attr_t attributes;

    toucher->exceptions = test_port();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, TOUCH_STACK);
    CHECK_EQ(pthread_create(&toucher->thread, &attributes, toucher_run, toucher), 0);
    while (__atomic_load_n(&toucher->port, __ATOMIC_ACQUIRE) == MACH_PORT_NULL) {
        swtch();
    }
}

void toucher_start(struct toucher *toucher, uint8_t *at, bool write, int value, unsigned timeout_ms)
{
    *toucher = (struct toucher){
        .at = at, .write = write, .value = (uint8_t)value, .timeout_ms = timeout_ms};
    toucher_begin(toucher);
}

void toucher_start_after(struct toucher *toucher, struct puppet *pager, const uint8_t *before,
                         uint8_t *at, bool write, int value, unsigned timeout_ms)
{
    struct puppet_message m;

    *toucher = (struct toucher){.at = at,
                                .before = before,
                                .write = write,
                                .value = (uint8_t)value,
                                .timeout_ms = timeout_ms};
    toucher_begin(toucher);
    puppet_expect(pager, PUPPET_DATA_REQUEST, &m);
    puppet_supply(pager, m.offset, 1, 0);
}

void toucher_go(struct toucher *toucher)
{
    __atomic_store_n(&toucher->go, true, __ATOMIC_RELEASE);
}

bool toucher_is_done(const struct toucher *toucher)
{
    return __atomic_load_n(&toucher->done, __ATOMIC_ACQUIRE);
}

kern_return_t toucher_end(struct toucher *toucher)
{
    static struct ipc_message m;

    while (!toucher_is_done(toucher)) {
        if (ipc_receive(toucher->exceptions, &m, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 10) ==
            MACH_MSG_SUCCESS) {
            toucher_handle(toucher, &m);
        }
    }
    CHECK_EQ(pthread_join(toucher->thread, NULL), 0);
    ipc_drop(toucher->port);
    mach_port_destroy(mach_task_self(), toucher->exceptions);
    return toucher->code;
}

kern_return_t toucher_touch(uint8_t *at, bool write, int value, unsigned timeout_ms)
{
    struct toucher toucher;

    toucher_start(&toucher, at, write, value, timeout_ms);
    return toucher_end(&toucher);
}

int puppet_touch(struct puppet *pager, uint8_t *at, bool write, int value, vm_offset_t offset,
                 int supplied)
{
    struct toucher toucher;

    toucher_start(&toucher, at, write, value, 0);
    puppet_answer(pager, offset, supplied);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    return toucher.value;
}

/* --- a pager that keeps its pages --- */

static void puppet_server_supply(struct puppet_server *server, const struct puppet_message *m)
{
    vm_size_t size = server->pages * PUPPET_PAGE;

    if (m->offset >= size || m->length > size - m->offset) {
        CHECK_EQ(memory_object_data_error(server->pager.control, m->offset, m->length, 1),
                 KERN_SUCCESS);
        return;
    }
    CHECK_EQ(memory_object_data_supply(
                 server->pager.control, m->offset, (vm_offset_t)server->store + m->offset,
                 (mach_msg_type_number_t)m->length, false, VM_PROT_NONE, false, MACH_PORT_NULL),
             KERN_SUCCESS);
}

static void puppet_server_serve(struct puppet_server *server, const struct puppet_message *m)
{
    switch (m->id) {
    case PUPPET_DATA_REQUEST:
        server->requests++;
        server->asked += m->length / PUPPET_PAGE;
        puppet_server_supply(server, m);
        break;
    case PUPPET_DATA_RETURN:
        server->returns++;
        memcpy(server->store + m->offset, m->data, m->length);
        vm_deallocate(mach_task_self(), (vm_address_t)m->data, m->length);
        break;
    case PUPPET_DATA_UNLOCK:
        server->unlocks++;
        CHECK_EQ(memory_object_lock_request(m->control, m->offset, m->length,
                                            MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_NONE,
                                            MACH_PORT_NULL),
                 KERN_SUCCESS);
        break;
    default:
        server->completed++;
        break;
    }
}

static void *puppet_server_run(void *argument)
{
    struct puppet_server *server = argument;
    struct puppet_message m;

    for (;;) {
        puppet_receive(server->pager.object, &m, IPC_LONG_MS);
        if (m.id == PUPPET_TERMINATE) {
            ipc_drop(m.control);
            ipc_drop(m.port);
            server->pager.control = server->pager.name = MACH_PORT_NULL;
            return NULL;
        }
        if (m.id != 0 && !server->is_dead) {
            puppet_server_serve(server, &m);
        }
        if (m.control != MACH_PORT_NULL) {
            mach_port_deallocate(mach_task_self(), m.control);
        }
    }
}

uint8_t *puppet_server_start(struct puppet_server *server, unsigned pages, bool may_cache,
                             int copy_strategy)
{
    uint8_t *at;

    *server = (struct puppet_server){.pages = pages, .store = ipc_pages(pages)};
    for (unsigned i = 0; i < pages; i++) {
        memset(server->store + i * PUPPET_PAGE, (int)i + 1, PUPPET_PAGE);
    }
    at = puppet_map(&server->pager, pages, may_cache, copy_strategy);
    CHECK_EQ(pthread_create(&server->thread, NULL, puppet_server_run, server), 0);
    return at;
}

void puppet_server_end(struct puppet_server *server, uint8_t *at)
{
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, server->pages * PUPPET_PAGE),
             KERN_SUCCESS);
    CHECK_EQ(pthread_join(server->thread, NULL), 0);
    puppet_destroy(&server->pager);
}
