/* serial.c - registers of a 16550A. */
#include "serial.h"

#include <string.h>

#define PORTS 8u

#define REG_DATA      0u /* divisor, low, with FORMAT_DIVISOR */
#define REG_INTERRUPT 1u /* divisor, high */
#define REG_IDENTIFY  2u /* FIFO control when it is written */
#define REG_FORMAT    3u
#define REG_MODEM     4u
#define REG_LINE      5u
#define REG_MODEM_IN  6u
#define REG_SCRATCH   7u

#define INTERRUPT_RECEIVED 1u
#define INTERRUPT_EMPTY    2u
#define INTERRUPT_LINE     4u
#define INTERRUPT_ALL      15u

#define IDENTIFY_NONE     0x01u
#define IDENTIFY_EMPTY    0x02u
#define IDENTIFY_RECEIVED 0x04u
#define IDENTIFY_LINE     0x06u
#define IDENTIFY_TIMEOUT  0x0cu
#define IDENTIFY_FIFO     0xc0u

#define FIFO_ON       0x01u
#define FIFO_CLEAR_IN 0x02u

#define FORMAT_DIVISOR 0x80u

#define MODEM_DTR      0x01u
#define MODEM_RTS      0x02u
#define MODEM_OUT1     0x04u
#define MODEM_OUT2     0x08u
#define MODEM_LOOP     0x10u
#define MODEM_ALL      0x1fu
#define MODEM_IN_READY 0xb0u /* CTS, DSR, DCD */

#define LINE_READY   0x01u
#define LINE_OVERRUN 0x02u
#define LINE_EMPTY   0x60u /* holding register and shifter */

static unsigned serial_limit(const struct serial *s)
{
    return s->has_fifo ? SERIAL_FIFO : 1;
}

/* Which interrupt is the first of those that are there: what REG_IDENTIFY says. */
static uint8_t serial_cause(const struct serial *s)
{
    static const uint8_t triggers[] = {1, 4, 8, 14};

    if ((s->interrupts & INTERRUPT_LINE) != 0 && s->has_overrun) {
        return IDENTIFY_LINE;
    }
    if ((s->interrupts & INTERRUPT_RECEIVED) != 0 && s->count != 0) {
        /* no byte follows, so those below the trigger have waited long enough */
        return !s->has_fifo || s->count >= triggers[s->trigger] ? IDENTIFY_RECEIVED
                                                                : IDENTIFY_TIMEOUT;
    }
    if ((s->interrupts & INTERRUPT_EMPTY) != 0 && !s->is_empty_told) {
        return IDENTIFY_EMPTY;
    }
    return IDENTIFY_NONE;
}

/* Without OUT2 the interrupt does not reach the line in a PC. */
static void serial_update(struct serial *s)
{
    line_set(&s->line, (s->modem & MODEM_OUT2) != 0 && serial_cause(s) != IDENTIFY_NONE);
}

size_t serial_room(const struct serial *s)
{
    unsigned limit = serial_limit(s);

    return s->count < limit ? limit - s->count : 0;
}

void serial_receive(struct serial *s, uint8_t byte)
{
    if (serial_room(s) == 0) {
        s->has_overrun = true;
    } else {
        s->fifo[(s->first + s->count) % SERIAL_FIFO] = byte;
        s->count++;
    }
    serial_update(s);
}

static uint8_t serial_take(struct serial *s)
{
    uint8_t byte = s->fifo[s->first];

    if (s->count == 0) {
        return 0;
    }
    s->first = (s->first + 1) % SERIAL_FIFO;
    s->count--;
    return byte;
}

static uint8_t serial_identify(struct serial *s)
{
    uint8_t cause = serial_cause(s);

    if (cause == IDENTIFY_EMPTY) {
        s->is_empty_told = true;
    }
    return cause | (s->has_fifo ? IDENTIFY_FIFO : 0);
}

static uint8_t serial_line(struct serial *s)
{
    uint8_t value = LINE_EMPTY | (s->count != 0 ? LINE_READY : 0);

    value |= s->has_overrun ? LINE_OVERRUN : 0;
    s->has_overrun = false;
    return value;
}

/* In a loop the outputs are the inputs: RTS CTS, DTR DSR, OUT1 RI, OUT2 DCD. */
static uint8_t serial_modem_in(const struct serial *s)
{
    uint8_t m = s->modem;

    if ((m & MODEM_LOOP) == 0) {
        return MODEM_IN_READY;
    }
    return (uint8_t)((m & MODEM_RTS) << 3 | (m & MODEM_DTR) << 5 |
                     (m & (MODEM_OUT1 | MODEM_OUT2)) << 4);
}

static uint64_t serial_read(void *device, uint64_t offset, unsigned size)
{
    struct serial *s = device;
    bool is_divisor = (s->format & FORMAT_DIVISOR) != 0;
    uint8_t value = 0xff;

    (void)size;
    switch (offset) {
    case REG_DATA:
        value = is_divisor ? (uint8_t)s->divisor : serial_take(s);
        break;
    case REG_INTERRUPT:
        value = is_divisor ? (uint8_t)(s->divisor >> 8) : s->interrupts;
        break;
    case REG_IDENTIFY:
        value = serial_identify(s);
        break;
    case REG_FORMAT:
        value = s->format;
        break;
    case REG_MODEM:
        value = s->modem;
        break;
    case REG_LINE:
        value = serial_line(s);
        break;
    case REG_MODEM_IN:
        value = serial_modem_in(s);
        break;
    case REG_SCRATCH:
        value = s->scratch;
        break;
    }
    serial_update(s);
    return value;
}

static void serial_send(struct serial *s, uint8_t byte)
{
    if ((s->modem & MODEM_LOOP) != 0) {
        serial_receive(s, byte);
    } else {
        s->output(s->context, byte);
    }
    s->is_empty_told = false;
}

static void serial_control_fifo(struct serial *s, uint8_t value)
{
    bool is_on = (value & FIFO_ON) != 0;

    if (is_on != s->has_fifo || (value & FIFO_CLEAR_IN) != 0) {
        s->count = 0;
    }
    s->has_fifo = is_on;
    s->trigger = is_on ? value >> 6 : 0;
}

static void serial_enable(struct serial *s, uint8_t value)
{
    if ((value & ~s->interrupts & INTERRUPT_EMPTY) != 0) {
        s->is_empty_told = false; /* it is empty: told anew */
    }
    s->interrupts = value & INTERRUPT_ALL;
}

static void serial_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct serial *s = device;
    bool is_divisor = (s->format & FORMAT_DIVISOR) != 0;
    uint8_t byte = (uint8_t)value;

    (void)size;
    switch (offset) {
    case REG_DATA:
        if (is_divisor) {
            s->divisor = (uint16_t)((s->divisor & 0xff00) | byte);
        } else {
            serial_send(s, byte);
        }
        break;
    case REG_INTERRUPT:
        if (is_divisor) {
            s->divisor = (uint16_t)((s->divisor & 0x00ff) | byte << 8);
        } else {
            serial_enable(s, byte);
        }
        break;
    case REG_IDENTIFY:
        serial_control_fifo(s, byte);
        break;
    case REG_FORMAT:
        s->format = byte;
        break;
    case REG_MODEM:
        s->modem = byte & MODEM_ALL;
        break;
    case REG_SCRATCH:
        s->scratch = byte;
        break;
    }
    serial_update(s);
}

bool serial_init(struct serial *serial, struct bus *ports, uint16_t base,
                 serial_output_function *output, void *context)
{
    struct bus_range range = {base, PORTS, serial_read, serial_write, serial};

    memset(serial, 0, sizeof(*serial));
    serial->output = output;
    serial->context = context;
    serial->divisor = 1;
    return bus_insert(ports, &range);
}
