/* attack.h - what the attack programs share: threads that hammer on one thing, and calls of the
 * kernel whose message is made by hand, so that it can lie. */
#ifndef ATTACK_H
#define ATTACK_H

#include "ipc.h"

/* A thread that does the same over and over until it is stopped. */
struct attack_hammer {
    void (*blow)(struct attack_hammer *hammer);
    mach_port_t port;
    volatile uint32_t *word; /* in somebody's message */
    uint32_t blows;          /* done so far */
    uint32_t hits;           /* what blow() counts */
    pthread_t thread;
    bool stop;
};

void attack_start(struct attack_hammer *hammers, unsigned count);
void attack_stop(struct attack_hammer *hammers, unsigned count);
/* What their blows have hit so far, together. */
uint32_t attack_hits(const struct attack_hammer *hammers, unsigned count);

/* Add one number of that type (MACH_MSG_TYPE_*) and of 32 or 64 bits. */
void attack_add_number(struct ipc_message *m, unsigned type, unsigned bits, uint64_t number);
/* Send m to a kernel object and take the answer in its place. What lies behind the answer in m is
 * filled with ATTACK_FILL. Returns: the answer's code, or why the message was not sent. */
#define ATTACK_FILL 0x3c
kern_return_t attack_call(struct ipc_message *m);
/* The send rights there are to a port of this task, in any hands. */
uint32_t attack_send_rights(mach_port_t receive);
/* Ports this task has made and that live, wherever their rights are. */
int64_t attack_live_ports(void);

#endif
