/* msr.h - the model-specific registers that the kernel leaves to the monitor. */
#ifndef VMM_MSR_H
#define VMM_MSR_H

#include <stdbool.h>
#include <stdint.h>

/* What RDMSR gives. False: the guest has no such register (#GP). */
bool msr_read(uint32_t number, uint64_t *value);
/* False: the guest has no such register, or cannot have that in it (#GP). */
bool msr_write(uint32_t number, uint64_t value);

#endif
