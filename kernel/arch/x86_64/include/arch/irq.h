/* irq.h - device interrupts: lines of I/O APICs, lines that messages of devices raise, and their
 * handlers. */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/* Lines there can be, numbered from 0. */
#define IRQ_LINES 176u

/* Mask the legacy controllers and all I/O APIC lines. Boot processor. */
void irq_init(void);
/* Number of global interrupt lines, those for messages not counted. */
uint32_t irq_line_count(void);
/* The global line of a legacy (ISA) interrupt. */
uint32_t irq_from_isa(uint32_t isa);
struct thread;

/* What is done in an interrupt. `user`: it came upon user mode, and the handler may go on as
 * another thread. Returns: a thread it has claimed, to be run, or NULL. */
typedef struct thread *irq_handler(void *argument, bool user);

/* Deliver a line to handler(argument), in interrupt context, a level line masked; irq_unmask() lets
 * the next one through. It has no handler yet. */
void irq_attach(uint32_t line, irq_handler *handler, void *argument);
void irq_unmask(uint32_t line);
void irq_mask(uint32_t line);
/* A line for the messages of one device; false when there is none left. It is edge triggered and
 * cannot be masked here. Destroying it takes its handler off. */
bool irq_message_create(uint32_t *line);
void irq_message_destroy(uint32_t line);
bool irq_is_message(uint32_t line);
/* What the device is to write where. */
void irq_message_of(uint32_t line, uint64_t *address, uint32_t *data);
/* From the trap code: a device vector arrived. Returns what the handler does, if that returns. */
struct thread *irq_interrupt(uint32_t vector, bool user);

#endif
