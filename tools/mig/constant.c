/* constant.c - routines of the kernel that always answer the same code: read from a file of lines
 * `ROUTINE CODE`, with comments from # on. Their functions are written with the stubs. */
#include "mig.h"

#include <string.h>

struct constant {
    struct constant *next;
    char routine[64];
    char code[64];
};

static struct constant *constants;

static void constant_add(const char *path, unsigned line, const char *text)
{
    struct constant *constant = mig_alloc(sizeof(*constant));
    char rest;
    int words = sscanf(text, "%63s %63s %c", constant->routine, constant->code, &rest);
    if (words <= 0 || constant->routine[0] == '#') {
        return;
    }
    if (words == 1 || (words == 3 && rest != '#')) {
        mig_fatal("%s:%u: expected ROUTINE CODE", path, line);
    }
    if (constant_of(constant->routine) != NULL) {
        mig_fatal("%s:%u: %s has an answer already", path, line, constant->routine);
    }
    constant->next = constants;
    constants = constant;
}

void constant_read(const char *path)
{
    char text[256];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        mig_fatal("cannot read %s", path);
    }
    for (unsigned line = 1; fgets(text, sizeof(text), file) != NULL; line = line + 1) {
        constant_add(path, line, text);
    }
    fclose(file);
}

const char *constant_of(const char *routine)
{
    for (const struct constant *c = constants; c != NULL; c = c->next) {
        if (strcmp(c->routine, routine) == 0) {
            return c->code;
        }
    }
    return NULL;
}
