/* ioapic_test.c - lines in, messages out: edges, levels, masks. */
#include "ioapic.h"
#include "vmm_test.h"

static struct bus bus;
static struct ioapic ioapic;
static unsigned sent;
static uint64_t last_address;
static uint32_t last_data;

static void note(void *context, uint64_t address, uint32_t data)
{
    (void)context;
    sent += 1;
    last_address = address;
    last_data = data;
}

static int start(void **state)
{
    (void)state;
    bus_init(&bus);
    sent = 0;
    assert_true(ioapic_init(&ioapic, &bus, note, NULL));
    return 0;
}

static void out(uint8_t reg, uint32_t value)
{
    bus_write(&bus, IOAPIC_BASE, 4, reg);
    bus_write(&bus, IOAPIC_BASE + 0x10, 4, value);
}

static uint32_t in(uint8_t reg)
{
    bus_write(&bus, IOAPIC_BASE, 4, reg);
    return (uint32_t)bus_read(&bus, IOAPIC_BASE + 0x10, 4);
}

static void entry(unsigned line, uint64_t value)
{
    out((uint8_t)(0x11 + 2 * line), (uint32_t)(value >> 32));
    out((uint8_t)(0x10 + 2 * line), (uint32_t)value);
}

static void it_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(in(1), 0x00170020);
    out(0, 0xff000000);
    assert_int_equal(in(0), 0x0f000000);
    out(1, 0);
    assert_int_equal(in(1), 0x00170020);
    assert_int_equal(in(0x10), 0x10000); /* masked */
    assert_int_equal(in(0x40), 0);       /* there is no entry 24 */
    out(0x40, 0xff);
    assert_int_equal(in(2), 0);
}

static void an_edge_is_sent_once(void **state)
{
    (void)state;
    entry(4, 0x0300000000000031);
    ioapic_set(&ioapic, 4, true);
    ioapic_set(&ioapic, 4, true);
    assert_int_equal(sent, 1);
    assert_int_equal(last_address, 0xfee03000);
    assert_int_equal(last_data, 0x4031);
    ioapic_set(&ioapic, 4, false);
    ioapic_set(&ioapic, 4, true);
    assert_int_equal(sent, 2);
    assert_int_equal(in(0x10 + 8) & 0x4000, 0);
}

static void an_edge_that_is_masked_is_lost(void **state)
{
    (void)state;
    ioapic_set(&ioapic, 4, true);
    entry(4, 0x31);
    assert_int_equal(sent, 0);
}

static void a_level_comes_again_until_it_is_down(void **state)
{
    (void)state;
    entry(10, 0x8000 | 0x55 | 0x800 | 0x100); /* logical, lowest priority */
    ioapic_set(&ioapic, 10, true);
    assert_int_equal(sent, 1);
    assert_int_equal(last_address, 0xfee00004);
    assert_int_equal(last_data, 0xc155);
    assert_int_equal(in(0x10 + 20) & 0x4000, 0x4000);
    ioapic_set(&ioapic, 10, false);
    ioapic_set(&ioapic, 10, true);
    assert_int_equal(sent, 1); /* it is still being dealt with */
    ioapic_end(&ioapic, 0x54);
    assert_int_equal(sent, 1);
    ioapic_end(&ioapic, 0x55);
    assert_int_equal(sent, 2);
    ioapic_set(&ioapic, 10, false);
    bus_write(&bus, IOAPIC_BASE + 0x40, 4, 0x55);
    assert_int_equal(sent, 2);
    assert_int_equal(in(0x10 + 20) & 0x4000, 0);
}

static void a_level_waits_behind_its_mask(void **state)
{
    (void)state;
    entry(11, 0x18000 | 0x66);
    ioapic_set(&ioapic, 11, true);
    assert_int_equal(sent, 0);
    entry(11, 0x8000 | 0x66);
    assert_int_equal(sent, 1);
    entry(11, 0x8000 | 0x4000 | 0x66); /* what is sent is not the guest's to say */
    assert_int_equal(sent, 1);
    entry(11, 0x66); /* as an edge */
    assert_int_equal(in(0x10 + 22) & 0x4000, 0);
}

static void lines_that_are_not_there(void **state)
{
    (void)state;
    ioapic_set(&ioapic, 24, true);
    ioapic_set(&ioapic, 1000, true);
    assert_int_equal(sent, 0);
    assert_int_equal(ioapic.raised, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(it_says_what_it_is, start),
    cmocka_unit_test_setup(an_edge_is_sent_once, start),
    cmocka_unit_test_setup(an_edge_that_is_masked_is_lost, start),
    cmocka_unit_test_setup(a_level_comes_again_until_it_is_down, start),
    cmocka_unit_test_setup(a_level_waits_behind_its_mask, start),
    cmocka_unit_test_setup(lines_that_are_not_there, start),
};

TEST_MAIN("ioapic", tests)
