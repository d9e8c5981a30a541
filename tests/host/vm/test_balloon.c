/* test_balloon.c - pages given to a monitor and taken back; the monitor is played here. */
#include "tests.h"

#include <stdlib.h>

#include <mach/hypercall.h>

#include "arch/hypervisor.h"
#include "arch/irq.h"
#include "kern/printf.h"
#include "vm/vm_balloon.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"

#define FRAMES (FAKE_PHYS_SIZE / PG)
#define LINE   40

static uint64_t target;             /* that the monitor would like to have */
static bool given[FRAMES];          /* that it has */
static uint64_t given_count, calls; /* calls: of GIVE */
static unsigned busy;               /* calls that are answered HYPERCALL_BUSY before one is not */
static bool refuses;
static irq_handler *handler;
static unsigned lines; /* for people */
static uint64_t vector, vector_apic;

static uint64_t monitor_change(uint64_t page, uint64_t count, bool is_given)
{
    for (uint64_t i = page; i < page + count; i++) {
        assert_true(i < FRAMES);
        assert_true(given[i] != is_given);
        given[i] = is_given;
    }
    given_count += is_given ? count : -count;
    return 0;
}

uint64_t hypervisor_call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    switch (number) {
    case HYPERCALL_FEATURES:
        return HYPERCALL_HAS_BALLOON | HYPERCALL_HAS_EVENTS;
    case HYPERCALL_EVENT_VECTOR:
        assert_int_equal(first, HYPERCALL_EVENT_BALLOON);
        vector = second;
        vector_apic = third;
        return refuses ? HYPERCALL_BAD : 0;
    case HYPERCALL_EVENTS:
        return 0;
    case HYPERCALL_BALLOON_TARGET:
        return target;
    case HYPERCALL_BALLOON_GIVE:
        calls++;
        if (busy != 0) {
            busy--;
            return HYPERCALL_BUSY;
        }
        return refuses ? HYPERCALL_BAD : monitor_change(first, second, true);
    case HYPERCALL_BALLOON_TAKE:
        return monitor_change(first, second, false);
    default:
        return HYPERCALL_UNKNOWN;
    }
}

bool irq_message_create(uint32_t *line)
{
    *line = LINE;
    return true;
}

void irq_message_destroy(uint32_t line)
{
    handler = NULL;
}

void kprintf(const char *format, ...)
{
    lines++;
}

void irq_attach(uint32_t line, irq_handler *function, void *argument)
{
    assert_int_equal(line, LINE);
    handler = function;
}

void irq_message_of(uint32_t line, uint64_t *address, uint32_t *data)
{
    *address = 0xfee03000;
    *data = 0x58;
}

/* --- */

static void the_monitor_is_told_how_to_ask(void **state)
{
    refuses = true;
    vm_balloon_start();
    assert_null(handler);
    assert_int_equal(lines, 1);
    refuses = false;
    vm_balloon_start();
    assert_int_equal(lines, 1);
    assert_int_equal(vector, 0x58);
    assert_int_equal(vector_apic, 3);
    assert_non_null(handler);
    assert_null(handler(NULL, false));
}

static void pages_are_given_and_taken_back(void **state)
{
    static const uint64_t targets[] = {256, 1024, 1024, 1000, 512, 513, 5000, 300, 17, 0};
    uint64_t before = vm_page_free_count();

    for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        target = targets[i];
        assert_true(vm_balloon_settle());
        assert_true(given_count <= target && given_count + 16 > target);
        assert_int_equal(vm_balloon_count(), given_count);
        assert_int_equal(vm_page_free_count(), before - given_count);
    }
    assert_int_equal(given_count, 0);
}

static void few_calls_give_many_pages(void **state)
{
    calls = 0;
    target = 4096;
    assert_true(vm_balloon_settle());
    assert_true(calls <= 8 + 8); /* of 2 MiB, as long as there are such */
    target = 0;
    assert_true(vm_balloon_settle());
}

static void enough_is_left(void **state)
{
    uint64_t all = vm_page_total_count();

    target = all;
    for (unsigned i = 0; i < 2; i++) {
        assert_false(vm_balloon_settle());
        assert_true(vm_page_free_count() >= all / 8);
        assert_true(vm_page_free_count() >= 2 * vm_pageout_low());
        assert_true(given_count > all / 2);
        target = UINT64_MAX / 2; /* more than there is */
    }
    target = HYPERCALL_UNKNOWN;
    assert_true(vm_balloon_settle());
    assert_int_equal(given_count, 0);
}

static void a_monitor_may_be_busy_or_refuse(void **state)
{
    uint64_t before = vm_page_free_count();

    target = 512;
    busy = 5;
    assert_true(vm_balloon_settle());
    assert_int_equal(busy, 0);
    assert_int_equal(given_count, 512);
    target = 1024;
    busy = 1000000;
    assert_false(vm_balloon_settle());
    busy = 0;
    refuses = true;
    assert_false(vm_balloon_settle());
    refuses = false;
    assert_int_equal(given_count, 512);
    assert_int_equal(vm_page_free_count(), before - 512);
    target = 0;
    assert_true(vm_balloon_settle());
}

/* When memory gets low, pages come back before any are taken from objects; and are not given again
 * at once, only when there are enough. */
static void low_memory_takes_pages_back(void **state)
{
    struct list held;
    uint64_t before;

    list_init(&held);
    target = vm_page_total_count();
    assert_false(vm_balloon_settle());
    while (vm_page_free_count() >= vm_pageout_low()) {
        struct vm_page *page = vm_page_alloc(VM_PAGE_MODEST);

        assert_non_null(page);
        list_insert_tail(&held, &page->link);
    }
    before = given_count;
    fake_run_pageout();
    assert_true(vm_page_free_count() >= vm_pageout_low() + vm_pageout_low() / 4);
    assert_true(given_count < before && given_count > 0);
    before = given_count;
    assert_false(vm_balloon_settle());
    assert_int_equal(given_count, before);
    while (!list_empty(&held)) {
        vm_page_free(list_entry(list_pop(&held), struct vm_page, link));
    }
    assert_false(vm_balloon_settle());
    assert_true(given_count > before);
    assert_true(vm_balloon_take_back(UINT64_MAX) >= before);
    assert_int_equal(given_count, 0);
    assert_int_equal(vm_balloon_take_back(1), 0);
}

void run_balloon_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_monitor_is_told_how_to_ask),  TEST(pages_are_given_and_taken_back),
        TEST(few_calls_give_many_pages),       TEST(enough_is_left),
        TEST(a_monitor_may_be_busy_or_refuse), TEST(low_memory_takes_pages_back),
    };

    RUN_GROUP(tests);
}
