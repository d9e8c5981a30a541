/* fill.c - allocates MIB MiB, writes a different word to each page, and reads all of them again. */
#include <mach.h>
#include <portolan/portolan.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 4096ul
#define MIB  (1ul << 20)

int main(int argc, char **argv)
{
    uint64_t size = argc == 2 ? strtoul(argv[1], NULL, 10) * MIB : 0;
    vm_address_t start = 0;

    if (size == 0 || vm_allocate(mach_task_self(), &start, size, TRUE) != KERN_SUCCESS) {
        printf("fill: no room for %lu MiB\n", size / MIB);
        return 1;
    }
    for (uint64_t at = 0; at < size; at += PAGE) {
        *(uint64_t *)(start + at) = at ^ start;
    }
    for (uint64_t at = 0; at < size; at += PAGE) {
        if (*(uint64_t *)(start + at) != (at ^ start)) {
            printf("fill: page %lu has another's contents\n", at / PAGE);
            return 1;
        }
    }
    printf("filled %lu MiB\n", size / MIB);
    return 0;
}
