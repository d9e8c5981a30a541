/* pressure.c - keeps MIB MiB of memory dirty for SECONDS seconds, more than the machine has free:
 * several threads change pages at random, and check each one's contents when they come to it again.
 */
#include <mach.h>
#include <portolan/portolan.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGE    4096ul
#define WORDS   (PAGE / sizeof(uint64_t))
#define MIB     (1ul << 20)
#define THREADS 3u

/* A thread and the pages it alone uses. */
struct presser {
    pthread_t thread;
    uint64_t *pages;
    uint64_t count;
    uint32_t *versions; /* how often each page was written */
    uint64_t random;
    uint64_t written;
    uint64_t wrong;
};

static time_t end;

static uint64_t next_random(struct presser *presser)
{
    presser->random ^= presser->random << 13;
    presser->random ^= presser->random >> 7;
    presser->random ^= presser->random << 17;
    return presser->random;
}

static uint64_t word_of(uint64_t page, uint64_t word, uint32_t version)
{
    return version == 0 ? 0 : (page + 1) * 0x9e3779b97f4a7c15ul ^ word ^ (uint64_t)version << 40;
}

/* Check the page and give it its next contents. */
static void change(struct presser *presser, uint64_t page)
{
    uint64_t *words = presser->pages + page * WORDS;
    uint32_t version = presser->versions[page]++;
    bool right = true;

    for (uint64_t i = 0; i < WORDS; i++) {
        right = right && words[i] == word_of(page, i, version);
        words[i] = word_of(page, i, version + 1);
    }
    presser->wrong += right ? 0 : 1;
    presser->written++;
}

static void *press(void *argument)
{
    struct presser *presser = argument;

    while (time(NULL) < end && presser->wrong == 0) {
        for (unsigned i = 0; i < 64; i++) {
            change(presser, next_random(presser) % presser->count);
        }
    }
    return NULL;
}

static uint64_t *allocate(uint64_t size)
{
    vm_address_t address = 0;

    if (vm_allocate(mach_task_self(), &address, size, TRUE) != KERN_SUCCESS) {
        printf("pressure: no room for %lu bytes\n", size);
        exit(1);
    }
    return (uint64_t *)address;
}

int main(int argc, char **argv)
{
    static struct presser pressers[THREADS];
    uint64_t size = argc == 3 ? strtoul(argv[1], NULL, 10) * MIB / THREADS : 0;
    uint64_t written = 0, wrong = 0;

    if (size < MIB) {
        printf("usage: pressure MIB SECONDS\n");
        return 2;
    }
    end = time(NULL) + strtol(argv[2], NULL, 10);
    for (unsigned i = 0; i < THREADS; i++) {
        struct presser *presser = &pressers[i];

        presser->count = size / PAGE;
        presser->pages = allocate(presser->count * PAGE);
        presser->versions = (uint32_t *)allocate(presser->count * sizeof(uint32_t));
        presser->random = 88172645463325252ul + i;
        if (pthread_create(&presser->thread, NULL, press, presser) != 0) {
            printf("pressure: no thread\n");
            return 1;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(pressers[i].thread, NULL);
        written += pressers[i].written;
        wrong += pressers[i].wrong;
    }
    printf("%s pages changed, %lu wrong\n", written > 100 * THREADS ? "many" : "few", wrong);
    return wrong != 0;
}
