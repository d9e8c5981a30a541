/* emit_doc.c - a reference page of an interface: its messages, what they carry, and where. */
#include "mig.h"

#include <ctype.h>

static const char *doc_form(const struct mig_type *type)
{
    switch (type->form) {
    case FORM_SCALAR:
        return "";
    case FORM_STRUCT:
        return mig_format(" x %u", type->number);
    case FORM_ARRAY:
        return mig_format("[%u]", type->number);
    case FORM_STRING:
        return mig_format("[%u]", type->max);
    case FORM_STRING_V:
        return mig_format("[up to %u]", type->max);
    case FORM_VAR:
        return mig_format("[up to %u]", type->max);
    case FORM_EITHER:
        return "[], inline or out of line";
    case FORM_OOL:
        return "[], out of line";
    }
    return "";
}

static const char *doc_port(int name)
{
    static const char *const names[] = {"move receive", "move send", "move send-once",
                                        "copy send",    "make send", "make send-once"};
    return name >= 16 && name <= 21 ? names[name - 16] : "any right";
}

static char *doc_wire(const struct mig_type *type)
{
    static const char *const names[] = {
        [0] = "bool",  [1] = "int16",  [2] = "int32", [8] = "char",       [9] = "byte",
        [10] = "real", [11] = "int64", [12] = "char", [15] = "port name",
    };
    if (type_is_port(type)) {
        return mig_format(
            "port (%s)%s",
            doc_port(type->in_name == MIG_POLYMORPHIC ? type->out_name : type->in_name),
            doc_form(type));
    }
    const char *name = type->in_name < 16 ? names[type->in_name] : NULL;
    return mig_format("%s%s", name != NULL ? name : "data", doc_form(type));
}

/* A comment as running text: without the stars and line breaks of the source. */
static void doc_text(FILE *out, const char *comment)
{
    bool space = false;
    bool any = false;
    bool line_start = false;
    for (const char *p = comment; *p != '\0'; p = p + 1) {
        if (isspace((unsigned char)*p)) {
            space = true;
            line_start = line_start || *p == '\n';
            continue;
        }
        if (line_start && *p == '*') {
            continue;
        }
        line_start = false;
        if (space && any) {
            fputc(' ', out);
        }
        space = false;
        any = true;
        fputc(*p, out);
    }
    fputs("\n\n", out);
}

static void doc_argument(FILE *out, const struct mig_param *param)
{
    static const char *const roles[] = {"in",
                                        "out",
                                        "in and out",
                                        "sent to",
                                        "reply port",
                                        "reply port (server)",
                                        "reply port (caller)",
                                        "waiting time",
                                        "options",
                                        "sequence number"};
    fprintf(out, "| %s | %s | `%s` | %s%s%s |\n", param->name, roles[param->role],
            param->type->name != NULL ? param->type->name : "-", doc_wire(param->type),
            param->dealloc == DEALLOC_YES     ? ", leaves the sender"
            : param->dealloc == DEALLOC_MAYBE ? ", may leave the sender"
                                              : "",
            param->count_inout ? ", the caller says how many fit" : "");
}

static void doc_size(FILE *out, const char *what, const struct mig_items *items)
{
    static const char *const complex[] = {"", ", complex", ", complex when out of line"};
    uint32_t min = layout_total_min(items);
    uint32_t max = layout_total_max(items);
    if (min == max) {
        fprintf(out, "%s: %u bytes%s", what, min, complex[layout_complex(items)]);
    } else {
        fprintf(out, "%s: %u to %u bytes%s", what, min, max, complex[layout_complex(items)]);
    }
}

static void doc_routine(FILE *out, const struct mig_routine_def *routine)
{
    struct mig_items request, reply;
    layout_request(routine, MODE_USER, &request);
    layout_reply(routine, MODE_USER, &reply);
    fprintf(out, "## %d %s%s\n\n", routine->id, routine->name,
            routine->one_way ? " (one way)" : "");
    if (routine->comment != NULL) {
        doc_text(out, routine->comment);
    }
    fputs("```c\n", out);
    emit_prototype(out, routine, SIDE_USER);
    fputs(";\n```\n\n| argument | | type | on the wire |\n|---|---|---|---|\n", out);
    for (const struct mig_param *param = routine->params; param != NULL; param = param->next) {
        doc_argument(out, param);
    }
    fputc('\n', out);
    doc_size(out, "Request", &request);
    if (!routine->one_way) {
        fprintf(out, "; id of the reply %d. ", routine->id + 100);
        doc_size(out, "Reply", &reply);
    }
    fputs(".\n\n", out);
}

void emit_doc(FILE *out, const struct mig_subsystem *subsystem)
{
    unsigned count = 0;
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        count = count + (subsystem->routines[i] != NULL);
    }
    fprintf(out, "# Interface %s\n\n", subsystem->name);
    if (subsystem->comment != NULL) {
        doc_text(out, subsystem->comment);
    }
    fprintf(out, "%u messages, ids from %d. Made by mig from the definition.\n\n", count,
            subsystem->base);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            doc_routine(out, subsystem->routines[i]);
        }
    }
}
