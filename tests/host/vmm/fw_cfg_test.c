/* fw_cfg_test.c - what firmware asks the machine, as it asks. */
#include "vmm_test.h"

#include "fw_cfg.h"

#define GIB 0x40000000ull

static struct bus ports;
static struct fw_cfg f;
static struct memory memory;

static int set_up(void **state)
{
    (void)state;
    bus_init(&ports);
    assert_true(fw_cfg_init(&f, &ports));
    return 0;
}

static void choose(unsigned key)
{
    bus_write(&ports, 0x510, 2, key);
}

static void take(void *data, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        ((uint8_t *)data)[i] = (uint8_t)bus_read(&ports, 0x511, 1);
    }
}

static uint64_t number(unsigned key, unsigned size)
{
    uint64_t value = 0;

    choose(key);
    take(&value, size);
    return value;
}

static uint64_t big(unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value = value << 8 | bus_read(&ports, 0x511, 1);
    }
    return value;
}

/* The key of a file, and its size; 0: there is none. */
static unsigned find(const char *name, uint64_t *size)
{
    char found[56];
    unsigned key;
    uint64_t n;

    choose(0x19);
    n = big(4);
    while (n != 0) {
        *size = big(4);
        key = (unsigned)big(2);
        (void)big(2);
        take(found, sizeof(found));
        if (strcmp(found, name) == 0) {
            return key;
        }
        n -= 1;
    }
    return 0;
}

static void it_says_what_it_is(void **state)
{
    char signature[5] = "";

    (void)state;
    choose(0);
    take(signature, 4);
    assert_string_equal(signature, "QEMU");
    assert_int_equal(number(1, 4), 1); /* no DMA */
    choose(0);
    take(signature, 2);
    choose(0); /* from the start again */
    take(signature, 4);
    assert_string_equal(signature, "QEMU");
}

static void behind_the_end_are_zeroes(void **state)
{
    (void)state;
    choose(0);
    assert_int_equal(big(4), 0x51454d55);
    assert_int_equal(big(8), 0);
    assert_int_equal(number(0x1234, 8), 0); /* no such item */
    assert_int_equal(number(0xffff, 8), 0);
    choose(0x19);
    assert_int_equal(big(4), 0); /* no files */
}

static void other_accesses_do_nothing(void **state)
{
    (void)state;
    choose(0);
    assert_int_equal(bus_read(&ports, 0x510, 1), 0);
    assert_int_equal(bus_read(&ports, 0x510, 2), 0);
    bus_write(&ports, 0x511, 1, 0x55);
    bus_write(&ports, 0x510, 1, 1);
    bus_write(&ports, 0x510, 4, 1);
    assert_int_equal(big(4), 0x51454d55);
}

static void memory_and_processors_are_told(void **state)
{
    struct fw_cfg_e820 map[2];
    uint64_t size = 0;

    (void)state;
    memory_init(&memory, NULL, 5 * GIB);
    assert_true(fw_cfg_describe(&f, &memory, 3));
    assert_int_equal(number(0x0f, 2), 3);
    assert_int_equal(number(0x8002, 1), 1);
    assert_int_equal(number(0x0e, 2), 0); /* no menu */
    choose(find("etc/e820", &size));
    assert_int_equal(size, sizeof(map));
    take(map, sizeof(map));
    assert_true(map[0].base == 0 && map[0].size == 3 * GIB && map[0].type == 1);
    assert_true(map[1].base == 4 * GIB && map[1].size == 2 * GIB && map[1].type == 1);
    assert_int_equal(number(find("etc/sercon-port", &size), 2), 0x3f8);
    assert_int_equal(size, 2);
    assert_int_equal(find("etc/e82", &size), 0);
}

static void little_memory_is_one_stretch(void **state)
{
    uint64_t size = 0;

    (void)state;
    memory_init(&memory, NULL, 64u << 20);
    assert_true(fw_cfg_describe(&f, &memory, 1));
    assert_int_not_equal(find("etc/e820", &size), 0);
    assert_int_equal(size, 20);
}

static void there_is_an_end_to_files_and_names(void **state)
{
    char name[FW_CFG_NAME_MAX + 1];
    unsigned n = 0;

    (void)state;
    memset(name, 'x', FW_CFG_NAME_MAX);
    name[FW_CFG_NAME_MAX] = '\0';
    assert_false(fw_cfg_add_file(&f, name, "", 1));
    name[FW_CFG_NAME_MAX - 1] = '\0';
    while (fw_cfg_add_file(&f, name, "", 1)) {
        n += 1;
    }
    assert_int_equal(n, FW_CFG_FILES_MAX);
    while (fw_cfg_add(&f, 0x8100, "", 1)) {
        n += 1;
    }
    assert_true(n < FW_CFG_ITEMS_MAX);
    choose(0x19);
    assert_int_equal(big(4), FW_CFG_FILES_MAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(it_says_what_it_is, set_up),
    cmocka_unit_test_setup(behind_the_end_are_zeroes, set_up),
    cmocka_unit_test_setup(other_accesses_do_nothing, set_up),
    cmocka_unit_test_setup(memory_and_processors_are_told, set_up),
    cmocka_unit_test_setup(little_memory_is_one_stretch, set_up),
    cmocka_unit_test_setup(there_is_an_end_to_files_and_names, set_up),
};
TEST_MAIN("fw_cfg", tests)
