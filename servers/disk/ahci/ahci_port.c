/* ahci_port.c - commands of a port, their end, and what is done when they fail (AHCI 1.3.1, 5, 6
 * and 10). Nothing the device writes is believed: a transfer is done when its bit is gone and
 * nothing says that it failed, and no other is ever looked at. */
#include "ahci_port.h"

#include <hardware.h>
#include <mach/device_types.h>
#include <mach/vm_param.h>
#include <string.h>

#define RUNS_MAX        248u /* of a transfer: with the command one page */
#define FIS_HOST        0x27u
#define FIS_COMMAND     0x80u
#define FIS_DWORDS      5u
#define FEATURE_DMA     1u /* of PACKET */
#define HEADER_PACKET   (1u << 5)
#define HEADER_WRITE    (1u << 6)
#define HEADER_RUNS_BIT 16
#define LIMIT_4GIB      (1ull << 32)

#define RESET_TICKS    100u /* a disk that spins up */
#define TRANSFER_TICKS 60u
#define FLUSH_TICKS    300u
#define LATE_MAX       3u /* then the disk is given up */
#define IDENTIFY_MS    2000u
#define CAPACITY_TRIES 5u /* the first answers are that it was reset, and that the CD is new */
#define STOP_MS        500u
#define READY_POLLS    5u /* of a millisecond, before ticks are waited for */

/* AHCI 1.3.1, 4.2.2 */
struct ahci_header {
    uint32_t flags;
    uint32_t bytes; /* moved */
    uint32_t table;
    uint32_t table_high;
    uint32_t reserved[4];
};

struct ahci_run {
    uint32_t address;
    uint32_t address_high;
    uint32_t reserved;
    uint32_t size; /* less one */
};

struct ahci_table {
    uint8_t fis[64];
    uint8_t packet[16];
    uint8_t reserved[48];
    struct ahci_run runs[RUNS_MAX];
};

/* What a port needs before it is known what is behind it: one page. */
struct ahci_command_memory {
    struct ahci_header headers[AHCI_PORT_SLOTS];
    uint8_t received[256];
    uint8_t fis[64]; /* a table with one run, for IDENTIFY */
    uint8_t packet[64];
    struct ahci_run run;
    uint8_t reserved[112];
    uint16_t words[ATA_IDENTIFY_WORDS];
};

_Static_assert(sizeof(struct ahci_table) == 4096, "a page each");
_Static_assert(offsetof(struct ahci_command_memory, received) % 256 == 0, "AHCI 1.3.1, 3.3.3");
_Static_assert(offsetof(struct ahci_command_memory, fis) % 128 == 0, "AHCI 1.3.1, 4.2.2");

static uint32_t ahci_port_get(const struct ahci_port *port, unsigned offset)
{
    return registers_get(HBA_PORTS + port->number * HBA_PORT + offset);
}

static void ahci_port_put(const struct ahci_port *port, unsigned offset, uint32_t value)
{
    registers_put(HBA_PORTS + port->number * HBA_PORT + offset, value);
}

/* --- start and stop --- */

/* Wait until bits of the command register are clear. */
static bool ahci_port_wait_clear(const struct ahci_port *port, uint32_t bits)
{
    for (unsigned i = 0; (ahci_port_get(port, PORT_CMD) & bits) != 0; i++) {
        if (i == STOP_MS) {
            return false;
        }
        driver_sleep(1);
    }
    return true;
}

/* No command reads or writes memory any more. Before that none of them may be said to be done: its
 * memory would be somebody else's. */
static void ahci_port_halt(const struct ahci_port *port)
{
    ahci_port_put(port, PORT_CMD, ahci_port_get(port, PORT_CMD) & ~CMD_START);
    if (!ahci_port_wait_clear(port, CMD_RUNS)) {
        driver_fail("port %u does not stop", port->number);
    }
}

void ahci_port_stop(const struct ahci_port *port)
{
    ahci_port_put(port, PORT_IE, 0);
    ahci_port_halt(port);
    ahci_port_put(port, PORT_CMD, ahci_port_get(port, PORT_CMD) & ~CMD_RECEIVE);
    if (!ahci_port_wait_clear(port, CMD_RECEIVES)) {
        driver_fail("port %u does not stop", port->number);
    }
}

bool ahci_port_is_plugged(const struct ahci_port *port)
{
    return (ahci_port_get(port, PORT_SSTS) & SSTS_DEVICE) == SSTS_UP;
}

/* Where the port finds its commands, and leaves what it receives. It is stopped. */
static void ahci_port_place(const struct ahci_port *port)
{
    uint64_t received = port->memory_phys + offsetof(struct ahci_command_memory, received);

    ahci_port_put(port, PORT_CLB, (uint32_t)port->memory_phys);
    ahci_port_put(port, PORT_CLBU, (uint32_t)(port->memory_phys >> 32));
    ahci_port_put(port, PORT_FB, (uint32_t)received);
    ahci_port_put(port, PORT_FBU, (uint32_t)(received >> 32));
}

/* Reset the link and with it the device; the port is halted. Commands under way are none
 * afterwards. Only then the port stops to receive: the end of a command that it does not receive
 * QEMU 7.2 keeps (ahci_write_fis_sdb), and tells it with the end of the next, when other commands
 * have the same slots. Nothing is left of what the port's registers were. */
static void ahci_port_reset(struct ahci_port *port)
{
    port->state = AHCI_PORT_RESETTING;
    port->ticks = 0;
    ahci_port_put(port, PORT_SCTL, SCTL_RESET);
    driver_sleep(2);
    ahci_port_put(port, PORT_SCTL, 0);
    ahci_port_stop(port);
    ahci_port_place(port);
    ahci_port_put(port, PORT_CMD, CMD_RECEIVE | CMD_SPIN_UP | CMD_POWER);
    main_need_ticks();
}

bool ahci_port_poll(struct ahci_port *port)
{
    if (!ahci_port_is_plugged(port) ||
        (ahci_port_get(port, PORT_TFD) & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) != 0) {
        return false;
    }
    ahci_port_put(port, PORT_SERR, ~0u);
    ahci_port_put(port, PORT_IS, ~0u);
    ahci_port_put(port, PORT_CMD, CMD_RECEIVE | CMD_SPIN_UP | CMD_POWER | CMD_START);
    ahci_port_put(port, PORT_IE, PORT_IS_DONE | PORT_IS_CHANGE | PORT_IS_ERROR);
    port->state = AHCI_PORT_RUNNING;
    return true;
}

void ahci_port_begin(struct ahci_port *port, unsigned number, uint32_t cap)
{
    int64_t limit = (cap & CAP_64_BITS) != 0 ? 0 : (int64_t)LIMIT_4GIB;
    vm_address_t memory;
    int64_t phys;

    port->number = number;
    port->has_64_bits = (cap & CAP_64_BITS) != 0;
    if (driver_dma_allocate(driver.port, sizeof(*port->memory), limit, &memory, &phys) !=
        KERN_SUCCESS) {
        driver_fail("no memory for port %u", number);
    }
    port->memory = (volatile struct ahci_command_memory *)memory;
    port->memory_phys = (uint64_t)phys;
    ahci_port_stop(port); /* what it receives is for memory that may be anybody's */
    ahci_port_reset(port);
}

/* --- commands --- */

static void ahci_port_fis(volatile uint8_t *fis, const struct ata_command *c)
{
    const uint8_t bytes[FIS_DWORDS * 4] = {
        FIS_HOST,
        FIS_COMMAND,
        c->command,
        (uint8_t)c->feature,
        (uint8_t)c->lba,
        (uint8_t)(c->lba >> 8),
        (uint8_t)(c->lba >> 16),
        c->device,
        (uint8_t)(c->lba >> 24),
        (uint8_t)(c->lba >> 32),
        (uint8_t)(c->lba >> 40),
        (uint8_t)(c->feature >> 8),
        (uint8_t)c->count,
        (uint8_t)(c->count >> 8),
    };

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        fis[i] = bytes[i];
    }
}

static void ahci_port_packet(volatile uint8_t *to, const uint8_t packet[ATA_PACKET_SIZE])
{
    for (unsigned i = 0; i < ATA_PACKET_SIZE; i++) {
        to[i] = packet[i];
    }
}

static void ahci_port_run(volatile struct ahci_run *run, uint64_t phys, uint32_t size)
{
    run->address = (uint32_t)phys;
    run->address_high = (uint32_t)(phys >> 32);
    run->reserved = 0;
    run->size = size - 1;
}

static void ahci_port_header(const struct ahci_port *port, unsigned slot, uint32_t flags,
                             unsigned nruns, uint64_t table)
{
    volatile struct ahci_header *header = &port->memory->headers[slot];

    header->flags = FIS_DWORDS | flags | nruns << HEADER_RUNS_BIT;
    header->bytes = 0;
    header->table = (uint32_t)table;
    header->table_high = (uint32_t)(table >> 32);
}

/* What the device is to do for the transfer. Returns: the flags of its header, or false in *good
 * when the command is not within reach. */
static uint32_t ahci_port_command(struct ahci_port *port, const struct block_transfer *transfer,
                                  bool queued, volatile struct ahci_table *table,
                                  struct ata_command *c, bool *good)
{
    uint8_t packet[ATA_PACKET_SIZE];

    if (!port->is_packet) {
        *good = ata_device_command(&port->device, transfer, queued ? ATA_QUEUED : ATA_DMA, c);
        return transfer->operation == BLOCK_WRITE ? HEADER_WRITE : 0;
    }
    *good = transfer->operation == BLOCK_READ;
    *c = (struct ata_command){.command = ATA_COMMAND_PACKET, .feature = FEATURE_DMA};
    ata_packet_read(packet, (uint32_t)transfer->sector,
                    (uint16_t)(transfer->size / ATA_PACKET_SECTOR));
    ahci_port_packet(table->packet, packet);
    return HEADER_PACKET;
}

/* Give the device the transfer in that slot. Returns: KERN_SUCCESS, D_IO_ERROR when the command or
 * its memory is not within reach. */
static kern_return_t ahci_port_give(struct ahci_port *port, unsigned slot,
                                    struct block_transfer *transfer, bool queued)
{
    volatile struct ahci_table *table = &port->tables[slot];
    struct ata_command c;
    bool good;
    uint32_t flags = ahci_port_command(port, transfer, queued, table, &c, &good);

    if (!good) {
        return D_IO_ERROR;
    }
    for (unsigned i = 0; i < transfer->nruns; i++) {
        const struct driver_run *run = &transfer->runs[i];

        if (!port->has_64_bits && run->phys + run->size > LIMIT_4GIB) {
            return D_IO_ERROR;
        }
        ahci_port_run(&table->runs[i], run->phys, run->size);
    }
    c.count |= (uint16_t)(queued ? slot << 3 : 0);
    ahci_port_fis(table->fis, &c);
    ahci_port_header(port, slot, flags, transfer->nruns, port->tables_phys + slot * sizeof(*table));
    port->slots[slot] = (struct ahci_slot){transfer, 0};
    port->active |= 1u << slot;
    port->is_alone = !queued;
    driver_barrier();
    if (queued) {
        ahci_port_put(port, PORT_SACT, 1u << slot);
    }
    ahci_port_put(port, PORT_CI, 1u << slot);
    main_need_ticks();
    return KERN_SUCCESS;
}

static kern_return_t ahci_port_start(struct block_disk *disk, struct block_transfer *transfer)
{
    struct ahci_port *port = (struct ahci_port *)disk; /* its first member */
    bool queued = port->is_queued && transfer->operation != BLOCK_FLUSH;
    uint32_t all = port->depth == AHCI_PORT_SLOTS ? ~0u : (1u << port->depth) - 1;

    if (port->state == AHCI_PORT_GONE) {
        return D_IO_ERROR;
    }
    if (port->state != AHCI_PORT_RUNNING || port->redo != NULL || (port->active & all) == all ||
        (port->active != 0 && (!queued || port->is_alone))) {
        return D_WOULD_BLOCK;
    }
    return ahci_port_give(port, (unsigned)__builtin_ctz(~port->active), transfer, queued);
}

const struct block_ops ahci_port_ops = {ahci_port_start};

/* --- the end of a command --- */

static struct block_transfer *ahci_port_take(struct ahci_port *port, unsigned slot)
{
    struct block_transfer *transfer = port->slots[slot].transfer;

    port->slots[slot].transfer = NULL;
    port->active &= ~(1u << slot);
    return transfer;
}

/* Give the next of those that are given again. */
static void ahci_port_again(struct ahci_port *port)
{
    while (port->state == AHCI_PORT_RUNNING && port->active == 0 && port->redo != NULL) {
        struct block_transfer *transfer = port->redo;

        port->redo = transfer->next;
        if (ahci_port_give(port, 0, transfer, false) != KERN_SUCCESS) {
            block_done(&port->disk, transfer, D_IO_ERROR);
        }
    }
    if (port->state == AHCI_PORT_RUNNING && port->active == 0) {
        block_resume(&port->disk);
    }
}

/* The transfer of that slot failed, or not. */
static void ahci_port_finish(struct ahci_port *port, unsigned slot, kern_return_t result)
{
    struct block_transfer *transfer = ahci_port_take(port, slot);

    block_done(&port->disk, transfer, result);
}

/* Did the device move less than it should, or more? Queued commands do not tell. */
static bool ahci_port_is_short(const struct ahci_port *port, unsigned slot)
{
    const struct block_transfer *transfer = port->slots[slot].transfer;

    return port->is_alone && transfer->operation != BLOCK_FLUSH &&
           port->memory->headers[slot].bytes != transfer->size;
}

static void ahci_port_complete(struct ahci_port *port)
{
    uint32_t busy = ahci_port_get(port, PORT_SACT) | ahci_port_get(port, PORT_CI);
    uint32_t done = port->active & ~busy;

    for (; done != 0; done &= done - 1) {
        unsigned slot = (unsigned)__builtin_ctz(done);
        kern_return_t result = KERN_SUCCESS;

        if (ahci_port_is_short(port, slot)) {
            ata_device_say(&port->device, port->disk.unit, port->slots[slot].transfer,
                           "%u bytes moved", port->memory->headers[slot].bytes);
            result = D_IO_ERROR;
        }
        port->late = 0;
        ahci_port_finish(port, slot, result);
    }
    ahci_port_again(port);
}

/* All that is under way and all that was to be given again end so. */
static void ahci_port_fail_all(struct ahci_port *port, const char *why)
{
    while (port->active != 0) {
        unsigned slot = (unsigned)__builtin_ctz(port->active);

        ata_device_say(&port->device, port->disk.unit, port->slots[slot].transfer, "%s", why);
        ahci_port_finish(port, slot, D_IO_ERROR);
    }
    while (port->redo != NULL) {
        struct block_transfer *transfer = port->redo;

        port->redo = transfer->next;
        ata_device_say(&port->device, port->disk.unit, transfer, "%s", why);
        block_done(&port->disk, transfer, D_IO_ERROR);
    }
}

/* The disk is not used any more. */
static void ahci_port_give_up(struct ahci_port *port, const char *why)
{
    port->state = AHCI_PORT_GONE;
    ahci_port_stop(port);
    driver_say("unit %d: %s; it is not used any more", port->disk.unit, why);
    ahci_port_fail_all(port, why);
    block_resume(&port->disk); /* what waits fails, too */
}

/* Reset the link, and see whether the device is ready soon. The port is halted. */
static void ahci_port_recover(struct ahci_port *port)
{
    ahci_port_reset(port);
    for (unsigned i = 0; i < READY_POLLS; i++) {
        if (ahci_port_poll(port)) {
            ahci_port_again(port);
            return;
        }
        driver_sleep(1);
    }
}

/* A command failed, or the link. One that was alone has failed; of several it is found out which.
 */
static void ahci_port_failed(struct ahci_port *port, uint32_t what)
{
    uint32_t tfd = ahci_port_get(port, PORT_TFD);
    bool was_alone = port->is_alone;

    port->state = AHCI_PORT_RESETTING; /* nothing is begun by what is done below */
    ahci_port_halt(port);
    if (port->is_alone && port->active != 0) {
        unsigned slot = (unsigned)__builtin_ctz(port->active);

        ata_device_say(&port->device, port->disk.unit, port->slots[slot].transfer,
                       "status 0x%02x, error 0x%02x, port 0x%08x", tfd & 0xff, tfd >> 8 & 0xff,
                       what);
        ahci_port_finish(port, slot, D_IO_ERROR);
    }
    while (port->active != 0) {
        struct block_transfer *transfer =
            ahci_port_take(port, 31u - (unsigned)__builtin_clz(port->active));

        transfer->next = port->redo;
        port->redo = transfer;
    }
    if (was_alone && (tfd & ATA_STATUS_ERR) != 0 && ahci_port_poll(port)) {
        ahci_port_again(port); /* it only said no: a reset would make a CD say more */
    } else {
        ahci_port_recover(port);
    }
}

void ahci_port_interrupt(struct ahci_port *port)
{
    uint32_t what = ahci_port_get(port, PORT_IS);

    ahci_port_put(port, PORT_IS, what);
    if (port->state != AHCI_PORT_RUNNING) {
        return;
    }
    if (!ahci_port_is_plugged(port)) {
        ahci_port_give_up(port, "the disk was unplugged");
    } else if ((what & PORT_IS_ERROR) != 0) {
        ahci_port_failed(port, what & PORT_IS_ERROR);
    } else {
        if ((what & PORT_IS_CHANGE) != 0) {
            ahci_port_put(port, PORT_SERR, ~0u); /* what keeps the bit set */
        }
        ahci_port_complete(port);
    }
}

/* --- time --- */

/* Has one been under way for longer than it may? All are a tick older. */
static bool ahci_port_is_late(struct ahci_port *port)
{
    bool late = false;

    for (uint32_t left = port->active; left != 0; left &= left - 1) {
        struct ahci_slot *slot = &port->slots[__builtin_ctz(left)];

        slot->ticks++;
        late |=
            slot->ticks > (slot->transfer->operation == BLOCK_FLUSH ? FLUSH_TICKS : TRANSFER_TICKS);
    }
    return late;
}

/* While disks are looked at first, one does not keep the others waiting twice. */
static void ahci_port_hangs(struct ahci_port *port)
{
    port->late++;
    port->state = AHCI_PORT_RESETTING;
    ahci_port_halt(port);
    ahci_port_fail_all(port, "no answer in time");
    if (port->late >= LATE_MAX || !port->is_serving) {
        ahci_port_give_up(port, "the disk does not answer");
    } else {
        ahci_port_recover(port);
    }
}

bool ahci_port_tick(struct ahci_port *port)
{
    if (port->state == AHCI_PORT_RESETTING) {
        port->ticks++;
        if (ahci_port_poll(port)) {
            ahci_port_again(port);
        } else if (port->ticks > RESET_TICKS) {
            ahci_port_give_up(port, "the disk does not become ready");
        }
    } else if (port->state == AHCI_PORT_RUNNING && port->active != 0) {
        ahci_port_interrupt(port); /* one that was lost costs a tick */
        if (port->state == AHCI_PORT_RUNNING && ahci_port_is_late(port)) {
            ahci_port_hangs(port);
        }
    }
    return port->state == AHCI_PORT_RESETTING || port->active != 0;
}

/* --- who it is --- */

/* Have a command done that gives `size` bytes to memory->words. packet: of a packet command, else
 * NULL. Returns: false when it failed, or was not done in time. */
static bool ahci_port_ask(struct ahci_port *port, uint8_t command, const uint8_t *packet,
                          uint32_t size)
{
    const struct ata_command c = {.command = command, .feature = packet != NULL ? FEATURE_DMA : 0};
    uint64_t phys = port->memory_phys;

    ahci_port_fis(port->memory->fis, &c);
    if (packet != NULL) {
        ahci_port_packet(port->memory->packet, packet);
    }
    ahci_port_run(&port->memory->run, phys + offsetof(struct ahci_command_memory, words), size);
    ahci_port_header(port, 0, packet != NULL ? HEADER_PACKET : 0, 1,
                     phys + offsetof(struct ahci_command_memory, fis));
    driver_barrier();
    ahci_port_put(port, PORT_CI, 1);
    for (unsigned i = 0; i < IDENTIFY_MS; i++) {
        if ((ahci_port_get(port, PORT_IS) & PORT_IS_ERROR) != 0) {
            return false;
        }
        if ((ahci_port_get(port, PORT_CI) & 1) == 0) {
            return port->memory->headers[0].bytes == size;
        }
        driver_sleep(1);
    }
    return false;
}

/* Sectors of the CD that is in it; 0: none that can be read. */
static uint64_t ahci_port_capacity(struct ahci_port *port)
{
    uint8_t packet[ATA_PACKET_SIZE], answer[8];

    ata_packet_capacity(packet);
    for (unsigned i = 0; i < CAPACITY_TRIES; i++) {
        if (ahci_port_ask(port, ATA_COMMAND_PACKET, packet, sizeof(answer))) {
            for (unsigned n = 0; n < sizeof(answer); n++) {
                answer[n] = ((volatile uint8_t *)port->memory->words)[n];
            }
            return ata_packet_sectors(answer);
        }
        ahci_port_halt(port);
        if (!ahci_port_poll(port)) {
            return 0;
        }
    }
    return 0;
}

static void ahci_port_allocate(struct ahci_port *port)
{
    int64_t limit = port->has_64_bits ? 0 : (int64_t)LIMIT_4GIB;
    vm_address_t memory;
    int64_t phys;

    if (driver_dma_allocate(driver.port, port->depth * sizeof(struct ahci_table), limit, &memory,
                            &phys) != KERN_SUCCESS) {
        driver_fail("no memory for commands of port %u", port->number);
    }
    port->tables = (volatile struct ahci_table *)memory;
    port->tables_phys = (uint64_t)phys;
}

/* A CD is given one command at a time. */
static const char *ahci_port_meet_cd(struct ahci_port *port, const uint16_t *words)
{
    uint64_t sectors;

    if (!ata_packet_is_cd(words)) {
        return "it is no CD";
    }
    sectors = ahci_port_capacity(port);
    if (sectors == 0) {
        return "there is nothing in it that can be read";
    }
    port->device = (struct ata_device){.sectors = sectors, .sector_size = ATA_PACKET_SECTOR};
    port->depth = 1;
    ata_packet_describe(sectors, &port->disk);
    return NULL;
}

static const char *ahci_port_meet_disk(struct ahci_port *port, const uint16_t *words, uint32_t cap)
{
    unsigned slots = ((cap & CAP_SLOTS) >> CAP_SLOTS_BIT) + 1;
    const char *trouble = ata_device_decode(words, &port->device);

    if (trouble != NULL) {
        return trouble;
    }
    if (!port->device.has_dma) {
        return "it has no DMA";
    }
    port->is_queued = (cap & CAP_QUEUED) != 0 && port->device.queue_depth != 0;
    port->depth = port->is_queued ? port->device.queue_depth : 1;
    port->depth = port->depth < slots ? port->depth : slots;
    ata_device_describe(&port->device, &port->disk);
    port->disk.kind = "disk";
    return NULL;
}

/* Read what the device says and believe it, or not. */
static const char *ahci_port_meet(struct ahci_port *port, uint32_t cap)
{
    uint32_t signature = ahci_port_get(port, PORT_SIG);
    uint16_t words[ATA_IDENTIFY_WORDS];

    port->is_packet = signature == SIG_ATAPI;
    if (signature != SIG_ATA && signature != SIG_ATAPI) {
        return "a device of an unknown kind";
    }
    if (!ahci_port_ask(port, port->is_packet ? ATA_COMMAND_IDENTIFY_PACKET : ATA_COMMAND_IDENTIFY,
                       NULL, sizeof(words))) {
        return "it does not say what it is";
    }
    for (unsigned i = 0; i < ATA_IDENTIFY_WORDS; i++) {
        words[i] = port->memory->words[i];
    }
    return port->is_packet ? ahci_port_meet_cd(port, words) : ahci_port_meet_disk(port, words, cap);
}

const char *ahci_port_identify(struct ahci_port *port, uint32_t cap)
{
    const char *trouble = ahci_port_meet(port, cap);

    if (trouble != NULL) {
        ahci_port_stop(port);
        port->state = AHCI_PORT_NONE;
        return trouble;
    }
    ahci_port_allocate(port);
    port->disk.ops = &ahci_port_ops;
    port->disk.unit = (int)port->number;
    port->disk.max_runs = RUNS_MAX;
    return NULL;
}
