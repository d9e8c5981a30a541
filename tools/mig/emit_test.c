/* emit_test.c - a test of an interface's stubs: for each routine a server's routine that counts its
 * calls, a call of the user's stub, and a table of the request's items. tests/host/mig/mig_test.c
 * does the rest with them. */
#include "mig.h"

static void test_set_out(FILE *out, const struct mig_param *param)
{
    const struct mig_type *type = param->type;
    const char *name = param->name;
    switch (type->form) {
    case FORM_SCALAR:
    case FORM_STRUCT:
        if (type_is_port(type)) {
            fprintf(out, "    *%s = 0x77;\n", name);
            if (emit_poly_arg(param, SIDE_SERVER)) {
                fprintf(out, "    *%sPoly = %d;\n", name,
                        type->out_name == MIG_POLYMORPHIC ? 17 : type->out_name);
            }
        } else {
            fprintf(out, "    __builtin_memset(%s, 0x55, sizeof(*%s));\n", name, name);
        }
        break;
    case FORM_STRING:
    case FORM_STRING_V:
        fprintf(out, "    __builtin_memcpy(%s, \"ab\", 3);\n", name);
        break;
    case FORM_ARRAY:
        fprintf(out, "    __builtin_memset(%s, 0x55, %u);\n", name, type_unit_bytes(type));
        break;
    case FORM_VAR:
        fprintf(out, "    *%sCnt = *%sCnt == 0 ? 0 : 1;\n", name, name);
        fprintf(out, "    __builtin_memset(%s, 0x55, *%sCnt * %u);\n", name, name,
                type_is_port(type) ? 4 : type_unit_bytes(type));
        break;
    case FORM_EITHER:
        fprintf(out, "    *%sCnt = mig_test_out_of_line || *%sCnt != 0 ? 1 : 0;\n", name, name);
        fprintf(out,
                "    if (mig_test_out_of_line) {\n        *%s = (%s)(uintptr_t)"
                "mig_test_memory();\n    } else if (*%sCnt != 0) {\n",
                name, emit_type(type, SIDE_SERVER), name);
        fprintf(out, "        __builtin_memset((void *)(uintptr_t)*%s, 0x55, %u);\n    }\n", name,
                type_is_port(type) ? 4 : type_unit_bytes(type));
        break;
    case FORM_OOL:
        fprintf(out, "    *%s = (%s)(uintptr_t)mig_test_memory();\n    *%sCnt = 1;\n", name,
                emit_type(type, SIDE_SERVER), name);
        break;
    }
}

static void test_server_routine(FILE *out, const struct mig_routine_def *routine)
{
    fputs("\n", out);
    emit_prototype(out, routine, SIDE_SERVER);
    fputs("\n{\n    mig_test_calls = mig_test_calls + 1;\n", out);
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        bool port = p->role == ROLE_REQUEST || p->role == ROLE_REPLY || p->role == ROLE_SREPLY;
        bool value = p->type->form == FORM_SCALAR || p->type->form == FORM_STRUCT;
        if (port || (p->role == ROLE_IN && value)) {
            fprintf(out, "    mig_test_use(&%s, sizeof(%s));\n", p->name, p->name);
        } else if (p->role == ROLE_MSGSEQNO) {
            fprintf(out, "    (void)%s;\n", p->name);
        } else if (emit_param_in(p) && type_is_string(p->type)) {
            fprintf(out, "    mig_test_use_string(%s);\n", p->name);
        } else if (p->role == ROLE_IN && type_has_count(p->type)) {
            fprintf(out, "    mig_test_use((const void *)(uintptr_t)%s, (uint64_t)%sCnt * %u);\n",
                    p->name, p->name, type_is_port(p->type) ? 4 : type_unit_bytes(p->type));
        } else if (p->role == ROLE_IN && p->type->form == FORM_ARRAY) {
            fprintf(out, "    mig_test_use(%s, %u);\n", p->name, type_unit_bytes(p->type));
        }
    }
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        if (!emit_param_out(p) && p->role != ROLE_UREPLY && emit_poly_arg(p, SIDE_SERVER)) {
            fprintf(out, "    (void)%sPoly;\n", p->name);
        }
        if (p->server_copy) {
            fprintf(out, "    (void)%sSCopy;\n", p->name);
        }
    }
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        if (emit_param_out(p)) {
            test_set_out(out, p);
        }
    }
    fputs("    return mig_test_code;\n}\n", out);
}

static void test_local(FILE *out, const struct mig_param *param, unsigned index)
{
    const struct mig_type *type = param->type;
    const char *ctype = emit_type(type, SIDE_USER);
    bool is_out = emit_param_out(param);
    if (param->role == ROLE_WAITTIME || param->role == ROLE_MSGOPTION ||
        param->role == ROLE_MSGSEQNO || param->role == ROLE_SREPLY) {
        return;
    }
    if (type->form == FORM_SCALAR || type->form == FORM_STRUCT) {
        fprintf(out, "    %s %s;\n    __builtin_memset(&%s, 0, sizeof(%s));\n", ctype, param->name,
                param->name, param->name);
        if (type_is_port(type)) {
            fprintf(out, "    %s = 0x%x;\n", param->name, 0x100 + index);
        }
    } else if (type->form == FORM_EITHER || type->form == FORM_OOL) {
        fprintf(out, "    %s %s = (%s)(uintptr_t)mig_test_buffer(%u);\n", ctype, param->name, ctype,
                index);
    }
    if (type_has_count(type)) {
        unsigned room = layout_inline_max(type);
        fprintf(out, "    mach_msg_type_number_t %sCnt = %u;\n", param->name,
                is_out ? (type->form == FORM_OOL ? 0 : room) : 1);
    }
    if (emit_poly_arg(param, SIDE_USER)) {
        fprintf(out, "    mach_msg_type_name_t %sPoly = %d;\n", param->name,
                type->out_name == MIG_POLYMORPHIC ? 17 : type->out_name);
    }
}

static void test_pass(FILE *out, const struct mig_param *param, unsigned index, bool *first)
{
    const struct mig_type *type = param->type;
    bool is_out = emit_param_out(param);
    if (param->role == ROLE_SREPLY || param->role == ROLE_MSGSEQNO) {
        return;
    }
    fprintf(out, "%s\n        ", *first ? "" : ",");
    *first = false;
    if (param->role == ROLE_WAITTIME || param->role == ROLE_MSGOPTION) {
        fputc('0', out);
        return;
    }
    if (type_is_string(type) && !is_out) {
        fputs("\"ab\"", out);
    } else if (type_is_string(type) || type->form == FORM_ARRAY || type->form == FORM_VAR) {
        fprintf(out, "(void *)mig_test_buffer(%u)", index);
    } else {
        fprintf(out, "%s%s", is_out ? "&" : "", param->name);
    }
    if (emit_poly_arg(param, SIDE_USER)) {
        fprintf(out, ", %s%sPoly", is_out ? "&" : "", param->name);
    }
    if (type_has_count(type)) {
        fprintf(out, ", %s%sCnt", is_out ? "&" : "", param->name);
    }
    if (param->dealloc == DEALLOC_MAYBE && !is_out) {
        fputs(", FALSE", out);
    }
}

static void test_user_call(FILE *out, const struct mig_routine_def *routine)
{
    unsigned index = 0;
    bool first = true;
    fprintf(out, "\nstatic kern_return_t call_%s(void)\n{\n", routine->name);
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        test_local(out, p, index);
        index = index + 1;
    }
    fprintf(out, "    return %s%s(", routine->user_prefix, routine->name);
    index = 0;
    for (const struct mig_param *p = routine->params; p != NULL; p = p->next) {
        test_pass(out, p, index, &first);
        index = index + 1;
    }
    fputs(");\n}\n", out);
}

static const char *test_kind(const struct mig_type *type)
{
    switch (type->form) {
    case FORM_STRING:
        return "TEST_STRING";
    case FORM_STRING_V:
        return "TEST_STRING_V";
    case FORM_VAR:
        return "TEST_VAR";
    case FORM_EITHER:
        return "TEST_EITHER";
    case FORM_OOL:
        return "TEST_OOL";
    default:
        return type_is_port(type) && type->out_name == MIG_POLYMORPHIC ? "TEST_ANY_PORT"
                                                                       : "TEST_FIXED";
    }
}

static void test_items(FILE *out, const struct mig_routine_def *routine,
                       const struct mig_items *items, const char *which)
{
    fprintf(out, "\nstatic const struct mig_test_item %s_%s[] = {\n", which, routine->name);
    for (unsigned i = 0; i < items->count; i = i + 1) {
        const struct mig_type *type = items->item[i].type;
        uint32_t number = type->form == FORM_STRING ? type->max : type->number;
        uint32_t max =
            type->form == FORM_STRING_V ? type->max : layout_inline_max(type) * type->number;
        fprintf(out, "    {\"%s\", %s, 0x%08x, %u, %u, %u},\n", items->item[i].name,
                test_kind(type), layout_word(type, type->form, type->out_name, false), number, max,
                type->bits);
    }
    fputs("    {NULL, TEST_FIXED, 0, 0, 0, 0},\n};\n", out);
}

static void test_routine_table(FILE *out, const struct mig_subsystem *subsystem)
{
    fputs("\nstatic struct mig_test_routine routines[] = {\n", out);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        const struct mig_routine_def *routine = subsystem->routines[i];
        if (routine == NULL) {
            continue;
        }
        struct mig_items request;
        layout_request(routine, MODE_USER, &request);
        fprintf(out, "    {\"%s\", %d, %s, %s, %d, %u, %u, request_%s, reply_%s, call_%s, %s},\n",
                routine->name, routine->id, routine->one_way ? "true" : "false",
                routine->sreply != NULL ? "true" : "false", (int)layout_complex(&request),
                layout_total_min(&request), layout_total_max(&request), routine->name,
                routine->name, routine->name,
                subsystem->server_demux != NULL ? subsystem->server_demux
                                                : mig_format("%s_server", subsystem->name));
    }
    fprintf(out,
            "};\n\nint main(int argc, char **argv)\n{\n"
            "    return mig_test_main(\"%s\", routines, sizeof(routines) / "
            "sizeof(routines[0]), argc, argv);\n}\n",
            subsystem->name);
}

void emit_test(FILE *out, const struct mig_subsystem *subsystem)
{
    emit_banner(out, subsystem, "Test of the stubs");
    emit_imports(out, subsystem, SIDE_USER);
    for (struct mig_import_line *line = subsystem->imports; line != NULL; line = line->next) {
        if (line->kind == IMPORT_SERVER) {
            fprintf(out, "#include %s\n", line->file);
        }
    }
    fputs("\n#include \"mig_test.h\"\n\n", out);
    fprintf(out, "boolean_t %s(mach_msg_header_t *request, mach_msg_header_t *reply);\n",
            subsystem->server_demux != NULL ? subsystem->server_demux
                                            : mig_format("%s_server", subsystem->name));
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        const struct mig_routine_def *routine = subsystem->routines[i];
        if (routine == NULL) {
            continue;
        }
        struct mig_items request, reply;
        layout_request(routine, MODE_USER, &request);
        layout_reply(routine, MODE_USER, &reply);
        emit_prototype(out, routine, SIDE_SERVER);
        fputs(";\n", out);
        emit_prototype(out, routine, SIDE_USER);
        fputs(";\n", out);
        test_server_routine(out, routine);
        test_user_call(out, routine);
        test_items(out, routine, &request, "request");
        test_items(out, routine, &reply, "reply");
    }
    test_routine_table(out, subsystem);
}
