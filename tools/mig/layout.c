/* layout.c - where the items of a message lie: descriptor, data padded to 8, in the order of the
 * arguments; sizes in 64 bits where a count comes in. */
#include "mig.h"

#define LAYOUT_INLINE     0x20000000u
#define LAYOUT_LONGFORM   0x40000000u
#define LAYOUT_DEALLOCATE 0x80000000u

static uint32_t layout_pad(uint32_t bytes)
{
    return (bytes + 7u) & ~7u;
}

static void layout_add(struct mig_items *items, struct mig_param *param, bool count_only)
{
    struct mig_item *item = &items->item[items->count];
    item->param = param;
    item->type = count_only ? items->count_type : param->type;
    item->count_only = count_only;
    item->name = count_only ? mig_format("%sRoom", param->name) : param->name;
    items->count = items->count + 1;
}

static void layout_begin(const struct mig_routine_def *routine, struct mig_items *items,
                         uint32_t start)
{
    unsigned room = 1;
    for (const struct mig_param *param = routine->params; param != NULL; param = param->next) {
        room = room + 2;
    }
    items->item = mig_alloc(room * sizeof(items->item[0]));
    items->count = 0;
    items->start = start;
    items->always_out = false;
    items->count_type = types_basic(2, 2, 32);
    items->count_type->name = "mach_msg_type_number_t";
}

void layout_request(const struct mig_routine_def *routine, enum mig_mode mode,
                    struct mig_items *items)
{
    layout_begin(routine, items, MIG_HEADER_SIZE);
    items->always_out = mode == MODE_KERNEL;
    for (struct mig_param *param = routine->params; param != NULL; param = param->next) {
        if (param->role == ROLE_IN || param->role == ROLE_INOUT) {
            layout_add(items, param, false);
        } else if (param->role == ROLE_OUT && param->count_inout) {
            layout_add(items, param, true);
        }
    }
}

void layout_reply(const struct mig_routine_def *routine, enum mig_mode mode,
                  struct mig_items *items)
{
    layout_begin(routine, items, MIG_REPLY_START);
    items->always_out = mode == MODE_KERNEL;
    for (struct mig_param *param = routine->params; param != NULL; param = param->next) {
        if (param->role == ROLE_OUT || param->role == ROLE_INOUT) {
            layout_add(items, param, false);
        }
    }
}

enum mig_form layout_form(const struct mig_items *items, const struct mig_item *item)
{
    if (item->type->form == FORM_EITHER && items->always_out) {
        return FORM_OOL;
    }
    return item->type->form;
}

uint32_t layout_inline_max(const struct mig_type *type)
{
    if (type->form == FORM_EITHER) {
        uint32_t bytes = type_unit_bytes(type);
        return bytes > MIG_INLINE_ROOM ? 0 : MIG_INLINE_ROOM / bytes;
    }
    return type->max;
}

uint32_t layout_min(const struct mig_items *items, const struct mig_item *item)
{
    switch (layout_form(items, item)) {
    case FORM_STRING:
        return 8 + layout_pad(item->type->max);
    case FORM_STRING_V:
        return 8 + 8;
    case FORM_VAR:
    case FORM_EITHER:
        return 8;
    case FORM_OOL:
        return 16;
    default:
        return 8 + layout_pad(type_unit_bytes(item->type));
    }
}

uint32_t layout_max(const struct mig_items *items, const struct mig_item *item)
{
    uint32_t bytes;
    switch (layout_form(items, item)) {
    case FORM_STRING_V:
        return 8 + layout_pad(item->type->max);
    case FORM_VAR:
    case FORM_EITHER:
        bytes = layout_pad(layout_inline_max(item->type) * type_unit_bytes(item->type));
        return 8 + (bytes < 8 ? 8 : bytes);
    default:
        return layout_min(items, item);
    }
}

bool layout_is_fixed(const struct mig_items *items, const struct mig_item *item)
{
    enum mig_form form = layout_form(items, item);
    return form != FORM_STRING_V && form != FORM_VAR && form != FORM_EITHER;
}

uint32_t layout_total_min(const struct mig_items *items)
{
    uint32_t total = items->start;
    for (unsigned i = 0; i < items->count; i = i + 1) {
        total = total + layout_min(items, &items->item[i]);
    }
    return total;
}

uint32_t layout_total_max(const struct mig_items *items)
{
    uint64_t total = items->start;
    for (unsigned i = 0; i < items->count; i = i + 1) {
        total = total + layout_max(items, &items->item[i]);
        if (total > MIG_MESSAGE_MAX) {
            mig_error(&items->item[i].param->place, "the message is longer than %u bytes",
                      MIG_MESSAGE_MAX);
        }
    }
    return (uint32_t)total;
}

enum mig_complex layout_complex(const struct mig_items *items)
{
    enum mig_complex complex = COMPLEX_NEVER;
    for (unsigned i = 0; i < items->count; i = i + 1) {
        const struct mig_item *item = &items->item[i];
        if (type_is_port(item->type) || layout_form(items, item) == FORM_OOL) {
            return COMPLEX_ALWAYS;
        }
        if (layout_form(items, item) == FORM_EITHER) {
            complex = COMPLEX_DEPENDS;
        }
    }
    return complex;
}

uint32_t layout_slots(const struct mig_items *items)
{
    uint32_t slots = 0;
    for (unsigned i = 0; i < items->count; i = i + 1) {
        const struct mig_item *item = &items->item[i];
        enum mig_form form = layout_form(items, item);
        if (form == FORM_OOL || form == FORM_EITHER) {
            slots = slots + 1;
        } else if (type_is_port(item->type)) {
            slots = slots + item->type->number * (form == FORM_VAR ? item->type->max : 1);
        }
    }
    return slots;
}

/* The long form says nothing more on this machine, but the descriptors of types that had it
 * elsewhere carry its bit. */
static bool layout_is_long(const struct mig_type *type)
{
    uint64_t number = (uint64_t)type->number * type->max;
    return type->form == FORM_OOL || type->form == FORM_EITHER || number >= 4096;
}

uint32_t layout_word(const struct mig_type *type, enum mig_form form, int name, bool dealloc)
{
    uint32_t bits = type->bits;
    if (form == FORM_OOL && type_is_port(type)) {
        bits = 32;
    }
    uint32_t word = (uint32_t)(name & 0xff) | bits << 8;
    if (form != FORM_OOL) {
        word = word | LAYOUT_INLINE;
    }
    if (layout_is_long(type)) {
        word = word | LAYOUT_LONGFORM;
    }
    if (dealloc) {
        word = word | LAYOUT_DEALLOCATE;
    }
    return word;
}

int layout_normal_name(int name)
{
    if (name == 19 || name == 20) {
        return 17;
    }
    return name == 21 ? 18 : name;
}
