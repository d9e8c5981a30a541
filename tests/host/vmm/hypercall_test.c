/* hypercall_test.c - what a guest asks of its monitor, and what it may not ask. */
#include "hypercall.h"
#include "vmm_test.h"

#define RAM     0x20000u
#define BLOCK   0x1000u
#define DATA    0x4000u
#define LIST    0x2000u
#define SECTORS 16u
#define ALL     UINT64_MAX

static uint8_t ram[RAM] __attribute__((aligned(4096)));
static struct memory memory;
static struct test_clock test;
static struct tty tty;
static struct hypercall h;
static uint8_t disk[SECTORS * VIRTIO_BLK_SECTOR];
static struct virtio_blk_store store;
static unsigned messages, shows, wakes, flushes, reads;
static uint64_t last_address, given_page, given_count;
static uint32_t last_data;
static int off_status;
static bool fails;

static void send(void *context, uint64_t address, uint32_t data)
{
    (void)context;
    messages += 1;
    last_address = address;
    last_data = data;
}

static void written(void *context)
{
    (void)context;
    shows += 1;
}

static void wake(void *context)
{
    (void)context;
    wakes += 1;
}

static uint64_t time_of_day(void *context)
{
    (void)context;
    return 1234567890;
}

static uint64_t give(void *context, uint64_t page, uint64_t count)
{
    (void)context;
    given_page = page;
    given_count = count;
    return fails ? HYPERCALL_BUSY : 0;
}

static void power_off(void *context, enum power_event event, uint32_t number)
{
    (void)context;
    off_status = event == POWER_HAS_EXITED ? (int)number : 0;
}

static bool store_read(void *context, uint64_t offset, void *data, uint64_t size)
{
    (void)context;
    assert_int_equal((offset | size) % store.block_size, 0);
    memcpy(data, disk + offset, size);
    return !fails;
}

/* Of a disk that is larger than the memory here. */
static bool store_read_modulo(void *context, uint64_t offset, void *data, uint64_t size)
{
    (void)context;
    assert_int_equal((offset | size) % store.block_size, 0);
    reads += 1;
    memset(data, (int)(offset / VIRTIO_BLK_SECTOR), size);
    return true;
}

static bool store_write(void *context, uint64_t offset, const void *data, uint64_t size)
{
    (void)context;
    assert_int_equal((offset | size) % store.block_size, 0);
    memcpy(disk + offset, data, size);
    return !fails;
}

static bool store_flush(void *context)
{
    (void)context;
    flushes += 1;
    return !fails;
}

static const struct hypercall_ops ops = {send, written, wake, time_of_day, give, power_off};

static int start(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    memset(disk, 0x5a, sizeof(disk));
    memory_init(&memory, ram, sizeof(ram));
    test_clock_init(&test);
    tty_init(&tty);
    messages = shows = wakes = flushes = reads = 0;
    off_status = -1;
    fails = false;
    store = (struct virtio_blk_store){NULL, SECTORS,    VIRTIO_BLK_SECTOR, false,
                                      "d",  store_read, store_write,       store_flush};
    hypercall_init(&h, &ops, NULL, &memory, &test.clock, &tty);
    h.disks[1] = &store;
    return 0;
}

static uint64_t call3(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    const uint64_t arguments[3] = {first, second, third};

    return hypercall_do(&h, number, arguments);
}

static uint64_t call(uint64_t number, uint64_t first, uint64_t second)
{
    return call3(number, first, second, 0);
}

static void numbers_that_nobody_knows(void **state)
{
    static const struct hypercall_ops nothing;

    (void)state;
    assert_true(call(0, 0, 0) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_FIRST - 1, 0, 0) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_BALLOON_TAKE + 1, 0, 0) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_FIRST + (1ull << 32), 0, 0) == HYPERCALL_UNKNOWN);
    assert_int_equal(call(HYPERCALL_FEATURES, 0, 0), 0x3f);
    hypercall_init(&h, &nothing, NULL, &memory, &test.clock, &tty);
    assert_int_equal(call(HYPERCALL_FEATURES, 0, 0), 3);
    assert_true(call(HYPERCALL_BALLOON_GIVE, 0, 1) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_BALLOON_TAKE, 0, 1) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_BLOCK, 0, 0) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_POWER_OFF, 0, 0) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_TIME_OF_DAY, 0, 0) == HYPERCALL_UNKNOWN);
    assert_true(call(HYPERCALL_EVENT_VECTOR, 1, 32) == HYPERCALL_BAD);
}

static void the_console_is_written_and_read(void **state)
{
    char out[8];

    (void)state;
    memcpy(ram + DATA, "hello", 5);
    assert_int_equal(call(HYPERCALL_CONSOLE_WRITE, DATA, 5), 5);
    assert_int_equal(tty_read(&tty, out, sizeof(out)), 5);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(shows, 1);
    assert_int_equal(call(HYPERCALL_CONSOLE_WRITE, DATA, 1ull << 40), HYPERCALL_CONSOLE_MAX);
    assert_true(call(HYPERCALL_CONSOLE_WRITE, RAM - 1, 2) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_CONSOLE_WRITE, UINT64_MAX, 5) == HYPERCALL_BAD);
    tty_type(&tty, "ok", 2);
    assert_int_equal(call(HYPERCALL_CONSOLE_READ, DATA, 100), 2);
    assert_memory_equal(ram + DATA, "ok", 2);
    assert_int_equal(call(HYPERCALL_CONSOLE_READ, DATA, 100), 0);
    assert_true(call(HYPERCALL_CONSOLE_READ, RAM, 1) == HYPERCALL_BAD);
}

static void events_are_told_once(void **state)
{
    (void)state;
    hypercall_typed(&h);
    assert_int_equal(messages, 0);
    assert_int_equal(call(HYPERCALL_EVENTS, ALL, 0), HYPERCALL_EVENT_CONSOLE);
    assert_int_equal(call(HYPERCALL_EVENTS, ALL, 0), 0);
    assert_int_equal(call3(HYPERCALL_EVENT_VECTOR, HYPERCALL_EVENT_CONSOLE, 0x51, 2), 0);
    hypercall_typed(&h);
    hypercall_typed(&h);
    assert_int_equal(messages, 1);
    assert_int_equal(last_address, 0xfee02000);
    assert_int_equal(last_data, 0x51);
    hypercall_set_balloon(&h, 7);
    assert_int_equal(messages, 1); /* an event of another kind */
    assert_int_equal(call(HYPERCALL_EVENTS, HYPERCALL_EVENT_TIMER, 0), 0);
    assert_int_equal(call(HYPERCALL_EVENTS, ALL, 0),
                     HYPERCALL_EVENT_CONSOLE | HYPERCALL_EVENT_BALLOON);
    assert_int_equal(call(HYPERCALL_BALLOON_TARGET, 0, 0), 7);
    assert_true(call3(HYPERCALL_EVENT_VECTOR, 1, 15, 0) == HYPERCALL_BAD);
    assert_true(call3(HYPERCALL_EVENT_VECTOR, 1, 256, 0) == HYPERCALL_BAD);
    assert_true(call3(HYPERCALL_EVENT_VECTOR, 1, 0x51, 255) == HYPERCALL_BAD);
    assert_true(call3(HYPERCALL_EVENT_VECTOR, 3, 0x51, 0) == HYPERCALL_BAD);
    assert_true(call3(HYPERCALL_EVENT_VECTOR, 16, 0x51, 0) == HYPERCALL_BAD);
}

static void time_passes(void **state)
{
    (void)state;
    test_clock_pass(&test, 500);
    assert_true(call(HYPERCALL_TIME, 0, 0) == HYPERCALL_UNKNOWN); /* the kernel's */
    assert_int_equal(call(HYPERCALL_TIME_OF_DAY, 0, 0), 1234567890);
    assert_int_equal(call(HYPERCALL_TIMER, 800, 0), 0);
    test_clock_pass(&test, 299);
    assert_int_equal(call(HYPERCALL_EVENTS, ALL, 0), 0);
    test_clock_pass(&test, 1);
    assert_int_equal(call(HYPERCALL_EVENTS, ALL, 0), HYPERCALL_EVENT_TIMER);
    assert_int_equal(call(HYPERCALL_TIMER, 1000, 0), 0);
    assert_int_equal(call(HYPERCALL_TIMER, UINT64_MAX, 0), 0);
    test_clock_pass(&test, 1000);
    assert_int_equal(call(HYPERCALL_EVENTS, ALL, 0), 0);
}

static void put(uint32_t number, uint32_t operation, uint64_t sector, uint64_t address,
                uint32_t sectors)
{
    struct hypercall_block b = {number,  operation, sector,
                                address, sectors,   HYPERCALL_BLOCK_PENDING};

    memcpy(ram + BLOCK, &b, sizeof(b));
    assert_int_equal(call(HYPERCALL_BLOCK, BLOCK, 0), 0);
}

static uint32_t status(void)
{
    return ((struct hypercall_block *)(void *)(ram + BLOCK))->status;
}

static unsigned work(void)
{
    struct hypercall_request r;
    unsigned n = 0;

    while (hypercall_block_take(&h, &r)) {
        assert_false(hypercall_block_take(&h, &r));
        hypercall_block_finish(&h, &r, hypercall_block_do(&h, &r));
        n += 1;
    }
    return n;
}

static void disks_are_read_and_written(void **state)
{
    (void)state;
    assert_int_equal(call(HYPERCALL_BLOCK_SIZE, 1, 0), SECTORS);
    assert_int_equal(call(HYPERCALL_BLOCK_SIZE, 0, 0), 0);
    assert_int_equal(call(HYPERCALL_BLOCK_SIZE, 1ull << 33, 0), 0);
    put(1, HYPERCALL_BLOCK_READ, 2, DATA, 2);
    assert_int_equal(wakes, 1);
    assert_int_equal(status(), HYPERCALL_BLOCK_PENDING);
    assert_int_equal(work(), 1);
    assert_int_equal(status(), HYPERCALL_BLOCK_DONE);
    assert_int_equal(call(HYPERCALL_EVENTS, ALL, 0), HYPERCALL_EVENT_BLOCK);
    assert_int_equal(ram[DATA + 1023], 0x5a);
    assert_int_equal(ram[DATA + 1024], 0);
    memset(ram + DATA, 7, 512);
    put(1, HYPERCALL_BLOCK_WRITE, SECTORS - 1, DATA, 1);
    assert_int_equal(work(), 1);
    assert_int_equal(disk[sizeof(disk) - 1], 7);
    put(1, HYPERCALL_BLOCK_FLUSH, 0, 0, 0);
    assert_int_equal(work(), 1);
    assert_int_equal(flushes, 1);
    fails = true;
    put(1, HYPERCALL_BLOCK_FLUSH, 0, 0, 0);
    assert_int_equal(work(), 1);
    assert_int_equal(status(), HYPERCALL_BLOCK_FAILED);
}

static void requests_that_cannot_be_done_fail(void **state)
{
    static const struct {
        uint32_t disk, operation;
        uint64_t sector, address;
        uint32_t sectors;
    } cases[] = {
        {0, HYPERCALL_BLOCK_READ, 0, DATA, 1},
        {4, HYPERCALL_BLOCK_READ, 0, DATA, 1},
        {UINT32_MAX, HYPERCALL_BLOCK_READ, 0, DATA, 1},
        {1, 3, 0, DATA, 1},
        {1, HYPERCALL_BLOCK_READ, SECTORS, DATA, 1},
        {1, HYPERCALL_BLOCK_READ, SECTORS - 1, DATA, 2},
        {1, HYPERCALL_BLOCK_READ, UINT64_MAX, DATA, 2},
        {1, HYPERCALL_BLOCK_READ, 0, DATA, 0},
        {1, HYPERCALL_BLOCK_READ, 0, DATA, UINT32_MAX},
        {1, HYPERCALL_BLOCK_READ, 0, RAM - 511, 1},
        {1, HYPERCALL_BLOCK_WRITE, 0, 0xfee00000, 1},
        {1, HYPERCALL_BLOCK_READ, 0, UINT64_MAX - 511, 1},
    };

    (void)state;
    for (unsigned n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        put(cases[n].disk, cases[n].operation, cases[n].sector, cases[n].address, cases[n].sectors);
        assert_int_equal(work(), 0);
        assert_int_equal(status(), HYPERCALL_BLOCK_FAILED);
    }
    store.is_read_only = true;
    assert_true(call(HYPERCALL_BLOCK_SIZE, 1, 0) == (SECTORS | HYPERCALL_BLOCK_READ_ONLY));
    put(1, HYPERCALL_BLOCK_WRITE, 0, DATA, 1);
    assert_int_equal(status(), HYPERCALL_BLOCK_FAILED);
    assert_true(call(HYPERCALL_BLOCK, BLOCK + 4, 0) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BLOCK, RAM - 8, 0) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BLOCK, UINT64_MAX & ~7ull, 0) == HYPERCALL_BAD);
}

/* A list of 64-bit addresses. */
static void list(const uint64_t *addresses, unsigned count)
{
    memcpy(ram + LIST, addresses, count * sizeof(*addresses));
}

static void data_is_in_several_pieces(void **state)
{
    static const uint64_t pieces[] = {0x5ffd, 0x8000, 0x7000};
    uint8_t expected[sizeof(disk)];

    (void)state;
    for (unsigned i = 0; i < sizeof(disk); i++) {
        disk[i] = (uint8_t)(i * 7 + i / 256);
    }
    memcpy(expected, disk, sizeof(disk));
    list(pieces, 3);
    put(1, HYPERCALL_BLOCK_READ | HYPERCALL_BLOCK_LIST, 1, LIST, 9);
    list((const uint64_t[]){0x1000, 1, 2}, 3); /* it has been read */
    assert_int_equal(work(), 1);
    assert_int_equal(status(), HYPERCALL_BLOCK_DONE);
    assert_memory_equal(ram + 0x5ffd, disk + 512, 3);
    assert_memory_equal(ram + 0x8000, disk + 515, 4096);
    assert_memory_equal(ram + 0x7000, disk + 515 + 4096, 509);
    assert_int_equal(ram[0x5ffc], 0);
    assert_int_equal(ram[0x6000], 0);
    assert_int_equal(ram[0x71fd], 0);
    assert_int_equal(ram[0x9000], 0);
    list(pieces, 3);
    put(1, HYPERCALL_BLOCK_WRITE | HYPERCALL_BLOCK_LIST, 0, LIST, 9);
    assert_int_equal(work(), 1);
    assert_memory_equal(disk, expected + 512, 9 * 512);
    assert_memory_equal(disk + 9 * 512, expected + 9 * 512, sizeof(disk) - 9 * 512);
}

static void lists_that_cannot_be_fail(void **state)
{
    static const struct {
        uint64_t pieces[3], at;
        uint32_t operation, sectors;
    } cases[] = {
        {{RAM, 0x8000, 0x7000}, LIST, HYPERCALL_BLOCK_READ, 9},
        {{0x6000, RAM, 0x7000}, LIST, HYPERCALL_BLOCK_READ, 9},
        {{0x6000, UINT64_MAX - 4095, 0x7000}, LIST, HYPERCALL_BLOCK_READ, 9},
        {{UINT64_MAX, 0x8000, 0x7000}, LIST, HYPERCALL_BLOCK_READ, 9},
        {{0x6000, 0x8001, 0x7000}, LIST, HYPERCALL_BLOCK_READ, 9}, /* inside a page */
        {{0x6001, 0x8000, 0x7fff}, LIST, HYPERCALL_BLOCK_READ, 16},
        {{0x6000, 0x8000, 0x7000}, LIST + 4, HYPERCALL_BLOCK_READ, 9},
        {{0x6000, 0x8000, 0x7000}, RAM - 8, HYPERCALL_BLOCK_READ, 9}, /* not all of it is there */
        {{0x6000, 0x8000, 0x7000}, UINT64_MAX - 7, HYPERCALL_BLOCK_READ, 1},
        {{0x6000, 0x8000, 0x7000}, LIST, HYPERCALL_BLOCK_READ, 0},
        {{0x6000, 0x8000, 0x7000}, LIST, HYPERCALL_BLOCK_READ, UINT32_MAX},
        {{0x6000, 0x8000, 0x7000}, LIST, HYPERCALL_BLOCK_FLUSH, 1},
        {{0x6000, 0x8000, 0x7000}, LIST, HYPERCALL_BLOCK_LIST << 1, 1},
    };

    (void)state;
    for (unsigned n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        list(cases[n].pieces, 3);
        if (cases[n].at == RAM - 8) {
            memcpy(ram + RAM - 8, cases[n].pieces, 8);
        }
        put(1, cases[n].operation | HYPERCALL_BLOCK_LIST, 0, cases[n].at, cases[n].sectors);
        assert_int_equal(work(), 0);
        assert_int_equal(status(), HYPERCALL_BLOCK_FAILED);
    }
}

/* The most pieces there can be: the first has one byte, and none is behind the one before. */
static void the_longest_list_is_done(void **state)
{
    static uint64_t pieces[HYPERCALL_BLOCK_PIECES_MAX];

    (void)state;
    store.sectors = HYPERCALL_BLOCK_SECTORS_MAX;
    store.read = store_read_modulo;
    for (unsigned n = 0; n < HYPERCALL_BLOCK_PIECES_MAX; n++) {
        pieces[n] = n == 0 ? 0x9fff : n % 2 == 0 ? 0x6000 : 0x8000;
    }
    list(pieces, HYPERCALL_BLOCK_PIECES_MAX);
    put(1, HYPERCALL_BLOCK_READ | HYPERCALL_BLOCK_LIST, 0, LIST, HYPERCALL_BLOCK_SECTORS_MAX);
    assert_int_equal(work(), 1);
    assert_int_equal(status(), HYPERCALL_BLOCK_DONE);
    assert_int_equal(reads, 512); /* 256 in pieces, and as many blocks that are in two of them */
}

static void a_request_is_read_once(void **state)
{
    struct hypercall_request r;
    struct hypercall_block *b = (struct hypercall_block *)(void *)(ram + BLOCK);

    (void)state;
    put(1, HYPERCALL_BLOCK_READ, 0, DATA, 1);
    b->sector = 1ull << 60;
    b->sectors = 1 << 20;
    b->disk = 99;
    b->address = 0xfee00000;
    assert_int_equal(work(), 1);
    assert_int_equal(status(), HYPERCALL_BLOCK_DONE);
    assert_int_equal(ram[DATA], 0x5a);
    for (unsigned n = 0; n < HYPERCALL_BLOCK_REQUESTS; n++) {
        put(1, HYPERCALL_BLOCK_FLUSH, 0, 0, 0);
    }
    assert_true(call(HYPERCALL_BLOCK, BLOCK, 0) == HYPERCALL_BAD);
    assert_true(hypercall_block_take(&h, &r));
    hypercall_block_finish(&h, &r, true);
    assert_int_equal(call(HYPERCALL_BLOCK, BLOCK, 0), 0);
}

static void memory_is_given_back(void **state)
{
    (void)state;
    assert_int_equal(call(HYPERCALL_BALLOON_GIVE, 3, 2), 0);
    assert_int_equal(given_page, 3);
    assert_int_equal(given_count, 2);
    given_count = 0;
    assert_true(call(HYPERCALL_BALLOON_GIVE, 3, 0) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_GIVE, RAM / 4096, 1) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_GIVE, 1, RAM / 4096) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_GIVE, 1ull << 52, 1) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_GIVE, 0, HYPERCALL_BALLOON_PAGES_MAX + 1) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_GIVE, 1, 1ull << 52) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_TAKE, 3, 0) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_TAKE, RAM / 4096, 1) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_TAKE, 1ull << 52, 1) == HYPERCALL_BAD);
    assert_true(call(HYPERCALL_BALLOON_TAKE, 0, UINT64_MAX) == HYPERCALL_BAD);
    assert_int_equal(given_count, 0);
    assert_int_equal(h.given, 2);
    assert_int_equal(call(HYPERCALL_POWER_OFF, 3, 0), 0);
    assert_int_equal(off_status, 3);
    assert_int_equal(call(HYPERCALL_POWER_OFF, 0, 0), 0);
    assert_int_equal(off_status, 0);
}

/* A figure for people, which is never more than there is, whatever the guest says. */
static void what_was_given_is_counted(void **state)
{
    (void)state;
    assert_false(h.has_balloon);
    assert_int_equal(call(HYPERCALL_BALLOON_TARGET, 0, 0), 0);
    assert_true(h.has_balloon);
    assert_int_equal(call(HYPERCALL_BALLOON_GIVE, 0, 20), 0);
    assert_int_equal(call(HYPERCALL_BALLOON_GIVE, 0, 11), 0);
    assert_int_equal(h.given, 31);
    assert_int_equal(call(HYPERCALL_BALLOON_GIVE, 0, 20), 0);
    assert_int_equal(h.given, RAM / 4096);
    assert_int_equal(call(HYPERCALL_BALLOON_GIVE, 0, 1), 0);
    assert_int_equal(h.given, RAM / 4096);
    fails = true;
    assert_true(call(HYPERCALL_BALLOON_TAKE, 0, 2) == 0);
    assert_true(call(HYPERCALL_BALLOON_GIVE, 0, 1) == HYPERCALL_BUSY);
    assert_int_equal(h.given, RAM / 4096 - 2);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(call(HYPERCALL_BALLOON_TAKE, 0, 20), 0);
    }
    assert_int_equal(h.given, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(numbers_that_nobody_knows, start),
    cmocka_unit_test_setup(the_console_is_written_and_read, start),
    cmocka_unit_test_setup(events_are_told_once, start),
    cmocka_unit_test_setup(time_passes, start),
    cmocka_unit_test_setup(disks_are_read_and_written, start),
    cmocka_unit_test_setup(requests_that_cannot_be_done_fail, start),
    cmocka_unit_test_setup(data_is_in_several_pieces, start),
    cmocka_unit_test_setup(lists_that_cannot_be_fail, start),
    cmocka_unit_test_setup(the_longest_list_is_done, start),
    cmocka_unit_test_setup(a_request_is_read_once, start),
    cmocka_unit_test_setup(memory_is_given_back, start),
    cmocka_unit_test_setup(what_was_given_is_counted, start),
};

TEST_MAIN("hypercall", tests)
