/* hypercall.c - what a guest asks of its monitor: a table of calls. Those for the time and to yield
 * are answered by the kernel and never come here. */
#include "hypercall.h"

#include <stddef.h>
#include <string.h>

#define PAGE          4096u
#define VECTOR_FIRST  16u
#define VECTOR_LAST   255u
#define MESSAGE_BASE  0xfee00000u
#define MESSAGE_SHIFT 12u
#define APIC_LAST     254u

typedef uint64_t hypercall_function(struct hypercall *h, const uint64_t *arguments);

static void hypercall_happen(struct hypercall *h, uint32_t event)
{
    unsigned kind = (unsigned)__builtin_ctz(event);
    bool is_new = (h->events & event) == 0;

    h->events |= event;
    if (is_new && h->vectors[kind] != 0) {
        h->ops->send(h->context, MESSAGE_BASE | (uint64_t)h->targets[kind] << MESSAGE_SHIFT,
                     h->vectors[kind]);
    }
}

/* --- what there is --- */

static uint64_t hypercall_features(struct hypercall *h, const uint64_t *arguments)
{
    const struct hypercall_ops *ops = h->ops;

    (void)arguments;
    return HYPERCALL_HAS_CONSOLE | HYPERCALL_HAS_TIMER |
           (ops->send != NULL ? HYPERCALL_HAS_EVENTS : 0) |
           (ops->wake != NULL ? HYPERCALL_HAS_BLOCK : 0) |
           (ops->give != NULL ? HYPERCALL_HAS_BALLOON : 0) |
           (ops->power_off != NULL ? HYPERCALL_HAS_POWER : 0);
}

/* --- time --- */

static uint64_t hypercall_time_of_day(struct hypercall *h, const uint64_t *arguments)
{
    (void)arguments;
    return h->ops->time_of_day != NULL ? h->ops->time_of_day(h->context) : HYPERCALL_UNKNOWN;
}

static void hypercall_due(void *device)
{
    hypercall_happen(device, HYPERCALL_EVENT_TIMER);
}

static uint64_t hypercall_timer(struct hypercall *h, const uint64_t *arguments)
{
    if (arguments[0] == UINT64_MAX) {
        clock_stop(h->clock, &h->timer);
    } else {
        clock_set(h->clock, &h->timer, arguments[0]);
    }
    return 0;
}

/* --- console --- */

static uint64_t hypercall_console_write(struct hypercall *h, const uint64_t *arguments)
{
    uint8_t bytes[HYPERCALL_CONSOLE_MAX];
    uint64_t size = arguments[1] < sizeof(bytes) ? arguments[1] : sizeof(bytes);

    if (!memory_read(h->memory, arguments[0], bytes, size)) {
        return HYPERCALL_BAD;
    }
    for (uint64_t n = 0; n < size; n++) {
        tty_put(h->tty, bytes[n]);
    }
    if (h->ops->written != NULL) {
        h->ops->written(h->context);
    }
    return size;
}

static uint64_t hypercall_console_read(struct hypercall *h, const uint64_t *arguments)
{
    uint64_t size = arguments[1] < HYPERCALL_CONSOLE_MAX ? arguments[1] : HYPERCALL_CONSOLE_MAX;
    uint8_t *to = memory_at(h->memory, arguments[0], size);
    uint64_t n = 0;

    if (to == NULL) {
        return HYPERCALL_BAD;
    }
    h->has_console = true;
    while (n < size && tty_take(h->tty, &to[n])) {
        n += 1;
    }
    return n;
}

void hypercall_typed(struct hypercall *h)
{
    hypercall_happen(h, HYPERCALL_EVENT_CONSOLE);
}

/* --- events --- */

static uint64_t hypercall_event_vector(struct hypercall *h, const uint64_t *arguments)
{
    uint64_t event = arguments[0];
    uint64_t vector = arguments[1];

    if (h->ops->send == NULL || (vector != 0 && (vector < VECTOR_FIRST || vector > VECTOR_LAST)) ||
        arguments[2] > APIC_LAST) {
        return HYPERCALL_BAD;
    }
    for (unsigned kind = 0; kind < HYPERCALL_EVENT_KINDS; kind++) {
        if (event == 1u << kind) {
            h->vectors[kind] = (uint8_t)vector;
            h->targets[kind] = (uint32_t)arguments[2];
            return 0;
        }
    }
    return HYPERCALL_BAD;
}

static uint64_t hypercall_events(struct hypercall *h, const uint64_t *arguments)
{
    uint32_t events = h->events & (uint32_t)arguments[0];

    h->events &= ~events;
    return events;
}

/* --- disks --- */

static uint64_t hypercall_block_size(struct hypercall *h, const uint64_t *arguments)
{
    const struct virtio_blk_store *disk;

    if (arguments[0] >= HYPERCALL_DISKS_MAX || h->disks[arguments[0]] == NULL) {
        return 0;
    }
    disk = h->disks[arguments[0]];
    return disk->sectors | (disk->is_read_only ? HYPERCALL_BLOCK_READ_ONLY : 0);
}

/* The pieces get another one, behind the last. False: it is not memory. */
static bool hypercall_block_append(const struct hypercall *h, struct hypercall_request *r,
                                   uint64_t address, uint64_t size)
{
    uint8_t *data = memory_at(h->memory, address, size);
    struct virtio_chain *chain = &r->data;
    struct virtio_piece *last = chain->count != 0 ? &chain->pieces[chain->count - 1] : NULL;

    if (data == NULL) {
        return false;
    }
    if (last != NULL && last->base + last->size == data) {
        last->size += (uint32_t)size;
    } else {
        chain->pieces[chain->count] = (struct virtio_piece){data, (uint32_t)size};
        chain->count += 1;
    }
    return true;
}

/* Where the data of a list is, each of whose entries is read once. False: not in memory, or one
 * behind the first does not begin a page. */
static bool hypercall_block_gather(const struct hypercall *h, struct hypercall_request *r)
{
    uint64_t left = (uint64_t)r->block.sectors * VIRTIO_BLK_SECTOR;
    uint64_t at = r->block.address;
    uint64_t address, size;

    if (at % sizeof(address) != 0) {
        return false;
    }
    for (; left != 0; left -= size) {
        if (!memory_read(h->memory, at, &address, sizeof(address)) ||
            (at != r->block.address && address % PAGE != 0)) {
            return false;
        }
        size = PAGE - address % PAGE;
        size = size < left ? size : left;
        if (!hypercall_block_append(h, r, address, size)) {
            return false;
        }
        at += sizeof(address);
    }
    return true;
}

/* Where the data is. */
static bool hypercall_block_find(const struct hypercall *h, struct hypercall_request *r,
                                 bool is_list)
{
    uint64_t size = (uint64_t)r->block.sectors * VIRTIO_BLK_SECTOR;
    struct virtio_chain *data = &r->data;

    data->count = 0;
    if (!(is_list ? hypercall_block_gather(h, r)
                  : hypercall_block_append(h, r, r->block.address, size))) {
        return false;
    }
    if (r->block.operation == HYPERCALL_BLOCK_WRITE) {
        data->readable = data->count;
        data->readable_size = size;
    } else {
        data->readable = 0;
        data->writable_size = size;
    }
    return true;
}

/* Can it be done at all? Then where its data is. */
static bool hypercall_block_check(const struct hypercall *h, struct hypercall_request *r)
{
    struct hypercall_block *b = &r->block;
    const struct virtio_blk_store *disk = b->disk < HYPERCALL_DISKS_MAX ? h->disks[b->disk] : NULL;
    bool is_list = (b->operation & HYPERCALL_BLOCK_LIST) != 0;

    b->operation &= ~HYPERCALL_BLOCK_LIST;
    if (disk == NULL || b->operation > HYPERCALL_BLOCK_FLUSH) {
        return false;
    }
    if (b->operation == HYPERCALL_BLOCK_FLUSH) {
        return !is_list;
    }
    if ((b->operation == HYPERCALL_BLOCK_WRITE && disk->is_read_only) || b->sectors == 0 ||
        b->sectors > HYPERCALL_BLOCK_SECTORS_MAX ||
        !virtio_blk_is_inside(disk, b->sector, (uint64_t)b->sectors * VIRTIO_BLK_SECTOR)) {
        return false;
    }
    return hypercall_block_find(h, r, is_list);
}

static void hypercall_block_tell(struct hypercall *h, const struct hypercall_request *r,
                                 uint32_t status)
{
    __atomic_store_n((uint32_t *)(void *)r->status, status, __ATOMIC_RELEASE);
    hypercall_happen(h, HYPERCALL_EVENT_BLOCK);
}

static uint64_t hypercall_block(struct hypercall *h, const uint64_t *arguments)
{
    uint8_t *place = memory_at(h->memory, arguments[0], sizeof(struct hypercall_block));
    struct hypercall_request *r;

    if (h->ops->wake == NULL) {
        return HYPERCALL_UNKNOWN;
    }
    if (place == NULL || arguments[0] % 8 != 0 || h->count == HYPERCALL_BLOCK_REQUESTS) {
        return HYPERCALL_BAD;
    }
    r = &h->requests[(h->first + h->count) % HYPERCALL_BLOCK_REQUESTS];
    memcpy(&r->block, place, sizeof(r->block));
    r->status = place + offsetof(struct hypercall_block, status);
    if (!hypercall_block_check(h, r)) {
        hypercall_block_tell(h, r, HYPERCALL_BLOCK_FAILED);
        return 0;
    }
    h->count += 1;
    h->ops->wake(h->context);
    return 0;
}

bool hypercall_block_take(struct hypercall *h, struct hypercall_request *request)
{
    if (h->count == 0 || h->is_working) {
        return false;
    }
    *request = h->requests[h->first];
    h->is_working = true;
    return true;
}

bool hypercall_block_do(const struct hypercall *h, const struct hypercall_request *request)
{
    const struct hypercall_block *b = &request->block;
    const struct virtio_blk_store *disk = h->disks[b->disk];

    return b->operation == HYPERCALL_BLOCK_FLUSH
               ? disk->flush(disk->context)
               : virtio_blk_move(disk, &request->data, b->operation == HYPERCALL_BLOCK_WRITE, 0,
                                 b->sector, (uint64_t)b->sectors * VIRTIO_BLK_SECTOR);
}

void hypercall_block_finish(struct hypercall *h, const struct hypercall_request *request,
                            bool is_done)
{
    h->is_working = false;
    h->first = (h->first + 1) % HYPERCALL_BLOCK_REQUESTS;
    h->count -= 1;
    hypercall_block_tell(h, request, is_done ? HYPERCALL_BLOCK_DONE : HYPERCALL_BLOCK_FAILED);
}

/* --- memory and power --- */

static uint64_t hypercall_balloon_target(struct hypercall *h, const uint64_t *arguments)
{
    (void)arguments;
    h->has_balloon = true;
    return h->balloon;
}

/* Are there such pages? */
static bool hypercall_is_memory(const struct hypercall *h, uint64_t page, uint64_t count)
{
    return page <= UINT64_MAX / PAGE && count != 0 && count <= HYPERCALL_BALLOON_PAGES_MAX &&
           memory_at(h->memory, page * PAGE, count * PAGE) != NULL;
}

/* A guest that gives pages twice has not given more than there are. */
static uint64_t hypercall_balloon_give(struct hypercall *h, const uint64_t *arguments)
{
    uint64_t all = (h->memory->low_size + h->memory->high_size) / PAGE;
    uint64_t answer;

    if (h->ops->give == NULL) {
        return HYPERCALL_UNKNOWN;
    }
    if (!hypercall_is_memory(h, arguments[0], arguments[1])) {
        return HYPERCALL_BAD;
    }
    answer = h->ops->give(h->context, arguments[0], arguments[1]);
    if (answer == 0) {
        h->given = arguments[1] < all - h->given ? h->given + arguments[1] : all;
    }
    return answer;
}

static uint64_t hypercall_balloon_take(struct hypercall *h, const uint64_t *arguments)
{
    if (h->ops->give == NULL) {
        return HYPERCALL_UNKNOWN;
    }
    if (!hypercall_is_memory(h, arguments[0], arguments[1])) {
        return HYPERCALL_BAD;
    }
    h->given = arguments[1] < h->given ? h->given - arguments[1] : 0;
    return 0;
}

void hypercall_set_balloon(struct hypercall *h, uint64_t pages)
{
    h->balloon = pages;
    hypercall_happen(h, HYPERCALL_EVENT_BALLOON);
}

static uint64_t hypercall_power_off(struct hypercall *h, const uint64_t *arguments)
{
    if (h->ops->power_off == NULL) {
        return HYPERCALL_UNKNOWN;
    }
    if (arguments[0] == 0) {
        h->ops->power_off(h->context, POWER_IS_OFF, 0);
    } else {
        h->ops->power_off(h->context, POWER_HAS_EXITED, (uint32_t)arguments[0]);
    }
    return 0;
}

static hypercall_function *const hypercall_table[] = {
    [HYPERCALL_FEATURES - HYPERCALL_FIRST] = hypercall_features,
    [HYPERCALL_TIME_OF_DAY - HYPERCALL_FIRST] = hypercall_time_of_day,
    [HYPERCALL_CONSOLE_WRITE - HYPERCALL_FIRST] = hypercall_console_write,
    [HYPERCALL_CONSOLE_READ - HYPERCALL_FIRST] = hypercall_console_read,
    [HYPERCALL_EVENT_VECTOR - HYPERCALL_FIRST] = hypercall_event_vector,
    [HYPERCALL_EVENTS - HYPERCALL_FIRST] = hypercall_events,
    [HYPERCALL_TIMER - HYPERCALL_FIRST] = hypercall_timer,
    [HYPERCALL_BLOCK_SIZE - HYPERCALL_FIRST] = hypercall_block_size,
    [HYPERCALL_BLOCK - HYPERCALL_FIRST] = hypercall_block,
    [HYPERCALL_BALLOON_TARGET - HYPERCALL_FIRST] = hypercall_balloon_target,
    [HYPERCALL_BALLOON_GIVE - HYPERCALL_FIRST] = hypercall_balloon_give,
    [HYPERCALL_POWER_OFF - HYPERCALL_FIRST] = hypercall_power_off,
    [HYPERCALL_BALLOON_TAKE - HYPERCALL_FIRST] = hypercall_balloon_take,
};

uint64_t hypercall_do(struct hypercall *h, uint64_t number, const uint64_t arguments[3])
{
    uint64_t n = number - HYPERCALL_FIRST;

    if (n >= sizeof(hypercall_table) / sizeof(hypercall_table[0]) || hypercall_table[n] == NULL) {
        return HYPERCALL_UNKNOWN;
    }
    return hypercall_table[n](h, arguments);
}

void hypercall_init(struct hypercall *h, const struct hypercall_ops *ops, void *context,
                    const struct memory *memory, struct clock *clock, struct tty *tty)
{
    memset(h, 0, sizeof(*h));
    h->ops = ops;
    h->context = context;
    h->memory = memory;
    h->clock = clock;
    h->tty = tty;
    clock_timer_init(&h->timer, hypercall_due, h);
}
