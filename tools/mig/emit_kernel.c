/* emit_kernel.c - stubs for routines the kernel serves. The message is a kmsg: its slots are
 * numbers in a table of rights and regions. Everything is checked before a port is turned into an
 * object. A routine that succeeds has taken over ports and regions that have no destructor; after
 * an error they stay in the request, which the caller of the stub destroys. */
#include "mig.h"
#include "put.h"

struct kernel_context {
    FILE *out;
    const struct mig_routine_def *routine;
    struct mig_items request;
    struct mig_items reply;
};

static bool kernel_is_memory(const struct mig_type *type)
{
    return type->form == FORM_OOL || type->form == FORM_EITHER;
}

static bool kernel_is_value(const struct mig_type *type)
{
    return type->form == FORM_SCALAR || type->form == FORM_STRUCT;
}

/* Inline ports with a count: the only thing the stub has to allocate memory for. */
static bool kernel_is_port_array(const struct mig_param *param)
{
    return param->role == ROLE_IN && param->type->form == FORM_VAR && type_is_port(param->type);
}

static uint32_t kernel_room(const struct kernel_context *context, const struct mig_param *param)
{
    for (unsigned i = 0; i < context->reply.count; i = i + 1) {
        if (context->reply.item[i].param == param) {
            return put_room(&context->reply, i);
        }
    }
    return 0;
}

static void kernel_check_supported(const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    if (type->form == FORM_EITHER && type_is_port(type) && param->role == ROLE_IN) {
        mig_error(&param->place, "the kernel takes arrays of ports as ^array[] or array[*:N]");
    }
    if (type->form == FORM_VAR && type_is_port(type) && emit_param_out(param)) {
        mig_error(&param->place, "the kernel does not send arrays of ports inline");
    }
}

static void kernel_locals(FILE *out, const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    const char *ctype = emit_trans_type(type, SIDE_KERNEL_SERVER);
    bool object = param->role == ROLE_REQUEST && type->intran.function != NULL;
    if (!emit_param_in(param) && !emit_param_out(param) && !object) {
        return;
    }
    if (object || (kernel_is_value(type) && type_is_port(type)) || kernel_is_memory(type) ||
        kernel_is_port_array(param)) {
        fprintf(out, "    %s %s = NULL;\n",
                kernel_is_port_array(param) ? "struct ipc_port **" : ctype, param->name);
    } else if (kernel_is_value(type)) {
        fprintf(out, "    %s %s;\n", ctype, param->name);
    }
    if (object) {
        return;
    }
    if (type_has_count(type)) {
        fprintf(out, "    mach_msg_type_number_t %sCnt = 0;\n", param->name);
    }
    if (emit_poly_arg(param, SIDE_KERNEL_SERVER)) {
        fprintf(out, "    mach_msg_type_name_t %sPoly = MACH_MSG_TYPE_PORT_SEND;\n", param->name);
    }
}

/* A slot must hold what its descriptor says; ipc made it so, a null region with a count is not. */
static void kernel_load_memory(FILE *out, const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    const char *name = param->name;
    fprintf(out, "    %sCnt = (mach_msg_type_number_t)%s_n;\n", name, name);
    if (type->form == FORM_EITHER) {
        fprintf(out, "    if (mig_type_inline(%s_at - 8) && %s_n != 0) {\n", name, name);
        fprintf(out, "        %s = vm_copy_from_kernel(%s_at, %s_n * %u);\n", name, name, name,
                type_unit_bytes(type));
        fprintf(out,
                "        if (%s == NULL) {\n            mig_code = KERN_RESOURCE_SHORTAGE;\n"
                "            goto failed;\n        }\n",
                name);
        fprintf(out, "    } else if (!mig_type_inline(%s_at - 8)) {\n", name);
        fprintf(out, "        %s = ipc_kmsg_ool(mig_request, mig_load64(%s_at));\n    }\n", name,
                name);
    } else {
        fprintf(out, "    if (mig_load64(%s_at) != 0) {\n", name);
        fprintf(out, "        %s = %s(mig_request, mig_load64(%s_at));\n    }\n", name,
                type_is_port(type) ? "ipc_kmsg_ool_ports" : "ipc_kmsg_ool", name);
    }
    fprintf(out, "    if (%s_n != 0 && %s == NULL) {\n        goto bad;\n    }\n", name, name);
}

static void kernel_load_port_array(FILE *out, const struct mig_param *param)
{
    const char *name = param->name;
    fprintf(out, "    %sCnt = (mach_msg_type_number_t)%s_n;\n", name, name);
    fprintf(out, "    if (%s_n != 0) {\n", name);
    fprintf(out, "        %s = kalloc(%s_n * sizeof(%s[0]));\n", name, name, name);
    fprintf(out,
            "        if (%s == NULL) {\n            mig_code = KERN_RESOURCE_SHORTAGE;\n"
            "            goto failed;\n        }\n    }\n",
            name);
    fprintf(out, "    for (uint64_t mig_i = 0; mig_i < %s_n; mig_i = mig_i + 1) {\n", name);
    fprintf(
        out,
        "        %s[mig_i] = ipc_kmsg_port(mig_request, mig_load64(%s_at + 8 * mig_i));\n    }\n",
        name, name);
}

static void kernel_load_plain(FILE *out, const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    const char *name = param->name;
    if (kernel_is_memory(type)) {
        kernel_load_memory(out, param);
    } else if (kernel_is_port_array(param)) {
        kernel_load_port_array(out, param);
    } else if (kernel_is_value(type) && !type_is_port(type)) {
        fprintf(out, "    __builtin_memcpy(&%s, %s_at, sizeof(%s));\n", name, name, name);
    } else if (kernel_is_value(type) && type->intran.function == NULL) {
        fprintf(out, "    %s = ipc_kmsg_port(mig_request, mig_load64(%s_at));\n", name, name);
    } else if (type_has_count(type)) {
        fprintf(out, "    %sCnt = (mach_msg_type_number_t)%s_n;\n", name, name);
    }
    if (kernel_is_value(type) && emit_poly_arg(param, SIDE_KERNEL_SERVER)) {
        fprintf(out, "    %sPoly = (%s_at - 8)[0];\n", name, name);
    }
}

static void kernel_check_object(FILE *out, const struct mig_param *param)
{
    if (param->type->onnull != NULL) {
        fprintf(out, "    if (%s == NULL) {\n        mig_code = %s;\n        goto failed;\n    }\n",
                param->name, param->type->onnull);
    }
}

static void kernel_translate(FILE *out, const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    if (type->intran.function == NULL) {
        return;
    }
    if (param->role == ROLE_REQUEST) {
        fprintf(out, "    %s = %s(ipc_kmsg_remote(mig_request));\n", param->name,
                type->intran.function);
    } else if (emit_param_in(param)) {
        fprintf(out, "    %s = %s(ipc_kmsg_port(mig_request, mig_load64(%s_at)));\n", param->name,
                type->intran.function, param->name);
    } else {
        return;
    }
    kernel_check_object(out, param);
}

static void kernel_prepare(const struct kernel_context *context, const struct mig_param *param)
{
    FILE *out = context->out;
    const struct mig_type *type = param->type;
    uint32_t room = kernel_room(context, param);
    if (param->role != ROLE_OUT) {
        return;
    }
    if (kernel_is_value(type) && !type_is_port(type)) {
        fprintf(out, "    __builtin_memset(&%s, 0, sizeof(%s));\n", param->name, param->name);
    } else if (type_is_string(type) || type->form == FORM_ARRAY) {
        fprintf(out, "    __builtin_memset(mig_out + %u, 0, %u);\n", room,
                type_is_string(type) ? type->max : type_unit_bytes(type));
    } else if (type->form == FORM_VAR) {
        fprintf(out, "    %sCnt = %u;\n", param->name, type->max);
        if (param->count_inout) {
            fprintf(out,
                    "    if (mig_load32(%sRoom_at) < %sCnt) {\n"
                    "        %sCnt = mig_load32(%sRoom_at);\n    }\n",
                    param->name, param->name, param->name, param->name);
        }
    } else if (type->form == FORM_EITHER && param->count_inout) {
        fprintf(out, "    %sCnt = mig_load32(%sRoom_at);\n", param->name, param->name);
    }
}

static void kernel_pass_data(const struct kernel_context *context, const struct mig_param *param)
{
    FILE *out = context->out;
    const struct mig_type *type = param->type;
    bool is_out = emit_param_out(param);
    bool text = type_is_string(type) || type->form == FORM_ARRAY ||
                (type->form == FORM_VAR && !type_is_port(type));
    if (text && is_out) {
        fprintf(out, "(void *)(mig_out + %u)", kernel_room(context, param));
    } else if (text) {
        fprintf(out, "(void *)(uintptr_t)%s_at", param->name);
    } else {
        fprintf(out, "%s%s", is_out ? "&" : "", param->name);
    }
    if (emit_poly_arg(param, SIDE_KERNEL_SERVER)) {
        fprintf(out, ", %s%sPoly", is_out ? "&" : "", param->name);
    }
    if (type_has_count(type)) {
        fprintf(out, ", %s%sCnt", is_out ? "&" : "", param->name);
    }
}

static void kernel_pass_port(FILE *out, const struct mig_param *param)
{
    bool request = param->role == ROLE_REQUEST;
    if (request && param->type->intran.function != NULL) {
        fputs(param->name, out);
    } else {
        fprintf(out, "ipc_kmsg_%s(mig_request)", request ? "remote" : "local");
    }
    if (emit_poly_arg(param, SIDE_KERNEL_SERVER)) {
        fprintf(out, ", MACH_MSGH_BITS_%s(mig_head->msgh_bits)", request ? "REMOTE" : "LOCAL");
    }
}

static void kernel_call(const struct kernel_context *context)
{
    FILE *out = context->out;
    bool first = true;
    fprintf(out, "    mig_code = %s%s(", context->routine->server_prefix, context->routine->name);
    for (const struct mig_param *p = context->routine->params; p != NULL; p = p->next) {
        bool data = emit_param_in(p) || emit_param_out(p);
        if (!data && p->role != ROLE_REQUEST && p->role != ROLE_REPLY && p->role != ROLE_SREPLY) {
            continue;
        }
        fprintf(out, "%s\n        ", first ? "" : ",");
        first = false;
        if (data) {
            kernel_pass_data(context, p);
        } else {
            kernel_pass_port(out, p);
        }
    }
    fputs(");\n", out);
}

/* The routine took over what is not a reference of ours. */
static void kernel_consume(const struct kernel_context *context)
{
    FILE *out = context->out;
    for (const struct mig_param *p = context->routine->params; p != NULL; p = p->next) {
        if (!emit_param_in(p)) {
            continue;
        }
        if (kernel_is_port_array(p)) {
            fprintf(out, "    for (uint64_t mig_i = 0; mig_i < %s_n; mig_i = mig_i + 1) {\n",
                    p->name);
            fprintf(out, "        mig_consume(mig_request, %s_at + 8 * mig_i);\n    }\n", p->name);
        } else if (p->type->form == FORM_EITHER) {
            fprintf(out, "    if (!mig_type_inline(%s_at - 8)) {\n", p->name);
            fprintf(out, "        mig_consume(mig_request, %s_at);\n    }\n", p->name);
            fprintf(out, "    %s = NULL;\n", p->name);
        } else if (p->type->form == FORM_OOL ||
                   (type_is_port(p->type) && p->type->destructor.function == NULL &&
                    p->type->intran.function == NULL)) {
            fprintf(out, "    mig_consume(mig_request, %s_at);\n", p->name);
        }
    }
}

/* After the routine, and after a failure on the way to it. */
static void kernel_release(const struct kernel_context *context)
{
    FILE *out = context->out;
    for (const struct mig_param *p = context->routine->params; p != NULL; p = p->next) {
        if (kernel_is_port_array(p)) {
            fprintf(out, "    if (%s != NULL) {\n        kfree(%s, %s_n * sizeof(%s[0]));\n    }\n",
                    p->name, p->name, p->name, p->name);
        } else if (p->type->form == FORM_EITHER && p->role == ROLE_IN) {
            fprintf(out,
                    "    if (%s != NULL && mig_type_inline(%s_at - 8)) {\n"
                    "        vm_copy_discard(%s);\n    }\n",
                    p->name, p->name, p->name);
        } else if (p->type->destructor.function != NULL && !emit_param_out(p) &&
                   (emit_param_in(p) || p->role == ROLE_REQUEST) &&
                   p->type->intran.function != NULL) {
            fprintf(out, "    if (%s != NULL) {\n        %s(%s);\n    }\n", p->name,
                    p->type->destructor.function, p->name);
        }
    }
}

static void kernel_check_counts(const struct kernel_context *context)
{
    for (unsigned i = 0; i < context->reply.count; i = i + 1) {
        const struct mig_item *item = &context->reply.item[i];
        if (item->type->form == FORM_VAR) {
            fprintf(context->out, "    assert(%sCnt <= %u);\n", item->name, item->type->max);
        }
    }
}

static void kernel_reply(const struct kernel_context *context)
{
    FILE *out = context->out;
    struct mig_position end;
    struct put_context put = {out,       &context->reply, SIDE_KERNEL_SERVER,
                              "mig_out", "mig_reply",     true};
    kernel_check_counts(context);
    fputs("    {\n", out);
    put_locals(&put);
    put_items(&put, &end);
    fprintf(out,
            "    mig_answer(mig_head, mig_out, (mach_msg_size_t)(%s), %s, KERN_SUCCESS);\n    }\n",
            emit_at(&end, 0),
            layout_complex(&context->reply) == COMPLEX_ALWAYS ? "MACH_MSGH_BITS_COMPLEX" : "0");
}

/* The routine will answer later: it took the right to reply over too, if it was given it. */
static void kernel_no_reply(const struct kernel_context *context)
{
    fputs("    if (mig_code == MIG_NO_REPLY) {\n", context->out);
    if (context->routine->sreply != NULL) {
        fputs("        unsigned mig_type;\n"
              "        (void)ipc_kmsg_take_local(mig_request, &mig_type);\n",
              context->out);
    }
    fputs("        goto failed;\n    }\n", context->out);
}

static void kernel_finish(const struct kernel_context *context)
{
    FILE *out = context->out;
    bool one_way = context->routine->one_way;
    fputs("    if (mig_code != KERN_SUCCESS && mig_code != MIG_NO_REPLY) {\n        goto failed;\n "
          "   }\n",
          out);
    kernel_consume(context);
    if (!one_way) {
        kernel_no_reply(context);
        kernel_reply(context);
    }
    fputs("    goto done;\nbad:\n    mig_code = MIG_BAD_ARGUMENTS;\n    goto failed;\nfailed:\n",
          out);
    if (one_way) {
        fprintf(out, "    user_error(\"%s: the request failed, code %%d\", mig_code);\n",
                context->routine->name);
    } else {
        fputs("    mig_answer(mig_head, mig_out, 48, 0, mig_code);\n", out);
    }
    fputs("done:;\n", out);
    kernel_release(context);
}

static void kernel_stub(FILE *out, const struct mig_routine_def *routine)
{
    struct kernel_context context = {.out = out, .routine = routine};
    layout_request(routine, MODE_USER, &context.request);
    layout_reply(routine, MODE_KERNEL, &context.reply);
    fprintf(out,
            "\nstatic void stub_%s(struct ipc_kmsg *mig_request, struct ipc_kmsg *mig_reply)\n{\n",
            routine->name);
    fputs("    const mach_msg_header_t *mig_head = ipc_kmsg_header(mig_request);\n", out);
    if (context.request.count != 0) {
        fputs("    const uint8_t *mig_in = (const uint8_t *)mig_head;\n", out);
    }
    fputs(routine->one_way ? "    (void)mig_reply;\n"
                           : "    uint8_t *mig_out = (uint8_t *)ipc_kmsg_header(mig_reply);\n",
          out);
    fputs("    kern_return_t mig_code;\n", out);
    for (unsigned i = 0; i < context.request.count; i = i + 1) {
        kernel_check_supported(context.request.item[i].param);
    }
    emit_check_locals(out, &context.request);
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        kernel_locals(out, p);
    }
    fputc('\n', out);
    emit_checks(out, &context.request, "mig_in", "mig_head");
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        if (emit_param_in(p)) {
            kernel_load_plain(out, p);
        }
    }
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        kernel_translate(out, p);
    }
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        kernel_prepare(&context, p);
    }
    kernel_call(&context);
    kernel_finish(&context);
    fputs("}\n", out);
}

/* Translations are declared here, so that no header has to be named in the definitions. */
static void kernel_declare_trans(FILE *out, const struct mig_subsystem *subsystem)
{
    const char *seen[256];
    unsigned count = 0;
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] == NULL) {
            continue;
        }
        for (struct mig_param *p = subsystem->routines[i]->params; p != NULL; p = p->next) {
            const struct mig_trans *trans[3] = {&p->type->intran, &p->type->outtran,
                                                &p->type->destructor};
            for (unsigned t = 0; t < 3; t = t + 1) {
                bool known = trans[t]->function == NULL || count == 256;
                for (unsigned s = 0; s < count && !known; s = s + 1) {
                    known = seen[s] == trans[t]->function;
                }
                if (!known) {
                    seen[count] = trans[t]->function;
                    count = count + 1;
                    fprintf(out, "%s %s(%s);\n", t == 2 ? "void" : trans[t]->result,
                            trans[t]->function, trans[t]->argument);
                }
            }
        }
    }
}

static void kernel_helpers(FILE *out)
{
    fputs("\n/* What the slot held is the routine's now. */\n"
          "static inline void mig_consume(struct ipc_kmsg *request, const uint8_t *slot)\n{\n"
          "    uint64_t value = mig_load64(slot);\n"
          "    if (value != 0 && value != MACH_PORT_NAME_DEAD) {\n"
          "        ipc_kmsg_consume(request, value);\n    }\n}\n"
          "\n/* The parts of the reply that all have. */\n"
          "static inline void mig_answer(const mach_msg_header_t *request, uint8_t *out,\n"
          "                              mach_msg_size_t size, mach_msg_bits_t complex,\n"
          "                              kern_return_t code)\n{\n"
          "    mach_msg_header_t *reply = (mach_msg_header_t *)out;\n"
          "    reply->msgh_bits = (reply->msgh_bits & ~MACH_MSGH_BITS_COMPLEX) | complex;\n"
          "    reply->msgh_size = size;\n"
          "    reply->msgh_id = request->msgh_id + 100;\n"
          "    mig_reply_put(out, code);\n}\n",
          out);
}

static void kernel_table(FILE *out, const struct mig_subsystem *subsystem)
{
    fprintf(out, "\nstatic const struct mig_kernel_routine routines[%u] = {\n", subsystem->count);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        const struct mig_routine_def *routine = subsystem->routines[i];
        if (routine != NULL) {
            struct mig_items reply;
            layout_reply(routine, MODE_KERNEL, &reply);
            fprintf(out, "    [%u] = {stub_%s, \"%s\", %u, %u},\n", i, routine->name, routine->name,
                    routine->one_way ? 0 : layout_total_max(&reply), layout_slots(&reply));
        }
    }
    fprintf(out,
            "};\n\nconst struct mig_kernel_subsystem %s_subsystem = {\n"
            "    \"%s\", %d, %u, routines,\n};\n",
            subsystem->name, subsystem->name, subsystem->base, subsystem->count);
}

void emit_kernel_server(FILE *out, const struct mig_subsystem *subsystem)
{
    emit_banner(out, subsystem, "Stubs for the kernel's routines");
    emit_imports(out, subsystem, SIDE_KERNEL_SERVER);
    fputs("\n#include \"ipc/ipc_kmsg.h\"\n#include \"kern/assert.h\"\n#include "
          "\"kern/mig_kernel.h\"\n"
          "#include \"kern/printf.h\"\n#include \"vm/slab.h\"\n#include \"vm/vm_map.h\"\n\n",
          out);
    emit_size_checks(out, subsystem, SIDE_KERNEL_SERVER);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            const char *code = constant_of(subsystem->routines[i]->name);
            emit_prototype(out, subsystem->routines[i], SIDE_KERNEL_SERVER);
            fputs(";\n", out);
            if (code != NULL) {
                emit_prototype(out, subsystem->routines[i], SIDE_KERNEL_SERVER);
                fprintf(out, "\n{\n    return %s;\n}\n", code);
            }
        }
    }
    kernel_declare_trans(out, subsystem);
    fprintf(out, "extern const struct mig_kernel_subsystem %s_subsystem;\n", subsystem->name);
    kernel_helpers(out);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            kernel_stub(out, subsystem->routines[i]);
        }
    }
    kernel_table(out, subsystem);
}
