/* platform.c - the devices of a machine, put together. */
#include "platform.h"

#define PLATFORM_IRQ_TIMER  0u
#define PLATFORM_IRQ_SERIAL 4u

static void platform_output(void *context, uint8_t byte)
{
    struct platform *p = context;

    tty_put(&p->tty, byte);
    p->ops->written(p->context);
}

void platform_settle(struct platform *p)
{
    uint8_t byte;

    while (serial_room(&p->serial) != 0 && tty_take(&p->tty, &byte)) {
        serial_receive(&p->serial, byte);
    }
}

size_t platform_type(struct platform *p, const void *data, size_t size)
{
    size_t n = tty_type(&p->tty, data, size);

    platform_settle(p);
    return n;
}

static void platform_reset(void *context)
{
    struct platform *p = context;

    p->ops->power(p->context, POWER_IS_RESET, 0);
}

/* Interrupt lines of ISA devices, and those that PCI functions share. */
static void platform_join(struct platform *p)
{
    static const uint8_t pci_irqs[PCI_LINES] = {10, 11, 10, 11};

    line_init(&p->pic.output, p->ops->interrupt, p->context, 0);
    line_init(&p->pit.line, pic_set, &p->pic, PLATFORM_IRQ_TIMER);
    line_init(&p->serial.line, pic_set, &p->pic, PLATFORM_IRQ_SERIAL);
    for (unsigned i = 0; i < PCI_LINES; i++) {
        p->pci.irqs[i] = pci_irqs[i];
        line_init(&p->pci.lines[i], pic_set, &p->pic, pci_irqs[i]);
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
        .memory = p->memory, .send = NULL, .broken = p->ops->broken, .context = p->context};
    virtio_rng_init(&p->rng, &p->virtio, p->ops->random);
    return platform_insert(p, &p->rng.pci.function);
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
    if (!pic_init(&p->pic, &p->ports) || !pit_init(&p->pit, &p->ports, o->clock) ||
        !cmos_init(&p->cmos, &p->ports, o->clock, o->memory_size, o->date_s) ||
        !keyboard_init(&p->keyboard, &p->ports, platform_reset, p) ||
        !serial_init(&p->serial, &p->ports, SERIAL_COM1, platform_output, p) ||
        !power_init(&p->power, &p->ports, o->clock, o->ops->power, o->context) ||
        !pci_init(&p->pci, &p->ports, &p->registers)) {
        return false;
    }
    platform_join(p);
    return platform_insert_all(p);
}
