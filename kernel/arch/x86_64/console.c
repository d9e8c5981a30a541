/* console.c - kernel messages: out on the first serial port (16550), or to the monitor of a guest
 * that wants no devices, and into a ring buffer. */
#include "kern/console.h"

#include <mach/hypercall.h>

#include "arch/hypervisor.h"
#include "arch/io.h"
#include "arch/layout.h"
#include "kern/atomic.h"
#include "kern/spinlock.h"

#define UART_BASE             0x3f8
#define UART_DATA             (UART_BASE + 0)
#define UART_INTERRUPT_ENABLE (UART_BASE + 1)
#define UART_FIFO             (UART_BASE + 2)
#define UART_LINE_CONTROL     (UART_BASE + 3)
#define UART_MODEM_CONTROL    (UART_BASE + 4)
#define UART_LINE_STATUS      (UART_BASE + 5)
#define UART_SCRATCH          (UART_BASE + 7)
#define UART_STATUS_READY     0x01u
#define UART_STATUS_EMPTY     0x20u
#define UART_SPIN_MAX         1000000u

#define CONSOLE_RING_SIZE 32768u
#define CONSOLE_LINE_SIZE 128u

static struct spinlock console_lock = SPINLOCK_INITIALIZER(LOCK_RANK_CONSOLE, "console");
static bool console_lock_broken;
static bool console_has_uart;
static char console_ring[CONSOLE_RING_SIZE]; /* [console_lock] */
static uint64_t console_written;             /* [console_lock] bytes since start-up */
static bool console_has_monitor;             /* [I] after console_use_hypervisor() */
static char console_line[CONSOLE_LINE_SIZE]; /* [console_lock] for the monitor */
static uint32_t console_line_size;           /* [console_lock] */

void console_init(void)
{
    outb(UART_SCRATCH, 0x5a);
    console_has_uart = inb(UART_SCRATCH) == 0x5a;
    if (!console_has_uart) {
        return;
    }
    outb(UART_INTERRUPT_ENABLE, 0);
    outb(UART_LINE_CONTROL, 0x80);
    outb(UART_DATA, 1); /* 115200 baud */
    outb(UART_INTERRUPT_ENABLE, 0);
    outb(UART_LINE_CONTROL, 0x03);
    outb(UART_FIFO, 0x07);
    outb(UART_MODEM_CONTROL, 0x0b);
}

/* In the kernel's image, where the monitor finds it. */
static uint64_t console_call(uint64_t number, const void *bytes, uint64_t size)
{
    return hypervisor_call(number, (uint64_t)bytes - KERNEL_IMAGE_BASE, size, 0);
}

static void console_flush(void)
{
    if (console_line_size != 0) {
        (void)console_call(HYPERCALL_CONSOLE_WRITE, console_line, console_line_size);
        console_line_size = 0;
    }
}

uint64_t console_begin(void) NO_LOCK_ANALYSIS /* taken unless a panic broke it */
{
    if (console_lock_broken) {
        return interrupt_save_disable();
    }
    return spin_lock_irqsave(&console_lock);
}

void console_end(uint64_t flags) NO_LOCK_ANALYSIS
{
    console_flush();
    if (console_lock_broken) {
        interrupt_restore(flags);
        return;
    }
    spin_unlock_irqrestore(&console_lock, flags);
}

void console_break_lock(bool broken)
{
    console_lock_broken = broken;
}

static void console_put_uart(char c)
{
    for (unsigned i = 0; i < UART_SPIN_MAX && (inb(UART_LINE_STATUS) & UART_STATUS_EMPTY) == 0;
         i++) {
        cpu_relax();
    }
    outb(UART_DATA, (uint8_t)c);
}

static void console_send(char c)
{
    if (console_has_monitor) {
        console_line[console_line_size] = c;
        console_line_size++;
        if (c == '\n' || console_line_size == CONSOLE_LINE_SIZE) {
            console_flush();
        }
    } else if (console_has_uart) {
        console_put_uart(c);
    }
}

void console_put(char c)
{
    console_ring[console_written % CONSOLE_RING_SIZE] = c;
    console_written++;
    if (c == '\n') {
        console_send('\r');
    }
    console_send(c);
}

/* What nobody has seen yet is sent again. */
void console_use_hypervisor(void)
{
    uint64_t flags = console_begin();
    uint64_t seen = console_has_uart ? console_written : 0;

    console_has_monitor = true;
    for (; seen < console_written; seen++) {
        console_send(console_ring[seen % CONSOLE_RING_SIZE]);
    }
    console_end(flags);
}

int console_poll(void)
{
    static char typed; /* where the monitor finds it */

    if (console_has_monitor) {
        return console_call(HYPERCALL_CONSOLE_READ, &typed, 1) == 1 ? (uint8_t)typed : -1;
    }
    if (!console_has_uart || (inb(UART_LINE_STATUS) & UART_STATUS_READY) == 0) {
        return -1;
    }
    return inb(UART_DATA);
}

size_t console_read_ring(uint64_t *from, char *buffer, size_t size)
{
    uint64_t flags = console_begin();
    uint64_t position = *from;
    size_t n = 0;

    if (console_written - position > CONSOLE_RING_SIZE || position > console_written) {
        position = console_written > CONSOLE_RING_SIZE ? console_written - CONSOLE_RING_SIZE : 0;
    }
    while (n < size && position < console_written) {
        buffer[n] = console_ring[position % CONSOLE_RING_SIZE];
        n++;
        position++;
    }
    *from = position;
    console_end(flags);
    return n;
}
