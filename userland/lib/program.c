/* program.c - mistakes in clear sentences, and finding commands. */
#include "program.h"

#include <portolan/error.h>
#include <portolan/portolan.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *program_name = "?";

void program_start(char **argv)
{
    const char *slash = argv[0] != NULL ? strrchr(argv[0], '/') : NULL;

    program_name = slash != NULL ? slash + 1 : argv[0] != NULL ? argv[0] : "?";
}

static void program_say_list(const char *format, va_list arguments)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, arguments);
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", program_name, text);
}

void program_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    program_say_list(format, arguments);
    va_end(arguments);
}

void program_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    program_say_list(format, arguments);
    va_end(arguments);
    exit(1);
}

void program_usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    exit(STATUS_USAGE);
}

void program_check(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        program_fail("%s: %s", what, mach_error_string(kr));
    }
}

unsigned long program_number(const char *word, const char *what, unsigned long min,
                             unsigned long max)
{
    char *end;
    unsigned long value = strtoul(word, &end, 10);

    if (*word < '0' || *word > '9' || *end != '\0' || value < min || value > max) {
        program_say("`%s` is not %s (a number from %lu to %lu)", word, what, min, max);
        exit(STATUS_USAGE);
    }
    return value;
}

mach_port_t program_host(void)
{
    mach_port_t host = portolan_port("host");

    if (host == MACH_PORT_NULL) {
        program_fail("not given the privileged host port (rights: host=host in the manifest)");
    }
    return host;
}

static bool is_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

bool program_find(const char *name, char *path, size_t size)
{
    const char *folders = getenv("PATH");

    if (strchr(name, '/') != NULL) {
        snprintf(path, size, "%s", name);
        return is_file(path);
    }
    for (folders = folders != NULL ? folders : "/bin"; *name != '\0' && *folders != '\0';) {
        size_t length = strcspn(folders, ":");

        snprintf(path, size, "%.*s/%s", (int)length, folders, name);
        if (is_file(path)) {
            return true;
        }
        folders += length;
        folders += *folders == ':';
    }
    return false;
}
