/* turn.h - a lock that is given to whoever has waited longest. With a mutex, a thread that comes
 * back for it again and again can keep another waiting until a page fault's deadline has passed. */
#ifndef FS_TURN_H
#define FS_TURN_H

#include <stdatomic.h>
#include <stdint.h>

#define TURN_SLOTS 16u /* a power of two: more threads than that share words to wait on */

/* All zeroes: nobody has it. */
struct turn {
    atomic_uint next;              /* number for who comes next */
    atomic_uint slots[TURN_SLOTS]; /* number n goes when it is in slots[n % TURN_SLOTS] */
    uint32_t holder;               /* number of who has it */
};

/* Sleeps: yes. */
void turn_lock(struct turn *turn);
void turn_unlock(struct turn *turn);

#endif
