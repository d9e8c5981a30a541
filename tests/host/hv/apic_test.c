/* apic_test.c - a local APIC's registers, against a model that keeps each vector as a flag, and one
 * by one: priorities, messages and whom they are for, the timer, errors, state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hv/hv_apic.h"
#include "hv/hv_check.h"
#include "hv/hv_impl.h"

#define STEPS   400000u
#define VECTORS 256u
#define ON      0x100u

/* In place of hv.c's. */
struct hv_limits hv_limits;
const struct hv_ops *hv_ops;

static struct hv_apic apic;
static struct hv_apic_effect effect;

static void write_at(unsigned number, uint64_t value, uint64_t now)
{
    assert_true(hv_apic_write(&apic, number, value, hv_apic_is_wide(&apic), now, &effect));
}

static void write_to(unsigned number, uint64_t value)
{
    write_at(number, value, 1000);
}

static uint64_t read_at(unsigned number, uint64_t now)
{
    uint64_t value = 0;

    assert_true(hv_apic_read(&apic, number, hv_apic_is_wide(&apic), now, &value));
    return value;
}

static void make(uint32_t id, bool is_wide)
{
    memset(&apic, 0, sizeof(apic));
    apic.id = id;
    hv_apic_reset(&apic, false);
    if (is_wide) {
        assert_true(hv_apic_write_base(&apic, HV_APIC_BASE_ADDRESS | HV_APIC_BASE_ENABLED |
                                                  HV_APIC_BASE_WIDE));
    }
    write_to(HV_APIC_SVR, ON | 0xff);
}

/* --- the model --- */

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16) % below;
}

struct model {
    bool requested[VECTORS], in_service[VECTORS], level[VECTORS];
    unsigned priority;
};

static int highest(const bool *flags)
{
    for (int i = VECTORS - 1; i >= 0; i--) {
        if (flags[i]) {
            return i;
        }
    }
    return -1;
}

static int model_waiting(const struct model *m)
{
    int requested = highest(m->requested), in_service = highest(m->in_service);

    return requested >= 0 && (in_service < 0 || requested / 16 > in_service / 16) ? requested : -1;
}

static unsigned model_priority(const struct model *m)
{
    int in_service = highest(m->in_service);

    return in_service >= 0 && (unsigned)in_service / 16 > m->priority / 16
               ? (unsigned)in_service / 16 * 16
               : m->priority;
}

static void model_post(struct model *m)
{
    unsigned vector = draw(VECTORS);
    bool is_level = draw(2) != 0;

    assert_int_equal(hv_apic_post(&apic, (uint8_t)vector, is_level), vector >= 16);
    if (vector >= 16) {
        m->requested[vector] = true;
        m->level[vector] = is_level;
    }
}

static void model_take(struct model *m)
{
    int vector = model_waiting(m);

    assert_int_equal(hv_apic_waiting(&apic), vector);
    if (vector / 16 > (int)m->priority / 16) {
        hv_apic_accept(&apic, (uint8_t)vector);
        m->requested[vector] = false;
        m->in_service[vector] = true;
    }
}

static void model_end(struct model *m)
{
    int vector = highest(m->in_service);

    write_to(HV_APIC_EOI, 0);
    assert_int_equal(effect.ends, vector >= 0 && m->level[vector]);
    if (vector >= 0) {
        assert_true(!effect.ends || effect.vector == vector);
        m->in_service[vector] = false;
    }
}

static void model_compare(const struct model *m)
{
    assert_int_equal(read_at(HV_APIC_PPR, 0), model_priority(m));
    for (unsigned i = 0; i < 8; i++) {
        uint32_t requested = 0, in_service = 0, level = 0;

        for (unsigned bit = 0; bit < 32; bit++) {
            requested |= (uint32_t)m->requested[i * 32 + bit] << bit;
            in_service |= (uint32_t)m->in_service[i * 32 + bit] << bit;
            level |= (uint32_t)m->level[i * 32 + bit] << bit;
        }
        assert_int_equal(read_at(HV_APIC_IRR + i, 0), requested);
        assert_int_equal(read_at(HV_APIC_ISR + i, 0), in_service);
        assert_int_equal(read_at(HV_APIC_TMR + i, 0), level);
    }
}

static void interrupts_are_as_in_the_model(void **state)
{
    static struct model m;

    (void)state;
    memset(&m, 0, sizeof(m));
    make(3, true);
    for (unsigned i = 0; i < STEPS; i++) {
        switch (draw(8)) {
        case 0 ... 2:
            model_post(&m);
            break;
        case 3 ... 4:
            model_take(&m);
            break;
        case 5 ... 6:
            model_end(&m);
            break;
        default:
            m.priority = draw(4) != 0 ? draw(64) : draw(256);
            write_to(HV_APIC_TPR, m.priority);
            break;
        }
        if (i % 16 == 0) {
            model_compare(&m);
        }
    }
}

/* --- messages --- */

static bool is_for(uint32_t destination, bool is_logical, bool is_wide)
{
    struct hv_apic_message message = {
        .destination = destination, .is_logical = is_logical, .is_wide = is_wide};

    return hv_apic_matches(&apic, &message);
}

static void destinations_are_those_of_the_mode(void **state)
{
    (void)state;
    make(3, false);
    assert_true(is_for(3, false, false));
    assert_false(is_for(2, false, false));
    assert_true(is_for(0xff, false, false));
    assert_true(is_for(0xff, true, false));
    assert_false(is_for(8, true, false)); /* no logical destination yet */
    write_to(HV_APIC_LDR, 0x28000000);
    assert_true(is_for(0x3f, true, false)); /* flat: a bit in common */
    assert_false(is_for(0xd7, true, false));
    write_to(HV_APIC_DFR, 0); /* clusters */
    assert_true(is_for(0x29, true, false));
    assert_false(is_for(0x27, true, false));
    assert_false(is_for(0x39, true, false));
    make(0x23, true);
    assert_int_equal(read_at(HV_APIC_LDR, 0), 0x20008);
    assert_true(is_for(0x23, false, true));
    assert_true(is_for(0x2000c, true, true));
    assert_false(is_for(0x1000c, true, true));
    assert_false(is_for(0xff, false, true));
    assert_true(is_for(0xffffffff, false, true));
    assert_true(hv_apic_write_base(&apic, HV_APIC_BASE_ADDRESS));
    assert_false(is_for(0x23, false, true));
}

static void commands_become_messages(void **state)
{
    (void)state;
    make(0, false);
    write_to(HV_APIC_ICR_HIGH, 0x05000000);
    write_to(HV_APIC_ICR, 0x00004840); /* fixed, logical */
    assert_true(effect.sends);
    assert_int_equal(effect.message.destination, 5);
    assert_int_equal(effect.message.vector, 0x40);
    assert_int_equal(effect.message.kind, HV_APIC_FIXED);
    assert_true(effect.message.is_logical);
    assert_false(effect.message.is_wide);
    write_to(HV_APIC_ICR, 0x000c4500);
    assert_int_equal(effect.message.kind, HV_APIC_INIT);
    assert_int_equal(effect.message.shorthand, 3);
    write_to(HV_APIC_ICR, 0x00008500); /* the end of INIT */
    assert_false(effect.sends);
    write_to(HV_APIC_ICR, 0x0000000f); /* no such vector */
    assert_false(effect.sends);
    assert_int_equal(read_at(HV_APIC_ESR, 0), 0);
    write_to(HV_APIC_ESR, 0);
    assert_int_equal(read_at(HV_APIC_ESR, 0), 0x20);
    write_to(HV_APIC_ESR, 0);
    assert_int_equal(read_at(HV_APIC_ESR, 0), 0);
    make(0, true);
    write_to(HV_APIC_ICR, 0x1234567800004640ul);
    assert_int_equal(effect.message.destination, 0x12345678);
    assert_int_equal(effect.message.kind, HV_APIC_STARTUP);
    assert_true(effect.message.is_wide);
    assert_int_equal(read_at(HV_APIC_ICR, 0), 0x1234567800004640ul);
    write_to(HV_APIC_SELF, 0x77);
    assert_true(effect.sends);
    assert_int_equal(effect.message.shorthand, 1);
    assert_int_equal(effect.message.vector, 0x77);
}

static void an_apic_that_is_disabled_takes_nothing(void **state)
{
    (void)state;
    make(1, false);
    write_to(HV_APIC_LVT_ERROR, 0x50);
    assert_true(hv_apic_post(&apic, 0x60, false));
    write_to(HV_APIC_SVR, 0xff);
    assert_false(hv_apic_post(&apic, 0x61, false));
    assert_int_equal(hv_apic_waiting(&apic), 0x60); /* from before */
    assert_int_equal(read_at(HV_APIC_LVT_ERROR, 0), 0x10050);
    write_to(HV_APIC_LVT_ERROR, 0x50);
    assert_int_equal(read_at(HV_APIC_LVT_ERROR, 0), 0x10050);
    assert_true(hv_apic_write_base(&apic, HV_APIC_BASE_ADDRESS));
    assert_true(hv_apic_write_base(&apic, HV_APIC_BASE_ADDRESS | HV_APIC_BASE_ENABLED));
    assert_int_equal(hv_apic_waiting(&apic), -1);
}

static void errors_interrupt(void **state)
{
    (void)state;
    make(0, false);
    write_to(HV_APIC_LVT_ERROR, 0x50);
    write_to(1, 0); /* no such register */
    assert_int_equal(hv_apic_waiting(&apic), 0x50);
    write_to(HV_APIC_LVT_ERROR, 0x5); /* no such vector */
    (void)read_at(1, 0);
    write_to(HV_APIC_ESR, 0);
    assert_int_equal(read_at(HV_APIC_ESR, 0), 0xc0);
}

static void start_up_is_kept_once(void **state)
{
    (void)state;
    make(1, true);
    apic.startup = HV_APIC_STARTUP_INIT;
    hv_apic_start_up(&apic, 6);
    hv_apic_start_up(&apic, 7);
    assert_int_equal(apic.startup, HV_APIC_STARTUP_INIT | HV_APIC_STARTUP_VALID | 6);
}

/* --- timer --- */

static void a_timer_counts_down_once(void **state)
{
    (void)state;
    make(0, true);
    write_to(HV_APIC_LVT_TIMER, 0x40);
    write_at(HV_APIC_DCR, 1, 1000);
    write_at(HV_APIC_INITIAL, 100, 1000); /* times 4 ns */
    assert_true(effect.times);
    assert_int_equal(hv_apic_alarm(&apic, 1000), 1400);
    assert_int_equal(read_at(HV_APIC_CURRENT, 1200), 50);
    write_at(HV_APIC_DCR, 0xb, 1200); /* what is left goes on at 1 ns */
    assert_int_equal(hv_apic_alarm(&apic, 1200), 1250);
    hv_apic_expire(&apic, 1249);
    assert_int_equal(hv_apic_waiting(&apic), -1);
    hv_apic_expire(&apic, 1250);
    assert_int_equal(hv_apic_waiting(&apic), 0x40);
    assert_int_equal(hv_apic_alarm(&apic, 1250), 0);
    assert_int_equal(read_at(HV_APIC_CURRENT, 1250), 0);
    write_at(HV_APIC_INITIAL, 100, 2000);
    write_at(HV_APIC_INITIAL, 0, 2010);
    assert_int_equal(hv_apic_alarm(&apic, 2010), 0);
}

static void a_timer_has_every_divisor(void **state)
{
    static const struct {
        uint32_t value, divisor;
    } all[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        make(0, true);
        write_to(HV_APIC_DCR, all[i].value);
        write_at(HV_APIC_INITIAL, 0xffffffff, 5);
        assert_int_equal(hv_apic_alarm(&apic, 5), 5 + 0xfffffffful * all[i].divisor);
    }
}

static void a_periodic_timer_is_bounded(void **state)
{
    (void)state;
    make(0, true);
    write_to(HV_APIC_LVT_TIMER, 0x20040);
    write_to(HV_APIC_DCR, 0xb);
    write_at(HV_APIC_INITIAL, 300000, 0);
    assert_int_equal(hv_apic_alarm(&apic, 0), 300000);
    hv_apic_expire(&apic,
                   1000000); /* three were due: it is one interrupt, the next is the fourth */
    assert_int_equal(hv_apic_alarm(&apic, 1000000), 1200000);
    write_at(HV_APIC_INITIAL, 1, 2000000);
    assert_int_equal(hv_apic_alarm(&apic, 2000000), 2000000 + HV_APIC_PERIOD_MIN_NS);
    hv_apic_expire(&apic, 3000000);
    assert_int_equal(hv_apic_alarm(&apic, 3000000), 3000000 + HV_APIC_PERIOD_MIN_NS);
    write_at(HV_APIC_LVT_TIMER, 0x40, 3000000); /* once more, then no more */
    hv_apic_expire(&apic, 3000001);
    assert_int_equal(hv_apic_alarm(&apic, 3000001), 0);
}

static void a_deadline_is_of_its_mode(void **state)
{
    (void)state;
    make(0, true);
    hv_apic_set_tsc(&apic, 5, 5000);
    assert_int_equal(hv_apic_alarm(&apic, 0), 0); /* not in that mode */
    write_to(HV_APIC_LVT_TIMER, 0x40040);
    write_to(HV_APIC_INITIAL, 77);
    assert_int_equal(read_at(HV_APIC_INITIAL, 0), 0);
    hv_apic_set_tsc(&apic, 5, 5000);
    assert_int_equal(hv_apic_alarm(&apic, 0), 5000);
    assert_int_equal(read_at(HV_APIC_CURRENT, 0), 0);
    write_to(HV_APIC_LVT_TIMER, 0x20040); /* disarms it */
    assert_int_equal(hv_apic_alarm(&apic, 0), 0);
    write_to(HV_APIC_LVT_TIMER, 0x40040);
    hv_apic_set_tsc(&apic, 6, 6000);
    hv_apic_expire(&apic, 6000);
    assert_int_equal(apic.tsc, 0);
    assert_int_equal(hv_apic_waiting(&apic), 0x40);
    hv_apic_set_tsc(&apic, 7, 7000);
    hv_apic_set_tsc(&apic, 0, 8000);
    assert_int_equal(hv_apic_alarm(&apic, 0), 0);
}

/* --- state --- */

static void state_is_what_was_read(void **state)
{
    uint64_t words[HV_APIC_COUNT], again[HV_APIC_COUNT];

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        make(7, i % 2 != 0);
        for (unsigned step = 0; step < 40; step++) {
            (void)hv_apic_post(&apic, (uint8_t)draw(VECTORS), draw(2) != 0);
            (void)hv_apic_write(&apic, draw(HV_APIC_COUNT), draw(0x80000), false, 1000, &effect);
            if (hv_apic_waiting(&apic) >= 0 && draw(2) != 0) {
                hv_apic_accept(&apic, (uint8_t)hv_apic_waiting(&apic));
            }
        }
        hv_apic_get_state(&apic, 1000, words);
        make(7, false);
        assert_true(hv_apic_set_state(&apic, 1000, words));
        hv_apic_get_state(&apic, 1000, again);
        assert_memory_equal(words, again, sizeof(words));
    }
}

/* Whatever the words are: refused, or an APIC that goes on. */
static void words_may_be_anything(void **state)
{
    uint64_t good[HV_APIC_COUNT], words[HV_APIC_COUNT];
    unsigned taken = 0;

    (void)state;
    make(7, true);
    hv_apic_get_state(&apic, 0, good);
    for (unsigned i = 0; i < 50000; i++) {
        memcpy(words, good, sizeof(words));
        for (unsigned n = 1 + draw(3); n > 0; n--) {
            words[draw(HV_APIC_COUNT)] ^= 1ul << draw(64);
        }
        if (hv_apic_set_state(&apic, 1000, words)) {
            taken++;
            hv_apic_expire(&apic, 1ul << 40);
            assert_true(hv_apic_waiting(&apic) < (int)VECTORS);
            for (unsigned number = 0; number < HV_APIC_COUNT; number++) {
                (void)hv_apic_write(&apic, number, draw(0x80000), draw(2) != 0, 1ul << 40, &effect);
            }
        }
    }
    assert_true(taken > 1000 && taken < 49000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupts_are_as_in_the_model),
        cmocka_unit_test(destinations_are_those_of_the_mode),
        cmocka_unit_test(commands_become_messages),
        cmocka_unit_test(an_apic_that_is_disabled_takes_nothing),
        cmocka_unit_test(errors_interrupt),
        cmocka_unit_test(start_up_is_kept_once),
        cmocka_unit_test(a_timer_counts_down_once),
        cmocka_unit_test(a_timer_has_every_divisor),
        cmocka_unit_test(a_periodic_timer_is_bounded),
        cmocka_unit_test(a_deadline_is_of_its_mode),
        cmocka_unit_test(state_is_what_was_read),
        cmocka_unit_test(words_may_be_anything),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    printf("%d passed, %d failed\n", (int)(sizeof(tests) / sizeof(tests[0])) - failed, failed);
    return failed != 0;
}
