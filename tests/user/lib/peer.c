/* peer.c - see peer.h. */
#include "peer.h"

#include <mach.h>
#include <mach_port.h>
#include <portolan.h>

#define STACKS     4
#define STACK_SIZE 32768
#define END_TRIES  2000

static uint8_t peer_stacks[STACKS][STACK_SIZE] __attribute__((aligned(16)));
static struct ipc_message peer_messages[STACKS];

static mach_port_t self(void)
{
    return mach_task_self();
}

mach_port_t ipc_peer_thread(const struct ipc_peer *peer, ipc_peer_function function, unsigned stack)
{
    struct i386_thread_state state = {0};
    mach_port_t thread = MACH_PORT_NULL;

    CHECK_EQ(thread_create(peer->task != MACH_PORT_NULL ? peer->task : self(), &thread),
             KERN_SUCCESS);
    state.rip = (uint64_t)function;
    state.rdi = peer->service;
    state.ursp = (uint64_t)(peer_stacks[stack] + STACK_SIZE - 8);
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state,
                              i386_THREAD_STATE_COUNT),
             KERN_SUCCESS);
    return thread;
}

void ipc_peer_create(struct ipc_peer *peer, ipc_peer_function function, bool own_task)
{
    peer->service = test_port();
    peer->task = MACH_PORT_NULL;
    if (own_task) {
        CHECK_EQ(task_create(self(), TRUE, &peer->task), KERN_SUCCESS);
        CHECK_EQ(mach_port_insert_right(peer->task, peer->service, peer->service,
                                        MACH_MSG_TYPE_MOVE_RECEIVE),
                 KERN_SUCCESS);
    }
    peer->thread = ipc_peer_thread(peer, function, 0);
}

void ipc_peer_start(struct ipc_peer *peer, ipc_peer_function function, bool own_task)
{
    mach_port_t thread = (mach_thread_self)();

    ipc_peer_create(peer, function, own_task);
    CHECK_EQ(thread_bind(thread, 0), KERN_SUCCESS);
    CHECK_EQ(thread_bind(peer->thread, 0), KERN_SUCCESS);
    CHECK_EQ(thread_resume(peer->thread), KERN_SUCCESS);
    CHECK(ipc_wait_blocked(peer->thread));
    CHECK_EQ(thread_bind(peer->thread, -1), KERN_SUCCESS);
    CHECK_EQ(thread_bind(thread, -1), KERN_SUCCESS);
    mach_port_deallocate(self(), thread);
}

void ipc_end_thread(mach_port_t thread)
{
    CHECK_EQ(thread_terminate(thread), KERN_SUCCESS);
    for (unsigned i = 0; i < END_TRIES && ipc_type(thread) != MACH_PORT_TYPE_DEAD_NAME; i++) {
        ipc_pause_ms(1);
    }
    CHECK_EQ(ipc_type(thread), MACH_PORT_TYPE_DEAD_NAME);
    mach_port_deallocate(self(), thread);
}

void ipc_peer_end(struct ipc_peer *peer)
{
    if (peer->task != MACH_PORT_NULL) {
        task_terminate(peer->task);
        mach_port_destroy(self(), peer->task);
        mach_port_destroy(self(), peer->thread);
    } else {
        ipc_end_thread(peer->thread);
    }
    mach_port_destroy(self(), peer->service);
}

void ipc_peer_answer(struct ipc_message *m)
{
    m->head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m->head.msgh_bits), 0);
    m->head.msgh_local_port = MACH_PORT_NULL;
    m->head.msgh_id += 100;
}

void ipc_peer_echo(mach_port_t service)
{
    static unsigned started;
    struct ipc_message *m =
        &peer_messages[__atomic_fetch_add(&started, 1, __ATOMIC_RELAXED) % STACKS];
    mach_msg_return_t mr;

    mr = mach_msg_trap(&m->head, MACH_RCV_MSG, 0, sizeof(*m), service, 0, 0);
    for (;;) {
        if (mr == MACH_MSG_SUCCESS) {
            ipc_peer_answer(m);
            mr = mach_msg_trap(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size,
                               sizeof(*m), service, 0, 0);
        } else if (mr == MACH_RCV_INVALID_NAME || mr == MACH_RCV_PORT_DIED) {
            ipc_peer_idle();
        } else {
            mr = mach_msg_trap(&m->head, MACH_RCV_MSG, 0, sizeof(*m), service, 0, 0);
        }
    }
}

void ipc_peer_idle(void)
{
    for (;;) {
        thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1000);
    }
}

static uint32_t pattern_word(uint32_t i, uint32_t seed)
{
    return i * 2654435761u + seed * 40503u + 1;
}

void ipc_pattern(struct ipc_message *m, uint32_t words, uint32_t seed)
{
    for (uint32_t i = 0; i < words; i++) {
        ((uint32_t *)m->body)[i] = pattern_word(i, seed);
    }
}

bool ipc_has_pattern(const struct ipc_message *m, uint32_t words, uint32_t seed)
{
    for (uint32_t i = 0; i < words; i++) {
        if (((const uint32_t *)m->body)[i] != pattern_word(i, seed)) {
            return false;
        }
    }
    return true;
}

mach_msg_return_t ipc_rpc(struct ipc_message *m, mach_port_t service, mach_port_t reply)
{
    m->head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    m->head.msgh_remote_port = service;
    m->head.msgh_local_port = reply;
    return mach_msg(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size,
                    sizeof(struct ipc_message), reply, 0, 0);
}

mach_msg_return_t ipc_rpc_carry(struct ipc_message *m, mach_port_t reply)
{
    m->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    m->head.msgh_local_port = reply;
    return mach_msg(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, sizeof(*m), reply, 0,
                    0);
}
