/* ktest.h - tests inside the debug kernel. `ktest` on the kernel command line runs all,
 * `ktest=PREFIX` those whose name begins so.
 *
 *     KTEST(ipc_mqueue, full_queue_refuses_and_keeps_message) { ... EXPECT_EQ(a, b); }
 *
 * After each the counts of kernel objects must be what they were. */
#ifndef DDB_KTEST_H
#define DDB_KTEST_H

#include <stdbool.h>
#include <stdint.h>

struct ktest {
    const char *name;
    void (*function)(void);
};

#define KTEST(area, sentence)                                                                      \
    static void ktest_##area##_##sentence(void);                                                   \
    static const struct ktest ktest_entry_##area##_##sentence                                      \
        __attribute__((section(".ktest_table"), used, aligned(16))) = {#area ": " #sentence,       \
                                                                       ktest_##area##_##sentence}; \
    static void ktest_##area##_##sentence(void)

/* A failed expectation is printed and the test goes on. */
void ktest_expect_eq(int64_t left, int64_t right, const char *text, const char *file, int line);

/* Each argument is evaluated once. */
#define EXPECT_EQ(left, right)                                                                     \
    ktest_expect_eq((int64_t)(left), (int64_t)(right), #left " == " #right, __FILE__, __LINE__)
#define EXPECT_TRUE(condition)                                                                     \
    ktest_expect_eq((condition) ? 1 : 0, 1, #condition, __FILE__, __LINE__)

/* The test leaves n objects of that cache behind for good. */
void ktest_keeps(const char *cache, unsigned n);

void ktest_run_if_asked(void);

#endif
