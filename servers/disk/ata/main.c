/* main.c - the driver of IDE controllers on PCI: two channels, with two devices each, which are
 * units 0 to 3. */
#include <hardware.h>
#include <mach/device_types.h>
#include <stddef.h>

#include "channel.h"

#define CHANNELS 2u
#define BAR_DMA  4
#define DMA_SIZE 8u /* ports of a channel */
#define PAGE     4096u

static struct channel main_channels[CHANNELS];
static bool main_ticks;

static void main_tick(void *context)
{
    bool waits = false;

    (void)context;
    for (unsigned i = 0; i < CHANNELS; i++) {
        waits |= channel_tick(&main_channels[i]);
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
        driver_on_tick(CHANNEL_TICK_MS, main_tick, NULL);
    }
}

static void main_interrupt(void *context)
{
    channel_interrupt(context);
}

static void main_stop(void)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (main_channels[i].base != 0) {
            channel_stop(&main_channels[i]);
        }
    }
}

/* The ports of a channel. Of a control block of four the third is the register. */
static bool main_ports(struct channel *channel, unsigned number)
{
    int base, nbase, control, ncontrol, dma, ndma;

    if (driver_io_ports(driver.port, (int)number * 2, &base, &nbase) != KERN_SUCCESS ||
        driver_io_ports(driver.port, (int)number * 2 + 1, &control, &ncontrol) != KERN_SUCCESS ||
        nbase < 8 || ncontrol < 1) {
        return false;
    }
    channel->base = (uint16_t)base;
    channel->control = (uint16_t)(ncontrol >= 4 ? control + 2 : control);
    if (driver_io_ports(driver.port, BAR_DMA, &dma, &ndma) == KERN_SUCCESS &&
        ndma >= (int)(DMA_SIZE * CHANNELS)) {
        channel->dma = (uint16_t)(dma + (int)(number * DMA_SIZE));
    }
    return true;
}

/* A page for the bus master to read; without it, it is not used. */
static void main_memory(struct channel *channel)
{
    vm_address_t memory;
    int64_t phys;

    if (channel->dma == 0) {
        return;
    }
    if (driver_dma_allocate(driver.port, PAGE, 1ll << 32, &memory, &phys) != KERN_SUCCESS) {
        driver_fail("no memory for the bus master");
    }
    channel->runs = (volatile struct channel_run *)memory;
    channel->runs_phys = (uint32_t)phys;
}

/* Find the devices of the channel and have them be the library's. Returns: how many there are. */
static unsigned main_find(struct channel *channel, unsigned number, struct block_disk **disks)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CHANNEL_DISKS; i++) {
        channel->disks[i].disk.unit = (int)(number * CHANNEL_DISKS + i);
    }
    channel_find(channel);
    for (unsigned i = 0; i < CHANNEL_DISKS; i++) {
        if (channel->disks[i].is_there) {
            disks[n] = &channel->disks[i].disk;
            n++;
        }
    }
    if (n == 0) {
        channel_stop(channel);
        return 0;
    }
    main_memory(channel);
    if (driver_on_interrupt(number, main_interrupt, channel) != KERN_SUCCESS) {
        driver_fail("no interrupt for channel %u", number);
    }
    channel_begin(channel);
    return n;
}

int main(void)
{
    struct block_disk *disks[CHANNELS * CHANNEL_DISKS];
    unsigned n = 0;

    driver_begin(main_stop);
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (main_ports(&main_channels[i], i)) {
            channel_stop(&main_channels[i]);
            n += main_find(&main_channels[i], i, disks + n);
        }
    }
    if (driver_enable(driver.port) != KERN_SUCCESS) {
        driver_fail("the device master does not let the device begin");
    }
    block_serve(disks, n);
    for (unsigned i = 0; i < CHANNELS; i++) {
        main_channels[i].is_serving = true;
    }
    driver_loop();
}
