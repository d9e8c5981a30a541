/* vm_balloon.c - memory given back to the monitor. See vm_balloon.h.
 *
 * A block of pages that the monitor has is a run of the page allocator that nobody uses: its first
 * descriptor is in the list, and says how many there are. Its pages come back as they go, each on
 * its own; when they are touched again, the monitor has put new memory there. Locks:
 * vm_balloon_lock (PAGEOUT) for the list; the monitor is called without it. */
#include "vm/vm_balloon.h"

#include <mach/hypercall.h>

#include "arch/hypervisor.h"
#include "arch/irq.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/printf.h"
#include "kern/spinlock.h"
#include "kern/thread.h"
#include "kern/waitq.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"

#define ORDER_MAX  9u /* of a block: 2 MiB, which the monitor may have mapped as one */
#define ORDER_MIN  4u
#define GIVE_TRIES 100u /* while the monitor is busy with a disk's request */
#define PAUSE_NS   (2 * NS_PER_MS)
#define AGAIN_NS   (1000 * NS_PER_MS) /* there was not enough to give: there may be later */

static struct spinlock vm_balloon_lock = SPINLOCK_INITIALIZER(LOCK_RANK_PAGEOUT, "balloon");
static struct list vm_balloon_blocks = LIST_INITIALIZER(vm_balloon_blocks); /* [vm_balloon_lock] */
static uint64_t vm_balloon_pages; /* [vm_balloon_lock] in blocks; [a] to be read */
static struct waitq vm_balloon_waitq;

/* Of the thread. */
static uint64_t vm_balloon_target; /* what it has settled for */

uint64_t vm_balloon_count(void)
{
    return atomic_load(&vm_balloon_pages);
}

/* What the monitor would like to have: no more than there is, and nothing when it does not say. */
static uint64_t vm_balloon_ask(void)
{
    uint64_t target = hypervisor_call(HYPERCALL_BALLOON_TARGET, 0, 0, 0);
    uint64_t all = vm_page_total_count();

    if (target >= HYPERCALL_BUSY) {
        return 0;
    }
    return target < all ? target : all;
}

/* --- blocks --- */

static uint64_t vm_balloon_pfn(const struct vm_page *block)
{
    return vm_page_to_phys(block) >> PAGE_SHIFT;
}

/* The pages of a block from `first` on are this system's again. Locks: none. */
static void vm_balloon_free(struct vm_page *block, uint64_t first, uint64_t npages)
{
    (void)hypervisor_call(HYPERCALL_BALLOON_TAKE, vm_balloon_pfn(block) + first, npages, 0);
    vm_page_free_contig(block + first, npages);
}

/* Free pages that are to be left, whatever the monitor would like: it is not given the last ones
 * before page replacement begins, nor those that work needs which begins at once. */
static uint64_t vm_balloon_reserve(void)
{
    uint64_t part = vm_page_total_count() / 8;
    uint64_t low = vm_pageout_low() * 2;

    return part > low ? part : low;
}

/* A block of as many pages as can be spared, at most `wanted`. Returns: NULL when there is none. */
static struct vm_page *vm_balloon_alloc(uint64_t wanted, uint64_t *npages)
{
    for (unsigned order = ORDER_MAX + 1; order-- > ORDER_MIN;) {
        uint64_t n = 1ull << order;
        struct vm_page *block = NULL;

        if (n <= wanted && vm_page_free_count() >= vm_balloon_reserve() + n) {
            block = vm_page_alloc_contig(n, order, VM_PAGE_MODEST, 0, 0);
        }
        if (block != NULL) {
            *npages = n;
            return block;
        }
    }
    return NULL;
}

/* Give it to the monitor. Locks: none. Sleeps: yes. Returns: false when that does not take it. */
static bool vm_balloon_give(const struct vm_page *block, uint64_t npages)
{
    uint64_t answer = HYPERCALL_BUSY;

    for (unsigned i = 0; i < GIVE_TRIES && answer == HYPERCALL_BUSY; i++) {
        if (i != 0) {
            thread_sleep(PAUSE_NS);
        }
        answer = hypervisor_call(HYPERCALL_BALLOON_GIVE, vm_balloon_pfn(block), npages, 0);
    }
    return answer == 0;
}

/* Have a block more with the monitor. Returns: false when there is none to be spared, or the
 * monitor does not take it. */
static bool vm_balloon_grow(uint64_t wanted)
{
    uint64_t npages = 0;
    struct vm_page *block = vm_balloon_alloc(wanted, &npages);

    if (block == NULL) {
        return false;
    }
    if (!vm_balloon_give(block, npages)) {
        vm_page_free_contig(block, npages);
        return false;
    }
    block->offset = npages;
    spin_lock(&vm_balloon_lock);
    list_insert_tail(&vm_balloon_blocks, &block->link);
    atomic_store(&vm_balloon_pages, vm_balloon_pages + npages);
    spin_unlock(&vm_balloon_lock);
    return true;
}

/* Take back a block, or the end of one that has more than is wanted. Returns: how many pages, 0
 * when the monitor has none. */
static uint64_t vm_balloon_shrink(uint64_t wanted)
{
    struct vm_page *block = NULL;
    uint64_t first = 0, npages = 0;

    spin_lock(&vm_balloon_lock);
    if (!list_empty(&vm_balloon_blocks)) {
        block = list_entry(vm_balloon_blocks.prev, struct vm_page, link);
        npages = block->offset < wanted ? block->offset : wanted;
        first = block->offset - npages;
        block->offset = first;
        if (first == 0) {
            list_remove(&block->link);
        }
        atomic_store(&vm_balloon_pages, vm_balloon_pages - npages);
    }
    spin_unlock(&vm_balloon_lock);
    if (npages != 0) {
        vm_balloon_free(block, first, npages);
    }
    return npages;
}

/* --- the thread --- */

bool vm_balloon_settle(void)
{
    uint64_t target = vm_balloon_ask();
    bool goes_on = true;

    vm_balloon_target = target;
    while (goes_on && vm_balloon_count() > target) {
        goes_on = vm_balloon_shrink(vm_balloon_count() - target) != 0;
    }
    while (goes_on && vm_balloon_count() + (1u << ORDER_MIN) <= target) {
        goes_on = vm_balloon_grow(target - vm_balloon_count());
    }
    return goes_on;
}

uint64_t vm_balloon_take_back(uint64_t npages)
{
    uint64_t taken = 0;

    while (taken < npages && vm_balloon_count() != 0) {
        taken += vm_balloon_shrink(1u << ORDER_MAX);
    }
    if (taken != 0) {
        (void)waitq_wake_one(&vm_balloon_waitq, WAIT_OK); /* it has less than it would like */
    }
    return taken;
}

/* What is told before it waits, and has not been settled for, is not waited for. */
static void vm_balloon_thread(void *argument)
{
    for (;;) {
        bool is_settled = vm_balloon_settle();

        waitq_assert_wait(&vm_balloon_waitq, false, is_settled ? 0 : clock_now_ns() + AGAIN_NS);
        (void)hypervisor_call(HYPERCALL_EVENTS, HYPERCALL_EVENT_BALLOON, 0, 0);
        if (vm_balloon_ask() == vm_balloon_target) {
            (void)waitq_block(&vm_balloon_waitq);
        } else {
            waitq_cancel_wait(&vm_balloon_waitq);
        }
    }
}

/* In interrupt context: the monitor would like to have more, or less. */
static struct thread *vm_balloon_interrupt(void *argument, bool user)
{
    (void)waitq_wake_one(&vm_balloon_waitq, WAIT_OK);
    return NULL;
}

/* Have the monitor interrupt when it wants something. Returns: false when it cannot. */
static bool vm_balloon_attach(void)
{
    uint64_t address;
    uint32_t line, data;

    if (!irq_message_create(&line)) {
        return false;
    }
    irq_attach(line, vm_balloon_interrupt, NULL);
    irq_message_of(line, &address, &data);
    if (hypervisor_call(HYPERCALL_EVENT_VECTOR, HYPERCALL_EVENT_BALLOON,
                        HYPERCALL_MESSAGE_VECTOR(data), HYPERCALL_MESSAGE_APIC(address)) != 0) {
        irq_message_destroy(line);
        return false;
    }
    return true;
}

void vm_balloon_start(void)
{
    const uint64_t needed = HYPERCALL_HAS_BALLOON | HYPERCALL_HAS_EVENTS;
    uint64_t features = hypervisor_call(HYPERCALL_FEATURES, 0, 0, 0);

    if (features == HYPERCALL_UNKNOWN || (features & needed) != needed) {
        return;
    }
    waitq_init(&vm_balloon_waitq, "balloon");
    if (!vm_balloon_attach()) {
        kprintf("balloon: the monitor cannot ask for memory\n");
        return;
    }
    thread_run_kernel("balloon", vm_balloon_thread, PRIORITY_SYSTEM);
}
