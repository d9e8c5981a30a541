/* emit_server.c - stubs for servers in user space: check the request, call the routine, build the
 * reply. A routine that succeeds has taken over the rights and memory of the request; after an
 * error the stub gives them back. Either way nothing is left in the request but the right to reply
 * with. */
#include "mig.h"
#include "put.h"

struct server_context {
    FILE *out;
    const struct mig_routine_def *routine;
    struct mig_items request;
    struct mig_items reply;
};

static const struct mig_item *server_item(const struct mig_items *items,
                                          const struct mig_param *param)
{
    for (unsigned i = 0; i < items->count; i = i + 1) {
        if (items->item[i].param == param && !items->item[i].count_only) {
            return &items->item[i];
        }
    }
    return NULL;
}

static unsigned server_reply_index(const struct server_context *context,
                                   const struct mig_param *param)
{
    const struct mig_item *item = server_item(&context->reply, param);
    return (unsigned)(item - context->reply.item);
}

static bool server_is_value(const struct mig_type *type)
{
    return type->form == FORM_SCALAR || type->form == FORM_STRUCT;
}

/* Variables of one argument. */
static void server_locals(const struct server_context *context, const struct mig_param *param)
{
    FILE *out = context->out;
    const struct mig_type *type = param->type;
    const char *ctype = emit_trans_type(type, SIDE_SERVER);
    bool is_out = emit_param_out(param);
    if (!emit_param_in(param) && !is_out) {
        return;
    }
    if (server_is_value(type)) {
        fprintf(out, "    %s %s;\n", ctype, param->name);
    } else if (type->form == FORM_EITHER || type->form == FORM_OOL) {
        if (type->form == FORM_EITHER && type_is_port(type)) {
            fprintf(out, "    mach_port_t %s_names[%u];\n", param->name, layout_inline_max(type));
        }
        if (type->form == FORM_EITHER && is_out) {
            fprintf(out, "    const void *%s_room;\n", param->name);
        }
        fprintf(out, "    %s %s;\n", ctype, param->name);
    } else if (type->form == FORM_VAR && type_is_port(type)) {
        fprintf(out, "    mach_port_t %s[%u];\n", param->name, type->max);
    }
    if (type_has_count(type)) {
        fprintf(out, "    mach_msg_type_number_t %sCnt;\n", param->name);
    }
    if (emit_poly_arg(param, SIDE_SERVER)) {
        fprintf(out, "    mach_msg_type_name_t %sPoly;\n", param->name);
    }
    if (is_out && param->dealloc == DEALLOC_MAYBE) {
        fprintf(out, "    boolean_t %sDealloc = FALSE;\n", param->name);
    }
}

static void server_load_names(FILE *out, const char *to, const char *name, const char *indent)
{
    fprintf(out, "%sfor (uint64_t mig_i = 0; mig_i < %s_n; mig_i = mig_i + 1) {\n", indent, name);
    fprintf(out, "%s    %s[mig_i] = mig_load32(%s_at + 8 * mig_i);\n%s}\n", indent, to, name,
            indent);
}

static void server_load_value(FILE *out, const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    if (type_is_port(type)) {
        if (emit_poly_arg(param, SIDE_SERVER)) {
            fprintf(out, "    %sPoly = (%s_at - 8)[0];\n", param->name, param->name);
        }
        if (type->intran.function != NULL) {
            fprintf(out, "    %s = %s(mig_load32(%s_at));\n", param->name, type->intran.function,
                    param->name);
        } else {
            fprintf(out, "    %s = mig_load32(%s_at);\n", param->name, param->name);
        }
        return;
    }
    if (type->intran.function != NULL) {
        fprintf(out, "    {\n        %s mig_sent;\n", type->intran.argument);
        fprintf(out, "        __builtin_memcpy(&mig_sent, %s_at, sizeof(mig_sent));\n",
                param->name);
        fprintf(out, "        %s = %s(mig_sent);\n    }\n", param->name, type->intran.function);
    } else {
        fprintf(out, "    __builtin_memcpy(&%s, %s_at, sizeof(%s));\n", param->name, param->name,
                param->name);
    }
}

static void server_load(FILE *out, const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    const char *ctype = emit_type(type, SIDE_SERVER);
    if (server_is_value(type)) {
        server_load_value(out, param);
        return;
    }
    if (type->form == FORM_VAR && type_is_port(type)) {
        server_load_names(out, param->name, param->name, "    ");
    } else if (type->form == FORM_OOL) {
        fprintf(out, "    %s = (%s)(uintptr_t)mig_load64(%s_at);\n", param->name, ctype,
                param->name);
    } else if (type->form == FORM_EITHER) {
        fprintf(out, "    if (!mig_type_inline(%s_at - 8)) {\n", param->name);
        fprintf(out, "        %s = (%s)(uintptr_t)mig_load64(%s_at);\n    } else {\n", param->name,
                ctype, param->name);
        if (type_is_port(type)) {
            server_load_names(out, mig_format("%s_names", param->name), param->name, "        ");
            fprintf(out, "        %s = %s_names;\n    }\n", param->name, param->name);
        } else {
            fprintf(out, "        %s = (%s)(uintptr_t)%s_at;\n    }\n", param->name, ctype,
                    param->name);
        }
    }
    if (type_has_count(type)) {
        fprintf(out, "    %sCnt = (mach_msg_type_number_t)%s_n;\n", param->name, param->name);
    }
}

/* Before the routine runs: results are zero, arrays have their room. */
static void server_prepare(const struct server_context *context, const struct mig_param *param)
{
    FILE *out = context->out;
    const struct mig_type *type = param->type;
    uint32_t room = put_room(&context->reply, server_reply_index(context, param));
    if (server_is_value(type)) {
        if (param->role == ROLE_OUT) {
            fprintf(out, "    __builtin_memset(&%s, 0, sizeof(%s));\n", param->name, param->name);
        }
    } else if (type_is_string(type) || type->form == FORM_ARRAY) {
        uint32_t bytes = type_is_string(type) ? type->max : type_unit_bytes(type);
        fprintf(out, "    __builtin_memset(mig_out + %u, 0, %u);\n", room, bytes);
    } else if (type->form == FORM_OOL) {
        fprintf(out, "    %s = (%s)0;\n    %sCnt = 0;\n", param->name, emit_type(type, SIDE_SERVER),
                param->name);
    } else {
        fprintf(out, "    %sCnt = %u;\n", param->name, layout_inline_max(type));
        if (type->form == FORM_EITHER && type_is_port(type)) {
            fprintf(out, "    %s = %s_names;\n    %s_room = %s_names;\n", param->name, param->name,
                    param->name, param->name);
        } else if (type->form == FORM_EITHER) {
            fprintf(out, "    %s = (%s)(uintptr_t)(mig_out + %u);\n    %s_room = mig_out + %u;\n",
                    param->name, emit_type(type, SIDE_SERVER), room, param->name, room);
        }
    }
    if (param->count_inout) {
        fprintf(out,
                "    if (mig_load32(%sRoom_at) < %sCnt) {\n        %sCnt = "
                "mig_load32(%sRoom_at);\n    }\n",
                param->name, param->name, param->name, param->name);
    }
    if (param->role == ROLE_OUT && emit_poly_arg(param, SIDE_SERVER)) {
        fprintf(out, "    %sPoly = MACH_MSG_TYPE_PORT_SEND;\n", param->name);
    }
}

static void server_pass(const struct server_context *context, const struct mig_param *param,
                        bool *first)
{
    FILE *out = context->out;
    const struct mig_type *type = param->type;
    bool is_out = emit_param_out(param);
    const char *name = param->name;
    bool text = type_is_string(type) || type->form == FORM_ARRAY ||
                (type->form == FORM_VAR && !(type_is_port(type)));
    fprintf(out, "%s\n        ", *first ? "" : ",");
    *first = false;
    if (text && is_out) {
        fprintf(out, "(void *)(mig_out + %u)",
                put_room(&context->reply, server_reply_index(context, param)));
    } else if (text) {
        fprintf(out, "(void *)(uintptr_t)%s_at", name);
    } else {
        fprintf(out, "%s%s", is_out && type->form != FORM_VAR ? "&" : "", name);
    }
    if (emit_poly_arg(param, SIDE_SERVER)) {
        fprintf(out, ", %s%sPoly", is_out ? "&" : "", name);
    }
    if (type_has_count(type)) {
        fprintf(out, ", %s%sCnt", is_out ? "&" : "", name);
    }
    if (is_out && param->dealloc == DEALLOC_MAYBE) {
        fprintf(out, ", &%sDealloc", name);
    }
    if (param->server_copy) {
        fprintf(out, ", mig_type_inline(%s_at - 8)", name);
    }
}

static void server_pass_port(const struct server_context *context, const struct mig_param *param,
                             bool *first)
{
    FILE *out = context->out;
    const struct mig_type *type = param->type;
    bool request = param->role == ROLE_REQUEST;
    const char *field = request ? "mig_request->msgh_local_port" : "mig_request->msgh_remote_port";
    fprintf(out, "%s\n        ", *first ? "" : ",");
    *first = false;
    if (request && type->payload_function != NULL) {
        fprintf(out,
                "MACH_MSGH_BITS_LOCAL(mig_request->msgh_bits) == MACH_MSG_TYPE_PROTECTED_PAYLOAD\n"
                "            ? %s(mig_request->msgh_protected_payload)\n            : ",
                type->payload_function);
    }
    if (type->intran.function != NULL) {
        fprintf(out, "%s(%s)", type->intran.function, field);
    } else {
        fputs(field, out);
    }
    if (emit_poly_arg(param, SIDE_SERVER)) {
        fprintf(out, ", MACH_MSGH_BITS_%s(mig_request->msgh_bits)", request ? "LOCAL" : "REMOTE");
    }
}

static bool server_keeps_port(const struct mig_param *param)
{
    return param->role == ROLE_REQUEST && param->type->destructor.function != NULL;
}

static void server_call(const struct server_context *context)
{
    FILE *out = context->out;
    const struct mig_routine_def *routine = context->routine;
    bool first = true;
    fprintf(out, "    mig_code = %s%s(", routine->server_prefix, routine->name);
    for (const struct mig_param *param = routine->params; param != NULL; param = param->next) {
        if (emit_param_in(param) || emit_param_out(param)) {
            server_pass(context, param, &first);
        } else if (server_keeps_port(param)) {
            fprintf(out, "%s\n        %s", first ? "" : ",", param->name);
            first = false;
        } else if (param->role == ROLE_REQUEST || param->role == ROLE_REPLY ||
                   param->role == ROLE_SREPLY) {
            server_pass_port(context, param, &first);
        } else if (param->role == ROLE_MSGSEQNO) {
            fprintf(out, "%s\n        mig_request->msgh_seqno", first ? "" : ",");
            first = false;
        }
    }
    fputs(");\n", out);
}

/* The request's object, when it must be let go of after the routine. */
static void server_open_object(const struct server_context *context)
{
    const struct mig_param *param = context->routine->request;
    if (!server_keeps_port(param)) {
        return;
    }
    bool first = true;
    fprintf(context->out, "    %s =", param->name);
    server_pass_port(context, param, &first);
    fputs(";\n", context->out);
}

static void server_destructors(const struct server_context *context)
{
    for (const struct mig_param *p = context->routine->params; p != NULL; p = p->next) {
        if ((emit_param_in(p) || p->role == ROLE_REQUEST) && p->type->destructor.function != NULL &&
            !emit_param_out(p)) {
            fprintf(context->out, "    %s(%s);\n", p->type->destructor.function, p->name);
        }
    }
}

/* array[] that came out of line and that the routine was not told of is only lent to it. */
static void server_free_lent(const struct server_context *context)
{
    for (const struct mig_param *p = context->routine->params; p != NULL; p = p->next) {
        if (p->role == ROLE_IN && p->type->form == FORM_EITHER && !p->server_copy) {
            unsigned bytes = type_is_port(p->type) ? 4 : type_unit_bytes(p->type);
            fprintf(context->out,
                    "    if (!mig_type_inline(%s_at - 8) && %s_n != 0) {\n"
                    "        mig_deallocate(mig_load64(%s_at), %s_n * %u);\n    }\n",
                    p->name, p->name, p->name, p->name, bytes);
        }
    }
}

static void server_check_counts(const struct server_context *context)
{
    for (unsigned i = 0; i < context->reply.count; i = i + 1) {
        const struct mig_item *item = &context->reply.item[i];
        if (item->type->form == FORM_VAR) {
            fprintf(context->out,
                    "    if (%sCnt > %u) {\n        mig_code = MIG_ARRAY_TOO_LARGE;\n"
                    "        goto taken;\n    }\n",
                    item->name, item->type->max);
        } else if (item->type->form == FORM_EITHER) {
            fprintf(context->out,
                    "    if ((const void *)%s == %s_room && %sCnt > %u) {\n"
                    "        mig_code = MIG_ARRAY_TOO_LARGE;\n        goto taken;\n    }\n",
                    item->name, item->name, item->name, layout_inline_max(item->type));
        }
    }
}

static bool server_may_be_taken(const struct server_context *context)
{
    for (unsigned i = 0; i < context->reply.count; i = i + 1) {
        enum mig_form form = context->reply.item[i].type->form;
        if (form == FORM_VAR || form == FORM_EITHER) {
            return true;
        }
    }
    return false;
}

static void server_reply(const struct server_context *context)
{
    FILE *out = context->out;
    struct mig_position end;
    struct put_context put = {out, &context->reply, SIDE_SERVER, "mig_out", NULL, true};
    fputs("    {\n", out);
    put_locals(&put);
    put_items(&put, &end);
    enum mig_complex complex = layout_complex(&context->reply);
    if (complex != COMPLEX_NEVER) {
        fprintf(out, "    mig_reply->msgh_bits |= %s;\n",
                complex == COMPLEX_ALWAYS ? "MACH_MSGH_BITS_COMPLEX" : "mig_complex");
    }
    fprintf(out, "    mig_reply->msgh_size = (mach_msg_size_t)(%s);\n", emit_at(&end, 0));
    fputs("    mig_reply_put(mig_reply, KERN_SUCCESS);\n    }\n", out);
}

static bool server_lends(const struct mig_routine_def *routine)
{
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        if (p->role == ROLE_IN && p->type->form == FORM_EITHER && !p->server_copy) {
            return true;
        }
    }
    return false;
}

static void server_finish_one_way(const struct server_context *context)
{
    FILE *out = context->out;
    fputs("    if (mig_code != KERN_SUCCESS && mig_code != MIG_NO_REPLY) {\n        goto failed;\n"
          "    }\n",
          out);
    server_free_lent(context);
    fputs("    mig_code = MIG_NO_REPLY;\n    goto done;\n"
          "bad:\n    mig_code = MIG_BAD_ARGUMENTS;\nfailed:\n    mig_give_back(mig_request);\n"
          "done:\n",
          out);
    if (context->routine->sreply == NULL) {
        fputs("    mig_give_back_reply_port(mig_request);\n"
              "    mig_reply->msgh_remote_port = MACH_PORT_NAME_NULL;\n"
              "    mig_reply->msgh_bits = MACH_MSGH_BITS_ZERO;\n",
              out);
    }
    fputs("    mig_reply_put(mig_reply, mig_code);\n", out);
}

/* One test on the way of success. What a request of plain bytes is refused with needs nothing of
 * the request: the stub need not keep it over the call. */
static void server_finish(const struct server_context *context)
{
    FILE *out = context->out;
    bool plain = layout_complex(&context->request) == COMPLEX_NEVER;
    if (server_lends(context->routine)) {
        fputs("    if (mig_code != KERN_SUCCESS && mig_code != MIG_NO_REPLY) {\n"
              "        goto failed;\n    }\n",
              out);
        server_free_lent(context);
    }
    fputs("    if (mig_code != KERN_SUCCESS) {\n        goto failed;\n    }\n", out);
    server_check_counts(context);
    server_reply(context);
    fprintf(out, "    return;\nfailed:\n    %s;\n    return;\n",
            plain ? "mig_fail(mig_reply, mig_code)"
                  : "mig_refuse(mig_request, mig_reply, mig_code)");
    if (server_may_be_taken(context)) {
        fputs("taken:\n    mig_fail(mig_reply, mig_code);\n    return;\n", out);
    }
    fputs("bad:\n    mig_refuse(mig_request, mig_reply, MIG_BAD_ARGUMENTS);\n", out);
}

static void server_routine(FILE *out, const struct mig_routine_def *routine)
{
    struct server_context context = {.out = out, .routine = routine};
    layout_request(routine, MODE_USER, &context.request);
    layout_reply(routine, MODE_USER, &context.reply);
    fprintf(
        out,
        "\nstatic void stub_%s(mach_msg_header_t *mig_request, mach_msg_header_t *mig_reply)\n{\n",
        routine->name);
    if (context.request.count != 0) {
        fputs("    const uint8_t *mig_in = (const uint8_t *)mig_request;\n", out);
    }
    if (context.reply.count != 0) {
        fputs("    uint8_t *mig_out = (uint8_t *)mig_reply;\n", out);
    }
    fputs("    kern_return_t mig_code;\n", out);
    emit_check_locals(out, &context.request);
    for (const struct mig_param *param = routine->params; param != NULL; param = param->next) {
        server_locals(&context, param);
    }
    if (server_keeps_port(routine->request)) {
        fprintf(out, "    %s %s;\n", emit_trans_type(routine->request->type, SIDE_SERVER),
                routine->request->name);
    }
    fputc('\n', out);
    emit_checks(out, &context.request, "mig_in", "mig_request");
    for (const struct mig_param *param = routine->params; param != NULL; param = param->next) {
        if (emit_param_in(param)) {
            server_load(out, param);
        }
    }
    for (const struct mig_param *param = routine->params; param != NULL; param = param->next) {
        if (emit_param_out(param)) {
            server_prepare(&context, param);
        }
    }
    server_open_object(&context);
    server_call(&context);
    server_destructors(&context);
    if (routine->one_way) {
        server_finish_one_way(&context);
    } else {
        server_finish(&context);
    }
    fputs("}\n", out);
}

static void server_tables(FILE *out, const struct mig_subsystem *subsystem)
{
    uint32_t max_request = MIG_HEADER_SIZE;
    uint32_t max_reply = MIG_REPLY_START;
    fprintf(out, "\nstatic const struct mig_server_routine %s_routines[%u] = {\n", subsystem->name,
            subsystem->count == 0 ? 1 : subsystem->count);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        const struct mig_routine_def *routine = subsystem->routines[i];
        if (routine == NULL) {
            continue;
        }
        struct mig_items request, reply;
        layout_request(routine, MODE_USER, &request);
        layout_reply(routine, MODE_USER, &reply);
        uint32_t in = layout_total_max(&request);
        uint32_t back = layout_total_max(&reply);
        max_request = in > max_request ? in : max_request;
        max_reply = back > max_reply ? back : max_reply;
        fprintf(out, "    [%u] = {stub_%s, \"%s\", %u, %u},\n", i, routine->name, routine->name, in,
                back);
    }
    fprintf(out,
            "};\n\nconst struct mig_server_subsystem %s_server_subsystem = {\n"
            "    \"%s\", %d, %u, %u, %u, %s_routines,\n};\n",
            subsystem->name, subsystem->name, subsystem->base, subsystem->count, max_request,
            max_reply, subsystem->name);
}

static void server_demux(FILE *out, const struct mig_subsystem *subsystem)
{
    char *server = subsystem->server_demux != NULL ? subsystem->server_demux
                                                   : mig_format("%s_server", subsystem->name);
    fprintf(out,
            "\nmig_routine_t %s_server_routine(const mach_msg_header_t *mig_request)\n{\n"
            "    uint32_t index = (uint32_t)mig_request->msgh_id - %du;\n"
            "    if (index >= %u) {\n        return NULL;\n    }\n"
            "    return %s_routines[index].stub;\n}\n",
            subsystem->name, subsystem->base, subsystem->count, subsystem->name);
    fprintf(out,
            "\nboolean_t %s(mach_msg_header_t *mig_request, mach_msg_header_t *mig_reply)\n{\n"
            "    mig_routine_t routine = %s_server_routine(mig_request);\n"
            "    mig_reply_begin(mig_request, mig_reply);\n"
            "    if (routine == NULL) {\n"
            "        mig_reply_put(mig_reply, MIG_BAD_ID);\n        return FALSE;\n    }\n"
            "    routine(mig_request, mig_reply);\n    return TRUE;\n}\n",
            server, subsystem->name);
}

void emit_server(FILE *out, const struct mig_subsystem *subsystem)
{
    emit_banner(out, subsystem, "Stubs for a server");
    emit_imports(out, subsystem, SIDE_SERVER);
    fputc('\n', out);
    emit_size_checks(out, subsystem, SIDE_SERVER);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            emit_prototype(out, subsystem->routines[i], SIDE_SERVER);
            fputs(";\n", out);
        }
    }
    fprintf(out,
            "boolean_t %s(mach_msg_header_t *mig_request, mach_msg_header_t *mig_reply);\n"
            "mig_routine_t %s_server_routine(const mach_msg_header_t *mig_request);\n"
            "extern const struct mig_server_subsystem %s_server_subsystem;\n",
            subsystem->server_demux != NULL ? subsystem->server_demux
                                            : mig_format("%s_server", subsystem->name),
            subsystem->name, subsystem->name);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            server_routine(out, subsystem->routines[i]);
        }
    }
    server_tables(out, subsystem);
    server_demux(out, subsystem);
}
