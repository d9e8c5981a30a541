/* types.c - types of the interface language and what they are on the wire. */
#include "mig.h"

#include <stdlib.h>
#include <string.h>

struct types_entry {
    struct types_entry *next;
    struct mig_type *type;
};

static struct types_entry *types_list;

struct types_kind_entry {
    const char *name;
    int in_name;
    int out_name;
    unsigned bits;
};

/* A right named by how it arrives may be sent in several ways: the sender says which. */
static const struct types_kind_entry types_kinds[] = {
    {"MACH_MSG_TYPE_UNSTRUCTURED", 0, 0, 0},
    {"MACH_MSG_TYPE_BIT", 0, 0, 1},
    {"MACH_MSG_TYPE_BOOLEAN", 0, 0, 32},
    {"MACH_MSG_TYPE_INTEGER_16", 1, 1, 16},
    {"MACH_MSG_TYPE_INTEGER_32", 2, 2, 32},
    {"MACH_MSG_TYPE_CHAR", 8, 8, 8},
    {"MACH_MSG_TYPE_BYTE", 9, 9, 8},
    {"MACH_MSG_TYPE_INTEGER_8", 9, 9, 8},
    {"MACH_MSG_TYPE_REAL", 10, 10, 64},
    {"MACH_MSG_TYPE_INTEGER_64", 11, 11, 64},
    {"MACH_MSG_TYPE_STRING", 12, 12, 8},
    {"MACH_MSG_TYPE_STRING_C", 12, 12, 8},
    {"MACH_MSG_TYPE_PORT_NAME", 15, 15, 32},
    {"MACH_MSG_TYPE_MOVE_RECEIVE", 16, 16, 64},
    {"MACH_MSG_TYPE_MOVE_SEND", 17, 17, 64},
    {"MACH_MSG_TYPE_MOVE_SEND_ONCE", 18, 18, 64},
    {"MACH_MSG_TYPE_COPY_SEND", 19, 17, 64},
    {"MACH_MSG_TYPE_MAKE_SEND", 20, 17, 64},
    {"MACH_MSG_TYPE_MAKE_SEND_ONCE", 21, 18, 64},
    {"MACH_MSG_TYPE_PORT_RECEIVE", MIG_POLYMORPHIC, 16, 64},
    {"MACH_MSG_TYPE_PORT_SEND", MIG_POLYMORPHIC, 17, 64},
    {"MACH_MSG_TYPE_PORT_SEND_ONCE", MIG_POLYMORPHIC, 18, 64},
    {"polymorphic", MIG_POLYMORPHIC, MIG_POLYMORPHIC, 64},
};

void types_start(void)
{
    static const char *const names[] = {"char", "short", "int", "int64"};
    static const char *const kinds[] = {"MACH_MSG_TYPE_CHAR", "MACH_MSG_TYPE_INTEGER_16",
                                        "MACH_MSG_TYPE_INTEGER_32", "MACH_MSG_TYPE_INTEGER_64"};
    types_list = NULL;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i = i + 1) {
        int in_name, out_name;
        unsigned bits;
        types_kind(kinds[i], &in_name, &out_name, &bits);
        struct mig_type *type = types_basic(in_name, out_name, bits);
        type->name = mig_format("%s", names[i]);
        types_add(type);
    }
}

struct mig_type *types_find(const char *name)
{
    for (struct types_entry *entry = types_list; entry != NULL; entry = entry->next) {
        if (strcmp(entry->type->name, name) == 0) {
            return entry->type;
        }
    }
    return NULL;
}

/* The last type of a name is the one in force. */
void types_add(struct mig_type *type)
{
    struct types_entry *entry = mig_alloc(sizeof(*entry));
    entry->type = type;
    entry->next = types_list;
    types_list = entry;
}

bool types_kind(const char *name, int *in_name, int *out_name, unsigned *bits)
{
    for (unsigned i = 0; i < sizeof(types_kinds) / sizeof(types_kinds[0]); i = i + 1) {
        if (strcmp(types_kinds[i].name, name) == 0) {
            *in_name = types_kinds[i].in_name;
            *out_name = types_kinds[i].out_name;
            *bits = types_kinds[i].bits;
            return true;
        }
    }
    return false;
}

struct mig_type *types_basic(int in_name, int out_name, unsigned bits)
{
    struct mig_type *type = mig_alloc(sizeof(*type));
    type->in_name = in_name;
    type->out_name = out_name;
    type->bits = bits;
    type->number = 1;
    type->align = bits >= 64 ? 8 : (bits + 7) / 8;
    type->form = in_name == 12 ? FORM_STRING : FORM_SCALAR;
    type->max = 1;
    return type;
}

struct mig_type *types_derive(const struct mig_type *old)
{
    struct mig_type *type = mig_alloc(sizeof(*type));
    *type = *old;
    type->name = NULL;
    type->ctype = NULL;
    type->cuser = NULL;
    type->cserver = NULL;
    memset(&type->intran, 0, sizeof(type->intran));
    memset(&type->outtran, 0, sizeof(type->outtran));
    memset(&type->destructor, 0, sizeof(type->destructor));
    type->payload_function = NULL;
    type->payload_result = NULL;
    type->onnull = NULL;
    return type;
}

struct mig_type *types_array(enum mig_form form, unsigned max, struct mig_type *element)
{
    struct mig_type *type = types_derive(element);
    type->form = form;
    type->element = element;
    type->max = max;
    if (form == FORM_ARRAY || form == FORM_STRUCT) {
        type->number = element->number * max;
        type->max = 1;
    }
    return type;
}

struct mig_type *types_string(enum mig_form form, unsigned max)
{
    struct mig_type *type = types_basic(12, 12, 8);
    type->form = form;
    type->max = max;
    return type;
}

struct mig_type *types_struct(unsigned bytes, unsigned align)
{
    int name = align == 8 ? 11 : align == 4 ? 2 : align == 2 ? 1 : 9;
    struct mig_type *type = types_basic(name, name, align * 8);
    type->form = FORM_STRUCT;
    type->number = (bytes + align - 1) / align;
    return type;
}

bool type_is_port(const struct mig_type *type)
{
    return type->in_name == MIG_POLYMORPHIC || type->out_name == MIG_POLYMORPHIC ||
           (type->in_name >= 16 && type->in_name <= 21);
}

bool type_has_count(const struct mig_type *type)
{
    return type->form == FORM_VAR || type->form == FORM_EITHER || type->form == FORM_OOL;
}

bool type_is_string(const struct mig_type *type)
{
    return type->form == FORM_STRING || type->form == FORM_STRING_V;
}

unsigned type_unit_bytes(const struct mig_type *type)
{
    return type->number * type->bits / 8;
}
