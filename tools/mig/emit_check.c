/* emit_check.c - code that checks a received message against its definition, before anything in it
 * is used: size, COMPLEX bit, each descriptor, counts against maxima, ends of strings. */
#include "mig.h"

static bool check_has_number(const struct mig_items *items, const struct mig_item *item)
{
    enum mig_form form = layout_form(items, item);
    return !layout_is_fixed(items, item) || form == FORM_OOL;
}

static bool check_is_dynamic(const struct mig_items *items)
{
    for (unsigned i = 0; i < items->count; i = i + 1) {
        if (!layout_is_fixed(items, &items->item[i])) {
            return true;
        }
    }
    return false;
}

void emit_check_locals(FILE *out, const struct mig_items *items)
{
    for (unsigned i = 0; i < items->count; i = i + 1) {
        fprintf(out, "    const uint8_t *%s_at;\n", items->item[i].name);
        if (check_has_number(items, &items->item[i])) {
            fprintf(out, "    uint64_t %s_n = 0;\n", items->item[i].name);
        }
    }
    if (check_is_dynamic(items)) {
        fputs("    uint64_t mig_at, mig_length;\n", out);
    }
    if (layout_complex(items) == COMPLEX_DEPENDS) {
        fputs("    int mig_complex = 0;\n", out);
    }
}

static void check_start(FILE *out, const struct mig_items *items, const char *header)
{
    uint32_t min = layout_total_min(items);
    uint32_t max = layout_total_max(items);
    enum mig_complex complex = layout_complex(items);
    if (min == max && complex != COMPLEX_DEPENDS) {
        fprintf(out, "    if (!mig_head_is(%s, %u, %d)) {\n        goto bad;\n    }\n", header, min,
                complex == COMPLEX_ALWAYS);
        return;
    }
    fprintf(out, "    if (%s->msgh_size < %u || %s->msgh_size > %u) {\n        goto bad;\n    }\n",
            header, min, header, max);
    if (complex != COMPLEX_DEPENDS) {
        fprintf(
            out,
            "    if ((%s->msgh_bits & MACH_MSGH_BITS_COMPLEX) %s 0) {\n        goto bad;\n    }\n",
            header, complex == COMPLEX_ALWAYS ? "==" : "!=");
    }
}

/* The item's descriptor for data of fixed size. */
static void check_fixed(FILE *out, const struct mig_items *items, const struct mig_item *item,
                        const char *where)
{
    const struct mig_type *type = item->type;
    enum mig_form form = layout_form(items, item);
    if (type_is_port(type) && type->out_name == MIG_POLYMORPHIC) {
        fprintf(out, "    if (!mig_port_item_is(%s)) {\n        goto bad;\n    }\n", where);
        return;
    }
    uint32_t word = layout_word(type, form, type->out_name, false);
    if (form != FORM_STRING) {
        fprintf(out, "    if (!mig_item_is(%s, 0x%08x, %u)) {\n        goto bad;\n    }\n", where,
                word, type->number);
        return;
    }
    /* One element of 8 * N bits is the older way to describe a string of N bytes. */
    if (type->max > 1 && type->max * 8 < 65536) {
        uint32_t old = (word & 0xff0000ffu) | (type->max * 8) << 8;
        fprintf(out, "    if (!mig_item_is(%s, 0x%08x, %u) && !mig_item_is(%s, 0x%08x, 1)) {\n",
                where, word, type->max, where, old);
    } else {
        fprintf(out, "    if (!mig_item_is(%s, 0x%08x, %u)) {\n", where, word, type->max);
    }
    fputs("        goto bad;\n    }\n", out);
    fprintf(out, "    if (!mig_string_ends(%s_at, %u)) {\n        goto bad;\n    }\n", item->name,
            type->max);
}

/* From elements to entries. */
static void check_units(FILE *out, const struct mig_item *item)
{
    if (item->type->number == 1) {
        return;
    }
    fprintf(out, "    if (%s_n %% %u != 0) {\n        goto bad;\n    }\n", item->name,
            item->type->number);
    fprintf(out, "    %s_n = %s_n / %u;\n", item->name, item->name, item->type->number);
}

static void check_ool(FILE *out, const struct mig_item *item, const char *where)
{
    uint32_t word = layout_word(item->type, FORM_OOL, item->type->out_name, false);
    fprintf(out, "    if (!mig_type_is(%s, 0x%08x)) {\n        goto bad;\n    }\n", where, word);
    fprintf(out, "    %s_n = mig_type_number(%s);\n", item->name, where);
    fprintf(out, "    if (%s_n != 0 && mig_load64(%s_at) == 0) {\n        goto bad;\n    }\n",
            item->name, item->name);
    check_units(out, item);
}

static void check_inline_variable(FILE *out, const struct mig_item *item, const char *where)
{
    const struct mig_type *type = item->type;
    uint32_t word = layout_word(type, type->form, type->out_name, false);
    fprintf(out, "    if (!mig_type_is(%s, 0x%08x)) {\n        goto bad;\n    }\n", where, word);
    fprintf(out, "    %s_n = mig_type_number(%s);\n", item->name, where);
    if (type->form == FORM_STRING_V) {
        fprintf(out, "    if (%s_n == 0 || %s_n > %u) {\n        goto bad;\n    }\n", item->name,
                item->name, type->max);
    } else {
        fprintf(out, "    if (%s_n > %u) {\n        goto bad;\n    }\n", item->name,
                type->max * type->number);
    }
    fprintf(out, "    mig_length = (%s_n * %u + 7) & ~(uint64_t)7;\n", item->name, type->bits / 8);
}

static void check_either(FILE *out, const struct mig_items *items, const struct mig_item *item,
                         const char *where)
{
    const struct mig_type *type = item->type;
    uint32_t word = layout_word(type, FORM_EITHER, type->out_name, false);
    uint32_t ool = layout_word(type, FORM_OOL, type->out_name, false);
    fprintf(out, "    %s_n = mig_type_number(%s);\n", item->name, where);
    fprintf(out, "    if (mig_type_inline(%s)) {\n", where);
    fprintf(out,
            "        if (!mig_type_is(%s, 0x%08x) || %s_n > %u) {\n            goto bad;\n"
            "        }\n",
            where, word, item->name, layout_inline_max(type) * type->number);
    fprintf(out, "        mig_length = (%s_n * %u + 7) & ~(uint64_t)7;\n", item->name,
            type->bits / 8);
    fputs("    } else {\n", out);
    fprintf(out, "        if (!mig_type_is(%s, 0x%08x)) {\n            goto bad;\n        }\n",
            where, ool);
    fprintf(out, "        mig_length = 8;\n%s    }\n",
            layout_complex(items) == COMPLEX_DEPENDS ? "        mig_complex = 1;\n" : "");
}

static void check_variable(FILE *out, const struct mig_items *items, const struct mig_item *item,
                           struct mig_position *position, const char *where, uint32_t rest,
                           const char *header)
{
    enum mig_form form = layout_form(items, item);
    if (form == FORM_EITHER) {
        check_either(out, items, item, where);
    } else {
        check_inline_variable(out, item, where);
    }
    fprintf(out, "    mig_at = %s + mig_length;\n", emit_at(position, 8));
    fprintf(out, "    if (mig_at + %u > %s->msgh_size) {\n        goto bad;\n    }\n", rest,
            header);
    position->dynamic = true;
    position->offset = 0;
    if (form == FORM_STRING_V) {
        fprintf(out, "    if (!mig_string_ends(%s_at, %s_n)) {\n        goto bad;\n    }\n",
                item->name, item->name);
        return;
    }
    if (form == FORM_EITHER) {
        fprintf(out,
                "    if (!mig_type_inline(%s_at - 8) && %s_n != 0 && mig_load64(%s_at) == 0) {\n"
                "        goto bad;\n    }\n",
                item->name, item->name, item->name);
    }
    if (type_is_port(item->type) && item->type->out_name == MIG_POLYMORPHIC) {
        mig_error(&item->param->place, "an array of polymorphic ports is not supported");
    }
    check_units(out, item);
}

static void check_end(FILE *out, const struct mig_items *items, const struct mig_position *position,
                      const char *header)
{
    if (position->dynamic) {
        fprintf(out, "    if (%s != %s->msgh_size) {\n        goto bad;\n    }\n",
                emit_at(position, 0), header);
    }
    if (layout_complex(items) == COMPLEX_DEPENDS) {
        fprintf(out,
                "    if (mig_complex != ((%s->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0)) {\n"
                "        goto bad;\n    }\n",
                header);
    }
}

void emit_checks(FILE *out, const struct mig_items *items, const char *base, const char *header)
{
    struct mig_position position = {false, items->start};
    uint32_t rest = layout_total_min(items) - items->start;
    check_start(out, items, header);
    for (unsigned i = 0; i < items->count; i = i + 1) {
        const struct mig_item *item = &items->item[i];
        char *where = mig_format("%s_at - 8", item->name);
        rest = rest - layout_min(items, item);
        fprintf(out, "    %s_at = %s + %s;\n", item->name, base, emit_at(&position, 8));
        if (!layout_is_fixed(items, item)) {
            check_variable(out, items, item, &position, where, rest, header);
            continue;
        }
        if (layout_form(items, item) == FORM_OOL) {
            check_ool(out, item, where);
        } else {
            check_fixed(out, items, item, where);
        }
        position.offset = position.offset + layout_min(items, item);
    }
    check_end(out, items, &position, header);
}
