/* fake_machine.c - arena, panic, lock checks, mutexes, wait queues and host ports for the tests of
 * the memory system. */
#define _GNU_SOURCE
#include "fake.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ddb/vm_check.h"
#include "kern/ipc_tt.h"
#include "kern/spinlock.h"
#include "kern/waitq.h"
#include "vm/kmem.h"
#include "vm/slab.h"
#include "vm/vm_init.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"

__thread uint32_t fake_cpu;
__thread int32_t fake_preempt_count;
bool (*fake_block_hook)(void);
void (*fake_panic_hook)(void);
char fake_panic_text[512];
int fake_memory_fd = -1;

static char *fake_memory;
static __thread jmp_buf *fake_panic_target;

void fake_arena(void)
{
    if (fake_memory != NULL) {
        return;
    }
    fake_memory_fd = memfd_create("physical", 0);
    if (fake_memory_fd < 0 || ftruncate(fake_memory_fd, FAKE_PHYS_SIZE) != 0) {
        abort();
    }
    fake_memory = mmap(NULL, FAKE_PHYS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                       fake_memory_fd, 0);
    if (fake_memory == MAP_FAILED) {
        abort();
    }
}

void fake_boot(void)
{
    static const struct phys_range ranges[] = {{0x100000, 0x4100000}};

    fake_arena();
    vm_page_bootstrap(ranges, 1);
    slab_bootstrap();
    vm_init();
}

void *phys_to_virt(phys_addr_t phys)
{
    return fake_memory + phys;
}

phys_addr_t virt_to_phys(const void *virt)
{
    return (phys_addr_t)((const char *)virt - fake_memory);
}

/* --- panic --- */

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_panic_text, sizeof(fake_panic_text), format, arguments);
    va_end(arguments);
    if (fake_panic_target == NULL) {
        fprintf(stderr, "panic: %s\n", fake_panic_text);
        if (fake_panic_hook != NULL) {
            fake_panic_hook();
        }
        abort();
    }
    longjmp(*fake_panic_target, 1);
}

/* --- locks: rank order is checked as in the debug kernel --- */

#define HELD_MAX 32
static __thread struct spinlock *fake_held[HELD_MAX];
static __thread unsigned fake_held_count;

bool fake_panics(void (*body)(void *), void *argument)
{
    jmp_buf target;
    unsigned held = fake_held_count;
    int32_t preempt = fake_preempt_count;
    bool panicked = setjmp(target) != 0;

    if (!panicked) {
        fake_panic_target = &target;
        body(argument);
    }
    fake_panic_target = NULL;
    while (fake_held_count > held) {
        fake_held_count -= 1;
        fake_held[fake_held_count]->locked = 0;
    }
    fake_preempt_count = preempt;
    return panicked;
}

void spinlock_debug_acquire(struct spinlock *lock, bool nested, const void *caller)
{
    (void)caller;
    for (unsigned i = 0; i < fake_held_count; i += 1) {
        if (fake_held[i] == lock) {
            panic("lock %s taken twice", lock->name);
        }
        if (fake_held[i]->rank > lock->rank || (!nested && fake_held[i]->rank == lock->rank)) {
            panic("lock %s taken with %s held", lock->name, fake_held[i]->name);
        }
    }
}

void spinlock_debug_tried(struct spinlock *lock, const void *caller)
{
    (void)caller;
    spinlock_debug_acquired(lock);
}

void spinlock_debug_acquired(struct spinlock *lock)
{
    if (fake_held_count == HELD_MAX) {
        panic("too many locks");
    }
    lock->holder = (uint16_t)(fake_cpu + 1);
    fake_held[fake_held_count] = lock;
    fake_held_count += 1;
}

void spinlock_debug_release(struct spinlock *lock)
{
    for (unsigned i = 0; i < fake_held_count; i += 1) {
        if (fake_held[i] == lock) {
            fake_held_count -= 1;
            fake_held[i] = fake_held[fake_held_count];
            lock->holder = 0;
            return;
        }
    }
    panic("lock %s released but not held", lock->name);
}

void spinlock_wait(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) != 0) {
        sched_yield();
    }
}

void preempt_check(void);
void preempt_check(void) {}

void mutex_init(struct mutex *mutex, const char *name)
{
    (void)name;
    pthread_mutex_init(&mutex->lock, NULL);
    mutex->owner = 0;
}

void mutex_lock(struct mutex *mutex)
{
    if (fake_held_count != 0 || mutex_is_held(mutex)) {
        panic("mutex taken with a spin lock held, or twice");
    }
    pthread_mutex_lock(&mutex->lock);
    __atomic_store_n(&mutex->owner, fake_cpu + 1, __ATOMIC_RELAXED);
}

void mutex_unlock(struct mutex *mutex)
{
    __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&mutex->lock);
}

bool mutex_is_held(const struct mutex *mutex)
{
    return __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED) == fake_cpu + 1;
}

void waitq_init(struct waitq *waitq, const char *name)
{
    (void)name;
    waitq->waiting = 0;
}

void waitq_assert_wait(struct waitq *waitq, bool interruptible, uint64_t deadline_ns)
{
    (void)interruptible;
    waitq->waiting += 1;
    waitq->timed = deadline_ns != 0;
}

void fake_run_pageout(void)
{
    static __thread bool running;
    uint32_t flags = fake_thread.flags;

    if (!running) {
        running = true;
        fake_thread.flags |= THREAD_FLAG_VM_PRIVILEGE;
        (void)vm_pageout_run();
        fake_thread.flags = flags;
        running = false;
    }
}

enum wait_result waitq_block(struct waitq *waitq)
{
    bool timed = waitq->timed;
    bool goes_on;

    if (fake_held_count != 0) {
        panic("blocked with lock %s held", fake_held[0]->name);
    }
    goes_on = waitq->waiting != 0 && fake_block_hook != NULL && fake_block_hook();
    if (waitq->waiting == 0 || (!goes_on && !timed)) {
        panic("blocked for ever");
    }
    if (!goes_on) { /* who waits for memory has the thread for that work */
        fake_run_pageout();
    }
    waitq->waiting -= 1;
    return goes_on ? WAIT_OK : WAIT_TIMED_OUT;
}

/* Nothing here waits without a stack. */
enum wait_result thread_wait_result(void)
{
    panic("a wait is over that was not begun");
}

void waitq_leave(struct waitq *waitq)
{
    waitq->waiting -= 1;
}

void waitq_cancel_wait(struct waitq *waitq)
{
    waitq->waiting -= 1;
}

bool waitq_wake_one(struct waitq *waitq, enum wait_result result)
{
    (void)waitq;
    (void)result;
    return false;
}

void waitq_wake_all(struct waitq *waitq, enum wait_result result)
{
    (void)waitq;
    (void)result;
}

size_t strlcpy(char *destination, const char *source, size_t size)
{
    snprintf(destination, size, "%s", source);
    return strlen(source);
}

/* --- ports: 1 is the host, 2 the privileged host --- */

struct host *convert_port_to_host(struct ipc_port *port)
{
    return port == (struct ipc_port *)1 || port == (struct ipc_port *)2 ? (struct host *)port
                                                                        : NULL;
}

struct host *convert_port_to_host_priv(struct ipc_port *port)
{
    return port == (struct ipc_port *)2 ? (struct host *)port : NULL;
}

/* --- what is in use --- */

static uint64_t fake_count_live(struct kmem_cache *c, const char *name)
{
    struct kmem_cache_stats stats;

    kmem_cache_stats(c, &stats);
    if (name != NULL && strcmp(stats.name, name) != 0) {
        return 0;
    }
    kmem_cache_drain(c);
    kmem_cache_stats(c, &stats);
    return stats.live;
}

struct fake_caches {
    struct kmem_cache *list[64];
    unsigned n;
};

static void fake_collect(struct kmem_cache *c, void *argument)
{
    struct fake_caches *caches = argument;

    caches->list[caches->n] = c;
    caches->n += 1;
}

/* NULL: of all caches. */
uint64_t fake_live(const char *name)
{
    struct fake_caches caches = {.n = 0};
    uint64_t live = 0;

    kmem_cache_visit(fake_collect, &caches);
    for (unsigned i = 0; i < caches.n; i += 1) {
        live += fake_count_live(caches.list[i], name);
    }
    return live;
}

extern uint64_t fake_pmap_count;

void fake_usage(struct fake_usage *usage)
{
    struct kmem_stats kmem;

    memset(usage, 0, sizeof(*usage));
    usage->live_objects = fake_live(NULL);
    kmem_stats(&kmem);
    usage->free_pages = vm_page_free_count();
    usage->vm_objects = vm_object_count();
    usage->pmaps = fake_pmap_count;
    usage->kmem_ranges = kmem.ranges;
    usage->kmem_pages = kmem.committed_pages;
}

static struct fake_usage fake_before;

int fake_setup(void **state)
{
    (void)state;
    fake_block_hook = NULL;
    fake_enter_budget = -1;
    fake_usage(&fake_before);
    return 0;
}

int fake_teardown(void **state)
{
    struct fake_usage after;

    (void)state;
    fake_enter_budget = -1;
    fake_usage(&after);
    vm_check_pages();
    vm_check_kmem();
    if (memcmp(&after, &fake_before, sizeof(after)) != 0 || fake_preempt_count != 0) {
        fprintf(
            stderr,
            "leak: pages %ld, allocations %ld, objects %ld, pmaps %ld, ranges %ld, kmem pages %ld, "
            "preemption %d\n",
            (long)(fake_before.free_pages - after.free_pages),
            (long)(after.live_objects - fake_before.live_objects),
            (long)(after.vm_objects - fake_before.vm_objects),
            (long)(after.pmaps - fake_before.pmaps),
            (long)(after.kmem_ranges - fake_before.kmem_ranges),
            (long)(after.kmem_pages - fake_before.kmem_pages), fake_preempt_count);
        return -1;
    }
    return 0;
}

bool boot_info_option(const char *name, char *buffer, uint64_t size)
{
    (void)name;
    (void)buffer;
    (void)size;
    return false;
}
