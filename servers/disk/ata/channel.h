/* channel.h - a channel of an IDE controller: two devices that share registers and an interrupt, of
 * which one at a time does something.
 *
 * state     | means                                       | left by
 * NONE      | there is no device                          | (never)
 * RESETTING | both devices were reset and are waited for  | they are ready -> IDLE; not in time ->
 * NONE IDLE      | a command can be given                      | start() -> BUSY BUSY      |
 * `transfer` is under way                     | its end -> IDLE; an error that leaves the device
 * busy, no |                                             | answer in time -> RESETTING
 */
#ifndef ATA_CHANNEL_H
#define ATA_CHANNEL_H

#include "../ata_device.h"
#include "bus.h"

#define CHANNEL_DISKS   2u
#define CHANNEL_TICK_MS 100u

enum channel_state { CHANNEL_NONE, CHANNEL_RESETTING, CHANNEL_IDLE, CHANNEL_BUSY };

struct channel;
struct channel_run;

struct channel_disk {
    struct block_disk disk; /* first: the library's name for this */
    struct channel *channel;
    struct ata_device device;
    uint8_t select;  /* bit 4 of the device register */
    bool is_there;   /* and used */
    bool is_packet;  /* takes packets: a CD */
    bool is_waiting; /* start() refused a transfer because the channel was in use */
    unsigned late;   /* times in a row that it did not answer */
};

struct channel {
    uint16_t base;
    uint16_t control;
    uint16_t dma; /* 0: no bus master */
    enum channel_state state;
    bool is_serving; /* others than block_serve() wait for transfers */
    struct channel_disk disks[CHANNEL_DISKS];
    struct channel_disk *last; /* that began a transfer */

    struct block_transfer *transfer;
    bool is_dma;    /* the transfer's data goes by the bus master */
    uint32_t moved; /* bytes, else */
    unsigned ticks; /* since the transfer or the reset began */

    volatile struct channel_run *runs; /* a page: what the bus master reads */
    uint32_t runs_phys;
};

/* Stop what the firmware or another driver has begun. */
void channel_stop(const struct channel *channel);
/* Reset the devices, and find out who is there, which waits. Lines in the log say why one that is
 * there is not used. Interrupts are off until channel_begin(). */
void channel_find(struct channel *channel);
void channel_begin(struct channel *channel);

/* Something may have happened. */
void channel_interrupt(struct channel *channel);
/* CHANNEL_TICK_MS have passed: time limits. Returns: whether there is something to wait for. */
bool channel_tick(struct channel *channel);

/* main.c: have channel_tick() called. */
void main_need_ticks(void);

#endif
