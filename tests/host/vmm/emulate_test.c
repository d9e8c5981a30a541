/* emulate_test.c - instructions done in the guest's place: what they may not do, where they stop,
 * and the ones that reach ports. What they compute is compared in emulate_native_test.c. */
#include "emulate.h"
#include "vmm_test.h"

#define RAM       0x10000u
#define DEVICE    0xd0000000u
#define CODE      0x1000u
#define CR0_PAGED 0x80010001ull
#define CR4_PAE   0x20ull
#define EFER_LMA  0x400ull
#define P         1ull
#define W         2ull
#define U         4ull

static uint8_t ram[RAM] __attribute__((aligned(4096)));
static struct memory memory;
static struct bus bus;
static struct bus ports;
static struct emulate e;
static uint64_t written[8192];
static unsigned sizes[8192];
static unsigned writes, reads;
static uint64_t answer;

static uint64_t device_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)offset;
    sizes[reads % 8192] = size;
    reads += 1;
    return answer;
}

static void device_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device;
    written[writes % 8192] = value;
    sizes[writes % 8192] = size | (unsigned)offset << 8;
    writes += 1;
}

static struct emulate_segment flat(void)
{
    return (struct emulate_segment){0, UINT32_MAX, true, true, false, true};
}

static int setup(void **state)
{
    struct bus_range range = {DEVICE, 0x2000, device_read, device_write, NULL};
    struct bus_range port = {0x1f0, 8, device_read, device_write, NULL};

    (void)state;
    memset(ram, 0, sizeof(ram));
    memset(written, 0, sizeof(written));
    writes = reads = 0;
    answer = 0x8877665544332211u;
    memory_init(&memory, ram, sizeof(ram));
    bus_init(&bus);
    bus_init(&ports);
    assert_true(bus_insert(&bus, &range));
    assert_true(bus_insert(&ports, &port));
    e = (struct emulate){.memory = &memory,
                         .bus = &bus,
                         .ports = &ports,
                         .mode = DECODE_PROTECTED,
                         .paging = {.cr0 = 1},
                         .port = 0x1f0};
    e.registers[HV_RIP] = CODE;
    for (unsigned n = 0; n < EMULATE_SEGMENTS; n++) {
        e.segments[n] = flat();
    }
    return 0;
}

/* Identity for the first pages and the device, by tables at 0x8000 to 0xb000. */
static void page(uint64_t rights)
{
    static const uint64_t next[] = {0x9000, 0xa000, 0xb000};

    e.mode = DECODE_LONG;
    e.paging = (struct walk_paging){CR0_PAGED, 0x8000, CR4_PAE, EFER_LMA};
    for (unsigned n = 0; n < 3; n++) {
        *(uint64_t *)(ram + 0x8000 + 0x1000 * n) = next[n] | P | W | U;
    }
    for (unsigned n = 0; n < 8; n++) {
        *(uint64_t *)(ram + 0xb000 + 8 * n) = 0x1000ull * n | rights;
    }
    *(uint64_t *)(ram + 0xb000 + 8 * 8) = DEVICE | rights;
    *(uint64_t *)(ram + 0xb000 + 8 * 9) = (DEVICE + 0x1000) | rights;
}

#define DEVICE_LINEAR 0x8000u /* where page() has it */

static enum emulate_result run(const char *code, unsigned length)
{
    struct decode_instruction i;

    assert_int_equal(decode((const uint8_t *)code, length, e.mode, &i), DECODE_DONE);
    assert_int_equal(i.length, length);
    return emulate(&e, &i);
}
#define RUN(code) run(code, sizeof(code) - 1)

static void a_register_of_a_device_is_read_once(void **state)
{
    (void)state;
    e.registers[HV_RSI] = DEVICE;
    assert_int_equal(RUN("\x8b\x06"), EMULATE_DONE); /* mov eax, [esi] */
    assert_int_equal(reads, 1);
    assert_int_equal(sizes[0], 4);
    assert_int_equal(e.registers[HV_RAX], 0x44332211);
    assert_int_equal(e.registers[HV_RIP], CODE + 2);
}

static void what_changes_it_reads_and_writes_it(void **state)
{
    (void)state;
    e.registers[HV_RSI] = DEVICE + 4;
    assert_int_equal(RUN("\x80\x0e\x80"), EMULATE_DONE); /* or byte [esi], 0x80 */
    assert_int_equal(reads, 1);
    assert_int_equal(writes, 1);
    assert_int_equal(written[0], 0x91);
    assert_int_equal(sizes[0], 1 | 4 << 8);
    assert_int_equal(RUN("\x80\x3e\x80"), EMULATE_DONE); /* cmp byte [esi], 0x80 */
    assert_int_equal(writes, 1);
}

static void the_address_the_processor_gave_is_used(void **state)
{
    struct decode_instruction i;

    (void)state;
    e.mode = DECODE_LONG;
    e.paging = (struct walk_paging){CR0_PAGED, 0, CR4_PAE, EFER_LMA}; /* no tables at all */
    e.has_physical = true;
    e.physical = DEVICE + 0x80;
    e.registers[HV_RBX] = 0xffffffffff5fc080;
    e.registers[HV_RAX] = 0x1234;
    assert_int_equal(RUN("\x89\x03"), EMULATE_DONE); /* mov [rbx], eax */
    assert_int_equal(written[0], 0x1234);
    assert_int_equal(decode((const uint8_t *)"\x89\x03", 2, DECODE_LONG, &i), DECODE_DONE);
    assert_false(emulate_needs_segments(&e, &i));
    i.segment = HV_SEGMENT_GS;
    assert_true(emulate_needs_segments(&e, &i));
    i.segment = HV_SEGMENT_DS;
    e.physical = DEVICE + 0x84; /* it is not this operand's */
    assert_true(emulate_needs_segments(&e, &i));
}

static void an_operand_across_two_pages_is_two(void **state)
{
    (void)state;
    page(P | W);
    e.registers[HV_RSI] = DEVICE_LINEAR - 3;
    e.registers[HV_RAX] = 0x0807060504030201;
    assert_int_equal(RUN("\x48\x89\x06"), EMULATE_DONE); /* mov [rsi], rax */
    assert_int_equal(ram[0x7ffd], 1);
    assert_int_equal(ram[0x7fff], 3);
    assert_int_equal(writes, 5); /* five bytes are not an access */
    assert_int_equal(written[0], 4);
    assert_int_equal(written[4], 8);
    assert_int_equal(RUN("\x48\x8b\x06"), EMULATE_DONE);
    assert_true(e.registers[HV_RAX] == 0x1111111111030201);
}

static void nothing_is_done_before_a_fault(void **state)
{
    (void)state;
    page(P | W);
    *(uint64_t *)(ram + 0xb000 + 8 * 9) = 0;
    e.registers[HV_RSI] = DEVICE_LINEAR + 0xffe;
    assert_int_equal(RUN("\x89\x06"), EMULATE_EXCEPTION);
    assert_int_equal(e.vector, 14);
    assert_int_equal(e.error, 2);
    assert_true(e.address == DEVICE_LINEAR + 0x1000);
    assert_int_equal(writes, 0);
    assert_int_equal(e.registers[HV_RIP], CODE);
}

static void a_user_does_not_copy_to_the_system(void **state)
{
    (void)state;
    page(P | W | U);
    *(uint64_t *)(ram + 0xb000 + 8 * 2) &= ~U;
    e.privilege = 3;
    e.registers[HV_RSI] = DEVICE_LINEAR;
    e.registers[HV_RDI] = 0x2000;
    assert_int_equal(RUN("\xa5"), EMULATE_EXCEPTION); /* movsd */
    assert_int_equal(e.vector, 14);
    assert_int_equal(e.error, 7);
    assert_int_equal(reads, 0);
    e.registers[HV_RDI] = 0x3000;
    assert_int_equal(RUN("\xa5"), EMULATE_DONE);
    assert_int_equal(*(uint32_t *)(ram + 0x3000), 0x44332211);
}

static void addresses_no_processor_has(void **state)
{
    (void)state;
    page(P | W);
    e.registers[HV_RSI] = 0x800000000000;
    e.registers[HV_RDI] = 0x3000;
    assert_int_equal(RUN("\xa4"), EMULATE_EXCEPTION);
    assert_int_equal(e.vector, 13);
    e.registers[HV_RSP] = 0x7ffffffffffe;
    assert_int_equal(RUN("\x8b\x04\x24"), EMULATE_EXCEPTION); /* mov eax, [rsp] */
    assert_int_equal(e.vector, 12);
}

static void segments_end(void **state)
{
    (void)state;
    e.mode = DECODE_REAL;
    e.paging.cr0 = 0;
    for (unsigned n = 0; n < EMULATE_SEGMENTS; n++) {
        e.segments[n].limit = 0xffff;
    }
    e.segments[HV_SEGMENT_ES].base = 0x4000;
    e.registers[HV_RSI] = 0xffff;
    e.registers[HV_RDI] = 0x10;
    assert_int_equal(RUN("\xa5"), EMULATE_EXCEPTION); /* movsw from the last byte */
    assert_int_equal(e.vector, 13);
    ram[0xfffe] = 7;
    e.registers[HV_RSI] = 0x1fffe; /* of which only 16 bits count */
    assert_int_equal(RUN("\xa5"), EMULATE_DONE);
    assert_int_equal(ram[0x4010], 7);
    assert_int_equal(e.registers[HV_RSI], 0x10000);
    assert_int_equal(e.registers[HV_RDI], 0x12);
}

static void segments_say_what_may_be_done(void **state)
{
    (void)state;
    e.segments[HV_SEGMENT_ES].is_writable = false;
    assert_int_equal(RUN("\xaa"), EMULATE_EXCEPTION); /* stosb */
    assert_int_equal(e.vector, 13);
    e.segments[HV_SEGMENT_ES] = flat();
    e.segments[HV_SEGMENT_ES].grows_down = true;
    e.segments[HV_SEGMENT_ES].limit = 0x5000;
    e.registers[HV_RDI] = 0x5000;
    assert_int_equal(RUN("\xaa"), EMULATE_EXCEPTION);
    e.registers[HV_RDI] = 0x5001;
    assert_int_equal(RUN("\xaa"), EMULATE_DONE);
    e.segments[HV_SEGMENT_ES].is_usable = false;
    assert_int_equal(RUN("\xaa"), EMULATE_EXCEPTION);
}

static void states_segments_are_taken_apart(void **state)
{
    int64_t words[HV_SEGMENTS_COUNT] = {0};

    (void)state;
    words[2 * HV_SEGMENT_SS] = (int64_t)(0x23 | 0x4f3ull << 16 | 0xfffffull << 32);
    words[2 * HV_SEGMENT_SS + 1] = 0x1000;
    words[2 * HV_SEGMENT_DS] = (int64_t)(0x0097ull << 16 | 0x10ull << 32);
    emulate_set_segments(&e, words);
    assert_int_equal(e.privilege, 3);
    assert_int_equal(e.segments[HV_SEGMENT_SS].base, 0x1000);
    assert_int_equal(e.segments[HV_SEGMENT_SS].limit, 0xfffff);
    assert_true(e.segments[HV_SEGMENT_SS].is_writable && e.segments[HV_SEGMENT_SS].is_big);
    assert_true(e.segments[HV_SEGMENT_DS].grows_down);
    assert_false(e.segments[HV_SEGMENT_ES].is_usable);
}

static void strings_reach_ports(void **state)
{
    (void)state;
    e.registers[HV_RDI] = 0x2000;
    e.registers[HV_RCX] = 3;
    answer = 0xbeef;
    assert_int_equal(RUN("\xf3\x66\x6d"), EMULATE_DONE); /* rep insw */
    assert_int_equal(reads, 3);
    assert_int_equal(*(uint16_t *)(ram + 0x2004), 0xbeef);
    assert_int_equal(*(uint16_t *)(ram + 0x2006), 0);
    assert_int_equal(e.registers[HV_RDI], 0x2006);
    assert_int_equal(e.registers[HV_RCX], 0);
    e.registers[HV_RSI] = 0x2000;
    assert_int_equal(RUN("\x6e"), EMULATE_DONE); /* outsb */
    assert_int_equal(written[0], 0xef);
    assert_int_equal(RUN("\xf3\x6e"), EMULATE_DONE); /* not once: ECX is 0 */
    assert_int_equal(writes, 1);
}

static void long_strings_are_done_in_turns(void **state)
{
    unsigned turns = 1;

    (void)state;
    e.registers[HV_RDI] = DEVICE;
    e.registers[HV_RCX] = 5000;
    while (RUN("\xf3\xaa") == EMULATE_AGAIN) { /* rep stosb */
        assert_int_equal(e.registers[HV_RIP], CODE);
        turns += 1;
    }
    assert_int_equal(turns, 5);
    assert_int_equal(writes, 5000);
    assert_int_equal(e.registers[HV_RIP], CODE + 2);
}

static void a_fault_in_the_middle_keeps_what_is_done(void **state)
{
    (void)state;
    page(P | W);
    *(uint64_t *)(ram + 0xb000 + 8 * 9) = 0;
    e.registers[HV_RDI] = DEVICE_LINEAR + 0xffc;
    e.registers[HV_RCX] = 10;
    assert_int_equal(RUN("\xf3\xaa"), EMULATE_EXCEPTION);
    assert_int_equal(writes, 4);
    assert_int_equal(e.registers[HV_RCX], 6);
    assert_int_equal(e.registers[HV_RDI], DEVICE_LINEAR + 0x1000);
    assert_int_equal(e.registers[HV_RIP], CODE);
}

static void locks_are_for_devices_only(void **state)
{
    (void)state;
    e.registers[HV_RSI] = 0x2000;
    assert_int_equal(RUN("\xf0\xff\x06"), EMULATE_UNKNOWN); /* lock inc dword [esi] */
    assert_int_equal(*(uint32_t *)(ram + 0x2000), 0);
    e.registers[HV_RSI] = DEVICE;
    assert_int_equal(RUN("\xf0\xff\x06"), EMULATE_DONE);
    assert_int_equal(written[0], 0x44332212);
}

static void code_is_fetched_as_far_as_it_goes(void **state)
{
    uint8_t bytes[16];

    (void)state;
    page(P);
    for (unsigned n = 0; n < 0x2000; n++) {
        ram[0x6000 + n] = (uint8_t)(n >> 4);
    }
    e.registers[HV_RIP] = 0x6ff8;
    assert_int_equal(emulate_fetch(&e, 0, bytes, 16), 16);
    assert_int_equal(bytes[15], 0);
    assert_int_equal(bytes[0], 0xff);
    e.registers[HV_RIP] = 0x7ff8; /* the device is behind it */
    assert_int_equal(emulate_fetch(&e, 0, bytes, 16), 8);
    assert_int_equal(reads, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(a_register_of_a_device_is_read_once, setup),
    cmocka_unit_test_setup(what_changes_it_reads_and_writes_it, setup),
    cmocka_unit_test_setup(the_address_the_processor_gave_is_used, setup),
    cmocka_unit_test_setup(an_operand_across_two_pages_is_two, setup),
    cmocka_unit_test_setup(nothing_is_done_before_a_fault, setup),
    cmocka_unit_test_setup(a_user_does_not_copy_to_the_system, setup),
    cmocka_unit_test_setup(addresses_no_processor_has, setup),
    cmocka_unit_test_setup(segments_end, setup),
    cmocka_unit_test_setup(segments_say_what_may_be_done, setup),
    cmocka_unit_test_setup(states_segments_are_taken_apart, setup),
    cmocka_unit_test_setup(strings_reach_ports, setup),
    cmocka_unit_test_setup(long_strings_are_done_in_turns, setup),
    cmocka_unit_test_setup(a_fault_in_the_middle_keeps_what_is_done, setup),
    cmocka_unit_test_setup(locks_are_for_devices_only, setup),
    cmocka_unit_test_setup(code_is_fetched_as_far_as_it_goes, setup),
};

TEST_MAIN("emulate", tests)
