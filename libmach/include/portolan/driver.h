/* driver.h - the driver library: a driver is a task that the device master starts for one PCI
 * function and that is given that function alone. One thread does everything; what the driver does
 * is in functions that the library calls and that do not wait:
 *
 *     int main(void)
 *     {
 *         driver_begin(stop);
 *         ... driver_map, reset the device, driver_enable, driver_on_interrupt ...
 *         block_serve(disks, 1);
 *         driver_loop();
 *     }
 *
 * Routines of driver.defs are called with driver.port. */
#ifndef PORTOLAN_DRIVER_H
#define PORTOLAN_DRIVER_H

#include <driver.h>
#include <mach/hardware.h>
#include <mach/mach.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVER_INTERRUPTS_MAX 8

/* Memory as a device sees it: phys is what it is to be told. */
struct driver_run {
    uint64_t phys;
    uint32_t size;
};

struct driver {
    mach_port_t port;   /* of driver.defs */
    mach_port_t set;    /* everything is received from here */
    mach_port_t dma;    /* for dma_pin */
    bool is_translated; /* the device reaches only what is pinned, by addresses of its own */
};

extern struct driver driver; /* after driver_begin() */

/* Find the rights the device master gave; without them, say so and end. From then on the device
 * master asks whether the driver lives, which driver_step() answers. When the device master itself
 * is gone, the driver ends: stop() is called before, and the device uses no memory afterwards. */
void driver_begin(void (*stop)(void));

/* "NAME: text" to the log. */
void driver_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, then end: the device master decides what comes next. */
_Noreturn void driver_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Have handler(context) called when the function interrupts (index: as driver_interrupt). Returns:
 * KERN_SUCCESS, and those of driver_interrupt. */
kern_return_t driver_on_interrupt(unsigned index, void (*handler)(void *), void *context);

/* Have messages to ports in driver.set served by a stub: at most 4. */
void driver_serve(boolean_t (*demux)(mach_msg_header_t *in, mach_msg_header_t *out));

/* From now on have driver_step() call handler(context) every so many milliseconds, or a little
 * later; 0: not any more. For time limits: a device that does not answer sends no message. */
void driver_on_tick(unsigned period_ms, void (*handler)(void *), void *context);

/* Have driver_step() call handler(context) when the device master asks whether the driver lives:
 * about once a second from driver_ready() on. For a look at a device that costs its requests
 * nothing: a message that is waited for without a limit is there sooner. */
void driver_on_ping(void (*handler)(void *), void *context);

/* Wait for one message and serve it, or until the tick is due. For waiting until something has
 * happened, before driver_loop(). */
void driver_step(void);
_Noreturn void driver_loop(void);

/* Do nothing for so long, for what a device needs a few milliseconds for. */
void driver_sleep(unsigned milliseconds);

/* --- memory for the device --- */

/* Pin [address, address + size), whose pages the device reads, or writes too. runs, with room for
 * one a page, is set to the contiguous pieces of it, *n to how many, *pin to what dma_unpin takes.
 * Returns: those of dma_pin. */
kern_return_t driver_pin(vm_address_t address, vm_size_t size, vm_prot_t access,
                         struct driver_run *runs, unsigned *n, int *pin);

/* --- registers --- */

static inline uint8_t port_in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t port_in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t port_in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void port_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void port_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

/* Writes before it are seen by the device before those after it, reads likewise. */
static inline void driver_barrier(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

#endif
