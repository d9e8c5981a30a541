/* hardware_irq_test.c - a timer's interrupts (HPET) as messages to a thread that waits or does not,
 * while a task of lower priority runs, or nothing does. Whichever way a message goes, it is the
 * same, and what was interrupted goes on as it was. */
#include <hardware.h>
#include <mach.h>
#include <mach/hardware.h>
#include <mach_host.h>
#include <mach_i386.h>
#include <mach_port.h>
#include <portolan.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/attack.h"
#include "lib/peer.h"

#define LINE        0  /* the timer's, as the ISA bus has it, */
#define PIN         2u /* and as the interrupt controller has it */
#define ID          71
#define SIZE        48u  /* of device_intr_notify */
#define US          100u /* ticks of the timer */
#define SOON        (300 * US)
#define WAITING     (3000 * US) /* till then the driver waits, if it is to */
#define ROUNDS      100u
#define MOST_ROUNDS 10000u
#define WORSE       40 /* priority of what is interrupted */
#define FILL        0xa5
#define POST        0x80 /* an I/O port that does nothing */
#define CHILDREN    40u
#define IRQ_WAIT_ID 5101

/* HPET (IA-PC HPET specification 1.0a, 2.3); in 32-bit words */
#define HPET_ADDRESS       0xfed00000
#define HPET_CONFIGURATION 4
#define HPET_COUNTER       60
#define HPET_TIMER         64
#define HPET_COMPARATOR    66
#define HPET_ENABLE        1u
#define HPET_TIMER_ONCE    (4u | 1u << 8) /* edge-triggered, 32 bits */
#define HPET_TIMER_REPEAT  (HPET_TIMER_ONCE | 8u | 1u << 6)

/* Shared with the task that is interrupted. */
struct shared {
    uint64_t rounds; /* its loop has gone */
    uint64_t wrong;  /* registers that were not as it left them */
    uint64_t told;   /* a driver in a task of its own */
};

static volatile uint32_t *hpet;
static mach_port_t irq;
static uint32_t route;
static volatile struct shared *shared;
static struct ipc_peer victim;

static mach_port_t hardware(void)
{
    return portolan_port("hardware");
}

/* --- what is interrupted --- */

/* Fill registers, look at them again, for ever. */
static void victim_run(mach_port_t service)
{
    (void)service;
    for (;;) {
        uint64_t wrong;

        __asm__ volatile("movq $0x1111111111111111, %%r8\n movq $0x2222222222222222, %%r9\n"
                         "movq $0x3333333333333333, %%r12\n movq $0x4444444444444444, %%r15\n"
                         "movq %%r8, %%xmm0\n movq %%r9, %%xmm7\n movq %%r15, %%xmm15\n"
                         "movl $200, %%ecx\n stc\n"
                         "1: decl %%ecx\n jnz 1b\n" /* keeps the carry */
                         "setnc %%al\n movzbl %%al, %%eax\n"
                         "movq %%xmm0, %%rdx\n xorq %%r8, %%rdx\n orq %%rdx, %%rax\n"
                         "movq %%xmm7, %%rdx\n xorq %%r9, %%rdx\n orq %%rdx, %%rax\n"
                         "movq %%xmm15, %%rdx\n xorq %%r15, %%rdx\n orq %%rdx, %%rax\n"
                         "movq $0x3333333333333333, %%rdx\n xorq %%r12, %%rdx\n orq %%rdx, %%rax\n"
                         "movq $0x1111111111111111, %%rdx\n xorq %%r8, %%rdx\n orq %%rdx, %%rax\n"
                         : "=&a"(wrong)
                         :
                         : "rcx", "rdx", "r8", "r9", "r12", "r15", "xmm0", "xmm7", "xmm15", "cc");
        shared->wrong += wrong != 0;
        shared->rounds += 1;
    }
}

static void victim_start(void)
{
    ipc_peer_create(&victim, victim_run, true);
    CHECK_EQ(task_priority(victim.task, WORSE, TRUE), KERN_SUCCESS);
    CHECK_EQ(thread_resume(victim.thread), KERN_SUCCESS);
}

static void victim_end(void)
{
    uint64_t before = shared->rounds;
    struct timespec pause = {0, 1000000};

    for (unsigned i = 0; i < 10000 && shared->rounds == before; i++) {
        nanosleep(&pause, NULL);
    }
    CHECK(shared->rounds != before); /* it still runs */
    CHECK_EQ(shared->wrong, 0);
    ipc_peer_end(&victim);
}

/* --- the timer --- */

static void timer_begin(void)
{
    vm_address_t at = 0, page = 0;

    CHECK_EQ(hardware_map(hardware(), mach_task_self(), HPET_ADDRESS, IPC_PAGE_SIZE,
                          HARDWARE_CACHE_NONE, &at),
             KERN_SUCCESS);
    hpet = (volatile uint32_t *)at;
    CHECK((hpet[HPET_TIMER + 1] & 1u << PIN) != 0);
    route = PIN << 9;
    hpet[HPET_TIMER] = HPET_TIMER_ONCE & ~4u;
    hpet[HPET_CONFIGURATION] = HPET_ENABLE;
    CHECK_EQ(hardware_irq_create(hardware(), LINE, &irq), KERN_SUCCESS);
    CHECK_EQ(vm_allocate(mach_task_self(), &page, IPC_PAGE_SIZE, TRUE), KERN_SUCCESS);
    CHECK_EQ(vm_inherit(mach_task_self(), page, IPC_PAGE_SIZE, VM_INHERIT_SHARE), KERN_SUCCESS);
    shared = (volatile struct shared *)page;
    shared->rounds = 0;
}

static void timer_end(void)
{
    hpet[HPET_TIMER] = 0;
    ipc_drop(irq);
    vm_deallocate(mach_task_self(), (vm_address_t)shared, IPC_PAGE_SIZE);
    vm_deallocate(mach_task_self(), (vm_address_t)hpet, IPC_PAGE_SIZE);
}

static void timer_once(uint32_t ticks)
{
    hpet[HPET_TIMER] = HPET_TIMER_ONCE | route;
    hpet[HPET_COMPARATOR] = hpet[HPET_COUNTER] + ticks;
}

static void timer_repeat(uint32_t ticks)
{
    hpet[HPET_TIMER] = HPET_TIMER_REPEAT | route;
    hpet[HPET_COMPARATOR] = hpet[HPET_COUNTER] + ticks;
    hpet[HPET_COMPARATOR] = ticks;
}

static void pause_ms(long ms)
{
    struct timespec pause = {0, ms * 1000000};

    nanosleep(&pause, NULL);
}

/* --- the driver --- */

/* What is as it should be of a message: the number of it. */
static uint32_t told(const struct ipc_message *m, uint64_t local, uint32_t type)
{
    static const uint8_t fill[64] = {[0 ... 63] = FILL};
    const uint64_t *words = (const uint64_t *)m;

    return (m->head.msgh_bits == MACH_MSGH_BITS(0, type)) + (m->head.msgh_size == SIZE) +
           (words[1] == 0) + (words[2] == local) + (m->head.msgh_id == 100) +
           (words[4] == (0x20002002u | 1ul << 32)) + (words[5] == ID) +
           (memcmp((const char *)m + SIZE, fill, sizeof(fill)) == 0);
}
#define ALL_TOLD 8u

/* One interrupt, that finds the driver waiting (for `from`, which port is or is in), or not.
 * Returns its number. */
static uint32_t driver_take(mach_port_t port, mach_port_t from, struct ipc_message *m, bool waits)
{
    CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS);
    memset(m, FILL, 256);
    timer_once(waits ? WAITING : US);
    if (!waits) {
        pause_ms(3);
    }
    CHECK_EQ(mach_msg_trap(&m->head, MACH_RCV_MSG, 0, 4096, from, 0, MACH_PORT_NULL),
             MACH_MSG_SUCCESS);
    return m->head.msgh_seqno;
}

/* Some by each way, at the port alone and in a set, with its name and with a payload. */
static void driver_take_all(struct ipc_message *m)
{
    mach_port_t port = ipc_receive_right(), set = ipc_set();

    for (uint32_t i = 0; i < 16; i++) {
        bool in_set = i >= 8;
        uint64_t local = i % 8 < 4 ? port : 0x123456789abcdefu;
        uint32_t type = i % 8 < 4 ? MACH_MSG_TYPE_PORT_SEND_ONCE : MACH_MSG_TYPE_PROTECTED_PAYLOAD;
        uint32_t expected;

        if (i % 8 == 4) {
            CHECK_EQ(mach_port_set_protected_payload(mach_task_self(), port, local), KERN_SUCCESS);
        } else if (i == 8) {
            CHECK_EQ(mach_port_clear_protected_payload(mach_task_self(), port), KERN_SUCCESS);
            CHECK_EQ(mach_port_move_member(mach_task_self(), port, set), KERN_SUCCESS);
        }
        expected = ipc_status(port).mps_seqno;
        CHECK_EQ(driver_take(port, in_set ? set : port, m, i % 2 == 0), expected);
        CHECK_EQ(told(m, local, type), ALL_TOLD);
        CHECK_EQ(ipc_status(port).mps_sorights, 0);
    }
    ipc_drop(set);
    ipc_drop(port);
}

TEST(the_message_is_the_same_whether_the_driver_waits_or_not)
{
    struct ipc_message *m = (struct ipc_message *)ipc_pages(2);

    timer_begin();
    driver_take_all(m); /* the processor idles */
    victim_start();
    driver_take_all(m);
    driver_take_all((struct ipc_message *)((char *)m + IPC_PAGE_SIZE - 40)); /* in two pages */
    driver_take_all((struct ipc_message *)((char *)m + 4));                  /* by no short way */
    victim_end();
    timer_end();
    vm_deallocate(mach_task_self(), (vm_address_t)m, 2 * IPC_PAGE_SIZE);
}

TEST(what_is_interrupted_goes_on_as_it_was)
{
    mach_port_t port = ipc_receive_right();
    struct ipc_message *m = calloc(1, sizeof(*m));
    uint32_t number = 0;

    timer_begin();
    victim_start();
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct i386_thread_state state;
        mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;

        CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS);
        timer_once(SOON + i % 50 * US);
        CHECK_EQ(mach_msg_trap(&m->head, MACH_RCV_MSG, 0, sizeof(*m), port, 0, MACH_PORT_NULL),
                 MACH_MSG_SUCCESS);
        CHECK_EQ(m->head.msgh_seqno, number++);
        if (i % 4 == 0) { /* stopped where it was interrupted */
            CHECK_EQ(thread_suspend(victim.thread), KERN_SUCCESS);
            CHECK_EQ(
                thread_get_state(victim.thread, i386_THREAD_STATE, (thread_state_t)&state, &count),
                KERN_SUCCESS);
            CHECK_EQ(thread_resume(victim.thread), KERN_SUCCESS);
        }
    }
    victim_end();
    timer_end();
    ipc_drop(port);
    free(m);
}

TEST(a_driver_with_io_ports_has_them_when_it_is_told)
{
    mach_port_t port = ipc_receive_right(), range;
    struct ipc_message *m = calloc(1, sizeof(*m));

    timer_begin();
    victim_start();
    CHECK_EQ(i386_io_perm_create(hardware(), POST, POST, &range), KERN_SUCCESS);
    CHECK_EQ(i386_io_perm_modify(mach_task_self(), range, TRUE), KERN_SUCCESS);
    for (unsigned i = 0; i < 20; i++) {
        driver_take(port, port, m, true);
        __asm__ volatile("outb %%al, %0"
                         :
                         : "N"(POST), "a"(0)); /* an exception without the right */
    }
    CHECK_EQ(i386_io_perm_modify(mach_task_self(), range, FALSE), KERN_SUCCESS);
    victim_end();
    timer_end();
    ipc_drop(range);
    ipc_drop(port);
    free(m);
}

TEST(a_buffer_that_is_not_there_or_not_writable_is_as_for_any_message)
{
    mach_port_t port = ipc_receive_right();
    vm_address_t fresh = 0;
    struct ipc_message *m;

    timer_begin();
    victim_start();
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(vm_allocate(mach_task_self(), &fresh, IPC_PAGE_SIZE, TRUE), KERN_SUCCESS);
        m = (struct ipc_message *)fresh;
        CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS);
        timer_once(WAITING);
        CHECK_EQ(mach_msg_trap(&m->head, MACH_RCV_MSG, 0, 128, port, 0, MACH_PORT_NULL),
                 MACH_MSG_SUCCESS);
        CHECK_EQ(m->head.msgh_id, 100);
        CHECK_EQ(vm_protect(mach_task_self(), fresh, IPC_PAGE_SIZE, FALSE, VM_PROT_READ),
                 KERN_SUCCESS);
        CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS);
        timer_once(WAITING);
        CHECK_EQ(mach_msg_trap(&m->head, MACH_RCV_MSG, 0, 128, port, 0, MACH_PORT_NULL),
                 MACH_RCV_INVALID_DATA);
        vm_deallocate(mach_task_self(), fresh, IPC_PAGE_SIZE);
    }
    victim_end();
    timer_end();
    ipc_drop(port);
}

TEST(a_receive_that_asks_for_more_is_told_as_well)
{
    static struct test_message m;
    mach_port_t port = ipc_receive_right();

    timer_begin();
    victim_start();
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS);
        timer_once(WAITING);
        CHECK_EQ(test_receive(port, &m, i % 2 == 0 ? 0 : MACH_RCV_LARGE, 2000), MACH_MSG_SUCCESS);
        CHECK_EQ(m.head.msgh_id, 100);
    }
    CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS);
    timer_once(WAITING); /* no room for it */
    CHECK_EQ(mach_msg_trap(&m.head, MACH_RCV_MSG, 0, SIZE - 8, port, 0, MACH_PORT_NULL),
             MACH_RCV_TOO_LARGE);
    victim_end();
    timer_end();
    ipc_drop(port);
}

TEST(interrupts_that_nobody_waits_for_are_one)
{
    static struct test_message m;
    mach_port_t port = ipc_receive_right();

    timer_begin();
    victim_start();
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS);
        timer_repeat(50 * US);
        pause_ms(20);
        CHECK_EQ(test_receive(port, &m, 0, 2000), MACH_MSG_SUCCESS);
        CHECK_EQ(test_receive(port, &m, 0, 5), MACH_RCV_TIMED_OUT);
        CHECK_EQ(irq_wait(irq, ID, port), KERN_SUCCESS); /* the one that was kept */
        hpet[HPET_TIMER] = 0;
        CHECK_EQ(test_receive(port, &m, 0, 2000), MACH_MSG_SUCCESS);
    }
    victim_end();
    timer_end();
    ipc_drop(port);
}

/* --- threads that come and go --- */

struct driver {
    mach_port_t port;
    pthread_t thread;
    mach_port_t name; /* of the thread */
    uint32_t asked, told, interrupted, wrong;
    bool stop;
};

/* Ask, wait until told, for ever. */
static void *driver_run(void *argument)
{
    struct driver *d = argument;
    struct ipc_message *m = calloc(1, sizeof(*m));

    __atomic_store_n(&d->name, mach_thread_self(), __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&d->stop, __ATOMIC_SEQ_CST)) {
        kern_return_t kr = irq_wait(irq, ID, d->port);
        mach_msg_return_t mr;

        if (kr != KERN_SUCCESS && kr != KERN_RESOURCE_SHORTAGE) {
            continue; /* aborted before it had asked, or after: then it has */
        }
        d->asked += 1;
        do {
            mr = mach_msg_trap(&m->head, MACH_RCV_MSG, 0, sizeof(*m), d->port, 0, MACH_PORT_NULL);
            d->interrupted += mr == MACH_RCV_INTERRUPTED;
        } while (mr == MACH_RCV_INTERRUPTED);
        d->told += mr == MACH_MSG_SUCCESS && m->head.msgh_id == 100;
        d->wrong += m->head.msgh_seqno != d->told - 1;
    }
    free(m);
    return NULL;
}

TEST(an_aborted_receive_loses_no_interrupt)
{
    struct driver d = {.port = ipc_receive_right()};

    timer_begin();
    victim_start();
    CHECK_EQ(pthread_create(&d.thread, NULL, driver_run, &d), 0);
    while (__atomic_load_n(&d.name, __ATOMIC_SEQ_CST) == MACH_PORT_NULL) {
        pause_ms(1);
    }
    timer_repeat(97 * US);
    for (unsigned i = 0; i < 300; i++) {
        struct timespec pause = {0, 100000 + i % 7 * 31000};

        nanosleep(&pause, NULL);
        CHECK_EQ(thread_abort(d.name), KERN_SUCCESS);
    }
    __atomic_store_n(&d.stop, true, __ATOMIC_SEQ_CST);
    pthread_join(d.thread, NULL);
    hpet[HPET_TIMER] = 0;
    CHECK(d.told > 0);
    CHECK_EQ(d.told, d.asked);
    CHECK_EQ(d.wrong, 0);
    victim_end();
    timer_end();
    ipc_drop(d.port);
}

/* A driver in a task of its own, which is asked for. */
static void child_run(mach_port_t service)
{
    static struct ipc_message m;

    for (;;) {
        mach_msg_return_t mr = mach_msg_trap(&m.head, MACH_RCV_MSG, 0, sizeof(m), service, 0, 0);

        shared->told += mr == MACH_MSG_SUCCESS && m.head.msgh_id == 100;
    }
}

/* irq_wait with a right to the child's port. */
static kern_return_t child_ask(const struct ipc_peer *child)
{
    static struct ipc_message m;
    mach_msg_type_name_t type;
    mach_port_t once;

    CHECK_EQ(mach_port_extract_right(child->task, child->service, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                     &once, &type),
             KERN_SUCCESS);
    ipc_begin(&m, irq, MACH_MSG_TYPE_COPY_SEND, IRQ_WAIT_ID);
    attack_add_number(&m, MACH_MSG_TYPE_INTEGER_32, 32, ID);
    ipc_add_ports(&m, &once, 1, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    return attack_call(&m);
}

TEST(a_driver_killed_at_that_moment_is_replaced)
{
    unsigned told = 0;

    timer_begin();
    victim_start();
    for (unsigned i = 0; i < CHILDREN; i++) {
        struct timespec pause = {0, 50000};
        struct ipc_peer child;

        shared->told = 0;
        ipc_peer_start(&child, child_run, true);
        CHECK_EQ(child_ask(&child), KERN_SUCCESS);
        timer_once(10 * US + i * 7 * US);
        nanosleep(&pause, NULL);
        for (unsigned tries = 0; i % 4 == 0 && shared->told == 0 && tries < 2000; tries++) {
            pause_ms(1);
        }
        ipc_peer_end(&child);
        CHECK(i % 4 != 0 || shared->told == 1);
        CHECK(shared->told <= 1);
        told += (unsigned)shared->told;
    }
    CHECK(told >= CHILDREN / 4);
    victim_end();
    timer_end();
}

TEST(all_who_share_a_line_are_told)
{
    struct driver d = {.port = ipc_receive_right()};
    mach_port_t other, port = ipc_receive_right();
    struct ipc_message *m = calloc(1, sizeof(*m));

    timer_begin();
    victim_start();
    CHECK_EQ(hardware_irq_create(hardware(), LINE, &other), KERN_SUCCESS);
    CHECK_EQ(pthread_create(&d.thread, NULL, driver_run, &d), 0);
    /* The thread may not have asked again when the line next goes up: then it is not told. */
    for (unsigned i = 0; i < MOST_ROUNDS && __atomic_load_n(&d.told, __ATOMIC_SEQ_CST) < ROUNDS;
         i++) {
        CHECK_EQ(irq_wait(other, ID, port), KERN_SUCCESS);
        timer_once(SOON);
        CHECK_EQ(mach_msg_trap(&m->head, MACH_RCV_MSG, 0, sizeof(*m), port, 0, MACH_PORT_NULL),
                 MACH_MSG_SUCCESS);
    }
    __atomic_store_n(&d.stop, true, __ATOMIC_SEQ_CST);
    timer_repeat(SOON);
    pthread_join(d.thread, NULL);
    hpet[HPET_TIMER] = 0;
    CHECK_EQ(d.told, d.asked);
    CHECK(d.told >= ROUNDS);
    victim_end();
    ipc_drop(other);
    timer_end();
    ipc_drop(port);
    ipc_drop(d.port);
    free(m);
}
