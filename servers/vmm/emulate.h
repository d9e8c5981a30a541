/* emulate.h - do an instruction in the guest's place: one whose operand is a device's register, or
 * INS and OUTS. */
#ifndef VMM_EMULATE_H
#define VMM_EMULATE_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/hv.h>

#include "bus.h"
#include "decode.h"
#include "memory.h"
#include "walk.h"

#define EMULATE_SEGMENTS 6u /* HV_SEGMENT_ES to HV_SEGMENT_GS */

struct emulate_segment {
    uint64_t base;
    uint32_t limit;
    bool is_usable;
    bool is_writable;
    bool grows_down;
    bool is_big; /* of 32 bits: what the end is of one that grows down */
};

/* A processor of the guest at an instruction, and the machine around it. */
struct emulate {
    const struct memory *memory;
    const struct bus *bus; /* of guest physical memory */
    const struct bus *ports;
    struct walk_paging paging;
    enum decode_mode mode;
    unsigned privilege;                   /* CPL */
    uint64_t registers[HV_GENERAL_COUNT]; /* changed */
    struct emulate_segment segments[EMULATE_SEGMENTS];
    uint16_t port;     /* of INS and OUTS */
    bool has_physical; /* the processor has already said where the operand is: */
    uint64_t physical;
    /* of EMULATE_EXCEPTION */
    uint32_t vector;
    uint32_t error;
    uint64_t address; /* of a page fault: for CR2 */
};

enum emulate_result {
    EMULATE_DONE,      /* registers have the state behind the instruction */
    EMULATE_AGAIN,     /* the guest is to execute it (or its rest) again */
    EMULATE_EXCEPTION, /* none of its effects; the guest gets an exception */
    EMULATE_UNKNOWN,   /* it cannot be done here */
};

/* Does it matter what is in `segments` and `privilege` for that instruction? They cost the monitor
 * a call. */
bool emulate_needs_segments(const struct emulate *e, const struct decode_instruction *i);

/* Segments as HV_STATE_SEGMENTS has them, and the privilege level in them. */
void emulate_set_segments(struct emulate *e, const int64_t *state);

/* The bytes at RIP. Returns their number, which is less than `count` when the next page is not to
 * be read. */
unsigned emulate_fetch(const struct emulate *e, uint64_t code_base, uint8_t *bytes, unsigned count);

enum emulate_result emulate(struct emulate *e, const struct decode_instruction *i);

#endif
