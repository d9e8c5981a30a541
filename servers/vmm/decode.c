/* decode.c - the instructions by which guests reach devices in memory, taken apart.
 *
 * Two tables of opcodes, of one byte and behind 0x0f, say operation and form; groups find their
 * operation by bits 3-5 of ModRM. Everything else is the same for all: prefixes, ModRM and SIB,
 * displacement, immediate. */
#include "decode.h"

#include <mach/hv.h>
#include <string.h>

/* How an opcode goes on, and what its operands are. */
#define FORM_MODRM  0x0001u /* one operand in memory, and a register if nothing else is said */
#define FORM_BYTE   0x0002u /* of one byte, whatever the prefixes */
#define FORM_LOAD   0x0004u /* memory is the second operand */
#define FORM_IMM8   0x0008u /* a byte, sign extended */
#define FORM_IMM    0x0010u /* as large as the operation, 4 bytes at most */
#define FORM_ALONE  0x0020u /* no second operand */
#define FORM_OFFSET 0x0040u /* the address behind the opcode; the register is the accumulator */
#define FORM_STRING 0x0080u
#define FORM_FROM8  0x0100u /* the operand in memory is that large */
#define FORM_FROM16 0x0200u
#define FORM_FROM32 0x0400u /*   (and the operation of 8) */
#define FORM_LOCK   0x0800u /* LOCK is allowed */
#define FORM_GROUP  0x1000u /* operation is the number of a group */
#define FORM_PLAIN  0x2000u /* of 4 or 8 bytes, and none of the prefixes 66, F2, F3 */
#define FORM_OLD    0x4000u /* not in 64-bit mode */

struct decode_entry {
    uint8_t operation;
    uint16_t form;
};

/* The eight of arithmetic, each with four forms that can have memory in them. */
#define ARITHMETIC(op, n, lock)                                                                    \
    [(n)*8] = {op, FORM_MODRM | FORM_BYTE | (lock)}, [(n)*8 + 1] = {op, FORM_MODRM | (lock)},      \
    [(n)*8 + 2] = {op, FORM_MODRM | FORM_BYTE | FORM_LOAD},                                        \
    [(n)*8 + 3] = {op, FORM_MODRM | FORM_LOAD}
/* One of one byte and one of more. */
#define PAIR(n, op, form) [n] = {op, (form) | FORM_BYTE}, [(n) + 1] = {op, form}

enum decode_group {
    GROUP_1,  /* 80, 81, 83 */
    GROUP_3,  /* F6, F7 */
    GROUP_4,  /* FE, FF */
    GROUP_8,  /* 0F BA */
    GROUP_11, /* C6, C7 */
    GROUP_COUNT,
};

static const struct decode_entry decode_one_byte[256] = {
    ARITHMETIC(DECODE_ADD, 0, FORM_LOCK),
    ARITHMETIC(DECODE_OR, 1, FORM_LOCK),
    ARITHMETIC(DECODE_ADC, 2, FORM_LOCK),
    ARITHMETIC(DECODE_SBB, 3, FORM_LOCK),
    ARITHMETIC(DECODE_AND, 4, FORM_LOCK),
    ARITHMETIC(DECODE_SUB, 5, FORM_LOCK),
    ARITHMETIC(DECODE_XOR, 6, FORM_LOCK),
    ARITHMETIC(DECODE_CMP, 7, 0),
    [0x63] = {DECODE_MOVSX, FORM_MODRM | FORM_LOAD | FORM_FROM32},
    PAIR(0x6c, DECODE_INS, FORM_STRING),
    PAIR(0x6e, DECODE_OUTS, FORM_STRING),
    PAIR(0x80, GROUP_1, FORM_GROUP | FORM_MODRM | FORM_IMM),
    [0x82] = {GROUP_1, FORM_GROUP | FORM_MODRM | FORM_IMM8 | FORM_BYTE | FORM_OLD},
    [0x83] = {GROUP_1, FORM_GROUP | FORM_MODRM | FORM_IMM8},
    PAIR(0x84, DECODE_TEST, FORM_MODRM),
    PAIR(0x86, DECODE_XCHG, FORM_MODRM | FORM_LOCK),
    PAIR(0x88, DECODE_MOV, FORM_MODRM),
    PAIR(0x8a, DECODE_MOV, FORM_MODRM | FORM_LOAD),
    PAIR(0xa0, DECODE_MOV, FORM_OFFSET | FORM_LOAD),
    PAIR(0xa2, DECODE_MOV, FORM_OFFSET),
    PAIR(0xa4, DECODE_MOVS, FORM_STRING),
    PAIR(0xa6, DECODE_CMPS, FORM_STRING),
    PAIR(0xaa, DECODE_STOS, FORM_STRING),
    PAIR(0xac, DECODE_LODS, FORM_STRING),
    PAIR(0xae, DECODE_SCAS, FORM_STRING),
    PAIR(0xc6, GROUP_11, FORM_GROUP | FORM_MODRM),
    PAIR(0xf6, GROUP_3, FORM_GROUP | FORM_MODRM),
    PAIR(0xfe, GROUP_4, FORM_GROUP | FORM_MODRM),
};

static const struct decode_entry decode_two_bytes[256] = {
    [0xa3] = {DECODE_BT, FORM_MODRM},
    [0xab] = {DECODE_BTS, FORM_MODRM | FORM_LOCK},
    PAIR(0xb0, DECODE_CMPXCHG, FORM_MODRM | FORM_LOCK),
    [0xb3] = {DECODE_BTR, FORM_MODRM | FORM_LOCK},
    [0xb6] = {DECODE_MOVZX, FORM_MODRM | FORM_LOAD | FORM_FROM8},
    [0xb7] = {DECODE_MOVZX, FORM_MODRM | FORM_LOAD | FORM_FROM16},
    [0xba] = {GROUP_8, FORM_GROUP | FORM_MODRM | FORM_IMM8},
    [0xbb] = {DECODE_BTC, FORM_MODRM | FORM_LOCK},
    [0xbe] = {DECODE_MOVSX, FORM_MODRM | FORM_LOAD | FORM_FROM8},
    [0xbf] = {DECODE_MOVSX, FORM_MODRM | FORM_LOAD | FORM_FROM16},
    PAIR(0xc0, DECODE_XADD, FORM_MODRM | FORM_LOCK),
    [0xc3] = {DECODE_MOV, FORM_MODRM | FORM_PLAIN}, /* MOVNTI */
};

static const struct decode_entry decode_groups[GROUP_COUNT][8] = {
    [GROUP_1] = {{DECODE_ADD, FORM_LOCK},
                 {DECODE_OR, FORM_LOCK},
                 {DECODE_ADC, FORM_LOCK},
                 {DECODE_SBB, FORM_LOCK},
                 {DECODE_AND, FORM_LOCK},
                 {DECODE_SUB, FORM_LOCK},
                 {DECODE_XOR, FORM_LOCK},
                 {DECODE_CMP, 0}},
    [GROUP_3] = {{DECODE_TEST, FORM_IMM},
                 {DECODE_TEST, FORM_IMM},
                 {DECODE_NOT, FORM_ALONE | FORM_LOCK},
                 {DECODE_NEG, FORM_ALONE | FORM_LOCK}},
    [GROUP_4] = {{DECODE_INC, FORM_ALONE | FORM_LOCK}, {DECODE_DEC, FORM_ALONE | FORM_LOCK}},
    [GROUP_8] = {[4] = {DECODE_BT, 0},
                 [5] = {DECODE_BTS, FORM_LOCK},
                 [6] = {DECODE_BTR, FORM_LOCK},
                 [7] = {DECODE_BTC, FORM_LOCK}},
    [GROUP_11] = {{DECODE_MOV, FORM_IMM}},
};

/* The bytes, and what the prefixes have said. */
struct decode_cursor {
    const uint8_t *bytes;
    size_t count;
    size_t next;
    bool is_short; /* a byte was asked for that is not there */
    enum decode_mode mode;
    uint8_t rex;
    bool has_size;    /* 66 */
    bool has_address; /* 67 */
    bool has_lock;
    bool has_repeat;
    bool has_repeat_unequal;
    uint8_t segment; /* DECODE_NO_REGISTER: no prefix */
};

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

/* n bytes, little endian, sign extended; 0 if they are not there. */
static int64_t decode_take(struct decode_cursor *c, unsigned n)
{
    uint64_t value = 0;

    if (n > c->count - c->next) {
        c->is_short = true;
        c->next = c->count;
        return 0;
    }
    if (n == 0) {
        return 0;
    }
    memcpy(&value, c->bytes + c->next, n);
    c->next += n;
    return (int64_t)(value << (64 - 8 * n)) >> (64 - 8 * n);
}

/* Is that byte a prefix that all modes have? Then remember it. */
static bool decode_prefix(struct decode_cursor *c, uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        if (c->mode != DECODE_LONG) {
            c->segment = (byte >> 3) & 3; /* as HV_SEGMENT_ES to HV_SEGMENT_DS */
        }
        return true;
    case 0x64:
    case 0x65:
        c->segment = byte == 0x64 ? HV_SEGMENT_FS : HV_SEGMENT_GS;
        return true;
    case 0x66:
        c->has_size = true;
        return true;
    case 0x67:
        c->has_address = true;
        return true;
    case 0xf0:
        c->has_lock = true;
        return true;
    case 0xf2:
    case 0xf3: /* the last one counts */
        c->has_repeat = byte == 0xf3;
        c->has_repeat_unequal = byte == 0xf2;
        return true;
    default:
        return false;
    }
}

/* The prefixes, and the first byte behind them. REX counts only directly before the opcode. */
static uint8_t decode_prefixes(struct decode_cursor *c)
{
    uint8_t byte;

    for (;;) {
        byte = (uint8_t)decode_take(c, 1);
        if (c->is_short) {
            return 0;
        }
        if (decode_prefix(c, byte)) {
            c->rex = 0;
        } else if (c->mode == DECODE_LONG && (byte & 0xf0) == 0x40) {
            c->rex = byte;
        } else {
            return byte;
        }
    }
}

static uint8_t decode_operand_size(const struct decode_cursor *c, uint16_t form)
{
    bool is_small = (c->mode == DECODE_REAL) != c->has_size;

    if ((form & FORM_BYTE) != 0) {
        return 1;
    }
    if ((c->rex & REX_W) != 0) {
        return 8;
    }
    return is_small && (form & FORM_PLAIN) == 0 ? 2 : 4;
}

static uint8_t decode_address_size(const struct decode_cursor *c)
{
    if (!c->has_address) {
        return (uint8_t)c->mode;
    }
    return c->mode == DECODE_PROTECTED ? 2 : 4;
}

static void decode_default_segment(const struct decode_cursor *c, bool is_stack,
                                   struct decode_instruction *i)
{
    i->segment = c->segment != DECODE_NO_REGISTER ? c->segment
                 : is_stack                       ? HV_SEGMENT_SS
                                                  : HV_SEGMENT_DS;
}

/* The address in ModRM, of 16 bits (volume 2, table 2-1). */
static void decode_address16(struct decode_cursor *c, uint8_t modrm, struct decode_instruction *i)
{
    static const uint8_t bases[8] = {HV_RBX, HV_RBX, HV_RBP, HV_RBP,
                                     HV_RSI, HV_RDI, HV_RBP, HV_RBX};
    static const uint8_t indexes[4] = {HV_RSI, HV_RDI, HV_RSI, HV_RDI};
    unsigned mod = modrm >> 6;
    unsigned rm = modrm & 7;

    if (mod == 0 && rm == 6) {
        i->displacement = decode_take(c, 2);
        decode_default_segment(c, false, i);
        return;
    }
    i->base = bases[rm];
    if (rm < 4) {
        i->index = indexes[rm];
    }
    i->displacement = decode_take(c, mod);
    decode_default_segment(c, i->base == HV_RBP, i);
}

/* SIB (table 2-3). Returns false: there is no base, but 4 bytes of displacement. */
static bool decode_sib(struct decode_cursor *c, unsigned mod, struct decode_instruction *i)
{
    uint8_t sib = (uint8_t)decode_take(c, 1);
    uint8_t index = (uint8_t)(((sib >> 3) & 7) | ((c->rex & REX_X) != 0 ? 8 : 0));

    if (index != HV_RSP) {
        i->index = index;
        i->scale = (uint8_t)(1u << (sib >> 6));
    }
    if ((sib & 7) == HV_RBP && mod == 0) {
        return false;
    }
    i->base = (uint8_t)((sib & 7) | ((c->rex & REX_B) != 0 ? 8 : 0));
    return true;
}

/* The address in ModRM and SIB, of 32 or 64 bits (table 2-2, and 2.2.1). */
static void decode_address(struct decode_cursor *c, uint8_t modrm, struct decode_instruction *i)
{
    unsigned mod = modrm >> 6;
    unsigned rm = modrm & 7;
    bool has_base = true;

    if (rm == HV_RSP) {
        has_base = decode_sib(c, mod, i);
    } else if (rm == HV_RBP && mod == 0) {
        has_base = false;
        i->base = c->mode == DECODE_LONG ? DECODE_RIP : DECODE_NO_REGISTER;
    } else {
        i->base = (uint8_t)(rm | ((c->rex & REX_B) != 0 ? 8 : 0));
    }
    i->displacement = decode_take(c, !has_base || mod == 2 ? 4 : mod);
    decode_default_segment(c, i->base == HV_RSP || i->base == HV_RBP, i);
}

/* The register of an operation of i->size: without REX, 4 to 7 of one byte are AH, CH, DH, BH. */
static void decode_register(const struct decode_cursor *c, uint8_t number,
                            struct decode_instruction *i)
{
    i->source = DECODE_REGISTER;
    i->reg = number;
    if (i->size == 1 && c->rex == 0 && number >= 4 && number < 8) {
        i->reg = number & 3;
        i->is_high = true;
    }
}

/* ModRM, the register or the group's operation in it, and the address. False: not one of ours. */
static bool decode_modrm(struct decode_cursor *c, const struct decode_entry *entry,
                         struct decode_instruction *i, uint16_t *form)
{
    uint8_t modrm = (uint8_t)decode_take(c, 1);
    unsigned reg = (modrm >> 3) & 7;

    if (c->is_short || modrm >> 6 == 3) {
        return c->is_short; /* a register is no place for a device */
    }
    if ((*form & FORM_GROUP) != 0) {
        i->operation = decode_groups[entry->operation][reg].operation;
        *form |= decode_groups[entry->operation][reg].form;
    } else {
        decode_register(c, (uint8_t)(reg | ((c->rex & REX_R) != 0 ? 8 : 0)), i);
    }
    if (i->address_size == 2) {
        decode_address16(c, modrm, i);
    } else {
        decode_address(c, modrm, i);
    }
    return true;
}

/* Where the operands are, by the form, which a group makes complete. False: not one of ours. */
static bool decode_operands(struct decode_cursor *c, const struct decode_entry *entry,
                            struct decode_instruction *i, uint16_t *form)
{
    if ((*form & FORM_MODRM) != 0) {
        return decode_modrm(c, entry, i, form);
    }
    decode_default_segment(c, false, i);
    if ((*form & FORM_OFFSET) != 0) {
        i->source = DECODE_REGISTER;
        i->reg = HV_RAX;
        i->displacement = decode_take(c, i->address_size);
    }
    return true;
}

static void decode_immediate(struct decode_cursor *c, uint16_t form, struct decode_instruction *i)
{
    unsigned size = i->size;

    if ((form & (FORM_IMM | FORM_IMM8)) == 0) {
        return;
    }
    if ((form & FORM_IMM8) != 0) {
        size = 1;
    } else if (size > 4) {
        size = 4;
    }
    i->source = DECODE_IMMEDIATE;
    i->immediate = decode_take(c, size);
}

static uint8_t decode_memory_size(uint16_t form, uint8_t size)
{
    if ((form & FORM_FROM8) != 0) {
        return 1;
    }
    if ((form & FORM_FROM16) != 0) {
        return 2;
    }
    return (form & FORM_FROM32) != 0 ? 4 : size;
}

/* What follows from the form and the prefixes together. False: no processor executes that. */
static bool decode_finish(const struct decode_cursor *c, uint16_t form,
                          struct decode_instruction *i)
{
    if (i->operation == DECODE_NONE) {
        return false;
    }
    if ((form & FORM_PLAIN) != 0 && (c->has_size || c->has_repeat || c->has_repeat_unequal)) {
        return false;
    }
    if ((form & FORM_OLD) != 0 && c->mode == DECODE_LONG) {
        return false;
    }
    if ((form & FORM_FROM32) != 0 && i->size != 8) {
        return false; /* ARPL, or what nobody writes */
    }
    i->is_to_memory = (form & FORM_LOAD) == 0;
    i->is_string = (form & FORM_STRING) != 0;
    i->is_locked = c->has_lock || i->operation == DECODE_XCHG;
    i->memory_size = decode_memory_size(form, i->size);
    i->repeats = i->is_string && c->has_repeat;
    i->repeats_unequal = i->is_string && c->has_repeat_unequal;
    if ((i->operation == DECODE_INS || i->operation == DECODE_OUTS) && i->size == 8) {
        i->size = 4; /* ports have no more */
        i->memory_size = 4;
    }
    return !c->has_lock || (form & FORM_LOCK) != 0;
}

enum decode_result decode(const uint8_t *bytes, size_t count, enum decode_mode mode,
                          struct decode_instruction *instruction)
{
    struct decode_cursor c = {
        .bytes = bytes, .count = count, .mode = mode, .segment = DECODE_NO_REGISTER};
    struct decode_instruction i = {
        .base = DECODE_NO_REGISTER, .index = DECODE_NO_REGISTER, .scale = 1};
    const struct decode_entry *entry;
    uint8_t opcode;
    uint16_t form;

    if (count > DECODE_LENGTH_MAX) {
        c.count = DECODE_LENGTH_MAX;
    }
    opcode = decode_prefixes(&c);
    entry = &decode_one_byte[opcode];
    if (opcode == 0x0f) {
        entry = &decode_two_bytes[(uint8_t)decode_take(&c, 1)];
    }
    form = entry->form;
    if (!c.is_short && form == 0) {
        return DECODE_UNKNOWN;
    }
    i.operation = (form & FORM_GROUP) != 0 ? DECODE_NONE : (enum decode_operation)entry->operation;
    i.size = decode_operand_size(&c, form);
    i.address_size = decode_address_size(&c);
    if (!decode_operands(&c, entry, &i, &form)) {
        return DECODE_UNKNOWN;
    }
    decode_immediate(&c, form, &i);
    if (c.is_short) { /* longer than any instruction may be, or just not all there */
        return c.count == DECODE_LENGTH_MAX ? DECODE_UNKNOWN : DECODE_SHORT;
    }
    if (!decode_finish(&c, form, &i)) {
        return DECODE_UNKNOWN;
    }
    i.length = (uint8_t)c.next;
    *instruction = i;
    return DECODE_DONE;
}
