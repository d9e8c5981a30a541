/* attack_memory_test.c - attacks on copies of memory and on windows on it.
 *
 * M8 "a copy is checked, and then something else is copied" (CVE-2022-46689, vm_map_copy that is
 * not atomic). The attacker has a region changed, moved or write-protected while it is sent or
 * overwritten: the receiver sees one state of it, and what may only be read is never written.
 * M10 "offset and size pass the end of all numbers" (CVE-2023-32434): no window shows what lies
 * outside it. M11 "a copy races the end of its source" (CVE-2023-41974): no mapping is left of
 * memory that is gone; the debug kernel panics when a page is freed that is mapped. */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach4.h>
#include <mach_port.h>
#include <string.h>

#include "lib/attack.h"

#define PAGE  4096ul
#define PAGES 5ul /* more than is copied as bytes */
#define SIZE  (PAGES * PAGE)
#define TURNS 300u

static const vm_prot_t READ_WRITE = VM_PROT_READ | VM_PROT_WRITE;

static mach_port_t self(void)
{
    return mach_task_self();
}

static vm_address_t fresh(int byte)
{
    uint8_t *pages = ipc_pages(PAGES);

    memset(pages, byte, SIZE);
    return (vm_address_t)pages;
}

static void gone(vm_address_t at)
{
    CHECK_EQ(vm_deallocate(self(), at, SIZE), KERN_SUCCESS);
}

/* Is every byte the same? */
static bool is_one(const uint8_t *bytes)
{
    return memcmp(bytes, bytes + 1, SIZE - 1) == 0;
}

/* A window on memory of `byte`s that may only be read; *owner is that memory. */
static mach_port_t read_only(int byte, vm_address_t *owner)
{
    mach_port_t proxy = MACH_PORT_NULL;

    *owner = fresh(byte);
    CHECK_EQ(vm_region_create_proxy(self(), *owner, VM_PROT_READ, SIZE, &proxy), KERN_SUCCESS);
    return proxy;
}

static kern_return_t map_at(mach_port_t proxy, vm_address_t *at, bool anywhere)
{
    return vm_map(self(), at, SIZE, 0, anywhere, proxy, 0, FALSE, VM_PROT_READ, VM_PROT_ALL,
                  VM_INHERIT_NONE);
}

/* --- M8 --- */

/* What a hammer changes: a region at a fixed address. */
static vm_address_t target;
static mach_port_t window;

/* The region is the read-only window one moment, and memory that may be written the next. */
static void blow_switch(struct attack_hammer *hammer)
{
    vm_address_t at = target;

    (void)vm_deallocate(self(), target, SIZE);
    if (hammer->blows % 2 == 0) {
        hammer->hits += map_at(window, &at, false) == KERN_SUCCESS ? 1 : 0;
    } else {
        hammer->hits += vm_allocate(self(), &at, SIZE, FALSE) == KERN_SUCCESS ? 1 : 0;
    }
}

TEST(m8_what_may_only_be_read_is_not_written_by_a_copy_over_it)
{
    vm_address_t owner;
    vm_address_t source = fresh(0x66);
    struct attack_hammer hammer = {.blow = blow_switch};
    unsigned overwritten = 0, refused = 0;

    window = read_only(0x11, &owner);
    target = 0;
    CHECK_EQ(map_at(window, &target, true), KERN_SUCCESS);
    CHECK_EQ(vm_copy(self(), source, SIZE, target), KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_copy(self(), source + 1, SIZE - 2, target + 1), KERN_PROTECTION_FAILURE);
    attack_start(&hammer, 1);
    while (overwritten + refused < TURNS || hammer.hits < 2) {
        kern_return_t kr = overwritten % 2 == 0 ? vm_copy(self(), source, SIZE, target)
                                                : vm_copy(self(), source + 1, SIZE - 2, target + 1);

        overwritten += kr == KERN_SUCCESS ? 1 : 0;
        refused += kr != KERN_SUCCESS ? 1 : 0;
        swtch();
    }
    attack_stop(&hammer, 1);
    CHECK(is_one((uint8_t *)owner) && *(uint8_t *)owner == 0x11);
    (void)vm_deallocate(self(), target, SIZE);
    ipc_drop(window);
    gone(owner);
    gone(source);
}

TEST(m8_memory_that_may_only_be_read_is_not_replaced_by_a_copy_over_it)
{
    vm_address_t source = fresh(0x66);
    vm_address_t mine = fresh(0x11);

    CHECK_EQ(vm_protect(self(), mine, SIZE, FALSE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(vm_copy(self(), source, SIZE, mine), KERN_PROTECTION_FAILURE);
    CHECK(is_one((uint8_t *)mine) && *(uint8_t *)mine == 0x11);
    gone(mine);
    gone(source);
}

/* The region's memory is one of two, each of one byte. */
static void blow_remap(struct attack_hammer *hammer)
{
    vm_address_t other = fresh(hammer->blows % 2 == 0 ? 0x22 : 0x33);

    /* One step: the entries of the region are replaced. */
    hammer->hits += vm_copy(self(), other, SIZE, target) == KERN_SUCCESS ? 1 : 0;
    (void)vm_deallocate(self(), other, SIZE);
}

TEST(m8_a_region_that_changes_while_it_is_sent_arrives_as_it_was_at_one_moment)
{
    mach_port_t port = test_port();
    struct attack_hammer hammer = {.blow = blow_remap};
    static struct ipc_message out, in;
    unsigned mixed = 0;

    target = fresh(0x22);
    attack_start(&hammer, 1);
    for (unsigned i = 0; i < TURNS || hammer.hits < 2; i++) {
        uint8_t *bytes;

        ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_memory(&out, (void *)target, SIZE, false);
        CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 1000), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(port, &in, MACH_RCV_TIMEOUT, 1000), MACH_MSG_SUCCESS);
        bytes = (uint8_t *)*ipc_item_data(&in, 0);
        mixed += is_one(bytes) ? 0 : 1;
        gone((vm_address_t)bytes);
    }
    attack_stop(&hammer, 1);
    CHECK_EQ(mixed, 0);
    gone(target);
    mach_port_destroy(self(), port);
}

TEST(m8_what_is_sent_stays_as_it_was_when_its_sender_writes)
{
    mach_port_t port = test_port();
    static struct ipc_message out, in;
    vm_address_t source = fresh(0x44);
    uint8_t *bytes;

    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_memory(&out, (void *)source, SIZE, false);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    memset((void *)source, 0x55, SIZE);
    CHECK_EQ(vm_protect(self(), source, SIZE, FALSE, VM_PROT_NONE), KERN_SUCCESS);
    gone(source);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    bytes = (uint8_t *)*ipc_item_data(&in, 0);
    CHECK(is_one(bytes) && bytes[0] == 0x44);
    gone((vm_address_t)bytes);
    mach_port_destroy(self(), port);
}

/* --- M10 --- */

static const uint64_t edges[] = {
    0,         1,           PAGE - 1,  PAGE,  SIZE - PAGE, SIZE - 1,
    SIZE,      SIZE + PAGE, 1ul << 32, ~0u,   1ul << 46,   (1ul << 47) - PAGE,
    1ul << 47, 1ul << 62,   1ul << 63, -SIZE, -PAGE,       ~0ul,
};
#define EDGES (sizeof(edges) / sizeof(edges[0]))

TEST(m10_no_window_shows_what_lies_outside_it)
{
    vm_address_t owner;
    mach_port_t proxy = read_only(0x11, &owner);
    unsigned shown = 0;

    for (unsigned i = 0; i < EDGES; i++) {
        for (unsigned k = 0; k < EDGES; k++) {
            vm_address_t at = 0;
            uint64_t offset = edges[i], size = edges[k];
            uint64_t whole = (size + PAGE - 1) & -PAGE;

            if (vm_map(self(), &at, size, 0, TRUE, proxy, offset, FALSE, VM_PROT_READ, VM_PROT_READ,
                       VM_INHERIT_NONE) == KERN_SUCCESS) {
                CHECK(whole <= SIZE && offset <= SIZE - whole);
                CHECK_EQ(*(uint8_t *)(at + whole - 1), 0x11);
                CHECK_EQ(vm_deallocate(self(), at, size), KERN_SUCCESS);
                shown++;
            }
        }
    }
    CHECK(shown != 0);
    ipc_drop(proxy);
    gone(owner);
}

TEST(m10_no_window_on_a_window_is_larger_than_it)
{
    vm_address_t owner;
    mach_port_t proxy = read_only(0x11, &owner);
    uint64_t start = 0;
    unsigned made = 0;

    for (unsigned i = 0; i < EDGES; i++) {
        for (unsigned k = 0; k < EDGES; k++) {
            uint64_t offset = edges[i], size = edges[k];
            mach_port_t inner;
            vm_address_t at = 0;

            if (memory_object_create_proxy(self(), VM_PROT_ALL, &proxy, MACH_MSG_TYPE_COPY_SEND, 1,
                                           &offset, 1, &start, 1, &size, 1,
                                           &inner) != KERN_SUCCESS) {
                continue;
            }
            CHECK(size <= SIZE && offset <= SIZE - size);
            CHECK_EQ(vm_map(self(), &at, size, 0, TRUE, inner, 0, FALSE, READ_WRITE, VM_PROT_ALL,
                            VM_INHERIT_NONE),
                     KERN_PROTECTION_FAILURE);
            ipc_drop(inner);
            made++;
        }
    }
    CHECK(made != 0);
    ipc_drop(proxy);
    gone(owner);
}

/* Does [at, at + size) lie in one region? */
static bool in_one_region(vm_address_t at, uint64_t size)
{
    vm_address_t start = at;
    vm_size_t length = 0;
    vm_prot_t protection, maximum;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t name = MACH_PORT_NULL;
    vm_offset_t offset;

    if (vm_region(self(), &start, &length, &protection, &maximum, &inheritance, &shared, &name,
                  &offset) != KERN_SUCCESS) {
        return false;
    }
    if (name != MACH_PORT_NULL) {
        mach_port_deallocate(self(), name);
    }
    return start <= at && size <= length && at - start <= length - size;
}

TEST(m10_no_region_reaches_past_the_end_of_all_numbers)
{
    vm_address_t memory = fresh(0x77);

    for (unsigned i = 0; i < EDGES; i++) {
        for (unsigned k = 0; k < EDGES; k++) {
            vm_address_t at = memory + edges[i];
            mach_port_t proxy = MACH_PORT_NULL;

            if (vm_region_create_proxy(self(), at, VM_PROT_READ, edges[k], &proxy) ==
                KERN_SUCCESS) {
                CHECK(in_one_region(at, edges[k]));
                ipc_drop(proxy);
            }
        }
    }
    CHECK(is_one((uint8_t *)memory));
    gone(memory);
}

/* --- M11 --- */

static vm_address_t m11_source, m11_target;

static void blow_copy(struct attack_hammer *hammer)
{
    hammer->hits += vm_copy(self(), m11_source, SIZE, m11_target) == KERN_SUCCESS ? 1 : 0;
}

/* Unmap the region and map fresh memory there. */
static void blow_renew(struct attack_hammer *hammer)
{
    vm_address_t at = hammer->word == NULL ? m11_source : m11_target;

    (void)vm_deallocate(self(), at, SIZE);
    hammer->hits += vm_allocate(self(), &at, SIZE, FALSE) == KERN_SUCCESS ? 1 : 0;
}

TEST(m11_a_copy_that_races_the_end_of_its_memory_leaves_no_mapping)
{
    static volatile uint32_t is_target;
    struct attack_hammer hammers[] = {
        {.blow = blow_copy},
        {.blow = blow_renew},
        {.blow = blow_renew, .word = &is_target},
    };
    vm_address_t other;

    m11_source = fresh(1);
    m11_target = fresh(2);
    attack_start(hammers, 3);
    do {
        ipc_pause_ms(20);
    } while (hammers[0].blows < TURNS || hammers[1].hits < TURNS || hammers[2].hits < TURNS);
    attack_stop(hammers, 3);
    (void)vm_deallocate(self(), m11_source, SIZE);
    (void)vm_deallocate(self(), m11_target, SIZE);
    /* What was freed belongs to others now: nothing of it changes through old mappings. */
    other = fresh(0x5a);
    CHECK(is_one((uint8_t *)other));
    gone(other);
}
