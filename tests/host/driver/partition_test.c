/* partition_test.c - partition tables: good ones, and what a disk may hold in their place. Whatever
 * it is, partitions lie in the disk and in nobody else's sectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "driver/partition.c"

#define SECTORS 4096u
#define RANDOM  3000u

static uint8_t disk[SECTORS][512];
static uint64_t unreadable; /* a sector that cannot be read; 0: the first can, too */
static struct partition table[PARTITIONS_MAX];
static const char *trouble;
static unsigned count;

static bool disk_read(void *context, uint64_t sector, void *data)
{
    (void)context;
    assert_true(sector < SECTORS);
    memcpy(data, disk[sector], sizeof(disk[sector]));
    return unreadable == 0 || sector != unreadable;
}

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, 4);
}

static void put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, 8);
}

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static void read_table(void)
{
    struct partition_source source = {disk_read, NULL, SECTORS, 512};

    trouble = NULL;
    count = partition_read(&source, table, &trouble);
    for (unsigned i = 0; i < count; i++) {
        assert_true(table[i].count != 0 && table[i].first != 0 && table[i].first < SECTORS);
        assert_true(table[i].count <= SECTORS - table[i].first);
        for (unsigned k = 0; k < i; k++) {
            assert_true(table[i].first >= table[k].first + table[k].count ||
                        table[k].first >= table[i].first + table[i].count);
        }
    }
}

static void is_partition(unsigned i, unsigned number, uint64_t first, uint64_t n)
{
    assert_true(i < count);
    assert_int_equal(table[i].number, number);
    assert_int_equal(table[i].first, first);
    assert_int_equal(table[i].count, n);
}

static void clear_disk(void)
{
    memset(disk, 0, sizeof(disk));
    unreadable = 0;
}

static void mbr_entry(unsigned sector, unsigned i, uint8_t type, uint32_t first, uint32_t n)
{
    uint8_t *entry = disk[sector] + 446 + 16 * i;

    entry[4] = type;
    put32(entry + 8, first);
    put32(entry + 12, n);
    disk[sector][510] = 0x55;
    disk[sector][511] = 0xaa;
}

/* Checksums of the GPT whose header is there, entries at `entries`. */
static void gpt_seal(unsigned at, unsigned entries)
{
    uint8_t *header = disk[at];

    put32(header + 88, crc32_of(disk[entries], 128 * 128));
    put32(header + 16, 0);
    put32(header + 16, crc32_of(header, 92));
}

static void gpt_header(unsigned at, unsigned entries)
{
    uint8_t *header = disk[at];

    memcpy(header, "EFI PART", 8);
    put32(header + 12, 92);
    put64(header + 24, at);
    put64(header + 72, entries);
    put32(header + 80, 128);
    put32(header + 84, 128);
    gpt_seal(at, entries);
}

static void gpt_entry(unsigned entries, unsigned i, uint64_t first, uint64_t last)
{
    uint8_t *entry = disk[entries] + (size_t)128 * i;

    memset(entry, 0x11, 16);
    put64(entry + 32, first);
    put64(entry + 40, last);
}

static void make_gpt(void)
{
    clear_disk();
    mbr_entry(0, 0, 0xee, 1, SECTORS - 1);
    gpt_entry(2, 0, 100, 199);
    gpt_entry(2, 4, 200, 1199);
    gpt_entry(SECTORS - 33, 0, 100, 199);
    gpt_entry(SECTORS - 33, 4, 200, 1199);
    gpt_header(1, 2);
    gpt_header(SECTORS - 1, SECTORS - 33);
}

static void make_mbr(void)
{
    clear_disk();
    mbr_entry(0, 0, 0x83, 64, 100);
    mbr_entry(0, 3, 0x05, 1000, 2000);
    mbr_entry(1000, 0, 0x83, 8, 100);
    mbr_entry(1000, 1, 0x05, 500, 500);
    mbr_entry(1500, 0, 0x82, 8, 200);
}

static void a_disk_without_a_table_has_no_partitions(void **state)
{
    (void)state;
    clear_disk();
    read_table();
    assert_int_equal(count, 0);
    assert_null(trouble);
}

static void a_disk_that_cannot_be_read_is_told(void **state)
{
    struct partition_source source = {disk_read, NULL, 0, 512};

    (void)state;
    trouble = NULL;
    assert_int_equal(partition_read(&source, table, &trouble), 0);
    assert_non_null(trouble);
}

static void an_mbr_has_primary_and_logical_partitions(void **state)
{
    (void)state;
    make_mbr();
    read_table();
    assert_int_equal(count, 3);
    is_partition(0, 1, 64, 100);
    is_partition(1, 5, 1008, 100);
    is_partition(2, 6, 1508, 200);
    assert_null(trouble);
}

static void the_boot_sector_of_a_file_system_is_no_table(void **state)
{
    (void)state;
    make_mbr();
    disk[0][446] = 0x33;
    read_table();
    assert_int_equal(count, 0);
}

static void entries_that_leave_the_disk_are_left_out(void **state)
{
    (void)state;
    clear_disk();
    mbr_entry(0, 0, 0x83, SECTORS - 10, 11);
    mbr_entry(0, 1, 0x83, 0xffffffff, 0xffffffff);
    mbr_entry(0, 2, 0x83, 0, 10);
    mbr_entry(0, 3, 0x83, 10, 10);
    read_table();
    assert_int_equal(count, 1);
    is_partition(0, 4, 10, 10);
    assert_non_null(trouble);
}

static void entries_that_overlap_are_left_out(void **state)
{
    (void)state;
    clear_disk();
    mbr_entry(0, 0, 0x83, 100, 100);
    mbr_entry(0, 1, 0x83, 199, 10);
    mbr_entry(0, 2, 0x83, 50, 500);
    mbr_entry(0, 3, 0x83, 200, 1);
    read_table();
    assert_int_equal(count, 2);
    is_partition(1, 4, 200, 1);
    assert_non_null(trouble);
}

static void a_chain_of_logical_partitions_that_is_a_circle_ends(void **state)
{
    (void)state;
    make_mbr();
    mbr_entry(1500, 1, 0x05, 0, 500);
    read_table();
    assert_int_equal(count, 3);
    assert_non_null(trouble);
}

static void a_chain_that_is_broken_gives_what_comes_before(void **state)
{
    (void)state;
    make_mbr();
    disk[1500][511] = 0;
    read_table();
    assert_int_equal(count, 2);
    assert_non_null(trouble);
    make_mbr();
    unreadable = 1500;
    read_table();
    assert_int_equal(count, 2);
    make_mbr();
    mbr_entry(1000, 1, 0x05, 0xfffffff0, 500);
    read_table();
    assert_int_equal(count, 2);
}

static void a_gpt_has_partitions_by_their_places(void **state)
{
    (void)state;
    make_gpt();
    read_table();
    assert_int_equal(count, 2);
    is_partition(0, 1, 100, 100);
    is_partition(1, 5, 200, 1000);
    assert_null(trouble);
}

static void the_second_gpt_stands_in_for_the_first(void **state)
{
    (void)state;
    make_gpt();
    disk[2][40] ^= 1;
    read_table();
    assert_int_equal(count, 2);
    make_gpt();
    unreadable = 1;
    read_table();
    assert_int_equal(count, 2);
    make_gpt();
    unreadable = 20;
    read_table();
    assert_int_equal(count, 2);
    assert_null(trouble);
}

static void a_gpt_damaged_twice_is_told(void **state)
{
    (void)state;
    make_gpt();
    disk[1][30] ^= 1;
    disk[SECTORS - 1][30] ^= 1;
    read_table();
    assert_int_equal(count, 0);
    assert_non_null(trouble);
}

/* Every number of a header that is sealed may be anything. */
static void headers_that_cannot_be_are_refused(void **state)
{
    static const struct {
        unsigned at;
        uint64_t value;
    } bad[] = {{12, 0},  {12, 513}, {24, 2},    {72, SECTORS}, {72, ~0ull}, {80, ~0},
               {84, 64}, {84, 0},   {84, 1024}, {84, 192},     {84, ~0},    {72, SECTORS - 1}};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_gpt();
        memset(disk[SECTORS - 1], 0, 512);
        if (bad[i].at == 24 || bad[i].at == 72) {
            put64(disk[1] + bad[i].at, bad[i].value);
        } else {
            put32(disk[1] + bad[i].at, (uint32_t)bad[i].value);
        }
        gpt_seal(1, 2);
        read_table();
        assert_int_equal(count, 0);
        assert_non_null(trouble);
    }
}

static void entries_of_a_gpt_that_cannot_be_are_left_out(void **state)
{
    (void)state;
    make_gpt();
    gpt_entry(2, 1, 300, 299);
    gpt_entry(2, 2, 0, ~0ull);
    gpt_entry(2, 3, ~0ull, ~0ull - 1);
    gpt_entry(2, 6, 150, 160);
    gpt_entry(2, 7, SECTORS, SECTORS + 5);
    gpt_seal(1, 2);
    read_table();
    assert_int_equal(count, 2);
    assert_non_null(trouble);
}

/* Tables with bytes changed at random, sealed again half of the time. */
static void tables_damaged_at_random_give_partitions_in_the_disk(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < RANDOM; i++) {
        bool is_gpt = i % 2 == 0;
        static const unsigned places[] = {0, 1000, 1500};

        if (is_gpt) {
            make_gpt();
        } else {
            make_mbr();
        }
        for (int n = rand() % 20; n >= 0; n--) {
            unsigned sector = is_gpt ? (unsigned)rand() % 4 : places[rand() % 3];

            disk[sector][rand() % 512] = (uint8_t)rand();
        }
        if (is_gpt && i % 4 == 0) {
            gpt_seal(1, 2);
        }
        read_table();
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_without_a_table_has_no_partitions),
        cmocka_unit_test(a_disk_that_cannot_be_read_is_told),
        cmocka_unit_test(an_mbr_has_primary_and_logical_partitions),
        cmocka_unit_test(the_boot_sector_of_a_file_system_is_no_table),
        cmocka_unit_test(entries_that_leave_the_disk_are_left_out),
        cmocka_unit_test(entries_that_overlap_are_left_out),
        cmocka_unit_test(a_chain_of_logical_partitions_that_is_a_circle_ends),
        cmocka_unit_test(a_chain_that_is_broken_gives_what_comes_before),
        cmocka_unit_test(a_gpt_has_partitions_by_their_places),
        cmocka_unit_test(the_second_gpt_stands_in_for_the_first),
        cmocka_unit_test(a_gpt_damaged_twice_is_told),
        cmocka_unit_test(headers_that_cannot_be_are_refused),
        cmocka_unit_test(entries_of_a_gpt_that_cannot_be_are_left_out),
        cmocka_unit_test(tables_damaged_at_random_give_partitions_in_the_disk),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("partitions", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
