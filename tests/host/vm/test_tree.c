/* test_tree.c - red-black trees, radix trees, kernel address ranges. */
#include "tests.h"

#include <stdlib.h>

#include "ddb/vm_check.h"
#include "kern/rbtree.h"
#include "vm/kmem.h"
#include "vm/vm_radix.h"

struct item {
    struct rbnode node;
    unsigned key;
    bool linked;
};

static struct item items[1000];

static struct item *item_of(struct rbnode *node)
{
    return rbtree_entry(node, struct item, node);
}

static void insert(struct rbtree *tree, struct item *item)
{
    struct rbnode *parent = NULL;
    unsigned side = 0;

    for (struct rbnode *node = tree->root; node != NULL; node = node->child[side]) {
        parent = node;
        side = item->key < item_of(node)->key ? 0 : 1;
    }
    item->node.value = (uint64_t)random() % 100;
    rbtree_insert(tree, &item->node, parent, side);
    item->linked = true;
}

static void tree_stays_balanced_and_sorted_and_knows_its_maxima(void **state)
{
    struct rbtree tree;
    unsigned linked = 0;

    (void)state;
    srandom(1);
    rbtree_init(&tree);
    memset(items, 0, sizeof(items));
    for (unsigned round = 0; round < 20000; round += 1) {
        struct item *item = &items[random() % 1000];

        if (item->linked && random() % 3 == 0) {
            rbtree_set_value(&item->node, (uint64_t)random() % 100);
        } else if (item->linked) {
            rbtree_remove(&tree, &item->node);
            item->linked = false;
            linked -= 1;
        } else {
            item->key = (unsigned)(item - items);
            insert(&tree, item);
            linked += 1;
        }
        if (round % 97 == 0) {
            unsigned last = 0;

            assert_int_equal(vm_check_tree(&tree), linked);
            for (struct rbnode *n = rbtree_first(&tree); n != NULL; n = rbtree_next(n)) {
                assert_true(rbtree_prev(n) == NULL || item_of(n)->key > last);
                last = item_of(n)->key;
            }
        }
    }
}

/* A run must say the same as single lookups, in trees of every height. */
static void radix_tree_runs_are_what_single_lookups_find(void **state)
{
    static const uint64_t keys[] = {0, 1, 63, 64, 70, 4095, 4096, 4096 * 64 + 5};
    int items[8];

    for (unsigned count = 0; count <= 8; count += 1) {
        struct vm_radix tree;

        vm_radix_init(&tree);
        for (unsigned i = 0; i < count; i += 1) {
            assert_true(vm_radix_insert(&tree, keys[i], &items[i]));
        }
        for (uint64_t index = 0; index < 4096 * 65;) {
            unsigned n = 100;
            void **run = vm_radix_run(&tree, index, &n);

            assert_in_range(n, 1, 100);
            for (unsigned i = 0; i < n; i += 1) {
                assert_ptr_equal(run != NULL ? run[i] : NULL, vm_radix_lookup(&tree, index + i));
            }
            index += n;
        }
        for (unsigned i = 0; i < count; i += 1) {
            vm_radix_remove(&tree, keys[i]);
        }
    }
}

static void radix_tree_takes_runs_across_nodes(void **state)
{
    static const uint64_t starts[] = {0, 1, 63, 64, 4090, 4096 * 64 - 3};
    static const uint64_t lengths[] = {1, 2, 64, 65, 512};
    static char run[512];

    for (unsigned i = 0; i < TEST_COUNT(starts) * TEST_COUNT(lengths); i += 1) {
        uint64_t start = starts[i / TEST_COUNT(lengths)];
        uint64_t n = lengths[i % TEST_COUNT(lengths)];
        struct vm_radix tree;

        vm_radix_init(&tree);
        assert_int_equal(vm_radix_insert_run(&tree, start, n, run, 1), n);
        for (uint64_t at = start > 0 ? start - 1 : 0; at < start + n + 2; at += 1) {
            void *wanted = at >= start && at < start + n ? &run[at - start] : NULL;

            assert_ptr_equal(vm_radix_lookup(&tree, at), wanted);
        }
        for (uint64_t at = start; at < start + n; at += 1) {
            uint64_t found = 0;

            assert_ptr_equal(vm_radix_next(&tree, &found), &run[at - start]);
            assert_int_equal(found, at);
            vm_radix_remove(&tree, at);
        }
        assert_null(tree.root);
    }
}

static void radix_tree_finds_what_was_put_in_and_the_next_one(void **state)
{
    struct vm_radix tree;
    static const uint64_t keys[] = {0,    1,    63,     64,        65,
                                    4095, 4096, 262144, 1ul << 40, (1ul << 52) - 1};
    uint64_t index;

    (void)state;
    vm_radix_init(&tree);
    index = 0;
    assert_null(vm_radix_next(&tree, &index));
    for (unsigned i = 0; i < TEST_COUNT(keys); i += 1) {
        assert_true(vm_radix_insert(&tree, keys[i], &items[i]));
        assert_ptr_equal(vm_radix_lookup(&tree, keys[i]), &items[i]);
        assert_null(vm_radix_lookup(&tree, keys[i] + 2));
    }
    for (unsigned i = 0; i + 1 < TEST_COUNT(keys); i += 1) {
        index = keys[i] + 1;
        assert_ptr_equal(vm_radix_next(&tree, &index), &items[i + 1]);
        assert_int_equal(index, keys[i + 1]);
    }
    index = 1ul << 52;
    assert_null(vm_radix_next(&tree, &index));
    for (unsigned i = 0; i < TEST_COUNT(keys); i += 1) {
        vm_radix_remove(&tree, keys[i]);
        assert_null(vm_radix_lookup(&tree, keys[i]));
    }
    assert_null(tree.root);
}

static void radix_tree_agrees_with_an_array_under_random_changes(void **state)
{
    static bool present[3000];
    struct vm_radix tree;

    (void)state;
    srandom(2);
    memset(present, 0, sizeof(present));
    vm_radix_init(&tree);
    for (unsigned round = 0; round < 20000; round += 1) {
        uint64_t key = (uint64_t)random() % 3000;
        uint64_t index = key;
        uint64_t expected = key;

        if (present[key]) {
            vm_radix_remove(&tree, key);
        } else {
            assert_true(vm_radix_insert(&tree, key, &present[key]));
        }
        present[key] = !present[key];
        while (expected < 3000 && !present[expected]) {
            expected += 1;
        }
        if (expected == 3000) {
            assert_null(vm_radix_next(&tree, &index));
        } else {
            assert_ptr_equal(vm_radix_next(&tree, &index), &present[expected]);
            assert_int_equal(index, expected);
        }
    }
    for (unsigned key = 0; key < 3000; key += 1) {
        if (present[key]) {
            vm_radix_remove(&tree, key);
        }
    }
}

static void address_ranges_do_not_overlap_and_join_when_freed(void **state)
{
    static struct {
        vm_offset_t va;
        vm_size_t size;
    } held[200];

    (void)state;
    srandom(3);
    memset(held, 0, sizeof(held));
    for (unsigned round = 0; round < 4000; round += 1) {
        unsigned i = (unsigned)random() % 200;
        vm_size_t align = PG << (random() % 12);

        if (held[i].va != 0) {
            kmem_va_free(held[i].va, held[i].size);
            held[i].va = 0;
            continue;
        }
        held[i].size = PG * (1 + (vm_size_t)random() % 300);
        held[i].va = kmem_va_alloc(held[i].size, align);
        assert_int_equal(held[i].va % align, 0);
        for (unsigned j = 0; j < 200; j += 1) {
            assert_true(j == i || held[j].va == 0 || held[j].va + held[j].size <= held[i].va ||
                        held[i].va + held[i].size <= held[j].va);
        }
        if (round % 64 == 0) {
            vm_check_kmem();
        }
    }
    for (unsigned i = 0; i < 200; i += 1) {
        if (held[i].va != 0) {
            kmem_va_free(held[i].va, held[i].size);
        }
    }
}

static void impossible_address_ranges_are_refused(void **state)
{
    (void)state;
    assert_int_equal(kmem_va_alloc(0, 0), 0);
    assert_int_equal(kmem_va_alloc(~0ul, 0), 0);
    assert_int_equal(kmem_va_alloc(KMEM_SIZE + 1, 0), 0);
    assert_int_equal(kmem_va_alloc(PG, 3 * PG), 0);
    assert_int_equal(kmem_va_alloc(KMEM_SIZE, 1ul << 62), 0);
}

static void whole_kernel_map_can_be_reserved_and_returned(void **state)
{
    vm_offset_t all = kmem_va_alloc(KMEM_SIZE, 0);

    (void)state;
    assert_int_equal(all, KMEM_BASE);
    assert_int_equal(kmem_va_alloc(PG, 0), 0);
    kmem_va_free(all, KMEM_SIZE);
}

static void committed_memory_is_zero_and_decommit_skips_holes(void **state)
{
    vm_offset_t va = kmem_va_alloc(64 * PG, 0);

    (void)state;
    ok(kmem_commit(va, 2 * PG));
    ok(kmem_commit(va + 50 * PG, PG));
    assert_int_equal(*(char *)va, 0);
    memset((void *)va, 1, 2 * PG);
    kmem_decommit(va, 64 * PG);
    ok(kmem_commit(va, 2 * PG));
    assert_int_equal(*(char *)(va + PG), 0);
    kmem_decommit(va, 64 * PG);
    kmem_va_free(va, 64 * PG);
}

static void commit_that_fails_half_way_leaves_nothing(void **state)
{
    vm_offset_t va = kmem_va_alloc(10 * PG, 0);

    (void)state;
    fake_enter_budget = 5;
    assert_int_equal(kmem_commit(va, 10 * PG), KERN_RESOURCE_SHORTAGE);
    fake_enter_budget = -1;
    kmem_va_free(va, 10 * PG);
}

static void free_range(void *va)
{
    kmem_va_free((vm_offset_t)va, 2 * PG);
}

static void range_freed_with_another_size_is_noticed(void **state)
{
    vm_offset_t va = kmem_va_alloc(PG, 0);

    (void)state;
    assert_true(fake_panics(free_range, (void *)va));
    kmem_va_free(va, PG);
}

static void slots_are_aligned_distinct_and_reused_lowest_first(void **state)
{
    vm_offset_t slots[200];
    vm_offset_t again;

    (void)state;
    for (unsigned i = 0; i < 200; i += 1) {
        slots[i] = kmem_slot_alloc();
        assert_int_equal(slots[i], KMEM_SLOT_BASE + i * KMEM_SLOT_SIZE);
    }
    kmem_slot_free(slots[7]);
    kmem_slot_free(slots[150]);
    again = kmem_slot_alloc();
    assert_int_equal(again, slots[7]);
    assert_int_equal(kmem_slot_alloc(), slots[150]);
    for (unsigned i = 0; i < 200; i += 1) {
        kmem_slot_free(slots[i]);
    }
}

void run_tree_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tree_stays_balanced_and_sorted_and_knows_its_maxima),
        TEST(radix_tree_takes_runs_across_nodes),
        TEST(radix_tree_finds_what_was_put_in_and_the_next_one),
        TEST(radix_tree_runs_are_what_single_lookups_find),
        TEST(radix_tree_agrees_with_an_array_under_random_changes),
        TEST(address_ranges_do_not_overlap_and_join_when_freed),
        TEST(impossible_address_ranges_are_refused),
        TEST(whole_kernel_map_can_be_reserved_and_returned),
        TEST(committed_memory_is_zero_and_decommit_skips_holes),
        TEST(commit_that_fails_half_way_leaves_nothing),
        TEST(range_freed_with_another_size_is_noticed),
        TEST(slots_are_aligned_distinct_and_reused_lowest_first),
    };

    RUN_GROUP(tests);
}
