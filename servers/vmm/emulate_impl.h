/* emulate_impl.h - shared by emulate.c and emulate_string.c: operands and registers. */
#ifndef VMM_EMULATE_IMPL_H
#define VMM_EMULATE_IMPL_H

#include "emulate.h"

/* Where an operand is: in one piece or, across the end of a page, in two. */
struct emulate_place {
    unsigned count;
    uint64_t physical[2];
    unsigned size[2];
};

/* An operand of `size` bytes at an offset in a segment: checked as the processor checks it, and
 * looked up in the guest's page tables. Nothing is read or written. Returns: EMULATE_DONE, AGAIN,
 * EXCEPTION, UNKNOWN. */
enum emulate_result emulate_find(struct emulate *e, unsigned segment, uint64_t offset,
                                 unsigned size, bool is_write, struct emulate_place *place);
/* Read it, from memory or a device, or write it. */
uint64_t emulate_read(const struct emulate *e, const struct emulate_place *place);
void emulate_write(const struct emulate *e, const struct emulate_place *place, uint64_t value);

/* A register, or the low bytes of one; 4 bytes written clear the upper 4, fewer change only
 * themselves. is_high: bits 8 to 15. */
uint64_t emulate_get(const struct emulate *e, unsigned reg, unsigned size, bool is_high);
void emulate_set(struct emulate *e, unsigned reg, unsigned size, bool is_high, uint64_t value);

/* emulate_string.c: INS, OUTS, MOVS and so on, as often as REP says but not for ever. */
enum emulate_result emulate_string(struct emulate *e, const struct decode_instruction *i);

#endif
