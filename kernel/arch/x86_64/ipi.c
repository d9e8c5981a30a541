/* ipi.c - interrupts between processors. */
#include "arch/ipi.h"

#include "arch/apic.h"
#include "arch/cpu.h"

void ipi_resched(uint32_t cpu)
{
    apic_send(cpu_table[cpu].apic_id, VECTOR_RESCHED);
}

void ipi_flush(uint32_t mask)
{
    for (; mask != 0; mask &= mask - 1) {
        apic_send(cpu_table[__builtin_ctz(mask)].apic_id, VECTOR_FLUSH);
    }
}

void ipi_stop_others(void)
{
    if (cpu_count > 1) {
        apic_send_nmi_others();
    }
}
