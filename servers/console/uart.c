/* uart.c - the serial line. The kernel has set its speed and prints its own messages on it; input
 * interrupts, output is written as the transmitter takes it. The receiver keeps 16 bytes only, so
 * what has come is taken from it while output is written and the screen is drawn, too. */
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
#define RING_SIZE       4096u

static bool uart_present;
static struct {
    uint8_t bytes[RING_SIZE];
    unsigned first;
    unsigned count;
} uart_ring; /* received, not yet read */

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

/* Take what has been received; what does not fit waits in the receiver. */
static void uart_receive(void)
{
    while (uart_ring.count < RING_SIZE && (port_read(LINE_STATUS) & STATUS_RECEIVED) != 0) {
        uart_ring.bytes[(uart_ring.first + uart_ring.count) % RING_SIZE] = port_read(DATA);
        uart_ring.count++;
    }
}

static void uart_wait_empty(void)
{
    for (unsigned i = 0; i < SPIN_MAX && (port_read(LINE_STATUS) & STATUS_EMPTY) == 0; i++) {
        uart_receive();
        __builtin_ia32_pause();
    }
}

void uart_write(const char *text, size_t size)
{
    unsigned room = 0;

    uart_poll();
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

void uart_poll(void)
{
    if (uart_present) {
        uart_receive();
    }
}

int uart_read(void)
{
    int byte;

    if (!uart_present) {
        return -1;
    }
    uart_receive();
    if (uart_ring.count == 0) {
        return -1;
    }
    byte = uart_ring.bytes[uart_ring.first];
    uart_ring.first = (uart_ring.first + 1) % RING_SIZE;
    uart_ring.count--;
    return byte;
}
