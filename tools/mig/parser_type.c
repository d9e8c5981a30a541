/* parser_type.c - definitions of types: basic kinds, arrays, structures, strings, and what they
 * are in C. */
#include "parser.h"

#include <string.h>

static struct mig_type *parser_type(void);

static unsigned parser_size(void)
{
    struct mig_place place = parser_token.place;
    unsigned size = parser_number();
    if (size == 0 || size > MIG_MESSAGE_MAX) {
        mig_error(&place, "a size of %u is not possible", size);
    }
    return size;
}

static void parser_kind(int *in_name, int *out_name, unsigned *bits)
{
    if (parser_token.kind == TOKEN_NUMBER) {
        *in_name = (int)parser_number();
        *out_name = *in_name;
        *bits = 0;
        return;
    }
    struct mig_token token = parser_token;
    char *name = parser_name("a type");
    if (!types_kind(name, in_name, out_name, bits)) {
        mig_error(&token.place, "'%s' is not a kind of data", name);
    }
}

/* IN or IN | OUT */
static void parser_kinds(int *in_name, int *out_name, unsigned *bits)
{
    parser_kind(in_name, out_name, bits);
    if (parser_accept("|")) {
        int other_in;
        unsigned other_bits;
        parser_kind(&other_in, out_name, &other_bits);
        *bits = *bits != 0 ? *bits : other_bits;
    }
}

/* (kind, bits [, flags]) */
static struct mig_type *parser_full_type(void)
{
    int in_name, out_name;
    unsigned bits;
    parser_kinds(&in_name, &out_name, &bits);
    if (parser_accept(",")) {
        struct mig_place place = parser_token.place;
        unsigned size = parser_size();
        if (in_name == 12 && size > 8 && size % 8 == 0) {
            parser_expect(")");
            return types_string(FORM_STRING, size / 8);
        }
        if (size != 1 && (size % 8 != 0 || size > 64)) {
            mig_error(&place, "an element of %u bits is not possible", size);
        }
        bits = size;
    }
    while (parser_accept(",")) {
        (void)parser_name("a flag");
        if (parser_accept("[")) {
            parser_expect("]");
        }
    }
    parser_expect(")");
    if (bits == 0) {
        mig_error(&parser_token.place, "the type needs its size in bits");
    }
    return types_basic(in_name, out_name, bits);
}

static void parser_check_element(const struct mig_place *place, const struct mig_type *element)
{
    if (type_has_count(element) || element->form == FORM_STRING_V) {
        mig_error(place, "the element of an array must have a fixed size");
    }
}

static void parser_check_bytes(const struct mig_place *place, const struct mig_type *type)
{
    uint64_t bytes = (uint64_t)type->number * type->bits / 8 * type->max;
    if (bytes > MIG_MESSAGE_MAX) {
        mig_error(place, "the type is %llu bytes long: too long for a message",
                  (unsigned long long)bytes);
    }
}

/* After "array": [N] of, [*:N] of, [*] of, [] of */
static struct mig_type *parser_array(bool pointer)
{
    struct mig_place place = parser_token.place;
    enum mig_form form = pointer ? FORM_OOL : FORM_EITHER;
    unsigned max = 0;
    parser_expect("[");
    if (parser_accept("*")) {
        if (parser_accept(":")) {
            max = parser_size();
            form = FORM_VAR;
        }
    } else if (!parser_is("]")) {
        max = parser_size();
        form = FORM_ARRAY;
    }
    parser_expect("]");
    parser_expect("of");
    if (pointer && form != FORM_OOL) {
        mig_error(&place, "only array[] can be behind a pointer");
    }
    struct mig_place element_place = parser_token.place;
    struct mig_type *element = parser_type();
    parser_check_element(&element_place, element);
    struct mig_type *type = types_array(form, max, element);
    if (form != FORM_OOL && form != FORM_EITHER) {
        parser_check_bytes(&place, type);
    }
    return type;
}

/* { type name; ... } laid out as C does */
static struct mig_type *parser_struct_members(void)
{
    unsigned bytes = 0;
    unsigned align = 1;
    struct mig_place start = parser_token.place;
    while (!parser_is("}")) {
        struct mig_place place = parser_token.place;
        struct mig_type *member = parser_type();
        if (type_has_count(member) || type_is_string(member) || type_is_port(member)) {
            mig_error(&place, "a structure holds only plain data of fixed size");
        }
        (void)parser_name("the name of the member");
        if (parser_accept("[")) {
            member = types_array(FORM_ARRAY, parser_size(), member);
            parser_expect("]");
        }
        parser_expect(";");
        bytes = (bytes + member->align - 1) / member->align * member->align;
        bytes = bytes + type_unit_bytes(member);
        align = member->align > align ? member->align : align;
        if (bytes > MIG_MESSAGE_MAX) {
            mig_error(&place, "the structure is too long for a message");
        }
    }
    parser_expect("}");
    if (bytes == 0) {
        mig_error(&start, "the structure is empty");
    }
    return types_struct(bytes, align);
}

static struct mig_type *parser_struct(void)
{
    if (parser_accept("{")) {
        return parser_struct_members();
    }
    struct mig_place place = parser_token.place;
    parser_expect("[");
    unsigned max = parser_size();
    parser_expect("]");
    parser_expect("of");
    struct mig_place element_place = parser_token.place;
    struct mig_type *element = parser_type();
    parser_check_element(&element_place, element);
    struct mig_type *type = types_array(FORM_STRUCT, max, element);
    parser_check_bytes(&place, type);
    return type;
}

static struct mig_type *parser_string(void)
{
    enum mig_form form = FORM_STRING;
    parser_expect("[");
    if (parser_accept("*")) {
        parser_expect(":");
        form = FORM_STRING_V;
    }
    unsigned max = parser_size();
    parser_expect("]");
    return types_string(form, max);
}

static struct mig_type *parser_named(void)
{
    struct mig_token token = parser_token;
    char *name = parser_name("a type");
    int in_name, out_name;
    unsigned bits;
    if (types_kind(name, &in_name, &out_name, &bits)) {
        if (parser_accept("|")) {
            int other_in;
            unsigned other_bits;
            parser_kind(&other_in, &out_name, &other_bits);
            bits = bits != 0 ? bits : other_bits;
        }
        if (bits == 0) {
            mig_error(&token.place, "'%s' needs a size: (%s, bits)", name, name);
        }
        return types_basic(in_name, out_name, bits);
    }
    struct mig_type *type = types_find(name);
    if (type == NULL) {
        mig_error(&token.place, "type '%s' is not defined", name);
    }
    return type;
}

static struct mig_type *parser_type(void)
{
    if (parser_accept("^")) {
        parser_expect("array");
        return parser_array(true);
    }
    if (parser_accept("array")) {
        return parser_array(false);
    }
    if (parser_accept("struct")) {
        return parser_struct();
    }
    if (parser_accept("c_string")) {
        return parser_string();
    }
    if (parser_accept("(")) {
        return parser_full_type();
    }
    return parser_named();
}

/* result function(argument) */
static void parser_trans(struct mig_trans *trans, bool has_result)
{
    parser_expect(":");
    if (has_result) {
        trans->result = parser_name("the type of the result");
    }
    trans->function = parser_name("a function");
    parser_expect("(");
    trans->argument = parser_name("the type of the argument");
    parser_expect(")");
}

static char *parser_option_name(const char *what)
{
    parser_expect(":");
    return parser_name(what);
}

static bool parser_type_option(struct mig_type *type)
{
    if (parser_accept("ctype")) {
        type->ctype = parser_option_name("a C type");
    } else if (parser_accept("cusertype")) {
        type->cuser = parser_option_name("a C type");
    } else if (parser_accept("cservertype")) {
        type->cserver = parser_option_name("a C type");
    } else if (parser_accept("intran")) {
        parser_trans(&type->intran, true);
    } else if (parser_accept("outtran")) {
        parser_trans(&type->outtran, true);
    } else if (parser_accept("destructor")) {
        parser_trans(&type->destructor, false);
    } else if (parser_accept("intranpayload")) {
        parser_expect(":");
        type->payload_result = parser_name("a C type");
        type->payload_function = parser_name("a function");
    } else if (parser_accept("onnull")) {
        type->onnull = parser_option_name("a return code");
    } else {
        return false;
    }
    return true;
}

static void parser_type_options(struct mig_type *type)
{
    struct mig_place place = parser_token.place;
    while (parser_type_option(type)) {
    }
    bool translated = type->intran.function != NULL || type->outtran.function != NULL ||
                      type->destructor.function != NULL;
    if (translated && (type->form != FORM_SCALAR && type->form != FORM_STRUCT)) {
        mig_error(&place, "an array or string cannot be translated");
    }
}

/* Definitions copy what they build on: options given here are not those of the old name. */
static struct mig_type *parser_definition(char *name)
{
    struct mig_type *old = parser_type();
    struct mig_type *type = types_derive(old);
    type->name = name;
    parser_type_options(type);
    return type;
}

void parser_type_statement(void)
{
    char *name = parser_name("the name of the type");
    parser_expect("=");
    types_add(parser_definition(name));
}

struct mig_type *parser_argument_type(void)
{
    struct mig_token token = parser_token;
    int in_name, out_name;
    unsigned bits;
    bool kind = token.kind == TOKEN_NAME && types_kind(token.text, &in_name, &out_name, &bits);
    bool word = parser_is("array") || parser_is("struct") || parser_is("c_string");
    if (token.kind == TOKEN_NAME && !kind && !word) {
        char *name = parser_name("a type");
        if (parser_accept("=")) {
            return parser_definition(name);
        }
        struct mig_type *type = types_find(name);
        if (type == NULL) {
            mig_error(&token.place, "type '%s' is not defined", name);
        }
        return type;
    }
    mig_error(&token.place, "an argument needs a type with a name: NAME or NAME = definition");
}
