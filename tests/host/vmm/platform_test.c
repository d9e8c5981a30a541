/* platform_test.c - the devices of a PC, as a guest sees them through ports: serial line, interrupt
 * controllers, timer, clock, keyboard controller, power; and what becomes of all of them when a
 * guest writes anything anywhere. */
#include "vmm_test.h"

#include "platform.h"

#define MEMORY_SIZE 0x200000u
#define DATE        1795856324 /* 2026-11-28 08:58:44 */
#define TICK_NS     1000000000ull / 1193182

static uint8_t bytes[MEMORY_SIZE];
static struct memory memory;
static struct test_clock test;
static struct platform p;
static bool interrupt;
static unsigned ends, written;
static enum power_event last_event;
static uint32_t last_number;

static void note_power(void *context, enum power_event event, uint32_t number)
{
    (void)context;
    ends++;
    last_event = event;
    last_number = number;
}

static void note_written(void *context)
{
    (void)context;
    written++;
}

static void note_interrupt(void *target, unsigned input, bool level)
{
    (void)target;
    (void)input;
    interrupt = level;
}

static const struct platform_ops ops = {
    .power = note_power, .written = note_written, .interrupt = note_interrupt};

static int start(void **state)
{
    struct platform_options options = {
        &memory, MEMORY_SIZE, 1, &test.clock, DATE, &ops, NULL,
    };

    (void)state;
    test_clock_init(&test);
    memory_init(&memory, bytes, sizeof(bytes));
    interrupt = false;
    ends = written = 0;
    assert_true(platform_init(&p, &options));
    return 0;
}

static void out8(uint16_t port, uint8_t value)
{
    bus_write(&p.ports, port, 1, value);
}

static uint8_t in8(uint16_t port)
{
    return (uint8_t)bus_read(&p.ports, port, 1);
}

/* --- serial.c --- */

static void output_is_kept_until_it_is_read(void **state)
{
    char data[8] = {0};

    (void)state;
    out8(0x3f8, 'h');
    out8(0x3f8, 'i');
    assert_int_equal(written, 2);
    assert_int_equal(in8(0x3fd) & 0x60, 0x60);
    assert_int_equal(tty_read(&p.tty, data, 1), 1);
    assert_int_equal(tty_read(&p.tty, data + 1, 7), 1);
    assert_string_equal(data, "hi");
    for (unsigned i = 0; i < TTY_OUTPUT + 3; i++) {
        out8(0x3f8, (uint8_t)i);
    }
    assert_int_equal(tty_waiting(&p.tty), TTY_OUTPUT);
    assert_int_equal(p.tty.lost, 3);
    tty_read(&p.tty, data, 1);
    assert_int_equal((uint8_t)data[0], 3); /* the oldest are lost */
}

static void input_waits_for_room(void **state)
{
    char typed[TTY_INPUT + 100];

    (void)state;
    memset(typed, 'x', sizeof(typed));
    typed[0] = 'a';
    typed[1] = 'b';
    assert_int_equal(in8(0x3fd) & 1, 0);
    assert_int_equal(platform_type(&p, typed, sizeof(typed)), TTY_INPUT);
    assert_int_equal(platform_type(&p, typed, 5), 1); /* there was room for one in the port */
    assert_int_equal(platform_type(&p, typed, 5), 0);
    assert_int_equal(in8(0x3fd) & 1, 1);
    assert_int_equal(in8(0x3f8), 'a');
    assert_int_equal(in8(0x3fd) & 1, 0);
    platform_settle(&p);
    assert_int_equal(in8(0x3f8), 'b');
    out8(0x3fa, 0x01); /* FIFOs */
    platform_settle(&p);
    assert_int_equal(p.serial.count, SERIAL_FIFO);
    for (unsigned i = 0; i < 3 * SERIAL_FIFO; i++) {
        serial_receive(&p.serial, 'y'); /* nobody asked for room */
    }
    assert_int_equal(p.serial.count, SERIAL_FIFO);
    assert_int_equal(in8(0x3fd) & 3, 3); /* overrun, told once */
    assert_int_equal(in8(0x3fd) & 3, 1);
}

static void input_goes_where_output_came_from(void **state)
{
    char data[4];

    (void)state;
    p.console.emit(p.console.context, (const uint8_t *)"v", 1);
    assert_int_equal(tty_read(&p.tty, data, sizeof(data)), 1);
    assert_int_equal(platform_type(&p, "ab", 2), 2);
    assert_int_equal(p.console.count, 2);
    assert_int_equal(in8(0x3fd) & 1, 0);
    out8(0x3f8, 's');
    assert_int_equal(platform_type(&p, "c", 1), 1);
    assert_int_equal(p.console.count, 2);
    assert_int_equal(in8(0x3f8), 'c');
    p.hypercall.has_console = true; /* and by a call it is for nobody else */
    assert_int_equal(platform_type(&p, "d", 1), 1);
    assert_int_equal(in8(0x3fd) & 1, 0);
    assert_int_equal(p.hypercall.events, HYPERCALL_EVENT_CONSOLE);
}

static void the_serial_port_interrupts(void **state)
{
    (void)state;
    out8(0x20, 0x11);
    out8(0x21, 0x20);
    out8(0x21, 0x04);
    out8(0x21, 0x01);
    out8(0x21, 0xef); /* line 4 alone */
    out8(0x3f9, 0x01);
    platform_type(&p, "k", 1);
    assert_false(interrupt); /* without OUT2 */
    out8(0x3fc, 0x08);
    assert_true(interrupt);
    assert_int_equal(pic_acknowledge(&p.pic), 0x24);
    assert_int_equal(in8(0x3fa), 0x04);
    assert_int_equal(in8(0x3f8), 'k');
    assert_int_equal(in8(0x3fa), 0x01);
    out8(0x20, 0x20);
    out8(0x3f9, 0x02); /* empty: told when it is turned on, and after each byte */
    assert_true(interrupt);
    assert_int_equal(in8(0x3fa), 0x02);
    assert_int_equal(in8(0x3fa), 0x01);
    out8(0x3f8, 'x');
    assert_int_equal(in8(0x3fa), 0x02);
}

static void a_loop_shows_outputs_as_inputs(void **state)
{
    (void)state;
    out8(0x3fc, 0x1a);
    assert_int_equal(in8(0x3fe) & 0xf0, 0x90);
    out8(0x3f8, 'l');
    assert_int_equal(tty_waiting(&p.tty), 0);
    assert_int_equal(in8(0x3f8), 'l');
    out8(0x3fc, 0);
    out8(0x3fb, 0x80);
    out8(0x3f8, 0x0c);
    out8(0x3f9, 0x01);
    assert_int_equal(in8(0x3f8), 0x0c);
    assert_int_equal(in8(0x3f9), 0x01);
    out8(0x3fb, 3);
    out8(0x3ff, 0x5a);
    assert_int_equal(in8(0x3ff), 0x5a);
    assert_int_equal(tty_waiting(&p.tty), 0);
}

/* --- pic.c --- */

static void pic_start(void)
{
    static const uint16_t chips[] = {0x20, 0xa0};

    for (unsigned i = 0; i < 2; i++) {
        out8(chips[i], 0x11);
        out8(chips[i] + 1, (uint8_t)(0x20 + 8 * i));
        out8(chips[i] + 1, (uint8_t)(i == 0 ? 4 : 2));
        out8(chips[i] + 1, 1);
        out8(chips[i] + 1, 0);
    }
}

static void pulse(unsigned line)
{
    pic_set(&p.pic, line, true);
    pic_set(&p.pic, line, false);
}

static void lines_have_priorities(void **state)
{
    (void)state;
    pic_start();
    pulse(5);
    pulse(12);
    pulse(3);
    assert_true(interrupt);
    assert_int_equal(pic_acknowledge(&p.pic), 0x2c); /* 12 is before 3 */
    assert_false(interrupt);
    pulse(1);
    assert_true(interrupt);
    assert_int_equal(pic_acknowledge(&p.pic), 0x21);
    out8(0x20, 0x20); /* the end of 1; the second's goes on */
    assert_false(interrupt);
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
    assert_true(interrupt);
    assert_int_equal(pic_acknowledge(&p.pic), 0x23);
    out8(0x20, 0x63); /* the end of line 3 */
    assert_int_equal(pic_acknowledge(&p.pic), 0x25);
    out8(0x20, 0x0b);
    assert_int_equal(in8(0x20), 0x20);
    out8(0x20, 0x20);
    assert_int_equal(in8(0x20), 0);
    assert_int_equal(pic_acknowledge(&p.pic), 0x27); /* spurious */
    assert_int_equal(in8(0x20), 0);
}

static void masked_lines_wait(void **state)
{
    (void)state;
    pic_start();
    out8(0x21, 0x08);
    pulse(3);
    assert_false(interrupt);
    assert_int_equal(in8(0x20), 0x08); /* IRR */
    assert_int_equal(in8(0x21), 0x08);
    out8(0x21, 0);
    assert_true(interrupt);
    out8(0x21, 0xff);
    assert_false(interrupt);
    assert_int_equal(pic_acknowledge(&p.pic), 0x27);
}

static void a_level_interrupts_as_long_as_it_is_up(void **state)
{
    (void)state;
    pic_start();
    bus_write(&p.ports, 0x4d0, 2, 0xffff);
    assert_int_equal(bus_read(&p.ports, 0x4d0, 2), 0xdef8);
    pic_set(&p.pic, 10, true);
    assert_int_equal(pic_acknowledge(&p.pic), 0x2a);
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
    assert_true(interrupt);
    pic_set(&p.pic, 10, false);
    assert_false(interrupt);
    pic_set(&p.pic, 2, true); /* is the second's */
    assert_false(interrupt);
    pic_set(&p.pic, 99, true);
}

static void automatic_ends_and_rotation(void **state)
{
    (void)state;
    pic_start();
    out8(0x20, 0x11);
    out8(0x21, 0x20);
    out8(0x21, 4);
    out8(0x21, 3); /* automatic end */
    out8(0x21, 0);
    pulse(4);
    assert_int_equal(pic_acknowledge(&p.pic), 0x24);
    pulse(6);
    assert_int_equal(pic_acknowledge(&p.pic), 0x26);
    out8(0x20, 0xc4); /* 5 is the first */
    pulse(4);
    pulse(5);
    assert_int_equal(pic_acknowledge(&p.pic), 0x25);
    assert_int_equal(pic_acknowledge(&p.pic), 0x24);
    out8(0x20, 0x80); /* whoever is taken is the last */
    pulse(5);
    assert_int_equal(pic_acknowledge(&p.pic), 0x25);
    pulse(5);
    pulse(6);
    assert_int_equal(pic_acknowledge(&p.pic), 0x26);
}

/* --- pit.c --- */

static unsigned timer_ticks(void)
{
    unsigned n = 0;

    while (interrupt) {
        assert_int_equal(pic_acknowledge(&p.pic), 0x20);
        out8(0x20, 0x20);
        n++;
    }
    return n;
}

static void set_timer(uint8_t control, uint16_t count)
{
    out8(0x43, control);
    out8(0x40, (uint8_t)count);
    out8(0x40, (uint8_t)(count >> 8));
}

static uint16_t read_timer(void)
{
    uint8_t low = in8(0x40);

    return (uint16_t)(low | in8(0x40) << 8);
}

static void a_period_interrupts_again_and_again(void **state)
{
    unsigned n = 0;

    (void)state;
    pic_start();
    set_timer(0x34, 11932); /* mode 2, 100 Hz */
    for (unsigned i = 0; i < 100; i++) {
        test_clock_pass(&test, 10000000);
        n += timer_ticks();
    }
    assert_in_range(n, 99, 100);
    test_clock_pass(&test, 95000000);
    assert_int_equal(timer_ticks(), 1); /* those that were not taken are one */
    out8(0x43, 0x34);
    test_clock_pass(&test, 95000000);
    assert_int_equal(timer_ticks(), 0); /* until there is a count */
}

static void a_timeout_interrupts_once(void **state)
{
    (void)state;
    pic_start();
    set_timer(0x30, 1193); /* mode 0, 1 ms */
    test_clock_pass(&test, 999000);
    assert_int_equal(timer_ticks(), 0);
    test_clock_pass(&test, 2000);
    assert_int_equal(timer_ticks(), 1);
    test_clock_pass(&test, 90000000);
    assert_int_equal(timer_ticks(), 0);
    set_timer(0x30, 1193);
    set_timer(0x30, 11930); /* in place of the first */
    test_clock_pass(&test, 5000000);
    assert_int_equal(timer_ticks(), 0);
    test_clock_pass(&test, 5000000);
    assert_int_equal(timer_ticks(), 1);
}

static void counts_go_down(void **state)
{
    (void)state;
    set_timer(0x34, 1000);
    test_clock_pass(&test, 250 * TICK_NS + 1000);
    assert_in_range(read_timer(), 748, 750);
    test_clock_pass(&test, 1000 * TICK_NS);
    assert_in_range(read_timer(), 745, 751);
    out8(0x43, 0x00); /* latched */
    test_clock_pass(&test, 100 * TICK_NS);
    assert_in_range(read_timer(), 745, 751);
    assert_in_range(read_timer(), 645, 651);
    set_timer(0x35, 0x1000); /* decimal */
    test_clock_pass(&test, TICK_NS + 1000);
    assert_in_range(read_timer(), 0x997, 0x999);
    out8(0x43, 0xe2); /* status of channel 0 */
    assert_int_equal(in8(0x40), 0xb5);
}

static void the_shortest_period_does_not_take_all_time(void **state)
{
    unsigned n = 0;

    (void)state;
    set_timer(0x34, 1);
    for (uint64_t end = test.now_ns + 10000000; test.clock.first->due_ns <= end; n++) {
        test.now_ns = test.clock.first->due_ns;
        clock_run(&test.clock);
    }
    assert_in_range(n, 50, 101);
}

static void the_speaker_has_a_gate(void **state)
{
    (void)state;
    out8(0x61, 0);
    out8(0x43, 0xb0);
    out8(0x42, 0xff);
    out8(0x42, 0x00);
    test_clock_pass(&test, 1000000);
    assert_int_equal(in8(0x61) & 0x20, 0);
    out8(0x61, 1);
    test_clock_pass(&test, 200000);
    assert_int_equal(in8(0x61) & 0x20, 0);
    test_clock_pass(&test, 20000);
    assert_int_equal(in8(0x61) & 0x23, 0x21);
}

/* --- cmos.c --- */

static uint8_t cmos(uint8_t index)
{
    out8(0x70, index);
    return in8(0x71);
}

static void set_cmos(uint8_t index, uint8_t value)
{
    out8(0x70, index);
    out8(0x71, value);
}

static void the_clock_tells_the_date(void **state)
{
    (void)state;
    assert_int_equal(cmos(0x00), 0x44);
    assert_int_equal(cmos(0x02), 0x58);
    assert_int_equal(cmos(0x04), 0x08);
    assert_int_equal(cmos(0x06), 7); /* Saturday */
    assert_int_equal(cmos(0x07), 0x28);
    assert_int_equal(cmos(0x08), 0x11);
    assert_int_equal(cmos(0x09), 0x26);
    assert_int_equal(cmos(0x32), 0x20);
    test_clock_pass(&test, 20 * CLOCK_SECOND);
    assert_int_equal(cmos(0x00), 0x04);
    assert_int_equal(cmos(0x02), 0x59);
    set_cmos(0x0b, 0x04); /* binary, of 12 hours */
    test_clock_pass(&test, 12 * 3600 * CLOCK_SECOND);
    assert_int_equal(cmos(0x04), 0x88);
    assert_int_equal(cmos(0x02), 59);
    assert_int_equal(cmos(0x0d), 0x80);
    assert_int_equal(cmos(0x17) | cmos(0x18) << 8, 1024);
    assert_int_equal(cmos(0x5f), 0);
}

static void the_clock_can_be_set(void **state)
{
    (void)state;
    set_cmos(0x0b, 0x82);
    set_cmos(0x00, 0x59);
    set_cmos(0x02, 0x59);
    set_cmos(0x04, 0x23);
    set_cmos(0x07, 0x31);
    set_cmos(0x08, 0x12);
    set_cmos(0x09, 0x27);
    set_cmos(0x0b, 0x02);
    test_clock_pass(&test, CLOCK_SECOND);
    assert_int_equal(cmos(0x09), 0x28);
    assert_int_equal(cmos(0x08), 0x01);
    assert_int_equal(cmos(0x07), 0x01);
    assert_int_equal(cmos(0x04), 0x00);
    set_cmos(0x40, 0x77);
    assert_int_equal(cmos(0x40), 0x77);
}

/* --- keyboard.c, power.c --- */

static void nobody_is_at_the_keyboard(void **state)
{
    (void)state;
    assert_int_equal(in8(0x64) & 1, 0);
    out8(0x64, 0xaa);
    assert_int_equal(in8(0x64) & 1, 1);
    assert_int_equal(in8(0x60), 0x55);
    assert_int_equal(in8(0x64) & 1, 0);
    out8(0x64, 0x60);
    out8(0x60, 0x47);
    out8(0x64, 0x20);
    assert_int_equal(in8(0x60), 0x47);
    out8(0x64, 0xab);
    assert_int_equal(in8(0x60), 1);
    out8(0x60, 0xff); /* a keyboard would answer */
    assert_int_equal(in8(0x64) & 1, 0);
    assert_int_equal(ends, 0);
}

static void there_are_ways_to_reset(void **state)
{
    (void)state;
    out8(0x64, 0xfe);
    assert_int_equal(ends, 1);
    out8(0x64, 0xd1);
    out8(0x60, 0x02);
    assert_int_equal(ends, 2);
    out8(0x92, 0x03);
    assert_int_equal(ends, 3);
    out8(POWER_RESET, POWER_RESET_VALUE);
    assert_int_equal(ends, 4);
    assert_int_equal(last_event, POWER_IS_RESET);
    out8(0x64, 0xff);
    out8(0x92, 0x02);
    out8(POWER_RESET, 0);
    assert_int_equal(ends, 4);
}

static void the_power_goes_off(void **state)
{
    (void)state;
    bus_write(&p.ports, POWER_CONTROL, 2, 0x2000); /* another state */
    assert_int_equal(ends, 0);
    assert_int_equal(bus_read(&p.ports, POWER_CONTROL, 2), 1);
    bus_write(&p.ports, POWER_CONTROL, 2, 0x2000 | POWER_SLEEP_OFF << 10);
    assert_int_equal(last_event, POWER_IS_OFF);
    bus_write(&p.ports, POWER_EXIT, 4, 77);
    assert_int_equal(last_event, POWER_HAS_EXITED);
    assert_int_equal(last_number, 77);
}

static void the_acpi_timer_counts(void **state)
{
    uint32_t before = (uint32_t)bus_read(&p.ports, POWER_TIMER, 4);

    (void)state;
    test_clock_pass(&test, CLOCK_SECOND);
    assert_in_range(bus_read(&p.ports, POWER_TIMER, 4) - before, POWER_TIMER_HZ - 1,
                    POWER_TIMER_HZ + 1);
    bus_write(&p.ports, POWER_EVENTS + 2, 2, 0xffff);
    assert_int_equal(bus_read(&p.ports, POWER_EVENTS, 4), 0x07210000);
}

/* --- with an I/O APIC and an HPET --- */

static unsigned messages;
static uint64_t last_address;
static uint32_t last_data;

static void note_message(void *context, uint64_t address, uint32_t data)
{
    (void)context;
    messages++;
    last_address = address;
    last_data = data;
}

static void start_with_apic(void)
{
    static const struct platform_ops with_apic = {.power = note_power,
                                                  .written = note_written,
                                                  .interrupt = note_interrupt,
                                                  .send = note_message};
    struct platform_options options = {
        &memory, MEMORY_SIZE, 1, &test.clock, DATE, &with_apic, NULL,
    };

    test_clock_init(&test);
    messages = 0;
    assert_true(platform_init(&p, &options));
}

static void set_entry(unsigned line, uint64_t entry)
{
    for (unsigned half = 0; half < 2; half++) {
        bus_write(&p.registers, IOAPIC_BASE, 4, 0x11 + 2 * line - half);
        bus_write(&p.registers, IOAPIC_BASE + 0x10, 4, entry >> (half == 0 ? 32 : 0) & 0xffffffff);
    }
}

static void lines_lead_to_the_io_apic_too(void **state)
{
    (void)state;
    start_with_apic();
    set_entry(2, 0x70);
    set_entry(4, 0x74);
    set_timer(0x30, 1193); /* line 0 is input 2 there */
    test_clock_pass(&test, 2000000);
    assert_int_equal(messages, 1);
    assert_int_equal(last_data & 0xff, 0x70);
    assert_int_equal(last_address, 0xfee00000);
    out8(0x3fc, 0x08);
    out8(0x3f9, 0x02);
    assert_int_equal(messages, 2);
    assert_int_equal(last_data & 0xff, 0x74);
}

static void the_hpet_takes_the_place_of_the_timer(void **state)
{
    (void)state;
    start_with_apic();
    set_entry(2, 0x71);
    bus_write(&p.registers, HPET_BASE + 0x10, 4, 3);
    bus_write(&p.registers, HPET_BASE + 0x100, 4, 4);
    set_timer(0x34, 1193); /* is not heard */
    bus_write(&p.registers, HPET_BASE + 0x10c, 4, 0);
    bus_write(&p.registers, HPET_BASE + 0x108, 4,
              bus_read(&p.registers, HPET_BASE + 0xf0, 4) + 500000);
    test_clock_pass(&test, 4900000);
    assert_int_equal(messages, 0);
    test_clock_pass(&test, 200000);
    assert_int_equal(messages, 1);
    assert_int_equal(last_data & 0xff, 0x71);
}

/* Two lines of PCI share an interrupt: it is up as long as one of both is. */
static void lines_of_pci_share_interrupts(void **state)
{
    (void)state;
    start_with_apic();
    set_entry(11, 0x8075); /* by level */
    line_set(&p.pci.lines[0], true);
    assert_int_equal(messages, 1);
    line_set(&p.pci.lines[3], true);
    line_set(&p.pci.lines[0], false);
    ioapic_end(&p.ioapic, 0x75);
    assert_int_equal(messages, 2);
    line_set(&p.pci.lines[3], false);
    ioapic_end(&p.ioapic, 0x75);
    assert_int_equal(messages, 2);
}

/* --- all --- */

/* A guest writes anything to any port, and time passes: nothing is written out of bounds (the
 * sanitizers watch), no timer holds the clock. */
static void anything_may_be_written(void **state)
{
    static const unsigned sizes[] = {1, 2, 4};

    (void)state;
    srand(11);
    for (unsigned i = 0; i < 400000; i++) {
        unsigned size = sizes[rand() % 3];
        uint16_t port = (uint16_t)(rand() % 4 == 0 ? rand() : rand() % 0x80 + rand() % 2 * 0x3c0);

        if (rand() % 2 == 0) {
            bus_write(&p.ports, port, size, (uint64_t)rand() << 8 ^ (uint64_t)rand());
        } else {
            (void)bus_read(&p.ports, port, size);
        }
        if (rand() % 8 == 0) {
            test.now_ns += (uint64_t)rand() % 3000000;
            clock_run(&test.clock);
        }
        if (interrupt && rand() % 2 == 0) {
            (void)pic_acknowledge(&p.pic);
        }
        if (rand() % 64 == 0) {
            platform_type(&p, &i, sizeof(i));
        }
    }
    assert_true(tty_waiting(&p.tty) <= TTY_OUTPUT);
}

#define PLATFORM_TEST(name) cmocka_unit_test_setup(name, start)

static const struct CMUnitTest tests[] = {
    PLATFORM_TEST(output_is_kept_until_it_is_read),
    PLATFORM_TEST(input_waits_for_room),
    PLATFORM_TEST(input_goes_where_output_came_from),
    PLATFORM_TEST(the_serial_port_interrupts),
    PLATFORM_TEST(a_loop_shows_outputs_as_inputs),
    PLATFORM_TEST(lines_have_priorities),
    PLATFORM_TEST(masked_lines_wait),
    PLATFORM_TEST(a_level_interrupts_as_long_as_it_is_up),
    PLATFORM_TEST(automatic_ends_and_rotation),
    PLATFORM_TEST(a_period_interrupts_again_and_again),
    PLATFORM_TEST(a_timeout_interrupts_once),
    PLATFORM_TEST(counts_go_down),
    PLATFORM_TEST(the_shortest_period_does_not_take_all_time),
    PLATFORM_TEST(the_speaker_has_a_gate),
    PLATFORM_TEST(the_clock_tells_the_date),
    PLATFORM_TEST(the_clock_can_be_set),
    PLATFORM_TEST(nobody_is_at_the_keyboard),
    PLATFORM_TEST(there_are_ways_to_reset),
    PLATFORM_TEST(the_power_goes_off),
    PLATFORM_TEST(the_acpi_timer_counts),
    PLATFORM_TEST(lines_lead_to_the_io_apic_too),
    PLATFORM_TEST(the_hpet_takes_the_place_of_the_timer),
    PLATFORM_TEST(lines_of_pci_share_interrupts),
    PLATFORM_TEST(anything_may_be_written),
};
TEST_MAIN("platform", tests)
