/* decode_test.c - the monitor's decoder against a judge (the library Zydis), on instructions made
 * at random.
 *
 * usage: decode_test [COUNT [SEED]]      COUNT for each of the three modes
 *
 * Each of our operations is made often, with any prefixes before it and anything behind it; one in
 * four is random from the first byte on. What both know must be the same in all its parts; what
 * only the judge knows must not be one of ours. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include <mach/hv.h>

#include "decode.h"

#define BYTES         24u
#define COUNT_DEFAULT 350000u

static uint64_t state = 0x9e3779b97f4a7c15u;
static unsigned long failures;

static uint32_t random32(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* --- instructions --- */

static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                   0x66, 0x67, 0xf0, 0xf2, 0xf3};
static const uint8_t second[] = {0xa3, 0xab, 0xb0, 0xb1, 0xb3, 0xb6, 0xb7,
                                 0xba, 0xbb, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3};
static const uint8_t first[] = {
    0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19,
    0x1a, 0x1b, 0x20, 0x21, 0x22, 0x23, 0x28, 0x29, 0x2a, 0x2b, 0x30, 0x31, 0x32, 0x33,
    0x38, 0x39, 0x3a, 0x3b, 0x63, 0x6c, 0x6d, 0x6e, 0x6f, 0x80, 0x81, 0x82, 0x83, 0x84,
    0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6,
    0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xc6, 0xc7, 0xf6, 0xf7, 0xfe, 0xff,
};

static void make(uint8_t *bytes, enum decode_mode mode)
{
    size_t n = 0;

    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)random32();
    }
    if (random32() % 4 == 0) {
        return;
    }
    for (unsigned i = random32() % 4; i > 0; i--) {
        bytes[n] = prefixes[random32() % sizeof(prefixes)];
        n += 1;
    }
    if (mode == DECODE_LONG && random32() % 2 == 0) {
        bytes[n] = 0x40 | (random32() & 15);
        n += 1;
    }
    if (random32() % 4 == 0) {
        bytes[n] = 0x0f;
        bytes[n + 1] = second[random32() % sizeof(second)];
    } else {
        bytes[n] = first[random32() % sizeof(first)];
    }
}

/* --- the judge --- */

/* Which of our operations a mnemonic is. */
static enum decode_operation operation_of(const ZydisDecodedInstruction *z)
{
    static const struct {
        ZydisMnemonic mnemonic;
        enum decode_operation operation;
    } names[] = {
        {ZYDIS_MNEMONIC_ADD, DECODE_ADD},         {ZYDIS_MNEMONIC_OR, DECODE_OR},
        {ZYDIS_MNEMONIC_ADC, DECODE_ADC},         {ZYDIS_MNEMONIC_SBB, DECODE_SBB},
        {ZYDIS_MNEMONIC_AND, DECODE_AND},         {ZYDIS_MNEMONIC_SUB, DECODE_SUB},
        {ZYDIS_MNEMONIC_XOR, DECODE_XOR},         {ZYDIS_MNEMONIC_CMP, DECODE_CMP},
        {ZYDIS_MNEMONIC_MOV, DECODE_MOV},         {ZYDIS_MNEMONIC_MOVNTI, DECODE_MOV},
        {ZYDIS_MNEMONIC_MOVZX, DECODE_MOVZX},     {ZYDIS_MNEMONIC_MOVSX, DECODE_MOVSX},
        {ZYDIS_MNEMONIC_MOVSXD, DECODE_MOVSX},    {ZYDIS_MNEMONIC_TEST, DECODE_TEST},
        {ZYDIS_MNEMONIC_XCHG, DECODE_XCHG},       {ZYDIS_MNEMONIC_XADD, DECODE_XADD},
        {ZYDIS_MNEMONIC_CMPXCHG, DECODE_CMPXCHG}, {ZYDIS_MNEMONIC_NOT, DECODE_NOT},
        {ZYDIS_MNEMONIC_NEG, DECODE_NEG},         {ZYDIS_MNEMONIC_INC, DECODE_INC},
        {ZYDIS_MNEMONIC_DEC, DECODE_DEC},         {ZYDIS_MNEMONIC_BT, DECODE_BT},
        {ZYDIS_MNEMONIC_BTS, DECODE_BTS},         {ZYDIS_MNEMONIC_BTR, DECODE_BTR},
        {ZYDIS_MNEMONIC_BTC, DECODE_BTC},         {ZYDIS_MNEMONIC_MOVSB, DECODE_MOVS},
        {ZYDIS_MNEMONIC_MOVSW, DECODE_MOVS},      {ZYDIS_MNEMONIC_MOVSD, DECODE_MOVS},
        {ZYDIS_MNEMONIC_MOVSQ, DECODE_MOVS},      {ZYDIS_MNEMONIC_CMPSB, DECODE_CMPS},
        {ZYDIS_MNEMONIC_CMPSW, DECODE_CMPS},      {ZYDIS_MNEMONIC_CMPSD, DECODE_CMPS},
        {ZYDIS_MNEMONIC_CMPSQ, DECODE_CMPS},      {ZYDIS_MNEMONIC_STOSB, DECODE_STOS},
        {ZYDIS_MNEMONIC_STOSW, DECODE_STOS},      {ZYDIS_MNEMONIC_STOSD, DECODE_STOS},
        {ZYDIS_MNEMONIC_STOSQ, DECODE_STOS},      {ZYDIS_MNEMONIC_LODSB, DECODE_LODS},
        {ZYDIS_MNEMONIC_LODSW, DECODE_LODS},      {ZYDIS_MNEMONIC_LODSD, DECODE_LODS},
        {ZYDIS_MNEMONIC_LODSQ, DECODE_LODS},      {ZYDIS_MNEMONIC_SCASB, DECODE_SCAS},
        {ZYDIS_MNEMONIC_SCASW, DECODE_SCAS},      {ZYDIS_MNEMONIC_SCASD, DECODE_SCAS},
        {ZYDIS_MNEMONIC_SCASQ, DECODE_SCAS},      {ZYDIS_MNEMONIC_INSB, DECODE_INS},
        {ZYDIS_MNEMONIC_INSW, DECODE_INS},        {ZYDIS_MNEMONIC_INSD, DECODE_INS},
        {ZYDIS_MNEMONIC_OUTSB, DECODE_OUTS},      {ZYDIS_MNEMONIC_OUTSW, DECODE_OUTS},
        {ZYDIS_MNEMONIC_OUTSD, DECODE_OUTS},
    };
    bool is_vector = z->meta.isa_set == ZYDIS_ISA_SET_SSE2; /* MOVSD and CMPSD are two each */

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !is_vector; i++) {
        if (names[i].mnemonic == z->mnemonic && names[i].mnemonic != ZYDIS_MNEMONIC_INVALID) {
            return names[i].operation;
        }
    }
    return z->mnemonic == ZYDIS_MNEMONIC_MOVNTI ? DECODE_MOV : DECODE_NONE;
}

/* How many of the operands count: those of strings are all hidden. */
static unsigned count_of(const ZydisDecodedInstruction *z)
{
    return z->operand_count_visible == 0 ? z->operand_count : z->operand_count_visible;
}

/* An operand in memory. */
static const ZydisDecodedOperand *memory_of(const ZydisDecodedInstruction *z,
                                            const ZydisDecodedOperand *operands)
{
    for (unsigned i = 0; i < count_of(z); i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            return &operands[i];
        }
    }
    return NULL;
}

/* Is it one we should know: ours by name, with memory, and no register but a general one? */
static bool is_ours(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    if (operation_of(z) == DECODE_NONE || memory_of(z, operands) == NULL) {
        return false;
    }
    if (z->mnemonic == ZYDIS_MNEMONIC_MOVSXD && z->operand_width != 64) {
        return false;
    }
    for (unsigned i = 0; i < count_of(z); i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(operands[i].reg.value) == ZYDIS_REGCLASS_SEGMENT) {
            return false;
        }
    }
    return true;
}

static uint8_t number_of(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_NONE) {
        return DECODE_NO_REGISTER;
    }
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) {
        return DECODE_RIP;
    }
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B) { /* behind AH to BH */
        return (uint8_t)(reg - ZYDIS_REGISTER_SPL + HV_RSP);
    }
    return (uint8_t)ZydisRegisterGetId(reg);
}

static const char *differs_in_memory(const struct decode_instruction *o,
                                     const ZydisDecodedInstruction *z, const ZydisDecodedOperand *m)
{
    if (o->memory_size * 8 != m->size) {
        return "size of memory";
    }
    if (o->address_size * 8 != z->address_width) {
        return "size of addresses";
    }
    if (o->is_string) {
        return NULL;
    }
    if (o->base != number_of(m->mem.base)) {
        return "base";
    }
    if (o->index != number_of(m->mem.index)) {
        return "index";
    }
    if (o->index != DECODE_NO_REGISTER && o->scale != (m->mem.scale == 0 ? 1 : m->mem.scale)) {
        return "scale";
    }
    return o->displacement == (m->mem.disp.has_displacement ? m->mem.disp.value : 0)
               ? NULL
               : "displacement";
}

/* The segment of the operand, or of the string's source. */
static const char *differs_in_segment(const struct decode_instruction *o,
                                      const ZydisDecodedOperand *operands, unsigned count)
{
    static const ZydisRegister segments[] = {ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS,
                                             ZYDIS_REGISTER_SS, ZYDIS_REGISTER_DS,
                                             ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS};

    for (unsigned i = 0; i < count; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (!o->is_string || (ZydisRegisterGetId(operands[i].mem.base) == HV_RSI)) &&
            operands[i].mem.segment != segments[o->segment]) {
            return "segment";
        }
    }
    return NULL;
}

static const char *differs_in_register(const struct decode_instruction *o,
                                       const ZydisDecodedOperand *operand)
{
    ZydisRegister reg = operand->reg.value;
    bool is_high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
    uint8_t number = is_high ? (uint8_t)(reg - ZYDIS_REGISTER_AH) : number_of(reg);

    if (o->source != DECODE_REGISTER || o->is_high != is_high) {
        return "kind of register";
    }
    if (operand->size != o->size * 8) {
        return "size of register";
    }
    return o->reg == number ? NULL : "register";
}

/* The operands that are visible: memory and register or immediate, in their order. */
static const char *differs_in_operands(const struct decode_instruction *o,
                                       const ZydisDecodedOperand *operands, unsigned count)
{
    const char *why = NULL;

    if (o->is_to_memory != (operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY)) {
        return "order of operands";
    }
    for (unsigned i = 0; i < count && why == NULL; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER) {
            why = differs_in_register(o, &operands[i]);
        } else if (operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            bool is_bit = o->operation >= DECODE_BT && o->operation <= DECODE_BTC;
            unsigned size = is_bit ? 1 : o->size; /* the number of a bit has no sign */
            uint64_t mask = size == 8 ? UINT64_MAX : (1ul << (8 * size)) - 1;

            why = o->source == DECODE_IMMEDIATE &&
                          ((uint64_t)o->immediate & mask) == (operands[i].imm.value.u & mask)
                      ? NULL
                      : "immediate";
        }
    }
    return why;
}

/* Without a base the REX.B of 32-bit addresses means nothing (Intel SDM volume 2, table 2-5); the
 * judge, in version 4.0, takes it for R13. */
static bool is_judge_wrong(const struct decode_instruction *o, const ZydisDecodedOperand *m)
{
    return m->mem.base == ZYDIS_REGISTER_R13D && !m->mem.disp.has_displacement &&
           o->base == DECODE_NO_REGISTER;
}

/* What is not the same, or NULL. */
static const char *differs(const struct decode_instruction *o, const ZydisDecodedInstruction *z,
                           const ZydisDecodedOperand *operands)
{
    const ZydisDecodedOperand *memory = memory_of(z, operands);
    bool is_locked = (z->attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0 || o->operation == DECODE_XCHG;
    const char *why;

    if (o->length != z->length) {
        return "length";
    }
    if (memory == NULL || operation_of(z) != o->operation) {
        return "operation";
    }
    if (is_judge_wrong(o, memory)) {
        return NULL;
    }
    if (o->is_locked != is_locked) {
        return "LOCK";
    }
    if (o->repeats != ((z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) != 0)) {
        return "REP";
    }
    why = differs_in_memory(o, z, memory);
    if (why == NULL) {
        why = differs_in_segment(o, operands, count_of(z));
    }
    if (why == NULL && !o->is_string) {
        why = differs_in_operands(o, operands, count_of(z));
    }
    return why;
}

/* --- the comparison --- */

static void report(const uint8_t *bytes, enum decode_mode mode, const char *what)
{
    failures += 1;
    if (failures > 20) {
        return;
    }
    printf("%d-byte addresses: %s:", (int)mode, what);
    for (unsigned i = 0; i < DECODE_LENGTH_MAX; i++) {
        printf(" %02x", bytes[i]);
    }
    printf("\n");
}

/* Each shorter piece must be called short, never something else. */
static bool is_short_when_cut(const uint8_t *bytes, enum decode_mode mode, unsigned length)
{
    struct decode_instruction i;

    for (unsigned n = 0; n < length; n++) {
        if (decode(bytes, n, mode, &i) != DECODE_SHORT) {
            return false;
        }
    }
    return true;
}

static bool compare(const uint8_t *bytes, enum decode_mode mode, const ZydisDecoder *judge)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction z;
    struct decode_instruction o;
    bool is_known =
        ZYAN_SUCCESS(ZydisDecoderDecodeFull(judge, bytes, DECODE_LENGTH_MAX, &z, operands));
    enum decode_result result = decode(bytes, DECODE_LENGTH_MAX, mode, &o);
    const char *why = NULL;

    if (result != DECODE_DONE) {
        why = is_known && is_ours(&z, operands) ? "ours, and not known" : NULL;
    } else if (!is_known) {
        why = "no instruction";
    } else {
        why = differs(&o, &z, operands);
    }
    if (why == NULL && result == DECODE_DONE && !is_short_when_cut(bytes, mode, o.length)) {
        why = "not called short when cut";
    }
    if (why != NULL) {
        report(bytes, mode, why);
    }
    return result == DECODE_DONE;
}

int main(int argc, char **argv)
{
    static const struct {
        enum decode_mode mode;
        ZydisMachineMode machine;
        ZydisStackWidth stack;
    } modes[] = {{DECODE_REAL, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
                 {DECODE_PROTECTED, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
                 {DECODE_LONG, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64}};
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : COUNT_DEFAULT;
    unsigned long known = 0;

    if (argc > 2) {
        state ^= strtoul(argv[2], NULL, 0) * 0x2545f4914f6cdd1du;
    }
    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
        ZydisDecoder judge;
        uint8_t bytes[BYTES];

        ZydisDecoderInit(&judge, modes[m].machine, modes[m].stack);
        for (unsigned long i = 0; i < count; i++) {
            make(bytes, modes[m].mode);
            known += compare(bytes, modes[m].mode, &judge) ? 1 : 0;
        }
    }
    printf("%lu instructions, %lu of them ours, %lu differ\n", 3 * count, known, failures);
    if (known < count / 2) {
        printf("too few of ours to tell\n");
        failures += 1;
    }
    printf("%d passed, %d failed\n", failures == 0 ? 1 : 0, failures != 0 ? 1 : 0);
    return failures != 0;
}
