/* pager.h - the pager library: memory objects whose pages this program reads and writes.
 *
 * A memory object is a port. Who has a send right to it maps it (vm_map), and when its pages are
 * touched the kernel asks here for them: read_page fills a page, write_page keeps one that was
 * changed. The server loop receives the kernel's messages; pager_demux hands them on:
 *
 *     static boolean_t demux(mach_msg_header_t *in, mach_msg_header_t *out)
 *     {
 *         return pager_demux(in, out) || hello_server(in, out);
 *     }
 *     struct server server = {.receive = set, .demux = demux, .no_senders = pager_no_senders};
 *
 * One thread serves a set (server.threads is 0): what the kernel says about an object is to be done
 * in order, or a page would be read before its changes were written. For more threads make more
 * sets, with a loop each, and spread the objects over them. A page that takes long does not hold
 * the others up when read_page returns PAGER_LATER, and any thread answers afterwards.
 *
 * Who has a send right to the object can send it what the kernel sends. Messages without the
 * kernel's right to the control port are given back, so the worst that a client does is to come
 * before the kernel, when the object is new: then it is of no use to those who share it with that
 * client, and to nobody else. */
#ifndef PORTOLAN_PAGER_H
#define PORTOLAN_PAGER_H

#include <mach/mach.h>
#include <mach/memory_object.h>
#include <stdbool.h>
#include <stdint.h>

/* What read_page returns besides KERN_SUCCESS and errors. */
#define PAGER_LATER   (-401) /* pager_supply, pager_unavailable or pager_error follows */
#define PAGER_NO_DATA (-402) /* there is nothing: zeroes */

struct pager;

/* What a pager does. Each is called by the thread that serves the object's set, with no lock. */
struct pager_ops {
    /* Fill the page, which has zeroes, with what is at offset. Returns: KERN_SUCCESS, PAGER_LATER,
     * PAGER_NO_DATA, or an error: who touched the page gets an exception. */
    kern_return_t (*read_page)(struct pager *pager, void *context, vm_offset_t offset, void *page);
    /* Keep a changed page, which is the library's. NULL: changes are thrown away. */
    kern_return_t (*write_page)(struct pager *pager, void *context, vm_offset_t offset,
                                const void *page);
    /* Instead of the two above, whole pages at a time. All of what is read is answered as after
     * PAGER_LATER, at once or later; access is what it is wanted for. */
    void (*read_range)(struct pager *pager, void *context, vm_offset_t offset, vm_size_t size,
                       vm_prot_t access);
    void (*write_range)(struct pager *pager, void *context, vm_offset_t offset, vm_size_t size,
                        const void *pages);
    /* Somebody needs access that is locked. Returns: KERN_SUCCESS (it is unlocked), PAGER_LATER
     * (pager_restrict follows), or an error (it stays locked). NULL: it is unlocked. */
    kern_return_t (*unlock_page)(struct pager *pager, void *context, vm_offset_t offset,
                                 vm_prot_t access);
    /* The range was copied (strategy CALL): make `object`, a receive right that is the callee's on
     * KERN_SUCCESS, look like it, with pager_adopt. NULL: copies are refused. */
    kern_return_t (*copy)(struct pager *pager, void *context, vm_offset_t offset, vm_size_t size,
                          mach_port_t object);
    /* Nobody can use the object any more; the pager is gone when this returns. May be NULL. */
    void (*end)(struct pager *pager, void *context);
};

struct pager_attributes {
    bool may_cache; /* the kernel keeps pages while nobody maps the object */
    memory_object_copy_strategy_t copy_strategy;
    /* Pages read around one that is asked for, a power of two; 0 or 1: what is asked for alone.
     * Only of objects without write_page: a page nobody asked for could be older than changes that
     * are on their way here. */
    unsigned cluster;
    vm_prot_t lock; /* access that pages are locked against at first */
};

/* A new memory object whose messages come in on the set. ops stays the caller's, and must outlive
 * the object. It ends when it has had a send right and none is left: the kernel's count, too.
 * Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE, and those of server_object_create. */
kern_return_t pager_create(mach_port_t set, const struct pager_ops *ops, void *context,
                           const struct pager_attributes *attributes, struct pager **pager);
/* The same for a receive right there is, which is the pager's on KERN_SUCCESS.
 * Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE, and those of mach_port_move_member. */
kern_return_t pager_adopt(mach_port_t set, const struct pager_ops *ops, void *context,
                          const struct pager_attributes *attributes, mach_port_t receive,
                          struct pager **pager);
/* The object's port: rights to it are made with MACH_MSG_TYPE_MAKE_SEND. */
mach_port_t pager_port(const struct pager *pager);
/* Map [offset, offset + size) into the task at *address, or anywhere when that is 0.
 * Returns: those of vm_map and mach_port_insert_right. */
kern_return_t pager_map(const struct pager *pager, mach_port_t task, vm_address_t *address,
                        vm_size_t size, vm_offset_t offset, vm_prot_t protection);
/* Have the kernel forget the object with all its pages, changed ones too. Who has it mapped gets
 * exceptions; it can be mapped anew. Returns: KERN_SUCCESS, KERN_FAILURE (it is not in use). */
kern_return_t pager_destroy(struct pager *pager);

/* --- answers to PAGER_LATER; by any thread --- */

/* Whole pages for offset; with deallocate they move. Nothing happens when the kernel does not know
 * the object any more. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no whole pages). Memory that
 * is to be deallocated is gone in any case. */
kern_return_t pager_supply(struct pager *pager, vm_offset_t offset, void *data, vm_size_t size,
                           bool deallocate);
/* The same, with the access that these pages are locked against. Returns: as pager_supply. */
kern_return_t pager_supply_locked(struct pager *pager, vm_offset_t offset, void *data,
                                  vm_size_t size, bool deallocate, vm_prot_t lock);
/* There is nothing: zeroes. */
void pager_unavailable(struct pager *pager, vm_offset_t offset, vm_size_t size);
/* Whoever touched the range gets an exception. */
void pager_error(struct pager *pager, vm_offset_t offset, vm_size_t size, kern_return_t code);

/* --- what the kernel has in memory; by any thread --- */

/* When one of these returns, the kernel has sent the changed pages: write_page is called for each
 * once the thread that serves the set comes to it. They fail with KERN_FAILURE when the object is
 * not in use, or the kernel refused: no whole pages, no memory. */

/* Have changed pages written, which stay in memory. Returns: KERN_SUCCESS, KERN_FAILURE. */
kern_return_t pager_clean(struct pager *pager, vm_offset_t offset, vm_size_t size);
/* Have changed pages written, and all forgotten. Returns: KERN_SUCCESS, KERN_FAILURE. */
kern_return_t pager_flush(struct pager *pager, vm_offset_t offset, vm_size_t size);
/* Have all pages forgotten, changed ones too. Returns: KERN_SUCCESS, KERN_FAILURE. */
kern_return_t pager_discard(struct pager *pager, vm_offset_t offset, vm_size_t size);
/* Wait until the thread that serves the set, which is not the caller's, has come to everything the
 * kernel had sent about the object before. Returns: KERN_SUCCESS, and those of mach_msg. */
kern_return_t pager_barrier(struct pager *pager);
/* Lock the pages that are in memory against this access; VM_PROT_NONE unlocks them. Returns:
 * KERN_SUCCESS, KERN_FAILURE. */
kern_return_t pager_restrict(struct pager *pager, vm_offset_t offset, vm_size_t size,
                             vm_prot_t lock);
/* Other attributes from now on; cluster and lock too. */
void pager_change(struct pager *pager, const struct pager_attributes *attributes);

/* --- for the server loop --- */

/* Serve a message of the kernel to one of the objects; FALSE when it is none. */
boolean_t pager_demux(mach_msg_header_t *in, mach_msg_header_t *out);
/* For server.no_senders: ends objects that nobody has. Ports of others are ignored. */
void pager_no_senders(uint64_t port, mach_port_mscount_t mscount);

#endif
