/* quiet.h - a function that runs while no other processor does anything. */
#ifndef DDB_QUIET_H
#define DDB_QUIET_H

/* Make the threads that keep the other processors. Panics when out of memory: for start-up. */
void quiet_init(void);
/* Call function(argument), interrupts off, while every other processor stands still with no lock
 * held and interrupts off. Needs quiet_init(). Locks: none held. Sleeps: yes; the function does
 * not. */
void quiet_run(void (*function)(void *), void *argument);

#endif
