/* platform.h - all devices of a machine, and how they are joined: a PC as far as guests need one.
 * It knows no kernel: it runs as well in a test. */
#ifndef VMM_PLATFORM_H
#define VMM_PLATFORM_H

#include "bus.h"
#include "clock.h"
#include "memory.h"
#include "pci.h"
#include "power.h"
#include "serial.h"
#include "tty.h"

/* What the machine around it does. Called with its lock held. */
struct platform_ops {
    power_function *power;          /* it is off, or has been reset, or ends */
    void (*written)(void *context); /* the guest has written to its serial line */
    line_function *interrupt;       /* the interrupt input of the first processor */
};

struct platform {
    const struct platform_ops *ops;
    void *context;
    struct memory *memory;
    struct clock *clock;
    struct bus ports;
    struct bus registers; /* guest physical addresses that are no memory */
    struct serial serial;
    struct tty tty;
    struct power power;
    struct pci pci;
};

/* False: devices want the same addresses, which is a mistake in here. */
bool platform_init(struct platform *platform, struct memory *memory, struct clock *clock,
                   const struct platform_ops *ops, void *context);
/* Somebody types. Returns: how many bytes there was room for. */
size_t platform_type(struct platform *platform, const void *data, size_t size);
/* After the guest has read from a port: what was typed and waits may come in. */
void platform_settle(struct platform *platform);

#endif
