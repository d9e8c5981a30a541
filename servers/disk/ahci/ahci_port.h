/* ahci_port.h - a port of an AHCI controller with at most one disk or CD behind it.
 *
 * state     | means                                           | left by
 * NONE      | nothing, or nothing that is used                | (never)
 * RESETTING | the link was reset; the device is waited for    | it is ready -> RUNNING; not in time
 * -> GONE RUNNING   | commands can be given                           | an error -> RESETTING;
 * unplugged -> GONE GONE      | there was a disk: every transfer fails at once  | (never)
 *
 * After an error the device drops all that is under way, and does not say which command failed:
 * all of them are given again after the reset, one at a time, and the one that fails again has
 * failed. */
#ifndef AHCI_PORT_H
#define AHCI_PORT_H

#include "../ata_device.h"
#include "../ata_packet.h"
#include "registers.h"

#define AHCI_PORT_SLOTS   32u
#define AHCI_PORT_TICK_MS 100u /* how often ahci_port_tick() is to be called */

enum ahci_port_state {
    AHCI_PORT_NONE,
    AHCI_PORT_RESETTING,
    AHCI_PORT_RUNNING,
    AHCI_PORT_GONE,
};

struct ahci_command_memory;
struct ahci_table;

struct ahci_slot {
    struct block_transfer *transfer; /* NULL: free */
    unsigned ticks;                  /* since it was begun */
};

struct ahci_port {
    struct block_disk disk; /* first: the library's name for this */
    unsigned number;
    enum ahci_port_state state;
    struct ata_device device;
    bool has_64_bits; /* the controller's addresses */
    bool is_packet;   /* takes packets: a CD */
    bool is_queued;   /* queued commands are used */
    bool is_serving;  /* others than block_serve() wait for transfers */
    unsigned depth;   /* slots used */

    uint32_t active; /* slots with a transfer */
    bool is_alone;   /* the active one is no queued command */
    struct ahci_slot slots[AHCI_PORT_SLOTS];
    struct block_transfer *redo; /* to be given again, one at a time */
    unsigned ticks;              /* since the reset */
    unsigned late;               /* times in a row that the device did not answer */

    volatile struct ahci_command_memory *memory;
    uint64_t memory_phys;
    volatile struct ahci_table *tables; /* one a slot */
    uint64_t tables_phys;
};

/* Set a port up, and begin to reset it. The controller's own facts: commands at once, 64 bits.
 * Ends the driver when there is no memory. */
void ahci_port_begin(struct ahci_port *port, unsigned number, uint32_t cap);
/* Is a device there, as far as can be told? */
bool ahci_port_is_plugged(const struct ahci_port *port);
/* Resetting: has the device become ready? Then the port runs. */
bool ahci_port_poll(struct ahci_port *port);
/* Ask the device who it is, which waits at most two seconds, and make the port a disk. Returns:
 * NULL, or why it is none; the port is NONE then. */
const char *ahci_port_identify(struct ahci_port *port, uint32_t cap);

/* Something may have happened at the port. */
void ahci_port_interrupt(struct ahci_port *port);
/* AHCI_PORT_TICK_MS have passed: time limits. Returns: whether there is something to wait for. */
bool ahci_port_tick(struct ahci_port *port);
/* Nothing is read or written by the port afterwards. Ends the driver when it does not stop. */
void ahci_port_stop(const struct ahci_port *port);

extern const struct block_ops ahci_port_ops;

/* main.c: have ahci_port_tick() called. */
void main_need_ticks(void);

#endif
