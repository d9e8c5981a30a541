/* swap.c - touches MIB MiB of memory, more than the machine may have, each page with contents of
 * its own, and reads all of it back twice. */
#include <mach.h>
#include <portolan/portolan.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE  4096ul
#define WORDS (PAGE / sizeof(uint64_t))
#define MIB   (1ul << 20)

static uint64_t *start;

static uint64_t word_of(uint64_t page, uint64_t word)
{
    return (page + 1) * 0x9e3779b97f4a7c15ul ^ word;
}

static void write_page(uint64_t page)
{
    for (uint64_t word = 0; word < WORDS; word++) {
        start[page * WORDS + word] = word_of(page, word);
    }
}

static bool page_is_right(uint64_t page)
{
    for (uint64_t word = 0; word < WORDS; word++) {
        if (start[page * WORDS + word] != word_of(page, word)) {
            printf("swap: page %lu has 0x%lx at word %lu\n", page, start[page * WORDS + word],
                   word);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    uint64_t size = argc == 2 ? strtoul(argv[1], NULL, 10) * MIB : 0;
    uint64_t pages = size / PAGE;
    uint64_t wrong = 0;
    vm_address_t address = 0;

    if (size == 0 || vm_allocate(mach_task_self(), &address, size, TRUE) != KERN_SUCCESS) {
        printf("swap: no room for %lu MiB\n", size / MIB);
        return 1;
    }
    start = (uint64_t *)address;
    for (uint64_t page = 0; page < pages; page++) {
        write_page(page);
    }
    for (uint64_t i = 0; i < 2 * pages && wrong < 10; i++) {
        wrong += !page_is_right(i % pages);
    }
    printf("%lu MiB written and read twice, %lu pages wrong\n", size / MIB, wrong);
    return wrong != 0;
}
