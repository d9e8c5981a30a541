/* manifest.h - the lines of the manifest that start tasks (docs/manifest.md). */
#ifndef BOOTSTRAP_MANIFEST_H
#define BOOTSTRAP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_WORDS_MAX   60
#define MANIFEST_RIGHTS_MAX  16
#define MANIFEST_RESTART_MAX 100
#define MANIFEST_NAME_MAX    63

enum manifest_kind {
    MANIFEST_SERVICE, /* gets the port of its name with bootstrap_check_in */
    MANIFEST_START,   /* runs */
    MANIFEST_SESSION, /* what the person at the console talks to; run=PATH takes its place */
    MANIFEST_PROGRAM, /* brought along by the manifest, in /programs */
};

struct manifest_right {
    char *name;      /* what the program calls it; a number when foreign */
    char *right;     /* host, hardware, or a service */
    uint32_t number; /* the name as a number when foreign */
};

struct manifest_entry {
    enum manifest_kind kind;
    unsigned line;
    bool foreign;
    char *name;
    char *path;
    char *io;           /* service behind standard input and output, NULL: none */
    unsigned restart;   /* starts again at most so often in a minute */
    char **arguments;   /* argv, ended by NULL */
    char **environment; /* ended by NULL */
    struct manifest_right rights[MANIFEST_RIGHTS_MAX];
    unsigned right_count;
};

struct manifest {
    struct manifest_entry *entries;
    unsigned count;
};

typedef void manifest_report_t(unsigned line, const char *text);

/* Read the manifest's text. A line that is wrong is told to report and left out.
 * Returns: false when out of memory. */
bool manifest_parse(struct manifest *manifest, const char *text, size_t size,
                    manifest_report_t *report);

/* The entry of that name, NULL when there is none. */
struct manifest_entry *manifest_find(const struct manifest *manifest, const char *name);

#endif
