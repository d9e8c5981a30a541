/* hexdump.c - bytes of a file as numbers and characters: -n how many, -s from where on. Lines that
 * are as the one before are a star. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

#define USAGE "hexdump [-n BYTES] [-s OFFSET] [FILE]"
#define LINE  16u

static void dump_line(unsigned long offset, const unsigned char *bytes, size_t n)
{
    printf("%08lx ", offset);
    for (size_t i = 0; i < LINE; i++) {
        if (i < n) {
            printf("%s%02x", i == LINE / 2 ? "  " : " ", bytes[i]);
        } else {
            printf("%s  ", i == LINE / 2 ? "  " : " ");
        }
    }
    printf("  |");
    for (size_t i = 0; i < n; i++) {
        putchar(bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : '.');
    }
    printf("|\n");
}

static void dump(FILE *stream, unsigned long offset, unsigned long left)
{
    unsigned char before[LINE], line[LINE];
    bool starred = false;
    bool first = true;
    size_t n;

    while (left > 0 && (n = fread(line, 1, left < LINE ? left : LINE, stream)) > 0) {
        if (!first && n == LINE && memcmp(line, before, LINE) == 0) {
            if (!starred) {
                puts("*");
            }
            starred = true;
        } else {
            dump_line(offset, line, n);
            starred = false;
        }
        memcpy(before, line, sizeof(before));
        first = false;
        offset += n;
        left -= n;
    }
    printf("%08lx\n", offset);
}

int main(int argc, char **argv)
{
    unsigned long left = ~0ul, offset = 0;
    FILE *stream = stdin;
    int option;

    program_start(argv);
    while ((option = getopt(argc, argv, "Cn:s:")) != -1) {
        if (option == 'n') {
            left = program_number(optarg, "number of bytes", 0, ~0ul >> 1);
        } else if (option == 's') {
            offset = program_number(optarg, "offset", 0, ~0ul >> 1);
        } else if (option == '?') {
            program_usage(USAGE);
        }
    }
    if (argc - optind > 1) {
        program_usage(USAGE);
    }
    if (optind < argc) {
        stream = fopen(argv[optind], "r");
        if (stream == NULL) {
            program_fail("%s: %s", argv[optind], strerror(errno));
        }
    }
    if (offset != 0 && fseek(stream, (long)offset, SEEK_SET) != 0) {
        program_fail("offset %lu: %s", offset, strerror(errno));
    }
    dump(stream, offset, left);
    return 0;
}
