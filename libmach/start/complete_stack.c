/* complete_stack.c - a stack block without an auxiliary vector gets one: libc finds its
 * thread-local data by it. */
#include "start/start.h"

#include <elf.h>
#include <stdbool.h>

#include "core/text.h"

/* Words up to the auxiliary vector, the zeros included. */
static size_t start_words_before_vector(const uint64_t *stack)
{
    size_t n = 1 + stack[0] + 1;

    while (stack[n] != 0) {
        n++;
    }
    return n + 1;
}

static bool start_vector_has_headers(const uint64_t *vector)
{
    for (; vector[0] != AT_NULL; vector += 2) {
        if (vector[0] == AT_PHDR) {
            return true;
        }
    }
    return false;
}

uint64_t *start_complete_stack(uint64_t *stack, uint64_t *room, size_t room_words,
                               const uint64_t *vector, size_t vector_words)
{
    size_t n = start_words_before_vector(stack);

    if (start_vector_has_headers(stack + n) || n + vector_words > room_words) {
        return stack;
    }
    memory_copy(room, stack, n * sizeof(*room));
    memory_copy(room + n, vector, vector_words * sizeof(*room));
    return room;
}
