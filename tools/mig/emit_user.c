/* emit_user.c - stubs for callers in user space: build the request, send it, check the reply. */
#include "mig.h"
#include "put.h"

/* A count that does not fit is refused before anything is sent. */
static void user_check_arguments(FILE *out, const struct mig_items *request)
{
    for (unsigned i = 0; i < request->count; i = i + 1) {
        const struct mig_item *item = &request->item[i];
        if (item->type->form == FORM_VAR) {
            fprintf(out, "    if (%sCnt > %u) {\n        return MIG_ARRAY_TOO_LARGE;\n    }\n",
                    item->name, item->type->max);
        } else if (item->type->form == FORM_OOL || item->type->form == FORM_EITHER) {
            if (item->type->number != 1) {
                fprintf(out,
                        "    if (%sCnt > 0xffffffffu / %u) {\n        return MIG_ARRAY_TOO_LARGE;\n"
                        "    }\n",
                        item->name, item->type->number);
            }
        }
    }
}

static char *user_disposition(const struct mig_param *param)
{
    if (param->type->in_name == MIG_POLYMORPHIC) {
        return mig_format("(%sPoly & 0xff)", param->name);
    }
    return mig_format("%d", param->type->in_name);
}

static void user_header(FILE *out, const struct mig_routine_def *routine,
                        const struct mig_items *request, const struct mig_position *end)
{
    char *remote = user_disposition(routine->request);
    char *local = mig_format("%d", routine->one_way ? 0 : 21);
    const char *port = routine->one_way ? "MACH_PORT_NULL" : "mig_reply_port";
    if (routine->ureply != NULL) {
        local = user_disposition(routine->ureply);
        port = routine->ureply->name;
    }
    enum mig_complex complex = layout_complex(request);
    fprintf(out, "    mig_message.head.msgh_bits = MACH_MSGH_BITS(%s, %s)%s;\n", remote, local,
            complex == COMPLEX_ALWAYS    ? " | MACH_MSGH_BITS_COMPLEX"
            : complex == COMPLEX_DEPENDS ? " | mig_complex"
                                         : "");
    fprintf(out, "    mig_message.head.msgh_size = (mach_msg_size_t)(%s);\n", emit_at(end, 0));
    fprintf(out, "    mig_message.head.msgh_remote_port = %s;\n", routine->request->name);
    fputs("    mig_message.head.msgh_remote_pad = 0;\n", out);
    fprintf(out, "    mig_store64(&mig_message.head.msgh_protected_payload, %s);\n", port);
    fputs("    mig_message.head.msgh_seqno = 0;\n", out);
    fprintf(out, "    mig_message.head.msgh_id = %d;\n", routine->id);
}

static char *user_options(const struct mig_routine_def *routine, const char *base)
{
    char *options = mig_format("%s", base);
    if (routine->msgoption != NULL) {
        options = mig_format("%s | %s", options, routine->msgoption->name);
    } else if (routine->default_msgoption != NULL) {
        options = mig_format("%s | %s", options, routine->default_msgoption);
    }
    if (routine->waittime != NULL || routine->default_waittime != NULL) {
        options = mig_format("%s | %s", options,
                             routine->one_way ? "MACH_SEND_TIMEOUT" : "MACH_RCV_TIMEOUT");
    }
    return options;
}

static const char *user_timeout(const struct mig_routine_def *routine)
{
    if (routine->waittime != NULL) {
        return routine->waittime->name;
    }
    return routine->default_waittime != NULL ? routine->default_waittime : "MACH_MSG_TIMEOUT_NONE";
}

static void user_send(FILE *out, const struct mig_routine_def *routine)
{
    if (routine->one_way) {
        fprintf(out,
                "    return mach_msg_quick(&mig_message.head, %s, mig_message.head.msgh_size, 0,\n"
                "                    MACH_PORT_NAME_NULL, %s, MACH_PORT_NAME_NULL);\n",
                user_options(routine, "MACH_SEND_MSG"), user_timeout(routine));
        return;
    }
    const char *port =
        routine->ureply != NULL ? routine->ureply->name : "(mach_port_t)mig_reply_port";
    fprintf(out,
            "    mig_result = mach_msg_quick(&mig_message.head, %s,\n"
            "                      mig_message.head.msgh_size, sizeof(mig_message), %s, %s,\n"
            "                      MACH_PORT_NAME_NULL);\n",
            user_options(routine, "MACH_SEND_MSG | MACH_RCV_MSG"), port, user_timeout(routine));
    fprintf(out, "    if (mig_result != MACH_MSG_SUCCESS) {\n        return %s;\n    }\n",
            routine->ureply == NULL ? "mig_call_failed((mach_port_t)mig_reply_port, mig_result)"
                                    : "mig_result");
}

/* The parts every reply has: id, code. What is not a success is told apart at the label bad. */
static void user_check_id(FILE *out, const struct mig_routine_def *routine)
{
    fprintf(out, "    if (mig_message.head.msgh_id != %d) {\n        goto bad;\n    }\n",
            routine->id + 100);
}

static void user_check_code(FILE *out)
{
    fputs("    if (!mig_reply_is_success(mig_message.bytes)) {\n        goto bad;\n    }\n", out);
}

/* Inline entries into the caller's array, as many as it has room for. */
static void user_take_inline(FILE *out, const struct mig_item *item, const char *target,
                             const char *indent)
{
    const struct mig_type *type = item->type;
    if (type_is_port(type)) {
        fprintf(out, "%sfor (uint64_t mig_i = 0; mig_i < %s_n; mig_i = mig_i + 1) {\n", indent,
                item->name);
        fprintf(out, "%s    %s[mig_i] = mig_load32(%s_at + 8 * mig_i);\n%s}\n", indent, target,
                item->name, indent);
    } else {
        fprintf(out, "%sif (%s_n != 0) {\n", indent, item->name);
        fprintf(out, "%s    __builtin_memcpy((void *)(uintptr_t)%s, %s_at, %s_n * %u);\n%s}\n",
                indent, target, item->name, item->name, type_unit_bytes(type), indent);
    }
}

/* Room is checked for all arrays first: then nothing is half taken. */
static void user_check_room(FILE *out, const struct mig_items *reply)
{
    for (unsigned i = 0; i < reply->count; i = i + 1) {
        const struct mig_item *item = &reply->item[i];
        if (item->type->form != FORM_VAR) {
            continue;
        }
        fprintf(out, "    if (%s_n > *%sCnt) {\n", item->name, item->name);
        fprintf(out, "        *%sCnt = (mach_msg_type_number_t)%s_n;\n", item->name, item->name);
        fputs("        mach_msg_destroy(&mig_message.head);\n        return MIG_ARRAY_TOO_LARGE;\n"
              "    }\n",
              out);
    }
}

/* Inline data longer than the caller's array goes into new memory. */
static void user_take_either(FILE *out, const struct mig_item *item)
{
    const char *ctype = emit_type(item->type, SIDE_USER);
    unsigned bytes = type_is_port(item->type) ? 4 : type_unit_bytes(item->type);
    fprintf(out, "    if (!mig_type_inline(%s_at - 8)) {\n", item->name);
    fprintf(out, "        *%s = (%s)(uintptr_t)mig_load64(%s_at);\n    } else {\n", item->name,
            ctype, item->name);
    fprintf(out, "        if (%s_n > *%sCnt) {\n", item->name, item->name);
    fprintf(
        out,
        "            vm_address_t mig_room = 0;\n            mig_allocate(&mig_room, %s_n * %u);\n",
        item->name, bytes);
    fputs("            if (mig_room == 0) {\n                mach_msg_destroy(&mig_message.head);\n"
          "                return KERN_RESOURCE_SHORTAGE;\n            }\n",
          out);
    fprintf(out, "            *%s = (%s)(uintptr_t)mig_room;\n        }\n", item->name, ctype);
    user_take_inline(out, item, mig_format("(*%s)", item->name), "        ");
    fputs("    }\n", out);
    fprintf(out, "    *%sCnt = (mach_msg_type_number_t)%s_n;\n", item->name, item->name);
}

static void user_take(FILE *out, const struct mig_item *item)
{
    const struct mig_type *type = item->type;
    switch (type->form) {
    case FORM_SCALAR:
    case FORM_STRUCT:
        if (type_is_port(type)) {
            fprintf(out, "    *%s = mig_load32(%s_at);\n", item->name, item->name);
            if (emit_poly_arg(item->param, SIDE_USER)) {
                fprintf(out, "    *%sPoly = (%s_at - 8)[0];\n", item->name, item->name);
            }
        } else {
            fprintf(out, "    __builtin_memcpy(%s, %s_at, %u);\n", item->name, item->name,
                    type_unit_bytes(type));
        }
        break;
    case FORM_ARRAY:
        fprintf(out, "    __builtin_memcpy(%s, %s_at, %u);\n", item->name, item->name,
                type_unit_bytes(type));
        break;
    case FORM_STRING:
    case FORM_STRING_V:
        fprintf(out, "    mig_string_put(%s, (const char *)%s_at, %u);\n", item->name, item->name,
                type->max);
        break;
    case FORM_VAR:
        user_take_inline(out, item, item->name, "    ");
        fprintf(out, "    *%sCnt = (mach_msg_type_number_t)%s_n;\n", item->name, item->name);
        break;
    case FORM_EITHER:
        user_take_either(out, item);
        break;
    case FORM_OOL:
        fprintf(out, "    *%s = (%s)(uintptr_t)mig_load64(%s_at);\n", item->name,
                emit_type(type, SIDE_USER), item->name);
        fprintf(out, "    *%sCnt = (mach_msg_type_number_t)%s_n;\n", item->name, item->name);
        break;
    }
}

/* array[] is taken first: it is the only thing that can fail. */
static void user_take_all(FILE *out, const struct mig_items *reply)
{
    for (unsigned pass = 0; pass < 2; pass = pass + 1) {
        for (unsigned i = 0; i < reply->count; i = i + 1) {
            if ((reply->item[i].type->form == FORM_EITHER) == (pass == 0)) {
                user_take(out, &reply->item[i]);
            }
        }
    }
}

static void user_reply(FILE *out, const struct mig_routine_def *routine,
                       const struct mig_items *reply)
{
    fputs("    {\n", out);
    emit_check_locals(out, reply);
    emit_checks(out, reply, "mig_message.bytes", "(&mig_message.head)");
    user_check_code(out);
    user_check_room(out, reply);
    user_take_all(out, reply);
    fputs("    return KERN_SUCCESS;\n    }\n", out);
    fprintf(out, "bad:\n    return mig_reply_error(&mig_message.head, %d);\n", routine->id + 100);
}

static void user_routine(FILE *out, const struct mig_routine_def *routine)
{
    struct mig_items request, reply;
    struct mig_position end;
    layout_request(routine, MODE_USER, &request);
    layout_reply(routine, MODE_USER, &reply);
    struct put_context context = {out, &request, SIDE_USER, "mig_message.bytes", NULL, false};
    uint32_t room = layout_total_max(&request);
    if (!routine->one_way && layout_total_max(&reply) > room) {
        room = layout_total_max(&reply);
    }
    fputc('\n', out);
    emit_prototype(out, routine, SIDE_USER);
    fprintf(out,
            "\n{\n    union {\n        mach_msg_header_t head;\n        uint8_t bytes[%u];\n"
            "    } __attribute__((aligned(8))) mig_message;\n",
            room);
    if (!routine->one_way) {
        fputs("    kern_return_t mig_result;\n", out);
        if (routine->ureply == NULL) {
            fputs("    uint64_t mig_reply_port;\n", out);
        }
    }
    put_locals(&context);
    user_check_arguments(out, &request);
    put_items(&context, &end);
    if (!routine->one_way && routine->ureply == NULL) {
        fputs("    mig_reply_port = mig_own_reply_port();\n", out);
    }
    user_header(out, routine, &request, &end);
    user_send(out, routine);
    if (!routine->one_way) {
        user_check_id(out, routine);
        user_reply(out, routine, &reply);
    }
    fputs("}\n", out);
}

void emit_user(FILE *out, const struct mig_subsystem *subsystem)
{
    emit_banner(out, subsystem, "Stubs for callers");
    emit_imports(out, subsystem, SIDE_USER);
    fputc('\n', out);
    emit_size_checks(out, subsystem, SIDE_USER);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            emit_prototype(out, subsystem->routines[i], SIDE_USER);
            fputs(";\n", out);
        }
    }
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            user_routine(out, subsystem->routines[i]);
        }
    }
}
