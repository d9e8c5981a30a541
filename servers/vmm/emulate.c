/* emulate.c - do an instruction in the guest's place.
 *
 * First everything that can fail: operands are found, with the checks of segments and pages that
 * the processor makes. Then devices and memory are read and written, each once. */
#include "emulate_impl.h"

#include <string.h>

#include "emulate_flags.h"

#define VECTOR_STACK      12u
#define VECTOR_PROTECTION 13u
#define VECTOR_PAGE       14u

#define FLAG_ALIGNMENT (1ull << 18) /* AC: the system may touch pages of users */

#define PAGE 4096u

/* Attributes of a segment, as HV_STATE_SEGMENTS has them. */
#define ATTRIBUTE_TYPE_WRITE 0x002u /* of data */
#define ATTRIBUTE_TYPE_DOWN  0x004u /* of data */
#define ATTRIBUTE_TYPE_CODE  0x008u
#define ATTRIBUTE_PRESENT    0x080u
#define ATTRIBUTE_BIG        0x400u

void emulate_set_segments(struct emulate *e, const int64_t *state)
{
    for (unsigned n = 0; n < EMULATE_SEGMENTS; n++) {
        uint64_t word = (uint64_t)state[2 * n];
        unsigned attributes = (unsigned)(word >> 16) & 0xffff;
        bool is_code = (attributes & ATTRIBUTE_TYPE_CODE) != 0;

        e->segments[n] = (struct emulate_segment){
            .base = (uint64_t)state[2 * n + 1],
            .limit = (uint32_t)(word >> 32),
            .is_usable = (attributes & ATTRIBUTE_PRESENT) != 0,
            .is_writable = !is_code && (attributes & ATTRIBUTE_TYPE_WRITE) != 0,
            .grows_down = !is_code && (attributes & ATTRIBUTE_TYPE_DOWN) != 0,
            .is_big = (attributes & ATTRIBUTE_BIG) != 0,
        };
        if (n == HV_SEGMENT_SS) {
            e->privilege = (attributes >> 5) & 3;
        }
    }
}

/* --- registers --- */

uint64_t emulate_get(const struct emulate *e, unsigned reg, unsigned size, bool is_high)
{
    return e->registers[reg] >> (is_high ? 8 : 0) & emulate_flags_mask(size);
}

void emulate_set(struct emulate *e, unsigned reg, unsigned size, bool is_high, uint64_t value)
{
    unsigned shift = is_high ? 8 : 0;
    uint64_t mask = emulate_flags_mask(size) << shift;

    if (size >= 4) {
        e->registers[reg] = value & mask;
    } else {
        e->registers[reg] = (e->registers[reg] & ~mask) | (value << shift & mask);
    }
}

/* --- operands --- */

static enum emulate_result emulate_raise(struct emulate *e, uint32_t vector, uint32_t error)
{
    e->vector = vector;
    e->error = error;
    return EMULATE_EXCEPTION;
}

static bool emulate_is_canonical(uint64_t linear)
{
    return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

/* Is [offset, offset + size) in the segment, and may it be used so? */
static bool emulate_is_inside(const struct emulate_segment *s, uint64_t offset, unsigned size,
                              bool is_write)
{
    uint64_t last = offset + size - 1;

    if (!s->is_usable || (is_write && !s->is_writable)) {
        return false;
    }
    if (s->grows_down) {
        return offset > s->limit && last <= (s->is_big ? UINT32_MAX : UINT16_MAX);
    }
    return last <= s->limit;
}

static enum emulate_result emulate_linear(struct emulate *e, unsigned segment, uint64_t offset,
                                          unsigned size, bool is_write, uint64_t *linear)
{
    const struct emulate_segment *s = &e->segments[segment];
    bool is_good;

    if (e->mode == DECODE_LONG) {
        *linear = offset + (segment >= HV_SEGMENT_FS ? s->base : 0);
        is_good = emulate_is_canonical(*linear) && emulate_is_canonical(*linear + size - 1);
    } else {
        *linear = (s->base + offset) & UINT32_MAX;
        is_good = (e->paging.cr0 & 1) == 0 ? offset + size - 1 <= s->limit
                                           : emulate_is_inside(s, offset, size, is_write);
    }
    if (!is_good) {
        return emulate_raise(e, segment == HV_SEGMENT_SS ? VECTOR_STACK : VECTOR_PROTECTION, 0);
    }
    return EMULATE_DONE;
}

/* One piece, inside a page. */
static enum emulate_result emulate_translate(struct emulate *e, uint64_t linear, bool is_write,
                                             uint64_t *physical)
{
    struct walk_access access = {
        .is_write = is_write,
        .is_user = e->privilege == 3,
        .is_user_ok = (e->registers[HV_RFLAGS] & FLAG_ALIGNMENT) != 0,
    };
    uint32_t error = 0;

    switch (walk(e->memory, &e->paging, linear, access, physical, &error)) {
    case WALK_DONE:
        return EMULATE_DONE;
    case WALK_FAULT:
        e->address = linear;
        return emulate_raise(e, VECTOR_PAGE, error);
    case WALK_AGAIN:
        return EMULATE_AGAIN;
    default:
        return EMULATE_UNKNOWN;
    }
}

enum emulate_result emulate_find(struct emulate *e, unsigned segment, uint64_t offset,
                                 unsigned size, bool is_write, struct emulate_place *place)
{
    uint64_t linear;
    enum emulate_result result = emulate_linear(e, segment, offset, size, is_write, &linear);

    *place = (struct emulate_place){.count = 1, .size = {size, 0}};
    if (result == EMULATE_DONE && (linear & (PAGE - 1)) + size > PAGE) {
        place->count = 2;
        place->size[0] = PAGE - (unsigned)(linear & (PAGE - 1));
        place->size[1] = size - place->size[0];
    }
    for (unsigned n = 0; n < place->count && result == EMULATE_DONE; n++) {
        result = emulate_translate(e, linear, is_write, &place->physical[n]);
        linear += place->size[n];
        if (e->mode != DECODE_LONG) {
            linear &= UINT32_MAX;
        }
    }
    return result;
}

static uint64_t emulate_read_piece(const struct emulate *e, uint64_t physical, unsigned size)
{
    uint64_t value = 0;

    if (memory_read(e->memory, physical, &value, size)) {
        return value;
    }
    if ((size & (size - 1)) == 0) {
        return bus_read(e->bus, physical, size) & emulate_flags_mask(size);
    }
    for (unsigned n = 0; n < size; n++) { /* what a page's end has cut */
        value |= (bus_read(e->bus, physical + n, 1) & 0xff) << (8 * n);
    }
    return value;
}

static void emulate_write_piece(const struct emulate *e, uint64_t physical, unsigned size,
                                uint64_t value)
{
    if (memory_write(e->memory, physical, &value, size)) {
        return;
    }
    if ((size & (size - 1)) == 0) {
        bus_write(e->bus, physical, size, value & emulate_flags_mask(size));
        return;
    }
    for (unsigned n = 0; n < size; n++) {
        bus_write(e->bus, physical + n, 1, value >> (8 * n) & 0xff);
    }
}

uint64_t emulate_read(const struct emulate *e, const struct emulate_place *place)
{
    uint64_t value = emulate_read_piece(e, place->physical[0], place->size[0]);

    if (place->count == 2) {
        value |= emulate_read_piece(e, place->physical[1], place->size[1]) << (8 * place->size[0]);
    }
    return value;
}

void emulate_write(const struct emulate *e, const struct emulate_place *place, uint64_t value)
{
    emulate_write_piece(e, place->physical[0], place->size[0],
                        value & emulate_flags_mask(place->size[0]));
    if (place->count == 2) {
        emulate_write_piece(e, place->physical[1], place->size[1], value >> (8 * place->size[0]));
    }
}

/* --- one operand in memory --- */

static bool emulate_is_bit(const struct decode_instruction *i)
{
    return i->operation >= DECODE_BT && i->operation <= DECODE_BTC;
}

/* Does the instruction write the operand in memory? */
static bool emulate_is_write(const struct decode_instruction *i)
{
    return i->is_to_memory && i->operation != DECODE_CMP && i->operation != DECODE_TEST &&
           i->operation != DECODE_BT;
}

/* The other operand. */
static uint64_t emulate_source(const struct emulate *e, const struct decode_instruction *i)
{
    if (i->source == DECODE_IMMEDIATE) {
        return (uint64_t)i->immediate;
    }
    return i->source == DECODE_REGISTER ? emulate_get(e, i->reg, i->size, i->is_high) : 0;
}

/* The operand's offset in its segment. A bit in a register counts from there, in both directions
 * (Intel SDM volume 2, BT). */
static uint64_t emulate_offset(const struct emulate *e, const struct decode_instruction *i)
{
    uint64_t offset = (uint64_t)i->displacement;

    if (i->base == DECODE_RIP) {
        offset += e->registers[HV_RIP] + i->length;
    } else if (i->base != DECODE_NO_REGISTER) {
        offset += e->registers[i->base];
    }
    if (i->index != DECODE_NO_REGISTER) {
        offset += e->registers[i->index] * i->scale;
    }
    if (emulate_is_bit(i) && i->source == DECODE_REGISTER) {
        unsigned shift = 64 - 8 * i->size;
        int64_t bit = (int64_t)(emulate_source(e, i) << shift) >> shift;

        offset += (uint64_t)((bit >> 3) & -(int64_t)i->size);
    }
    return offset & emulate_flags_mask(i->address_size);
}

/* Has the processor said where the whole operand is? */
static bool emulate_is_told(const struct emulate *e, const struct decode_instruction *i)
{
    uint64_t offset = emulate_offset(e, i);

    return e->has_physical && e->mode == DECODE_LONG && i->segment < HV_SEGMENT_FS &&
           (offset & (PAGE - 1)) == (e->physical & (PAGE - 1)) &&
           (offset & (PAGE - 1)) + i->memory_size <= PAGE;
}

bool emulate_needs_segments(const struct emulate *e, const struct decode_instruction *i)
{
    return i->is_string || !emulate_is_told(e, i);
}

static enum emulate_result emulate_locate(struct emulate *e, const struct decode_instruction *i,
                                          struct emulate_place *place)
{
    if (emulate_is_told(e, i)) {
        *place = (struct emulate_place){1, {e->physical, 0}, {i->memory_size, 0}};
        return EMULATE_DONE;
    }
    return emulate_find(e, i->segment, emulate_offset(e, i), i->memory_size, emulate_is_write(i),
                        place);
}

/* Memory is the second operand. */
static void emulate_load(struct emulate *e, const struct decode_instruction *i,
                         const struct emulate_place *place)
{
    uint64_t value = emulate_read(e, place);
    unsigned shift = 64 - 8 * i->memory_size;

    if (i->operation == DECODE_MOVSX) {
        value = (uint64_t)((int64_t)(value << shift) >> shift);
    } else if (i->operation < DECODE_MOV) {
        value = emulate_flags(i->operation, emulate_source(e, i), value, i->size,
                              &e->registers[HV_RFLAGS]);
    }
    if (i->operation != DECODE_CMP) {
        emulate_set(e, i->reg, i->size, i->is_high, value);
    }
}

/* Compare the accumulator, and exchange: memory is written in both cases. */
static void emulate_cmpxchg(struct emulate *e, const struct decode_instruction *i,
                            const struct emulate_place *place)
{
    uint64_t was = emulate_read(e, place);
    uint64_t accumulator = emulate_get(e, HV_RAX, i->size, false);

    (void)emulate_flags(DECODE_CMP, accumulator, was, i->size, &e->registers[HV_RFLAGS]);
    if (accumulator == was) {
        emulate_write(e, place, emulate_source(e, i));
    } else {
        emulate_write(e, place, was);
        emulate_set(e, HV_RAX, i->size, false, was);
    }
}

/* Memory is the first operand, and read. */
static void emulate_modify(struct emulate *e, const struct decode_instruction *i,
                           const struct emulate_place *place)
{
    uint64_t *flags = &e->registers[HV_RFLAGS];
    uint64_t source = emulate_source(e, i);
    uint64_t was = emulate_read(e, place);
    uint64_t value = source; /* of XCHG */

    if (emulate_is_bit(i)) {
        value = emulate_flags_bit(i->operation, was, (unsigned)source & (8u * i->size - 1), flags);
    } else if (i->operation == DECODE_XADD) {
        value = emulate_flags(DECODE_ADD, was, source, i->size, flags);
    } else if (i->operation != DECODE_XCHG) {
        value = emulate_flags(i->operation, was, source, i->size, flags);
    }
    if (i->operation == DECODE_XADD || i->operation == DECODE_XCHG) {
        emulate_set(e, i->reg, i->size, i->is_high, was);
    }
    if (emulate_is_write(i)) {
        emulate_write(e, place, value);
    }
}

/* In memory that processors share, what is locked cannot be done in steps. */
static bool emulate_is_shared(const struct emulate *e, const struct emulate_place *place)
{
    return memory_at(e->memory, place->physical[0], 1) != NULL;
}

static enum emulate_result emulate_operand(struct emulate *e, const struct decode_instruction *i)
{
    struct emulate_place place;
    enum emulate_result result = emulate_locate(e, i, &place);

    if (result != EMULATE_DONE) {
        return result;
    }
    if (i->is_locked && emulate_is_shared(e, &place)) {
        return EMULATE_UNKNOWN;
    }
    if (!i->is_to_memory) {
        emulate_load(e, i, &place);
    } else if (i->operation == DECODE_MOV) {
        emulate_write(e, &place, emulate_source(e, i));
    } else if (i->operation == DECODE_CMPXCHG) {
        emulate_cmpxchg(e, i, &place);
    } else {
        emulate_modify(e, i, &place);
    }
    return EMULATE_DONE;
}

enum emulate_result emulate(struct emulate *e, const struct decode_instruction *i)
{
    enum emulate_result result = i->is_string ? emulate_string(e, i) : emulate_operand(e, i);

    if (result == EMULATE_DONE) {
        e->registers[HV_RIP] += i->length;
        if (e->mode != DECODE_LONG) {
            e->registers[HV_RIP] &= UINT32_MAX;
        }
    }
    return result;
}

unsigned emulate_fetch(const struct emulate *e, uint64_t code_base, uint8_t *bytes, unsigned count)
{
    struct walk_access access = {.is_user_ok = true}; /* it has been executed, so it may be read */
    unsigned n = 0;

    while (n < count) {
        uint64_t linear = code_base + e->registers[HV_RIP] + n;
        unsigned piece = PAGE - (unsigned)(linear & (PAGE - 1));
        uint64_t physical;
        uint32_t error;

        if (piece > count - n) {
            piece = count - n;
        }
        if (walk(e->memory, &e->paging, linear, access, &physical, &error) != WALK_DONE ||
            !memory_read(e->memory, physical, bytes + n, piece)) {
            break;
        }
        n += piece;
    }
    return n;
}
