/* emulate_string.c - INS, OUTS, MOVS and so on, as often as REP says but not for ever.
 *
 * Each element is complete in itself: its operands are found before a device is asked, and the
 * registers are those behind it. So an exception, or the end of our patience, leaves the guest at
 * the instruction, with the rest to do. */
#include "emulate_flags.h"
#include "emulate_impl.h"

#define ELEMENTS_MAX 1024u /* of one call: then interrupts get their turn */

/* Which places an operation has. */
static bool emulate_string_has_source(enum decode_operation operation)
{
    return operation == DECODE_MOVS || operation == DECODE_CMPS || operation == DECODE_LODS ||
           operation == DECODE_OUTS;
}

static bool emulate_string_has_destination(enum decode_operation operation)
{
    return operation != DECODE_LODS && operation != DECODE_OUTS;
}

static bool emulate_string_is_comparison(enum decode_operation operation)
{
    return operation == DECODE_CMPS || operation == DECODE_SCAS;
}

/* The element's operands. */
static enum emulate_result emulate_string_find(struct emulate *e,
                                               const struct decode_instruction *i,
                                               struct emulate_place *from, struct emulate_place *to)
{
    enum emulate_result result = EMULATE_DONE;

    if (emulate_string_has_source(i->operation)) {
        result = emulate_find(e, i->segment, emulate_get(e, HV_RSI, i->address_size, false),
                              i->size, false, from);
    }
    if (result == EMULATE_DONE && emulate_string_has_destination(i->operation)) {
        result = emulate_find(e, HV_SEGMENT_ES, emulate_get(e, HV_RDI, i->address_size, false),
                              i->size, !emulate_string_is_comparison(i->operation), to);
    }
    return result;
}

static void emulate_string_do(struct emulate *e, const struct decode_instruction *i,
                              const struct emulate_place *from, const struct emulate_place *to)
{
    uint64_t *flags = &e->registers[HV_RFLAGS];
    uint64_t value = emulate_string_has_source(i->operation)
                         ? emulate_read(e, from)
                         : emulate_get(e, HV_RAX, i->size, false);

    switch (i->operation) {
    case DECODE_LODS:
        emulate_set(e, HV_RAX, i->size, false, value);
        break;
    case DECODE_OUTS:
        bus_write(e->ports, e->port, i->size, value);
        break;
    case DECODE_INS:
        emulate_write(e, to, bus_read(e->ports, e->port, i->size));
        break;
    case DECODE_CMPS:
    case DECODE_SCAS:
        (void)emulate_flags(DECODE_CMP, value, emulate_read(e, to), i->size, flags);
        break;
    default: /* DECODE_MOVS, DECODE_STOS */
        emulate_write(e, to, value);
        break;
    }
}

static void emulate_string_advance(struct emulate *e, const struct decode_instruction *i,
                                   unsigned reg)
{
    uint64_t step = (e->registers[HV_RFLAGS] & FLAG_DIRECTION) != 0 ? -(uint64_t)i->size : i->size;

    emulate_set(e, reg, i->address_size, false, emulate_get(e, reg, i->address_size, false) + step);
}

/* One element. */
static enum emulate_result emulate_string_step(struct emulate *e,
                                               const struct decode_instruction *i)
{
    struct emulate_place from;
    struct emulate_place to;
    enum emulate_result result = emulate_string_find(e, i, &from, &to);

    if (result != EMULATE_DONE) {
        return result;
    }
    emulate_string_do(e, i, &from, &to);
    if (emulate_string_has_source(i->operation)) {
        emulate_string_advance(e, i, HV_RSI);
    }
    if (emulate_string_has_destination(i->operation)) {
        emulate_string_advance(e, i, HV_RDI);
    }
    return EMULATE_DONE;
}

/* Does the comparison end it? */
static bool emulate_string_is_found(const struct emulate *e, const struct decode_instruction *i)
{
    bool is_equal = (e->registers[HV_RFLAGS] & FLAG_ZERO) != 0;

    return emulate_string_is_comparison(i->operation) && is_equal != i->repeats;
}

enum emulate_result emulate_string(struct emulate *e, const struct decode_instruction *i)
{
    enum emulate_result result;
    uint64_t left;

    if (!i->repeats && !i->repeats_unequal) {
        return emulate_string_step(e, i);
    }
    left = emulate_get(e, HV_RCX, i->address_size, false);
    for (unsigned n = 0; left != 0; n++) {
        if (n == ELEMENTS_MAX) {
            return EMULATE_AGAIN;
        }
        result = emulate_string_step(e, i);
        if (result != EMULATE_DONE) {
            return result;
        }
        left -= 1;
        emulate_set(e, HV_RCX, i->address_size, false, left);
        if (emulate_string_is_found(e, i)) {
            break;
        }
    }
    return EMULATE_DONE;
}
