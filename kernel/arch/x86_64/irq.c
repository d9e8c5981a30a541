/* irq.c - device interrupts through I/O APICs (Intel 82093AA; ACPI 5.2.12) and as messages (MSI,
 * Intel SDM volume 3A, 11.11). Line n uses vector VECTOR_DEVICE_FIRST + n, sent to the boot
 * processor; those beyond the pins of the I/O APICs are for messages. A level line is masked when
 * it fires and stays so until its owners have served it, so it cannot storm. An edge line is not:
 * an edge that comes while a line is masked is lost, and with it all that would have followed. */
#include "arch/irq.h"

#include <stddef.h>

#include "arch/acpi.h"
#include "arch/apic.h"
#include "arch/io.h"
#include "arch/ipi.h"
#include "kern/assert.h"
#include "kern/spinlock.h"

#define IRQ_LINE_MAX       (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)
#define IOAPIC_SELECT      0
#define IOAPIC_WINDOW      4 /* in 32-bit words */
#define IOAPIC_VERSION     1u
#define IOAPIC_REDIRECTION 0x10u
#define REDIRECTION_MASKED 0x10000u
#define REDIRECTION_LEVEL  0x8000u
#define REDIRECTION_LOW    0x2000u
#define MODE_MESSAGE       1u /* no bit of a redirection: the line is in use for messages */
#define MESSAGE_ADDRESS    0xfee00000u

/* Keys: [L] irq_lock */
struct irq_line {
    irq_handler *handler; /* [L] */
    void *argument;       /* [L] */
    uint32_t mode;        /* [L] REDIRECTION_LEVEL and REDIRECTION_LOW; or MODE_MESSAGE */
};

static struct spinlock irq_lock = SPINLOCK_INITIALIZER(LOCK_RANK_DEVICE, "irq");
static struct irq_line irq_lines[IRQ_LINE_MAX];
static uint32_t irq_count; /* [I] of the I/O APICs */

static_assert(IRQ_LINE_MAX == IRQ_LINES, "a line for each vector of devices");

static volatile uint32_t *irq_ioapic(uint32_t line, uint32_t *pin)
{
    for (uint32_t i = acpi_info.ioapic_count; i-- > 0;) {
        if (line >= acpi_info.ioapics[i].first_gsi) {
            *pin = line - acpi_info.ioapics[i].first_gsi;
            return phys_to_virt(acpi_info.ioapics[i].phys);
        }
    }
    return NULL;
}

static void irq_redirect(uint32_t line, uint32_t low)
{
    uint32_t pin;
    volatile uint32_t *ioapic = irq_ioapic(line, &pin);

    assert(line < irq_count);
    if (ioapic == NULL) {
        return;
    }
    ioapic[IOAPIC_SELECT] = IOAPIC_REDIRECTION + 2 * pin + 1;
    ioapic[IOAPIC_WINDOW] = cpu_table[0].apic_id << 24;
    ioapic[IOAPIC_SELECT] = IOAPIC_REDIRECTION + 2 * pin;
    ioapic[IOAPIC_WINDOW] = low;
}

static void irq_init_legacy(void)
{
    outb(0x20, 0x11); /* initialise both controllers, vectors 0x20 .. 0x2f, then mask everything */
    outb(0xa0, 0x11);
    outb(0x21, 0x20);
    outb(0xa1, 0x28);
    outb(0x21, 0x04);
    outb(0xa1, 0x02);
    outb(0x21, 0x01);
    outb(0xa1, 0x01);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

void irq_init(void)
{
    irq_init_legacy();
    for (uint32_t i = 0; i < acpi_info.ioapic_count; i++) {
        volatile uint32_t *ioapic = phys_to_virt(acpi_info.ioapics[i].phys);
        uint32_t last;

        ioapic[IOAPIC_SELECT] = IOAPIC_VERSION;
        last = acpi_info.ioapics[i].first_gsi + (ioapic[IOAPIC_WINDOW] >> 16 & 0xff);
        irq_count = last + 1 > irq_count ? last + 1 : irq_count;
    }
    irq_count = irq_count > IRQ_LINE_MAX ? IRQ_LINE_MAX : irq_count;
    for (uint32_t line = 0; line < irq_count; line++) {
        irq_redirect(line, REDIRECTION_MASKED);
        irq_lines[line].mode = line >= 16 ? REDIRECTION_LEVEL | REDIRECTION_LOW : 0;
    }
    for (uint32_t isa = 0; isa < 16; isa++) {
        uint32_t line = acpi_info.isa_gsi[isa];
        uint16_t flags = acpi_info.isa_flags[isa];

        if (line < irq_count) {
            irq_lines[line].mode = ((flags & 3) == 3 ? REDIRECTION_LOW : 0) |
                                   ((flags >> 2 & 3) == 3 ? REDIRECTION_LEVEL : 0);
        }
    }
}

uint32_t irq_line_count(void)
{
    return irq_count;
}

uint32_t irq_from_isa(uint32_t isa)
{
    return isa < 16 ? acpi_info.isa_gsi[isa] : isa;
}

/* Let a pin through, or not; lines of messages have none. Locks: irq_lock. */
static void irq_set_mask(uint32_t line, uint32_t mask)
{
    assert(spin_is_held(&irq_lock));
    if (line < irq_count) {
        irq_redirect(line, irq_lines[line].mode | mask | (VECTOR_DEVICE_FIRST + line));
    }
}

bool irq_message_create(uint32_t *line)
{
    uint64_t flags = spin_lock_irqsave(&irq_lock);
    uint32_t i = irq_count;

    while (i < IRQ_LINE_MAX && irq_lines[i].mode != 0) {
        i++;
    }
    if (i < IRQ_LINE_MAX) {
        irq_lines[i].mode = MODE_MESSAGE;
        *line = i;
    }
    spin_unlock_irqrestore(&irq_lock, flags);
    return i < IRQ_LINE_MAX;
}

void irq_message_destroy(uint32_t line)
{
    uint64_t flags = spin_lock_irqsave(&irq_lock);

    assert(irq_lines[line].mode == MODE_MESSAGE);
    irq_lines[line] = (struct irq_line){NULL, NULL, 0};
    spin_unlock_irqrestore(&irq_lock, flags);
}

void irq_message_of(uint32_t line, uint64_t *address, uint32_t *data)
{
    assert(irq_is_message(line));
    *address = MESSAGE_ADDRESS | cpu_table[0].apic_id << 12;
    *data = VECTOR_DEVICE_FIRST + line;
}

bool irq_is_message(uint32_t line)
{
    return line >= irq_count;
}

void irq_attach(uint32_t line, irq_handler *handler, void *argument)
{
    uint64_t flags = spin_lock_irqsave(&irq_lock);

    assert(line < IRQ_LINE_MAX && irq_lines[line].handler == NULL);
    irq_lines[line].handler = handler;
    irq_lines[line].argument = argument;
    irq_set_mask(line, 0);
    spin_unlock_irqrestore(&irq_lock, flags);
}

void irq_unmask(uint32_t line)
{
    uint64_t flags = spin_lock_irqsave(&irq_lock);

    if (irq_lines[line].handler != NULL) {
        irq_set_mask(line, 0);
    }
    spin_unlock_irqrestore(&irq_lock, flags);
}

void irq_mask(uint32_t line)
{
    uint64_t flags = spin_lock_irqsave(&irq_lock);

    irq_set_mask(line, REDIRECTION_MASKED);
    spin_unlock_irqrestore(&irq_lock, flags);
}

struct thread *irq_interrupt(uint32_t vector, bool user)
{
    uint32_t line = vector - VECTOR_DEVICE_FIRST;
    irq_handler *handler = NULL;
    void *argument = NULL;

    assert(!interrupt_is_enabled());
    assert(vector >= VECTOR_DEVICE_FIRST);
    if (line < IRQ_LINE_MAX) {
        spin_lock(&irq_lock);
        if ((irq_lines[line].mode & REDIRECTION_LEVEL) != 0) {
            irq_set_mask(line, REDIRECTION_MASKED);
        }
        handler = irq_lines[line].handler;
        argument = irq_lines[line].argument;
        spin_unlock(&irq_lock);
    }
    apic_end_of_interrupt();
    return handler != NULL ? handler(argument, user) : NULL;
}
