/* mig_support.h - what stubs made by tools/mig need: checks they share, and the functions the
 * user library provides. */
#ifndef MACH_MIG_SUPPORT_H
#define MACH_MIG_SUPPORT_H

#include <mach/mig_errors.h>

/* A descriptor's two words, and the 64-bit value of a slot, wherever they lie in a message. */
static inline uint32_t mig_load32(const void *at)
{
    uint32_t value;
    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint64_t mig_load64(const void *at)
{
    uint64_t value;
    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}

static inline void mig_store32(void *at, uint32_t value)
{
    __builtin_memcpy(at, &value, sizeof(value));
}

static inline void mig_store64(void *at, uint64_t value)
{
    __builtin_memcpy(at, &value, sizeof(value));
}

/* Has the message this size and this COMPLEX bit? They are next to each other. */
static inline int mig_head_is(const mach_msg_header_t *head, mach_msg_size_t size, unsigned complex)
{
    return mig_load64(head) >> 31 == ((uint64_t)size << 1 | complex);
}

/* Is the descriptor at this place of this type? The long form is the same 8 bytes, so its bit
 * does not matter; nor does deallocate, which speaks of the sender's memory. */
static inline int mig_type_is(const void *at, uint32_t word)
{
    const uint32_t ignored = MACH_MSG_TYPE_WORD_LONGFORM | MACH_MSG_TYPE_WORD_DEALLOCATE;
    return ((mig_load32(at) ^ word) & ~ignored) == 0;
}

/* The same with the inline bit left to the sender. */
static inline int mig_type_is_either(const void *at, uint32_t word)
{
    const uint32_t ignored =
        MACH_MSG_TYPE_WORD_LONGFORM | MACH_MSG_TYPE_WORD_DEALLOCATE | MACH_MSG_TYPE_WORD_INLINE;
    return ((mig_load32(at) ^ word) & ~ignored) == 0;
}

static inline int mig_type_inline(const void *at)
{
    return (mig_load32(at) & MACH_MSG_TYPE_WORD_INLINE) != 0;
}

static inline uint32_t mig_type_number(const void *at)
{
    return mig_load32((const char *)at + 4);
}

/* The whole descriptor: its type, and how many elements follow. Most have none of the bits that do
 * not matter: one comparison. */
static inline int mig_item_is(const void *at, uint32_t word, uint32_t number)
{
    const uint64_t wanted = word | (uint64_t)number << 32;

    return __builtin_expect(mig_load64(at) == wanted, 1) ||
           (mig_type_is(at, word) && mig_type_number(at) == number);
}

/* One right of any kind, inline. */
static inline int mig_port_item_is(const void *at)
{
    const uint32_t name = mig_load32(at) & 0xff;
    return MACH_MSG_TYPE_PORT_ANY_RIGHT(name) &&
           mig_item_is(at, MACH_MSG_TYPE_WORD(name, 64, MACH_MSG_TYPE_WORD_INLINE), 1);
}

static inline void mig_type_put(void *at, uint32_t word, uint32_t number)
{
    mig_store32(at, word);
    mig_store32((char *)at + 4, number);
}

/* Does the string end within room bytes? */
static inline int mig_string_ends(const void *string, uint64_t room)
{
    const char *text = (const char *)string;
    for (uint64_t i = 0; i < room; i = i + 1) {
        if (text[i] == '\0') {
            return 1;
        }
    }
    return 0;
}

/* Copy a string into a field of room bytes: always ended, the rest of the field zero. Returns the
 * bytes used with the NUL. */
static inline uint32_t mig_string_put(void *field, const char *string, uint32_t room)
{
    char *to = (char *)field;
    uint32_t length = 0;
    while (length + 1 < room && string[length] != '\0') {
        to[length] = string[length];
        length = length + 1;
    }
    for (uint32_t i = length; i < room; i = i + 1) {
        to[i] = '\0';
    }
    return length + 1;
}

/* Zero the bytes between used and the next multiple of 8; returns that multiple. */
static inline uint64_t mig_pad(void *data, uint64_t used)
{
    uint64_t end = (used + 7) & ~(uint64_t)7;
    for (uint64_t i = used; i < end; i = i + 1) {
        ((char *)data)[i] = 0;
    }
    return end;
}

/* One line of the tables -server and -names make. */
struct mig_name {
    mach_msg_id_t id;
    const char *subsystem;
    const char *routine;
};

struct mig_server_routine {
    mig_routine_t stub; /* NULL: no such routine */
    const char *name;
    mach_msg_size_t max_request; /* the longest request that can be right, in bytes */
    mach_msg_size_t max_reply;   /* the longest reply, in bytes */
};

struct mig_server_subsystem {
    const char *name;
    mach_msg_id_t base;
    uint32_t count;
    mach_msg_size_t max_request;
    mach_msg_size_t max_reply;
    const struct mig_server_routine *routines;
};

#define MIG_CODE_WORD MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, MACH_MSG_TYPE_WORD_INLINE)

/* The start of every reply: the code, its descriptor and the padding. */
static inline void mig_reply_put(void *reply, kern_return_t code)
{
    char *bytes = (char *)reply;
    mig_type_put(bytes + 32, MIG_CODE_WORD, 1);
    mig_store64(bytes + 40, (uint32_t)code);
}

#if !KERNEL
/* What stubs seldom need is not inlined into them: they would save more registers for it. */
#define MIG_COLD static __attribute__((cold, noinline, unused))

MACH_BEGIN_DECLS
/* The calling thread's reply port, a receive right; made when there is none. */
mach_port_t mig_get_reply_port(void);
/* The reply port may hold a stray message: destroy it, the next call makes another. */
void mig_dealloc_reply_port(mach_port_t port);
/* The reply port was used and is clean. */
void mig_put_reply_port(mach_port_t port);
/* Zero-filled page-aligned memory; *address is 0 when there is none. */
void mig_allocate(vm_address_t *address, vm_size_t size);
void mig_deallocate(vm_address_t address, vm_size_t size);
MACH_END_DECLS

/* mig_get_reply_port in place: one load, since the library keeps the port in its block of the
 * thread, at %gs:MIG_REPLY_PORT. Returns the name as it is in a message: a slot of 8 bytes. */
#define MIG_REPLY_PORT 32
static inline uint64_t mig_own_reply_port(void)
{
    uint64_t port = MACH_PORT_NULL;

    if (MACH_IN_PLACE) {
        __asm__ volatile("movl %%gs:%c1, %k0" : "=r"(port) : "i"(MIG_REPLY_PORT));
    }
    return __builtin_expect(port != MACH_PORT_NULL, 1) ? port : mig_get_reply_port();
}

/* A server did not take a request over: give back its rights and memory, but keep the right to
 * reply with. The header then says that there is nothing left in the message. */
static inline void mig_give_back(mach_msg_header_t *request)
{
    if (request->msgh_bits & MACH_MSGH_BITS_COMPLEX) {
        mach_msg_bits_t bits = request->msgh_bits;
        mach_port_name_t reply_port = request->msgh_remote_port;
        request->msgh_bits = bits & ~MACH_MSGH_BITS_REMOTE_MASK;
        request->msgh_remote_port = MACH_PORT_NAME_NULL;
        mach_msg_destroy(request);
        request->msgh_bits = bits & ~MACH_MSGH_BITS_COMPLEX;
        request->msgh_remote_port = reply_port;
    }
}

/* The header of a reply: as if it had no results, until the stub says how long it is. */
static inline void mig_reply_begin(const mach_msg_header_t *request, mach_msg_header_t *reply)
{
    reply->msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(request->msgh_bits), 0);
    reply->msgh_size = 48;
    reply->msgh_remote_port = request->msgh_remote_port;
    reply->msgh_remote_pad = 0;
    reply->msgh_protected_payload = 0;
    reply->msgh_seqno = 0;
    reply->msgh_id = (mach_msg_id_t)((uint32_t)request->msgh_id + 100);
}

/* A request was refused, by the stub or by the routine. One without a reply has been taken. */
MIG_COLD void mig_refuse(mach_msg_header_t *request, mach_msg_header_t *reply, kern_return_t code)
{
    if (code != MIG_NO_REPLY) {
        mig_give_back(request);
    }
    mig_reply_put(reply, code);
}

/* The same where nothing can be given back. */
MIG_COLD void mig_fail(mach_msg_header_t *reply, kern_return_t code)
{
    mig_reply_put(reply, code);
}

/* A request that takes no reply came with a right to reply: give that back too. */
static inline void mig_give_back_reply_port(mach_msg_header_t *request)
{
    if (request->msgh_remote_port != MACH_PORT_NAME_NULL) {
        mach_msg_bits_t bits = request->msgh_bits;
        request->msgh_bits = bits & ~MACH_MSGH_BITS_COMPLEX;
        mach_msg_destroy(request);
        request->msgh_bits = bits & ~MACH_MSGH_BITS_REMOTE_MASK;
        request->msgh_remote_port = MACH_PORT_NAME_NULL;
    }
}

/* The start of a reply with results. */
static inline int mig_reply_is_success(const uint8_t *reply)
{
    return mig_item_is(reply + 32, MIG_CODE_WORD, 1) && mig_load32(reply + 40) == KERN_SUCCESS;
}

/* A reply that is not what was hoped for: an error, which comes alone, or with results that mean
 * nothing when a server made it as a message of its own (device_reply.defs); or a wrong message.
 * What is in it is destroyed. Returns the call's result. */
MIG_COLD kern_return_t mig_reply_error(mach_msg_header_t *reply, mach_msg_id_t id)
{
    const char *bytes = (const char *)reply;
    kern_return_t code = MIG_TYPE_ERROR;

    if (reply->msgh_id != id) {
        code = reply->msgh_id == 71 ? MIG_SERVER_DIED : MIG_REPLY_MISMATCH;
    } else if (reply->msgh_size >= 48 && mig_item_is(bytes + 32, MIG_CODE_WORD, 1) &&
               mig_load32(bytes + 40) != KERN_SUCCESS) {
        code = (kern_return_t)mig_load32(bytes + 40);
    }
    mach_msg_destroy(reply);
    return code;
}

/* A call failed: the reply port is clean unless the reply may still come. Returns the error. */
MIG_COLD mach_msg_return_t mig_call_failed(mach_port_t port, mach_msg_return_t result)
{
    if (result <= MACH_SEND_IN_PROGRESS || result > MACH_SEND_INVALID_HEADER ||
        result == MACH_SEND_INVALID_REPLY) {
        mig_dealloc_reply_port(port);
    }
    return result;
}
#endif

#endif
