/* pci_test.c - configuration space by ports, and BARs that a guest moves about. */
#include "vmm_test.h"

#include "pci.h"

#define SLOT 3u

static struct bus ports, memory;
static struct pci pci;
static struct pci_function function, other;
static struct test_line lines[PCI_LINES];
static unsigned written_offset, written_size;

static uint64_t read_register(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)size;
    return 0x40 + offset;
}

static void note_written(void *device, unsigned offset, unsigned size)
{
    (void)device;
    written_offset = offset;
    written_size = size;
}

static void config_out(unsigned slot, unsigned offset, unsigned size, uint32_t value)
{
    bus_write(&ports, 0xcf8, 4, 0x80000000u | slot << 11 | (offset & 0xfc));
    bus_write(&ports, 0xcfc + (offset & 3), size, value);
}

static uint32_t config_in(unsigned slot, unsigned offset, unsigned size)
{
    bus_write(&ports, 0xcf8, 4, 0x80000000u | slot << 11 | (offset & 0xfc));
    return (uint32_t)bus_read(&ports, 0xcfc + (offset & 3), size);
}

static int start(void **state)
{
    (void)state;
    bus_init(&ports);
    bus_init(&memory);
    assert_true(pci_init(&pci, &ports, &memory));
    for (unsigned i = 0; i < PCI_LINES; i++) {
        test_line_init(&lines[i]);
        pci.lines[i] = lines[i].line;
        pci.lines[i].target = &lines[i];
        pci.irqs[i] = (uint8_t)(9 + i);
    }
    pci_function_init(&function, 0x1af4, 0x1042, 0x010000, 0x1af4, 0x1100);
    pci_function_set_bar(&function, 0, false, 0x4000, read_register, NULL, &function);
    pci_function_set_bar(&function, 1, true, 0x20, read_register, NULL, &function);
    function.written = note_written;
    assert_true(pci_insert(&pci, SLOT, &function));
    return 0;
}

static void a_function_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(config_in(SLOT, 0, 4), 0x10421af4);
    assert_int_equal(config_in(SLOT, 8, 4), 0x01000000);
    assert_int_equal(config_in(SLOT, 0x2e, 2), 0x1100);
    assert_int_equal(config_in(0, 0, 2), 0x8086);
    assert_int_equal(config_in(SLOT, 3, 1), 0x10);
    assert_int_equal(config_in(SLOT, 0x3c, 2), 0x100 + 9 + SLOT);
    assert_int_equal(config_in(0, 0x3d, 1), 0);
    config_out(SLOT, 0, 4, 0);
    assert_int_equal(config_in(SLOT, 0, 4), 0x10421af4);
}

static void nobody_is_all_ones(void **state)
{
    (void)state;
    assert_int_equal(config_in(SLOT + 1, 0, 4), 0xffffffff);
    bus_write(&ports, 0xcf8, 4, 0x80000000u | SLOT << 11 | 1 << 8); /* function 1 */
    assert_int_equal(bus_read(&ports, 0xcfc, 4), 0xffffffff);
    bus_write(&ports, 0xcf8, 4, 0x80010000u | SLOT << 11); /* bus 1 */
    assert_int_equal(bus_read(&ports, 0xcfc, 4), 0xffffffff);
    bus_write(&ports, 0xcf8, 4, SLOT << 11); /* not enabled */
    assert_int_equal(bus_read(&ports, 0xcfc, 4), 0xffffffff);
    bus_write(&ports, 0xcf8, 2, 0x1234); /* as a whole or not at all */
    assert_int_equal(bus_read(&ports, 0xcf8, 4), SLOT << 11);
    bus_write(&ports, 0xcf8, 4, 0x80000000u | SLOT << 11 | 0xfc);
    assert_int_equal(bus_read(&ports, 0xcff, 2), 0xffff); /* beyond the ports */
    assert_int_equal(bus_read(&ports, 0xcfd, 4), 0xffffffff);
}

static void bars_tell_their_size(void **state)
{
    (void)state;
    config_out(SLOT, 0x10, 4, 0xffffffff);
    config_out(SLOT, 0x14, 4, 0xffffffff);
    config_out(SLOT, 0x18, 4, 0xffffffff);
    assert_int_equal(config_in(SLOT, 0x10, 4), 0xffffc000);
    assert_int_equal(config_in(SLOT, 0x14, 4), 0xffffffe1);
    assert_int_equal(config_in(SLOT, 0x18, 4), 0);
    assert_int_equal(written_offset, 0x18);
    assert_int_equal(written_size, 4);
}

static void registers_are_where_bars_say(void **state)
{
    uint32_t base = config_in(SLOT, 0x10, 4);

    (void)state;
    assert_true(base >= PCI_MEMORY_BASE);
    assert_int_equal(bus_read(&memory, base + 8, 4), 0x48);
    assert_int_equal(bus_read(&ports, (config_in(SLOT, 0x14, 4) & ~3u) + 1, 1), 0x41);
    config_out(SLOT, 0x10, 4, 0xd0000000);
    assert_int_equal(bus_read(&memory, base + 8, 4), 0xffffffff);
    assert_int_equal(bus_read(&memory, 0xd0000008, 4), 0x48);
    config_out(SLOT, 0x10, 4, 0x1000); /* memory of the guest */
    assert_null(bus_lookup(&memory, 0x1000));
    config_out(SLOT, 0x14, 4, 0xcf8); /* somebody else's */
    assert_int_equal(config_in(SLOT, 0, 2), 0x1af4);
    config_out(SLOT, 0x10, 4, 0xd0000000);
    config_out(SLOT, 4, 2, 0); /* turned off */
    assert_null(bus_lookup(&memory, 0xd0000000));
    config_out(SLOT, 4, 2, 7);
    assert_non_null(bus_lookup(&memory, 0xd0000000));
    assert_true(pci_function_is_master(&function));
}

static void functions_do_not_share_addresses(void **state)
{
    (void)state;
    pci_function_init(&other, 1, 2, 0xff0000, 0, 0);
    pci_function_set_bar(&other, 0, false, 0x1000, read_register, NULL, &other);
    assert_false(pci_insert(&pci, SLOT, &other));
    assert_false(pci_insert(&pci, PCI_SLOTS, &other));
    assert_true(pci_insert(&pci, 31, &other));
    assert_int_not_equal(config_in(31, 0x10, 4), config_in(SLOT, 0x10, 4));
    config_out(31, 0x10, 4, config_in(SLOT, 0x10, 4)); /* the first stays */
    assert_ptr_equal(bus_lookup(&memory, config_in(SLOT, 0x10, 4))->device, &function);
    config_out(SLOT, 0x10, 4, 0xd0000000);
    assert_non_null(bus_lookup(&memory, 0xd0000000));
}

static void interrupts_share_a_line(void **state)
{
    (void)state;
    pci_function_init(&other, 1, 2, 0xff0000, 0, 0);
    assert_true(pci_insert(&pci, SLOT + PCI_LINES, &other));
    pci_function_interrupt(&function, true);
    pci_function_interrupt(&function, true);
    pci_function_interrupt(&other, true);
    assert_true(lines[SLOT].level);
    assert_int_equal(config_in(SLOT, 6, 1) & 8, 8);
    pci_function_interrupt(&function, false);
    assert_true(lines[SLOT].level);
    pci_function_interrupt(&other, false);
    assert_false(lines[SLOT].level);
    config_out(SLOT, 4, 2, 0x400); /* INTx off */
    pci_function_interrupt(&function, true);
    assert_false(lines[SLOT].level);
    config_out(SLOT, 4, 2, 0);
    assert_true(lines[SLOT].level);
    assert_int_equal(lines[SLOT].rises, 2);
}

static void capabilities_are_a_chain(void **state)
{
    unsigned first, second, n = 0;

    (void)state;
    pci_function_init(&other, 1, 2, 0xff0000, 0, 0);
    first = pci_function_add_capability(&other, 9, 17);
    second = pci_function_add_capability(&other, 5, 12);
    assert_int_equal(first, 0x40);
    assert_int_equal(second, 0x54);
    assert_int_equal(other.config[0x34], second);
    assert_int_equal(other.config[second + 1], first);
    assert_int_equal(other.config[first + 1], 0);
    while (pci_function_add_capability(&other, 9, 16) != 0) {
        n++;
    }
    assert_int_equal(n, 10);
}

/* Whatever a guest writes: the ranges of the buses are those of BARs that are on. */
static void anything_may_be_written(void **state)
{
    (void)state;
    srand(7);
    for (unsigned i = 0; i < 200000; i++) {
        static const unsigned sizes[] = {1, 2, 4};
        unsigned size = sizes[rand() % 3];

        config_out((unsigned)rand() % 5, (unsigned)rand() % 0x40, size,
                   (uint32_t)rand() << 8 ^ (uint32_t)rand());
        assert_in_range(ports.count, 1, 2);
        assert_in_range(memory.count, 0, 1);
    }
    assert_int_equal(config_in(SLOT, 0, 4), 0x10421af4);
}

#define PCI_TEST(name) cmocka_unit_test_setup(name, start)

static const struct CMUnitTest tests[] = {
    PCI_TEST(a_function_says_what_it_is),
    PCI_TEST(nobody_is_all_ones),
    PCI_TEST(bars_tell_their_size),
    PCI_TEST(registers_are_where_bars_say),
    PCI_TEST(functions_do_not_share_addresses),
    PCI_TEST(interrupts_share_a_line),
    PCI_TEST(capabilities_are_a_chain),
    PCI_TEST(anything_may_be_written),
};
TEST_MAIN("pci", tests)
