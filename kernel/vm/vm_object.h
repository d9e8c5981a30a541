/* vm_object.h - memory cache objects: the pages of a memory object that are in memory.
 *
 * An internal object is anonymous memory. An object may shadow another: what it lacks is looked for
 * there, at offset + shadow_offset. Copy-on-write is made of two tools. Symmetric: both views of an
 * object are marked needs_copy and the first to write puts a shadow in front. Delayed: for an
 * object that is mapped by several (or belongs to a pager), a copy object shadows it, and the
 * object pushes the old contents of a page into the copy before the page changes. */
#ifndef VM_VM_OBJECT_H
#define VM_VM_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>
#include <mach/memory_object.h>
#include <mach/vm_prot.h>

#include "kern/atomic.h"
#include "kern/list.h"
#include "kern/spinlock.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"

struct ipc_port;
struct ipc_request;

/* object->flags */
#define VM_OBJECT_INTERNAL          0x01u /* made by the kernel: anonymous memory */
#define VM_OBJECT_TEMPORARY         0x02u /* contents die with the last reference */
#define VM_OBJECT_SHARED            0x04u /* several maps write it: copies are delayed */
#define VM_OBJECT_PRIVATE           0x08u /* only disjoint entries of one map refer to it */
#define VM_OBJECT_PAGER_CREATED     0x10u /* a pager has the pages that are not here */
#define VM_OBJECT_PAGER_INITIALIZED 0x20u /* it was told about the object */
#define VM_OBJECT_PAGER_READY       0x40u /* it said it is ready */
#define VM_OBJECT_CAN_PERSIST       0x80u /* keep the pages after the last reference */
#define VM_OBJECT_ALIVE             0x100u
#define VM_OBJECT_RETURNING         0x800u /* pages are out of it and not yet in a message */
#define VM_OBJECT_ENDING            0x400u /* its pager is being told that it is not used any more */
#define VM_OBJECT_LAUNDRY           0x1000u /* its pages are on their way to a pager */
#define VM_OBJECT_DEVICE            0x200u /* a range of device memory: no pages, mapped as it is */

/* A chain of shadows is never made longer than this: a shadow that would be is filled by copying
 * instead. */
#define VM_OBJECT_CHAIN_MAX 16u

/* Keys: [L] this->lock, [a] atomic, [I] immutable after create, [H] lock of memory_object.c */
struct vm_object {
    struct spinlock lock;      /* VM_OBJECT; of two, the shadowing one first */
    uint32_t refs;             /* [a] entries, shadowing objects, callers */
    uint32_t flags;            /* [L] VM_OBJECT_* */
    struct vm_radix pages;     /* [L] by offset in pages */
    struct vm_radix paged;     /* [L] internal: not NULL where the default pager has the page */
    uint64_t resident_count;   /* [L] */
    uint64_t absent_count;     /* [L] pages asked of the pager (not in resident_count) */
    vm_size_t size;            /* [L] bytes */
    struct vm_object *shadow;  /* [L] owns a reference */
    vm_offset_t shadow_offset; /* [L] */
    struct vm_object *copy; /* [L] newest delayed copy, which shadows this one; not a reference */
    uint64_t copy_version;  /* [L] counts the delayed copies made */
    memory_object_copy_strategy_t copy_strategy; /* [L] */
    struct ipc_port *pager;          /* [L] memory object port: send right; NULL: it is gone */
    struct ipc_port *pager_control;  /* [L] receive right held for the pager's requests */
    struct ipc_port *pager_name;     /* [L] port that names the object in vm_region */
    struct ipc_request *pager_death; /* [L] asks to be told when the pager's port dies */
    struct ipc_port *pager_key;      /* [H] the port it is found by; a reference */
    vm_offset_t last_alloc;          /* [L] end of the last request, to see sequential access */
    uint32_t read_ahead;             /* [L] pages asked for at once by the last such request */
    phys_addr_t device_phys;         /* [I] VM_OBJECT_DEVICE: where the memory is, */
    unsigned device_flags;           /* [I]   and PMAP_NOCACHE, PMAP_WC */
    struct list hash_link;           /* [H] among the objects with a pager */
    struct list cache_link;          /* [H] among those without references */
    struct list pageout_link;        /* [lock of vm_pageout.c] */
    vm_offset_t pageout_at;          /* only by the thread that takes pages: where to go on, */
    uint64_t overdue_ns;             /*   when its pager was found not to receive, */
    uint32_t overdue;                /*   and the messages it had then */
};

/* Where a page was found by vm_object_walk(). */
struct vm_object_hit {
    struct vm_object *object; /* locked, like the first one */
    vm_offset_t offset;       /* in that object */
    struct vm_page *page;     /* NULL: nowhere, object is the last of the chain */
    unsigned depth;           /* 0: in the first object */
};

void vm_object_bootstrap(void);

/* --- life --- */

/* A new internal object without pages. Returns: one reference, or NULL when out of memory. */
struct vm_object *vm_object_create(vm_size_t size);
/* An object over device memory, page aligned, mapped with the given PMAP_NOCACHE or PMAP_WC. It can
 * be mapped and shared, not copied. Returns: one reference, or NULL when out of memory. */
struct vm_object *vm_object_create_device(phys_addr_t phys, vm_size_t size, unsigned pmap_flags);

static inline void vm_object_ref(struct vm_object *object)
{
    atomic_inc(&object->refs);
}

/* Take a reference unless the object is about to end. Locks: any before MEMORY_OBJECT. */
bool vm_object_try_ref(struct vm_object *object);
/* Drop a reference; the last one frees the pages and goes on to the shadow. An object with a pager
 * is left to memory_object.c. NULL is ignored. Locks: of an object that shadowed it at most. */
void vm_object_unref(struct vm_object *object);
/* The same for memory_object.c, when the pager of an object without other references has been told.
 */
void vm_object_end(struct vm_object *object);

/* Internal and without pager: its pages are all there is. Locks: object->lock held. */
static inline bool vm_object_is_plain(const struct vm_object *object)
{
    return (object->flags & (VM_OBJECT_INTERNAL | VM_OBJECT_PAGER_CREATED)) == VM_OBJECT_INTERNAL;
}

/* Does a pager have the page, if it is not here? Locks: object->lock held. */
static inline bool vm_object_pager_has(const struct vm_object *object, vm_offset_t offset)
{
    if (__builtin_expect((object->flags & VM_OBJECT_PAGER_CREATED) == 0, 1)) {
        return false;
    }
    return (object->flags & VM_OBJECT_INTERNAL) == 0 ||
           vm_radix_lookup(&object->paged, offset >> PAGE_SHIFT) != NULL;
}

/* --- pages; object->lock held --- */

static inline struct vm_page *vm_object_page_lookup(const struct vm_object *object,
                                                    vm_offset_t offset)
{
    return vm_radix_lookup(&object->pages, offset >> PAGE_SHIFT);
}

/* Put page at offset, where there is none. Refs: the object owns the page on success. Returns:
 * false when out of memory. */
bool vm_object_page_insert(struct vm_object *object, struct vm_page *page, vm_offset_t offset);
/* The same for n neighbouring pages, which `page` is the descriptor of the first of. Returns: how
 * many the object owns now. */
uint64_t vm_object_page_insert_run(struct vm_object *object, struct vm_page *page,
                                   vm_offset_t offset, uint64_t n);
/* Take the page out; the caller owns it then. Its mappings stay. */
void vm_object_page_remove(struct vm_object *object, struct vm_page *page);
/* Take the n pages out, which lie side by side as vm_radix_run() says, are not absent and are not
 * mapped; the caller owns them then, as they were when they were allocated. */
void vm_object_page_remove_run(struct vm_object *object, struct vm_page *const *pages, unsigned n);
/* Have the page take the place of an absent one (vm_radix_run()), which is the caller's then. The
 * page is not mapped, whatever was done to it before. */
void vm_object_page_replace(struct vm_object *object, void **place, struct vm_page *page);
/* Put a page with the contents its pager has: one that is not mapped, whatever was done to it
 * before. Else as vm_object_page_insert(). */
bool vm_object_page_insert_clean(struct vm_object *object, struct vm_page *page,
                                 vm_offset_t offset);
/* Move the page from one object into another, where there is none. Locks: of both. Returns: false
 * when out of memory, with nothing changed. */
bool vm_object_page_move(struct vm_object *from, struct vm_page *page, struct vm_object *to,
                         vm_offset_t offset);
/* Take the page out, unmap it everywhere and free it. */
void vm_object_page_free(struct vm_object *object, struct vm_page *page);
/* The first page at or after offset, below end; NULL when there is none. */
struct vm_page *vm_object_page_next(const struct vm_object *object, vm_offset_t offset,
                                    vm_offset_t end);
/* Free the pages in [start, end), except wired ones and those asked of the pager. */
void vm_object_page_free_range(struct vm_object *object, vm_offset_t start, vm_offset_t end);
/* Forget which pages in [start, end) the default pager has: they are zeroes, if they are not here.
 */
void vm_object_forget_paged(struct vm_object *object, vm_offset_t start, vm_offset_t end);
/* Take access to the pages in [start, end) away from all mappings. */
void vm_object_page_protect_range(struct vm_object *object, vm_offset_t start, vm_offset_t end,
                                  vm_prot_t prot);

/* A page that stands for one asked of the pager; NULL when out of memory. In the object it counts
 * in absent_count. */
struct vm_page *vm_object_absent_create(void);
void vm_object_absent_free(struct vm_page *page);

/* --- chains --- */

/* Find the page that `first` shows at offset: in it or in what it shadows. Locks: first->lock held;
 * on return hit->object is locked too. */
void vm_object_walk(struct vm_object *first, vm_offset_t offset, struct vm_object_hit *hit);
/* Unlock hit->object unless it is `first`. */
void vm_object_walk_done(struct vm_object *first, const struct vm_object_hit *hit);

/* Make what *object shows at [*offset, *offset + length) writable for one entry: a shadow in front,
 * or nothing when nobody else uses the object. Locks: the map of the entry. Refs: *object's moves
 * to the new *object. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE (nothing changed). */
kern_return_t vm_object_shadow(struct vm_object **object, vm_offset_t *offset, vm_size_t length);
/* Shorten the chain behind object: absorb shadows nobody else uses, step over those that add
 * nothing. Locks: object->lock held throughout. */
void vm_object_collapse(struct vm_object *object);
/* Number of objects from this one to the end of its chain. Locks: object->lock not held. */
unsigned vm_object_chain_length(struct vm_object *object);

/* A new object with copies of the pages that source shows at [offset, offset + size), which are not
 * paged out if it `stays`. Sleeps: for its pager. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE,
 * KERN_MEMORY_ERROR (a page its pager could not supply). Refs: caller owns *result. */
kern_return_t vm_object_copy_slowly(struct vm_object *source, vm_offset_t offset, vm_size_t size,
                                    bool stays, struct vm_object **result);
/* A new object that shows what source shows now, at the same offsets up to offset + size; source
 * pushes pages into it before they change. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. Refs:
 * caller owns *result. */
kern_return_t vm_object_copy_delayed(struct vm_object *source, vm_offset_t offset, vm_size_t size,
                                     struct vm_object **result);
/* Before the page of object at offset is written: put its contents into the delayed copy, if there
 * is one that lacks them. *version tells which copies have been served: the page may be written
 * while object->copy_version is that. Locks: takes those of the copy and of object. Returns:
 * KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_object_push(struct vm_object *object, vm_offset_t offset, uint64_t *version);

/* Objects alive now. */
uint64_t vm_object_count(void);

#endif
