/* firmware_test.c - ACPI tables as firmware puts them into memory: the script is done as firmware
 * does it, at addresses of all kinds, and then the tables are right. */
#include "vmm_test.h"

#include "firmware.h"

#define FILES  4u
#define ROUNDS 50u

static const uint8_t irqs[] = {10, 11, 10, 11};
static struct bus ports;
static struct fw_cfg device;
static struct firmware firmware;
static struct memory memory;

/* A file in memory: in ours, and at an address the tables believe. */
static struct loaded {
    char name[FW_CFG_NAME_MAX];
    uint8_t *data;
    uint32_t size;
    uint64_t address;
} loaded[FILES];
static unsigned loaded_count;

static void choose(unsigned key)
{
    bus_write(&ports, 0x510, 2, key);
}

static uint64_t big(unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value = value << 8 | bus_read(&ports, 0x511, 1);
    }
    return value;
}

static void take(void *data, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        ((uint8_t *)data)[i] = (uint8_t)bus_read(&ports, 0x511, 1);
    }
}

/* A file of the device's, in memory of its own. */
static uint8_t *file_read(const char *name, uint32_t *size)
{
    uint64_t n;

    choose(0x19);
    n = big(4);
    for (uint64_t i = 0; i < n; i++) {
        char found[FW_CFG_NAME_MAX];
        unsigned key;

        *size = (uint32_t)big(4);
        key = (unsigned)big(4) >> 16;
        take(found, sizeof(found));
        if (strcmp(found, name) == 0) {
            uint8_t *data = malloc(*size);

            choose(key);
            take(data, *size);
            return data;
        }
    }
    fail_msg("no file %s", name);
    return NULL;
}

static struct loaded *find(const char *name)
{
    for (unsigned i = 0; i < loaded_count; i++) {
        if (strcmp(loaded[i].name, name) == 0) {
            return &loaded[i];
        }
    }
    fail_msg("%s was not allocated", name);
    return NULL;
}

/* --- firmware --- */

static void do_allocate(const struct firmware_command *c, uint64_t high, uint64_t low)
{
    struct loaded *l = &loaded[loaded_count];

    assert_true(loaded_count < FILES);
    assert_true(c->allocate.zone == FIRMWARE_ZONE_HIGH || c->allocate.zone == FIRMWARE_ZONE_F);
    strcpy(l->name, c->allocate.file);
    l->data = file_read(l->name, &l->size);
    l->address = c->allocate.zone == FIRMWARE_ZONE_HIGH ? high : low;
    assert_int_equal(l->address % c->allocate.alignment, 0);
    loaded_count += 1;
}

static void do_pointer(const struct firmware_command *c)
{
    struct loaded *l = find(c->pointer.file);
    const struct loaded *target = find(c->pointer.target);
    uint64_t value = 0;

    assert_true(c->pointer.offset + c->pointer.size <= l->size);
    memcpy(&value, l->data + c->pointer.offset, c->pointer.size);
    assert_true(value < target->size);
    value += target->address;
    memcpy(l->data + c->pointer.offset, &value, c->pointer.size);
}

static void do_checksum(const struct firmware_command *c)
{
    struct loaded *l = find(c->checksum.file);
    uint8_t sum = 0;

    assert_true(c->checksum.start + c->checksum.size <= l->size);
    assert_in_range(c->checksum.offset, c->checksum.start,
                    c->checksum.start + c->checksum.size - 1);
    for (uint32_t i = 0; i < c->checksum.size; i++) {
        sum = (uint8_t)(sum + l->data[c->checksum.start + i]);
    }
    l->data[c->checksum.offset] = (uint8_t)(l->data[c->checksum.offset] - sum);
}

static void do_script(uint64_t high, uint64_t low)
{
    uint32_t size;
    struct firmware_command *script = (void *)file_read("etc/table-loader", &size);

    assert_int_equal(sizeof(*script), 128);
    assert_int_equal(size % sizeof(*script), 0);
    for (unsigned i = 0; i < size / sizeof(*script); i++) {
        switch (script[i].kind) {
        case FIRMWARE_ALLOCATE:
            do_allocate(&script[i], high, low);
            break;
        case FIRMWARE_ADD_POINTER:
            do_pointer(&script[i]);
            break;
        case FIRMWARE_ADD_CHECKSUM:
            do_checksum(&script[i]);
            break;
        default:
            fail();
        }
    }
    free(script);
}

/* --- what a system finds then --- */

/* What is at an address, all `size` bytes of it. */
static const uint8_t *at(uint64_t address, uint64_t size)
{
    for (unsigned i = 0; i < loaded_count; i++) {
        if (address >= loaded[i].address && address + size <= loaded[i].address + loaded[i].size) {
            return loaded[i].data + (address - loaded[i].address);
        }
    }
    fail_msg("nothing is at 0x%llx", (unsigned long long)address);
    return NULL;
}

static uint64_t number(uint64_t address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at(address, size), size);
    return value;
}

static void expect_sum(uint64_t address, uint64_t size)
{
    uint8_t sum = 0;

    for (uint64_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + *at(address + i, 1));
    }
    assert_int_equal(sum, 0);
}

static void expect_table(uint64_t address, const char *signature)
{
    assert_memory_equal(at(address, 4), signature, 4);
    expect_sum(address, number(address + 4, 4));
}

static void expect_tables(uint64_t root)
{
    uint64_t xsdt = number(root + 24, 8);
    uint64_t fadt = number(xsdt + 36, 8);

    assert_memory_equal(at(root, 8), "RSD PTR ", 8);
    expect_sum(root, 20);
    expect_sum(root, 36);
    expect_table(xsdt, "XSDT");
    assert_int_equal(number(xsdt + 4, 4), 36 + 3 * 8);
    expect_table(fadt, "FACP");
    expect_table(number(xsdt + 44, 8), "APIC");
    expect_table(number(xsdt + 52, 8), "HPET");
    assert_true(number(fadt + 40, 4) == number(fadt + 140, 8));
    expect_table(number(fadt + 140, 8), "DSDT");
    assert_memory_equal(at(number(fadt + 36, 4), 64), "FACS", 4);
}

static void forget(void)
{
    for (unsigned i = 0; i < loaded_count; i++) {
        free(loaded[i].data);
    }
    loaded_count = 0;
}

static bool describe(unsigned vcpu_count)
{
    const struct acpi_options options = {
        .vcpu_count = vcpu_count, .has_apic = true, .has_hpet = true, .pci_irqs = irqs};

    bus_init(&ports);
    memory_init(&memory, NULL, 64u << 20);
    return fw_cfg_init(&device, &ports) && firmware_describe(&firmware, &device, &memory, &options);
}

static void tables_are_right_wherever_they_are(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t high = (uint64_t)rand() % 0x2fff000 / 64 * 64 + 0x100000;
        uint64_t low = 0xf0000 + (uint64_t)rand() % 0xf000 / 64 * 64;

        assert_true(describe(1 + round % 16));
        do_script(high, low);
        expect_tables(low);
        forget();
    }
}

static void tables_that_do_not_fit_are_not_told(void **state)
{
    (void)state;
    assert_true(describe(16));
    for (unsigned i = 0; i < FW_CFG_FILES_MAX; i++) {
        const struct acpi_options options = {
            .vcpu_count = 1, .has_apic = true, .has_hpet = true, .pci_irqs = irqs};

        if (!firmware_describe(&firmware, &device, &memory, &options)) {
            return;
        }
    }
    fail(); /* there is an end to files */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(tables_are_right_wherever_they_are),
    cmocka_unit_test(tables_that_do_not_fit_are_not_told),
};
TEST_MAIN("firmware", tests)
