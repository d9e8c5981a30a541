/* fuzz_calls.c - the grammar. See fuzz_calls.h.
 *
 * A call is a trap, a message between ports, or a message to a kernel object: the routines of
 * mach_port.defs with arguments of the right types, and now and then a byte changed. Names are most
 * often those a call gave back before. */
#include "fuzz_calls.h"

#include <mach/notify.h>

struct fuzz_message {
    mach_msg_header_t head;
    uint8_t body[8192];
};

/* --- random choices --- */

static uint64_t fuzz_random(struct fuzz_thread *t)
{
    uint64_t x = t->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    t->random = x;
    return x * 0x2545f4914f6cdd1dull >> 16;
}

static uint32_t below(struct fuzz_thread *t, uint32_t n)
{
    return (uint32_t)(fuzz_random(t) % n);
}

static bool one_in(struct fuzz_thread *t, uint32_t n)
{
    return below(t, n) == 0;
}

static uint32_t odd_number(struct fuzz_thread *t)
{
    static const uint32_t numbers[] = {0,          1,          2,          5,         16,
                                       17,         0xfffe,     0xffff,     0x10000,   0x7fffffff,
                                       0x80000000, 0xffffffff, 0xfffffffe, 0xffff0001};

    return one_in(t, 3) ? (uint32_t)fuzz_random(t)
                        : numbers[below(t, sizeof(numbers) / sizeof(numbers[0]))];
}

static mach_port_name_t some_name(struct fuzz_thread *t)
{
    switch (below(t, 16)) {
    case 0:
        return below(t, 200);
    case 1:
        return below(t, 64) << 24 | below(t, 64);
    case 2:
        return t->self;
    case 3:
        return t->reply;
    case 4:
        return odd_number(t);
    case 5:
    case 6:
    case 7:
    case 8:
        return FUZZ_COMMON_FIRST + below(t, FUZZ_COMMON_COUNT);
    default:
        return t->names[below(t, FUZZ_NAMES)];
    }
}

static void remember(struct fuzz_thread *t, mach_port_name_t name)
{
    if (name != MACH_PORT_NULL && name != t->self) {
        t->names[below(t, FUZZ_NAMES)] = name;
    }
}

static uint32_t some_disposition(struct fuzz_thread *t)
{
    return one_in(t, 32) ? below(t, 256) : MACH_MSG_TYPE_MOVE_RECEIVE + below(t, 6);
}

/* --- messages --- */

static void put_word(struct fuzz_message *m, uint64_t word)
{
    *(uint64_t *)((uint8_t *)m + m->head.msgh_size) = word;
    m->head.msgh_size += sizeof(word);
}

static void put_type(struct fuzz_message *m, uint32_t name, uint32_t bits, uint32_t flags,
                     uint32_t count)
{
    put_word(m, MACH_MSG_TYPE_WORD(name, bits, flags) | (uint64_t)count << 32);
}

static void put_number(struct fuzz_message *m, uint32_t type, uint64_t value, uint32_t bits)
{
    put_type(m, type, bits, MACH_MSG_TYPE_WORD_INLINE, 1);
    put_word(m, value);
}

static void put_right(struct fuzz_thread *t, struct fuzz_message *m, uint32_t disposition)
{
    m->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    put_number(m, disposition, some_name(t), 64);
}

/* Where a pointer may point. */
static uint64_t some_address(struct fuzz_thread *t)
{
    switch (below(t, 12)) {
    case 0:
        return 0;
    case 1:
        return 0xffffffff80100000ul;
    case 2:
        return 0x0000900000000000ul;
    case 3:
        return (uint64_t)t->read_only;
    case 4:
        return (uint64_t)t->buffer + FUZZ_BUFFER - below(t, 256);
    case 5:
        return fuzz_random(t);
    default:
        return (uint64_t)t->buffer + below(t, FUZZ_BUFFER / 2);
    }
}

static void put_item(struct fuzz_thread *t, struct fuzz_message *m)
{
    uint32_t disposition = some_disposition(t);
    uint32_t count = below(t, 5);

    switch (below(t, 4)) {
    case 0: /* rights in line */
        m->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
        put_type(m, disposition, 64, MACH_MSG_TYPE_WORD_INLINE, count);
        for (uint32_t i = 0; i < count; i++) {
            put_word(m, some_name(t));
        }
        return;
    case 1: /* rights out of line: the buffer begins with names */
        m->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
        for (uint32_t i = 0; i < count; i++) {
            ((mach_port_name_t *)t->buffer)[i] = some_name(t);
        }
        put_type(m, disposition, 32, 0, one_in(t, 16) ? below(t, 3000) : count);
        put_word(m, one_in(t, 8) ? some_address(t) : (uint64_t)t->buffer);
        return;
    case 2: /* memory */
        m->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
        put_type(m, MACH_MSG_TYPE_BYTE, 8, 0, one_in(t, 8) ? odd_number(t) : below(t, 30000));
        put_word(m, some_address(t));
        return;
    default: /* numbers */
        put_type(m, MACH_MSG_TYPE_INTEGER_64, 64, MACH_MSG_TYPE_WORD_INLINE, count);
        for (uint32_t i = 0; i < count; i++) {
            put_word(m, fuzz_random(t));
        }
    }
}

static void begin(struct fuzz_message *m, uint32_t bits, mach_port_name_t remote,
                  mach_port_name_t local, int id)
{
    m->head = (mach_msg_header_t){.msgh_bits = bits,
                                  .msgh_size = sizeof(m->head),
                                  .msgh_remote_port = remote,
                                  .msgh_local_port = local,
                                  .msgh_id = id};
}

/* Change some bits of what was made. */
static void damage(struct fuzz_thread *t, struct fuzz_message *m)
{
    for (uint32_t n = below(t, 3) + 1; n > 0; n--) {
        uint32_t at = below(t, m->head.msgh_size);

        if (at < 4 || at >= 8) { /* the size is an argument */
            ((uint8_t *)m)[at] ^= (uint8_t)(1u << below(t, 8));
        }
    }
}

/* Give back what a received message brought, or keep its names. */
static void take_apart(struct fuzz_thread *t, struct fuzz_message *m)
{
    uint32_t at = sizeof(m->head);

    remember(t, m->head.msgh_remote_port);
    while ((m->head.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0 && at + 16 <= m->head.msgh_size) {
        mach_msg_type_t *type = (mach_msg_type_t *)((uint8_t *)m + at);
        uint64_t *data = (uint64_t *)(type + 1);
        uint64_t size = ((uint64_t)type->msgt_size * type->msgt_number + 7) / 8;

        if (type->msgt_inline) {
            if (MACH_MSG_TYPE_PORT_ANY(type->msgt_name) && size != 0) {
                remember(t, (mach_port_name_t)*data);
            }
            at += (uint32_t)(sizeof(*type) + MACH_MSG_ALIGN(size));
            continue;
        }
        if (size != 0 && *data != 0) {
            if (MACH_MSG_TYPE_PORT_ANY(type->msgt_name)) {
                remember(t, *(mach_port_name_t *)*data);
            }
            syscall_vm_deallocate(t->self, *data, size);
        }
        at += 16;
    }
}

/* --- the three kinds of calls --- */

#define REQUEST MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)

/* The routines of mach_port.defs by their arguments: n name, k kind of right, u number, d
 * disposition as a number, r right, 8 a number of 64 bits. */
static const struct {
    int id;
    const char *arguments;
} routines[] = {
    {3200, ""},   {3201, "n"},    {3202, "nn"},  {3203, "kn"}, {3204, "k"},  {3205, "n"},
    {3206, "n"},  {3207, "nk"},   {3208, "nku"}, {3210, "nu"}, {3211, "nu"}, {3212, "n"},
    {3213, "nn"}, {3214, "nNur"}, {3215, "nr"},  {3216, "nd"}, {3217, "n"},  {3218, "nu"},
    {3221, "n8"}, {3222, "n"},    {3223, "nku"},
};

static void put_argument(struct fuzz_thread *t, struct fuzz_message *m, char kind)
{
    static const uint32_t notifications[] = {MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_NO_SENDERS,
                                             MACH_NOTIFY_PORT_DESTROYED, MACH_NOTIFY_SEND_ONCE};

    switch (kind) {
    case 'n':
        put_number(m, MACH_MSG_TYPE_PORT_NAME, some_name(t), 32);
        return;
    case 'k':
        put_number(m, MACH_MSG_TYPE_INTEGER_32, below(t, one_in(t, 8) ? 7 : 5), 32);
        return;
    case 'd':
        put_number(m, MACH_MSG_TYPE_INTEGER_32, some_disposition(t), 32);
        return;
    case 'N':
        put_number(m, MACH_MSG_TYPE_INTEGER_32, notifications[below(t, 4)], 32);
        return;
    case '8':
        put_number(m, MACH_MSG_TYPE_INTEGER_64, fuzz_random(t), 64);
        return;
    case 'r':
        put_right(t, m, some_disposition(t));
        return;
    default:
        put_number(m, MACH_MSG_TYPE_INTEGER_32, one_in(t, 2) ? below(t, 3) : odd_number(t), 32);
    }
}

static void fuzz_routine(struct fuzz_thread *t)
{
    struct fuzz_message m;
    uint32_t which = below(t, sizeof(routines) / sizeof(routines[0]));
    mach_msg_return_t mr;

    if (which == 0 && !one_in(t, 64)) { /* lists every name: slow */
        which = 1;
    }
    begin(&m, REQUEST, one_in(t, 4) ? FUZZ_OTHER_TASK : t->self, t->reply, routines[which].id);
    for (const char *a = routines[which].arguments; *a != '\0'; a++) {
        put_argument(t, &m, *a);
    }
    if (one_in(t, 16)) {
        damage(t, &m);
    }
    mr = mach_msg_trap(&m.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, m.head.msgh_size,
                       sizeof(m), t->reply, 0, 0);
    if (mr == MACH_MSG_SUCCESS) {
        t->done++;
        if (m.head.msgh_id == 3304 && m.head.msgh_size == 64) {
            remember(t, *(mach_port_name_t *)(m.body + 24));
        }
        take_apart(t, &m);
    } else if (mr == MACH_RCV_INVALID_NAME || mr == MACH_SEND_INVALID_REPLY ||
               mr == MACH_RCV_IN_SET || mr == MACH_RCV_PORT_DIED) {
        t->reply = mach_reply_port();
    } else if (mr == MACH_SEND_INVALID_DEST) {
        t->self = mach_task_self();
    }
}

static uint32_t some_options(struct fuzz_thread *t)
{
    static const uint32_t options[] = {MACH_SEND_TIMEOUT, MACH_SEND_NOTIFY, MACH_SEND_CANCEL,
                                       MACH_RCV_NOTIFY, MACH_RCV_LARGE};
    uint32_t option = MACH_RCV_TIMEOUT;

    for (uint32_t i = 0; i < 5; i++) {
        option |= one_in(t, i == 0 ? 2 : 6) ? options[i] : 0;
    }
    if (one_in(t, 200)) { /* waits until somebody ends it */
        option &= ~(uint32_t)MACH_RCV_TIMEOUT;
    }
    return option;
}

static void fuzz_message(struct fuzz_thread *t)
{
    struct fuzz_message m;
    mach_msg_header_t *at = &m.head;
    uint32_t option = some_options(t);
    uint32_t size;

    begin(&m, MACH_MSGH_BITS(some_disposition(t), one_in(t, 2) ? some_disposition(t) : 0),
          some_name(t), one_in(t, 2) ? some_name(t) : 0, (int)below(t, 100));
    for (uint32_t n = below(t, 4); n > 0; n--) {
        put_item(t, &m);
    }
    size = m.head.msgh_size;
    if (one_in(t, 8)) {
        damage(t, &m);
    }
    size = one_in(t, 32) ? below(t, 9000) : size;
    option |= one_in(t, 8) ? 0 : MACH_SEND_MSG;
    option |= one_in(t, 3) ? MACH_RCV_MSG : 0;
    if (one_in(t, 32)) {
        at = (mach_msg_header_t *)some_address(t);
    }
    if (mach_msg_trap(at, (int)option, size, one_in(t, 8) ? below(t, 256) : sizeof(m), some_name(t),
                      below(t, 2), some_name(t)) != MACH_MSG_SUCCESS) {
        return;
    }
    t->done++;
    if (at == &m.head && (option & MACH_RCV_MSG) != 0) {
        take_apart(t, &m);
    }
}

/* What waits on the common ports is taken now and then. */
static void fuzz_receive(struct fuzz_thread *t)
{
    struct fuzz_message m;

    if (mach_msg_trap(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), some_name(t), 0, 0) ==
        MACH_MSG_SUCCESS) {
        t->done++;
        take_apart(t, &m);
    }
}

/* Call and answer as the short way does them, between the threads. */
static void fuzz_rpc(struct fuzz_thread *t)
{
    struct fuzz_message m;
    mach_port_name_t from = FUZZ_COMMON_FIRST + below(t, FUZZ_COMMON_COUNT);

    if (one_in(t, 2)) {
        begin(&m, REQUEST, from, t->reply, (int)below(t, 100));
        from = t->reply;
    } else {
        begin(&m, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0), t->names[below(t, FUZZ_NAMES)],
              0, 100);
    }
    m.head.msgh_size += 8 * below(t, one_in(t, 4) ? 1024 : 34);
    if (mach_msg_trap(&m.head, MACH_SEND_MSG | MACH_RCV_MSG, m.head.msgh_size,
                      one_in(t, 16) ? below(t, 300) : sizeof(m), from, 0, 0) == MACH_MSG_SUCCESS) {
        t->done++;
        take_apart(t, &m);
    }
}

static void fuzz_trap(struct fuzz_thread *t)
{
    mach_port_name_t name = 0;

    switch (below(t, 10)) {
    case 0:
        remember(t, mach_reply_port());
        return;
    case 1:
        remember(t, mach_thread_self());
        return;
    case 2:
        remember(t, mach_host_self());
        return;
    case 3:
        t->self = mach_task_self();
        return;
    case 4:
        syscall_mach_port_allocate(t->self, below(t, 6),
                                   one_in(t, 8) ? (mach_port_name_t *)some_address(t) : &name);
        remember(t, name);
        return;
    case 5:
        syscall_mach_port_deallocate(t->self, some_name(t));
        return;
    case 6:
        syscall_mach_port_insert_right(t->self, some_name(t), some_name(t), some_disposition(t));
        return;
    case 7:
        syscall_mach_port_allocate_name(t->self, below(t, 6), some_name(t));
        return;
    case 8:
        swtch();
        return;
    default:
        thread_switch(some_name(t), (int)below(t, 4), below(t, 2));
    }
}

void fuzz_run(struct fuzz_thread *t)
{
    t->self = mach_task_self();
    t->reply = mach_reply_port();
    while (t->calls < t->limit) {
        uint32_t kind = below(t, 16);

        if (kind < 6) {
            fuzz_routine(t);
        } else if (kind < 9) {
            fuzz_message(t);
        } else if (kind < 12) {
            fuzz_receive(t);
        } else if (kind < 13) {
            fuzz_rpc(t);
        } else {
            fuzz_trap(t);
        }
        __atomic_fetch_add(&t->calls, 1, __ATOMIC_RELEASE);
    }
    for (;;) {
        thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1000);
    }
}
