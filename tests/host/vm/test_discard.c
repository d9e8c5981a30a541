/* test_discard.c - memory whose contents nobody needs: pages that go, and those that must stay. */
#include "fake_pager.h"
#include "tests.h"

#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

static vm_offset_t filled(struct vm_map *map, unsigned pages)
{
    vm_offset_t at = fake_allocate(map, pages * PG);

    for (unsigned i = 0; i < pages; i += 1) {
        poke(map, at + i * PG, (uint8_t)(i + 1));
    }
    return at;
}

/* The same memory in another map. */
static struct vm_map *share(struct vm_map *map, vm_offset_t at, vm_size_t size, vm_offset_t to)
{
    struct vm_map_request request = {.size = size,
                                     .protection = VM_PROT_DEFAULT,
                                     .max_protection = VM_PROT_ALL,
                                     .inheritance = VM_INHERIT_SHARE};
    struct vm_map *other = fake_map();

    ok(vm_map_share(map, at, at + size, VM_PROT_DEFAULT, &request.object, &request.offset));
    ok(vm_map_enter(other, &to, &request));
    return other;
}

static void pages_go_and_read_as_zeroes(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 100);
    uint64_t before = vm_page_free_count();

    (void)state;
    ok(vm_map_discard(map, at + PG, at + 91 * PG));
    assert_true(vm_page_free_count() >= before + 90);
    assert_int_equal(peek(map, at), 1);
    assert_int_equal(peek(map, at + PG), 0);
    assert_int_equal(peek(map, at + 90 * PG), 0);
    assert_int_equal(peek(map, at + 91 * PG), 92);
    poke(map, at + PG, 7);
    assert_int_equal(peek(map, at + PG), 7);
    ok(vm_map_discard(map, at, at + 100 * PG));
    ok(vm_map_discard(map, at, at + 100 * PG)); /* where there are none */
    assert_int_equal(peek(map, at), 0);
    fake_check_map(map);
    vm_map_unref(map);
}

static void they_go_from_all_who_share_them(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 8);
    struct vm_map *other = share(map, at, 8 * PG, 0x100000);

    (void)state;
    assert_int_equal(peek(other, 0x100000 + PG), 2);
    ok(vm_map_discard(other, 0x100000 + PG, 0x100000 + 3 * PG));
    assert_int_equal(peek(map, at + PG), 0);
    assert_int_equal(peek(map, at + 2 * PG), 0);
    assert_int_equal(peek(map, at), 1);
    assert_int_equal(peek(other, 0x100000 + 3 * PG), 4);
    poke(other, 0x100000 + PG, 9);
    assert_int_equal(peek(map, at + PG), 9);
    fake_check_map(map);
    fake_check_map(other);
    vm_map_unref(other);
    vm_map_unref(map);
}

static void what_somebody_has_a_copy_of_stays(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 4);
    struct vm_map *child;

    (void)state;
    ok(vm_map_fork(map, &child)); /* a copy */
    assert_int_equal(vm_map_discard(map, at, at + 4 * PG), KERN_FAILURE);
    assert_int_equal(vm_map_discard(child, at, at + 4 * PG), KERN_FAILURE);
    poke(child, at, 50); /* behind a shadow now */
    assert_int_equal(vm_map_discard(child, at, at + 4 * PG), KERN_FAILURE);
    assert_int_equal(peek(map, at), 1);
    assert_int_equal(peek(child, at), 50);
    assert_int_equal(peek(child, at + PG), 2);
    vm_map_unref(child);
    vm_map_unref(map);
}

/* A copy of shared memory is made late: the object knows of it. */
static void what_a_copy_has_still_to_be_given_stays(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 4);
    struct vm_map *other = share(map, at, 4 * PG, 0x100000);
    struct vm_copy *copy = NULL;

    (void)state;
    ok(vm_map_copyin(map, at, 4 * PG, false, &copy));
    assert_int_equal(vm_map_discard(other, 0x100000, 0x100000 + 4 * PG), KERN_FAILURE);
    assert_int_equal(peek(map, at + 3 * PG), 4);
    vm_copy_discard(copy);
    ok(vm_map_discard(other, 0x100000, 0x100000 + 4 * PG));
    assert_int_equal(peek(map, at + 3 * PG), 0);
    vm_map_unref(other);
    vm_map_unref(map);
}

static void nothing_goes_when_not_all_can(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 6);

    (void)state;
    ok(vm_deallocate(map, at + 5 * PG, PG));
    assert_int_equal(vm_map_discard(map, at, at + 6 * PG), KERN_INVALID_ADDRESS);
    ok(vm_protect(map, at + 4 * PG, PG, false, VM_PROT_READ));
    assert_int_equal(vm_map_discard(map, at, at + 5 * PG), KERN_PROTECTION_FAILURE);
    ok(vm_map_wire(map, at + 3 * PG, at + 4 * PG, VM_PROT_DEFAULT));
    assert_int_equal(vm_map_discard(map, at, at + 4 * PG), KERN_FAILURE);
    for (unsigned i = 0; i < 5; i += 1) {
        assert_int_equal(peek(map, at + i * PG), i + 1);
    }
    ok(vm_map_discard(map, at, at + 3 * PG));
    assert_int_equal(peek(map, at + 2 * PG), 0);
    assert_int_equal(peek(map, at + 3 * PG), 4);
    vm_map_unref(map);
}

static void a_page_that_is_pinned_stays(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 3);
    struct vm_page *page;

    (void)state;
    ok(vm_fault_pin(map, at + PG, VM_PROT_DEFAULT, &page));
    ok(vm_map_discard(map, at, at + 3 * PG));
    assert_int_equal(peek(map, at), 0);
    assert_int_equal(peek(map, at + PG), 2);
    assert_int_equal(peek(map, at + 2 * PG), 0);
    vm_fault_unpin(page);
    vm_map_unref(map);
}

void run_discard_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_go_and_read_as_zeroes),       TEST(they_go_from_all_who_share_them),
        TEST(what_somebody_has_a_copy_of_stays), TEST(what_a_copy_has_still_to_be_given_stays),
        TEST(nothing_goes_when_not_all_can),     TEST(a_page_that_is_pinned_stays),
    };

    RUN_GROUP(tests);
}
