/* attack_race_test.c - M5 "lock or race on setting and getting special ports and exception ports"
 * (CVE-2016-7644: two threads each dropped the right they had both found in the same place).
 *
 * The attacker sets, gets and replaces special ports of tasks and threads from several threads, on
 * tasks and threads that end meanwhile. Each right must be dropped once and none be kept by what is
 * gone: who reads gets a right that was set, or none, and a task or thread that ends refuses
 * (KERN_FAILURE, or as a port that is no such object any more). */
#include <mach.h>
#include <mach_port.h>

#include "lib/attack.h"

#define ROUNDS 500

static mach_port_t self(void)
{
    return mach_task_self();
}

/* The ports a place may hold. */
static mach_port_t ports[2];

static void make_ports(void)
{
    ports[0] = test_port();
    ports[1] = test_port();
}

/* All rights but this task's own have been given back. */
static void check_ports(void)
{
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(attack_send_rights(ports[i]), 1);
        CHECK_EQ(ipc_refs(ports[i], MACH_PORT_RIGHT_SEND), 1);
        ipc_drop(ports[i]);
    }
}

/* What was read is one of them or none. */
static void check_read(mach_port_t port)
{
    CHECK(port == ports[0] || port == ports[1] || port == MACH_PORT_NULL);
    if (port != MACH_PORT_NULL) {
        CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
    }
}

/* h->port is the task, or the thread, whose port is set. */
static void set_of_task(struct attack_hammer *h)
{
    task_set_special_port(h->port, TASK_EXCEPTION_PORT,
                          h->blows % 3 == 0 ? 0 : ports[h->blows % 2]);
}

static void set_of_thread(struct attack_hammer *h)
{
    thread_set_special_port(h->port, THREAD_EXCEPTION_PORT,
                            h->blows % 3 == 0 ? 0 : ports[h->blows % 2]);
}

TEST(m5_a_port_of_a_task_that_many_set_and_read_keeps_its_counts)
{
    struct attack_hammer hammers[3];
    mach_port_t port = MACH_PORT_NULL;

    make_ports();
    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = set_of_task, .port = self()};
    }
    attack_start(hammers, 3);
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(task_get_special_port(self(), TASK_EXCEPTION_PORT, &port), KERN_SUCCESS);
        check_read(port);
    }
    attack_stop(hammers, 3);
    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL), KERN_SUCCESS);
    check_ports();
}

TEST(m5_a_port_of_a_thread_that_many_set_and_read_keeps_its_counts)
{
    struct attack_hammer hammers[3];
    mach_port_t thread = (mach_thread_self)(), port = MACH_PORT_NULL;

    make_ports();
    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = set_of_thread, .port = thread};
    }
    attack_start(hammers, 3);
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(thread_get_special_port(thread, THREAD_EXCEPTION_PORT, &port), KERN_SUCCESS);
        check_read(port);
    }
    attack_stop(hammers, 3);
    CHECK_EQ(thread_set_special_port(thread, THREAD_EXCEPTION_PORT, MACH_PORT_NULL), KERN_SUCCESS);
    check_ports();
    CHECK_EQ(mach_port_deallocate(self(), thread), KERN_SUCCESS);
}

/* Set the port of the task *h->word names until that is refused. */
static void set_of_victim(struct attack_hammer *h)
{
    kern_return_t kr = task_set_special_port(*h->word, TASK_EXCEPTION_PORT, ports[h->blows % 2]);

    h->hits += kr == KERN_SUCCESS;
    CHECK(kr == KERN_SUCCESS || kr == KERN_FAILURE || kr == KERN_INVALID_ARGUMENT ||
          kr == MACH_SEND_INVALID_DEST || kr == MIG_SERVER_DIED);
}

TEST(m5_a_task_that_ends_keeps_no_port_that_is_set_meanwhile)
{
    volatile mach_port_t victim = MACH_PORT_NULL;
    struct attack_hammer hammers[3];

    make_ports();
    CHECK_EQ(task_create(self(), FALSE, (mach_port_t *)&victim), KERN_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = set_of_victim, .word = &victim};
    }
    attack_start(hammers, 3);
    for (unsigned i = 0; i < 40; i++) {
        mach_port_t old = victim, fresh = MACH_PORT_NULL;

        CHECK_EQ(task_create(self(), FALSE, &fresh), KERN_SUCCESS);
        CHECK_EQ(task_terminate(old), KERN_SUCCESS);
        victim = fresh;
        CHECK_EQ(mach_port_deallocate(self(), old), KERN_SUCCESS);
    }
    attack_stop(hammers, 3);
    CHECK_EQ(task_terminate(victim), KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), victim), KERN_SUCCESS);
    check_ports();
}

static void set_of_ending_thread(struct attack_hammer *h)
{
    h->hits += thread_set_special_port(*h->word, THREAD_EXCEPTION_PORT, ports[h->blows % 2]) ==
               KERN_SUCCESS;
}

TEST(m5_a_thread_that_ends_keeps_no_port_that_is_set_meanwhile)
{
    volatile mach_port_t victim = MACH_PORT_NULL;
    struct attack_hammer hammers[3];

    make_ports();
    CHECK_EQ(thread_create(self(), (mach_port_t *)&victim), KERN_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = set_of_ending_thread, .word = &victim};
    }
    attack_start(hammers, 3);
    for (unsigned i = 0; i < 40; i++) {
        mach_port_t old = victim, fresh = MACH_PORT_NULL;

        CHECK_EQ(thread_create(self(), &fresh), KERN_SUCCESS);
        CHECK_EQ(thread_terminate(old), KERN_SUCCESS);
        victim = fresh;
        CHECK_EQ(mach_port_deallocate(self(), old), KERN_SUCCESS);
    }
    attack_stop(hammers, 3);
    CHECK_EQ(thread_terminate(victim), KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), victim), KERN_SUCCESS);
    check_ports();
}

/* Put the exception port aside, die of nothing, and read back: the rights that come back are of the
 * ports that went in, whatever dies between. */
static void kill_ports(struct attack_hammer *h)
{
    mach_port_t port = test_port();

    task_set_special_port(self(), TASK_EXCEPTION_PORT, port);
    ipc_drop(port);
    (void)h;
}

TEST(m5_a_port_that_dies_where_it_is_set_reads_as_none_or_dead)
{
    struct attack_hammer hammers[2];
    mach_port_t port = MACH_PORT_NULL;

    for (unsigned i = 0; i < 2; i++) {
        hammers[i] = (struct attack_hammer){.blow = kill_ports};
    }
    attack_start(hammers, 2);
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(task_get_special_port(self(), TASK_EXCEPTION_PORT, &port), KERN_SUCCESS);
        if (MACH_PORT_VALID(port)) {
            mach_port_deallocate(self(), port); /* may have been dropped with its last name */
        }
    }
    attack_stop(hammers, 2);
    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL), KERN_SUCCESS);
}
