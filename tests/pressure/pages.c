/* pages.c - pages whose contents say which page it is and how often it was changed. */
#include "pressure.h"

void pages_create(struct pages *pages, void *memory, uint64_t size)
{
    pages->words = memory;
    pages->count = size / PAGE;
    pages->versions = pressure_allocate(pages->count * sizeof(uint32_t));
    pages->random = 88172645463325252ul + (uintptr_t)memory;
}

static uint64_t word_of(uint64_t page, uint64_t word, uint32_t version)
{
    return version == 0 ? 0 : (page + 1) * 0x9e3779b97f4a7c15ul ^ word ^ (uint64_t)version << 40;
}

bool pages_is_right(const struct pages *pages, uint64_t page)
{
    const volatile uint64_t *words = pages->words + page * WORDS;
    bool right = true;

    for (uint64_t i = 0; i < WORDS; i++) {
        right = right && words[i] == word_of(page, i, pages->versions[page]);
    }
    return right;
}

void pages_change(struct pages *pages, uint64_t page)
{
    volatile uint64_t *words = pages->words + page * WORDS;

    pages->versions[page]++;
    for (uint64_t i = 0; i < WORDS; i++) {
        words[i] = word_of(page, i, pages->versions[page]);
    }
}

uint64_t pages_pick(struct pages *pages)
{
    pages->random ^= pages->random << 13;
    pages->random ^= pages->random >> 7;
    pages->random ^= pages->random << 17;
    return pages->random % pages->count;
}

void pages_work(struct pages *pages, struct work *work)
{
    uint64_t page = pages_pick(pages);

    work->wrong += !pages_is_right(pages, page);
    pages_change(pages, page);
    work_step(work);
}
