/* sim_memory.c - the memory side of the simulated world: allocators that count, user memory,
 * copies. See sim.h. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vm/kmem.h"
#include "vm/slab.h"
#include "vm/vm_pageout.h"

int sim_fail_alloc_after = -1;
int sim_fail_map;
int sim_shortages;

static int64_t sim_pages; /* committed */
static int64_t sim_kallocs;
static int64_t sim_copies;

bool sim_memory_left(void)
{
    if (sim_pages == 0 && sim_kallocs == 0 && sim_copies == 0) {
        return false;
    }
    printf("left over: %ld pages, %ld bytes, %ld copies\n", (long)sim_pages, (long)sim_kallocs,
           (long)sim_copies);
    return true;
}

static bool sim_alloc_fails(void)
{
    if (sim_fail_alloc_after < 0) {
        return false;
    }
    if (sim_fail_alloc_after == 0) {
        return true;
    }
    sim_fail_alloc_after -= 1;
    return false;
}

void kmem_cache_init(struct kmem_cache *c, const char *name, size_t size, size_t align)
{
    memset(c, 0, sizeof(*c));
    c->name = name;
    c->size = size;
    c->align = align == 0 ? 8 : align;
}

void *kmem_cache_alloc_at_hand(struct kmem_cache *c)
{
    return kmem_cache_alloc(c);
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
    void *object;

    if (sim_alloc_fails()) {
        return NULL;
    }
    c->taken += 1;
    object = aligned_alloc(c->align < 16 ? 16 : c->align, (c->size + 63) & ~63ul);
    memset(object, 0xa5, c->size);
    return object;
}

void kmem_cache_free(struct kmem_cache *c, void *object)
{
    assert_true(c->taken > 0);
    c->taken -= 1;
    memset(object, 0x5a, c->size);
    free(object);
}

void kmem_cache_stats(struct kmem_cache *c, struct kmem_cache_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->live = c->taken;
}

void *kalloc(size_t size)
{
    void *object;

    if (size == 0 || sim_alloc_fails()) {
        return NULL;
    }
    sim_kallocs += (int64_t)size;
    object = malloc(size);
    memset(object, 0xa5, size);
    return object;
}

void *kalloc_zeroed(size_t size)
{
    void *object = kalloc(size);

    if (object != NULL) {
        memset(object, 0, size);
    }
    return object;
}

void kfree(void *pointer, size_t size)
{
    sim_kallocs -= (int64_t)size;
    free(pointer);
}

vm_offset_t kmem_va_alloc(vm_size_t size, vm_size_t align)
{
    void *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)align;
    return base == MAP_FAILED ? 0 : (vm_offset_t)base;
}

void kmem_va_free(vm_offset_t va, vm_size_t size)
{
    munmap((void *)va, size);
}

vm_offset_t kmem_slot_alloc(void)
{
    return kmem_va_alloc(KMEM_SLOT_SIZE, 0);
}

void kmem_slot_free(vm_offset_t va)
{
    kmem_va_free(va, KMEM_SLOT_SIZE);
}

kern_return_t kmem_commit(vm_offset_t va, vm_size_t size)
{
    assert_int_equal(va % PAGE_SIZE, 0);
    if (sim_alloc_fails()) {
        return KERN_RESOURCE_SHORTAGE;
    }
    if (mprotect((void *)va, size, PROT_READ | PROT_WRITE) != 0) {
        return KERN_RESOURCE_SHORTAGE;
    }
    sim_pages += (int64_t)(size / PAGE_SIZE);
    return KERN_SUCCESS;
}

void kmem_decommit(vm_offset_t va, vm_size_t size)
{
    sim_may_sleep("kmem_decommit");
    assert_int_equal(va % PAGE_SIZE, 0);
    mprotect((void *)va, size, PROT_NONE);
    madvise((void *)va, size, MADV_DONTNEED);
    sim_pages -= (int64_t)(size / PAGE_SIZE);
}

/* --- user memory: host pointers; page 0 and the kernel half are not valid --- */

static bool sim_user_ok(user_addr_t address, size_t size)
{
    return address >= PAGE_SIZE && user_range_is_valid(address, size);
}

kern_return_t copyin(user_addr_t source, void *destination, size_t size)
{
    sim_may_sleep("copyin");
    if (!sim_user_ok(source, size)) {
        return KERN_INVALID_ADDRESS;
    }
    memcpy(destination, (const void *)source, size);
    return KERN_SUCCESS;
}

kern_return_t copyout(const void *source, user_addr_t destination, size_t size)
{
    sim_may_sleep("copyout");
    if (!sim_user_ok(destination, size)) {
        return KERN_INVALID_ADDRESS;
    }
    memcpy((void *)destination, source, size);
    return KERN_SUCCESS;
}

struct vm_copy {
    vm_size_t size;
    char data[];
};

struct vm_copy *vm_copy_from_kernel(const void *data, vm_size_t size)
{
    struct vm_copy *copy;

    if (sim_alloc_fails()) {
        return NULL;
    }
    copy = malloc(sizeof(*copy) + size);
    copy->size = size;
    memcpy(copy->data, data, size);
    sim_copies += 1;
    return copy;
}

void vm_copy_discard(struct vm_copy *copy)
{
    sim_may_sleep("vm_copy_discard");
    sim_copies -= 1;
    free(copy);
}

vm_size_t vm_copy_size(const struct vm_copy *copy)
{
    return copy->size;
}

kern_return_t vm_copy_read(struct vm_copy *copy, vm_size_t offset, void *destination, vm_size_t n)
{
    if (offset > copy->size || n > copy->size - offset) {
        return KERN_INVALID_ARGUMENT;
    }
    memcpy(destination, copy->data + offset, n);
    return KERN_SUCCESS;
}

kern_return_t vm_map_copyin(struct vm_map *map, vm_offset_t address, vm_size_t size,
                            bool src_destroy, struct vm_copy **copy)
{
    (void)map;
    sim_may_sleep("vm_map_copyin");
    if (!sim_user_ok(address, size) || size > (1u << 30)) {
        return KERN_INVALID_ADDRESS;
    }
    *copy = vm_copy_from_kernel((const void *)address, size);
    if (*copy == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    if (src_destroy) {
        memset((void *)address, 0xdd, size);
    }
    return KERN_SUCCESS;
}

/* What is mapped stays allocated until the tests free it. */
kern_return_t vm_map_copyout(struct vm_map *map, vm_offset_t *address, struct vm_copy *copy)
{
    (void)map;
    sim_may_sleep("vm_map_copyout");
    if (sim_fail_map > 0) {
        sim_fail_map -= 1;
        return KERN_NO_SPACE;
    }
    if (sim_shortages > 0) {
        sim_shortages -= 1;
        return KERN_RESOURCE_SHORTAGE;
    }
    *address = (vm_offset_t)malloc(copy->size);
    memcpy((void *)*address, copy->data, copy->size);
    vm_copy_discard(copy);
    return KERN_SUCCESS;
}

/* Nobody frees any after a third try. */
bool vm_pageout_wait(struct vm_pageout_wait *wait)
{
    sim_may_sleep("vm_pageout_wait");
    wait->plenty += 1;
    return wait->plenty <= 3;
}

/* No port is a memory object's here. */
void memory_object_pager_died(struct ipc_port *control)
{
    (void)control;
}

void memory_object_proxy_no_senders(struct ipc_port *port)
{
    (void)port;
}
