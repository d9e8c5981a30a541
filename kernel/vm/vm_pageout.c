/* vm_pageout.c - page replacement. See vm_pageout.h.
 *
 * The thread runs when free memory falls below vm_pageout_low() and goes on until it is a quarter
 * more. It takes the next object, with a reference, and goes through its pages a batch at a time. A
 * clean page its pager has is freed at once; a run of changed ones goes to the pager in one
 * message, and is free when the pager has dealt with it. It is in an object of its own until then,
 * anonymous memory that can go to the default pager in turn.
 *
 * Pages on their way count as if they were free, or the thread would send all memory away before
 * the first page is. It depends on no pager: when none is freed for a while, those on their way
 * then are not expected any more. It may use reserved memory, as the message must not need a page
 * that is not there.
 *
 * Locks: vm_pageout_lock (PAGEOUT) for the list of objects. */
#include "vm/vm_pageout.h"

#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/thread.h"
#include "kern/waitq.h"
#include "vm/memory_object.h"
#include "vm/vm_balloon.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_stat.h"

#define PLENTY_TRIES 2u
#define IDLE_ROUNDS  3u  /* one to the end of where it was, one that finds pages used, one more */
#define BATCH        64u /* pages looked at with an object locked */
#define LOW_MIN      128u
#define LOW_MAX      4096u
#define EXPECT_NS    (100 * NS_PER_MS) /* for pagers to free something of what was sent */
#define PATIENCE_NS  (20 * NS_PER_MS)  /* a thread waits for memory before it looks again */
#define LAUNDRY_NS   (MEMORY_OBJECT_TIMEOUT_MS * NS_PER_MS) /* and for pages on their way */
#define PAUSE_NS     (10 * NS_PER_MS) /* of the thread, when there was nothing to take */

static struct spinlock vm_pageout_lock = SPINLOCK_INITIALIZER(LOCK_RANK_PAGEOUT, "pageout");
static struct list vm_pageout_objects; /* [vm_pageout_lock] next to be visited first */
static uint64_t vm_pageout_count;      /* [vm_pageout_lock] */
static struct waitq vm_pageout_work;   /* of the thread */
static struct waitq vm_pageout_memory; /* of those who wait for memory, and of the thread */
static uint64_t vm_pageout_failures;   /* [a] rounds that found nothing to take */
static uint64_t vm_pageout_laundry;    /* [a] pages sent that are not free yet */
static uint64_t vm_pageout_stuck;      /* of those, how many are not expected: by the thread */

void vm_pageout_bootstrap(void)
{
    list_init(&vm_pageout_objects);
    waitq_init(&vm_pageout_work, "pageout");
    waitq_init(&vm_pageout_memory, "memory");
}

uint64_t vm_pageout_low(void)
{
    uint64_t low = vm_page_total_count() / 32;

    low = low < LOW_MIN ? LOW_MIN : low;
    return vm_page_reserve_count() + (low > LOW_MAX ? LOW_MAX : low);
}

static uint64_t vm_pageout_target(void)
{
    return vm_pageout_low() + vm_pageout_low() / 4;
}

/* --- objects --- */

void vm_pageout_add(struct vm_object *object)
{
    spin_lock(&vm_pageout_lock);
    list_insert_tail(&vm_pageout_objects, &object->pageout_link);
    vm_pageout_count++;
    spin_unlock(&vm_pageout_lock);
}

void vm_pageout_remove(struct vm_object *object)
{
    spin_lock(&vm_pageout_lock);
    if (list_is_linked(&object->pageout_link)) {
        list_remove(&object->pageout_link);
        vm_pageout_count--;
    }
    spin_unlock(&vm_pageout_lock);
}

/* The next object that is not about to end, with a reference; it goes to the end of the list. NULL
 * after `*budget` objects. */
static struct vm_object *vm_pageout_next(uint64_t *budget)
{
    struct vm_object *object = NULL;

    spin_lock(&vm_pageout_lock);
    while (object == NULL && *budget != 0 && !list_empty(&vm_pageout_objects)) {
        struct list *node = list_pop(&vm_pageout_objects);
        struct vm_object *next = list_entry(node, struct vm_object, pageout_link);

        list_insert_tail(&vm_pageout_objects, node);
        *budget -= 1;
        if (next->resident_count != 0 && vm_object_try_ref(next)) {
            object = next;
        }
    }
    spin_unlock(&vm_pageout_lock);
    return object;
}

/* --- the pages of one object --- */

/* What a visit has done. */
struct vm_pageout_visit {
    struct vm_object *object;
    vm_offset_t at;        /* next to be looked at */
    vm_offset_t run_start; /* changed pages that go together: */
    vm_offset_t run_end;   /*   none when equal */
    uint64_t freed;
};

/* Was the page used since it was last asked? Forgets it. */
static bool vm_pageout_was_used(struct vm_page *page)
{
    bool used = pmap_is_referenced(page);

    if (used) {
        pmap_clear_referenced(page);
    }
    return used;
}

/* Look at one page; false when the run before it must be sent first. Locks: of the object. */
static bool vm_pageout_look(struct vm_pageout_visit *visit, struct vm_page *page)
{
    bool runs = visit->run_start != visit->run_end;

    if (page->wire_count != 0 || (page->flags & VM_PAGE_ABSENT) != 0) {
        return !runs;
    }
    if (runs && (page->offset != visit->run_end ||
                 visit->run_end - visit->run_start == MEMORY_OBJECT_CLUSTER << PAGE_SHIFT)) {
        return false;
    }
    if (vm_pageout_was_used(page)) {
        visit->at = page->offset + PAGE_SIZE; /* not to be asked again in this visit */
        return !runs;
    }
    if (memory_object_must_keep(visit->object, page)) {
        visit->run_start = runs ? visit->run_start : page->offset;
        visit->run_end = page->offset + PAGE_SIZE;
        return true;
    }
    if (runs) {
        return false;
    }
    /* Nobody can change it without a fault from here on; if somebody just has, it stays. */
    pmap_page_protect(page, VM_PROT_NONE);
    if (!memory_object_must_keep(visit->object, page)) {
        vm_object_page_free(visit->object, page);
        visit->freed++;
    }
    return true;
}

/* Look at a batch of pages, up to the end of a run. False at the end of the object. */
static bool vm_pageout_batch(struct vm_pageout_visit *visit)
{
    struct vm_object *object = visit->object;
    struct vm_page *page;

    spin_lock(&object->lock);
    page = vm_object_page_next(object, visit->at, ~0ul);
    for (unsigned i = 0; page != NULL && i < BATCH; i++) {
        vm_offset_t offset = page->offset;

        if (!vm_pageout_look(visit, page)) {
            break;
        }
        visit->at = offset + PAGE_SIZE;
        page = vm_object_page_next(object, visit->at, ~0ul);
    }
    spin_unlock(&object->lock);
    return page != NULL;
}

/* Send the changed pages that go together. False when the object cannot give more now. */
static bool vm_pageout_send(struct vm_pageout_visit *visit, bool spare, uint64_t *sent)
{
    vm_offset_t start = visit->run_start, end = visit->run_end;
    kern_return_t kr;

    visit->run_start = end;
    if (start == end || !memory_object_back(visit->object)) {
        return true;
    }
    kr = memory_object_page_out(visit->object, start, end, spare);
    *sent += kr == KERN_SUCCESS ? (end - start) >> PAGE_SHIFT : 0;
    return kr != KERN_ABORTED;
}

/* Go through the object's pages, on from where the last visit ended, until `wanted` are free or on
 * their way. Returns how many are. */
static uint64_t vm_pageout_visit(struct vm_object *object, uint64_t wanted, bool spare)
{
    struct vm_pageout_visit visit = {.object = object, .at = object->pageout_at};
    bool more = true;
    uint64_t sent = 0;

    while (more && visit.freed + sent < wanted) {
        more = vm_pageout_batch(&visit);
        if (!vm_pageout_send(&visit, spare, &sent)) {
            break;
        }
    }
    object->pageout_at = more ? visit.at : 0;
    return visit.freed + sent;
}

/* --- the thread --- */

/* Visit each object once, or until `wanted` pages are free or on their way; pagers that are busy
 * may be spared. Returns how many are. */
static uint64_t vm_pageout_round(uint64_t wanted, bool spare)
{
    uint64_t budget = atomic_load(&vm_pageout_count);
    uint64_t taken = 0;
    struct vm_object *object = NULL;

    while (taken < wanted && (object = vm_pageout_next(&budget)) != NULL) {
        taken += vm_pageout_visit(object, wanted - taken, spare);
        vm_object_unref(object);
    }
    return taken;
}

/* Pages on their way that will be free. */
static uint64_t vm_pageout_expected(void)
{
    uint64_t laundry = atomic_load(&vm_pageout_laundry);

    if (vm_pageout_stuck > laundry) {
        vm_pageout_stuck = laundry;
    }
    return laundry - vm_pageout_stuck;
}

/* Wait until some of them are; when none is, expect them no more. */
static void vm_pageout_await(void)
{
    uint64_t before;

    waitq_assert_wait(&vm_pageout_memory, false, clock_now_ns() + EXPECT_NS);
    before = atomic_load(&vm_pageout_laundry);
    if (before <= vm_pageout_stuck) {
        waitq_cancel_wait(&vm_pageout_memory);
    } else if (waitq_block(&vm_pageout_memory) == WAIT_TIMED_OUT &&
               atomic_load(&vm_pageout_laundry) >= before) {
        vm_pageout_stuck = before;
    }
}

/* What a monitor has of this system's pages comes back before any are taken from objects. */
static void vm_pageout_take_back(void)
{
    uint64_t free = vm_page_free_count();

    if (free < vm_pageout_target() && vm_balloon_take_back(vm_pageout_target() - free) != 0) {
        vm_pageout_freed();
    }
}

bool vm_pageout_run(void)
{
    unsigned idle_rounds = 0;

    vm_pageout_take_back();
    while (vm_page_free_count() < vm_pageout_target() && idle_rounds < IDLE_ROUNDS) {
        uint64_t soon = vm_page_free_count() + vm_pageout_expected();

        if (soon < vm_pageout_target() &&
            vm_pageout_round(vm_pageout_target() - soon, idle_rounds == 0) != 0) {
            idle_rounds = 0;
            vm_pageout_freed();
        } else if (vm_pageout_expected() != 0) {
            vm_pageout_await();
        } else {
            idle_rounds++;
        }
    }
    if (idle_rounds != 0) {
        atomic_inc(&vm_pageout_failures);
    }
    vm_pageout_freed();
    return idle_rounds == 0;
}

static void vm_pageout_thread(void *argument)
{
    atomic_fetch_or(&current_thread()->flags, THREAD_FLAG_VM_PRIVILEGE);
    for (;;) {
        waitq_assert_wait(&vm_pageout_work, false, 0);
        (void)waitq_block(&vm_pageout_work);
        if (!vm_pageout_run()) {
            thread_sleep(PAUSE_NS); /* or it would look at all of memory for each page taken */
        }
    }
}

void vm_pageout_start(void)
{
    thread_run_kernel("pageout", vm_pageout_thread, PRIORITY_SYSTEM);
}

void vm_pageout_wake(void)
{
    waitq_wake_all(&vm_pageout_work, WAIT_OK);
}

void vm_pageout_freed(void)
{
    waitq_wake_all(&vm_pageout_memory, WAIT_OK);
}

void vm_pageout_sent(uint64_t npages)
{
    (void)atomic_fetch_add(&vm_pageout_laundry, npages);
}

void vm_pageout_done(uint64_t npages)
{
    (void)atomic_fetch_sub(&vm_pageout_laundry, npages);
    vm_pageout_freed();
}

/* Is there none to be had? Not while pagers have pages, for as long as a fault waits for a pager: a
 * disk with much to do may take longer than the thread expects. */
static bool vm_pageout_is_hopeless(struct vm_pageout_wait *wait)
{
    uint64_t failures = atomic_load(&vm_pageout_failures);
    uint64_t now = clock_now_ns();

    if (wait->deadline_ns == 0) {
        wait->deadline_ns = now + LAUNDRY_NS;
        wait->failures = failures;
    }
    if (atomic_load(&vm_pageout_laundry) != 0 && now < wait->deadline_ns) {
        wait->failures = failures;
    }
    return failures > wait->failures + 1;
}

bool vm_pageout_wait(struct vm_pageout_wait *wait)
{
    if (vm_pageout_is_hopeless(wait)) {
        return false;
    }
    if (vm_page_free_count() >= vm_pageout_low()) {
        /* There is memory now: if that does not help, it was not memory that lacked. */
        wait->plenty++;
        return wait->plenty <= PLENTY_TRIES;
    }
    wait->plenty = 0;
    waitq_assert_wait(&vm_pageout_memory, true, clock_now_ns() + PATIENCE_NS);
    vm_pageout_wake();
    return waitq_block(&vm_pageout_memory) != WAIT_INTERRUPTED;
}
