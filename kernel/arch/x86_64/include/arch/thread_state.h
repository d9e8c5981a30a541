/* thread_state.h - the registers of a thread as thread_get_state and thread_set_state show them. */
#ifndef ARCH_THREAD_STATE_H
#define ARCH_THREAD_STATE_H

#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/thread_status.h>

struct thread;

/* Read or write one flavor (mach/thread_status.h) of a thread that is stopped, or of the current
 * thread. *count is in 32-bit words: room, then words written. Returns: KERN_SUCCESS,
 * KERN_INVALID_ARGUMENT (flavor, count too small, or a value the processor would refuse; nothing
 * changed). */
kern_return_t thread_state_get(struct thread *thread, int flavor, thread_state_t state,
                               mach_msg_type_number_t *count);
kern_return_t thread_state_set(struct thread *thread, int flavor, const natural_t *state,
                               mach_msg_type_number_t count);
/* Bytes of flavor i386_XFLOAT_STATE. */
uint64_t thread_state_xfloat_size(void);

#endif
