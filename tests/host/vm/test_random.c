/* test_random.c - long random histories: against a simple model (model.h), and by several
 * processors at once. */
#include "model.h"
#include "tests.h"

#include <pthread.h>
#include <stdlib.h>

#include "arch/cpu.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_user.h"

#define BASE       0x100000ul
#define HISTORIES  60u
#define OPERATIONS 1000u

static void random_histories_agree_with_the_model(void **state)
{
    for (unsigned history = 1; history <= HISTORIES; history += 1) {
        fake_setup(state);
        model_run(history, OPERATIONS, NULL);
        expect_code(fake_teardown(state), 0);
    }
}

/* --- several processors on one map --- */

static struct vm_map *hammered;
static volatile bool hammer_stop;

static kern_return_t hammer_once(unsigned *seed)
{
    vm_offset_t at = BASE + (unsigned)rand_r(seed) % 32 * PG;
    vm_size_t size = (1 + (unsigned)rand_r(seed) % 8) * PG;
    struct vm_map *child;
    struct vm_copy *copy;
    vm_offset_t got;
    uint8_t byte;

    switch (rand_r(seed) % 8) {
    case 0:
        return vm_allocate(hammered, &at, size, false);
    case 1:
        return vm_deallocate(hammered, at, size);
    case 2:
        return vm_protect(hammered, at, size, false,
                          rand_r(seed) % 2 == 0 ? VM_PROT_READ : VM_PROT_DEFAULT);
    case 3:
        if (vm_map_copyin(hammered, at + 1, size + 2 * PG, rand_r(seed) % 2 == 0, &copy) ==
            KERN_SUCCESS) {
            if (vm_map_copyout(hammered, &got, copy) != KERN_SUCCESS) {
                vm_copy_discard(copy);
                return KERN_SUCCESS;
            }
            return vm_deallocate(hammered, got, size + 2 * PG);
        }
        return KERN_SUCCESS;
    case 4:
        return vm_copy(hammered, at, size, BASE + (unsigned)rand_r(seed) % 32 * PG);
    case 5:
        (void)vm_inherit(hammered, at, size, (vm_inherit_t)(rand_r(seed) % 2));
        if (vm_map_fork(hammered, &child) == KERN_SUCCESS) {
            (void)fake_write(child, at, 1);
            vm_map_unref(child);
        }
        return KERN_SUCCESS;
    case 6:
        return fake_read(hammered, at, &byte);
    default:
        return fake_write(hammered, at, (uint8_t)rand_r(seed));
    }
}

static void *hammer(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number;

    fake_cpu = seed;
    while (!hammer_stop) {
        (void)hammer_once(&seed);
    }
    return NULL;
}

static void processors_racing_on_one_map_leave_it_sound(void **state)
{
    pthread_t threads[3];
    struct timespec second = {1, 500000000};

    (void)state;
    hammered = fake_map();
    hammer_stop = false;
    for (unsigned i = 0; i < 3; i += 1) {
        pthread_create(&threads[i], NULL, hammer, (void *)(uintptr_t)(i + 1));
    }
    nanosleep(&second, NULL);
    hammer_stop = true;
    for (unsigned i = 0; i < 3; i += 1) {
        pthread_join(threads[i], NULL);
    }
    fake_check_map(hammered);
    vm_map_unref(hammered);
    /* What the other processors keep in their caches is theirs: give it back for the comparison. */
    for (unsigned i = 1; i <= 3; i += 1) {
        struct fake_usage unused;

        fake_cpu = i;
        fake_usage(&unused);
    }
    fake_cpu = 0;
}

void run_random_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(random_histories_agree_with_the_model),
        TEST(processors_racing_on_one_map_leave_it_sound),
    };

    RUN_GROUP(tests);
}
