/* emit_kernel_user.c - messages the kernel sends: build a kmsg and queue it, never wait.
 * MACH_SEND_NO_BUFFER: there was no memory, the caller still owns every right and region. Any other
 * result: they are all taken over, whether the message arrived or not. */
#include "mig.h"
#include "put.h"

static char *kernel_user_disposition(const struct mig_param *param)
{
    if (param->type->in_name == MIG_POLYMORPHIC) {
        return mig_format("%sPoly", param->name);
    }
    return mig_format("%d", layout_normal_name(param->type->in_name));
}

static void kernel_user_header(FILE *out, const struct mig_routine_def *routine,
                               const struct mig_items *request, const struct mig_position *end)
{
    fputs("    mig_head = ipc_kmsg_header(mig_kmsg);\n", out);
    fprintf(out, "    mig_head->msgh_size = (mach_msg_size_t)(%s);\n", emit_at(end, 0));
    fprintf(out, "    mig_head->msgh_seqno = 0;\n    mig_head->msgh_id = %d;\n", routine->id);
    fprintf(out, "    ipc_kmsg_set_remote(mig_kmsg, %s, %s);\n", routine->request->name,
            kernel_user_disposition(routine->request));
    if (routine->ureply != NULL) {
        fprintf(out, "    ipc_kmsg_set_local(mig_kmsg, %s, %s);\n", routine->ureply->name,
                kernel_user_disposition(routine->ureply));
    } else if (!routine->one_way) {
        fputs("    ipc_kmsg_set_local(mig_kmsg, reply_port, MACH_MSG_TYPE_PORT_SEND_ONCE);\n", out);
    }
    fprintf(out, "    mig_head->msgh_bits = (mig_head->msgh_bits & ~MACH_MSGH_BITS_COMPLEX)%s;\n",
            layout_complex(request) == COMPLEX_NEVER ? "" : " | MACH_MSGH_BITS_COMPLEX");
}

static void kernel_user_check(FILE *out, const struct mig_items *request)
{
    for (unsigned i = 0; i < request->count; i = i + 1) {
        const struct mig_item *item = &request->item[i];
        if (item->type->form == FORM_VAR) {
            fprintf(out, "    assert(%sCnt <= %u);\n", item->name, item->type->max);
        }
    }
}

static void kernel_user_routine(FILE *out, const struct mig_routine_def *routine)
{
    struct mig_items request;
    struct mig_position end;
    layout_request(routine, MODE_KERNEL, &request);
    struct put_context put = {out, &request, SIDE_KERNEL_USER, "mig_bytes", "mig_kmsg", false};
    fputc('\n', out);
    emit_prototype(out, routine, SIDE_KERNEL_USER);
    fputs("\n{\n    struct ipc_kmsg *mig_kmsg;\n    mach_msg_header_t *mig_head;\n", out);
    if (request.count != 0) {
        fputs("    uint8_t *mig_bytes;\n", out);
    }
    put_locals(&put);
    kernel_user_check(out, &request);
    fprintf(out, "    mig_kmsg = ipc_kmsg_alloc(%u, %u);\n", layout_total_max(&request),
            layout_slots(&request));
    fputs("    if (mig_kmsg == NULL) {\n        return MACH_SEND_NO_BUFFER;\n    }\n", out);
    if (request.count != 0) {
        fputs("    mig_bytes = (uint8_t *)ipc_kmsg_header(mig_kmsg);\n", out);
    }
    put_items(&put, &end);
    fputs("    ipc_kmsg_placed(mig_kmsg);\n", out);
    kernel_user_header(out, routine, &request, &end);
    if (routine->waittime != NULL) {
        fprintf(out, "    return ipc_kmsg_send_timeout(mig_kmsg, %s);\n}\n",
                routine->waittime->name);
    } else {
        fputs("    return ipc_kmsg_send_kernel(mig_kmsg);\n}\n", out);
    }
}

/* Of a call that is answered: what the reply says. */
static void kernel_user_reply_code(FILE *out, const struct mig_routine_def *routine)
{
    struct mig_items reply;
    layout_reply(routine, MODE_USER, &reply);
    if (reply.count != 0) {
        mig_error(&routine->place, "the kernel does not take results of '%s'", routine->name);
    }
    fprintf(
        out,
        "\nkern_return_t %s%s_reply_code(const mach_msg_header_t *reply)\n{\n"
        "    const uint8_t *bytes = (const uint8_t *)reply;\n"
        "    if (reply->msgh_id != %d) {\n        return MIG_REPLY_MISMATCH;\n    }\n"
        "    if (reply->msgh_size != 48 || (reply->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0 ||\n"
        "        !mig_item_is(bytes + 32, 0x20002002, 1)) {\n        return MIG_TYPE_ERROR;\n"
        "    }\n    return (kern_return_t)mig_load32(bytes + 40);\n}\n",
        routine->user_prefix, routine->name, routine->id + 100);
}

void emit_kernel_user(FILE *out, const struct mig_subsystem *subsystem)
{
    emit_banner(out, subsystem, "Messages the kernel sends");
    emit_imports(out, subsystem, SIDE_KERNEL_USER);
    fputs("\n#include \"ipc/ipc_kmsg.h\"\n#include \"kern/assert.h\"\n\nstruct vm_copy;\n\n", out);
    emit_size_checks(out, subsystem, SIDE_KERNEL_USER);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        const struct mig_routine_def *routine = subsystem->routines[i];
        if (routine == NULL) {
            continue;
        }
        emit_prototype(out, routine, SIDE_KERNEL_USER);
        fputs(";\n", out);
        if (!routine->one_way) {
            fprintf(out, "kern_return_t %s%s_reply_code(const mach_msg_header_t *reply);\n",
                    routine->user_prefix, routine->name);
        }
    }
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        const struct mig_routine_def *routine = subsystem->routines[i];
        if (routine == NULL) {
            continue;
        }
        kernel_user_routine(out, routine);
        if (!routine->one_way) {
            kernel_user_reply_code(out, routine);
        }
    }
}
