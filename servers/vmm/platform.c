/* platform.c - the devices of a machine, put together. */
#include "platform.h"

#define PLATFORM_IRQ_TIMER  0u
#define PLATFORM_IRQ_SERIAL 4u
#define PLATFORM_GSI_TIMER  2u

static void platform_output(void *context, uint8_t byte)
{
    struct platform *p = context;

    p->is_virtio = false;
    tty_put(&p->tty, byte);
    p->ops->written(p->context);
}

static void platform_emit(void *context, const uint8_t *data, uint32_t size)
{
    struct platform *p = context;

    p->is_virtio = true;
    for (uint32_t i = 0; i < size; i++) {
        tty_put(&p->tty, data[i]);
    }
    p->ops->written(p->context);
}

/* Is there room for a byte where it would go? */
static bool platform_has_room(const struct platform *p)
{
    return p->is_virtio ? virtio_console_room(&p->console) != 0 : serial_room(&p->serial) != 0;
}

void platform_settle(struct platform *p)
{
    uint8_t byte;

    while (!p->hypercall.has_console && platform_has_room(p) && tty_take(&p->tty, &byte)) {
        if (p->is_virtio) {
            (void)virtio_console_input(&p->console, &byte, 1);
        } else {
            serial_receive(&p->serial, byte);
        }
    }
}

size_t platform_type(struct platform *p, const void *data, size_t size)
{
    size_t n = tty_type(&p->tty, data, size);

    platform_settle(p);
    hypercall_typed(&p->hypercall);
    return n;
}

static void platform_reset(void *context)
{
    struct platform *p = context;

    p->ops->power(p->context, POWER_IS_RESET, 0);
}

/* A line of an ISA device, or of PCI functions, leads to both kinds of controller. */
static void platform_irq(void *target, unsigned irq, bool level)
{
    struct platform *p = target;

    pic_set(&p->pic, irq, level);
    if (p->has_apic) {
        ioapic_set(&p->ioapic, irq == PLATFORM_IRQ_TIMER ? PLATFORM_GSI_TIMER : irq, level);
    }
}

/* The 8254's, unless the HPET has taken it. */
static void platform_timer(void *target, unsigned irq, bool level)
{
    struct platform *p = target;

    if (!p->has_apic || !hpet_has_legacy_lines(&p->hpet)) {
        platform_irq(p, irq, level);
    }
}

/* Lines of the HPET are those of the I/O APIC. */
static void platform_gsi(void *target, unsigned gsi, bool level)
{
    struct platform *p = target;

    ioapic_set(&p->ioapic, gsi, level);
    if (gsi < PIC_LINES) {
        pic_set(&p->pic, gsi == PLATFORM_GSI_TIMER ? PLATFORM_IRQ_TIMER : gsi, level);
    }
}

/* What machines with local APICs have beside the rest. */
static bool platform_init_apic(struct platform *p)
{
    struct line lines[HPET_LINES];

    for (unsigned i = 0; i < HPET_LINES; i++) {
        line_init(&lines[i], platform_gsi, p, i);
    }
    return ioapic_init(&p->ioapic, &p->registers, p->ops->send, p->context) &&
           hpet_init(&p->hpet, &p->registers, p->clock, lines);
}

/* Two lines of PCI lead to each of two interrupts, which are up when one of both is. */
static void platform_pci(void *target, unsigned line, bool level)
{
    struct platform *p = target;
    unsigned irq = p->pci.irqs[line];
    bool is_up = level;

    for (unsigned i = 0; i < PCI_LINES; i++) {
        is_up |= p->pci.irqs[i] == irq && p->pci.lines[i].level;
    }
    platform_irq(p, irq, is_up);
}

/* Interrupt lines of ISA devices, and those that PCI functions share. */
static void platform_join(struct platform *p)
{
    /* where firmware for the PIIX expects slots 1 to 4: 10, 10, 11, 11 */
    static const uint8_t pci_irqs[PCI_LINES] = {11, 10, 10, 11};

    line_init(&p->pic.output, p->ops->interrupt, p->context, 0);
    line_init(&p->pit.line, platform_timer, p, PLATFORM_IRQ_TIMER);
    line_init(&p->serial.line, platform_irq, p, PLATFORM_IRQ_SERIAL);
    for (unsigned i = 0; i < PCI_LINES; i++) {
        p->pci.irqs[i] = pci_irqs[i];
        line_init(&p->pci.lines[i], platform_pci, p, i);
    }
}

bool platform_insert(struct platform *p, struct pci_function *function)
{
    bool is_inserted = pci_insert(&p->pci, p->next_slot, function);

    p->next_slot += is_inserted;
    return is_inserted;
}

/* Devices on the PCI bus that every machine has. */
static bool platform_insert_all(struct platform *p)
{
    p->next_slot = 1;
    p->virtio = (struct virtio_pci_machine){
        .memory = p->memory, .send = p->ops->send, .broken = p->ops->broken, .context = p->context};
    virtio_rng_init(&p->rng, &p->virtio, p->ops->random);
    virtio_console_init(&p->console, &p->virtio, platform_emit, p);
    return platform_insert(p, &p->rng.pci.function) && platform_insert(p, &p->console.pci.function);
}

/* Hypercalls are for the machine around, but for what devices are asked, too. */
static void platform_init_hypercall(struct platform *p)
{
    const struct platform_ops *ops = p->ops;

    p->hypercall_ops = (struct hypercall_ops){
        .send = ops->send,
        .written = ops->written,
        .wake = ops->wake,
        .time_of_day = ops->time_of_day,
        .give = ops->give,
        .power_off = ops->power,
    };
    hypercall_init(&p->hypercall, &p->hypercall_ops, p->context, p->memory, p->clock, &p->tty);
}

bool platform_init(struct platform *p, const struct platform_options *o)
{
    p->ops = o->ops;
    p->context = o->context;
    p->memory = o->memory;
    p->clock = o->clock;
    bus_init(&p->ports);
    bus_init(&p->registers);
    tty_init(&p->tty);
    platform_init_hypercall(p);
    p->has_apic = o->ops->send != NULL;
    if (!pic_init(&p->pic, &p->ports) || !pit_init(&p->pit, &p->ports, o->clock) ||
        !cmos_init(&p->cmos, &p->ports, o->clock, o->memory_size, o->vcpu_count, o->date_s) ||
        !keyboard_init(&p->keyboard, &p->ports, platform_reset, p) ||
        !serial_init(&p->serial, &p->ports, SERIAL_COM1, platform_output, p) ||
        !power_init(&p->power, &p->ports, o->clock, o->ops->power, o->context) ||
        !fw_cfg_init(&p->fw_cfg, &p->ports) || !pci_init(&p->pci, &p->ports, &p->registers) ||
        (p->has_apic && !platform_init_apic(p))) {
        return false;
    }
    platform_join(p);
    return platform_insert_all(p);
}
