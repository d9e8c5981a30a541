/* attack.c - see attack.h. */
#include "attack.h"

#include <mach/mig_errors.h>
#include <mach_debug.h>
#include <portolan.h>
#include <mach_port.h>
#include <string.h>

#define BLOWS 8 /* in a row */

static void *attack_run(void *argument)
{
    struct attack_hammer *h = argument;

    do {
        h->blow(h);
        h->blows++;
        if (h->blows % BLOWS == 0) { /* on one processor the others are to have their turn */
            swtch();
        }
    } while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED));
    return NULL;
}

void attack_start(struct attack_hammer *hammers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(pthread_create(&hammers[i].thread, NULL, attack_run, &hammers[i]), 0);
    }
}

void attack_stop(struct attack_hammer *hammers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        __atomic_store_n(&hammers[i].stop, true, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(pthread_join(hammers[i].thread, NULL), 0);
    }
}

uint32_t attack_hits(const struct attack_hammer *hammers, unsigned count)
{
    uint32_t hits = 0;

    for (unsigned i = 0; i < count; i++) {
        hits += __atomic_load_n(&hammers[i].hits, __ATOMIC_RELAXED);
    }
    return hits;
}

void attack_add_number(struct ipc_message *m, unsigned type, unsigned bits, uint64_t number)
{
    mach_msg_type_t descriptor = {
        .msgt_name = type & 0xff, .msgt_size = bits & 0xff, .msgt_inline = 1, .msgt_number = 1};

    ipc_add_bytes(m, &descriptor, sizeof(descriptor));
    ipc_add_bytes(m, &number, sizeof(number));
}

kern_return_t attack_call(struct ipc_message *m)
{
    static mach_port_t reply;
    uint32_t size = m->head.msgh_size;
    mach_msg_return_t mr;

    if (reply == MACH_PORT_NULL) {
        reply = mach_reply_port();
    }
    memset((uint8_t *)m + size, ATTACK_FILL, sizeof(*m) - size);
    m->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    m->head.msgh_local_port = reply;
    mr = mach_msg(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof(*m), reply, 0, 0);
    return mr == MACH_MSG_SUCCESS ? ((mig_reply_error_t *)m)->RetCode : mr;
}

uint32_t attack_send_rights(mach_port_t receive)
{
    mach_port_rights_t rights = ~0u;

    CHECK_EQ(mach_port_get_srights(mach_task_self(), receive, &rights), KERN_SUCCESS);
    return rights;
}

int64_t attack_live_ports(void)
{
    portolan_ledger_t used, limit;
    mach_msg_type_number_t used_count = PORTOLAN_NUMBERS_MAX, limit_count = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(task_get_ledger(mach_task_self(), used, &used_count, limit, &limit_count),
             KERN_SUCCESS);
    return used[PORTOLAN_LEDGER_PORTS];
}
