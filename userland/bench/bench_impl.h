/* bench_impl.h - what the measurements share. */
#ifndef BENCH_IMPL_H
#define BENCH_IMPL_H

#include <mach/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_ROUNDS    256
#define BENCH_WARM_UP   32
#define BENCH_BODY_MAX  4096
#define BENCH_ITEM_SIZE (sizeof(mach_msg_header_t) + sizeof(struct bench_item))

/* Ids of messages to the server of memory: read every page of the region, or none. */
#define BENCH_READ      1
#define BENCH_UNTOUCHED 2

/* A right or a region. */
struct bench_item {
    mach_msg_type_t type;
    uint64_t content;
};

struct bench_message {
    mach_msg_header_t head;
    union {
        struct bench_item item;
        char body[BENCH_BODY_MAX];
    };
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
/* The same for work that is `count` times what the figure is about. */
void bench_measure_each(const char *name, uint64_t count, void (*work)(void *argument),
                        void *argument);
/* The same with three decimals: for figures of less than an instruction. */
void bench_measure_fraction(const char *name, uint64_t count, void (*work)(void *argument),
                            void *argument);
/* What measuring nothing takes. */
uint64_t bench_nothing(void);
void bench_print(const char *name, uint64_t value);
/* Is the measurement of that name, or one that begins with it, asked for? */
bool bench_is_wanted(const char *name);
/* Let a task have a million names. Needs the privileged host port; without it the limits stay. */
void bench_raise_limits(mach_port_t task);

/* rpc.c: round trips to a server in a task of its own, to a thread of this task, and to a server on
 * another processor. */
void rpc_inter(void);
void rpc_intra(void);
void rpc_cross_cpu(void);

/* transfer.c */
void transfer_ports(void);
void transfer_memory(void);
void transfer_sizes(void);
void transfer_sum(void);
void transfer_queue(void);

/* pager.c */
void pager_all(void);
_Noreturn void pager_serve(mach_port_t service);

/* file.c */
void file_all(void);

/* irq.c; needs the hardware port. */
void irq_all(void);
_Noreturn void irq_spin(void);

/* guest.c; needs the hypervisor port, and a processor that can run guests. */
void guest_all(void);

/* memory.c */
void memory_all(void);

/* server.c */

/* Start a server in a task of its own: "echo", "port" (with so many names more in its space),
 * "memory", "sum" or "exception". Returns a send right to its port. */
mach_port_t server_start(const char *what, unsigned names, mach_port_t *task);
void server_stop(mach_port_t service, mach_port_t task);
/* Be such a server. */
_Noreturn void server_run(mach_port_t service, char **argv);
/* Every message goes back as it is. */
_Noreturn void server_echo(mach_port_t service);

#endif
