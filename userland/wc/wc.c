/* wc.c - lines, words and bytes of files: -l, -w, -c one of them. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

struct counts {
    unsigned long lines, words, bytes;
};

static bool wc_lines, wc_words, wc_bytes;

static void wc_print(const struct counts *counts, const char *name)
{
    if (wc_lines) {
        printf("%7lu ", counts->lines);
    }
    if (wc_words) {
        printf("%7lu ", counts->words);
    }
    if (wc_bytes) {
        printf("%7lu ", counts->bytes);
    }
    puts(name);
}

static bool wc_count(int fd, const char *name, struct counts *total)
{
    static char buffer[64 * 1024];
    struct counts counts = {0};
    bool in_word = false;
    ssize_t n;

    while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
        counts.bytes += (unsigned long)n;
        for (ssize_t i = 0; i < n; i++) {
            bool is_space = isspace((unsigned char)buffer[i]) != 0;

            counts.lines += buffer[i] == '\n';
            counts.words += !is_space && !in_word;
            in_word = !is_space;
        }
    }
    if (n < 0) {
        program_say("%s: %s", name, strerror(errno));
        return false;
    }
    wc_print(&counts, name);
    total->lines += counts.lines;
    total->words += counts.words;
    total->bytes += counts.bytes;
    return true;
}

int main(int argc, char **argv)
{
    struct counts total = {0};
    bool good = true;
    int option;

    program_start(argv);
    while ((option = getopt(argc, argv, "lwc")) != -1) {
        wc_lines = wc_lines || option == 'l';
        wc_words = wc_words || option == 'w';
        wc_bytes = wc_bytes || option == 'c';
        if (option == '?') {
            program_usage("wc [-lwc] [FILE...]");
        }
    }
    if (!wc_lines && !wc_words && !wc_bytes) {
        wc_lines = wc_words = wc_bytes = true;
    }
    if (optind == argc) {
        return wc_count(STDIN_FILENO, "", &total) ? 0 : 1;
    }
    for (int i = optind; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);

        if (fd < 0) {
            program_say("%s: %s", argv[i], strerror(errno));
            good = false;
            continue;
        }
        good = wc_count(fd, argv[i], &total) && good;
        close(fd);
    }
    if (argc - optind > 1) {
        wc_print(&total, "total");
    }
    return good ? 0 : 1;
}
