/* emit_header.c - headers with the prototypes of stubs, or of the routines a server provides. */
#include "mig.h"

#include <ctype.h>

static const char *const header_what[] = {"Calls", "Routines a server provides",
                                          "Routines the kernel provides", "Calls by the kernel"};

static char *header_guard(const struct mig_subsystem *subsystem, enum mig_side side)
{
    static const char *const ends[] = {"USER", "SERVER", "KERNEL_SERVER", "KERNEL_USER"};
    char *guard = mig_format("MIG_%s_%s_H", subsystem->name, ends[side]);
    for (char *p = guard; *p != '\0'; p = p + 1) {
        *p = (char)toupper((unsigned char)*p);
    }
    return guard;
}

static void header_extra(FILE *out, const struct mig_subsystem *subsystem, enum mig_side side)
{
    const char *name = subsystem->name;
    if (side == SIDE_SERVER) {
        const char *demux = subsystem->server_demux;
        fprintf(out,
                "\n/* Serve a request: FALSE when its id is not of this interface. The reply's\n"
                " * buffer has room for max_reply bytes; its code MIG_NO_REPLY means: send none.\n"
                " * Nothing but the right to reply with is left in the request. */\n"
                "boolean_t %s(mach_msg_header_t *request, mach_msg_header_t *reply);\n",
                demux != NULL ? demux : mig_format("%s_server", name));
        fprintf(out,
                "/* The stub for a request, or NULL. */\n"
                "mig_routine_t %s_server_routine(const mach_msg_header_t *request);\n"
                "extern const struct mig_server_subsystem %s_server_subsystem;\n",
                name, name);
    } else if (side == SIDE_KERNEL_SERVER) {
        fprintf(out, "\nextern const struct mig_kernel_subsystem %s_subsystem;\n", name);
    }
}

void emit_header(FILE *out, const struct mig_subsystem *subsystem, enum mig_side side)
{
    char *guard = header_guard(subsystem, side);
    emit_banner(out, subsystem, header_what[side]);
    fprintf(out, "#ifndef %s\n#define %s\n\n", guard, guard);
    emit_imports(out, subsystem, side);
    if (side == SIDE_KERNEL_SERVER) {
        fputs("\n#include \"kern/mig_kernel.h\"\n", out);
    }
    if (side == SIDE_KERNEL_SERVER || side == SIDE_KERNEL_USER) {
        fputs("\nstruct vm_copy;\n", out);
    }
    fputs("\nMACH_BEGIN_DECLS\n", out);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        const struct mig_routine_def *routine = subsystem->routines[i];
        if (routine == NULL) {
            continue;
        }
        fputc('\n', out);
        if (routine->comment != NULL) {
            fprintf(out, "/*%s*/\n", routine->comment);
        }
        emit_prototype(out, routine, side);
        fputs(";\n", out);
        if (side == SIDE_KERNEL_USER && !routine->one_way) {
            fprintf(out, "kern_return_t %s%s_reply_code(const mach_msg_header_t *reply);\n",
                    routine->user_prefix, routine->name);
        }
    }
    header_extra(out, subsystem, side);
    fputs("\nMACH_END_DECLS\n\n#endif\n", out);
}

void emit_names(FILE *out, const struct mig_subsystem *subsystem)
{
    emit_banner(out, subsystem, "Names of the messages");
    fputs("/* X(id, subsystem, routine) for each request; the reply's id is 100 higher. */\n", out);
    fprintf(out, "#define MIG_NAMES_%s(X) \\\n", subsystem->name);
    for (unsigned i = 0; i < subsystem->count; i = i + 1) {
        if (subsystem->routines[i] != NULL) {
            fprintf(out, "    X(%d, %s, %s) \\\n", subsystem->routines[i]->id, subsystem->name,
                    subsystem->routines[i]->name);
        }
    }
    fputs("    /* end */\n", out);
}
