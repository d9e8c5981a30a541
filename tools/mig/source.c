/* source.c - errors that show the place in the source, and memory. */
#include "mig.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void source_show(const struct mig_place *place)
{
    if (place->text == NULL) {
        return;
    }
    size_t length = strcspn(place->text, "\n");
    fprintf(stderr, "    %.*s\n    ", (int)length, place->text);
    for (unsigned i = 1; i < place->column; i = i + 1) {
        fputc(place->text[i - 1] == '\t' ? '\t' : ' ', stderr);
    }
    fputs("^\n", stderr);
}

void mig_error(const struct mig_place *place, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s:%u:%u: error: ", place->file, place->line, place->column);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    source_show(place);
    exit(1);
}

void mig_fatal(const char *format, ...)
{
    va_list arguments;
    fputs("mig: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

/* All blocks hang together, so that a checker of leaks sees that they are kept on purpose. */
struct source_block {
    struct source_block *next;
    uint64_t pad;
};

static struct source_block *source_blocks;

void *mig_alloc(size_t size)
{
    struct source_block *block = calloc(1, sizeof(*block) + size);
    if (block == NULL) {
        mig_fatal("out of memory");
    }
    block->next = source_blocks;
    source_blocks = block;
    return block + 1;
}

char *mig_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = mig_alloc((size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}
