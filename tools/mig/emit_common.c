/* emit_common.c - what the generated files share: C types, prototypes, offsets. */
#include "mig.h"

#include <string.h>

bool emit_param_in(const struct mig_param *param)
{
    return param->role == ROLE_IN || param->role == ROLE_INOUT;
}

bool emit_param_out(const struct mig_param *param)
{
    return param->role == ROLE_OUT || param->role == ROLE_INOUT;
}

static bool emit_kernel_side(enum mig_side side)
{
    return side == SIDE_KERNEL_SERVER || side == SIDE_KERNEL_USER;
}

static bool emit_user_side(enum mig_side side)
{
    return side == SIDE_USER || side == SIDE_KERNEL_USER;
}

const char *emit_type(const struct mig_type *type, enum mig_side side)
{
    bool memory = type->form == FORM_OOL || type->form == FORM_EITHER;
    if (emit_kernel_side(side) && memory) {
        return type_is_port(type) ? "mach_port_array_t" : "struct vm_copy *";
    }
    const char *special = emit_user_side(side) ? type->cuser : type->cserver;
    if (special != NULL) {
        return special;
    }
    return type->ctype != NULL ? type->ctype : type->name;
}

/* What a routine of a server sees after translation. */
const char *emit_trans_type(const struct mig_type *type, enum mig_side side)
{
    if (!emit_user_side(side)) {
        if (type->intran.result != NULL) {
            return type->intran.result;
        }
        if (type->outtran.argument != NULL) {
            return type->outtran.argument;
        }
    }
    return emit_type(type, side);
}

bool emit_poly_arg(const struct mig_param *param, enum mig_side side)
{
    const struct mig_type *type = param->type;
    bool sends = emit_user_side(side) ? !emit_param_out(param) : emit_param_out(param);
    if (!type_is_port(type)) {
        return false;
    }
    if (param->role == ROLE_INOUT) {
        return type->in_name == MIG_POLYMORPHIC || type->out_name == MIG_POLYMORPHIC;
    }
    if (sends && side != SIDE_KERNEL_SERVER) {
        return type->in_name == MIG_POLYMORPHIC;
    }
    return type->out_name == MIG_POLYMORPHIC;
}

struct emit_list {
    FILE *out;
    bool first;
};

__attribute__((format(printf, 2, 3))) static void emit_argument(struct emit_list *list,
                                                                const char *format, ...)
{
    va_list arguments;
    fprintf(list->out, "%s\n    ", list->first ? "" : ",");
    list->first = false;
    va_start(arguments, format);
    vfprintf(list->out, format, arguments);
    va_end(arguments);
}

static const char *emit_space(const char *type)
{
    return type[strlen(type) - 1] == '*' ? "" : " ";
}

/* An argument that carries data, with its count and what else goes with it. */
static void emit_data_argument(struct emit_list *list, const struct mig_param *param,
                               enum mig_side side)
{
    const struct mig_type *type = param->type;
    const char *ctype = emit_trans_type(type, side);
    bool out = emit_param_out(param);
    bool by_name = type_is_string(type) || type->form == FORM_ARRAY || type->form == FORM_VAR;
    if (type_is_string(type) && !out) {
        emit_argument(list, "const char *%s", param->name);
    } else if (out && !by_name) {
        emit_argument(list, "%s%s*%s", ctype, emit_space(ctype), param->name);
    } else {
        emit_argument(list, "%s%s%s", ctype, emit_space(ctype), param->name);
    }
    if (emit_poly_arg(param, side)) {
        emit_argument(list, "mach_msg_type_name_t %s%sPoly", out ? "*" : "", param->name);
    }
    if (type_has_count(type)) {
        emit_argument(list, "mach_msg_type_number_t %s%sCnt", out ? "*" : "", param->name);
    }
    if (param->dealloc == DEALLOC_MAYBE && !out && side == SIDE_USER) {
        emit_argument(list, "boolean_t %sDealloc", param->name);
    }
    if (param->dealloc == DEALLOC_MAYBE && out && side == SIDE_SERVER) {
        emit_argument(list, "boolean_t *%sDealloc", param->name);
    }
    if (param->server_copy && side == SIDE_SERVER) {
        emit_argument(list, "boolean_t %sSCopy", param->name);
    }
}

static void emit_port_argument(struct emit_list *list, const struct mig_param *param,
                               enum mig_side side)
{
    const char *ctype = emit_trans_type(param->type, side);
    emit_argument(list, "%s%s%s", ctype, emit_space(ctype), param->name);
    if (emit_poly_arg(param, side)) {
        emit_argument(list, "mach_msg_type_name_t %sPoly", param->name);
    }
}

static void emit_parameter(struct emit_list *list, const struct mig_param *param,
                           enum mig_side side)
{
    bool user = emit_user_side(side);
    switch (param->role) {
    case ROLE_IN:
    case ROLE_OUT:
    case ROLE_INOUT:
        emit_data_argument(list, param, side);
        break;
    case ROLE_REQUEST:
    case ROLE_REPLY:
        emit_port_argument(list, param, side);
        break;
    case ROLE_SREPLY:
        if (!user) {
            emit_port_argument(list, param, side);
        }
        break;
    case ROLE_UREPLY:
        if (user) {
            emit_port_argument(list, param, side);
        }
        break;
    case ROLE_WAITTIME:
        if (user) {
            emit_argument(list, "mach_msg_timeout_t %s", param->name);
        }
        break;
    case ROLE_MSGOPTION:
        if (side == SIDE_USER) {
            emit_argument(list, "mach_msg_option_t %s", param->name);
        }
        break;
    case ROLE_MSGSEQNO:
        if (side == SIDE_SERVER) {
            emit_argument(list, "mach_port_seqno_t %s", param->name);
        }
        break;
    }
}

void emit_prototype(FILE *out, const struct mig_routine_def *routine, enum mig_side side)
{
    struct emit_list list = {out, true};
    bool user = emit_user_side(side);
    fprintf(out, "kern_return_t %s%s(", user ? routine->user_prefix : routine->server_prefix,
            routine->name);
    for (const struct mig_param *param = routine->params; param != NULL; param = param->next) {
        emit_parameter(&list, param, side);
        if (param == routine->request && side == SIDE_KERNEL_USER && !routine->one_way &&
            routine->ureply == NULL) {
            emit_argument(&list, "mach_port_t reply_port");
        }
    }
    fputc(')', out);
}

void emit_imports(FILE *out, const struct mig_subsystem *subsystem, enum mig_side side)
{
    fputs("#include <mach/mig_support.h>\n#include <mach/std_types.h>\n", out);
    for (struct mig_import_line *line = subsystem->imports; line != NULL; line = line->next) {
        enum mig_import other = emit_user_side(side) ? IMPORT_SERVER : IMPORT_USER;
        if (line->kind != other) {
            fprintf(out, "#include %s\n", line->file);
        }
    }
}

void emit_banner(FILE *out, const struct mig_subsystem *subsystem, const char *what)
{
    fprintf(out, "/* %s of interface %s (ids %d-%d). Made by mig from its definition. */\n", what,
            subsystem->name, subsystem->base,
            subsystem->base + (int32_t)subsystem->count - (subsystem->count != 0 ? 1 : 0));
}

char *emit_at(const struct mig_position *position, uint32_t delta)
{
    uint32_t offset = position->offset + delta;
    if (!position->dynamic) {
        return mig_format("%u", offset);
    }
    return offset == 0 ? mig_format("mig_at") : mig_format("mig_at + %u", offset);
}

struct emit_seen {
    struct emit_seen *next;
    const char *name;
};

/* The C types must be as long as what lies in the message. */
void emit_size_checks(FILE *out, const struct mig_subsystem *subsystem, enum mig_side side)
{
    struct emit_seen *seen = NULL;
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] == NULL) {
            continue;
        }
        for (struct mig_param *p = subsystem->routines[i]->params; p != NULL; p = p->next) {
            struct mig_type *type = p->type;
            if (type_is_port(type) || (!emit_param_in(p) && !emit_param_out(p)) ||
                (type->form != FORM_SCALAR && type->form != FORM_STRUCT)) {
                continue;
            }
            const char *ctype = emit_type(type, side);
            struct emit_seen *entry = seen;
            while (entry != NULL && strcmp(entry->name, ctype) != 0) {
                entry = entry->next;
            }
            if (entry == NULL) {
                entry = mig_alloc(sizeof(*entry));
                entry->name = ctype;
                entry->next = seen;
                seen = entry;
                fprintf(out, "_Static_assert(sizeof(%s) == %u, \"size of %s\");\n", ctype,
                        type_unit_bytes(type), ctype);
            }
        }
    }
    fputc('\n', out);
}
