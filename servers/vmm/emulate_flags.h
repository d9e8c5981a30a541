/* emulate_flags.h - arithmetic as the processor does it, with what it leaves in RFLAGS. */
#ifndef VMM_EMULATE_FLAGS_H
#define VMM_EMULATE_FLAGS_H

#include <stdint.h>

#include "decode.h"

#define FLAG_CARRY     (1ull << 0)
#define FLAG_PARITY    (1ull << 2)
#define FLAG_ADJUST    (1ull << 4)
#define FLAG_ZERO      (1ull << 6)
#define FLAG_SIGN      (1ull << 7)
#define FLAG_DIRECTION (1ull << 10)
#define FLAG_OVERFLOW  (1ull << 11)

/* The low `size` bytes. */
static inline uint64_t emulate_flags_mask(unsigned size)
{
    return size == 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

/* first OPERATION second, of `size` bytes: one of DECODE_ADD to DECODE_CMP, DECODE_TEST,
 * DECODE_INC, DECODE_DEC, DECODE_NEG, DECODE_NOT (first counts). Changes the flags the operation
 * changes (Intel SDM volume 1, appendix A). */
uint64_t emulate_flags(enum decode_operation operation, uint64_t first, uint64_t second,
                       unsigned size, uint64_t *flags);

/* Bit `bit` of value into the carry, and the bit as DECODE_BT to DECODE_BTC leave it. */
uint64_t emulate_flags_bit(enum decode_operation operation, uint64_t value, unsigned bit,
                           uint64_t *flags);

#endif
