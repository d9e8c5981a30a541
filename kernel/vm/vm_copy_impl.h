/* vm_copy_impl.h - what a copy of memory is made of: shared by the files that make and use copies.
 */
#ifndef VM_VM_COPY_IMPL_H
#define VM_VM_COPY_IMPL_H

#include "kern/list.h"
#include "vm/vm_map_impl.h"

enum vm_copy_kind {
    VM_COPY_BUFFER,  /* the bytes themselves */
    VM_COPY_ENTRIES, /* entries that tile [0, pages), in order */
};

/* A copy belongs to one holder at a time: no lock. */
struct vm_copy {
    enum vm_copy_kind kind;
    vm_size_t size;      /* bytes */
    vm_offset_t offset;  /* of the first byte in the first page (entries) */
    struct list entries; /* their start and end count from 0 */
    char data[];         /* the bytes (buffer) */
};

/* Once, after slab_bootstrap(). */
void vm_copy_bootstrap(void);
/* An empty copy by entries; NULL when out of memory. */
struct vm_copy *vm_copy_create(vm_size_t size, vm_offset_t offset);
/* Cut the entry of the copy that straddles `at`. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_copy_clip(struct vm_copy *copy, vm_offset_t at);
/* An entry [start, start + size) over a new object with pages filled from `data`, the rest of the
 * last page zeroed; NULL when out of memory. */
struct vm_map_entry *vm_copy_entry_from_bytes(vm_offset_t start, const char *data, vm_size_t size);

#endif
