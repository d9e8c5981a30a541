/* apic.h - the local APIC of this processor (xAPIC by memory, x2APIC by MSR) and its timer. Intel
 * SDM volume 3A, chapter 11. */
#ifndef ARCH_APIC_H
#define ARCH_APIC_H

#include <stdint.h>

/* Switch the local APIC of this processor on. First call: the boot processor, which also picks the
 * mode. */
void apic_init_cpu(void);
uint32_t apic_id(void);
void apic_end_of_interrupt(void);
/* Send an interrupt; apic_id_all_but_self sends to all others. */
void apic_send(uint32_t apic_id, uint32_t vector);
void apic_send_nmi_others(void);
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, uint32_t page);

/* Where the task priority is, on QEMU's processors that have it in memory; else NULL. */
extern volatile uint32_t *apic_priority;

/* Have interrupts that wait in the local APIC looked for once more. For whoever has left a guest:
 * QEMU 7.2 changes its word of pending interrupts there (do_vmexit) without the lock by which its
 * other thread sets a bit in it, so what comes at that moment may be lost until there is another.
 * Does nothing on a processor that is one. */
static inline void apic_look_again(void)
{
    if (__builtin_expect(apic_priority != 0, 0)) {
        *apic_priority = 0; /* as it is: the APIC then compares it with what waits */
    }
}

/* The timer: find its rate once (interrupts off), then one shot per call. Deadline in time stamp
 * counter ticks. */
void apic_timer_calibrate(void);
void apic_timer_init_cpu(void);
void apic_timer_set(uint64_t deadline_ticks);

#endif
