/* trace_site.c - see trace_site.h. The kernel's text is read-only; it is written where physical
 * memory is mapped. */
#include "arch/trace_site.h"

#include <stdint.h>

#include "arch/layout.h"
#include "kern/atomic.h"

#define OPCODE_TEST 0xa9u
#define OPCODE_JMP  0xe9u

extern const uint64_t trace_table_start[], trace_table_end[];

void trace_sites_set(bool taken)
{
    for (const uint64_t *site = trace_table_start; site != trace_table_end; site++) {
        uint8_t *opcode = phys_to_virt(*site - KERNEL_IMAGE_BASE);

        atomic_store(opcode, taken ? OPCODE_JMP : OPCODE_TEST);
    }
}
