/* roles.c - what the tasks of the pressure test do. */
#include <mach.h>
#include <mach_port.h>
#include <portolan/pager.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/thread.h>
#include <string.h>

#include <mach/mach_traps.h>

#include "pressure.h"

#define END_MS 60000u /* for the last changes to come back to their pager */

/* --- anonymous memory --- */

void role_write(uint64_t size, uint64_t end_ms, struct work *work)
{
    struct pages pages;

    pages_create(&pages, pressure_allocate(size), size);
    while (pressure_now_ms() < end_ms && work->wrong == 0) {
        pages_work(&pages, work);
    }
}

/* --- copies: a task looks at its copy, and writes it, while the original changes --- */

struct fork_result {
    volatile uint32_t wrong;
    volatile uint32_t done;
};

static struct pages fork_pages;
static struct fork_result *fork_result; /* shared with the copies */

static void fork_twin(void)
{
    uint32_t wrong = 0;

    for (uint64_t page = 0; page < fork_pages.count; page++) {
        wrong += !pages_is_right(&fork_pages, page);
        pages_change(&fork_pages, page);
    }
    for (uint64_t page = 0; page < fork_pages.count; page += 16) {
        wrong += !pages_is_right(&fork_pages, page);
    }
    fork_result->wrong += wrong;
    fork_result->done = 1;
    for (;;) {
        thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1000);
    }
}

void role_fork(uint64_t size, uint64_t end_ms, struct work *work)
{
    fork_result = pressure_allocate(PAGE);
    pressure_check(vm_inherit(mach_task_self(), (vm_address_t)fork_result, PAGE, VM_INHERIT_SHARE),
                   "a shared page");
    pages_create(&fork_pages, pressure_allocate(size), size);
    while (pressure_now_ms() < end_ms && work->wrong == 0) {
        struct twin twin;

        fork_result->done = 0;
        twin_start(&twin, fork_twin, MACH_PORT_NULL);
        while (fork_result->done == 0 && pressure_now_ms() < end_ms) {
            pages_work(&fork_pages, work);
        }
        twin_end(&twin);
        work->wrong += fork_result->wrong;
    }
}

/* --- a pager that keeps its pages in memory that may be paged out, too --- */

static struct {
    char *store;
    volatile bool ended;
} pager_state;

static kern_return_t pager_read(struct pager *pager, void *context, vm_offset_t offset, void *page)
{
    (void)pager;
    (void)context;
    memcpy(page, pager_state.store + offset, PAGE);
    return KERN_SUCCESS;
}

static kern_return_t pager_write(struct pager *pager, void *context, vm_offset_t offset,
                                 const void *page)
{
    (void)pager;
    (void)context;
    memcpy(pager_state.store + offset, page, PAGE);
    return KERN_SUCCESS;
}

static void pager_ended(struct pager *pager, void *context)
{
    (void)pager;
    (void)context;
    pager_state.ended = true;
}

static boolean_t pager_serve(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return pager_demux(in, out);
}

static void *pager_start(uint64_t size)
{
    static struct server server = {.demux = pager_serve, .no_senders = pager_no_senders};
    static const struct pager_ops ops = {
        .read_page = pager_read, .write_page = pager_write, .end = pager_ended};
    static const struct pager_attributes attributes = {.copy_strategy = MEMORY_OBJECT_COPY_DELAY};
    struct pager *pager;
    vm_address_t address = 0;

    pressure_check(server_set_create(&server.receive), "a port set");
    pressure_check(server_add_thread(&server), "a thread that serves");
    pressure_check(pager_create(server.receive, &ops, NULL, &attributes, &pager), "an object");
    pressure_check(pager_map(pager, mach_task_self(), &address, size, 0, VM_PROT_DEFAULT),
                   "its mapping");
    return (void *)address;
}

void role_pager(uint64_t size, uint64_t end_ms, struct work *work)
{
    struct pages pages;

    pager_state.store = pressure_allocate(size);
    pages_create(&pages, pager_start(size), size);
    while (pressure_now_ms() < end_ms && work->wrong == 0) {
        pages_work(&pages, work);
    }
    pressure_check(vm_deallocate(mach_task_self(), (vm_address_t)pages.words, size), "its end");
    for (unsigned i = 0; i < END_MS / 10 && !pager_state.ended; i++) {
        portolan_sleep(10);
    }
    pages.words = (uint64_t *)pager_state.store;
    for (uint64_t page = 0; page < pages.count; page++) {
        work->wrong += !pages_is_right(&pages, page);
    }
    work->wrong += !pager_state.ended;
}

/* --- calls that must go on --- */

struct call {
    mach_msg_header_t head;
    uint64_t number;
    char trailer[64];
};

static mach_port_t call_service;

/* Answer with the next number. */
static void call_twin(void)
{
    static struct call call;
    mach_msg_option_t option = MACH_RCV_MSG;

    for (;;) {
        mach_msg_trap(&call.head, option, sizeof(call) - sizeof(call.trailer), sizeof(call),
                      call_service, 0, MACH_PORT_NULL);
        call.head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(call.head.msgh_bits), 0);
        call.head.msgh_local_port = MACH_PORT_NULL;
        call.number++;
        option = MACH_SEND_MSG | MACH_RCV_MSG;
    }
}

/* One round trip. */
static bool call_once(uint64_t number, mach_port_t reply)
{
    struct call call = {.number = number};
    mach_msg_return_t mr;

    call.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    call.head.msgh_size = sizeof(call) - sizeof(call.trailer);
    call.head.msgh_remote_port = call_service;
    call.head.msgh_local_port = reply;
    mr = mach_msg(&call.head, MACH_SEND_MSG | MACH_RCV_MSG, call.head.msgh_size, sizeof(call),
                  reply, 0, MACH_PORT_NULL);
    pressure_check(mr, "a call");
    return call.number == number + 1;
}

void role_call(uint64_t size, uint64_t end_ms, struct work *work)
{
    mach_port_t reply;
    struct twin twin;

    (void)size;
    pressure_check(portolan_port_allocate(true, &call_service), "a port");
    pressure_check(portolan_port_allocate(false, &reply), "a port");
    twin_start(&twin, call_twin, call_service);
    while (pressure_now_ms() < end_ms && work->wrong == 0) {
        work->wrong += !call_once(work->done, reply);
        work_step(work);
        portolan_sleep(1);
    }
    twin_end(&twin);
}
