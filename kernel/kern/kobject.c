/* kobject.c - serving messages sent to kernel objects.
 *
 * The id picks an interface and a routine of it from the tables tools/mig generates; the stub
 * checks the message, turns the destination into the object and calls the routine. A reply is sent
 * to the request's reply right; errors of one-way routines go nowhere. */
#include "kern/kobject.h"

#include <mach/mig_errors.h>

#include "ipc/ipc_kcall.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/mig_kernel.h"
#include "kern/printf.h"
#include "kern/string.h"
#include "kern/trace.h"
#include "mach_interfaces.h" /* generated: KOBJECT_INTERFACES(X), one line a kernel interface */

#define REPLY_ID_OFFSET 100

const char *const kobject_type_name[KOBJECT_TYPE_COUNT] = {
    [KOBJECT_NONE] = "",
    [KOBJECT_TASK] = "task",
    [KOBJECT_THREAD] = "thread",
    [KOBJECT_HOST] = "host",
    [KOBJECT_HOST_PRIV] = "host-privileged",
    [KOBJECT_PROCESSOR] = "processor",
    [KOBJECT_PROCESSOR_NAME] = "processor-name",
    [KOBJECT_PSET] = "processor-set",
    [KOBJECT_PSET_NAME] = "processor-set-name",
    [KOBJECT_HARDWARE] = "hardware",
    [KOBJECT_HV] = "hypervisor",
    [KOBJECT_IO_RANGE] = "io-range",
    [KOBJECT_IRQ] = "irq",
    [KOBJECT_DMA] = "dma",
    [KOBJECT_HYPERCALL] = "hypercall",
    [KOBJECT_BLOCK] = "block",
    [KOBJECT_MACHINE] = "machine",
    [KOBJECT_VCPU] = "vcpu",
    [KOBJECT_MEMORY_CONTROL] = "memory-control",
    [KOBJECT_MEMORY_NAME] = "memory-name",
    [KOBJECT_PAGER] = "pager",
};

#define KOBJECT_INTERFACE(name) &name##_subsystem,
static const struct mig_kernel_subsystem *const kobject_subsystems[] = {
    KOBJECT_INTERFACES(KOBJECT_INTERFACE)};

static const struct mig_kernel_routine *kobject_find(int32_t id)
{
    for (unsigned i = 0; i < sizeof(kobject_subsystems) / sizeof(kobject_subsystems[0]); i++) {
        const struct mig_kernel_subsystem *s = kobject_subsystems[i];

        uint32_t offset = (uint32_t)id - (uint32_t)s->base;

        if (offset < s->count) {
            const struct mig_kernel_routine *r = &s->routines[offset];

            return r->stub != NULL ? r : NULL;
        }
    }
    return NULL;
}

const char *kobject_routine_name(int32_t id)
{
    const struct mig_kernel_routine *r = kobject_find(id);

    return r != NULL ? r->name : NULL;
}

/* A reply that says no more than a return code. */
static void kobject_error_reply(struct ipc_kmsg *reply, int32_t id, kern_return_t code)
{
    mig_reply_error_t *body = (mig_reply_error_t *)ipc_kmsg_header(reply);

    body->Head.msgh_size = sizeof(*body);
    body->Head.msgh_id = id + REPLY_ID_OFFSET;
    body->RetCodeType = (mach_msg_type_t){
        .msgt_name = MACH_MSG_TYPE_INTEGER_32, .msgt_size = 32, .msgt_inline = 1, .msgt_number = 1};
    body->RetCode = code;
}

/* Most replies have at most four words after the header. */
static inline void kobject_clear_reply(uint64_t *body, uint32_t reply_size)
{
    const uint32_t few = 4 * sizeof(*body);

    body[0] = 0;
    body[1] = 0;
    body[2] = 0;
    body[3] = 0;
    if (reply_size > sizeof(mach_msg_header_t) + few) {
        memset(body + 4, 0, reply_size - sizeof(mach_msg_header_t) - few);
    }
}

bool kobject_serve_plain(struct ipc_kmsg *request, struct ipc_kmsg *reply)
{
    int32_t id = ipc_kmsg_header(request)->msgh_id;
    const struct mig_kernel_routine *r = kobject_find(id);

    if (r == NULL || r->reply_size - 1 >= reply->room || r->reply_slots != 0) {
        return false;
    }
    trace(TRACE_KCALL, (uint32_t)id, (uint64_t)ipc_kmsg_remote(request));
    /* What the stub leaves out must not be what the stack held before. */
    kobject_clear_reply((uint64_t *)(ipc_kmsg_header(reply) + 1), r->reply_size);
    r->stub(request, reply);
    return true;
}

/* A routine without a reply: what its stub answers goes nowhere, and must not need memory, as the
 * request would be lost without a word. */
static void kobject_serve_one_way(const struct mig_kernel_routine *r, struct ipc_kmsg *request)
{
    struct ipc_kcall_message reply;

    ipc_kmsg_setup(&reply.kmsg, sizeof(mach_msg_header_t) + sizeof(reply.body));
    r->stub(request, &reply.kmsg);
    ipc_kmsg_destroy(request);
}

struct ipc_kmsg *kobject_server(struct ipc_kmsg *request)
{
    int32_t id = ipc_kmsg_header(request)->msgh_id;
    const struct mig_kernel_routine *r = kobject_find(id);
    uint32_t size = r != NULL && r->reply_size > sizeof(mig_reply_error_t)
                        ? r->reply_size
                        : sizeof(mig_reply_error_t);
    struct ipc_port *reply_port;
    struct ipc_kmsg *reply;
    unsigned type = 0;

    trace(TRACE_KCALL, (uint32_t)id, (uint64_t)ipc_kmsg_remote(request));
    if (r != NULL && r->reply_size == 0) {
        kobject_serve_one_way(r, request);
        return NULL;
    }
    reply = ipc_kmsg_alloc(size, r != NULL ? r->reply_slots : 0);
    if (reply == NULL) {
        ipc_kmsg_destroy(request);
        return NULL;
    }
    if (r == NULL) {
        user_error("message %d to a kernel port: no such routine", id);
        kobject_error_reply(reply, id, MIG_BAD_ID);
    } else {
        r->stub(request, reply);
    }
    reply_port = ipc_kmsg_take_local(request, &type);
    ipc_kmsg_destroy(request);
    if (!IP_VALID(reply_port)) {
        ipc_port_release_right(reply_port, type);
        ipc_kmsg_destroy(reply);
        return NULL;
    }
    ipc_kmsg_set_remote(reply, reply_port, type);
    return reply;
}
