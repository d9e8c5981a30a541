/* ktest.c - running the tests inside the debug kernel; then the machine is switched off. Output is
 * one line a test, and a closing line for the runner. */
#include "ddb/ktest.h"

#include "arch/boot_info.h"
#include "arch/pmap.h"
#include "ddb/ipc_check.h"
#include "ddb/vm_check.h"
#include "kern/clock.h"
#include "kern/host.h"
#include "kern/printf.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "vm/slab.h"

#define KTEST_CACHES_MAX   64
#define KTEST_SETTLE_TRIES 200u

extern const struct ktest ktest_table_start[], ktest_table_end[];

/* Live objects of each cache. */
struct ktest_counts {
    const char *names[KTEST_CACHES_MAX];
    uint64_t live[KTEST_CACHES_MAX];
    unsigned n;
};

static unsigned ktest_failures;           /* of the current test */
static const char *ktest_kept_cache = ""; /* of what the current test leaves behind */
static unsigned ktest_kept;

void ktest_keeps(const char *cache, unsigned n)
{
    ktest_kept_cache = cache;
    ktest_kept = n;
}

void ktest_expect_eq(int64_t left, int64_t right, const char *text, const char *file, int line)
{
    if (left != right) {
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

/* Kernel address ranges are kept for stacks: their number says nothing. */
static bool ktest_is_same(const struct ktest_counts *before, const struct ktest_counts *after,
                          unsigned i)
{
    uint64_t kept = strcmp(before->names[i], ktest_kept_cache) == 0 ? ktest_kept : 0;

    return before->live[i] + kept == after->live[i] || strcmp(before->names[i], "kmem_range") == 0;
}

/* Count again until nothing has leaked or time is up: the last reference to a thread goes a moment
 * after its end. */
static void ktest_settle(const struct ktest_counts *before, struct ktest_counts *after)
{
    for (unsigned tries = 0; tries < KTEST_SETTLE_TRIES; tries++) {
        bool same = true;

        *after = (struct ktest_counts){0};
        pmap_drain_cache();
        kmem_cache_visit(ktest_count_cache, after);
        for (unsigned i = 0; i < before->n && i < after->n; i++) {
            same = same && ktest_is_same(before, after, i);
        }
        if (same) {
            return;
        }
        thread_wait_prepare(false, clock_now_ns() + NS_PER_MS);
        thread_block(NULL);
    }
}

static void ktest_compare(const struct ktest_counts *before, const struct ktest_counts *after)
{
    for (unsigned i = 0; i < before->n && i < after->n; i++) {
        if (!ktest_is_same(before, after, i)) {
            kprintf("  cache %s: %lu objects before, %lu after\n", before->names[i],
                    before->live[i], after->live[i]);
            ktest_failures++;
        }
    }
}

static bool ktest_run_one(const struct ktest *test)
{
    struct ktest_counts before = {0}, after = {0};
    struct ipc_check_result rights;

    ktest_failures = 0;
    ktest_keeps("", 0);
    pmap_drain_cache();
    kmem_cache_visit(ktest_count_cache, &before);
    test->function();
    ktest_settle(&before, &after);
    ktest_compare(&before, &after);
    vm_check_kmem();
    vm_check_pages();
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
