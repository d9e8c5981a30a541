/* emulation.h - system call emulation: per task, a user-level handler for each (positive) system
 * call number.
 *
 * The kernel bounces such a call to the handler in the same task: rip = handler, rcx = return
 * address, everything else untouched. */
#ifndef KERN_EMULATION_H
#define KERN_EMULATION_H

#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>

#define EMULATION_MAX 512 /* numbers 0 .. EMULATION_MAX - 1 can be emulated */

struct emulation;
struct task;

struct emulation *emulation_ref(struct emulation *emulation);
/* NULL is allowed. */
void emulation_unref(struct emulation *emulation);
/* The handler of a number in the current task, or 0. */
vm_address_t emulation_lookup(uint32_t number);
/* Set count handlers from number `start` on. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (a number
 * or an address out of range; nothing changed), KERN_RESOURCE_SHORTAGE, KERN_FAILURE (the task is
 * ending). */
kern_return_t emulation_set(struct task *task, uint32_t start, const vm_address_t *handlers,
                            uint32_t count);
/* Copy the handlers to an array of EMULATION_MAX; returns one more than the largest number that has
 * one. */
uint32_t emulation_get(struct task *task, vm_address_t *handlers);

#endif
