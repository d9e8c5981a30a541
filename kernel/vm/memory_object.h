/* memory_object.h - memory objects: what a pager, a user task, keeps, of which the kernel has the
 * pages in memory (vm_object.h).
 *
 * A memory object is named by its port, whose receiver is the pager. The kernel's side has a
 * control port, for the pager's calls, and a name port, which vm_region shows. Calls are in
 * memory_object_control.c, messages to the pager in memory_object_request.c and
 * memory_object_return.c. A pager may be slow, dead or hostile: whoever waits for one waits until a
 * deadline and gets KERN_MEMORY_ERROR, holding no lock, and nothing else depends on it. */
#ifndef VM_MEMORY_OBJECT_H
#define VM_MEMORY_OBJECT_H

#include <stdbool.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>
#include <mach/memory_object.h>
#include <mach/vm_prot.h>

#include "vm/vm_fault_wait.h"
#include "vm/vm_object.h"

/* How long a thread waits for pagers in one fault unless thread_set_memory_timeout said. */
#define MEMORY_OBJECT_TIMEOUT_MS 10000u
/* Pages that go together when an object is written back or supplied; and asked for at once when one
 * is read in order: twice as many each time, up to MEMORY_OBJECT_READ_MAX. */
#define MEMORY_OBJECT_CLUSTER  16u
#define MEMORY_OBJECT_READ_MAX 64u
/* Pages of an object asked for ahead of need, and objects without references that are kept. */
#define MEMORY_OBJECT_AHEAD_MAX 256u
#define MEMORY_OBJECT_CACHE_MAX 256u
/* Pages looked at before others get at an object that is locked. */
#define MEMORY_OBJECT_AT_ONCE 256u

void memory_object_bootstrap(void);
/* Start the thread that ends objects nobody uses. */
void memory_object_start(void);

/* End the next object that nobody uses and that is not kept. False when there is none. Sleeps: yes.
 */
bool memory_object_end_one(void);

/* --- life: memory_object.c --- */

/* The object for a memory object's port (a send right, borrowed), told to its pager when it is new;
 * it shows at least `size` bytes. Locks: none held. Sleeps: yes. Refs: the caller owns one.
 * Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (dead, or not a memory object), KERN_MEMORY_ERROR
 * (the pager took no message until the deadline), KERN_RESOURCE_SHORTAGE, KERN_ABORTED. */
kern_return_t memory_object_enter(struct ipc_port *port, vm_size_t size, struct vm_object **object);
/* Take a reference to an object that may have none; false when it is about to end. For ports of
 * the kernel's side, whose lock is held. */
bool memory_object_try_ref(struct vm_object *object);
/* vm_object_unref() of an object with a pager: the last reference leaves it in the cache, or ends
 * it, later. Sleeps: no. */
void memory_object_unref(struct vm_object *object);
/* Start for an object with a pager: its kernel ports, and the pager's right, watched for death.
 * Nothing else knows the object. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (the port is dead),
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t memory_object_attach(struct vm_object *object, struct ipc_port *port);
/* Part the object and its pager: no more messages either way. */
void memory_object_detach(struct vm_object *object);

/* --- anonymous memory: memory_object_default.c --- */

/* Let the default pager have pages of the object, if it is internal and was not yet. Locks: none
 * held. Refs: the caller has one. Sleeps: no. Returns: false when the object cannot be paged out.
 */
bool memory_object_back(struct vm_object *object);
/* Does a default pager take pages it has not had before? */
bool memory_object_default_takes(void);
/* Does the default pager receive what is sent to the object's pager? Locks: none held. */
bool memory_object_is_defaults(struct vm_object *object);
/* A send right to the port that names the object; IP_NULL for anonymous memory and for NULL. */
struct ipc_port *memory_object_name_right(struct vm_object *object);
/* A copy of [*offset, *offset + size) by the object's copy strategy, with none of the source's lock
 * or map's held: a new object, the offset in it, and whether it must be shadowed before it is
 * written. Sleeps: yes. Refs: the caller owns *copy. Returns: KERN_SUCCESS, KERN_MEMORY_ERROR,
 * KERN_RESOURCE_SHORTAGE, KERN_ABORTED. */
kern_return_t memory_object_copy_range(struct vm_object *object, vm_offset_t *offset,
                                       vm_size_t size, struct vm_object **copy, bool *needs_copy);
/* The control port's dead-name request fired: the pager's port is gone. */
void memory_object_pager_died(struct ipc_port *control);
/* There is no pager for the object any more: what it should have supplied is an error; with flush
 * its pages go too. Locks: none held. */
void memory_object_give_up(struct vm_object *object, bool flush);

/* --- what can be mapped: memory_object_proxy.c --- */

/* memory_object_enter() for whatever vm_map is given: also for proxies, which have *offset moved
 * and take rights out of *max_protection. The object shows [*offset, *offset + size). Returns: as
 * memory_object_enter(). */
kern_return_t memory_object_open(struct ipc_port *port, vm_size_t size, vm_offset_t *offset,
                                 vm_prot_t *max_protection, struct vm_object **object);
/* The last send right to a proxy is gone. */
void memory_object_proxy_no_senders(struct ipc_port *port);

/* --- asking and waiting: memory_object_request.c --- */

void memory_object_request_bootstrap(void);

/* Does the pager have to be asked before the page that a walk found can be used for `access`? */
static inline bool memory_object_must_ask(const struct vm_object_hit *hit, vm_prot_t access)
{
    if (hit->page == NULL) {
        return vm_object_pager_has(hit->object, hit->offset);
    }
    return (hit->page->flags & VM_PAGE_ABSENT) != 0 || (hit->page->access_lock & access) != 0;
}

/* Prepare to ask for, or to wait for, what hit lacks. Locks: hit->object->lock held. Refs: *wait
 * holds what memory_object_await() gives back. Returns: KERN_SUCCESS, KERN_MEMORY_ERROR (there is
 * no pager any more), KERN_RESOURCE_SHORTAGE. */
kern_return_t memory_object_want(const struct vm_object_hit *hit, vm_prot_t access,
                                 struct memory_object_wait *wait);
/* Ask and wait. *deadline_ns, 0 at first, bounds all waits of one operation. If there is a
 * continuation and the pager can run at once, the thread goes on there, without a kernel stack
 * meanwhile; it then calls memory_object_awaited(). Locks: none held. Sleeps: yes. Returns:
 * KERN_SUCCESS (look again), KERN_MEMORY_ERROR, KERN_ABORTED (the thread was). */
kern_return_t memory_object_await(struct memory_object_wait *wait, uint64_t *deadline_ns,
                                  void (*continuation)(void));
kern_return_t memory_object_awaited(struct memory_object_wait *wait);
/* vm_object_walk() until the page, if any, can be read. Locks: takes first->lock and hit->object's,
 * which are held on KERN_SUCCESS. Sleeps: yes. Returns: as the two above. */
kern_return_t memory_object_walk(struct vm_object *first, vm_offset_t offset,
                                 struct vm_object_hit *hit, uint64_t *deadline_ns);
/* Wait until the pager has accepted the object. Returns: as memory_object_await. */
kern_return_t memory_object_await_ready(struct vm_object *object, uint64_t *deadline_ns);
/* Rights to send a message to the pager with, owned by the caller; false when it is gone. */
bool memory_object_rights(struct vm_object *object, struct ipc_port **pager,
                          struct ipc_port **control);
/* Milliseconds left, at least 1; the deadline is set when it was 0. */
uint32_t memory_object_time_left(uint64_t *deadline_ns);
/* Something happened to the page at offset (or MEMORY_OBJECT_ALL of it): who waits looks again. */
#define MEMORY_OBJECT_ALL (~0ul)
void memory_object_wake(struct vm_object *object, vm_offset_t offset);
/* Put n pages, owned, into the object from offset on, where they have been asked for or may be kept
 * nevertheless; others are freed. Who waits for them looks again. Locks: none held. Sleeps: no. */
void memory_object_supply_pages(struct vm_object *object, vm_offset_t offset,
                                struct vm_page *const *pages, unsigned n, vm_prot_t lock_value,
                                bool precious);
/* Take an absent page out of the object; whoever waits for it finds `flags` (VM_PAGE_ERROR, or 0 to
 * look again). Locks: object->lock held. */
void memory_object_answer(struct vm_object *object, struct vm_page *page, uint16_t flags);

/* The same for a page that has been replaced in the object. */
void memory_object_answered(struct vm_object *object, struct vm_page *page);

/* Is [offset, offset + size) made of whole pages an object can have? */
static inline bool memory_object_range_ok(vm_offset_t offset, vm_size_t size)
{
    return ((offset | size) & PAGE_MASK) == 0 && size <= VM_MAX_ADDRESS &&
           offset <= VM_MAX_ADDRESS - size;
}

/* --- giving pages back: memory_object_return.c --- */

/* Would the page's contents be lost with it: has its pager none, or older ones? Locks:
 * object->lock held. */
bool memory_object_must_keep(const struct vm_object *object, struct vm_page *page);

/* Send the changed (and, for RETURN_ALL, precious) pages in [start, end) to the pager; with flush
 * all pages go, except wired ones. Locks: none held. Sleeps: until others that do this to the
 * object are done. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE (what was not sent is still
 * there: there is no memory, or the pager has too much in its queue). */
kern_return_t memory_object_return_range(struct vm_object *object, vm_offset_t start,
                                         vm_offset_t end, memory_object_return_t which, bool flush);
/* Flush at most MEMORY_OBJECT_CLUSTER pages of [start, end) for page replacement. Locks: none held.
 * Returns: as memory_object_return_range(), KERN_ABORTED (others are about to send pages, or
 * `spare` is set and its pager has not yet dealt with what it was sent). */
kern_return_t memory_object_page_out(struct vm_object *object, vm_offset_t start, vm_offset_t end,
                                     bool spare);
/* From when pages are taken out of an object until they are in the pager's queue: one at a time,
 * and who needs a page that is not there waits. False when it is being done and may_wait is not
 * set. Locks: none held. (memory_object_request.c) */
bool memory_object_return_begin(struct vm_object *object, bool may_wait);
void memory_object_return_end(struct vm_object *object);

#endif
