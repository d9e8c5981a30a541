/* ktest.c - running the tests inside the debug kernel; then the machine is switched off. Output is one line a test, and a closing line for the runner. */
#include "kern/ktest.h"

#include "arch/boot_info.h"
#include "ipc/ipc_check.h"
#include "kern/host.h"
#include "kern/printf.h"
#include "kern/string.h"
#include "vm/slab.h"

#define KTEST_CACHES_MAX 64

extern const struct ktest ktest_table_start[], ktest_table_end[];

/* Live objects of each cache. */
struct ktest_counts {
    const char *names[KTEST_CACHES_MAX];
    uint64_t live[KTEST_CACHES_MAX];
    unsigned n;
};

static unsigned ktest_failures; /* of the current test */

void ktest_expect(bool holds, const char *text, int64_t left, int64_t right, const char *file, int line)
{
    if (!holds) {
        kprintf("  %s:%d: expected %s; got %ld and %ld\n", file, line, text, left, right);
        ktest_failures++;
    }
}

static void ktest_count_cache(struct kmem_cache *cache, void *argument)
{
    struct ktest_counts *counts = argument;
    struct kmem_cache_stats stats;

    kmem_cache_stats(cache, &stats);
    if (counts->n < KTEST_CACHES_MAX) {
        counts->names[counts->n] = stats.name;
        counts->live[counts->n] = stats.live;
        counts->n++;
    }
}

static void ktest_compare(const struct ktest_counts *before, const struct ktest_counts *after)
{
    for (unsigned i = 0; i < before->n && i < after->n; i++) {
        if (before->live[i] != after->live[i]) {
            kprintf("  cache %s: %lu objects before, %lu after\n", before->names[i], before->live[i],
                    after->live[i]);
            ktest_failures++;
        }
    }
}

static bool ktest_run_one(const struct ktest *test)
{
    struct ktest_counts before = {0}, after = {0};
    struct ipc_check_result rights;

    ktest_failures = 0;
    kmem_cache_visit(ktest_count_cache, &before);
    test->function();
    kmem_cache_visit(ktest_count_cache, &after);
    ktest_compare(&before, &after);
    ipc_check(&rights);
    EXPECT_EQ(rights.errors, 0);
    kprintf("ktest %s %s\n", ktest_failures == 0 ? "ok" : "FAILED", test->name);
    return ktest_failures == 0;
}

void ktest_run_if_asked(void)
{
    char prefix[64];
    unsigned passed = 0, failed = 0;

    if (!CONFIG_DEBUG || !boot_info_option("ktest", prefix, sizeof(prefix))) {
        return;
    }
    for (const struct ktest *test = ktest_table_start; test < ktest_table_end; test++) {
        if (strncmp(test->name, prefix, strlen(prefix)) == 0) {
            if (ktest_run_one(test)) {
                passed++;
            } else {
                failed++;
            }
        }
    }
    kprintf("ktest: %u passed, %u failed\n", passed, failed);
    host_power_off();
}
