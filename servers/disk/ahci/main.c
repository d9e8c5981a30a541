/* main.c - the driver of AHCI controllers (AHCI 1.3.1): each port with a disk or a CD is a unit. */
#include <hardware.h>
#include <mach/device_types.h>
#include <stddef.h>

#include "ahci_port.h"

#define RESET_MS   1000u /* AHCI 1.3.1, 10.4.3 */
#define HANDOFF_MS 2000u
#define LINK_MS    50u    /* until a device that is there is seen */
#define READY_MS   10000u /* until it is ready */

static struct ahci_port main_ports[HBA_PORT_MAX];
static uint32_t main_implemented; /* ports */
static bool main_ticks;

static void main_tick(void *context)
{
    bool waits = false;

    (void)context;
    for (uint32_t left = main_implemented; left != 0; left &= left - 1) {
        waits |= ahci_port_tick(&main_ports[__builtin_ctz(left)]);
    }
    if (!waits) {
        main_ticks = false;
        driver_on_tick(0, NULL, NULL);
    }
}

void main_need_ticks(void)
{
    if (!main_ticks) {
        main_ticks = true;
        driver_on_tick(AHCI_PORT_TICK_MS, main_tick, NULL);
    }
}

/* The ports' bits go first, then those that say which ports have some (AHCI 1.3.1, 10.7.2.1). */
static void main_interrupt(void *context)
{
    uint32_t which = registers_get(HBA_IS);

    (void)context;
    for (uint32_t left = which & main_implemented; left != 0; left &= left - 1) {
        ahci_port_interrupt(&main_ports[__builtin_ctz(left)]);
    }
    registers_put(HBA_IS, which);
}

static bool main_wait_clear(unsigned offset, uint32_t bits, unsigned limit_ms)
{
    for (unsigned i = 0; (registers_get(offset) & bits) != 0; i++) {
        if (i == limit_ms) {
            return false;
        }
        driver_sleep(1);
    }
    return true;
}

/* The firmware lets go of the controller, or has had its time. */
static void main_take_over(void)
{
    if ((registers_get(HBA_CAP2) & CAP2_HANDOFF) != 0) {
        registers_put(HBA_BOHC, BOHC_SYSTEM);
        (void)main_wait_clear(HBA_BOHC, BOHC_BIOS | BOHC_BUSY, HANDOFF_MS);
        registers_put(HBA_BOHC, BOHC_SYSTEM | BOHC_CHANGE);
    }
}

static void main_reset(void)
{
    registers_put(HBA_GHC, GHC_AHCI);
    registers_put(HBA_GHC, GHC_AHCI | GHC_RESET);
    if (!main_wait_clear(HBA_GHC, GHC_RESET, RESET_MS)) {
        driver_fail("the controller does not reset");
    }
    registers_put(HBA_GHC, GHC_AHCI);
    registers_put(HBA_IS, ~0u);
}

static void main_stop(void)
{
    registers_put(HBA_GHC, GHC_AHCI | GHC_RESET);
    (void)main_wait_clear(HBA_GHC, GHC_RESET, RESET_MS);
}

/* Wait until devices are there and ready: for those that are not seen for a moment only. */
static void main_wait_ready(void)
{
    for (unsigned ms = 0; ms < READY_MS; ms++) {
        bool waits = false;

        for (uint32_t left = main_implemented; left != 0; left &= left - 1) {
            struct ahci_port *port = &main_ports[__builtin_ctz(left)];

            if (port->state == AHCI_PORT_RESETTING && !ahci_port_poll(port)) {
                waits |= ms < LINK_MS || ahci_port_is_plugged(port);
            }
        }
        if (!waits) {
            return;
        }
        driver_sleep(1);
    }
}

/* The ports with a disk, in their order. Returns: how many. */
static unsigned main_find(struct block_disk **disks, uint32_t cap)
{
    unsigned n = 0;

    for (uint32_t left = main_implemented; left != 0; left &= left - 1) {
        struct ahci_port *port = &main_ports[__builtin_ctz(left)];
        const char *trouble = "it does not become ready";

        if (!ahci_port_is_plugged(port)) {
            ahci_port_stop(port);
            port->state = AHCI_PORT_NONE;
            continue;
        }
        if (port->state == AHCI_PORT_RUNNING) {
            trouble = ahci_port_identify(port, cap);
        } else {
            ahci_port_stop(port);
            port->state = AHCI_PORT_NONE;
        }
        if (trouble != NULL) {
            driver_say("port %u: %s", port->number, trouble);
        } else {
            disks[n] = &port->disk;
            n++;
        }
    }
    return n;
}

int main(void)
{
    struct block_disk *disks[HBA_PORT_MAX];
    unsigned room, n;
    uint32_t cap;

    driver_begin(main_stop);
    room = registers_map();
    main_take_over();
    main_reset();
    cap = registers_get(HBA_CAP);
    main_implemented = registers_get(HBA_PI) & (room == HBA_PORT_MAX ? ~0u : (1u << room) - 1);
    if (driver_enable(driver.port) != KERN_SUCCESS) {
        driver_fail("the device master does not let the device begin");
    }
    for (uint32_t left = main_implemented; left != 0; left &= left - 1) {
        unsigned number = (unsigned)__builtin_ctz(left);

        ahci_port_begin(&main_ports[number], number, cap);
    }
    main_wait_ready();
    n = main_find(disks, cap);
    if (driver_on_interrupt(0, main_interrupt, NULL) != KERN_SUCCESS) {
        driver_fail("no interrupt");
    }
    registers_put(HBA_GHC, GHC_AHCI | GHC_INTERRUPTS);
    block_serve(disks, n);
    for (unsigned i = 0; i < n; i++) {
        ((struct ahci_port *)disks[i])->is_serving = true;
    }
    driver_loop();
}
