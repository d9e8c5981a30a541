/* input.c - the queue between keys and readers. A read that finds nothing leaves its right to reply
 * here and is answered when a line is done; so one thread serves everybody and never waits. */
#include "input.h"

#include <console_notify.h>
#include <mach/mig_support.h>
#include <mach_port.h>
#include <portolan/io_types.h>
#include <portolan/portolan.h>
#include <string.h>

#include "line.h"

#define QUEUE_SIZE      16384
#define READS_MAX       64
#define END_OF_INPUT    0x04 /* in line mode Ctrl-D is never a byte of a line */
#define REPLY_ID_OFFSET 100
#define DATA_OFFSET     56

struct waiting_read {
    mach_port_t reply; /* send-once right */
    mach_msg_id_t id;
    size_t size;
};

/* The answer to io_read as its stub would make it. */
struct read_reply {
    mach_msg_header_t head;
    char body[DATA_OFFSET - sizeof(mach_msg_header_t) + IO_DATA_MAX];
};

static struct {
    char queue[QUEUE_SIZE]; /* a ring */
    size_t first;
    size_t count;
    struct waiting_read reads[READS_MAX]; /* the oldest first */
    unsigned read_count;
    mach_port_t foreground;
    bool raw;
} input;

static char input_at(size_t n)
{
    return input.queue[(input.first + n) % QUEUE_SIZE];
}

static void input_drop(size_t n)
{
    input.first = (input.first + n) % QUEUE_SIZE;
    input.count -= n;
}

/* Look at what input_take would take, and how many bytes of the queue that is. */
static bool input_peek(char *data, size_t size, size_t *taken, size_t *used)
{
    size_t n = 0;
    bool ended = false;

    if (input.count == 0) {
        return false;
    }
    *used = 0;
    while (n < size && n < input.count && !ended) {
        char c = input_at(n);

        if (!input.raw && c == END_OF_INPUT) {
            *used = n == 0; /* after some bytes the end is for the next read */
            break;
        }
        data[n] = c;
        n++;
        ended = !input.raw && c == '\n';
    }
    *taken = n;
    *used += n;
    return true;
}

bool input_take(char *data, size_t size, size_t *taken)
{
    size_t used;

    if (!input_peek(data, size, taken, &used)) {
        return false;
    }
    input_drop(used);
    return true;
}

bool input_is_ready(void)
{
    return input.count != 0;
}

static mach_msg_return_t input_send(const struct waiting_read *read, struct read_reply *reply,
                                    size_t size)
{
    char *bytes = (char *)reply;

    reply->head = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
        .msgh_remote_port = read->reply,
        .msgh_id = read->id + REPLY_ID_OFFSET,
    };
    mig_reply_put(reply, KERN_SUCCESS);
    mig_type_put(bytes + DATA_OFFSET - 8,
                 MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_CHAR, 8,
                                    MACH_MSG_TYPE_WORD_INLINE | MACH_MSG_TYPE_WORD_LONGFORM),
                 (uint32_t)size);
    size = DATA_OFFSET + mig_pad(bytes + DATA_OFFSET, size);
    reply->head.msgh_size = (mach_msg_size_t)size;
    return mach_msg(&reply->head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, (mach_msg_size_t)size, 0,
                    MACH_PORT_NULL, 0, MACH_PORT_NULL);
}

/* Forget reads whose readers are gone. */
static void input_prune(void)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < input.read_count; i++) {
        mach_port_type_t type = MACH_PORT_TYPE_NONE;

        mach_port_type(mach_task_self(), input.reads[i].reply, &type);
        if ((type & MACH_PORT_TYPE_SEND_RIGHTS) != 0) {
            input.reads[kept] = input.reads[i];
            kept++;
        } else {
            mach_port_deallocate(mach_task_self(), input.reads[i].reply);
        }
    }
    input.read_count = kept;
}

/* Answer waiting reads while there is something for them; a reader that is gone loses nothing. */
static void input_serve(void)
{
    static struct read_reply reply;
    size_t taken, used;

    input_prune();
    while (input.read_count > 0 &&
           input_peek((char *)&reply + DATA_OFFSET, input.reads[0].size, &taken, &used)) {
        struct waiting_read read = input.reads[0];

        input.read_count--;
        memmove(&input.reads[0], &input.reads[1], input.read_count * sizeof(input.reads[0]));
        if (input_send(&read, &reply, taken) == MACH_MSG_SUCCESS) {
            input_drop(used);
        } else {
            mach_port_deallocate(mach_task_self(), read.reply);
        }
    }
}

bool input_push(const char *text, size_t size)
{
    if (size > QUEUE_SIZE - input.count) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        input.queue[(input.first + input.count) % QUEUE_SIZE] = text[i];
        input.count++;
    }
    input_serve();
    return true;
}

void input_push_end(void)
{
    const char end = END_OF_INPUT;

    input_push(&end, 1);
}

void input_interrupt(void)
{
    mach_port_t foreground = input.foreground;

    input.count = 0;
    input.foreground = MACH_PORT_NULL;
    if (foreground == MACH_PORT_NULL || console_interrupt(foreground) != KERN_SUCCESS) {
        if (foreground != MACH_PORT_NULL) {
            mach_port_deallocate(mach_task_self(), foreground);
        }
        if (input.read_count > 0) {
            input_push("\n", 1);
        }
    }
}

void input_key(uint8_t byte)
{
    if (input.raw) {
        input_push((const char *)&byte, 1);
    } else {
        line_key(byte);
    }
}

bool input_wait(const mach_msg_header_t *request, size_t size)
{
    if (MACH_MSGH_BITS_REMOTE(request->msgh_bits) != MACH_MSG_TYPE_PORT_SEND_ONCE) {
        return false; /* nowhere to reply to, or not as an RPC does it */
    }
    if (input.read_count > 0) {
        input_prune();
    }
    if (input.read_count == READS_MAX) {
        return false;
    }
    input.reads[input.read_count] =
        (struct waiting_read){request->msgh_remote_port, request->msgh_id, size};
    input.read_count++;
    return true;
}

void input_set_raw(bool raw)
{
    if (raw != input.raw) {
        input.raw = raw;
        line_give(); /* typed ahead: it is the next reader's */
    }
}

void input_set_foreground(mach_port_t notify)
{
    if (input.foreground != MACH_PORT_NULL) {
        mach_port_deallocate(mach_task_self(), input.foreground);
    }
    input.foreground = MACH_PORT_VALID(notify) ? notify : MACH_PORT_NULL;
}
