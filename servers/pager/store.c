/* store.c - which blocks of the device are taken: a bit each, searched on from where the last one
 * was found. */
#include "store.h"

#include <assert.h>
#include <stdlib.h>

#define BITS 64u

static const struct store_device *store_device;
static uint64_t *store_taken; /* a bit a block; bits behind the last block are set */
static uint32_t store_words;
static uint32_t store_hint; /* the word to look at first */
static uint32_t store_free_blocks;

bool store_init(const struct store_device *device)
{
    uint32_t words = device->blocks / BITS + 1;
    uint64_t *taken = calloc(words, sizeof(*taken));

    if (taken == NULL) {
        return false;
    }
    taken[words - 1] = ~0ul << device->blocks % BITS;
    store_device = device;
    store_taken = taken;
    store_words = words;
    store_hint = 0;
    store_free_blocks = device->blocks;
    return true;
}

uint32_t store_alloc(void)
{
    for (uint32_t i = 0; i < store_words && store_free_blocks != 0; i++) {
        uint32_t word = (store_hint + i) % store_words;

        if (store_taken[word] != ~0ul) {
            uint32_t bit = (uint32_t)__builtin_ctzl(~store_taken[word]);

            store_taken[word] |= 1ul << bit;
            store_hint = word;
            store_free_blocks--;
            return word * BITS + bit;
        }
    }
    return STORE_NONE;
}

void store_free(uint32_t block)
{
    assert(block < store_device->blocks && (store_taken[block / BITS] >> block % BITS & 1) != 0);
    store_taken[block / BITS] &= ~(1ul << block % BITS);
    store_free_blocks++;
}

bool store_read(uint32_t block, uint32_t count, void *data)
{
    return store_device->read(block, count, data);
}

bool store_write(uint32_t block, uint32_t count, const void *data)
{
    return store_device->write(block, count, data);
}

uint32_t store_total_count(void)
{
    return store_device->blocks;
}

uint32_t store_free_count(void)
{
    return store_free_blocks;
}
