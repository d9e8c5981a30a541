/* apic.c - local APIC. */
#include "arch/apic.h"

#include "arch/acpi.h"
#include "arch/clock_machine.h"
#include "arch/cpu_features.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/ipi.h"
#include "kern/assert.h"
#include "kern/atomic.h"

#define APIC_ID            0x20u
#define APIC_TPR           0x80u
#define APIC_EOI           0xb0u
#define APIC_SPURIOUS      0xf0u
#define APIC_ICR_LOW       0x300u
#define APIC_ICR_HIGH      0x310u
#define APIC_LVT_TIMER     0x320u
#define APIC_LVT_LINT0     0x350u
#define APIC_LVT_ERROR     0x370u
#define APIC_TIMER_INITIAL 0x380u
#define APIC_TIMER_CURRENT 0x390u
#define APIC_TIMER_DIVIDE  0x3e0u

#define APIC_ENABLE         0x100u
#define APIC_MASKED         0x10000u
#define APIC_TIMER_DEADLINE 0x40000u
#define APIC_ICR_PENDING    0x1000u
#define APIC_ICR_ASSERT     0x4000u
#define APIC_ICR_INIT       0x500u
#define APIC_ICR_STARTUP    0x600u
#define APIC_ICR_NMI        0x400u
#define APIC_ICR_OTHERS     0xc0000u
#define APIC_BASE_X2        0x400u
#define APIC_DIVIDE_BY_1    0xbu
#define CALIBRATE_NS        10000000ull

static bool apic_x2;              /* [I] after the boot processor's apic_init_cpu() */
volatile uint32_t *apic_priority; /* [I] likewise */
static uint64_t apic_timer_rate;  /* [I] timer ticks per 2^32 time stamp ticks */

static uint32_t apic_read(uint32_t reg)
{
    if (apic_x2) {
        return (uint32_t)rdmsr(MSR_X2APIC + (reg >> 4));
    }
    return *(volatile uint32_t *)((uint8_t *)phys_to_virt(acpi_info.lapic) + reg);
}

static void apic_write(uint32_t reg, uint32_t value)
{
    if (apic_x2) {
        wrmsr(MSR_X2APIC + (reg >> 4), value);
        return;
    }
    *(volatile uint32_t *)((uint8_t *)phys_to_virt(acpi_info.lapic) + reg) = value;
}

void apic_init_cpu(void)
{
    if (cpu_features.x2apic) {
        apic_x2 = true;
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2);
    }
    if (cpu_features.emulated && !apic_x2) {
        apic_priority = (uint32_t *)((uint8_t *)phys_to_virt(acpi_info.lapic) + APIC_TPR);
    }
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_TIMER, APIC_MASKED);
    apic_write(APIC_LVT_LINT0, APIC_MASKED);
    apic_write(APIC_LVT_ERROR, APIC_MASKED);
    apic_write(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_EOI, 0);
}

uint32_t apic_id(void)
{
    uint32_t id = apic_read(APIC_ID);

    return apic_x2 ? id : id >> 24;
}

void apic_end_of_interrupt(void)
{
    apic_write(APIC_EOI, 0);
}

static void apic_command(uint32_t target, uint32_t low)
{
    uint64_t flags = interrupt_save_disable();

    if (apic_x2) {
        __asm__ volatile("mfence" ::
                             : "memory"); /* the MSR write is not ordered with earlier stores */
        wrmsr(MSR_X2APIC + (APIC_ICR_LOW >> 4), (uint64_t)target << 32 | low);
    } else {
        while ((apic_read(APIC_ICR_LOW) & APIC_ICR_PENDING) != 0) {
            cpu_relax();
        }
        apic_write(APIC_ICR_HIGH, target << 24);
        apic_write(APIC_ICR_LOW, low);
    }
    interrupt_restore(flags);
}

void apic_send(uint32_t target, uint32_t vector)
{
    apic_command(target, APIC_ICR_ASSERT | vector);
}

void apic_send_nmi_others(void)
{
    apic_command(0, APIC_ICR_ASSERT | APIC_ICR_NMI | APIC_ICR_OTHERS);
}

void apic_send_init(uint32_t target)
{
    apic_command(target, APIC_ICR_ASSERT | APIC_ICR_INIT);
}

void apic_send_startup(uint32_t target, uint32_t page)
{
    apic_command(target, APIC_ICR_ASSERT | APIC_ICR_STARTUP | page);
}

void apic_timer_calibrate(void)
{
    uint64_t start, span;

    assert(!interrupt_is_enabled());
    if (cpu_features.tsc_deadline) {
        return;
    }
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_TIMER_INITIAL, ~0u);
    start = rdtsc();
    do {
        span = rdtsc() - start;
    } while (clock_ticks_to_ns_machine(span) < CALIBRATE_NS);
    apic_timer_rate = ((uint64_t)(~0u - apic_read(APIC_TIMER_CURRENT)) << 32) / span;
    apic_write(APIC_TIMER_INITIAL, 0);
}

void apic_timer_init_cpu(void)
{
    if (cpu_features.tsc_deadline) {
        apic_write(APIC_LVT_TIMER, APIC_TIMER_DEADLINE | VECTOR_TIMER);
        __asm__ volatile("mfence" ::: "memory");
        return;
    }
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}

void apic_timer_set(uint64_t deadline_ticks)
{
    uint64_t now = rdtsc();
    uint64_t span = deadline_ticks > now ? deadline_ticks - now : 1;
    uint64_t count;

    if (cpu_features.tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, deadline_ticks);
        return;
    }
    if (span > 0xffffffffull) {
        span = 0xffffffffull; /* comes early; the timer code asks again */
    }
    count = span * apic_timer_rate >> 32;
    apic_write(APIC_TIMER_INITIAL, count == 0 ? 1 : count > ~0u ? ~0u : (uint32_t)count);
}
