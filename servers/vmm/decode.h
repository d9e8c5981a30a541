/* decode.h - the instructions by which guests reach devices in memory, taken apart.
 *
 * Those with an operand in memory that compilers and people use on registers of devices: moves,
 * arithmetic, bits, exchanges, strings; INS and OUTS. All else is DECODE_UNKNOWN, and so is what no
 * processor would execute (LOCK where it is not allowed). Encoding: Intel SDM volume 2, chapter 2
 * and appendix A. */
#ifndef VMM_DECODE_H
#define VMM_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_LENGTH_MAX 15u /* bytes of an instruction */

enum decode_operation {
    DECODE_NONE,
    DECODE_ADD, /* these eight in the order of their numbers in opcodes */
    DECODE_OR,
    DECODE_ADC,
    DECODE_SBB,
    DECODE_AND,
    DECODE_SUB,
    DECODE_XOR,
    DECODE_CMP,
    DECODE_MOV,
    DECODE_MOVZX,
    DECODE_MOVSX,
    DECODE_TEST,
    DECODE_XCHG,
    DECODE_XADD,
    DECODE_CMPXCHG,
    DECODE_NOT,
    DECODE_NEG,
    DECODE_INC,
    DECODE_DEC,
    DECODE_BT, /* these four in the order of their numbers */
    DECODE_BTS,
    DECODE_BTR,
    DECODE_BTC,
    DECODE_MOVS,
    DECODE_CMPS,
    DECODE_STOS,
    DECODE_LODS,
    DECODE_SCAS,
    DECODE_INS,
    DECODE_OUTS,
    DECODE_OPERATIONS,
};

enum decode_result {
    DECODE_DONE,
    DECODE_SHORT,   /* there are not enough bytes to tell */
    DECODE_UNKNOWN, /* not one of these */
};

/* How the processor reads code: by CS and EFER. The value is the size of an address, in bytes. */
enum decode_mode {
    DECODE_REAL = 2, /* or 16-bit protected */
    DECODE_PROTECTED = 4,
    DECODE_LONG = 8,
};

/* What the operand that is not in memory is. */
enum decode_source {
    DECODE_NO_SOURCE,
    DECODE_REGISTER,
    DECODE_IMMEDIATE,
};

#define DECODE_NO_REGISTER 0xffu
#define DECODE_RIP         0xfeu /* as base: the address of the next instruction */

/* Numbers of registers are the processor's, as HV_RAX and so on; of segments HV_SEGMENT_*. */
struct decode_instruction {
    enum decode_operation operation;
    enum decode_source source;
    uint8_t length;       /* in bytes */
    uint8_t size;         /* of the operation, in bytes */
    uint8_t memory_size;  /* of the operand in memory: MOVZX and MOVSX read less than size */
    uint8_t address_size; /* in bytes */
    bool is_to_memory;    /* memory is the first operand */
    bool is_string;       /* its operands in memory are at rSI and rDI, not as told below */
    bool is_locked;       /* LOCK, or XCHG */
    bool repeats;         /* REP or REPE */
    bool repeats_unequal; /* REPNE */
    uint8_t reg;          /* if source is DECODE_REGISTER */
    bool is_high;         /* it is AH, CH, DH or BH, of reg 0 to 3 */
    int64_t immediate;    /* if source is DECODE_IMMEDIATE, sign extended */
    uint8_t segment;      /* of the operand in memory, or of rSI */
    uint8_t base;         /* register, DECODE_RIP or DECODE_NO_REGISTER */
    uint8_t index;        /* register or DECODE_NO_REGISTER */
    uint8_t scale;        /* 1, 2, 4 or 8 */
    int64_t displacement; /* sign extended */
};

/* Take apart the first instruction of `count` bytes. *instruction is set with DECODE_DONE. */
enum decode_result decode(const uint8_t *bytes, size_t count, enum decode_mode mode,
                          struct decode_instruction *instruction);

#endif
