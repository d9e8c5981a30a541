/* main.c - the command line: run the preprocessor, read the definition, write what was asked for.
 */
#include "mig.h"

#include <stdlib.h>
#include <string.h>

enum main_output {
    OUTPUT_USER,
    OUTPUT_SERVER,
    OUTPUT_HEADER,
    OUTPUT_SHEADER,
    OUTPUT_KERNEL_SERVER,
    OUTPUT_KERNEL_USER,
    OUTPUT_TEST,
    OUTPUT_NAMES,
    OUTPUT_DOC,
    OUTPUT_COUNT,
};

static const char *const main_options[OUTPUT_COUNT] = {
    "-user",        "-server", "-header", "-sheader", "-kernel-server",
    "-kernel-user", "-test",   "-names",  "-doc",
};

static const char *main_output[OUTPUT_COUNT];
static const char *main_source;
static const char *main_server_prefix;
static char *main_cpp_options;

static void main_usage(FILE *out)
{
    fputs("usage: mig [-user out.c] [-server out.c] [-header out.h] [-sheader out.h]\n"
          "           [-kernel-server out.c] [-kernel-user out.c] [-test out.c] [-names out.h]\n"
          "           [-doc out.md] [-sprefix prefix] [-constants file] [-I dir] [-D name[=value]] "
          "file.defs\n",
          out);
}

/* As one word for the shell that popen() runs. */
static char *main_quote(const char *word)
{
    char *quoted = mig_alloc(strlen(word) * 4 + 3);
    char *to = quoted;
    *to = '\'';
    to = to + 1;
    for (const char *p = word; *p != '\0'; p = p + 1) {
        if (*p == '\'') {
            memcpy(to, "'\\''", 4);
            to = to + 4;
        } else {
            *to = *p;
            to = to + 1;
        }
    }
    *to = '\'';
    return quoted;
}

static void main_add_cpp(const char *option)
{
    main_cpp_options = mig_format("%s %s", main_cpp_options, main_quote(option));
}

/* The option's argument: joined to it (-Idir) or the next word. */
static const char *main_value(int argc, char **argv, int *i, size_t joined)
{
    if (joined != 0 && argv[*i][joined] != '\0') {
        return argv[*i] + joined;
    }
    if (*i + 1 >= argc) {
        mig_fatal("%s needs an argument", argv[*i]);
    }
    *i = *i + 1;
    return argv[*i];
}

static bool main_output_option(int argc, char **argv, int *i)
{
    for (unsigned output = 0; output < OUTPUT_COUNT; output = output + 1) {
        if (strcmp(argv[*i], main_options[output]) == 0) {
            main_output[output] = main_value(argc, argv, i, 0);
            return true;
        }
    }
    return false;
}

static void main_arguments(int argc, char **argv)
{
    main_cpp_options = "";
    for (int i = 1; i < argc; i = i + 1) {
        if (main_output_option(argc, argv, &i)) {
            continue;
        }
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            main_usage(stdout);
            exit(0);
        }
        if (strcmp(argv[i], "-sprefix") == 0) {
            main_server_prefix = main_value(argc, argv, &i, 0);
        } else if (strcmp(argv[i], "-constants") == 0) {
            constant_read(main_value(argc, argv, &i, 0));
        } else if (strncmp(argv[i], "-I", 2) == 0 || strncmp(argv[i], "-D", 2) == 0) {
            char letter = argv[i][1];
            main_add_cpp(mig_format("-%c%s", letter, main_value(argc, argv, &i, 2)));
        } else if (argv[i][0] == '-') {
            main_usage(stderr);
            mig_fatal("unknown option %s", argv[i]);
        } else if (main_source != NULL) {
            mig_fatal("one definition at a time: %s and %s", main_source, argv[i]);
        } else {
            main_source = argv[i];
        }
    }
    if (main_source == NULL) {
        main_usage(stderr);
        exit(2);
    }
}

/* The kernel's stubs see other types, so one run makes either them or those of user space. */
static void main_check_mode(void)
{
    bool kernel_server = main_output[OUTPUT_KERNEL_SERVER] != NULL;
    bool kernel_user = main_output[OUTPUT_KERNEL_USER] != NULL;
    bool user = main_output[OUTPUT_USER] != NULL || main_output[OUTPUT_SERVER] != NULL ||
                main_output[OUTPUT_TEST] != NULL;
    if (kernel_server + kernel_user + user > 1) {
        mig_fatal("-kernel-server, -kernel-user and stubs for user space need separate runs");
    }
    if (kernel_server) {
        main_add_cpp("-DKERNEL=1");
        main_add_cpp("-DKERNEL_SERVER=1");
    } else if (kernel_user) {
        main_add_cpp("-DKERNEL=1");
        main_add_cpp("-DKERNEL_USER=1");
    }
}

static char *main_read(FILE *file)
{
    size_t room = 1 << 16;
    size_t used = 0;
    char *text = mig_alloc(room);
    for (;;) {
        size_t got = fread(text + used, 1, room - used - 1, file);
        if (got == 0) {
            break;
        }
        used = used + got;
        if (room - used < 2) {
            char *more = mig_alloc(room * 2);
            memcpy(more, text, used);
            text = more;
            room = room * 2;
        }
    }
    text[used] = '\0';
    return text;
}

static char *main_preprocess(void)
{
    const char *cpp = getenv("CPP");
    if (cpp == NULL || *cpp == '\0') {
        cpp = "cpp";
    }
    char *command =
        mig_format("%s -undef -nostdinc -C%s %s", cpp, main_cpp_options, main_quote(main_source));
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) {
        mig_fatal("cannot run %s", cpp);
    }
    char *text = main_read(pipe);
    if (pclose(pipe) != 0) {
        mig_fatal("the preprocessor failed on %s", main_source);
    }
    return text;
}

static void main_write_one(FILE *out, enum main_output output,
                           const struct mig_subsystem *subsystem)
{
    bool kernel_server = main_output[OUTPUT_KERNEL_SERVER] != NULL || subsystem->kernel_server;
    bool kernel_user = main_output[OUTPUT_KERNEL_USER] != NULL || subsystem->kernel_user;
    switch (output) {
    case OUTPUT_USER:
        emit_user(out, subsystem);
        break;
    case OUTPUT_SERVER:
        emit_server(out, subsystem);
        break;
    case OUTPUT_HEADER:
        emit_header(out, subsystem, kernel_user ? SIDE_KERNEL_USER : SIDE_USER);
        break;
    case OUTPUT_SHEADER:
        emit_header(out, subsystem, kernel_server ? SIDE_KERNEL_SERVER : SIDE_SERVER);
        break;
    case OUTPUT_KERNEL_SERVER:
        emit_kernel_server(out, subsystem);
        break;
    case OUTPUT_KERNEL_USER:
        emit_kernel_user(out, subsystem);
        break;
    case OUTPUT_TEST:
        emit_test(out, subsystem);
        break;
    case OUTPUT_NAMES:
        emit_names(out, subsystem);
        break;
    default:
        emit_doc(out, subsystem);
        break;
    }
}

/* Written to memory first: an error in the definition leaves no half file behind. */
static void main_write(enum main_output output, const struct mig_subsystem *subsystem)
{
    char *text;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) {
        mig_fatal("out of memory");
    }
    main_write_one(memory, output, subsystem);
    fclose(memory);
    FILE *out = fopen(main_output[output], "w");
    if (out == NULL || fwrite(text, 1, size, out) != size || fclose(out) != 0) {
        mig_fatal("cannot write %s", main_output[output]);
    }
    free(text);
}

int main(int argc, char **argv)
{
    main_arguments(argc, argv);
    main_check_mode();
    char *text = main_preprocess();
    types_start();
    lexer_start(text, main_source);
    struct mig_subsystem *subsystem = parser_run(main_server_prefix);
    for (unsigned output = 0; output < OUTPUT_COUNT; output = output + 1) {
        if (main_output[output] != NULL) {
            main_write((enum main_output)output, subsystem);
        }
    }
    return 0;
}
