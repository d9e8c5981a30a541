/* test.h - what a test program is made of:
 *
 *     TEST(a_sentence_that_is_true) { CHECK_EQ(mach_port_allocate(...), KERN_SUCCESS); ... }
 *
 * lib/test.c has main(): it runs each case and prints `case ok NAME` or `case FAILED NAME`. */
#ifndef TEST_H
#define TEST_H

#include <mach/mach.h>
#include <portolan/portolan.h>
#include <stdbool.h>
#include <stdint.h>

struct test_case {
    const char *name;
    void (*function)(void);
};

#define TEST(sentence)                                                                             \
    static void test_##sentence(void);                                                             \
    static const struct test_case test_case_##sentence                                             \
        __attribute__((used, section("test_cases"), aligned(16))) = {#sentence, test_##sentence};  \
    static void test_##sentence(void)

/* Say where an expectation was not met; the case goes on and has failed. */
void test_check(bool holds, long left, long right, const char *text, const char *file, int line);

#define CHECK_EQ(left, right)                                                                      \
    do {                                                                                           \
        long check_left = (long)(left);                                                            \
        long check_right = (long)(right);                                                          \
        test_check(check_left == check_right, check_left, check_right, #left " == " #right,        \
                   __FILE__, __LINE__);                                                            \
    } while (0)
#define CHECK(condition)                                                                           \
    test_check((condition) ? true : false, 0, 1, #condition, __FILE__, __LINE__)

/* A message with room behind it. */
struct test_message {
    mach_msg_header_t head;
    uint8_t body[4096];
};

/* New receive right with a send right under the same name. */
mach_port_t test_port(void);
/* Send an empty simple message to `to` with the given reply port (0: none). */
mach_msg_return_t test_send(mach_port_t to, mach_port_t reply, int id, int option,
                            unsigned timeout);
/* Receive into m; MACH_RCV_TIMED_OUT after 2 s at the latest. */
mach_msg_return_t test_receive(mach_port_t from, struct test_message *m, int option,
                               unsigned timeout);
/* Start this program once more with `word` as its argument: main() then calls the child case of
 * that name. Returns its exit status as wait(2) has it. */
int test_run_child(const char *word);

/* A function that a child runs instead of the cases. */
struct test_child {
    const char *name;
    void (*function)(void);
};
#define TEST_CHILD(word)                                                                           \
    static void test_child_##word(void);                                                           \
    static const struct test_child test_child_entry_##word                                         \
        __attribute__((used, section("test_children"), aligned(16))) = {#word, test_child_##word}; \
    static void test_child_##word(void)

#endif
