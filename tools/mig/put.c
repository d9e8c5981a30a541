/* put.c - code that puts items into a message. Every byte up to the message's end is written:
 * data, padding, and the rest of strings. */
#include "put.h"

uint32_t put_room(const struct mig_items *items, unsigned i)
{
    uint32_t offset = items->start;
    for (unsigned j = 0; j < i; j = j + 1) {
        offset = offset + layout_max(items, &items->item[j]);
    }
    return offset + 8;
}

static bool put_kernel(const struct put_context *context)
{
    return context->side == SIDE_KERNEL_SERVER || context->side == SIDE_KERNEL_USER;
}

static bool put_is_dynamic(const struct mig_items *items)
{
    for (unsigned i = 0; i < items->count; i = i + 1) {
        if (!layout_is_fixed(items, &items->item[i])) {
            return true;
        }
    }
    return false;
}

void put_locals(const struct put_context *context)
{
    if (put_is_dynamic(context->items)) {
        fputs("    uint64_t mig_at, mig_length;\n", context->out);
    }
    if (layout_complex(context->items) == COMPLEX_DEPENDS) {
        fputs("    mach_msg_bits_t mig_complex = 0;\n", context->out);
    }
}

/* The name of the argument's value: what the user's stub has a pointer to, or a variable. */
static const char *put_value(const struct put_context *context, const struct mig_item *item)
{
    bool user = context->side == SIDE_USER || context->side == SIDE_KERNEL_USER;
    if (item->count_only) {
        return mig_format("*%sCnt", item->param->name);
    }
    return user && item->param->role == ROLE_INOUT ? mig_format("*%s", item->name) : item->name;
}

/* The kind of a right as the sender says it. */
static char *put_port_name(const struct put_context *context, const struct mig_item *item)
{
    const struct mig_type *type = item->type;
    bool inout = item->param->role == ROLE_INOUT;
    int name = context->side == SIDE_KERNEL_SERVER ? type->out_name : type->in_name;
    if (name == MIG_POLYMORPHIC) {
        bool pointer = inout && (context->side == SIDE_USER || context->side == SIDE_KERNEL_USER);
        return mig_format("(%s%sPoly & 0xff)", pointer ? "*" : "", item->name);
    }
    if (put_kernel(context)) {
        name = layout_normal_name(name);
    }
    return mig_format("%d", name);
}

static void put_port(const struct put_context *context, const struct mig_item *item,
                     const struct mig_position *position)
{
    FILE *out = context->out;
    const struct mig_type *type = item->type;
    char *name = put_port_name(context, item);
    const char *value = put_value(context, item);
    if (context->rooms && type->outtran.function != NULL) {
        value = mig_format("%s(%s)", type->outtran.function, value);
    }
    if (type->number != 1) {
        mig_error(&item->param->place, "an array of ports must have a count");
    }
    fprintf(
        out,
        "    mig_type_put(%s + %s, MACH_MSG_TYPE_WORD(%s, 64, MACH_MSG_TYPE_WORD_INLINE), 1);\n",
        context->base, emit_at(position, 0), name);
    if (put_kernel(context)) {
        fprintf(out, "    ipc_kmsg_place(%s, %s + %s, ipc_kmsg_put_port(%s, %s, %s));\n",
                context->kmsg, context->base, emit_at(position, 8), context->kmsg, value, name);
    } else {
        fprintf(out, "    mig_store64(%s + %s, %s);\n", context->base, emit_at(position, 8), value);
    }
}

static void put_plain(const struct put_context *context, const struct mig_item *item,
                      const struct mig_position *position)
{
    FILE *out = context->out;
    const struct mig_type *type = item->type;
    uint32_t bytes = type_unit_bytes(type);
    const char *value = put_value(context, item);
    fprintf(out, "    mig_type_put(%s + %s, 0x%08x, %u);\n", context->base, emit_at(position, 0),
            layout_word(type, type->form, type->in_name, false), type->number);
    if (context->rooms && type->outtran.function != NULL) {
        fprintf(out, "    {\n        %s mig_translated = %s(%s);\n", type->outtran.result,
                type->outtran.function, value);
        fprintf(out, "        __builtin_memcpy(%s + %s, &mig_translated, %u);\n    }\n",
                context->base, emit_at(position, 8), bytes);
    } else {
        fprintf(out, "    __builtin_memcpy(%s + %s, &%s, %u);\n", context->base,
                emit_at(position, 8), value, bytes);
    }
    if (bytes % 8 != 0) {
        fprintf(out, "    mig_pad(%s + %s, %u);\n", context->base, emit_at(position, 8), bytes);
    }
}

/* Where the data of an array comes from. */
static char *put_source(const struct put_context *context, unsigned i)
{
    if (context->rooms) {
        return mig_format("%s + %u", context->base, put_room(context->items, i));
    }
    return mig_format("%s", context->items->item[i].name);
}

static void put_array(const struct put_context *context, unsigned i,
                      const struct mig_position *position)
{
    FILE *out = context->out;
    const struct mig_type *type = context->items->item[i].type;
    uint32_t bytes = type_unit_bytes(type);
    bool in_place = context->rooms && !position->dynamic;
    fprintf(out, "    mig_type_put(%s + %s, 0x%08x, %u);\n", context->base, emit_at(position, 0),
            layout_word(type, type->form, type->in_name, false), type->number);
    if (!in_place) {
        fprintf(out, "    __builtin_memmove(%s + %s, %s, %u);\n", context->base,
                emit_at(position, 8), put_source(context, i), bytes);
    }
    if (bytes % 8 != 0) {
        fprintf(out, "    mig_pad(%s + %s, %u);\n", context->base, emit_at(position, 8), bytes);
    }
}

static void put_string(const struct put_context *context, unsigned i, struct mig_position *position)
{
    FILE *out = context->out;
    const struct mig_type *type = context->items->item[i].type;
    uint32_t word = layout_word(type, type->form, type->in_name, false);
    bool varying = type->form == FORM_STRING_V;
    fprintf(out, "    %smig_string_put(%s + %s, (const char *)(%s), %u);\n",
            varying ? "mig_length = " : "", context->base, emit_at(position, 8),
            put_source(context, i), type->max);
    if (!varying) {
        fprintf(out, "    mig_type_put(%s + %s, 0x%08x, %u);\n", context->base,
                emit_at(position, 0), word, type->max);
        if (type->max % 8 != 0) {
            fprintf(out, "    mig_pad(%s + %s, %u);\n", context->base, emit_at(position, 8),
                    type->max);
        }
        return;
    }
    fprintf(out, "    mig_type_put(%s + %s, 0x%08x, (uint32_t)mig_length);\n", context->base,
            emit_at(position, 0), word);
    fprintf(out, "    mig_at = %s + mig_pad(%s + %s, mig_length);\n", emit_at(position, 8),
            context->base, emit_at(position, 8));
    position->dynamic = true;
    position->offset = 0;
}

/* Entries inline; `length` is then the bytes they take. */
static void put_inline_entries(const struct put_context *context, unsigned i,
                               const struct mig_position *position, const char *indent)
{
    FILE *out = context->out;
    const struct mig_item *item = &context->items->item[i];
    const struct mig_type *type = item->type;
    char *to = mig_format("%s + %s", context->base, emit_at(position, 8));
    uint32_t word = layout_word(type, type->form, type->in_name, false);
    if (type_is_port(type) && type->in_name == MIG_POLYMORPHIC) {
        fprintf(out, "%smig_type_put(%s + %s, (0x%08x & ~0xffu) | (%sPoly & 0xff), %sCnt);\n",
                indent, context->base, emit_at(position, 0), word, item->name, item->name);
    } else {
        fprintf(out, "%smig_type_put(%s + %s, 0x%08x, %sCnt * %u);\n", indent, context->base,
                emit_at(position, 0), word, item->name, type->number);
    }
    fprintf(out, "%smig_length = (uint64_t)%sCnt * %u;\n", indent, item->name,
            type_unit_bytes(type));
    if (type_is_port(type)) {
        fprintf(out, "%sfor (uint32_t mig_i = 0; mig_i < %sCnt; mig_i = mig_i + 1) {\n", indent,
                item->name);
        fprintf(out, "%s    mig_store64(%s + 8 * mig_i, %s[mig_i]);\n%s}\n", indent, to, item->name,
                indent);
        return;
    }
    if (!(context->rooms && !position->dynamic)) {
        fprintf(
            out,
            "%sif (mig_length != 0) {\n%s    __builtin_memmove(%s, (const void *)(uintptr_t)(%s), "
            "mig_length);\n%s}\n",
            indent, indent, to, put_source(context, i), indent);
    }
    fprintf(out, "%smig_length = mig_pad(%s, mig_length);\n", indent, to);
}

static void put_variable(const struct put_context *context, unsigned i,
                         struct mig_position *position)
{
    if (put_kernel(context) && type_is_port(context->items->item[i].type)) {
        mig_error(&context->items->item[i].param->place,
                  "the kernel does not send arrays of ports inline");
    }
    put_inline_entries(context, i, position, "    ");
    fprintf(context->out, "    mig_at = %s + mig_length;\n", emit_at(position, 8));
    position->dynamic = true;
    position->offset = 0;
}

static char *put_dealloc_flag(const struct put_context *context, const struct mig_item *item)
{
    if (item->param->dealloc == DEALLOC_YES) {
        return mig_format(" | MACH_MSG_TYPE_WORD_DEALLOCATE");
    }
    if (item->param->dealloc == DEALLOC_MAYBE && !put_kernel(context)) {
        return mig_format(" | (%sDealloc ? MACH_MSG_TYPE_WORD_DEALLOCATE : 0)", item->name);
    }
    return mig_format("%s", "");
}

static void put_ool(const struct put_context *context, const struct mig_item *item,
                    const struct mig_position *position, const char *indent)
{
    FILE *out = context->out;
    const struct mig_type *type = item->type;
    bool ports = type_is_port(type);
    char *name = ports ? put_port_name(context, item) : mig_format("%d", type->in_name);
    uint32_t word = layout_word(type, FORM_OOL, 0, false);
    fprintf(out, "%smig_type_put(%s + %s, 0x%08x | %s%s, %sCnt * %u);\n", indent, context->base,
            emit_at(position, 0), word, name, put_dealloc_flag(context, item), item->name,
            type->number);
    if (!put_kernel(context)) {
        fprintf(out, "%smig_store64(%s + %s, %sCnt != 0 ? (uint64_t)(uintptr_t)%s : 0);\n", indent,
                context->base, emit_at(position, 8), item->name, item->name);
    } else if (ports) {
        fprintf(out,
                "%sipc_kmsg_place(%s, %s + %s,\n%s            %s != NULL ? "
                "ipc_kmsg_put_ool_ports(%s, %s, %sCnt, %s) : 0);\n",
                indent, context->kmsg, context->base, emit_at(position, 8), indent, item->name,
                context->kmsg, item->name, item->name, name);
    } else {
        fprintf(out, "%sipc_kmsg_place(%s, %s + %s, %s != NULL ? ipc_kmsg_put_ool(%s, %s) : 0);\n",
                indent, context->kmsg, context->base, emit_at(position, 8), item->name,
                context->kmsg, item->name);
    }
}

/* Short data inline, long data out of line; what a caller gives away goes out of line always. A
 * routine of a server chose itself: it put the data into the room it was given, or not. */
static void put_either(const struct put_context *context, unsigned i, struct mig_position *position)
{
    FILE *out = context->out;
    const struct mig_item *item = &context->items->item[i];
    if (context->rooms) {
        fprintf(out, "    if (%sCnt == 0 || (const void *)%s == %s_room) {\n", item->name,
                item->name, item->name);
    } else if (item->param->dealloc == DEALLOC_YES) {
        fprintf(out, "    if (%sCnt == 0) {\n", item->name);
    } else {
        fprintf(out, "    if (%sCnt <= %u%s) {\n", item->name, layout_inline_max(item->type),
                item->param->dealloc == DEALLOC_MAYBE ? mig_format(" && !%sDealloc", item->name)
                                                      : "");
    }
    put_inline_entries(context, i, position, "        ");
    fputs("    } else {\n", out);
    put_ool(context, item, position, "        ");
    fprintf(out, "        mig_length = 8;\n%s    }\n",
            layout_complex(context->items) == COMPLEX_DEPENDS
                ? "        mig_complex = MACH_MSGH_BITS_COMPLEX;\n"
                : "");
    fprintf(out, "    mig_at = %s + mig_length;\n", emit_at(position, 8));
    position->dynamic = true;
    position->offset = 0;
}

static void put_item(const struct put_context *context, unsigned i, struct mig_position *position)
{
    const struct mig_item *item = &context->items->item[i];
    uint32_t bytes = layout_min(context->items, item);
    switch (layout_form(context->items, item)) {
    case FORM_SCALAR:
    case FORM_STRUCT:
        if (type_is_port(item->type)) {
            put_port(context, item, position);
        } else {
            put_plain(context, item, position);
        }
        break;
    case FORM_ARRAY:
        put_array(context, i, position);
        break;
    case FORM_STRING:
        put_string(context, i, position);
        break;
    case FORM_STRING_V:
        put_string(context, i, position);
        return;
    case FORM_VAR:
        put_variable(context, i, position);
        return;
    case FORM_EITHER:
        put_either(context, i, position);
        return;
    case FORM_OOL:
        put_ool(context, item, position, "    ");
        break;
    }
    position->offset = position->offset + bytes;
}

void put_items(const struct put_context *context, struct mig_position *position)
{
    position->dynamic = false;
    position->offset = context->items->start;
    for (unsigned i = 0; i < context->items->count; i = i + 1) {
        put_item(context, i, position);
    }
}
