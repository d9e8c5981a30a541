/* irq.h - device interrupts: I/O APICs, and the handlers of lines. */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>

/* Mask the legacy controllers and all I/O APIC lines. Boot processor. */
void irq_init(void);
/* Number of global interrupt lines. */
uint32_t irq_line_count(void);
/* The global line of a legacy (ISA) interrupt. */
uint32_t irq_from_isa(uint32_t isa);
/* Deliver a line to handler(argument), in interrupt context with the line masked; irq_unmask() lets
 * the next one through. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such line),
 * KERN_RESOURCE_SHORTAGE (has a handler). */
kern_return_t irq_attach(uint32_t line, void (*handler)(void *), void *argument);
void irq_unmask(uint32_t line);
/* From the trap code: a device vector arrived. */
void irq_interrupt(uint32_t vector);

#endif
