/* driver.c - the loop of a driver: interrupts, requests, and the device master's question whether
 * it lives, all messages to one port set that one thread receives from. */
#define _GNU_SOURCE
#include <portolan/driver.h>

#include <mach/notify.h>
#include <errno.h>
#include <hardware.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <device_notify_server.h>

#define OBJECT_CONTROL   1u
#define OBJECT_INTERRUPT 2u
#define MESSAGE_MAX      16384
#define DEMUX_MAX        4

struct driver driver;

static struct {
    void (*handler)(void *);
    void *context;
    mach_port_t irq;
} driver_interrupts[DRIVER_INTERRUPTS_MAX];

static struct {
    void (*handler)(void *);
    void *context;
    unsigned period_ms; /* 0: none */
    uint64_t due_ms;
} driver_tick;

static struct {
    void (*handler)(void *); /* NULL: none */
    void *context;
} driver_ping;

static void (*driver_stop)(void);
static mach_port_t driver_interrupt_port; /* receive right; interrupts are told here */
static boolean_t (*driver_demuxes[DEMUX_MAX])(mach_msg_header_t *, mach_msg_header_t *);

static void driver_vsay(const char *format, va_list list)
{
    char text[200];

    vsnprintf(text, sizeof(text), format, list);
    portolan_print("%s: %s\n", program_invocation_short_name, text);
}

void driver_say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    driver_vsay(format, list);
    va_end(list);
}

void driver_fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    driver_vsay(format, list);
    va_end(list);
    exit(1);
}

/* A receive right in the set, whose messages carry the object. */
static kern_return_t driver_port(uint64_t object, mach_port_t *port)
{
    kern_return_t kr = server_port_create(driver.set, port);

    return kr == KERN_SUCCESS ? mach_port_set_protected_payload(mach_task_self(), *port, object)
                              : kr;
}

/* Does the device see other addresses than those of memory? */
static kern_return_t driver_ask_translated(void)
{
    boolean_t is_translated = FALSE;
    int64_t faults, address;
    int reason;
    kern_return_t kr = dma_status(driver.dma, &is_translated, &faults, &address, &reason);

    driver.is_translated = is_translated;
    return kr;
}

void driver_begin(void (*stop)(void))
{
    mach_port_t control;

    driver_stop = stop;
    driver.port = portolan_port("driver");
    if (driver.port == MACH_PORT_NULL) {
        driver_fail("not started by the device master");
    }
    if (server_set_create(&driver.set) != KERN_SUCCESS ||
        driver_port(OBJECT_CONTROL, &control) != KERN_SUCCESS ||
        driver_port(OBJECT_INTERRUPT, &driver_interrupt_port) != KERN_SUCCESS) {
        driver_fail("no memory for its ports");
    }
    if (driver_control(driver.port, control) != KERN_SUCCESS ||
        driver_dma(driver.port, &driver.dma) != KERN_SUCCESS ||
        driver_ask_translated() != KERN_SUCCESS ||
        server_watch_death(driver.port, control) != KERN_SUCCESS) {
        driver_fail("the device master gives no rights");
    }
}

static kern_return_t driver_arm(unsigned index)
{
    return irq_wait(driver_interrupts[index].irq, (int)index, driver_interrupt_port);
}

kern_return_t driver_on_interrupt(unsigned index, void (*handler)(void *), void *context)
{
    kern_return_t kr = KERN_INVALID_ARGUMENT;

    if (index < DRIVER_INTERRUPTS_MAX) {
        kr = driver_interrupt(driver.port, (int)index, &driver_interrupts[index].irq);
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    driver_interrupts[index].handler = handler;
    driver_interrupts[index].context = context;
    return driver_arm(index);
}

/* One that comes while the handler runs is kept, or the line still asserted: nothing is lost. */
kern_return_t device_intr_notify(mach_port_t notify, int id)
{
    (void)notify;
    if (server_current_object() != OBJECT_INTERRUPT || id < 0 || id >= DRIVER_INTERRUPTS_MAX ||
        driver_interrupts[id].handler == NULL) {
        return MIG_BAD_ID;
    }
    driver_interrupts[id].handler(driver_interrupts[id].context);
    if (driver_arm((unsigned)id) != KERN_SUCCESS) {
        driver_fail("interrupt %d cannot be waited for", id);
    }
    return KERN_SUCCESS;
}

void driver_serve(boolean_t (*demux)(mach_msg_header_t *in, mach_msg_header_t *out))
{
    for (unsigned i = 0; i < DEMUX_MAX; i++) {
        if (driver_demuxes[i] == NULL || driver_demuxes[i] == demux) {
            driver_demuxes[i] = demux;
            return;
        }
    }
}

static boolean_t driver_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    if (in->msgh_id == DEVICE_INTR_NOTIFY_ID) {
        return device_notify_server(in, out);
    }
    for (unsigned i = 0; i < DEMUX_MAX && driver_demuxes[i] != NULL; i++) {
        if (driver_demuxes[i](in, out)) {
            return TRUE;
        }
    }
    return FALSE;
}

/* --- time --- */

static uint64_t driver_now_ms(void)
{
    time_value64_t now = {0};

    host_get_uptime64(mach_host_self(), &now);
    return (uint64_t)now.seconds * 1000 + (uint64_t)now.nanoseconds / 1000000;
}

void driver_sleep(unsigned milliseconds)
{
    thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, milliseconds);
}

void driver_on_tick(unsigned period_ms, void (*handler)(void *), void *context)
{
    driver_tick.handler = handler;
    driver_tick.context = context;
    driver_tick.period_ms = period_ms;
    driver_tick.due_ms = period_ms != 0 ? driver_now_ms() + period_ms : 0;
}

void driver_on_ping(void (*handler)(void *), void *context)
{
    driver_ping.handler = handler;
    driver_ping.context = context;
}

/* Call the handler if it is due: messages that keep coming do not keep it waiting. Returns: how
 * long to wait for one at most, in milliseconds. */
static natural_t driver_tick_step(void)
{
    uint64_t now = driver_now_ms();

    if (now >= driver_tick.due_ms) {
        driver_tick.due_ms = now + driver_tick.period_ms;
        driver_tick.handler(driver_tick.context);
        now = driver_now_ms();
    }
    return driver_tick.due_ms > now ? (natural_t)(driver_tick.due_ms - now) : 0;
}

void driver_step(void)
{
    static const struct server server = {.demux = driver_demux};
    mach_msg_option_t option = MACH_RCV_MSG;
    natural_t limit = MACH_MSG_TIMEOUT_NONE;
    static union {
        mach_msg_header_t head;
        char bytes[MESSAGE_MAX];
    } in, out;

    if (driver_tick.period_ms != 0) {
        limit = driver_tick_step();
        option |= driver_tick.period_ms != 0 ? MACH_RCV_TIMEOUT : 0; /* it may have been the last */
    }
    if (mach_msg(&in.head, option, 0, sizeof(in), driver.set, limit, MACH_PORT_NULL) !=
        MACH_MSG_SUCCESS) {
        return;
    }
    if (in.head.msgh_id == MACH_NOTIFY_DEAD_NAME &&
        in.head.msgh_protected_payload == OBJECT_CONTROL) {
        driver_stop(); /* only the device master could have said so in the kernel's place */
        driver_fail("the device master is gone");
    }
    if (in.head.msgh_id >= MACH_NOTIFY_FIRST && in.head.msgh_id <= MACH_NOTIFY_LAST) {
        mach_msg_destroy(&in.head); /* of no interest, and a client may have sent it */
    } else if (in.head.msgh_id == DRIVER_PING_ID &&
               in.head.msgh_protected_payload == OBJECT_CONTROL) {
        driver_alive(driver.port);
        mach_msg_destroy(&in.head);
        if (driver_ping.handler != NULL) {
            driver_ping.handler(driver_ping.context);
        }
    } else {
        server_handle(&server, &in.head, &out.head);
    }
}

void driver_loop(void)
{
    for (;;) {
        driver_step();
    }
}
