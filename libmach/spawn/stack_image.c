/* stack_image.c - building a stack block: strings from the top down, then the words below them. */
#include "spawn/stack_image.h"

#include <elf.h>
#include <stdbool.h>

#include "core/text.h"

struct stack_builder {
    char *block;
    vm_address_t end;
    size_t top;   /* strings are from here on */
    size_t words; /* where the next word goes, once they are laid out */
    bool full;
};

/* Put bytes below what is there. Returns their address in the new task. */
static vm_address_t stack_put(struct stack_builder *b, const void *data, size_t size)
{
    if (b->full || size > b->top) {
        b->full = true;
        return 0;
    }
    b->top -= size;
    memory_copy(b->block + b->top, data, size);
    return b->end - (STACK_IMAGE_SIZE - b->top);
}

static void stack_word(struct stack_builder *b, uint64_t value)
{
    memory_copy(b->block + b->words, &value, sizeof(value));
    b->words += sizeof(value);
}

static bool stack_same_name(const char *a, const char *b)
{
    while (*a != '\0' && *a != '=' && *a == *b) {
        a++;
        b++;
    }
    return *a == '=' && *b == '=';
}

static bool stack_is_replaced(const struct stack_content *content, const char *variable)
{
    return (content->extra[0] != NULL && stack_same_name(content->extra[0], variable)) ||
           (content->extra[1] != NULL && stack_same_name(content->extra[1], variable));
}

static size_t stack_count(char *const *strings)
{
    size_t n = 0;

    while (strings != NULL && strings[n] != NULL) {
        n++;
    }
    return n;
}

/* The n strings and the zero after them, as words; the strings go to the top. */
static void stack_strings(struct stack_builder *b, char *const *strings,
                          const struct stack_content *content, bool is_environment)
{
    for (size_t i = 0; strings != NULL && strings[i] != NULL; i++) {
        if (!is_environment || !stack_is_replaced(content, strings[i])) {
            stack_word(b, stack_put(b, strings[i], text_length(strings[i]) + 1));
        }
    }
    for (size_t i = 0; is_environment && i < 2; i++) {
        if (content->extra[i] != NULL) {
            stack_word(b, stack_put(b, content->extra[i], text_length(content->extra[i]) + 1));
        }
    }
    stack_word(b, 0);
}

/* Bytes all strings take. */
static size_t stack_text_size(char *const *strings)
{
    size_t size = 0;

    for (size_t i = 0; strings != NULL && strings[i] != NULL; i++) {
        size += text_length(strings[i]) + 1;
    }
    return size;
}

/* The most the block can need, so that words and strings cannot meet. */
static size_t stack_size(const struct stack_content *content)
{
    size_t words = 1 + stack_count(content->argv) + 1 + stack_count(content->envp) + 2 + 1 +
                   2 * ((size_t)content->vector_count + 2);
    size_t text = stack_text_size(content->argv) + stack_text_size(content->envp) + 64;

    for (size_t i = 0; i < 2; i++) {
        text += content->extra[i] != NULL ? text_length(content->extra[i]) + 1 : 0;
    }
    return words * sizeof(uint64_t) + text;
}

vm_address_t stack_image_build(const struct stack_content *content, char *block, vm_address_t end)
{
    struct stack_builder b = {block, end, STACK_IMAGE_SIZE, 0, false};
    const size_t size = (stack_size(content) + 15) & ~(size_t)15;
    const size_t start = STACK_IMAGE_SIZE - size;
    vm_address_t random = 0;

    if (size > STACK_IMAGE_SIZE) {
        return 0;
    }
    if (content->random != NULL) {
        random = stack_put(&b, content->random, 16);
    }
    b.words = start;
    stack_word(&b, stack_count(content->argv));
    stack_strings(&b, content->argv, content, false);
    stack_strings(&b, content->envp, content, true);
    for (unsigned i = 0; i < content->vector_count; i++) {
        stack_word(&b, content->vector[i].type);
        stack_word(&b, content->vector[i].value);
    }
    if (random != 0) {
        stack_word(&b, AT_RANDOM);
        stack_word(&b, random);
    }
    stack_word(&b, AT_NULL);
    stack_word(&b, 0);
    return b.full ? 0 : end - size;
}
