/* emulate_flags.c - arithmetic as the processor does it, with what it leaves in RFLAGS. */
#include "emulate_flags.h"

#include <stdbool.h>

#define FLAGS_ARITHMETIC                                                                           \
    (FLAG_CARRY | FLAG_PARITY | FLAG_ADJUST | FLAG_ZERO | FLAG_SIGN | FLAG_OVERFLOW)

static uint64_t emulate_flags_of(uint64_t result, unsigned size)
{
    uint64_t flags = 0;

    if (__builtin_parity((unsigned)(result & 0xff)) == 0) {
        flags |= FLAG_PARITY;
    }
    if (result == 0) {
        flags |= FLAG_ZERO;
    }
    if ((result >> (8 * size - 1) & 1) != 0) {
        flags |= FLAG_SIGN;
    }
    return flags;
}

/* first + second + carry. */
static uint64_t emulate_flags_add(uint64_t first, uint64_t second, unsigned carry, unsigned size,
                                  uint64_t *flags)
{
    uint64_t mask = emulate_flags_mask(size);
    uint64_t result = (first + second + carry) & mask;
    uint64_t carries = (first & second) | ((first | second) & ~result); /* out of each bit */
    unsigned top = 8 * size - 1;

    *flags |= (carries >> top & 1) != 0 ? FLAG_CARRY : 0;
    *flags |= (carries & 8) != 0 ? FLAG_ADJUST : 0;
    *flags |= (((first ^ result) & (second ^ result)) >> top & 1) != 0 ? FLAG_OVERFLOW : 0;
    return result;
}

/* first - second - borrow. */
static uint64_t emulate_flags_subtract(uint64_t first, uint64_t second, unsigned borrow,
                                       unsigned size, uint64_t *flags)
{
    uint64_t mask = emulate_flags_mask(size);
    uint64_t result = (first - second - borrow) & mask;
    uint64_t borrows = (~first & second) | ((~first | second) & result); /* into each bit */
    unsigned top = 8 * size - 1;

    *flags |= (borrows >> top & 1) != 0 ? FLAG_CARRY : 0;
    *flags |= (borrows & 8) != 0 ? FLAG_ADJUST : 0;
    *flags |= (((first ^ second) & (first ^ result)) >> top & 1) != 0 ? FLAG_OVERFLOW : 0;
    return result;
}

static uint64_t emulate_flags_logic(enum decode_operation operation, uint64_t first,
                                    uint64_t second)
{
    switch (operation) {
    case DECODE_OR:
        return first | second;
    case DECODE_XOR:
        return first ^ second;
    default: /* DECODE_AND, DECODE_TEST */
        return first & second;
    }
}

uint64_t emulate_flags(enum decode_operation operation, uint64_t first, uint64_t second,
                       unsigned size, uint64_t *flags)
{
    uint64_t mask = emulate_flags_mask(size);
    unsigned carry = (*flags & FLAG_CARRY) != 0 ? 1 : 0;
    bool keeps_carry = operation == DECODE_INC || operation == DECODE_DEC;
    uint64_t changed = 0;
    uint64_t result;

    first &= mask;
    second &= mask;
    switch (operation) {
    case DECODE_NOT:
        return ~first & mask;
    case DECODE_ADD:
        result = emulate_flags_add(first, second, 0, size, &changed);
        break;
    case DECODE_ADC:
        result = emulate_flags_add(first, second, carry, size, &changed);
        break;
    case DECODE_INC:
        result = emulate_flags_add(first, 1, 0, size, &changed);
        break;
    case DECODE_SUB:
    case DECODE_CMP:
        result = emulate_flags_subtract(first, second, 0, size, &changed);
        break;
    case DECODE_SBB:
        result = emulate_flags_subtract(first, second, carry, size, &changed);
        break;
    case DECODE_DEC:
        result = emulate_flags_subtract(first, 1, 0, size, &changed);
        break;
    case DECODE_NEG:
        result = emulate_flags_subtract(0, first, 0, size, &changed);
        break;
    default:
        result = emulate_flags_logic(operation, first, second);
        break;
    }
    if (keeps_carry) {
        changed = (changed & ~FLAG_CARRY) | (*flags & FLAG_CARRY);
    }
    *flags = (*flags & ~FLAGS_ARITHMETIC) | changed | emulate_flags_of(result, size);
    return result;
}

uint64_t emulate_flags_bit(enum decode_operation operation, uint64_t value, unsigned bit,
                           uint64_t *flags)
{
    uint64_t one = 1ull << bit;

    *flags = (*flags & ~FLAG_CARRY) | ((value & one) != 0 ? FLAG_CARRY : 0);
    switch (operation) {
    case DECODE_BTS:
        return value | one;
    case DECODE_BTR:
        return value & ~one;
    case DECODE_BTC:
        return value ^ one;
    default:
        return value;
    }
}
