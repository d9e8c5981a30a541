/* pager_hostile_test.c - pagers that misbehave: P1 to P7 of Young et al. (1987), "The Duality of
 * Memory and Communication", section 6. One that never returns data, does not free what it was
 * given back, floods memory, changes data, backs its own memory, ends in the middle of a request.
 * Whoever uses such memory gets an exception in time, and nobody else notices. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <stdlib.h>
#include <string.h>

#include "lib/puppet.h"
#include "lib/peer.h"

static mach_port_t self(void)
{
    return mach_task_self();
}

static void unmap(uint8_t *at, unsigned pages)
{
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)at, pages * PUPPET_PAGE), KERN_SUCCESS);
}

static int64_t free_pages(void)
{
    portolan_counts_t counts;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(host_object_counts(mach_host_self(), counts, &n), KERN_SUCCESS);
    return counts[PORTOLAN_COUNT_FREE_PAGES];
}

/* How long this thread waits for pagers; 0: as long as usual. */
static void set_patience(unsigned timeout_ms)
{
    mach_port_t thread = (mach_thread_self)();

    CHECK_EQ(thread_set_memory_timeout(thread, timeout_ms), KERN_SUCCESS);
    mach_port_deallocate(self(), thread);
}

/* --- pagers that are tasks of their own --- */

/* Receives one message, then nothing any more. */
static void takes_one(mach_port_t service)
{
    static uint8_t buffer[4096];

    mach_msg_trap((mach_msg_header_t *)buffer, MACH_RCV_MSG, 0, sizeof(buffer), service, 0, 0);
    ipc_peer_idle();
}

/* Map an object whose pager is a task of its own, which has taken memory_object_init. */
static uint8_t *map_from_peer(struct ipc_peer *peer, ipc_peer_function function)
{
    vm_address_t at = 0;

    ipc_peer_start(peer, function, true);
    CHECK_EQ(vm_map(self(), &at, 4 * PUPPET_PAGE, 0, 1, peer->service, 0, false,
                    VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL, VM_INHERIT_NONE),
             KERN_SUCCESS);
    return (uint8_t *)at;
}

TEST(a_pager_s_task_that_ends_costs_its_clients_an_exception)
{
    struct ipc_peer peer;
    struct toucher touchers[4];
    uint8_t *at = map_from_peer(&peer, takes_one);

    for (unsigned i = 0; i < 4; i++) {
        toucher_start(&touchers[i], at + i * PUPPET_PAGE, false, 0, 0);
        CHECK(ipc_wait_blocked(touchers[i].port));
    }
    CHECK_EQ(task_terminate(peer.task), KERN_SUCCESS);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(toucher_end(&touchers[i]), KERN_MEMORY_ERROR);
    }
    mach_port_destroy(self(), peer.task);
    mach_port_destroy(self(), peer.thread);
    mach_port_destroy(self(), peer.service);
    unmap(at, 4);
}

TEST(a_pager_that_is_suspended_costs_its_clients_an_exception)
{
    struct ipc_peer peer;
    uint8_t *at = map_from_peer(&peer, takes_one);

    CHECK_EQ(task_suspend(peer.task), KERN_SUCCESS);
    CHECK_EQ(toucher_touch(at, true, 1, 50), KERN_MEMORY_ERROR);
    CHECK_EQ(task_resume(peer.task), KERN_SUCCESS);
    ipc_peer_end(&peer);
    unmap(at, 4);
}

/* --- pagers that wait for themselves (P5) --- */

TEST(a_pager_that_touches_its_own_memory_gets_an_exception)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    /* This thread is the one that would answer. */
    CHECK_EQ(toucher_touch(at, true, 1, 50), KERN_MEMORY_ERROR);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    /* And it receives into its own memory: the message is lost, the thread is not. */
    CHECK_EQ(test_send(pager.object, MACH_PORT_NULL, 1, 0, 0), MACH_MSG_SUCCESS);
    set_patience(50);
    CHECK_EQ(mach_msg((mach_msg_header_t *)at, MACH_RCV_MSG, 0, 4000, pager.object, 0, 0),
             MACH_RCV_INVALID_DATA);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    /* It supplies its own memory with its own memory. */
    CHECK_EQ(memory_object_data_supply(pager.control, 0, (vm_offset_t)at + PUPPET_PAGE, PUPPET_PAGE,
                                       false, VM_PROT_NONE, false, MACH_PORT_NULL),
             MACH_SEND_INVALID_MEMORY);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    set_patience(0);
    puppet_end(&pager, at, 4);
}

TEST(two_pagers_that_need_each_other_get_exceptions)
{
    struct puppet left, right;
    struct puppet_message m;
    struct toucher touchers[2];
    uint8_t *l = puppet_map(&left, 4, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *r = puppet_map(&right, 4, false, MEMORY_OBJECT_COPY_NONE);

    /* Each one's thread needs a page of the other before it answers. */
    toucher_start(&touchers[0], r, false, 0, 100);
    toucher_start(&touchers[1], l, false, 0, 100);
    CHECK_EQ(toucher_end(&touchers[0]), KERN_MEMORY_ERROR);
    CHECK_EQ(toucher_end(&touchers[1]), KERN_MEMORY_ERROR);
    puppet_expect(&left, PUPPET_DATA_REQUEST, &m);
    puppet_expect(&right, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(puppet_touch(&left, l, false, 0, 0, 1), 1);
    puppet_end(&left, l, 4);
    puppet_end(&right, r, 4);
}

/* --- queues --- */

TEST(a_pager_that_never_receives_costs_its_clients_an_exception)
{
    static struct toucher touchers[20];
    struct puppet pager;
    struct puppet_message m;
    unsigned asked = 0;
    uint8_t *at = puppet_map(&pager, 40, false, MEMORY_OBJECT_COPY_NONE);

    for (unsigned i = 0; i < 20; i++) {
        toucher_start(&touchers[i], at + (39 - 2 * i) * PUPPET_PAGE, false, 0, 100);
    }
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(toucher_end(&touchers[i]), KERN_MEMORY_ERROR);
    }
    CHECK(ipc_status(pager.object).mps_msgcount <= ipc_status(pager.object).mps_qlimit);
    do {
        puppet_receive(pager.object, &m, 0);
        mach_port_deallocate(self(), m.control);
        asked += m.id == PUPPET_DATA_REQUEST;
    } while (m.id != 0);
    CHECK(asked > 0);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 3), 3);
    puppet_end(&pager, at, 40);
}

TEST(maps_a_full_queue_refuses_add_nothing_to_it)
{
    struct puppet pager = {.object = test_port()};
    vm_address_t at = 0;

    CHECK_EQ(mach_port_set_qlimit(self(), pager.object, 1), KERN_SUCCESS);
    CHECK_EQ(test_send(pager.object, MACH_PORT_NULL, 1, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    set_patience(1);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(vm_map(self(), &at, PUPPET_PAGE, 0, 1, pager.object, 0, false, VM_PROT_READ,
                        VM_PROT_READ, VM_INHERIT_NONE),
                 KERN_MEMORY_ERROR);
    }
    set_patience(0);
    ipc_pause_ms(20);
    CHECK_EQ(ipc_status(pager.object).mps_msgcount, 1);
    puppet_destroy(&pager);
}

TEST(a_pager_that_dies_with_pages_in_its_queue_gives_them_back)
{
    struct puppet pager;
    int64_t before;
    uint8_t *at = puppet_map(&pager, 256, false, MEMORY_OBJECT_COPY_NONE);

    before = free_pages();
    puppet_supply(&pager, 0, 256, 1);
    memset(at, 2, 256 * PUPPET_PAGE);
    unmap(at, 256);
    for (unsigned i = 0; i < 500 && ipc_status(pager.object).mps_msgcount < 17; i++) {
        ipc_pause_ms(2);
    }
    CHECK_EQ(ipc_status(pager.object).mps_msgcount, 17);
    CHECK(free_pages() < before - 200);
    puppet_destroy(&pager);
    for (unsigned i = 0; i < 500 && free_pages() < before - 30; i++) {
        ipc_pause_ms(2);
    }
    CHECK(free_pages() >= before - 30);
}

TEST(a_pager_that_keeps_what_it_was_given_has_it_on_its_own_account)
{
    struct puppet pager;
    int64_t before = free_pages();
    uint8_t *at = puppet_map(&pager, 64, false, MEMORY_OBJECT_COPY_NONE);
    struct puppet_message m;

    for (unsigned round = 0; round < 8; round++) { /* P2: flushed, and never freed */
        puppet_supply(&pager, 0, 64, 1);
        memset(at, 2, 64 * PUPPET_PAGE);
        puppet_lock(&pager, 0, 64, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    }
    CHECK_EQ(ipc_status(pager.object).mps_msgcount, 8 * 5);
    for (unsigned i = 0; i < 8 * 5; i++) {
        puppet_receive(pager.object, &m, 0);
        mach_port_deallocate(self(), m.control);
        if (m.id == PUPPET_DATA_RETURN) {
            CHECK_EQ(vm_deallocate(self(), (vm_address_t)m.data, m.length), KERN_SUCCESS);
        }
    }
    puppet_end(&pager, at, 64);
    CHECK(free_pages() > before - 100);
}

/* --- floods (P3) --- */

TEST(pages_nobody_asked_for_leave_memory_for_others)
{
    struct puppet pager;
    vm_statistics_data_t statistics;
    unsigned taken = 0, total = 0;
    vm_address_t memory = 0;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *big = puppet_map_again(&pager, 0, 1u << 20, false);

    CHECK_EQ(vm_statistics(self(), &statistics), KERN_SUCCESS);
    total = (unsigned)(statistics.free_count + statistics.active_count + statistics.wire_count);
    for (unsigned i = 0; i < total; i += 512) {
        puppet_supply(&pager, i * PUPPET_PAGE, 512, 1);
        taken += 512;
    }
    CHECK(taken >= total);
    CHECK(free_pages() > total / 16);
    CHECK_EQ(vm_allocate(self(), &memory, 1 << 20, true), KERN_SUCCESS);
    memset((void *)memory, 1, 1 << 20);
    vm_deallocate(self(), memory, 1 << 20);
    unmap(big, 1u << 20);
    puppet_end(&pager, at, 1);
}

/* --- data that changes (P4) --- */

TEST(data_that_changes_between_two_requests_is_the_client_s_risk_only)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, (int)i), i);
        puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_NONE, true, VM_PROT_NO_CHANGE);
        puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &m);
    }
    puppet_end(&pager, at, 1);
}

/* --- ports that die while they are mapped --- */

static mach_port_t volatile dying;

static void *map_the_dying(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 400; i++) {
        vm_address_t at = 0;
        kern_return_t kr = vm_map(self(), &at, PUPPET_PAGE, 0, 1, dying, 0, false, VM_PROT_READ,
                                  VM_PROT_READ, VM_INHERIT_NONE);

        if (kr == KERN_SUCCESS) {
            unmap((uint8_t *)at, 1);
        }
    }
    return NULL;
}

TEST(a_port_may_die_while_it_is_mapped_for_the_first_time)
{
    pthread_t threads[2];

    dying = test_port();
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, map_the_dying, NULL), 0);
    }
    for (unsigned i = 0; i < 400; i++) {
        mach_port_t old = dying;

        swtch();
        dying = test_port();
        ipc_drop(old);
    }
    ipc_drop(dying);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

/* --- all at once --- */

#define HOSTILE_PAGES 32

/* A pager that does something at random with each message, and a client that reads. */
struct hostile {
    struct puppet pager;
    uint8_t *at;
    uint32_t seed;
    unsigned pause_ms; /* of the client between two reads */
    pthread_t threads[2];
    unsigned reads, messages;
};

static volatile bool hostility;

static unsigned hostile_random(struct hostile *hostile, unsigned below)
{
    hostile->seed = hostile->seed * 1664525 + 1013904223;
    return (hostile->seed >> 8) % below;
}

static void hostile_answer(struct hostile *hostile, const struct puppet_message *m)
{
    struct puppet *pager = &hostile->pager;
    vm_offset_t offset = hostile_random(hostile, HOSTILE_PAGES) * PUPPET_PAGE;

    switch (hostile_random(hostile, 12)) {
    case 0:
    case 1:
    case 2:
        puppet_supply(pager, m->offset, 1 + hostile_random(hostile, 4), 1);
        break;
    case 3:
        puppet_supply_as(pager, offset, 1, 1, VM_PROT_ALL, true);
        break;
    case 4:
        puppet_supply(pager, offset + 1, 1, 1);
        break;
    case 5:
        memory_object_data_error(pager->control, m->offset, m->length, 77);
        break;
    case 6:
        memory_object_data_unavailable(pager->control, offset, 8 * PUPPET_PAGE);
        break;
    case 7:
        puppet_lock(pager, 0, HOSTILE_PAGES, (int)hostile_random(hostile, 4), true, VM_PROT_WRITE);
        break;
    case 8:
        puppet_lock(pager, offset, 4, MEMORY_OBJECT_RETURN_ALL, false,
                    (vm_prot_t)hostile_random(hostile, 10));
        break;
    case 9:
        memory_object_change_attributes(pager->control, hostile_random(hostile, 2),
                                        (int)hostile_random(hostile, 5), pager->object);
        break;
    default:
        break; /* P1 */
    }
}

static void *hostile_serve(void *argument)
{
    struct hostile *hostile = argument;

    while (hostility) {
        struct puppet_message m;

        puppet_receive(hostile->pager.object, &m, 20 + hostile->pause_ms);
        hostile->messages += m.id != 0;
        if (m.data != NULL) {
            vm_deallocate(self(), (vm_address_t)m.data, m.length);
        }
        if (m.id == 0 || m.id == PUPPET_DATA_REQUEST || m.id == PUPPET_DATA_UNLOCK) {
            hostile_answer(hostile, &m);
        }
        if (m.control != MACH_PORT_NULL) {
            mach_port_deallocate(self(), m.control);
        }
    }
    return NULL;
}

static void *hostile_read(void *argument)
{
    struct hostile *hostile = argument;
    struct hostile dice = {.seed = hostile->seed + 1};

    set_patience(20);
    for (; hostility; ipc_pause_ms(hostile->pause_ms)) {
        uint8_t *at = hostile->at + hostile_random(&dice, HOSTILE_PAGES - 4) * PUPPET_PAGE;
        uint8_t byte = 1;
        mach_msg_type_number_t count;
        pointer_t data;

        if (vm_read(self(), (vm_address_t)at, (1 + hostile_random(&dice, 4)) * PUPPET_PAGE, &data,
                    &count) == KERN_SUCCESS) {
            hostile->reads++;
            vm_deallocate(self(), data, count);
        }
        vm_write(self(), (vm_address_t)at, (pointer_t)&byte, 1);
    }
    return NULL;
}

static void hostile_start(struct hostile *hostile, uint32_t seed, unsigned pause_ms)
{
    static const int strategies[] = {MEMORY_OBJECT_COPY_NONE, MEMORY_OBJECT_COPY_DELAY,
                                     MEMORY_OBJECT_COPY_TEMPORARY};
    pthread_attr_t attributes;

    *hostile = (struct hostile){.seed = seed, .pause_ms = pause_ms};
    hostile->at = puppet_map(&hostile->pager, HOSTILE_PAGES, seed % 2 == 0, strategies[seed % 3]);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    CHECK_EQ(pthread_create(&hostile->threads[0], &attributes, hostile_serve, hostile), 0);
    CHECK_EQ(pthread_create(&hostile->threads[1], &attributes, hostile_read, hostile), 0);
}

static void hostile_end(struct hostile *hostile)
{
    CHECK_EQ(pthread_join(hostile->threads[0], NULL), 0);
    CHECK_EQ(pthread_join(hostile->threads[1], NULL), 0);
    puppet_destroy(&hostile->pager);
    unmap(hostile->at, HOSTILE_PAGES);
}

TEST(pagers_that_do_anything_at_random_harm_nobody)
{
    struct hostile hostiles[6];
    unsigned reads = 0, messages = 0;

    hostility = true;
    for (unsigned i = 0; i < 6; i++) {
        hostile_start(&hostiles[i], i, 0);
    }
    ipc_pause_ms(1500);
    hostility = false;
    for (unsigned i = 0; i < 6; i++) {
        hostile_end(&hostiles[i]);
        reads += hostiles[i].reads;
        messages += hostiles[i].messages;
    }
    CHECK(reads > 10);
    CHECK(messages > 10);
}

static void *destroy_again_and_again(void *argument)
{
    struct puppet *pager = argument;

    while (hostility) {
        struct puppet_message m;

        puppet_receive(pager->object, &m, 1);
        if (m.id == PUPPET_INIT) {
            memory_object_ready(m.control, true, MEMORY_OBJECT_COPY_NONE);
        } else if (m.id == PUPPET_DATA_REQUEST) {
            memory_object_destroy(m.control, KERN_FAILURE);
        }
        if (m.control != MACH_PORT_NULL) {
            mach_port_destroy(self(), m.control);
            mach_port_destroy(self(), m.port);
        }
    }
    return NULL;
}

TEST(an_object_destroyed_in_the_middle_of_requests_harms_nobody)
{
    struct puppet pager;
    pthread_t thread;
    struct toucher touchers[6];

    puppet_create(&pager);
    hostility = true;
    CHECK_EQ(pthread_create(&thread, NULL, destroy_again_and_again, &pager), 0);
    for (unsigned round = 0; round < 15; round++) { /* P6 */
        uint8_t *at = puppet_map_again(&pager, 0, 6, false);

        for (unsigned i = 0; i < 6; i++) {
            toucher_start(&touchers[i], at + i * PUPPET_PAGE, false, 0, 1000);
        }
        for (unsigned i = 0; i < 6; i++) {
            CHECK_EQ(toucher_end(&touchers[i]), KERN_MEMORY_ERROR);
        }
        unmap(at, 6);
    }
    hostility = false;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    puppet_destroy(&pager);
}

/* --- and the others? --- */

#define SAMPLES  301
#define PAGERS   100
#define ATTEMPTS 3
/* What a child measured, in 1/16 of a power of two, as its exit status: twice as long is 16 more.
 */
#define TWICE      16
#define STATUS_MIN 8 /* 256 cycles and less */

static uint64_t cycles(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static int by_value(const void *left, const void *right)
{
    uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;

    return l < r ? -1 : l > r;
}

static _Noreturn void exit_with_median(uint64_t *samples)
{
    uint64_t median;
    unsigned power = 0;
    int status;

    qsort(samples, SAMPLES, sizeof(*samples), by_value);
    median = samples[SAMPLES / 2];
    while (median >> (power + 1) != 0) {
        power++;
    }
    status = (int)(power - STATUS_MIN) * 16 + (int)((median << 4 >> power) & 15);
    exit(status < 0 ? 0 : status > 255 ? 255 : status);
}

TEST_CHILD(measures_calls)
{
    static uint64_t samples[SAMPLES];
    static struct ipc_message m;
    struct ipc_peer peer;
    mach_port_t reply = ipc_receive_right();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t start = cycles();

        m.head.msgh_size = sizeof(m.head) + 16;
        ipc_rpc(&m, peer.service, reply);
        samples[i] = cycles() - start;
    }
    ipc_peer_end(&peer);
    exit_with_median(samples);
}

TEST_CHILD(measures_faults)
{
    static uint64_t samples[SAMPLES];
    uint8_t *memory = ipc_pages(SAMPLES);

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t start = cycles();

        memory[i * PUPPET_PAGE] = 1;
        samples[i] = cycles() - start;
    }
    exit_with_median(samples);
}

static int median_of(const char *child)
{
    return test_run_child(child) >> 8;
}

/* A machine that is itself virtual is given its memory when it touches it first, which takes time
 * that is not the pagers'. */
static void touch_free_memory(void)
{
    unsigned pages = (unsigned)free_pages() / 4 * 3;
    uint8_t *memory = ipc_pages(pages);

    for (unsigned i = 0; i < pages; i++) {
        memory[i * PUPPET_PAGE] = 1;
    }
    unmap(memory, pages);
}

TEST(a_hundred_hostile_pagers_do_not_slow_another_task_down)
{
    static struct hostile hostiles[PAGERS];
    int busy[2] = {255, 255};
    int quiet[2];

    touch_free_memory();
    quiet[0] = median_of("measures_calls");
    quiet[1] = median_of("measures_faults");
    hostility = true;
    for (unsigned i = 0; i < PAGERS; i++) {
        hostile_start(&hostiles[i], i, 50);
    }
    for (unsigned i = 0; i < ATTEMPTS; i++) { /* the machine may be shared with others */
        int calls = median_of("measures_calls"), faults = median_of("measures_faults");

        busy[0] = calls < busy[0] ? calls : busy[0];
        busy[1] = faults < busy[1] ? faults : busy[1];
        if (busy[0] <= quiet[0] + TWICE && busy[1] <= quiet[1] + TWICE) {
            break;
        }
    }
    hostility = false;
    for (unsigned i = 0; i < PAGERS; i++) {
        hostile_end(&hostiles[i]);
    }
    CHECK(busy[0] - quiet[0] <= TWICE);
    CHECK(busy[1] - quiet[1] <= TWICE);
}
