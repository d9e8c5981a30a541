/* serial.h - a serial port, a 16550A (National Semiconductor PC16550D data sheet). Speed is not
 * emulated: what is written is out at once, what comes in is there when there is room. */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus.h"
#include "line.h"

#define SERIAL_COM1 0x3f8u
#define SERIAL_FIFO 16u /* bytes that have been received [V7] */

typedef void serial_output_function(void *context, uint8_t byte);

struct serial {
    struct line line;
    serial_output_function *output;
    void *context;
    uint8_t fifo[SERIAL_FIFO];
    unsigned first, count;
    bool has_fifo; /* FIFOs are on */
    bool has_overrun;
    bool is_empty_told; /* the interrupt that the transmitter is empty has been seen */
    uint8_t interrupts; /* enabled */
    uint8_t format, modem, scratch, trigger;
    uint16_t divisor;
};

/* At the ports; output gets what the guest sends. False: the ports are taken. */
bool serial_init(struct serial *serial, struct bus *ports, uint16_t base,
                 serial_output_function *output, void *context);
/* How many bytes it takes now. */
size_t serial_room(const struct serial *serial);
/* A byte comes in; one that there is no room for is lost, as the guest is told. */
void serial_receive(struct serial *serial, uint8_t byte);

#endif
