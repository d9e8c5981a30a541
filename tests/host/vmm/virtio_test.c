/* virtio_test.c - virtio devices as their drivers see them, and drivers that break the rules. */
#include "virtio_driver.h"

#include "virtio_blk.h"
#include "virtio_console.h"
#include "virtio_rng.h"

#define FEATURE_INDIRECT (1ull << 28)
#define FEATURE_EVENT    (1ull << 29)
#define SECTORS          64u
#define BUFFER           0x20000u
#define STATUS_AT        0x2f000u

static struct virtio_blk blk;
static struct virtio_rng rng;
static struct virtio_console console;
static struct virtio_blk_store store;
static struct virtio_blk_request request;
static uint8_t disk[SECTORS * VIRTIO_BLK_SECTOR];
static unsigned wakes, flushes;
static bool fails;
static char shown[512];
static unsigned shown_count;

static bool store_read(void *context, uint64_t offset, void *data, uint64_t size)
{
    (void)context;
    assert_true(offset + size <= sizeof(disk) && size % store.block_size == 0);
    memcpy(data, disk + offset, size);
    return !fails;
}

static bool store_write(void *context, uint64_t offset, const void *data, uint64_t size)
{
    (void)context;
    assert_true(offset + size <= sizeof(disk) && size % store.block_size == 0);
    memcpy(disk + offset, data, size);
    return !fails;
}

static bool store_flush(void *context)
{
    (void)context;
    flushes += 1;
    return !fails;
}

static void wake(void *context)
{
    (void)context;
    wakes += 1;
}

static void fill(void *data, uint32_t size)
{
    memset(data, 0xa5, size);
}

static void emit(void *context, const uint8_t *data, uint32_t size)
{
    (void)context;
    for (uint32_t n = 0; n < size && shown_count < sizeof(shown); n++) {
        shown[shown_count] = (char)data[n];
        shown_count += 1;
    }
}

static int start_blk(void **state)
{
    (void)state;
    driver_prepare();
    store = (struct virtio_blk_store){NULL,     SECTORS,    VIRTIO_BLK_SECTOR, false,
                                      "a-disk", store_read, store_write,       store_flush};
    fails = false;
    wakes = flushes = 0;
    for (unsigned n = 0; n < sizeof(disk); n++) {
        disk[n] = (uint8_t)(n / VIRTIO_BLK_SECTOR + n);
    }
    virtio_blk_init(&blk, &driver.machine, &store, wake, NULL);
    driver_insert(&blk.pci);
    driver_start(1, FEATURE_INDIRECT);
    return 0;
}

static int start_console(void **state)
{
    (void)state;
    driver_prepare();
    shown_count = 0;
    virtio_console_init(&console, &driver.machine, emit, NULL);
    driver_insert(&console.pci);
    driver_start(2, 0);
    return 0;
}

/* --- the transport --- */

static void a_driver_finds_it_by_its_capabilities(void **state)
{
    unsigned types = 0;
    unsigned at = driver_config(0x34) & 0xff;

    (void)state;
    assert_int_equal(driver_config(0), 0x10421af4);
    assert_int_equal(driver_config(8) & 0xff, 1);
    for (; at != 0; at = driver_config(at) >> 8 & 0xff) {
        if ((driver_config(at) & 0xff) == 9) {
            assert_int_equal(driver_config(at + 4), 0); /* BAR 0 */
            types |= 1u << (driver_config(at) >> 24);
        }
    }
    assert_int_equal(types, 0x1e);
    assert_int_equal(driver_in(AT_COUNT, 2), 1);
}

static void features_are_agreed_on(void **state)
{
    (void)state;
    driver_out(AT_DEVICE_SELECT, 4, 1);
    assert_int_equal(driver_in(AT_DEVICE, 4), 1); /* VIRTIO_F_VERSION_1 */
    assert_int_equal(driver_in(AT_STATUS, 1), 15);
    driver_out(AT_STATUS, 1, 0);
    assert_int_equal(driver_in(AT_STATUS, 1), 0);
    driver_out(AT_DRIVER_SELECT, 4, 0);
    driver_out(AT_DRIVER, 4, 1u << 31); /* not offered */
    driver_out(AT_DRIVER_SELECT, 4, 1);
    driver_out(AT_DRIVER, 4, 1);
    driver_out(AT_STATUS, 1, 11);
    assert_int_equal(driver_in(AT_STATUS, 1), 3);
    driver_out(AT_STATUS, 1, 0);
    driver_out(AT_STATUS, 1, 11); /* not even the version */
    assert_int_equal(driver_in(AT_STATUS, 1), 3);
}

static void registers_of_eight_bytes_have_halves(void **state)
{
    (void)state;
    driver_out(AT_STATUS, 1, 0);
    driver_out(AT_QUEUE, 2, 0);
    driver_out(AT_DESCRIPTORS, 8, 0x1122334455667788);
    assert_int_equal(driver_in(AT_DESCRIPTORS + 4, 4), 0x11223344);
    driver_out(AT_DESCRIPTORS + 4, 4, 1);
    assert_true(driver_in(AT_DESCRIPTORS, 8) == 0x155667788);
    assert_int_equal(driver_in(AT_DESCRIPTORS + 2, 4), 0);
    assert_int_equal(driver_in(AT_DESCRIPTORS, 2), 0);
    driver_out(AT_QUEUE, 2, 7); /* there is none */
    assert_int_equal(driver_in(AT_SIZE, 2), 0);
    driver_out(AT_DESCRIPTORS, 8, 5);
    driver_out(AT_QUEUE, 2, 0);
    assert_true(driver_in(AT_DESCRIPTORS, 8) == 0x155667788);
}

static void an_enabled_queue_stays_as_it_is(void **state)
{
    (void)state;
    driver_out(AT_DESCRIPTORS, 8, 0x9000);
    driver_out(AT_SIZE, 2, 2);
    assert_int_equal(driver_in(AT_DESCRIPTORS, 8), driver_descriptors(0));
    assert_int_equal(driver_in(AT_SIZE, 2), DRIVER_SIZE);
}

/* --- a disk --- */

/* A request of three descriptors: header, data, status. */
static void put_request(uint32_t type, uint64_t sector, uint32_t size)
{
    uint32_t header[4] = {type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)};
    bool is_write = type == 1;

    memcpy(driver.ram + 0x10000, header, sizeof(header));
    driver.ram[STATUS_AT] = 0xee;
    driver_describe(0, 0, 0x10000, 16, NEXT, 1);
    driver_describe(0, 1, BUFFER, size, NEXT | (is_write ? 0 : WRITE), 2);
    driver_describe(0, 2, STATUS_AT, 1, WRITE, 0);
    driver_put(0, 0);
    driver_tell(0);
}

/* Do all there is. Returns: how many. */
static unsigned work(void)
{
    unsigned n = 0;

    while (virtio_blk_take(&blk, &request)) {
        virtio_blk_do(&blk, &request);
        virtio_blk_finish(&blk, &request);
        n += 1;
    }
    return n;
}

static void a_disk_says_how_large_it_is(void **state)
{
    (void)state;
    assert_int_equal(driver_in(PAGE_OF_DEVICE, 8), SECTORS);
    assert_int_equal(driver_in(PAGE_OF_DEVICE + 20, 4), 512);
    assert_int_equal(driver_in(PAGE_OF_DEVICE + 24, 4), 0);
    assert_int_equal(driver_in(PAGE_OF_DEVICE + 22, 8), 0);
}

static void sectors_are_read(void **state)
{
    (void)state;
    put_request(0, 3, 1024);
    assert_int_equal(wakes, 1);
    assert_int_equal(work(), 1);
    assert_memory_equal(driver.ram + BUFFER, disk + 3 * 512, 1024);
    assert_int_equal(driver.ram[STATUS_AT], 0);
    assert_int_equal(driver_used_index(0), 1);
    assert_int_equal(driver_used_size(0, 0), 1025);
    assert_true(driver.lines[DRIVER_SLOT % 4].level);
    assert_int_equal(driver_in(PAGE_OF_ISR, 1), 1);
    assert_false(driver.lines[DRIVER_SLOT % 4].level);
    assert_int_equal(driver_in(PAGE_OF_ISR, 1), 0);
}

static void sectors_are_written(void **state)
{
    (void)state;
    memset(driver.ram + BUFFER, 0x77, 512);
    put_request(1, SECTORS - 1, 512);
    assert_int_equal(work(), 1);
    assert_int_equal(disk[SECTORS * 512 - 1], 0x77);
    assert_int_equal(driver.ram[STATUS_AT], 0);
    assert_int_equal(driver_used_size(0, 0), 1);
    put_request(4, 0, 0);
    assert_int_equal(work(), 1);
    assert_int_equal(flushes, 1);
    put_request(8, 0, 20);
    assert_int_equal(work(), 1);
    assert_string_equal((char *)driver.ram + BUFFER, "a-disk");
}

static void a_sector_may_be_in_pieces(void **state)
{
    uint32_t header[4] = {0, 0, 5, 0};

    (void)state;
    memcpy(driver.ram + 0x10000, header, 16);
    driver_describe(0, 0, 0x10000, 7, NEXT, 1);
    driver_describe(0, 1, 0x10007, 9, NEXT, 2);
    driver_describe(0, 2, BUFFER, 100, NEXT | WRITE, 3);
    driver_describe(0, 3, BUFFER + 100, 412 + 512 + 30, NEXT | WRITE, 4);
    driver_describe(0, 4, BUFFER + 1054, 482 + 1, WRITE, 0); /* status in the last byte */
    driver_put(0, 0);
    assert_int_equal(work(), 1);
    assert_memory_equal(driver.ram + BUFFER, disk + 5 * 512, 1536);
    assert_int_equal(driver.ram[BUFFER + 1536], 0);
}

static void a_block_is_moved_whole(void **state)
{
    uint32_t header[4] = {0, 0, 4, 0};

    (void)state;
    store.block_size = 2048;
    memcpy(driver.ram + 0x10000, header, 16);
    driver_describe(0, 0, 0x10000, 16, NEXT, 1);
    driver_describe(0, 1, BUFFER, 512, NEXT | WRITE, 2);
    driver_describe(0, 2, BUFFER + 512, 2048 + 512, NEXT | WRITE, 3);
    driver_describe(0, 3, BUFFER + 3072, 1024 + 1, WRITE, 0);
    driver_put(0, 0);
    assert_int_equal(work(), 1);
    assert_memory_equal(driver.ram + BUFFER, disk + 2048, 4096);
    assert_int_equal(driver.ram[BUFFER + 4096], 0);
}

static void half_a_block_is_an_error(void **state)
{
    (void)state;
    store.block_size = 2048;
    put_request(0, 4, 512);
    assert_int_equal(work(), 1);
    assert_int_equal(driver.ram[STATUS_AT], 1);
    put_request(1, 5, 2048);
    assert_int_equal(work(), 1);
    assert_int_equal(driver.ram[STATUS_AT], 1);
    put_request(1, 8, 2048);
    assert_int_equal(work(), 1);
    assert_int_equal(driver.ram[STATUS_AT], 0);
}

static void a_request_can_be_in_a_table(void **state)
{
    struct descriptor table[3] = {
        {0x10000, 16, NEXT, 2}, {STATUS_AT, 1, WRITE, 9}, {BUFFER, 512, NEXT | WRITE, 1}};
    uint32_t header[4] = {0, 0, 1, 0};

    (void)state;
    memcpy(driver.ram + 0x10000, header, 16);
    memcpy(driver.ram + 0x11000, table, sizeof(table));
    driver_describe(0, 5, 0x11000, sizeof(table), INDIRECT, 0);
    driver_put(0, 5);
    assert_int_equal(work(), 1);
    assert_memory_equal(driver.ram + BUFFER, disk + 512, 512);
    assert_int_equal(driver_used_head(0, 0), 5);
}

static void what_is_not_on_the_disk_is_an_error(void **state)
{
    static const struct {
        uint32_t type, size;
        uint64_t sector;
        uint8_t status;
    } cases[] = {
        {0, 512, SECTORS, 1},    {0, 1024, SECTORS - 1, 1},
        {0, 512, UINT64_MAX, 1}, {1, 512, UINT64_MAX, 1},
        {0, 100, 0, 1},          {1, 513, 0, 1},
        {0, 512, 1ull << 55, 1}, {99, 512, 0, 2},
        {8, 19, 0, 1},           {0, 0, UINT64_MAX - 1, 1},
    };

    (void)state;
    for (unsigned n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        put_request(cases[n].type, cases[n].sector, cases[n].size);
        assert_int_equal(work(), 1);
        assert_int_equal(driver.ram[STATUS_AT], cases[n].status);
    }
    assert_null(driver.broken);
    fails = true;
    put_request(0, 0, 512);
    assert_int_equal(work(), 1);
    assert_int_equal(driver.ram[STATUS_AT], 1);
    assert_int_equal(driver_used_size(0, driver_used_index(0) - 1u), 1);
}

static void a_read_only_disk_is_not_written(void **state)
{
    (void)state;
    store.is_read_only = true;
    driver.ram[BUFFER] = (uint8_t)~disk[0];
    put_request(1, 0, 512);
    assert_int_equal(work(), 1);
    assert_int_equal(driver.ram[STATUS_AT], 1);
    assert_int_not_equal(disk[0], driver.ram[BUFFER]);
}

static void a_reset_waits_for_the_request_that_is_done(void **state)
{
    (void)state;
    put_request(0, 0, 512);
    put_request(0, 0, 512);
    assert_true(virtio_blk_take(&blk, &request));
    driver_out(AT_STATUS, 1, 0);
    assert_int_not_equal(driver_in(AT_STATUS, 1), 0);
    assert_false(virtio_blk_take(&blk, &request));
    virtio_blk_do(&blk, &request);
    virtio_blk_finish(&blk, &request);
    assert_int_equal(driver_in(AT_STATUS, 1), 0);
    assert_int_equal(driver_used_index(0), 0);
    assert_int_equal(driver.ram[STATUS_AT], 0xee);
}

static void without_bus_master_nothing_is_taken(void **state)
{
    (void)state;
    driver_set_config(4, 2, 0x0002);
    put_request(0, 0, 512);
    assert_int_equal(work(), 0);
    driver_set_config(4, 2, 0x0006);
    assert_int_equal(work(), 1);
}

/* --- interrupts --- */

/* Turn messages on, with one for vector 1. Returns: where the capability is. */
static unsigned use_messages(void)
{
    unsigned at = driver_config(0x34) & 0xff;
    uint64_t table = driver_config(0x14) & ~15u;

    while ((driver_config(at) & 0xff) != 0x11) {
        at = driver_config(at) >> 8 & 0xff;
    }
    driver_set_config(at + 2, 2, 0x8000);
    bus_write(&driver.bus, table + 16, 4, 0xfee01000);
    bus_write(&driver.bus, table + 24, 8, 0x41); /* data, and not masked */
    return at;
}

static void interrupts_can_be_messages(void **state)
{
    unsigned at = use_messages();
    uint64_t table = driver_config(0x14) & ~15u;

    (void)state;
    assert_int_equal(driver_config(at) >> 16 & 0xff, 1); /* two vectors */
    driver_out(AT_QUEUE, 2, 0);
    driver_out(AT_VECTOR, 2, 9);
    assert_int_equal(driver_in(AT_VECTOR, 2), 0xffff);
    driver_out(AT_VECTOR, 2, 1);
    put_request(0, 0, 512);
    work();
    assert_int_equal(driver.messages, 1);
    assert_int_equal(driver.message_address, 0xfee01000);
    assert_int_equal(driver.message_data, 0x41);
    assert_false(driver.lines[DRIVER_SLOT % 4].level);
    driver_set_config(at + 2, 2, 0xc000); /* all masked */
    put_request(0, 0, 512);
    work();
    assert_int_equal(driver.messages, 1);
    assert_int_equal(bus_read(&driver.bus, table + 2048, 4), 2);
    driver_set_config(at + 2, 2, 0x8000);
    assert_int_equal(driver.messages, 2);
    bus_write(&driver.bus, table + 28, 4, 1);
    put_request(0, 0, 512);
    work();
    assert_int_equal(driver.messages, 2);
    bus_write(&driver.bus, table + 28, 4, 0);
    assert_int_equal(driver.messages, 3);
    bus_write(&driver.bus, table + 26, 2, 0xffff); /* no such access */
    assert_int_equal(bus_read(&driver.bus, table + 24, 4), 0x41);
}

static void no_interrupt_when_none_is_wanted(void **state)
{
    (void)state;
    driver.ram[driver_ring(0)] = 1;
    put_request(0, 0, 512);
    work();
    assert_int_equal(driver_used_index(0), 1);
    assert_false(driver.lines[DRIVER_SLOT % 4].level);
}

static void an_interrupt_for_the_event_that_is_named(void **state)
{
    uint16_t *event;

    (void)state;
    driver.available[0] = 0;
    memset(driver.ram, 0, 0x8000);
    driver_start(1, FEATURE_EVENT);
    event = (uint16_t *)(void *)(driver.ram + driver_ring(0) + 4 + 2 * DRIVER_SIZE);
    *event = 1; /* the second */
    put_request(0, 0, 512);
    work();
    assert_false(driver.lines[DRIVER_SLOT % 4].level);
    /* and we want to know of the next */
    assert_int_equal(*(uint16_t *)(void *)(driver.ram + driver_used(0) + 4 + 8 * DRIVER_SIZE), 1);
    put_request(0, 0, 512);
    work();
    assert_true(driver.lines[DRIVER_SLOT % 4].level);
    (void)driver_in(PAGE_OF_ISR, 1);
    put_request(0, 0, 512);
    work();
    assert_false(driver.lines[DRIVER_SLOT % 4].level);
}

/* --- hostile drivers [V4, V5, V6] --- */

static void broken(const char *word)
{
    driver_tell(0);
    assert_int_equal(work(), 0);
    assert_non_null(driver.broken);
    assert_non_null(strstr(driver.broken, word));
    assert_int_equal(driver_in(AT_STATUS, 1) & 64, 64);
    put_request(0, 0, 512);
    assert_int_equal(work(), 0);
    driver_out(AT_STATUS, 1, 0);
    assert_int_equal(driver_in(AT_STATUS, 1), 0);
}

static void more_requests_than_room(void **state)
{
    (void)state;
    *(uint16_t *)(void *)(driver.ram + driver_ring(0) + 2) = DRIVER_SIZE + 1;
    broken("than it has room");
}

static void a_head_beyond_the_table(void **state)
{
    (void)state;
    driver_put(0, DRIVER_SIZE);
    broken("beyond the table");
}

static void a_next_beyond_the_table(void **state)
{
    (void)state;
    driver_describe(0, 0, BUFFER, 16, NEXT, 0xffff);
    driver_put(0, 0);
    broken("beyond the table");
}

static void a_chain_that_goes_round(void **state)
{
    (void)state;
    driver_describe(0, 0, BUFFER, 16, NEXT, 1);
    driver_describe(0, 1, BUFFER, 16, NEXT, 0);
    driver_put(0, 0);
    broken("goes round");
}

static void a_table_that_goes_round(void **state)
{
    struct descriptor table[2] = {{BUFFER, 16, NEXT, 1}, {BUFFER, 16, NEXT, 0}};

    (void)state;
    memcpy(driver.ram + 0x11000, table, sizeof(table));
    driver_describe(0, 0, 0x11000, sizeof(table), INDIRECT, 0);
    driver_put(0, 0);
    broken("goes round");
}

static void a_table_in_a_table(void **state)
{
    struct descriptor table[1] = {{0x11000, 16, INDIRECT, 0}};

    (void)state;
    memcpy(driver.ram + 0x11000, table, sizeof(table));
    driver_describe(0, 0, 0x11000, sizeof(table), INDIRECT, 0);
    driver_put(0, 0);
    broken("indirect");
}

static void tables_of_wrong_sizes(void **state)
{
    static const uint32_t sizes[] = {0, 15, 17, 0xfffffff0};

    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        start_blk(state);
        driver_describe(0, 0, 0x11000, sizes[n], INDIRECT, 0);
        driver_put(0, 0);
        broken("indirect table");
    }
}

static void a_table_that_was_not_agreed_on(void **state)
{
    (void)state;
    driver_start(1, 0);
    driver_describe(0, 0, 0x11000, 16, INDIRECT, 0);
    driver_put(0, 0);
    broken("where none may be");
}

static void memory_that_is_none(void **state)
{
    static const uint64_t addresses[] = {DRIVER_RAM - 15, DRIVER_RAM, 0xfee00000, UINT64_MAX - 7,
                                         0xffffffff00000000};

    (void)state;
    for (unsigned n = 0; n < 5; n++) {
        start_blk(state);
        driver_describe(0, 0, addresses[n], 16, 0, 0);
        driver_put(0, 0);
        broken("not memory");
    }
}

static void registers_of_devices_are_not_memory(void **state)
{
    (void)state; /* a disk that writes to its own registers would go round for ever */
    driver_describe(0, 0, driver.base + PAGE_OF_NOTICES, 4, WRITE, 0);
    driver_put(0, 0);
    broken("not memory");
}

static void reading_behind_writing(void **state)
{
    (void)state;
    driver_describe(0, 0, BUFFER, 16, NEXT | WRITE, 1);
    driver_describe(0, 1, BUFFER, 16, 0, 0);
    driver_put(0, 0);
    broken("behind one to be written");
}

static void requests_without_header_or_status(void **state)
{
    (void)state;
    driver_describe(0, 0, BUFFER, 15, NEXT, 1);
    driver_describe(0, 1, BUFFER, 16, WRITE, 0);
    driver_put(0, 0);
    broken("no header");
    start_blk(state);
    driver_describe(0, 0, BUFFER, 16, 0, 0);
    driver_put(0, 0);
    broken("no room for its status");
}

static void queues_that_cannot_be(void **state)
{
    static const struct {
        uint16_t size;
        uint64_t descriptors, ring, used;
    } cases[] = {
        {0, 0x1000, 0x2000, 0x3000},
        {3, 0x1000, 0x2000, 0x3000},
        {512, 0x1000, 0x2000, 0x3000},
        {16, 0x1008, 0x2000, 0x3000},
        {16, 0x1000, 0x2001, 0x3000},
        {16, 0x1000, 0x2000, 0x3002},
        {16, 0x3fff0, 0x2000, 0x3000},
        {16, 0x1000, 0x3ffde, 0x3000},
        {16, 0x1000, 0x2000, UINT64_MAX & ~3ull},
        {16, 0x1000, 0x2000, DRIVER_RAM - 132},
    };

    (void)state;
    for (unsigned n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        driver.broken = NULL;
        driver_out(AT_STATUS, 1, 0);
        driver_out(AT_QUEUE, 2, 0);
        driver_out(AT_SIZE, 2, cases[n].size);
        driver_out(AT_DESCRIPTORS, 8, cases[n].descriptors);
        driver_out(AT_RING, 8, cases[n].ring);
        driver_out(AT_USED, 8, cases[n].used);
        driver_out(AT_ENABLE, 2, 1);
        assert_non_null(driver.broken);
        assert_int_equal(driver_in(AT_ENABLE, 2), 0);
    }
}

/* --- console and random numbers --- */

static void a_console_shows_what_is_written(void **state)
{
    (void)state;
    memcpy(driver.ram + BUFFER, "hello, world", 12);
    driver_describe(1, 0, BUFFER, 5, NEXT, 1);
    driver_describe(1, 1, BUFFER + 5, 7, 0, 0);
    driver_put(1, 0);
    driver_tell(1);
    assert_int_equal(shown_count, 12);
    assert_memory_equal(shown, "hello, world", 12);
    assert_int_equal(driver_used_index(1), 1);
}

static void a_console_gives_what_is_typed(void **state)
{
    uint8_t many[VIRTIO_CONSOLE_INPUT + 5] = {0};

    (void)state;
    assert_int_equal(virtio_console_input(&console, (const uint8_t *)"abc", 3), 3);
    assert_int_equal(driver_used_index(0), 0);
    driver_describe(0, 0, BUFFER, 2, WRITE, 0);
    driver_describe(0, 1, BUFFER + 2, 100, WRITE, 0);
    driver_put(0, 0);
    driver_put(0, 1);
    driver_tell(0);
    assert_int_equal(driver_used_index(0), 2);
    assert_int_equal(driver_used_size(0, 0), 2);
    assert_int_equal(driver_used_size(0, 1), 1);
    assert_memory_equal(driver.ram + BUFFER, "abc", 3);
    assert_int_equal(virtio_console_input(&console, many, sizeof(many)), VIRTIO_CONSOLE_INPUT);
}

/* Another processor of the guest, which puts in whatever has come back at once. */
static void put_again(void *context, uint64_t address, uint32_t data)
{
    driver_message(context, address, data);
    if (driver.messages < 100000) {
        driver_put(0, 0);
    }
}

/* Who has the machine's lock has it for a bounded time. */
static void room_for_nothing_again_and_again_does_not_hold_a_console_up(void **state)
{
    (void)state;
    driver_prepare();
    driver.machine.send = put_again;
    virtio_console_init(&console, &driver.machine, emit, NULL);
    driver_insert(&console.pci);
    driver_start(2, 0);
    (void)use_messages();
    driver_out(AT_QUEUE, 2, 0);
    driver_out(AT_VECTOR, 2, 1);
    driver_describe(0, 0, BUFFER, 0, WRITE, 0);
    driver_put(0, 0);
    assert_int_equal(virtio_console_input(&console, (const uint8_t *)"a", 1), 1);
    assert_in_range(driver.messages, 1, VIRTIO_QUEUE_SIZE_MAX);
    driver_describe(0, 0, BUFFER, 1, WRITE, 0);
    driver_tell(0);
    assert_int_equal(driver.ram[BUFFER], 'a'); /* it was not lost */
}

static void random_numbers_come_a_few_at_a_time(void **state)
{
    (void)state;
    driver_prepare();
    virtio_rng_init(&rng, &driver.machine, fill);
    driver_insert(&rng.pci);
    driver_start(1, 0);
    driver_describe(0, 0, BUFFER, 0x10000, WRITE, 0);
    driver_put(0, 0);
    driver_tell(0);
    assert_int_equal(driver_used_size(0, 0), 64);
    assert_int_equal(driver.ram[BUFFER + 63], 0xa5);
    assert_int_equal(driver.ram[BUFFER + 64], 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(a_driver_finds_it_by_its_capabilities, start_blk),
    cmocka_unit_test_setup(features_are_agreed_on, start_blk),
    cmocka_unit_test_setup(registers_of_eight_bytes_have_halves, start_blk),
    cmocka_unit_test_setup(an_enabled_queue_stays_as_it_is, start_blk),
    cmocka_unit_test_setup(a_disk_says_how_large_it_is, start_blk),
    cmocka_unit_test_setup(sectors_are_read, start_blk),
    cmocka_unit_test_setup(sectors_are_written, start_blk),
    cmocka_unit_test_setup(a_sector_may_be_in_pieces, start_blk),
    cmocka_unit_test_setup(a_block_is_moved_whole, start_blk),
    cmocka_unit_test_setup(half_a_block_is_an_error, start_blk),
    cmocka_unit_test_setup(a_request_can_be_in_a_table, start_blk),
    cmocka_unit_test_setup(what_is_not_on_the_disk_is_an_error, start_blk),
    cmocka_unit_test_setup(a_read_only_disk_is_not_written, start_blk),
    cmocka_unit_test_setup(a_reset_waits_for_the_request_that_is_done, start_blk),
    cmocka_unit_test_setup(without_bus_master_nothing_is_taken, start_blk),
    cmocka_unit_test_setup(interrupts_can_be_messages, start_blk),
    cmocka_unit_test_setup(no_interrupt_when_none_is_wanted, start_blk),
    cmocka_unit_test_setup(an_interrupt_for_the_event_that_is_named, start_blk),
    cmocka_unit_test_setup(more_requests_than_room, start_blk),
    cmocka_unit_test_setup(a_head_beyond_the_table, start_blk),
    cmocka_unit_test_setup(a_next_beyond_the_table, start_blk),
    cmocka_unit_test_setup(a_chain_that_goes_round, start_blk),
    cmocka_unit_test_setup(a_table_that_goes_round, start_blk),
    cmocka_unit_test_setup(a_table_in_a_table, start_blk),
    cmocka_unit_test_setup(tables_of_wrong_sizes, start_blk),
    cmocka_unit_test_setup(a_table_that_was_not_agreed_on, start_blk),
    cmocka_unit_test_setup(memory_that_is_none, start_blk),
    cmocka_unit_test_setup(registers_of_devices_are_not_memory, start_blk),
    cmocka_unit_test_setup(reading_behind_writing, start_blk),
    cmocka_unit_test_setup(requests_without_header_or_status, start_blk),
    cmocka_unit_test_setup(queues_that_cannot_be, start_blk),
    cmocka_unit_test_setup(a_console_shows_what_is_written, start_console),
    cmocka_unit_test_setup(a_console_gives_what_is_typed, start_console),
    cmocka_unit_test(room_for_nothing_again_and_again_does_not_hold_a_console_up),
    cmocka_unit_test(random_numbers_come_a_few_at_a_time),
};

TEST_MAIN("virtio", tests)
