/* acpi_test.c - the tables of a machine: found from the root on, with checksums, and the AML taken
 * apart by a reader of its own; with words on the command line they are written to files, a table
 * each, for iasl. */
#include "vmm_test.h"

#include "acpi.h"
#include "acpi_aml.h"
#include "load.h"

static uint8_t bytes[0x200000];
static struct memory memory;
static const uint8_t irqs[4] = {10, 11, 10, 11};

static uint64_t get(uint64_t address, unsigned size)
{
    uint64_t value = 0;

    assert_true(memory_read(&memory, address, &value, size));
    return value;
}

static void check_sum(uint64_t address, unsigned size)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < size; i++) {
        sum += (uint8_t)get(address + i, 1);
    }
    assert_int_equal(sum, 0);
}

/* Every table the root leads to. Returns: how many. */
static unsigned each_table(uint64_t root, void (*function)(uint64_t address))
{
    uint64_t xsdt = get(root + 24, 8);
    unsigned n = (unsigned)(get(xsdt + 4, 4) - 36) / 8;

    for (unsigned i = 0; i < n; i++) {
        function(get(xsdt + 36 + 8 * i, 8));
    }
    return n;
}

static void check_table(uint64_t address)
{
    check_sum(address, (unsigned)get(address + 4, 4));
    assert_true(address >= LOAD_ACPI && address < LOAD_LOW_TOP);
}

static uint64_t build(unsigned count, bool has_apic)
{
    struct acpi_options options = {count, has_apic, has_apic, irqs};

    memset(bytes, 0, sizeof(bytes));
    memory_init(&memory, bytes, sizeof(bytes));
    return acpi_build(&memory, &options);
}

static void tables_are_found_from_the_root(void **state)
{
    uint64_t root = build(1, false);

    (void)state;
    assert_int_equal(root, LOAD_ACPI);
    assert_memory_equal(bytes + root, "RSD PTR ", 8);
    check_sum(root, 20);
    check_sum(root, 36);
    check_table(get(root + 24, 8));
    assert_int_equal(each_table(root, check_table), 1);
    root = build(16, true);
    assert_int_equal(each_table(root, check_table), 3);
}

static void the_fixed_table_leads_on(void **state)
{
    uint64_t root = build(1, false);
    uint64_t fadt = get(get(root + 24, 8) + 36, 8);

    (void)state;
    assert_memory_equal(bytes + fadt, "FACP", 4);
    assert_memory_equal(bytes + get(fadt + 40, 4), "DSDT", 4);
    assert_memory_equal(bytes + get(fadt + 36, 4), "FACS", 4);
    assert_int_equal(get(fadt + 36, 4) % 64, 0);
    assert_int_equal(get(fadt + 140, 8), get(fadt + 40, 4));
    check_table(get(fadt + 40, 4));
}

static void there_is_room_for_what_there_is(void **state)
{
    struct acpi_options options = {1, false, false, irqs};

    (void)state;
    memory_init(&memory, bytes, 4096 * 0xe1ull);
    assert_true(acpi_build(&memory, &options) == LOAD_ACPI);
    memory_init(&memory, bytes, 4096 * 0xe0ull);
    assert_true(acpi_build(&memory, &options) == 0);
}

/* --- AML --- */

static unsigned names;

/* Go through terms up to `end`; lengths must come out even. */
static void walk_terms(const uint8_t *aml, unsigned at, unsigned end);

static unsigned read_length(const uint8_t *aml, unsigned at)
{
    assert_int_equal(aml[at] >> 6, 1);
    return (aml[at] & 15u) | (unsigned)aml[at + 1] << 4;
}

static unsigned walk_data(const uint8_t *aml, unsigned at)
{
    unsigned end;

    switch (aml[at]) {
    case 0x00:
        return at + 1;
    case 0x0a:
        return at + 2;
    case 0x0c:
        return at + 5;
    case 0x11:
        end = at + 1 + read_length(aml, at + 1);
        assert_int_equal(aml[at + 3], 0x0a);
        assert_int_equal(at + 5 + aml[at + 4], end);
        assert_int_equal(aml[end - 2], 0x79);
        return end;
    case 0x12:
        end = at + 1 + read_length(aml, at + 1);
        for (unsigned n = aml[at + 3], i = 0, item = at + 4; i <= n; i++) {
            if (i == n) {
                assert_int_equal(item, end);
            } else {
                item = walk_data(aml, item);
            }
        }
        return end;
    }
    fail_msg("an operation that is not known: 0x%x at 0x%x", aml[at], at);
    return 0;
}

static void walk_terms(const uint8_t *aml, unsigned at, unsigned end)
{
    while (at < end) {
        unsigned head = aml[at] == 0x5b ? 2 : 1;

        if (aml[at] == 0x08) {
            at = walk_data(aml, at + 5);
            names++;
            continue;
        }
        assert_true(aml[at] == 0x10 || (aml[at] == 0x5b && aml[at + 1] == 0x82));
        walk_terms(aml, at + head + 6, at + head + read_length(aml, at + head));
        at += head + read_length(aml, at + head);
    }
    assert_int_equal(at, end);
}

static void the_aml_can_be_read(void **state)
{
    uint8_t aml[ACPI_AML_MAX];
    unsigned size = acpi_aml_devices(aml, irqs);

    (void)state;
    assert_in_range(size, 100, ACPI_AML_MAX);
    names = 0;
    walk_terms(aml, 0, size);
    assert_int_equal(names, 1 + 4 + 3 + 3);
}

static const char *directory;

static void write_table(uint64_t address)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%.4s.dat", directory, (char *)bytes + address);
    file = fopen(path, "wb");
    if (file != NULL) {
        fwrite(bytes + address, get(address + 4, 4), 1, file);
        fclose(file);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_found_from_the_root),
        cmocka_unit_test(the_fixed_table_leads_on),
        cmocka_unit_test(there_is_room_for_what_there_is),
        cmocka_unit_test(the_aml_can_be_read),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed;

    if (argc == 2) {
        uint64_t root = build(2, true);

        directory = argv[1];
        each_table(root, write_table);
        write_table(get(get(get(root + 24, 8) + 36, 8) + 40, 4));
        return 0;
    }
    failed = cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
