/* bench_impl.h - what the measurements share. */
#ifndef BENCH_IMPL_H
#define BENCH_IMPL_H

#include <mach/message.h>
#include <stdbool.h>
#include <stdint.h>

#define BENCH_ROUNDS   256
#define BENCH_WARM_UP  32
#define BENCH_BODY_MAX 4096

struct bench_message {
    mach_msg_header_t head;
    char body[BENCH_BODY_MAX];
};

/* The time stamp counter: instructions when the emulator runs with -icount shift=0. */
static inline uint64_t bench_now(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Do the work BENCH_ROUNDS times after a warm-up and print the smallest time of one, less what the
 * measuring itself takes. Nothing when the name is not asked for. */
void bench_measure(const char *name, void (*work)(void *argument), void *argument);
/* Is the measurement of that name, or one that begins with it, asked for? */
bool bench_is_wanted(const char *name);

/* rpc.c */

/* Round trips to a server in a task of its own. */
void bench_rpc_inter(void);
/* Round trips to a thread of this task. */
void bench_rpc_intra(void);
/* Be the server of the port: every message goes back as it is. */
_Noreturn void bench_serve(mach_port_t service);

#endif
