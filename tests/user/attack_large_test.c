/* attack_large_test.c - attacks on memory that is mapped 2 MiB at a time, by what is done to parts
 * of it; and on copies of copies.
 *
 * M9 "an end that is not aligned leaves page table entries behind" (CVE-2023-23536). The attacker
 * unmaps, protects, wires and copies parts of a large mapping, with ends inside a page and from
 * several threads at once. What was taken away must not be reachable, what was not must be as it
 * was, and no write may be lost. */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_host.h>
#include <mach_port.h>
#include <pthread.h>
#include <string.h>

#include "lib/test.h"

#define PAGE        4096ul
#define LARGE       0x200000ul
#define PAGES       (LARGE / PAGE)
#define GENERATIONS 1000u
#define COPY_PAGES  64ul

static mach_port_t self;

/* Fresh memory at a multiple of 2 MiB. */
static vm_address_t fresh(vm_size_t size)
{
    vm_address_t at = 0;

    self = mach_task_self();
    CHECK_EQ(syscall_vm_map(self, &at, size, LARGE - 1, TRUE, MACH_PORT_NULL, 0, FALSE,
                            VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_DEFAULT),
             KERN_SUCCESS);
    return at;
}

static volatile uint64_t *word(vm_address_t at, unsigned long page)
{
    return (volatile uint64_t *)(at + page * PAGE);
}

static void fill(vm_address_t at, vm_size_t size)
{
    for (unsigned long i = 0; i < size / PAGE; i++) {
        *word(at, i) = i + 1;
    }
}

/* Memory that fill() has been over. */
static vm_address_t filled(void)
{
    vm_address_t at = fresh(LARGE);

    fill(at, LARGE);
    return at;
}

/* How many pages in [first, last) are not as filled. */
static unsigned long wrong(vm_address_t at, unsigned long first, unsigned long last)
{
    unsigned long count = 0;

    for (unsigned long i = first; i < last; i++) {
        count += *word(at, i) != i + 1 ? 1 : 0;
    }
    return count;
}

/* What reading a word of a page of a task gives. */
static kern_return_t read_word(mach_port_t task, vm_address_t at, uint64_t *value)
{
    vm_offset_t data;
    mach_msg_type_number_t size;
    kern_return_t kr = vm_read(task, at, sizeof(*value), &data, &size);

    if (kr == KERN_SUCCESS) {
        memcpy(value, (void *)data, sizeof(*value));
        vm_deallocate(self, data, size);
    }
    return kr;
}

static uint64_t faults(void)
{
    vm_statistics_data_t stats;

    CHECK_EQ(vm_statistics(mach_task_self(), &stats), KERN_SUCCESS);
    return (uint64_t)stats.faults;
}

TEST(memory_written_in_order_takes_few_faults_and_is_zero)
{
    vm_address_t at = fresh(4 * LARGE);
    uint64_t before = faults();
    unsigned long nonzero = 0;

    for (unsigned long i = 0; i < 4 * PAGES; i++) {
        *word(at, i) = 1;
        nonzero += *(word(at, i) + 1);
    }
    CHECK(faults() - before < PAGES);
    CHECK_EQ(nonzero, 0);
    CHECK_EQ(vm_deallocate(self, at, 4 * LARGE), KERN_SUCCESS);
}

TEST(a_part_that_is_unmapped_is_gone_and_the_rest_is_there)
{
    vm_address_t at = filled();
    uint64_t value;

    /* one byte each: at the end of a page, and over the edge of two */
    CHECK_EQ(vm_deallocate(self, at + 6 * PAGE - 1, 1), KERN_SUCCESS);
    CHECK_EQ(vm_deallocate(self, at + 10 * PAGE - 1, 2), KERN_SUCCESS);
    for (unsigned page = 4; page < 12; page++) {
        bool gone = page == 5 || page == 9 || page == 10;

        CHECK_EQ(read_word(self, at + page * PAGE, &value),
                 gone ? KERN_INVALID_ADDRESS : KERN_SUCCESS);
    }
    CHECK_EQ(wrong(at, 0, 5) + wrong(at, 6, 9) + wrong(at, 11, PAGES), 0);
    CHECK_EQ(vm_deallocate(self, at, LARGE), KERN_SUCCESS);
}

TEST(memory_put_where_a_part_was_unmapped_is_new)
{
    vm_address_t at = filled();
    vm_address_t hole = at + 7 * PAGE;

    CHECK_EQ(vm_deallocate(self, hole, 3 * PAGE), KERN_SUCCESS);
    CHECK_EQ(vm_allocate(self, &hole, 3 * PAGE, FALSE), KERN_SUCCESS);
    CHECK_EQ(*word(at, 7) + *word(at, 8) + *word(at, 9), 0);
    *word(at, 8) = 9;
    CHECK_EQ(wrong(at, 0, 7) + wrong(at, 8, 9) + wrong(at, 10, PAGES), 0);
    CHECK_EQ(vm_deallocate(self, at, LARGE), KERN_SUCCESS);
}

TEST(a_part_that_is_protected_cannot_be_written)
{
    vm_address_t at = filled();
    uint64_t value = 77;

    CHECK_EQ(vm_protect(self, at + 3 * PAGE, PAGE, FALSE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(vm_write(self, at + 3 * PAGE, (vm_offset_t)&value, sizeof(value)),
             KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_protect(self, at + 5 * PAGE, PAGE, FALSE, VM_PROT_NONE), KERN_SUCCESS);
    CHECK_EQ(read_word(self, at + 5 * PAGE, &value), KERN_PROTECTION_FAILURE);
    CHECK_EQ(wrong(at, 0, 5) + wrong(at, 6, PAGES), 0);
    *word(at, 2) = 3;
    CHECK_EQ(vm_protect(self, at, LARGE, FALSE, VM_PROT_DEFAULT), KERN_SUCCESS);
    fill(at, LARGE);
    CHECK_EQ(wrong(at, 0, PAGES), 0);
    CHECK_EQ(vm_deallocate(self, at, LARGE), KERN_SUCCESS);
}

TEST(a_part_that_is_copied_keeps_its_contents)
{
    vm_address_t at = filled();
    vm_offset_t copy;
    mach_msg_type_number_t size;

    CHECK_EQ(vm_read(self, at + 100 * PAGE, 50 * PAGE, &copy, &size), KERN_SUCCESS);
    for (unsigned i = 100; i < 150; i += 2) {
        *word(at, i) = 0;
    }
    for (unsigned i = 0; i < 50; i++) {
        CHECK_EQ(*word(copy, i), 101 + i);
    }
    *word(copy, 1) = 5;
    CHECK_EQ(*word(at, 101), 102);
    CHECK_EQ(*word(at, 102), 0);
    CHECK_EQ(wrong(at, 0, 100) + wrong(at, 150, PAGES), 0);
    CHECK_EQ(vm_deallocate(self, copy, size), KERN_SUCCESS);
    CHECK_EQ(vm_deallocate(self, at, LARGE), KERN_SUCCESS);
}

TEST(a_part_that_is_wired_stays_when_the_rest_goes)
{
    vm_address_t at = filled();

    CHECK_EQ(vm_wire(mach_host_self(), self, at + 8 * PAGE, 2 * PAGE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(vm_deallocate(self, at, 8 * PAGE), KERN_SUCCESS);
    CHECK_EQ(vm_deallocate(self, at + 10 * PAGE, LARGE - 10 * PAGE), KERN_SUCCESS);
    CHECK_EQ(wrong(at, 8, 10), 0);
    CHECK_EQ(vm_wire(mach_host_self(), self, at + 8 * PAGE, 2 * PAGE, VM_PROT_NONE), KERN_SUCCESS);
    CHECK_EQ(wrong(at, 8, 10), 0);
    CHECK_EQ(vm_deallocate(self, at + 8 * PAGE, 2 * PAGE), KERN_SUCCESS);
}

TEST(a_child_keeps_what_its_parent_had)
{
    vm_address_t at = filled();
    uint64_t value = 0;
    mach_port_t child;

    CHECK_EQ(task_create(self, TRUE, &child), KERN_SUCCESS);
    for (unsigned i = 0; i < PAGES; i += 3) {
        *word(at, i) = 0;
    }
    for (unsigned i = 0; i < PAGES; i += 37) {
        CHECK_EQ(read_word(child, at + i * PAGE, &value), KERN_SUCCESS);
        CHECK_EQ(value, i + 1);
    }
    value = 5;
    CHECK_EQ(vm_write(child, at + PAGE, (vm_offset_t)&value, sizeof(value)), KERN_SUCCESS);
    CHECK_EQ(*word(at, 1), 2);
    CHECK_EQ(task_terminate(child), KERN_SUCCESS);
    mach_port_deallocate(self, child);
    fill(at, LARGE);
    CHECK_EQ(wrong(at, 0, PAGES), 0);
    CHECK_EQ(vm_deallocate(self, at, LARGE), KERN_SUCCESS);
}

/* --- several threads --- */

static volatile bool stop;
static volatile vm_address_t shared;

/* Each page this thread owns counts up; a step back is a lost write. */
static void *count_up(void *argument)
{
    unsigned long first = (unsigned long)argument;
    uint64_t lost = 0;

    for (uint64_t round = 1; !stop; round++) {
        for (unsigned long i = first; i < PAGES; i += 2) {
            lost += *word(shared, i) != round - 1 ? 1 : 0;
            *word(shared, i) = round;
        }
    }
    return (void *)lost;
}

static void disturb(unsigned round)
{
    vm_address_t part = shared + round * 7919 % (PAGES - 8) * PAGE;
    vm_offset_t copy;
    mach_msg_type_number_t size;
    mach_port_t child;

    switch (round % 3) {
    case 0: /* to be written after a fault */
        CHECK_EQ(vm_read(self, part, 4 * PAGE, &copy, &size), KERN_SUCCESS);
        CHECK_EQ(vm_deallocate(self, copy, size), KERN_SUCCESS);
        break;
    case 1: /* cut at other places, and joined again */
        CHECK_EQ(vm_inherit(self, part, 3 * PAGE, VM_INHERIT_NONE), KERN_SUCCESS);
        CHECK_EQ(vm_inherit(self, part, 3 * PAGE, VM_INHERIT_COPY), KERN_SUCCESS);
        break;
    default:
        CHECK_EQ(task_create(self, TRUE, &child), KERN_SUCCESS);
        CHECK_EQ(task_terminate(child), KERN_SUCCESS);
        mach_port_deallocate(self, child);
        break;
    }
}

TEST(no_write_is_lost_while_parts_are_copied)
{
    pthread_t threads[2];
    void *lost;

    for (unsigned round = 0; round < 6; round++) {
        stop = false;
        shared = fresh(LARGE);
        for (unsigned long i = 0; i < 2; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, count_up, (void *)i), 0);
        }
        for (unsigned i = 0; i < 12; i++) {
            disturb(round + i);
            swtch();
        }
        stop = true;
        for (unsigned i = 0; i < 2; i++) {
            CHECK_EQ(pthread_join(threads[i], &lost), 0);
            CHECK_EQ(lost, NULL);
        }
        CHECK_EQ(vm_deallocate(self, shared, LARGE), KERN_SUCCESS);
    }
}

/* --- copies of copies --- */

TEST(the_thousandth_copy_of_a_copy_has_what_each_wrote)
{
    vm_address_t memory = fresh(COPY_PAGES * PAGE);

    fill(memory, COPY_PAGES * PAGE);
    for (unsigned i = 0; i < GENERATIONS; i++) {
        vm_offset_t next;
        mach_msg_type_number_t size;

        CHECK_EQ(vm_read(self, memory, COPY_PAGES * PAGE, &next, &size), KERN_SUCCESS);
        *word(next, i % COPY_PAGES) = i + 5000;
        CHECK_EQ(vm_deallocate(self, memory, COPY_PAGES * PAGE), KERN_SUCCESS);
        memory = next;
    }
    for (unsigned i = GENERATIONS - COPY_PAGES; i < GENERATIONS; i++) {
        CHECK_EQ(*word(memory, i % COPY_PAGES), i + 5000);
    }
    CHECK_EQ(vm_deallocate(self, memory, COPY_PAGES * PAGE), KERN_SUCCESS);
}

TEST(copies_of_copies_that_all_live_differ_as_each_wrote)
{
    static vm_offset_t copies[40];
    mach_msg_type_number_t size;

    copies[0] = fresh(COPY_PAGES * PAGE);
    fill(copies[0], COPY_PAGES * PAGE);
    for (unsigned i = 1; i < 40; i++) {
        CHECK_EQ(vm_read(self, copies[i - 1], COPY_PAGES * PAGE, &copies[i], &size), KERN_SUCCESS);
        *word(copies[i], i) = 5000 + i;
    }
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned page = 0; page < COPY_PAGES; page++) {
            CHECK_EQ(*word(copies[i], page), page >= 1 && page <= i ? 5000 + page : page + 1);
        }
        CHECK_EQ(vm_deallocate(self, copies[i], COPY_PAGES * PAGE), KERN_SUCCESS);
    }
}
