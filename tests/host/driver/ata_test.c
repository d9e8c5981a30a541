/* ata_test.c - the IDE driver with devices that are some, or are not: commands that fail, are not
 * answered, give less or more than they should; CDs; a bus with nothing on it; anything at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The driver itself, whose variables are those of a fresh task each time. */
#define main driver_main
#include "servers/disk/ata/channel.c"
#include "servers/disk/ata/main.c"
#include "servers/disk/ata_packet.c"
#include "servers/disk/ata/probe.c"
#include "servers/disk/ata_device.c"
#undef main

#define ROUNDS    20000u
#define TRANSFERS 12u
#define SECTORS   400u
#define SECTOR    512u
#define BASE      0x1f0u
#define CONTROL   0x3f6u
#define DMA       0xc000u
#define PHYS      0x1000000ull /* of transfer n: n + 1 times as much */
#define RUNS_PHYS 0x2000u

struct driver driver;

static jmp_buf ended; /* the driver has given up (1), or is in its loop (2) */
static void (*interrupt_handler)(void *);
static void *interrupt_context;
static void (*tick_handler)(void *);
static struct block_disk *served[4];
static unsigned served_count;
static unsigned lines; /* in the log */
static struct block_transfer *transfers[TRANSFERS];
static kern_return_t results[TRANSFERS];
static unsigned done, resumed[2];
static struct block_transfer *eager; /* wants to begin as soon as one is done */
static kern_return_t eager_answer;
static uint8_t *runs_memory;

/* --- the bus --- */

enum device_kind { NOBODY, DISK, CD };
enum device_does { NOTHING_YET, GIVES, TAKES, PACKET, MOVES_DMA };

struct device {
    enum device_kind kind;
    uint16_t words[ATA_IDENTIFY_WORDS];
    uint8_t store[SECTORS * SECTOR];
    uint8_t status, error;
    uint8_t now[8], before[8]; /* registers, and what was in them */
    enum device_does does;
    bool is_write;
    uint32_t at, left; /* of the store, bytes */
    uint32_t chunk;    /* that can be moved before the next interrupt */
    uint8_t answer[512];
    bool from_answer;
};

static struct {
    struct device devices[2];
    uint8_t select;
    bool interrupt, is_floating;
    uint8_t dma_command, dma_status;
    bool is_silent, is_asleep; /* no answer; not ready after a reset */
    uint32_t bad_sector;
    uint32_t gives;      /* of what a DMA command should, or packet; 0: all */
    uint16_t byte_count; /* a CD says, 0: what is right */
    unsigned noise, resets;
    bool is_noisy;
} bus;

static struct device *device(void)
{
    return &bus.devices[bus.select];
}

static void raise_interrupt(void)
{
    bus.interrupt = true;
    bus.dma_status |= DMA_INTERRUPT;
}

static void end_command(struct device *d, uint8_t status, uint8_t error)
{
    d->status = status;
    d->error = error;
    d->does = NOTHING_YET;
    raise_interrupt();
}

/* The next piece can be read or written. */
static void next_chunk(struct device *d, uint32_t chunk)
{
    if (d->left == 0) {
        d->does = NOTHING_YET;
        d->status = 0x50;
        return;
    }
    d->chunk = chunk < d->left ? chunk : d->left;
    d->status = 0x58;
}

static void give_answer(struct device *d, const void *answer, uint32_t size)
{
    memcpy(d->answer, answer, size);
    d->from_answer = true;
    d->does = GIVES;
    d->at = 0;
    d->left = size;
    d->now[BUS_MID] = (uint8_t)size;
    d->now[BUS_HIGH] = (uint8_t)(size >> 8);
    next_chunk(d, size);
    raise_interrupt();
}

static uint64_t lba_of(const struct device *d, bool is_48)
{
    uint64_t lba = d->now[BUS_LOW] | d->now[BUS_MID] << 8 | d->now[BUS_HIGH] << 16;

    return is_48 ? lba | (uint64_t)d->before[BUS_LOW] << 24
                 : lba | (d->now[BUS_DEVICE] & 15u) << 24;
}

static void begin_data(struct device *d, uint8_t command)
{
    bool is_48 = command == 0x24 || command == 0x25 || command == 0x34 || command == 0x35;
    bool is_dma = command == 0x25 || command == 0x35 || command == 0xc8 || command == 0xca;
    uint32_t count = d->now[BUS_COUNT] | (is_48 ? d->before[BUS_COUNT] << 8 : 0);
    uint64_t lba = lba_of(d, is_48);

    count = count == 0 ? (is_48 ? 65536 : 256) : count;
    assert_true(lba + count <= SECTORS);
    if (bus.bad_sector >= lba && bus.bad_sector < lba + count) {
        end_command(d, 0x51, 0x40);
        return;
    }
    d->is_write = command == 0x34 || command == 0x35 || command == 0x30 || command == 0xca;
    d->at = (uint32_t)lba * SECTOR;
    d->left = count * SECTOR;
    d->from_answer = false;
    d->does = is_dma ? MOVES_DMA : d->is_write ? TAKES : GIVES;
    d->status = is_dma ? 0xd0 : 0x58;
    d->chunk = SECTOR;
    if (d->does == GIVES) {
        raise_interrupt();
    }
}

static void command(struct device *d, uint8_t c)
{
    bool is_identify = c == ATA_COMMAND_IDENTIFY || c == ATA_COMMAND_IDENTIFY_PACKET;

    assert_true(bus.is_noisy || (d->status & 0x88) == 0);
    if (d->kind == NOBODY) {
        return;
    }
    if (bus.is_silent && !is_identify) {
        d->status = 0xd0;
        return;
    }
    if (is_identify) {
        if ((c == ATA_COMMAND_IDENTIFY) != (d->kind == DISK)) {
            end_command(d, 0x51, 4);
        } else {
            give_answer(d, d->words, sizeof(d->words));
        }
    } else if (c == ATA_COMMAND_PACKET) {
        assert_int_equal(d->kind, CD);
        d->does = PACKET;
        d->status = 0x58;
    } else if (c == COMMAND_FLUSH || c == COMMAND_FLUSH_EXT) {
        end_command(d, 0x50, 0);
    } else {
        assert_int_equal(d->kind, DISK);
        begin_data(d, c);
    }
}

static void take_packet(struct device *d, const uint8_t *packet)
{
    static const uint8_t capacity[8] = {0, 0, 0, SECTORS / 4 - 1, 0, 0, 8, 0};
    uint32_t lba = packet[4] << 8 | packet[5];
    uint32_t count = packet[7] << 8 | packet[8];

    if (packet[0] == READ_CAPACITY) {
        give_answer(d, capacity, sizeof(capacity));
        return;
    }
    assert_int_equal(packet[0], READ_10);
    assert_true(lba + count <= SECTORS / 4);
    if (bus.bad_sector / 4 >= lba && bus.bad_sector / 4 < lba + count) {
        end_command(d, 0x51, 0x30);
        return;
    }
    d->from_answer = false;
    d->does = GIVES;
    d->at = lba * ATA_PACKET_SECTOR;
    d->left = bus.gives != 0 ? bus.gives : count * ATA_PACKET_SECTOR;
    next_chunk(d, ATA_PACKET_SECTOR);
    d->now[BUS_MID] = (uint8_t)(bus.byte_count != 0 ? bus.byte_count : d->chunk);
    d->now[BUS_HIGH] = (uint8_t)((bus.byte_count != 0 ? bus.byte_count : d->chunk) >> 8);
    raise_interrupt();
}

static void reset_devices(void)
{
    bus.resets++;
    for (unsigned i = 0; i < 2; i++) {
        struct device *d = &bus.devices[i];

        d->does = NOTHING_YET;
        d->status = d->kind == NOBODY ? 0 : bus.is_asleep ? 0x80 : d->kind == CD ? 0x10 : 0x50;
        d->now[BUS_COUNT] = d->now[BUS_LOW] = 1;
        d->now[BUS_MID] = d->kind == CD ? 0x14 : 0;
        d->now[BUS_HIGH] = d->kind == CD ? 0xeb : 0;
    }
}

/* The memory of a transfer at that address; NULL: of none. */
static uint8_t *memory_at(uint32_t phys, uint32_t size)
{
    for (unsigned i = 0; i < TRANSFERS; i++) {
        if (transfers[i] != NULL && phys >= transfers[i]->runs[0].phys &&
            phys + size <= transfers[i]->runs[0].phys + transfers[i]->size) {
            return (uint8_t *)transfers[i]->memory + (phys - transfers[i]->runs[0].phys);
        }
    }
    return NULL;
}

static void run_dma(void)
{
    struct device *d = device();
    const struct channel_run *run = (const struct channel_run *)runs_memory;
    uint32_t give = bus.gives != 0 ? bus.gives : d->left;

    if (d->does != MOVES_DMA) {
        return;
    }
    assert_int_equal(d->is_write, (bus.dma_command & DMA_READ) == 0);
    for (;; run++) {
        uint32_t size = run->size == 0 ? 65536 : run->size;
        uint32_t part = size < give ? size : give;
        uint8_t *memory = memory_at(run->address, size);

        assert_non_null(memory);
        assert_int_equal(run->address >> 16, (run->address + size - 1) >> 16);
        memcpy(d->is_write ? d->store + d->at : memory, d->is_write ? memory : d->store + d->at,
               part);
        d->at += part;
        give -= part;
        if (part < size || run->flags == RUN_LAST) {
            bus.dma_status =
                part < size ? bus.dma_status | DMA_ACTIVE : bus.dma_status & (uint8_t)~DMA_ACTIVE;
            end_command(d, 0x50, 0);
            return;
        }
    }
}

/* --- what the driver calls --- */

uint8_t bus_get8(uint16_t port)
{
    struct device *d = device();

    if (bus.is_floating || (bus.noise != 0 && (unsigned)rand() % bus.noise == 0)) {
        return bus.is_floating ? 0xff : (uint8_t)rand();
    }
    switch (port) {
    case DMA + BUS_DMA_STATUS:
        return bus.dma_status;
    case BASE + BUS_STATUS:
        bus.interrupt = false;
        return d->status;
    case CONTROL:
        return d->status;
    case BASE + BUS_ERROR:
        return d->error;
    default:
        assert_in_range(port, BASE, BASE + 7);
        return d->now[port - BASE];
    }
}

void bus_put8(uint16_t port, uint8_t value)
{
    switch (port) {
    case DMA + BUS_DMA_COMMAND:
        bus.dma_command = value;
        if ((value & DMA_START) != 0) {
            bus.dma_status |= DMA_ACTIVE;
            run_dma();
        } else {
            bus.dma_status &= (uint8_t)~DMA_ACTIVE;
        }
        return;
    case DMA + BUS_DMA_STATUS:
        bus.dma_status &= (uint8_t) ~(value & (DMA_ERROR | DMA_INTERRUPT));
        return;
    case CONTROL:
        if ((value & CONTROL_RESET) != 0) {
            reset_devices();
        }
        return;
    case BASE + BUS_COMMAND:
        command(device(), value);
        return;
    default:
        assert_in_range(port, BASE, BASE + 6);
        if (port == BASE + BUS_DEVICE) {
            bus.select = value >> 4 & 1;
        }
        for (unsigned i = 0; i < 2; i++) {
            bus.devices[i].before[port - BASE] = bus.devices[i].now[port - BASE];
            bus.devices[i].now[port - BASE] = value;
        }
    }
}

void bus_put32(uint16_t port, uint32_t value)
{
    assert_int_equal(port, DMA + BUS_DMA_TABLE);
    assert_int_equal(value, RUNS_PHYS);
}

/* Some bytes went through the data register. */
static void moved(struct device *d, uint32_t size)
{
    d->at += size;
    d->left -= size;
    d->chunk -= size;
    if (d->chunk == 0) {
        bool is_packet = d->kind == CD && !d->from_answer;
        bool was_last = d->left == 0;

        next_chunk(d, is_packet ? ATA_PACKET_SECTOR : SECTOR);
        if (!was_last || is_packet || d->is_write) {
            raise_interrupt();
        }
    }
}

void bus_read(uint16_t port, void *to, uint32_t size)
{
    struct device *d = device();

    assert_int_equal(port, BASE);
    memset(to, 0xaa, size); /* all of it must be there */
    if (d->does != GIVES || size > d->chunk) {
        assert_true(bus.is_noisy || bus.byte_count != 0);
        return;
    }
    memcpy(to, d->from_answer ? d->answer + d->at : d->store + d->at, size);
    d->is_write = false;
    moved(d, size);
}

void bus_write(uint16_t port, const void *from, uint32_t size)
{
    struct device *d = device();

    assert_int_equal(port, BASE);
    if (d->does == PACKET) {
        assert_int_equal(size, ATA_PACKET_SIZE);
        take_packet(d, from);
        return;
    }
    if (d->does != TAKES || size > d->chunk) {
        assert_true(bus.is_noisy);
        return;
    }
    memcpy(d->store + d->at, from, size);
    moved(d, size);
}

void driver_begin(void (*stop)(void))
{
    (void)stop;
}

void driver_say(const char *format, ...)
{
    (void)format;
    lines++;
}

void driver_fail(const char *format, ...)
{
    (void)format;
    longjmp(ended, 1);
}

void driver_sleep(unsigned milliseconds)
{
    (void)milliseconds;
}

void driver_on_tick(unsigned period_ms, void (*handler)(void *), void *context)
{
    (void)context;
    tick_handler = period_ms != 0 ? handler : NULL;
}

kern_return_t driver_on_interrupt(unsigned index, void (*handler)(void *), void *context)
{
    assert_int_equal(index, 0);
    interrupt_handler = handler;
    interrupt_context = context;
    return KERN_SUCCESS;
}

/* One channel, in compatibility mode. */
kern_return_t driver_io_ports(mach_port_t port, int bar, int *first, int *count)
{
    (void)port;
    *first = bar == 0 ? (int)BASE : bar == 1 ? (int)CONTROL : (int)DMA;
    *count = bar == 0 ? 8 : bar == 1 ? 1 : 16;
    return bar == 0 || bar == 1 || bar == 4 ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

kern_return_t driver_dma_allocate(mach_port_t port, vm_size_t size, int64_t limit,
                                  vm_address_t *address, int64_t *phys)
{
    (void)port;
    assert_true(limit > 0 && limit <= 1ll << 32);
    free(runs_memory);
    runs_memory = calloc(1, size);
    *address = (vm_address_t)runs_memory;
    *phys = RUNS_PHYS;
    return KERN_SUCCESS;
}

kern_return_t driver_enable(mach_port_t port)
{
    (void)port;
    return KERN_SUCCESS;
}

void block_serve(struct block_disk *const *disks, unsigned n)
{
    memcpy(served, disks, n * sizeof(*disks));
    served_count = n;
}

void driver_loop(void)
{
    longjmp(ended, 2);
}

void block_done(struct block_disk *disk, struct block_transfer *transfer, kern_return_t result)
{
    for (unsigned i = 0; i < TRANSFERS; i++) {
        if (transfers[i] == transfer) {
            assert_int_equal(results[i], MIG_NO_REPLY);       /* done once only */
            assert_int_equal(bus.dma_command & DMA_START, 0); /* nothing is moved any more */
            results[i] = result;
            done++;
            eager_answer = eager != NULL ? disk->ops->start(disk, eager) : KERN_SUCCESS;
            return;
        }
    }
    fail();
}

void block_resume(struct block_disk *disk)
{
    resumed[disk->unit]++;
}

/* --- the tests --- */

static void give_back(void)
{
    for (unsigned i = 0; i < TRANSFERS; i++) {
        if (transfers[i] != NULL) {
            free((void *)transfers[i]->memory);
            free(transfers[i]);
            transfers[i] = NULL;
        }
    }
    free(runs_memory);
    runs_memory = NULL;
}

static int teardown(void **state)
{
    (void)state;
    give_back();
    return 0;
}

static void make_device(struct device *d, enum device_kind kind)
{
    d->kind = kind;
    for (unsigned i = 0; i < sizeof(d->store); i++) {
        d->store[i] = (uint8_t)(i / SECTOR);
    }
    d->words[0] = kind == CD ? 0x8580 : 0x0040;
    d->words[49] = CAPABILITIES_DMA | CAPABILITIES_LBA;
    d->words[60] = SECTORS;
    d->words[83] = 0x4000 | SETS_48_BITS | SETS_FLUSH | SETS_FLUSH_EXT;
    d->words[100] = SECTORS;
}

static void make_bus(enum device_kind first, enum device_kind second)
{
    give_back();
    memset(&bus, 0, sizeof(bus));
    bus.bad_sector = ~0u;
    make_device(&bus.devices[0], first);
    make_device(&bus.devices[1], second);
    reset_devices();
    bus.resets = 0;
}

/* The driver starts; 1 when it has given up, 2 when it serves. */
static int start(void)
{
    int how;

    memset(main_channels, 0, sizeof(main_channels));
    main_ticks = false;
    tick_handler = NULL;
    interrupt_handler = NULL;
    served_count = done = lines = 0;
    how = setjmp(ended);
    if (how == 0) {
        driver_main();
    }
    return how;
}

static kern_return_t begin_on(unsigned which, unsigned i, enum block_operation operation,
                              uint64_t sector, uint32_t size)
{
    uint64_t phys = PHYS * (i + 1) + 0xf000; /* crosses 64 KiB after a page */

    transfers[i] = calloc(1, sizeof(struct block_transfer) + sizeof(struct driver_run));
    transfers[i]->operation = operation;
    transfers[i]->sector = sector;
    transfers[i]->size = operation == BLOCK_FLUSH ? 0 : size;
    transfers[i]->nruns = operation != BLOCK_FLUSH;
    transfers[i]->memory = (vm_address_t)calloc(1, size);
    transfers[i]->runs[0] = (struct driver_run){phys, size};
    results[i] = MIG_NO_REPLY;
    return served[which]->ops->start(served[which], transfers[i]);
}

static kern_return_t begin(unsigned i, enum block_operation operation, uint64_t sector,
                           uint32_t size)
{
    return begin_on(0, i, operation, sector, size);
}

static uint8_t *memory_of(unsigned i)
{
    return (uint8_t *)transfers[i]->memory;
}

/* As long as the device interrupts. Returns: 0, or 1 when the driver has given up. */
static int interrupts(void)
{
    int how = setjmp(ended);

    if (how == 0) {
        for (unsigned i = 0; bus.interrupt && i < 1000; i++) {
            bus.interrupt = false;
            interrupt_handler(interrupt_context);
        }
    }
    return how;
}

static int ticks(volatile unsigned n)
{
    int how = setjmp(ended);

    if (how == 0) {
        for (; n != 0 && tick_handler != NULL; n--) {
            tick_handler(NULL);
        }
    }
    return how;
}

static void use_a_disk(void)
{
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 1);
    assert_int_equal(served[0]->sectors, SECTORS);
    assert_string_equal(served[0]->kind, "disk");
    assert_int_equal(begin(0, BLOCK_READ, 7, 16384), KERN_SUCCESS);
    assert_int_equal(begin(1, BLOCK_READ, 7, 512), D_WOULD_BLOCK);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(results[0], KERN_SUCCESS);
    for (unsigned i = 0; i < 16384; i++) {
        assert_int_equal(memory_of(0)[i], 7 + i / SECTOR);
    }
    assert_int_equal(begin(2, BLOCK_WRITE, 20, 512), KERN_SUCCESS);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(results[2], KERN_SUCCESS);
    assert_int_equal(bus.devices[0].store[20 * SECTOR], 0);
    assert_int_equal(bus.devices[0].store[21 * SECTOR], 21);
    assert_int_equal(begin(3, BLOCK_WRITE, 30, 2048), KERN_SUCCESS);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(results[3], KERN_SUCCESS);
    assert_int_equal(bus.devices[0].store[33 * SECTOR], 0);
    assert_int_equal(bus.devices[0].store[34 * SECTOR], 34);
    assert_int_equal(begin(4, BLOCK_FLUSH, 0, 0), KERN_SUCCESS);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(results[4], KERN_SUCCESS);
    assert_int_equal(lines, 0);
}

static void a_disk_is_used_by_dma(void **state)
{
    (void)state;
    make_bus(DISK, NOBODY);
    use_a_disk();
    assert_true(main_channels[0].runs[0].address != 0);
}

static void a_disk_without_dma_is_used_by_pio(void **state)
{
    (void)state;
    make_bus(DISK, NOBODY);
    bus.devices[0].words[49] = CAPABILITIES_LBA;
    use_a_disk();
    make_bus(DISK, NOBODY);
    bus.devices[0].words[83] = 0x4000 | SETS_FLUSH; /* 28 bits */
    use_a_disk();
}

static void memory_above_4_gib_is_reached_by_pio(void **state)
{
    struct block_transfer *transfer;

    (void)state;
    make_bus(DISK, NOBODY);
    assert_int_equal(start(), 2);
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    assert_int_equal(interrupts(), 0);
    transfer = transfers[0];
    transfer->runs[0].phys = 0x100000000ull - 256;
    results[0] = MIG_NO_REPLY;
    memset(memory_of(0), 0, 512);
    assert_int_equal(served[0]->ops->start(served[0], transfer), KERN_SUCCESS);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(results[0], KERN_SUCCESS);
    assert_int_equal(memory_of(0)[511], 1);
}

static void a_cd_is_read(void **state)
{
    (void)state;
    make_bus(NOBODY, CD);
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 1);
    assert_string_equal(served[0]->kind, "cd");
    assert_int_equal(served[0]->unit, 1);
    assert_int_equal(served[0]->sector_size, 2048);
    assert_int_equal(served[0]->sectors, SECTORS / 4);
    assert_true(served[0]->is_read_only);
    assert_int_equal(begin(0, BLOCK_READ, 3, 16384), KERN_SUCCESS);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(results[0], KERN_SUCCESS);
    for (unsigned i = 0; i < 16384; i++) {
        assert_int_equal(memory_of(0)[i], 12 + i / SECTOR);
    }
    bus.bad_sector = 12;
    assert_int_equal(begin(1, BLOCK_READ, 3, 2048), KERN_SUCCESS);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(results[1], D_IO_ERROR);
    assert_int_equal(lines, 1);
}

static void a_cd_that_counts_wrong_is_an_error(void **state)
{
    static const struct {
        uint16_t byte_count;
        uint32_t gives;
    } bad[] = {{0, 2048}, {0, 6144}, {0xfffe, 0}, {2047, 0}, {1, 0}, {4098, 0}};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_bus(CD, NOBODY);
        assert_int_equal(start(), 2);
        bus.byte_count = bad[i].byte_count;
        bus.gives = bad[i].gives;
        assert_int_equal(begin(0, BLOCK_READ, 3, 4096), KERN_SUCCESS);
        assert_int_equal(interrupts(), 0);
        assert_int_equal(results[0], D_IO_ERROR);
        assert_int_equal(lines, 1);
        bus.byte_count = 0;
        bus.gives = 0;
        assert_int_equal(ticks(2), 0);
        assert_int_equal(begin(1, BLOCK_READ, 3, 4096), KERN_SUCCESS);
        assert_int_equal(interrupts(), 0);
        assert_int_equal(results[1], KERN_SUCCESS);
    }
}

static void short_dma_is_an_error(void **state)
{
    static const uint32_t gives[] = {512, 4094, 8190};

    (void)state;
    for (unsigned i = 0; i < sizeof(gives) / sizeof(gives[0]); i++) {
        make_bus(DISK, NOBODY);
        bus.gives = gives[i];
        assert_int_equal(start(), 2);
        assert_int_equal(begin(0, BLOCK_READ, 1, 8192), KERN_SUCCESS);
        assert_int_equal(interrupts(), 0);
        assert_int_equal(results[0], D_IO_ERROR);
        assert_int_equal(lines, 1);
    }
}

static void a_bad_sector_is_an_error(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        make_bus(DISK, NOBODY);
        bus.devices[0].words[49] = i == 0 ? CAPABILITIES_LBA : bus.devices[0].words[49];
        bus.bad_sector = 5;
        assert_int_equal(start(), 2);
        assert_int_equal(begin(0, BLOCK_READ, 5, 512), KERN_SUCCESS);
        assert_int_equal(interrupts(), 0);
        assert_int_equal(results[0], D_IO_ERROR);
        assert_int_equal(lines, 1);
        assert_int_equal(begin(1, BLOCK_READ, 6, 512), KERN_SUCCESS);
        assert_int_equal(interrupts(), 0);
        assert_int_equal(results[1], KERN_SUCCESS);
    }
}

static void a_disk_that_does_not_answer_is_reset_then_given_up(void **state)
{
    (void)state;
    make_bus(DISK, NOBODY);
    assert_int_equal(start(), 2);
    bus.is_silent = true;
    bus.resets = 0;
    for (unsigned i = 0; i < LATE_MAX; i++) {
        assert_int_equal(begin(i, BLOCK_READ, 1, 512), KERN_SUCCESS);
        assert_int_equal(ticks(TRANSFER_TICKS), 0);
        assert_int_equal(done, i);
        assert_int_equal(ticks(2), 0);
        assert_int_equal(results[i], D_IO_ERROR);
        assert_int_equal(bus.resets, i + 1);
    }
    assert_int_equal(begin(10, BLOCK_READ, 1, 512), D_IO_ERROR);
    assert_int_equal(lines, LATE_MAX + 1);
    assert_null(tick_handler);
}

static void a_disk_that_takes_no_command_is_given_up(void **state)
{
    (void)state;
    make_bus(DISK, NOBODY);
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i < LATE_MAX; i++) {
        bus.devices[0].status = 0x88;
        assert_int_equal(begin(i, BLOCK_READ, 1, 512), D_IO_ERROR);
        assert_int_equal(begin(9, BLOCK_READ, 1, 512), D_WOULD_BLOCK);
        free((void *)transfers[9]->memory);
        free(transfers[9]);
        transfers[9] = NULL;
        assert_int_equal(ticks(2), 0);
    }
    assert_int_equal(begin(10, BLOCK_READ, 1, 512), D_IO_ERROR);
    assert_int_equal(lines, LATE_MAX + 1);
}

static void a_disk_that_is_not_ready_in_time_is_given_up(void **state)
{
    (void)state;
    make_bus(DISK, NOBODY);
    assert_int_equal(start(), 2);
    bus.is_silent = bus.is_asleep = true;
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    assert_int_equal(ticks(TRANSFER_TICKS + 2), 0);
    assert_int_equal(results[0], D_IO_ERROR);
    assert_int_equal(begin(1, BLOCK_READ, 1, 512), D_WOULD_BLOCK);
    assert_int_equal(ticks(RESET_TICKS + 2), 0);
    assert_int_equal(begin(2, BLOCK_READ, 1, 512), D_IO_ERROR);
    assert_null(tick_handler);
}

static void an_interrupt_that_is_lost_costs_a_tick(void **state)
{
    (void)state;
    make_bus(DISK, NOBODY);
    assert_int_equal(start(), 2);
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    bus.interrupt = false;
    assert_int_equal(ticks(1), 0);
    assert_int_equal(results[0], KERN_SUCCESS);
}

static void two_disks_take_turns(void **state)
{
    (void)state;
    make_bus(DISK, DISK);
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 2);
    bus.devices[1].store[SECTOR] = 0x77;
    resumed[0] = resumed[1] = 0;
    assert_int_equal(begin_on(0, 0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    assert_int_equal(begin_on(1, 1, BLOCK_READ, 1, 512), D_WOULD_BLOCK);
    assert_int_equal(begin_on(0, 3, BLOCK_READ, 3, 512), D_WOULD_BLOCK);
    eager = transfers[3];
    assert_int_equal(interrupts(), 0);
    eager = NULL;
    assert_int_equal(eager_answer, D_WOULD_BLOCK); /* it is not its turn */
    assert_int_equal(resumed[1], 1);               /* the other one is asked */
    assert_int_equal(served[1]->ops->start(served[1], transfers[1]), KERN_SUCCESS);
    assert_int_equal(begin_on(0, 2, BLOCK_READ, 2, 512), D_WOULD_BLOCK);
    assert_int_equal(interrupts(), 0);
    assert_int_equal(memory_of(1)[0], 0x77);
    assert_int_equal(resumed[0], 2); /* when the other did not want to, and now */
}

static void all_pairs_of_devices_are_found(void **state)
{
    static const char *const names[] = {[NOBODY] = "", [DISK] = "disk", [CD] = "cd"};

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        enum device_kind kinds[] = {(enum device_kind)(i % 3), (enum device_kind)(i / 3)};
        unsigned n = 0;

        make_bus(kinds[0], kinds[1]);
        assert_int_equal(start(), 2);
        for (unsigned place = 0; place < 2; place++) {
            if (kinds[place] != NOBODY) {
                assert_string_equal(served[n]->kind, names[kinds[place]]);
                assert_int_equal(served[n]->unit, place);
                n++;
            }
        }
        assert_int_equal(served_count, n);
        assert_int_equal(lines, 0);
    }
}

static void what_is_no_disk_is_told_and_not_served(void **state)
{
    static const struct {
        unsigned word;
        uint16_t value;
    } bad[] = {{0, 0x8000}, {49, 0}, {100, 0}, {103, 0xffff}, {255, 0xa5}, {106, 0x5000}};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_bus(DISK, NOBODY);
        bus.devices[0].words[bad[i].word] = bad[i].value;
        assert_int_equal(start(), 2);
        assert_int_equal(served_count, 0);
        assert_int_equal(lines, 1);
    }
    make_bus(CD, NOBODY);
    bus.devices[0].words[0] = 0x8180; /* a tape */
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 0);
    assert_int_equal(lines, 1);
}

static void a_bus_with_nothing_on_it_is_left_alone(void **state)
{
    (void)state;
    make_bus(NOBODY, NOBODY);
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 0);
    assert_int_equal(lines, 0);
    bus.is_floating = true;
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 0);
    assert_int_equal(lines, 0);
}

/* What is read of the devices is anything, now and then. */
static void random_round(void)
{
    make_bus(rand() % 4 != 0 ? DISK : CD, (enum device_kind)(rand() % 3));
    for (int n = rand() % 4; n > 0; n--) {
        bus.devices[0].words[rand() % 256] = (uint16_t)rand();
    }
    bus.is_noisy = rand() % 2 == 0;
    bus.noise = bus.is_noisy ? 50 + (unsigned)rand() % 1000 : 0;
    if (start() != 2 || served_count == 0) {
        return;
    }
    bus.is_silent = rand() % 4 == 0;
    bus.is_asleep = rand() % 16 == 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned which = (unsigned)rand() % served_count;
        uint32_t size = served[which]->sector_size;

        (void)begin_on(which, i, (enum block_operation)(rand() % 3), (uint64_t)rand() % 90, size);
        if ((rand() % 2 == 0 ? interrupts() : ticks((unsigned)rand() % 100)) != 0) {
            return;
        }
    }
    bus.noise = 0;
    if (ticks(FLUSH_TICKS + RESET_TICKS + 10) == 0) {
        assert_null(main_channels[0].transfer);
        assert_null(tick_handler);
    }
}

static void devices_that_say_anything_are_survived(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        random_round();
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_disk_is_used_by_dma),
        TEST(a_disk_without_dma_is_used_by_pio),
        TEST(memory_above_4_gib_is_reached_by_pio),
        TEST(a_cd_is_read),
        TEST(a_cd_that_counts_wrong_is_an_error),
        TEST(short_dma_is_an_error),
        TEST(a_bad_sector_is_an_error),
        TEST(a_disk_that_does_not_answer_is_reset_then_given_up),
        TEST(a_disk_that_takes_no_command_is_given_up),
        TEST(a_disk_that_is_not_ready_in_time_is_given_up),
        TEST(an_interrupt_that_is_lost_costs_a_tick),
        TEST(two_disks_take_turns),
        TEST(all_pairs_of_devices_are_found),
        TEST(what_is_no_disk_is_told_and_not_served),
        TEST(a_bus_with_nothing_on_it_is_left_alone),
        TEST(devices_that_say_anything_are_survived),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("ata", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
