/* test_slab.c - caches, red zones, kalloc. */
#include "tests.h"

#include "vm/slab.h"
#include "vm/vm_page.h"

static struct kmem_cache cache;

static uint64_t live(struct kmem_cache *c)
{
    struct kmem_cache_stats stats;

    kmem_cache_stats(c, &stats);
    return stats.live;
}

static void live_count_is_exact_through_the_magazines(void **state)
{
    void *objects[500];

    (void)state;
    kmem_cache_init(&cache, "test", 72, 0);
    for (unsigned i = 0; i < 500; i += 1) {
        objects[i] = kmem_cache_alloc(&cache);
        assert_int_equal(live(&cache), i + 1);
    }
    for (unsigned i = 0; i < 500; i += 1) {
        kmem_cache_free(&cache, objects[i]);
        assert_int_equal(live(&cache), 499 - i);
    }
    kmem_cache_destroy(&cache);
}

static void objects_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    for (size_t align = 8; align <= 256; align *= 2) {
        char *objects[100];

        kmem_cache_init(&cache, "test", 40 + align, align);
        for (unsigned i = 0; i < 100; i += 1) {
            objects[i] = kmem_cache_alloc(&cache);
            assert_int_equal((uintptr_t)objects[i] % align, 0);
            memset(objects[i], (int)i, 40 + align);
        }
        for (unsigned i = 0; i < 100; i += 1) {
            assert_int_equal(objects[i][0], (char)i);
            assert_int_equal(objects[i][39 + align], (char)i);
            kmem_cache_free(&cache, objects[i]);
        }
        kmem_cache_destroy(&cache);
    }
}

static void objects_move_between_processors(void **state)
{
    void *objects[64];

    (void)state;
    kmem_cache_init(&cache, "test", 64, 0);
    for (unsigned i = 0; i < 64; i += 1) {
        fake_cpu = i % 4;
        objects[i] = kmem_cache_alloc(&cache);
    }
    fake_cpu = 5;
    for (unsigned i = 0; i < 64; i += 1) {
        kmem_cache_free(&cache, objects[i]);
    }
    fake_cpu = 0;
    assert_int_equal(live(&cache), 0);
    kmem_cache_destroy(&cache);
}

static void free_object(void *object)
{
    kmem_cache_free(&cache, object);
}

static void alloc_object(void *unused)
{
    (void)unused;
    (void)kmem_cache_alloc(&cache);
}

/* Free `object`, whose cache was damaged, and expect a panic that says `text`; then repair nothing:
 * the cache is given up. */
static void expect_report(void *object, const char *text)
{
    assert_true(fake_panics(free_object, object));
    assert_non_null(strstr(fake_panic_text, "cache test"));
    assert_non_null(strstr(fake_panic_text, text));
}

static void write_past_the_end_is_reported(void **state)
{
    char *object;
    char saved;

    (void)state;
    kmem_cache_init(&cache, "test", 60, 0);
    object = kmem_cache_alloc(&cache);
    saved = object[60];
    object[60] = 1;
    expect_report(object, "past its end");
    object[60] = saved;
    saved = object[64];
    object[64] = 1;
    expect_report(object, "past its end");
    object[64] = saved;
    kmem_cache_free(&cache, object);
    kmem_cache_destroy(&cache);
}

static void write_before_the_beginning_is_reported(void **state)
{
    char *object;
    char saved;

    (void)state;
    kmem_cache_init(&cache, "test", 64, 0);
    object = kmem_cache_alloc(&cache);
    saved = object[-1];
    object[-1] = 1;
    expect_report(object, "before its beginning");
    object[-1] = saved;
    kmem_cache_free(&cache, object);
    kmem_cache_destroy(&cache);
}

static void object_freed_twice_is_reported(void **state)
{
    void *object;

    (void)state;
    kmem_cache_init(&cache, "test", 64, 0);
    object = kmem_cache_alloc(&cache);
    kmem_cache_free(&cache, object);
    expect_report(object, "freed twice");
    kmem_cache_destroy(&cache);
}

static void write_after_free_is_reported_by_the_next_allocation(void **state)
{
    char *object;
    char saved;

    (void)state;
    kmem_cache_init(&cache, "test", 64, 0);
    object = kmem_cache_alloc(&cache);
    kmem_cache_free(&cache, object);
    saved = object[8];
    object[8] = 1;
    assert_true(fake_panics(alloc_object, NULL));
    assert_non_null(strstr(fake_panic_text, "after it was freed"));
    object[8] = saved;
    /* The allocation that panicked took the object. */
    *(uint64_t *)(object + 72) = 0x11fe11fe11fe11feul;
    kmem_cache_free(&cache, object);
    kmem_cache_destroy(&cache);
}

static void free_into_the_wrong_cache_is_reported(void **state)
{
    static struct kmem_cache other;
    void *object;

    (void)state;
    kmem_cache_init(&cache, "test", 64, 0);
    kmem_cache_init(&other, "other", 64, 0);
    object = kmem_cache_alloc(&other);
    expect_report(object, "belongs to cache other");
    expect_report((char *)object + 8, "belongs to cache other");
    kmem_cache_free(&other, object);
    kmem_cache_destroy(&other);
    kmem_cache_destroy(&cache);
}

static void pointer_inside_an_object_is_not_freed(void **state)
{
    char *object;

    (void)state;
    kmem_cache_init(&cache, "test", 64, 0);
    object = kmem_cache_alloc(&cache);
    expect_report(object + 8, "not the beginning");
    kmem_cache_free(&cache, object);
    kmem_cache_destroy(&cache);
}

static void kalloc_serves_all_sizes_and_gives_all_back(void **state)
{
    static const size_t sizes[] = {1,    16,   17,    100,   1000,  4096,   8192,
                                   8193, 9000, 40000, 65536, 65537, 300000, 1 << 20};

    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(sizes); i += 1) {
        char *pointer = kalloc(sizes[i]);
        char *zeroed = kalloc_zeroed(sizes[i]);

        assert_non_null(pointer);
        assert_int_equal((uintptr_t)pointer % 16, 0);
        memset(pointer, 0xee, sizes[i]);
        assert_int_equal(zeroed[0] | zeroed[sizes[i] - 1], 0);
        kfree(pointer, sizes[i]);
        kfree(zeroed, sizes[i]);
    }
    assert_null(kalloc(0));
    kfree(NULL, 10);
}

static void impossible_size_is_refused(void **state)
{
    (void)state;
    assert_null(kalloc(~0ul));
    assert_null(kalloc(1ul << 45));
}

struct found {
    const char *name;
    unsigned n;
};

static void find(struct kmem_cache *c, void *argument)
{
    struct found *found = argument;
    struct kmem_cache_stats stats;

    kmem_cache_stats(c, &stats);
    found->n += strcmp(stats.name, found->name) == 0 ? 1 : 0;
}

static void every_cache_is_listed_while_it_exists(void **state)
{
    struct found found = {"test", 0};

    (void)state;
    kmem_cache_init(&cache, "test", 64, 0);
    kmem_cache_visit(find, &found);
    assert_int_equal(found.n, 1);
    kmem_cache_destroy(&cache);
    kmem_cache_visit(find, &found);
    assert_int_equal(found.n, 1);
}

void run_slab_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(live_count_is_exact_through_the_magazines),
        TEST(objects_are_aligned_and_do_not_overlap),
        TEST(objects_move_between_processors),
        TEST(write_past_the_end_is_reported),
        TEST(write_before_the_beginning_is_reported),
        TEST(object_freed_twice_is_reported),
        TEST(write_after_free_is_reported_by_the_next_allocation),
        TEST(free_into_the_wrong_cache_is_reported),
        TEST(pointer_inside_an_object_is_not_freed),
        TEST(kalloc_serves_all_sizes_and_gives_all_back),
        TEST(impossible_size_is_refused),
        TEST(every_cache_is_listed_while_it_exists),
    };

    RUN_GROUP(tests);
}
