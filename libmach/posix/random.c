/* random.c - random bytes from RDRAND. */
#include "posix/random.h"

#include <cpuid.h>
#include <stdint.h>

#include "core/text.h"

#define RANDOM_TRIES 16

static bool random_has_instruction(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_RDRND) != 0;
}

static bool random_word(uint64_t *word)
{
    for (int i = 0; i < RANDOM_TRIES; i++) {
        unsigned char good;

        __asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=qm"(good) : : "cc");
        if (good) {
            return true;
        }
    }
    return false;
}

bool random_fill(void *data, size_t size)
{
    uint64_t word;

    if (!random_has_instruction() || !random_word(&word)) {
        return false;
    }
    for (size_t done = 0; done < size; done += sizeof(word)) {
        size_t n = size - done < sizeof(word) ? size - done : sizeof(word);

        if (!random_word(&word)) {
            memory_zero(data, done);
            return false;
        }
        memory_copy((char *)data + done, &word, n);
    }
    return true;
}

void random_fill_weak(void *data, size_t size)
{
    uint64_t state;

    if (random_fill(data, size)) {
        return;
    }
    state = __builtin_ia32_rdtsc();
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((uint8_t *)data)[i] = (uint8_t)(state >> 24);
    }
}
