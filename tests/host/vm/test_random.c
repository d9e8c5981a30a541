/* test_random.c - long random histories: against a simple model, and by several processors at once.
 */
#include "tests.h"

#include <pthread.h>
#include <stdlib.h>

#include "arch/cpu.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_user.h"

#define PAGES 48u
#define BASE  0x100000ul
#define TASKS 4u

/* What a page of a task should be: the model. Shared pages are one value behind an index. */
struct model_page {
    bool mapped;
    vm_prot_t prot;
    vm_inherit_t inherit;
    unsigned value; /* index into values */
};

struct model_task {
    struct vm_map *map;
    struct model_page pages[PAGES];
};

static struct model_task tasks[TASKS];
static uint8_t values[1u << 20];
static unsigned values_used;

static unsigned new_value(uint8_t byte)
{
    values[values_used] = byte;
    values_used += 1;
    return values_used - 1;
}

static vm_offset_t address(unsigned page)
{
    return BASE + page * PG;
}

static void check_task(struct model_task *task)
{
    for (unsigned i = 0; i < PAGES; i += 1) {
        struct model_page *page = &task->pages[i];
        uint8_t byte = 0;
        kern_return_t kr = vm_fault_read(task->map, address(i) + 5, &byte, 1);

        if (!page->mapped) {
            assert_int_equal(kr, KERN_INVALID_ADDRESS);
        } else if ((page->prot & VM_PROT_READ) == 0) {
            assert_int_equal(kr, KERN_PROTECTION_FAILURE);
        } else {
            ok(kr);
            assert_int_equal(byte, values[page->value]);
        }
    }
    fake_check_map(task->map);
}

static bool all_mapped(const struct model_task *task, unsigned first, unsigned n, vm_prot_t prot)
{
    for (unsigned i = first; i < first + n; i += 1) {
        if (!task->pages[i].mapped || (prot & ~task->pages[i].prot) != 0) {
            return false;
        }
    }
    return true;
}

static void do_allocate(struct model_task *task, unsigned first, unsigned n)
{
    vm_offset_t at = address(first);
    bool is_free = true;

    for (unsigned i = first; i < first + n; i += 1) {
        is_free = is_free && !task->pages[i].mapped;
    }
    assert_int_equal(vm_allocate(task->map, &at, n * PG, false),
                     is_free ? KERN_SUCCESS : KERN_NO_SPACE);
    for (unsigned i = first; is_free && i < first + n; i += 1) {
        task->pages[i] = (struct model_page){true, VM_PROT_DEFAULT, VM_INHERIT_COPY, new_value(0)};
    }
}

static void do_deallocate(struct model_task *task, unsigned first, unsigned n)
{
    ok(vm_deallocate(task->map, address(first), n * PG));
    for (unsigned i = first; i < first + n; i += 1) {
        task->pages[i].mapped = false;
    }
}

static void do_attributes(struct model_task *task, unsigned first, unsigned n)
{
    static const vm_prot_t prots[] = {VM_PROT_NONE, VM_PROT_READ, VM_PROT_DEFAULT, VM_PROT_DEFAULT,
                                      VM_PROT_ALL};
    vm_prot_t prot = prots[random() % 5];
    vm_inherit_t inherit = (vm_inherit_t)(random() % 3);

    ok(vm_protect(task->map, address(first), n * PG, false, prot));
    ok(vm_inherit(task->map, address(first), n * PG, inherit));
    for (unsigned i = first; i < first + n; i += 1) {
        task->pages[i].prot = prot;
        task->pages[i].inherit = inherit;
    }
}

static void do_write(struct model_task *task, unsigned first)
{
    struct model_page *page = &task->pages[first];
    uint8_t byte = (uint8_t)random();
    kern_return_t kr = fake_write(task->map, address(first) + 5, byte);

    if (!page->mapped) {
        assert_int_equal(kr, KERN_INVALID_ADDRESS);
    } else if ((page->prot & VM_PROT_WRITE) == 0) {
        assert_int_equal(kr, KERN_PROTECTION_FAILURE);
    } else {
        ok(kr);
        values[page->value] = byte;
    }
}

static void do_copy(struct model_task *task, unsigned first, unsigned n, unsigned to)
{
    uint8_t bytes[PAGES];
    kern_return_t kr = vm_copy(task->map, address(first), n * PG, address(to));

    if (!all_mapped(task, first, n, VM_PROT_READ) || !all_mapped(task, to, n, VM_PROT_WRITE)) {
        assert_int_not_equal(kr, KERN_SUCCESS);
        return;
    }
    ok(kr);
    for (unsigned i = 0; i < n; i += 1) {
        bytes[i] = values[task->pages[first + i].value];
    }
    for (unsigned i = 0; i < n; i += 1) {
        values[task->pages[to + i].value] = bytes[i];
    }
}

/* Out of one task and into another, by copy or by move. */
static void do_send(struct model_task *from, unsigned first, unsigned n, struct model_task *to)
{
    bool move = random() % 2 == 0;
    struct vm_copy *copy;
    kern_return_t kr = vm_map_copyin(from->map, address(first), n * PG, move, &copy);
    vm_offset_t got;

    if (!all_mapped(from, first, n, VM_PROT_READ)) {
        assert_int_not_equal(kr, KERN_SUCCESS);
        return;
    }
    ok(kr);
    ok(vm_map_copyout(to->map, &got, copy));
    for (unsigned i = 0; i < n; i += 1) {
        uint8_t byte;

        ok(fake_read(to->map, got + i * PG + 5, &byte));
        assert_int_equal(byte, values[from->pages[first + i].value]);
        if (random() % 2 == 0) {
            ok(fake_write(to->map, got + i * PG + 5, (uint8_t)~byte));
        }
        from->pages[first + i].mapped = from->pages[first + i].mapped && !move;
    }
    fake_check_map(to->map);
    ok(vm_deallocate(to->map, got, n * PG));
}

static void do_fork(struct model_task *parent, struct model_task *child)
{
    vm_map_unref(child->map);
    ok(vm_map_fork(parent->map, &child->map));
    for (unsigned i = 0; i < PAGES; i += 1) {
        struct model_page *page = &parent->pages[i];

        child->pages[i] = *page;
        if (page->inherit == VM_INHERIT_NONE) {
            child->pages[i].mapped = false;
        } else if (page->mapped && page->inherit == VM_INHERIT_COPY) {
            child->pages[i].value = new_value(values[page->value]);
        }
    }
}

static void do_wire(struct model_task *task, unsigned first, unsigned n)
{
    kern_return_t kr = vm_map_wire(task->map, address(first), address(first + n), VM_PROT_READ);

    if (all_mapped(task, first, n, VM_PROT_READ)) {
        ok(kr);
        if (random() % 2 == 0) {
            do_write(task, first);
        }
        ok(vm_map_wire(task->map, address(first), address(first + n), VM_PROT_NONE));
    } else {
        assert_int_not_equal(kr, KERN_SUCCESS);
    }
}

static void one_step(void)
{
    struct model_task *task = &tasks[random() % TASKS];
    struct model_task *other = &tasks[random() % TASKS];
    unsigned first = (unsigned)random() % PAGES;
    unsigned n = 1 + (unsigned)random() % (PAGES - first);
    unsigned to = (unsigned)random() % PAGES;

    switch (random() % 12) {
    case 0:
    case 1:
        do_allocate(task, first, n);
        break;
    case 2:
        do_deallocate(task, first, n > 8 ? 8 : n);
        break;
    case 3:
        do_attributes(task, first, n);
        break;
    case 4:
        if (task != other) {
            do_fork(task, other);
        }
        break;
    case 5:
        do_copy(task, first, n > PAGES - to ? PAGES - to : n, to);
        break;
    case 6:
        do_send(task, first, n, other);
        break;
    case 7:
        do_wire(task, first, n);
        break;
    default:
        for (unsigned i = 0; i < 8; i += 1) {
            do_write(task, (unsigned)random() % PAGES);
        }
        break;
    }
}

/* The address outside the model's pages that anywhere-allocations use is kept free of them. */
static void run_history(unsigned seed, unsigned steps)
{
    srandom(seed);
    memset(tasks, 0, sizeof(tasks));
    values_used = 0;
    for (unsigned i = 0; i < TASKS; i += 1) {
        tasks[i].map = fake_map();
    }
    for (unsigned step = 0; step < steps; step += 1) {
        one_step();
        if (step % 8 == 0) {
            check_task(&tasks[random() % TASKS]);
        }
    }
    for (unsigned i = 0; i < TASKS; i += 1) {
        check_task(&tasks[i]);
        vm_map_unref(tasks[i].map);
    }
}

static void random_histories_agree_with_the_model(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed += 1) {
        run_history(seed, 600);
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
