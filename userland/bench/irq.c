/* irq.c - from an interrupt to the driver that waits for it: a timer (HPET) interrupts another
 * task, which does nothing but write the time into memory that both share, or the idle processor.
 */
#include <fcntl.h>
#include <hardware.h>
#include <mach.h>
#include <mach/hardware.h>
#include <mach/mach_traps.h>
#include <mach_host.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_impl.h"
#include "program.h"

#define IRQ_SHARED         "/tmp/bench.irq"
#define IRQ_PAGE           4096u
#define IRQ_ISA_LINE       0     /* the one the timer is wired to */
#define IRQ_DELAY          3000u /* ticks of the timer: until the driver waits */
#define IRQ_OTHER_PRIORITY 40

/* HPET (IA-PC HPET specification 1.0a, 2.3); in 32-bit words */
#define HPET_ADDRESS       0xfed00000
#define HPET_VENDOR        0
#define HPET_CONFIGURATION 4
#define HPET_COUNTER       60
#define HPET_TIMER         64
#define HPET_COMPARATOR    66
#define HPET_ENABLE        1u
#define HPET_TIMER_ENABLE  (4u | 1u << 8) /* once, edge-triggered, 32 bits */
#define HPET_ROUTES        1              /* words behind the timer's: the lines it can have */
#define HPET_ROUTE_SHIFT   9

static struct {
    volatile uint32_t *hpet;
    volatile uint64_t *stamp; /* by the other task */
    mach_port_t irq;
    mach_port_t port;
} irq_bench;

/* The other task. */
_Noreturn void irq_spin(void)
{
    int fd = open(IRQ_SHARED, O_RDWR);
    volatile uint64_t *stamp = mmap(NULL, IRQ_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (stamp == MAP_FAILED) {
        program_fail("no memory to share");
    }
    for (;;) {
        *stamp = bench_now();
    }
}

/* One interrupt. Returns the instructions since the other task last wrote the time, or since
 * the processor had nothing to do. */
static uint64_t irq_round(void)
{
    mach_msg_header_t *head = &(union {
                                   mach_msg_header_t head;
                                   char bytes[128];
                               }){0}
                                   .head;

    program_check(irq_wait(irq_bench.irq, 1, irq_bench.port), "irq_wait");
    irq_bench.hpet[HPET_COMPARATOR] = irq_bench.hpet[HPET_COUNTER] + IRQ_DELAY;
    program_check(mach_msg_trap(head, MACH_RCV_MSG, 0, 128, irq_bench.port, 0, MACH_PORT_NULL),
                  "no interrupt");
    return bench_now() - *irq_bench.stamp;
}

static bool irq_begin(mach_port_t hardware)
{
    vm_address_t registers = 0;
    int fd = open(IRQ_SHARED, O_RDWR | O_CREAT | O_TRUNC, 0600);

    program_check(hardware_map(hardware, mach_task_self(), HPET_ADDRESS, IRQ_PAGE,
                               HARDWARE_CACHE_NONE, &registers),
                  "hardware_map");
    irq_bench.hpet = (volatile uint32_t *)registers;
    if (irq_bench.hpet[HPET_VENDOR] == ~0u || fd < 0 || ftruncate(fd, IRQ_PAGE) != 0) {
        return false;
    }
    irq_bench.stamp = mmap(NULL, IRQ_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    program_check(hardware_irq_create(hardware, IRQ_ISA_LINE, &irq_bench.irq),
                  "hardware_irq_create");
    program_check(portolan_port_allocate(true, &irq_bench.port), "port");
    irq_bench.hpet[HPET_TIMER] =
        HPET_TIMER_ENABLE | (uint32_t)__builtin_ctz(irq_bench.hpet[HPET_TIMER + HPET_ROUTES])
                                << HPET_ROUTE_SHIFT;
    irq_bench.hpet[HPET_CONFIGURATION] = HPET_ENABLE;
    return irq_bench.stamp != MAP_FAILED;
}

void irq_all(void)
{
    mach_port_t hardware = portolan_port("hardware");
    uint64_t smallest = UINT64_MAX;
    mach_port_t task, service;

    if (hardware == MACH_PORT_NULL || !bench_is_wanted("irq.to_driver") || !irq_begin(hardware)) {
        return;
    }
    service = server_start("spin", 0, &task);
    program_check(task_priority(task, IRQ_OTHER_PRIORITY, TRUE), "task_priority");
    while (*irq_bench.stamp == 0) {
        usleep(1000);
    }
    for (unsigned i = 0; i < BENCH_WARM_UP + BENCH_ROUNDS; i++) {
        uint64_t taken = irq_round();

        smallest = i >= BENCH_WARM_UP && taken < smallest ? taken : smallest;
    }
    bench_print("irq.to_driver", smallest);
    server_stop(service, task);
    irq_bench.hpet[HPET_TIMER] = 0;
    unlink(IRQ_SHARED);
}
