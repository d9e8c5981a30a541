/* grep.c - lines that match an expression: -i whatever the case, -n with numbers, -v those that do
 * not, -l names of files alone, -c counts alone, -r below directories. */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"
#include "program.h"

#define USAGE        "grep [-cilnrvE] EXPRESSION [FILE...]"
#define GREP_TROUBLE 2

static struct {
    regex_t expression;
    bool numbers, inverted, names, counts, whole;
    bool with_name; /* each line has the file's before it */
    bool found;
    bool failed;
} grep;

static void grep_print(const char *name, unsigned long number, const char *line)
{
    if (grep.with_name) {
        printf("%s:", name);
    }
    if (grep.numbers) {
        printf("%lu:", number);
    }
    puts(line);
}

static void grep_stream(FILE *stream, const char *name)
{
    unsigned long number = 0, count = 0;
    size_t room = 0;
    char *line = NULL;
    ssize_t n;

    while ((n = getline(&line, &room, stream)) > 0 && !(grep.names && count != 0)) {
        number++;
        line[n - (line[n - 1] == '\n')] = '\0';
        if ((regexec(&grep.expression, line, 0, NULL, 0) == 0) != grep.inverted) {
            count++;
            if (!grep.names && !grep.counts) {
                grep_print(name, number, line);
            }
        }
    }
    free(line);
    if (grep.counts) {
        printf("%s%s%lu\n", grep.with_name ? name : "", grep.with_name ? ":" : "", count);
    } else if (grep.names && count != 0) {
        puts(name);
    }
    grep.found = grep.found || count != 0;
}

static bool grep_file(const char *path, const char *name, void *unused)
{
    FILE *stream;

    (void)name;
    (void)unused;
    if (paths_is_directory(path)) {
        if (grep.whole) {
            return paths_each(path, grep_file, NULL);
        }
        program_say("%s: is a directory", path);
        grep.failed = true;
        return false;
    }
    stream = fopen(path, "r");
    if (stream == NULL) {
        program_say("%s: %s", path, strerror(errno));
        grep.failed = true;
        return false;
    }
    grep_stream(stream, path);
    fclose(stream);
    return true;
}

static int grep_options(int argc, char **argv)
{
    int flags = REG_NOSUB;
    int option;
    int error;

    while ((option = getopt(argc, argv, "cilnrvE")) != -1) {
        grep.counts = grep.counts || option == 'c';
        grep.names = grep.names || option == 'l';
        grep.numbers = grep.numbers || option == 'n';
        grep.whole = grep.whole || option == 'r';
        grep.inverted = grep.inverted || option == 'v';
        flags |= option == 'i' ? REG_ICASE : option == 'E' ? REG_EXTENDED : 0;
        if (option == '?') {
            program_usage(USAGE);
        }
    }
    if (optind == argc) {
        program_usage(USAGE);
    }
    error = regcomp(&grep.expression, argv[optind], flags);
    if (error != 0) {
        char text[100];

        regerror(error, &grep.expression, text, sizeof(text));
        program_say("`%s`: %s", argv[optind], text);
        exit(GREP_TROUBLE);
    }
    return optind + 1;
}

int main(int argc, char **argv)
{
    int first;

    program_start(argv);
    first = grep_options(argc, argv);
    grep.with_name = argc - first > 1 || grep.whole;
    if (first == argc) {
        if (grep.whole) {
            (void)grep_file(".", ".", NULL);
        } else {
            grep_stream(stdin, "standard input");
        }
    }
    for (int i = first; i < argc; i++) {
        (void)grep_file(argv[i], argv[i], NULL);
    }
    return grep.failed ? GREP_TROUBLE : grep.found ? 0 : 1;
}
