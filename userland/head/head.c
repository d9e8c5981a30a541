/* head.c - the first lines of files: -n how many. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

#define USAGE "head [-n LINES] [FILE...]"

static void head_print(FILE *stream, unsigned long lines)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    while (lines > 0 && (n = getline(&line, &room, stream)) > 0) {
        fwrite(line, 1, (size_t)n, stdout);
        lines--;
    }
    free(line);
}

int main(int argc, char **argv)
{
    unsigned long lines = 10;
    int status = 0;
    int option;

    program_start(argv);
    while ((option = getopt(argc, argv, "n:")) != -1) {
        if (option == '?') {
            program_usage(USAGE);
        }
        lines = program_number(optarg, "number of lines", 0, 1000000000);
    }
    if (optind == argc) {
        head_print(stdin, lines);
    }
    for (int i = optind; i < argc; i++) {
        FILE *stream = fopen(argv[i], "r");

        if (stream == NULL) {
            program_say("%s: %s", argv[i], strerror(errno));
            status = 1;
            continue;
        }
        if (argc - optind > 1) {
            printf("%s==> %s <==\n", i > optind ? "\n" : "", argv[i]);
        }
        head_print(stream, lines);
        fclose(stream);
    }
    return status;
}
