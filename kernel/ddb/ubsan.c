/* ubsan.c - what code built with -fsanitize=undefined calls when it has done something undefined:
 * say where and what, then panic.
 *
 * The compiler passes a record made at compile time (place, types) and the values at run time. A
 * value is the number itself when it fits a register, else a pointer to it. Built into the debug
 * kernel only; this file itself is compiled without the sanitizer. */
#include <stdbool.h>
#include <stdint.h>

#include "kern/assert.h"

struct ubsan_place {
    const char *file;
    uint32_t line;
    uint32_t column;
};

struct ubsan_type {
    uint16_t kind; /* 0 integer, 1 floating point */
    uint16_t info; /* integer: bit 0 signed, the rest log2 of the width */
    char name[];
};

struct ubsan_overflow {
    struct ubsan_place place;
    const struct ubsan_type *type;
};

struct ubsan_shift {
    struct ubsan_place place;
    const struct ubsan_type *left;
    const struct ubsan_type *right;
};

struct ubsan_bounds {
    struct ubsan_place place;
    const struct ubsan_type *array;
    const struct ubsan_type *index;
};

struct ubsan_mismatch {
    struct ubsan_place place;
    const struct ubsan_type *type;
    uint8_t log_alignment;
    uint8_t access;
};

struct ubsan_invalid {
    struct ubsan_place place;
    const struct ubsan_type *type;
};

struct ubsan_builtin {
    struct ubsan_place place;
    uint8_t kind;
};

struct ubsan_only_place {
    struct ubsan_place place;
};

#define UBSAN_PANIC(data, format, ...)                                                             \
    panic("undefined behaviour at %s:%u:%u: " format, (data)->place.file, (data)->place.line,      \
          (data)->place.column, ##__VA_ARGS__)

static bool ubsan_is_signed(const struct ubsan_type *type)
{
    return type->kind == 0 && (type->info & 1) != 0;
}

/* The value, sign-extended to 64 bits. */
static int64_t ubsan_value(const struct ubsan_type *type, uintptr_t value)
{
    unsigned width = 1u << (type->info >> 1);

    if (type->kind != 0 || width > 64) {
        return (int64_t)value;
    }
    if (width < 64) {
        value &= (1ul << width) - 1;
        if (ubsan_is_signed(type) && (value >> (width - 1)) != 0) {
            value |= ~0ul << width;
        }
    }
    return (int64_t)value;
}

static _Noreturn void ubsan_arithmetic(const struct ubsan_overflow *data, const char *operator,
                                       uintptr_t left, uintptr_t right)
{
    UBSAN_PANIC(data, "%ld %s %ld does not fit %s",
                (long)ubsan_value(data->type, left), operator,(long) ubsan_value(data->type, right),
                data->type->name);
}

void __ubsan_handle_add_overflow(const struct ubsan_overflow *data, uintptr_t left,
                                 uintptr_t right);
void __ubsan_handle_sub_overflow(const struct ubsan_overflow *data, uintptr_t left,
                                 uintptr_t right);
void __ubsan_handle_mul_overflow(const struct ubsan_overflow *data, uintptr_t left,
                                 uintptr_t right);
void __ubsan_handle_divrem_overflow(const struct ubsan_overflow *data, uintptr_t left,
                                    uintptr_t right);
void __ubsan_handle_negate_overflow(const struct ubsan_overflow *data, uintptr_t value);
void __ubsan_handle_shift_out_of_bounds(const struct ubsan_shift *data, uintptr_t left,
                                        uintptr_t right);
void __ubsan_handle_out_of_bounds(const struct ubsan_bounds *data, uintptr_t index);
void __ubsan_handle_type_mismatch_v1(const struct ubsan_mismatch *data, uintptr_t pointer);
void __ubsan_handle_pointer_overflow(const struct ubsan_only_place *data, uintptr_t base,
                                     uintptr_t result);
void __ubsan_handle_load_invalid_value(const struct ubsan_invalid *data, uintptr_t value);
void __ubsan_handle_vla_bound_not_positive(const struct ubsan_invalid *data, uintptr_t bound);
void __ubsan_handle_nonnull_arg(const struct ubsan_only_place *data);
void __ubsan_handle_nonnull_return_v1(const struct ubsan_only_place *data,
                                      const struct ubsan_place *place);
void __ubsan_handle_builtin_unreachable(const struct ubsan_only_place *data);
void __ubsan_handle_missing_return(const struct ubsan_only_place *data);
void __ubsan_handle_invalid_builtin(const struct ubsan_builtin *data);

void __ubsan_handle_add_overflow(const struct ubsan_overflow *data, uintptr_t left, uintptr_t right)
{
    ubsan_arithmetic(data, "+", left, right);
}

void __ubsan_handle_sub_overflow(const struct ubsan_overflow *data, uintptr_t left, uintptr_t right)
{
    ubsan_arithmetic(data, "-", left, right);
}

void __ubsan_handle_mul_overflow(const struct ubsan_overflow *data, uintptr_t left, uintptr_t right)
{
    ubsan_arithmetic(data, "*", left, right);
}

void __ubsan_handle_divrem_overflow(const struct ubsan_overflow *data, uintptr_t left,
                                    uintptr_t right)
{
    ubsan_arithmetic(data, "/", left, right);
}

void __ubsan_handle_negate_overflow(const struct ubsan_overflow *data, uintptr_t value)
{
    UBSAN_PANIC(data, "-(%ld) does not fit %s", (long)ubsan_value(data->type, value),
                data->type->name);
}

void __ubsan_handle_shift_out_of_bounds(const struct ubsan_shift *data, uintptr_t left,
                                        uintptr_t right)
{
    UBSAN_PANIC(data, "%ld shifted by %ld, type %s", (long)ubsan_value(data->left, left),
                (long)ubsan_value(data->right, right), data->left->name);
}

void __ubsan_handle_out_of_bounds(const struct ubsan_bounds *data, uintptr_t index)
{
    UBSAN_PANIC(data, "index %ld is outside %s", (long)ubsan_value(data->index, index),
                data->array->name);
}

void __ubsan_handle_type_mismatch_v1(const struct ubsan_mismatch *data, uintptr_t pointer)
{
    static const char *const accesses[] = {
        "load of",   "store to",       "reference to",     "member of",
        "call on",   "constructor of", "downcast of",      "downcast of",
        "upcast of", "virtual base",   "non-null binding", "dynamic operation on"};
    const char *access =
        data->access < sizeof(accesses) / sizeof(accesses[0]) ? accesses[data->access] : "use of";
    uintptr_t alignment = 1ul << data->log_alignment;

    if (pointer == 0) {
        UBSAN_PANIC(data, "%s %s through a null pointer", access, data->type->name);
    }
    if ((pointer & (alignment - 1)) != 0) {
        UBSAN_PANIC(data, "%s %s at %#lx, which is not a multiple of %lu", access, data->type->name,
                    (unsigned long)pointer, (unsigned long)alignment);
    }
    UBSAN_PANIC(data, "%s %s at %#lx, where there is no room for it", access, data->type->name,
                (unsigned long)pointer);
}

void __ubsan_handle_pointer_overflow(const struct ubsan_only_place *data, uintptr_t base,
                                     uintptr_t result)
{
    UBSAN_PANIC(data, "pointer %#lx became %#lx", (unsigned long)base, (unsigned long)result);
}

void __ubsan_handle_load_invalid_value(const struct ubsan_invalid *data, uintptr_t value)
{
    UBSAN_PANIC(data, "%ld is no value of %s", (long)ubsan_value(data->type, value),
                data->type->name);
}

void __ubsan_handle_vla_bound_not_positive(const struct ubsan_invalid *data, uintptr_t bound)
{
    UBSAN_PANIC(data, "array of %ld elements", (long)ubsan_value(data->type, bound));
}

void __ubsan_handle_nonnull_arg(const struct ubsan_only_place *data)
{
    UBSAN_PANIC(data, "null passed where it must not be");
}

void __ubsan_handle_nonnull_return_v1(const struct ubsan_only_place *data,
                                      const struct ubsan_place *place)
{
    (void)data;
    panic("undefined behaviour at %s:%u: null returned where it must not be", place->file,
          place->line);
}

void __ubsan_handle_builtin_unreachable(const struct ubsan_only_place *data)
{
    UBSAN_PANIC(data, "code marked unreachable was reached");
}

void __ubsan_handle_missing_return(const struct ubsan_only_place *data)
{
    UBSAN_PANIC(data, "a function that returns a value ended without one");
}

void __ubsan_handle_invalid_builtin(const struct ubsan_builtin *data)
{
    UBSAN_PANIC(data, "%s of zero",
                data->kind == 0 ? "count of trailing zeroes" : "count of leading zeroes");
}
