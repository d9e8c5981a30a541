/* assert.h - checks of our own mistakes. User mistakes are answered with error codes, never with
 * these. */
#ifndef KERN_ASSERT_H
#define KERN_ASSERT_H

/* Stop the machine: print the message, where we are, a backtrace and the last trace events; then
 * enter the debugger (debug kernel with a serial line) or halt all processors. Sleeps: never
 * returns. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* In the debug kernel a false condition panics with its text, file and line. No side effects in the
 * condition. */
#define assert(condition)                                                                          \
    do {                                                                                           \
        if (CONFIG_DEBUG && __builtin_expect(!(condition), 0)) {                                   \
            panic("%s:%d: %s: assertion failed: %s", __FILE__, __LINE__, __func__, #condition);    \
        }                                                                                          \
    } while (0)

#ifndef static_assert
#define static_assert _Static_assert
#endif

#endif
