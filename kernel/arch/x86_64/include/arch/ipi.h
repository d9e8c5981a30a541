/* ipi.h - interrupts from one processor to another. */
#ifndef ARCH_IPI_H
#define ARCH_IPI_H

#include <stdint.h>

/* Vectors. Devices have 0x30 .. 0xdf. */
#define VECTOR_DEVICE_FIRST 0x30u
#define VECTOR_DEVICE_LAST  0xdfu
#define VECTOR_TIMER        0xefu
#define VECTOR_FLUSH        0xf0u
#define VECTOR_RESCHED      0xf1u
#define VECTOR_SPURIOUS     0xffu

/* Make the processor look at its AST and run queue. */
void ipi_resched(uint32_t cpu);
/* Ask the processors in the mask to do their part of a TLB invalidation. */
void ipi_flush(uint32_t mask);
/* Stop all other processors for good (panic): by NMI. */
void ipi_stop_others(void);

#endif
