/* ahci_test.c - the AHCI driver with a controller that is one, or is not: commands that fail, are
 * not answered, move less than they should; ports without anything behind them; anything at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The driver itself, whose variables are those of a fresh task each time. */
#define main driver_main
#include "servers/disk/ahci/ahci_port.c"
#include "servers/disk/ahci/main.c"
#include "servers/disk/ata_device.c"
#include "servers/disk/ata_packet.c"
#undef main

#define ROUNDS      20000u
#define ALLOCATIONS 80u
#define TRANSFERS   40u
#define SECTORS     1000u
#define SECTOR      512u
#define PORT        1u /* has the disk */

struct driver driver;

static void *allocations[ALLOCATIONS];
static unsigned allocation_count;
static jmp_buf ended; /* the driver has given up (1), or is in its loop (2) */
static void (*interrupt_handler)(void *);
static void (*tick_handler)(void *);
static struct block_disk *served[HBA_PORT_MAX];
static unsigned served_count;
static unsigned lines; /* in the log */
static struct block_transfer *transfers[TRANSFERS];
static kern_return_t results[TRANSFERS];
static unsigned done;

/* --- the controller --- */

static struct {
    uint32_t cap, ghc, is;
    uint32_t port[HBA_PORT / 4];
    uint16_t words[ATA_IDENTIFY_WORDS];
    uint8_t disk[SECTORS * SECTOR];
    bool is_silent;      /* data commands are not answered */
    bool is_new;         /* the first packet fails: there is another CD */
    bool is_stuck;       /* does not stop */
    bool fails_queued;   /* the first queued command */
    uint32_t bad_sector; /* cannot be read or written */
    uint32_t moves;      /* bytes, of what a command that is alone should; 0: all */
    bool is_noisy;
    unsigned noise;       /* one register in so many says anything; 0: none */
    unsigned resets;      /* of the port */
    unsigned after_reset; /* ports that have to be reset once more */
    uint32_t held; /* queued commands whose end is told with that of the next, as QEMU does */
} hba;

static uint32_t *reg(unsigned offset)
{
    return &hba.port[offset / 4];
}

static void hba_move(const volatile struct ahci_header *header, uint8_t *data, uint32_t size)
{
    const struct ahci_table *table =
        (const struct ahci_table *)(uintptr_t)(header->table | (uint64_t)header->table_high << 32);
    bool is_write = (header->flags & HEADER_WRITE) != 0;

    for (unsigned i = 0; i < header->flags >> HEADER_RUNS_BIT && size != 0; i++) {
        const struct ahci_run *run = &table->runs[i];
        void *memory = (void *)(uintptr_t)(run->address | (uint64_t)run->address_high << 32);
        uint32_t part = run->size + 1 < size ? run->size + 1 : size;

        memcpy(is_write ? (void *)data : memory, is_write ? memory : (void *)data, part);
        data += part;
        size -= part;
    }
}

static void hba_fail(void)
{
    *reg(PORT_IS) |= 1u << 30;
    *reg(PORT_TFD) = 0x0441;
}

/* Returns: false when it failed. */
static bool hba_packet(volatile struct ahci_header *header, const uint8_t *packet)
{
    static uint8_t capacity[8] = {0, 0, 0, SECTORS / 4 - 1, 0, 0, 8, 0};
    uint32_t lba = packet[4] << 8 | packet[5];
    uint32_t size = (packet[7] << 8 | packet[8]) * ATA_PACKET_SECTOR;

    if (hba.is_new) {
        hba.is_new = false; /* told once */
        hba_fail();
        return false;
    }
    if (packet[0] == READ_CAPACITY) {
        hba_move(header, capacity, sizeof(capacity));
        header->bytes = sizeof(capacity);
        return true;
    }
    assert_int_equal(packet[0], READ_10);
    assert_true(lba * 4 + size / SECTOR <= SECTORS);
    if (hba.bad_sector / 4 >= lba && hba.bad_sector / 4 < lba + size / ATA_PACKET_SECTOR) {
        hba_fail();
        return false;
    }
    size = hba.moves != 0 ? hba.moves : size;
    hba_move(header, hba.disk + lba * ATA_PACKET_SECTOR, size);
    header->bytes = size;
    return true;
}

static void hba_command(unsigned slot)
{
    volatile struct ahci_header *header =
        (volatile struct ahci_header *)(uintptr_t)(*reg(PORT_CLB) | (uint64_t)*reg(PORT_CLBU)
                                                                        << 32) +
        slot;
    const uint8_t *fis =
        (const uint8_t *)(uintptr_t)(header->table | (uint64_t)header->table_high << 32);
    uint32_t lba = fis[4] | (uint32_t)fis[5] << 8 | (uint32_t)fis[6] << 16;
    bool queued = fis[2] == COMMAND_READ_QUEUED || fis[2] == COMMAND_WRITE_QUEUED;
    uint32_t size = (queued ? fis[3] | fis[11] << 8 : fis[12] | fis[13] << 8) * SECTOR;

    assert_int_equal(fis[0], FIS_HOST);
    assert_int_equal((header->flags & HEADER_PACKET) != 0, fis[2] == ATA_COMMAND_PACKET);
    if (fis[2] == ATA_COMMAND_PACKET) {
        if (!hba_packet(header, fis + 64)) {
            return;
        }
    } else if (fis[2] ==
               (*reg(PORT_SIG) == SIG_ATAPI ? ATA_COMMAND_IDENTIFY_PACKET : ATA_COMMAND_IDENTIFY)) {
        hba_move(header, (uint8_t *)hba.words, sizeof(hba.words));
        header->bytes = sizeof(hba.words);
    } else if (hba.is_silent) {
        return;
    } else if (fis[2] == COMMAND_FLUSH_EXT || fis[2] == COMMAND_FLUSH) {
        assert_int_equal(*reg(PORT_CI) | *reg(PORT_SACT), 1u << slot);
    } else {
        assert_true(lba + size / SECTOR <= SECTORS);
        if ((queued && hba.fails_queued) ||
            (hba.bad_sector >= lba && hba.bad_sector < lba + size / SECTOR)) {
            hba_fail();
            return;
        }
        size = hba.moves != 0 && !queued ? hba.moves : size;
        hba_move(header, hba.disk + lba * SECTOR, size);
        header->bytes = size;
    }
    *reg(PORT_CI) &= ~(1u << slot);
    *reg(PORT_SACT) &= ~(1u << slot);
    *reg(PORT_IS) |= 1;
}

/* The device works at what it was given, unless one failed. */
static void hba_run(void)
{
    while ((*reg(PORT_CMD) & CMD_START) != 0 && *reg(PORT_CI) != 0 &&
           (*reg(PORT_TFD) & ATA_STATUS_ERR) == 0) {
        uint32_t before = *reg(PORT_CI);

        hba_command((unsigned)__builtin_ctz(before));
        if (*reg(PORT_CI) == before) {
            return;
        }
    }
}

static void hba_port_put(unsigned offset, uint32_t value)
{
    switch (offset) {
    case PORT_IS:
    case PORT_SERR:
        *reg(offset) &= ~value;
        return;
    case PORT_CI:
    case PORT_SACT:
        assert_true(hba.is_noisy ||
                    (*reg(offset) & value) == 0); /* busy slots are not given again */
        *reg(offset) |= value;
        return;
    case PORT_SCTL:
        if (value == 0 && *reg(PORT_SCTL) == SCTL_RESET) {
            hba.resets++;
            *reg(PORT_TFD) = hba.after_reset != 0 ? ATA_STATUS_BSY : 0x40;
            hba.after_reset -= hba.after_reset != 0;
            hba.held = (*reg(PORT_CMD) & CMD_RECEIVE) != 0 ? 0 : hba.held;
        }
        break;
    case PORT_CMD:
        value &= ~(CMD_RUNS | CMD_RECEIVES);
        value |= (value & CMD_START) != 0 || hba.is_stuck ? CMD_RUNS : 0;
        if ((value & CMD_START) != 0) {
            *reg(PORT_TFD) &= 0x80u;
        }
        if ((value & CMD_RUNS) == 0) {
            hba.held |= *reg(PORT_SACT);
            *reg(PORT_CI) = *reg(PORT_SACT) = 0;
        }
        break;
    default:
        break;
    }
    *reg(offset) = value;
}

/* --- what the driver calls --- */

unsigned registers_map(void)
{
    return 6;
}

uint32_t registers_get(unsigned offset)
{
    unsigned at = offset - (HBA_PORTS + PORT * HBA_PORT);

    if (hba.noise != 0 && (unsigned)rand() % hba.noise == 0) {
        return (uint32_t)rand() ^ (uint32_t)rand() << 16;
    }
    if (at < HBA_PORT) {
        if (at == PORT_CI && *reg(PORT_CI) == 1 && served_count == 0) {
            hba_run(); /* IDENTIFY is waited for */
        }
        return *reg(at);
    }
    switch (offset) {
    case HBA_CAP:
        return hba.cap;
    case HBA_PI:
        return 0xff; /* more than there is room for */
    case HBA_IS:
        return hba.is | 1u << PORT;
    default:
        return 0;
    }
}

void registers_put(unsigned offset, uint32_t value)
{
    unsigned at = offset - (HBA_PORTS + PORT * HBA_PORT);

    assert_true(offset < HBA_PORTS + 6 * HBA_PORT);
    if (at < HBA_PORT) {
        hba_port_put(at, value);
    }
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
    (void)index, (void)context;
    interrupt_handler = handler;
    return KERN_SUCCESS;
}

kern_return_t driver_dma_allocate(mach_port_t port, vm_size_t size, int64_t limit,
                                  vm_address_t *address, int64_t *phys)
{
    (void)port, (void)limit;
    assert_true(allocation_count < ALLOCATIONS);
    allocations[allocation_count] = aligned_alloc(4096, mach_round_page(size));
    memset(allocations[allocation_count], 0, size);
    *address = (vm_address_t)allocations[allocation_count];
    *phys = (int64_t)*address;
    allocation_count++;
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
    assert_ptr_equal(disk, served[0]);
    for (unsigned i = 0; i < TRANSFERS; i++) {
        if (transfers[i] == transfer) {
            assert_int_equal(results[i], MIG_NO_REPLY); /* done once only */
            assert_false((*reg(PORT_CMD) & CMD_RUNS) != 0 && hba.is_stuck);
            results[i] = result;
            done++;
            return;
        }
    }
    fail();
}

void block_resume(struct block_disk *disk)
{
    assert_ptr_equal(disk, served[0]);
}

/* --- the tests --- */

static void give_back(void)
{
    for (unsigned i = 0; i < allocation_count; i++) {
        free(allocations[i]);
    }
    allocation_count = 0;
    for (unsigned i = 0; i < TRANSFERS; i++) {
        if (transfers[i] != NULL) {
            free((void *)(uintptr_t)transfers[i]->runs[0].phys);
            free(transfers[i]);
            transfers[i] = NULL;
        }
    }
}

static int teardown(void **state)
{
    (void)state;
    give_back();
    return 0;
}

static void make_hba(void)
{
    give_back();
    memset(&hba, 0, sizeof(hba));
    hba.cap = CAP_QUEUED | CAP_64_BITS | 31u << CAP_SLOTS_BIT;
    hba.bad_sector = ~0u;
    *reg(PORT_SSTS) = 0x113;
    *reg(PORT_SIG) = SIG_ATA;
    for (unsigned i = 0; i < sizeof(hba.disk); i++) {
        hba.disk[i] = (uint8_t)(i / SECTOR);
    }
    hba.words[49] = CAPABILITIES_DMA | CAPABILITIES_LBA;
    hba.words[75] = 31;
    hba.words[76] = SATA_QUEUED;
    hba.words[83] = 0x4000 | SETS_48_BITS | SETS_FLUSH | SETS_FLUSH_EXT;
    hba.words[100] = SECTORS;
}

/* The driver starts; 1 when it has given up, 2 when it serves. */
static int start(void)
{
    int how;

    memset(main_ports, 0, sizeof(main_ports));
    main_ticks = false;
    tick_handler = NULL;
    served_count = done = lines = 0;
    how = setjmp(ended);
    if (how == 0) {
        driver_main();
    }
    return how;
}

static kern_return_t begin(unsigned i, enum block_operation operation, uint64_t sector,
                           uint32_t size)
{
    transfers[i] = calloc(1, sizeof(struct block_transfer) + sizeof(struct driver_run));
    transfers[i]->operation = operation;
    transfers[i]->sector = sector;
    transfers[i]->size = operation == BLOCK_FLUSH ? 0 : size;
    transfers[i]->nruns = operation != BLOCK_FLUSH;
    transfers[i]->runs[0] = (struct driver_run){(uint64_t)(uintptr_t)calloc(1, size), size};
    results[i] = MIG_NO_REPLY;
    return served[0]->ops->start(served[0], transfers[i]);
}

static uint8_t *memory_of(unsigned i)
{
    return (uint8_t *)(uintptr_t)transfers[i]->runs[0].phys;
}

/* Returns: 0, or 1 when the driver has given up. */
static int interrupt(void)
{
    int how = setjmp(ended);

    if (how == 0) {
        hba_run();
        interrupt_handler(NULL);
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

static void a_good_disk_is_read_and_written(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 1);
    assert_int_equal(served[0]->sectors, SECTORS);
    assert_int_equal(served[0]->unit, PORT);
    assert_int_equal(begin(0, BLOCK_READ, 7, 1024), KERN_SUCCESS);
    assert_int_equal(begin(1, BLOCK_WRITE, 20, 512), KERN_SUCCESS);
    memset(memory_of(1), 0xee, 512);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(results[0], KERN_SUCCESS);
    assert_int_equal(results[1], KERN_SUCCESS);
    assert_int_equal(memory_of(0)[0], 7);
    assert_int_equal(memory_of(0)[1023], 8);
    assert_int_equal(hba.disk[20 * SECTOR], 0xee);
    assert_int_equal(hba.disk[21 * SECTOR], 21);
    assert_int_equal(lines, 0);
}

static void no_more_is_begun_than_there_are_slots(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(begin(i, BLOCK_READ, i, 512), KERN_SUCCESS);
    }
    assert_int_equal(begin(32, BLOCK_READ, 32, 512), D_WOULD_BLOCK);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(done, 32);
    make_hba();
    hba.words[75] = 3;
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(begin(i, BLOCK_READ, i, 512), KERN_SUCCESS);
    }
    assert_int_equal(begin(4, BLOCK_READ, 4, 512), D_WOULD_BLOCK);
}

static void without_queued_commands_there_is_one_at_a_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        make_hba();
        hba.cap &= i == 0 ? ~CAP_QUEUED : ~0u;
        hba.words[76] = i == 0 ? SATA_QUEUED : 0;
        assert_int_equal(start(), 2);
        assert_int_equal(begin(0, BLOCK_READ, 3, 512), KERN_SUCCESS);
        assert_int_equal(begin(1, BLOCK_READ, 4, 512), D_WOULD_BLOCK);
        assert_int_equal(interrupt(), 0);
        assert_int_equal(results[0], KERN_SUCCESS);
        assert_int_equal(memory_of(0)[0], 3);
    }
}

static void a_flush_is_alone(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    assert_int_equal(begin(0, BLOCK_WRITE, 0, 512), KERN_SUCCESS);
    assert_int_equal(begin(1, BLOCK_FLUSH, 0, 0), D_WOULD_BLOCK);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(begin(2, BLOCK_FLUSH, 0, 0), KERN_SUCCESS);
    assert_int_equal(begin(3, BLOCK_READ, 0, 512), D_WOULD_BLOCK);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(results[2], KERN_SUCCESS);
}

static void a_bad_sector_fails_and_its_neighbours_do_not(void **state)
{
    (void)state;
    make_hba();
    hba.bad_sector = 5;
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(begin(i, BLOCK_READ, i, 512), KERN_SUCCESS);
    }
    for (unsigned i = 0; i < 30 && done < 10; i++) {
        assert_int_equal(interrupt(), 0);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(results[i], i == 5 ? D_IO_ERROR : KERN_SUCCESS);
        assert_int_equal(memory_of(i)[0], i == 5 ? 0 : i);
    }
    assert_int_equal(lines, 1);
    assert_int_equal(hba.held, 0); /* or the next would be done before their data is there */
    assert_int_equal(begin(10, BLOCK_READ, 6, 512), KERN_SUCCESS);
    assert_int_equal(begin(11, BLOCK_READ, 7, 512), KERN_SUCCESS); /* queued again */
}

static void short_and_long_transfers_are_errors(void **state)
{
    static const uint32_t moved[] = {1, 511, 1023};

    (void)state;
    for (unsigned i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
        make_hba();
        hba.cap &= ~CAP_QUEUED;
        hba.moves = moved[i];
        assert_int_equal(start(), 2);
        assert_int_equal(begin(0, BLOCK_READ, 1, 1024), KERN_SUCCESS);
        assert_int_equal(interrupt(), 0);
        assert_int_equal(results[0], D_IO_ERROR);
        assert_int_equal(lines, 1);
    }
}

static void a_disk_that_does_not_answer_is_reset_then_given_up(void **state)
{
    unsigned resets;

    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    hba.is_silent = true;
    resets = hba.resets;
    for (unsigned i = 0; i < LATE_MAX; i++) {
        assert_int_equal(begin(2 * i, BLOCK_READ, 1, 512), KERN_SUCCESS);
        assert_int_equal(begin(2 * i + 1, BLOCK_WRITE, 1, 512), KERN_SUCCESS);
        assert_int_equal(ticks(TRANSFER_TICKS), 0);
        assert_int_equal(done, 2 * i);
        assert_int_equal(ticks(2), 0);
        assert_int_equal(done, 2 * i + 2);
        assert_int_equal(results[2 * i], D_IO_ERROR);
        assert_int_equal(hba.resets, resets + i + (i < LATE_MAX - 1));
    }
    assert_int_equal(begin(20, BLOCK_READ, 1, 512), D_IO_ERROR);
    assert_int_equal(lines, 2 * LATE_MAX + 1);
    assert_int_equal(ticks(2), 0);
    assert_null(tick_handler);
}

static void a_disk_that_answers_again_is_used_again(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i < 3 * LATE_MAX; i++) {
        hba.is_silent = i % 2 == 0;
        assert_int_equal(begin(i, BLOCK_READ, 1, 512), KERN_SUCCESS);
        assert_int_equal(hba.is_silent ? ticks(TRANSFER_TICKS + 2) : interrupt(), 0);
        assert_int_equal(results[i], i % 2 == 0 ? D_IO_ERROR : KERN_SUCCESS);
    }
}

static void a_reset_puts_back_what_was_in_registers(void **state)
{
    static const unsigned places[] = {PORT_CLB, PORT_CLBU, PORT_FB, PORT_FBU};

    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint32_t right = *reg(places[i]);

        hba.is_silent = true;
        assert_int_equal(begin(2 * i, BLOCK_READ, 1, 512), KERN_SUCCESS);
        *reg(places[i]) = ~right;
        assert_int_equal(ticks(TRANSFER_TICKS + 2), 0);
        assert_int_equal(results[2 * i], D_IO_ERROR);
        assert_int_equal(*reg(places[i]), right);
        hba.is_silent = false;
        assert_int_equal(begin(2 * i + 1, BLOCK_READ, 1, 512), KERN_SUCCESS);
        assert_int_equal(interrupt(), 0);
        assert_int_equal(results[2 * i + 1], KERN_SUCCESS);
    }
}

static void a_disk_that_is_not_ready_in_time_is_given_up(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    hba.bad_sector = 1;
    hba.after_reset = 1;
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    assert_int_equal(begin(1, BLOCK_READ, 2, 512), KERN_SUCCESS);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(begin(2, BLOCK_READ, 1, 512), D_WOULD_BLOCK);
    assert_int_equal(done, 0);
    assert_int_equal(ticks(RESET_TICKS + 2), 0);
    assert_int_equal(results[0], D_IO_ERROR);
    assert_int_equal(results[1], D_IO_ERROR);
    assert_int_equal(begin(3, BLOCK_READ, 1, 512), D_IO_ERROR);
}

static void a_disk_that_is_unplugged_fails_all(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    hba.is_silent = true;
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    assert_int_equal(begin(1, BLOCK_WRITE, 1, 512), KERN_SUCCESS);
    *reg(PORT_SSTS) = 0;
    *reg(PORT_IS) = PORT_IS_CHANGE;
    assert_int_equal(interrupt(), 0);
    assert_int_equal(results[0], D_IO_ERROR);
    assert_int_equal(results[1], D_IO_ERROR);
    assert_int_equal(begin(2, BLOCK_READ, 1, 512), D_IO_ERROR);
    *reg(PORT_SSTS) = 0x113;
    *reg(PORT_IS) = PORT_IS_CHANGE;
    assert_int_equal(interrupt(), 0);
    assert_int_equal(begin(3, BLOCK_READ, 1, 512), D_IO_ERROR);
}

/* block_done() checks that no transfer ends while the port runs. */
static void a_port_that_does_not_stop_ends_the_driver(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    hba.is_silent = hba.is_stuck = true;
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    assert_int_equal(ticks(TRANSFER_TICKS + 2), 1);
    assert_int_equal(done, 0);
    make_hba();
    assert_int_equal(start(), 2);
    hba.is_stuck = true;
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), KERN_SUCCESS);
    hba_fail();
    *reg(PORT_CI) = 0;
    assert_int_equal(interrupt(), 1);
    assert_int_equal(done, 0);
}

static void what_is_no_disk_is_told_and_not_served(void **state)
{
    static const struct {
        unsigned word;
        uint16_t value;
    } bad[] = {
        {0, 0x8000}, {49, 0},          {49, CAPABILITIES_LBA}, {100, 0},    {103, 0xffff},
        {255, 0xa5}, {WORD_SETS, 0x0}, {106, 0x5000},          {117, 1000},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_hba();
        hba.words[106] = bad[i].word == 117 ? 0x5000 : 0;
        hba.words[bad[i].word] = bad[i].value;
        assert_int_equal(start(), 2);
        assert_int_equal(served_count, 0);
        assert_int_equal(lines, 1);
    }
    make_hba();
    *reg(PORT_SIG) = 0x96690101;
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 0);
    assert_int_equal(lines, 1);
}

static void sectors_of_4096_bytes_are_served(void **state)
{
    (void)state;
    make_hba();
    hba.words[106] = 0x5000;
    hba.words[117] = 2048;
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 1);
    assert_int_equal(served[0]->sector_size, 4096);
}

static void ports_without_anything_are_not_told(void **state)
{
    (void)state;
    make_hba();
    *reg(PORT_SSTS) = 0;
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 0);
    assert_int_equal(lines, 0);
}

static void make_cd(void)
{
    make_hba();
    *reg(PORT_SIG) = SIG_ATAPI;
    hba.words[0] = 0x8580;
    hba.is_new = true;
}

static void a_cd_is_read(void **state)
{
    (void)state;
    make_cd();
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 1);
    assert_int_equal(lines, 0);
    assert_string_equal(served[0]->kind, "cd");
    assert_int_equal(served[0]->sectors, SECTORS / 4);
    assert_true(served[0]->is_read_only && served[0]->is_whole);
    assert_int_equal(begin(0, BLOCK_READ, 5, 8192), KERN_SUCCESS);
    assert_int_equal(begin(1, BLOCK_READ, 5, 2048), D_WOULD_BLOCK);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(results[0], KERN_SUCCESS);
    for (unsigned i = 0; i < 8192; i++) {
        assert_int_equal(memory_of(0)[i], 20 + i / SECTOR);
    }
    assert_int_equal(begin(2, BLOCK_WRITE, 5, 2048), D_IO_ERROR);
    hba.bad_sector = 40;
    hba.resets = 0;
    assert_int_equal(begin(3, BLOCK_READ, 10, 2048), KERN_SUCCESS);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(results[3], D_IO_ERROR);
    assert_int_equal(hba.resets, 0);
    hba.moves = 2046;
    assert_int_equal(begin(4, BLOCK_READ, 11, 2048), KERN_SUCCESS);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(results[4], D_IO_ERROR);
    assert_int_equal(lines, 2);
}

static void what_is_no_cd_is_told_and_not_served(void **state)
{
    (void)state;
    make_cd();
    hba.words[0] = 0x8180; /* a tape */
    assert_int_equal(start(), 2);
    assert_int_equal(served_count, 0);
    assert_int_equal(lines, 1);
}

static void memory_out_of_reach_is_refused(void **state)
{
    (void)state;
    make_hba();
    assert_int_equal(start(), 2);
    main_ports[PORT].has_64_bits = false;
    assert_int_equal(begin(0, BLOCK_READ, 1, 512), D_IO_ERROR);
    assert_int_equal(*reg(PORT_CI), 0);
}

/* What is read of the controller is anything, now and then. */
static void random_round(void)
{
    rand() % 4 == 0 ? make_cd() : make_hba();
    for (int n = rand() % 4; n > 0; n--) {
        hba.words[rand() % 256] = (uint16_t)rand();
    }
    hba.noise = (unsigned)rand() % 2 == 0 ? 0 : 20 + (unsigned)rand() % 500;
    hba.is_noisy = hba.noise != 0;
    if (start() != 2 || served_count == 0) {
        return;
    }
    hba.fails_queued = rand() % 4 == 0;
    hba.is_silent = rand() % 4 == 0;
    hba.after_reset = (unsigned)rand() % 2;
    for (unsigned i = 0; i < 8; i++) {
        (void)begin(i, (enum block_operation)(rand() % 3), (uint64_t)rand() % 200,
                    served[0]->sector_size);
        if (rand() % 3 == 0) {
            *reg(PORT_IS) |= (uint32_t)rand();
        }
        if ((rand() % 2 == 0 ? interrupt() : ticks((unsigned)rand() % 200)) != 0) {
            return;
        }
    }
    hba.noise = 0;
    if (ticks(FLUSH_TICKS + RESET_TICKS + 10) == 0) {
        assert_int_equal(main_ports[PORT].active, 0);
        assert_null(main_ports[PORT].redo);
    }
}

static void a_controller_that_says_anything_is_survived(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        random_round();
    }
}

/* Words at random: what is believed is within bounds, and no command leaves the disk. */
static void what_a_disk_says_is_believed_within_bounds(void **state)
{
    uint16_t words[ATA_IDENTIFY_WORDS];
    unsigned good = 0;

    (void)state;
    srand(2);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct ata_device device;
        struct block_transfer transfer = {.operation = (enum block_operation)(rand() % 2)};
        struct ata_command command;

        for (unsigned w = 0; w < ATA_IDENTIFY_WORDS; w++) {
            words[w] = (uint16_t)(rand() % 3 == 0 ? 0 : rand());
        }
        if (ata_device_decode(words, &device) != NULL) {
            continue;
        }
        good++;
        assert_true(device.sectors != 0 && device.sectors <= SECTORS_48_MAX);
        assert_true(device.sector_size >= 512 && device.sector_size <= 4096);
        assert_true(device.queue_depth <= 32);
        transfer.size = device.sector_size;
        transfer.sector = device.sectors - 1;
        assert_true(ata_device_command(&device, &transfer, ATA_PIO, &command));
        transfer.sector = device.sectors;
        assert_false(ata_device_command(&device, &transfer, ATA_PIO, &command));
    }
    assert_true(good > 100);
}

static void commands_of_28_and_48_bits(void **state)
{
    struct ata_device device = {.sectors = 1 << 28, .sector_size = 512};
    struct block_transfer transfer = {.sector = 0xabcdef1, .size = 256 * 512};
    struct ata_command c;

    (void)state;
    assert_true(ata_device_command(&device, &transfer, ATA_DMA, &c));
    assert_int_equal(c.command, 0xc8);
    assert_int_equal(c.device, 0x4a);
    assert_int_equal(c.lba & 0xffffff, 0xbcdef1);
    assert_int_equal(c.count, 0);
    assert_false(ata_device_command(&device, &transfer, ATA_QUEUED, &c));
    transfer.size += 512;
    assert_false(ata_device_command(&device, &transfer, ATA_DMA, &c));
    device.has_48_bits = true;
    device.sectors = 1ull << 48;
    transfer.sector = 0xabcdef123456;
    transfer.operation = BLOCK_WRITE;
    assert_true(ata_device_command(&device, &transfer, ATA_QUEUED, &c));
    assert_int_equal(c.command, 0x61);
    assert_int_equal(c.feature, 257);
    assert_true(ata_device_command(&device, &transfer, ATA_PIO, &c));
    assert_int_equal(c.command, 0x34);
    assert_int_equal(c.count, 257);
    assert_true(c.lba == 0xabcdef123456 && c.device == 0x40);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_good_disk_is_read_and_written),
        TEST(no_more_is_begun_than_there_are_slots),
        TEST(without_queued_commands_there_is_one_at_a_time),
        TEST(a_flush_is_alone),
        TEST(a_bad_sector_fails_and_its_neighbours_do_not),
        TEST(short_and_long_transfers_are_errors),
        TEST(a_disk_that_does_not_answer_is_reset_then_given_up),
        TEST(a_disk_that_answers_again_is_used_again),
        cmocka_unit_test(a_reset_puts_back_what_was_in_registers),
        TEST(a_disk_that_is_not_ready_in_time_is_given_up),
        TEST(a_disk_that_is_unplugged_fails_all),
        TEST(a_port_that_does_not_stop_ends_the_driver),
        TEST(what_is_no_disk_is_told_and_not_served),
        TEST(sectors_of_4096_bytes_are_served),
        TEST(ports_without_anything_are_not_told),
        TEST(a_cd_is_read),
        TEST(what_is_no_cd_is_told_and_not_served),
        TEST(memory_out_of_reach_is_refused),
        TEST(a_controller_that_says_anything_is_survived),
        TEST(what_a_disk_says_is_believed_within_bounds),
        TEST(commands_of_28_and_48_bits),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("ahci", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
