/* turn.c - see turn.h: a ticket lock whose waiters sleep, each on the word of its number. */
#include "turn.h"

#include <gnumach.h>
#include <mach.h>
#include <portolan/portolan.h>

static atomic_uint *turn_slot(struct turn *turn, uint32_t number)
{
    return &turn->slots[number % TURN_SLOTS];
}

void turn_lock(struct turn *turn)
{
    uint32_t mine = atomic_fetch_add(&turn->next, 1);
    atomic_uint *slot = turn_slot(turn, mine);
    uint32_t seen;

    while ((seen = atomic_load(slot)) != mine) {
        (void)gsync_wait(mach_task_self(), (vm_address_t)slot, seen, 0, 0, 0);
    }
    turn->holder = mine;
}

void turn_unlock(struct turn *turn)
{
    uint32_t next = turn->holder + 1;

    atomic_store(turn_slot(turn, next), next);
    if (atomic_load(&turn->next) !=
        next) { /* in this order: else who comes now would not be seen */
        (void)gsync_wake(mach_task_self(), (vm_address_t)turn_slot(turn, next), 0, GSYNC_BROADCAST);
    }
}
