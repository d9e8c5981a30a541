/* main.c - the console: interrupts of the serial line and the keyboard, and requests of programs,
 * all messages to one port set that one thread receives from. */
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>

#include <hardware.h>
#include <mach_port.h>

#include "console_ops.h"
#include "device_notify_server.h"
#include "input.h"
#include "keyboard.h"
#include "monitor.h"
#include "screen.h"
#include "uart.h"

#define MESSAGE_MAX 16384

/* What interrupts: its line, and how to take what it has. */
struct source {
    int line;
    void (*drain)(void);
    mach_port_t irq;
};

static mach_port_t interrupt_port; /* receive right; interrupts are told here */

static void drain_uart(void)
{
    int byte;

    while ((byte = uart_read()) >= 0) {
        input_key((uint8_t)byte);
    }
}

static void drain_monitor(void)
{
    int byte;

    while ((byte = monitor_read()) >= 0) {
        input_key((uint8_t)byte);
    }
}

static void drain_keyboard(void)
{
    const char *text;

    while (keyboard_read(&text)) {
        for (; *text != '\0'; text++) {
            input_key((uint8_t)*text);
        }
    }
}

#define MONITOR_IRQ (-1) /* no line, but an interrupt of its own */

static struct source sources[] = {
    {UART_IRQ, drain_uart, MACH_PORT_NULL},
    {KEYBOARD_IRQ, drain_keyboard, MACH_PORT_NULL},
    {MONITOR_IRQ, drain_monitor, MACH_PORT_NULL},
};

/* Ask for the next interrupt, then look once more: what came while the line was masked would not
 * interrupt again. */
static void source_arm(struct source *source)
{
    if (irq_wait(source->irq, source->line, interrupt_port) != KERN_SUCCESS) {
        portolan_print("console: interrupt line %d cannot be waited for\n", source->line);
    }
    source->drain();
}

static void source_open(struct source *source, mach_port_t hardware)
{
    if (hardware_irq_create(hardware, source->line, &source->irq) != KERN_SUCCESS) {
        portolan_print("console: no interrupt line %d\n", source->line);
        return;
    }
    source_arm(source);
}

kern_return_t device_intr_notify(mach_port_t notify, int id)
{
    if (notify != interrupt_port) {
        return MIG_BAD_ID; /* sent by a program to the console itself */
    }
    for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        if (sources[i].line == id) {
            sources[i].drain();
            source_arm(&sources[i]);
        }
    }
    return KERN_SUCCESS;
}

static boolean_t main_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return console_demux(in, out) || device_notify_server(in, out);
}

static void main_fail(const char *sentence)
{
    portolan_print("console: %s\n", sentence);
    exit(1);
}

int main(void)
{
    static struct server server = {
        .demux = main_demux, .max_in = MESSAGE_MAX, .max_out = MESSAGE_MAX};
    mach_port_t hardware = portolan_port("hardware");
    mach_port_t service;

    if (hardware == MACH_PORT_NULL) {
        main_fail("not given the hardware port (rights: hardware=hardware in the manifest)");
    }
    if (server_set_create(&server.receive) != KERN_SUCCESS ||
        server_port_create(server.receive, &interrupt_port) != KERN_SUCCESS) {
        main_fail("no memory for its ports");
    }
    if (monitor_init(hardware, &sources[2].irq)) {
        source_arm(&sources[2]);
    } else if (uart_init(hardware)) {
        source_open(&sources[0], hardware);
    }
    screen_init(hardware, uart_poll);
    if (keyboard_init(hardware)) {
        source_open(&sources[1], hardware);
    }
    if (portolan_check_in("console", &service) != KERN_SUCCESS ||
        mach_port_move_member(mach_task_self(), service, server.receive) != KERN_SUCCESS) {
        main_fail("cannot check in as the service `console`");
    }
    server_loop(&server);
}
