/* platform.c - the devices of a machine, put together. */
#include "platform.h"

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

bool platform_init(struct platform *p, struct memory *memory, struct clock *clock,
                   const struct platform_ops *ops, void *context)
{
    p->ops = ops;
    p->context = context;
    p->memory = memory;
    p->clock = clock;
    bus_init(&p->ports);
    bus_init(&p->registers);
    tty_init(&p->tty);
    return serial_init(&p->serial, &p->ports, SERIAL_COM1, platform_output, p) &&
           power_init(&p->power, &p->ports, clock, ops->power, context) &&
           pci_init(&p->pci, &p->ports, &p->registers);
}
