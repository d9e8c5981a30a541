/* uart.c - the serial line. The kernel has set its speed and prints its own messages on it; input
 * interrupts, output is written as the transmitter takes it. */
#include "uart.h"

#include "ports.h"

#define BASE             0x3f8
#define DATA             (BASE + 0)
#define INTERRUPT_ENABLE (BASE + 1)
#define FIFO             (BASE + 2)
#define MODEM_CONTROL    (BASE + 4)
#define LINE_STATUS      (BASE + 5)
#define SCRATCH          (BASE + 7)
#define LAST             (BASE + 7)

#define ENABLE_RECEIVED 0x01
#define FIFO_ON         0x01
#define MODEM_READY     0x0b /* with the bit that lets the interrupt through */
#define STATUS_RECEIVED 0x01
#define STATUS_EMPTY    0x20
#define FIFO_SIZE       16
#define SPIN_MAX        1000000u

static bool uart_present;

bool uart_init(mach_port_t hardware)
{
    if (!ports_grant(hardware, BASE, LAST)) {
        return false;
    }
    port_write(SCRATCH, 0xa5);
    uart_present = port_read(SCRATCH) == 0xa5;
    if (uart_present) {
        port_write(FIFO, FIFO_ON);
        port_write(MODEM_CONTROL, MODEM_READY);
        port_write(INTERRUPT_ENABLE, ENABLE_RECEIVED);
    }
    return uart_present;
}

static void uart_wait_empty(void)
{
    for (unsigned i = 0; i < SPIN_MAX && (port_read(LINE_STATUS) & STATUS_EMPTY) == 0; i++) {
        __builtin_ia32_pause();
    }
}

void uart_write(const char *text, size_t size)
{
    unsigned room = 0;

    for (size_t i = 0; uart_present && i < size; i++) {
        if (room < 2) {
            uart_wait_empty();
            room = FIFO_SIZE;
        }
        if (text[i] == '\n') {
            port_write(DATA, '\r');
            room--;
        }
        port_write(DATA, (uint8_t)text[i]);
        room--;
    }
}

int uart_read(void)
{
    if (!uart_present || (port_read(LINE_STATUS) & STATUS_RECEIVED) == 0) {
        return -1;
    }
    return port_read(DATA);
}
