/* kalloc.c - memory by size: up to 8 KiB from caches of fixed sizes, up to 64 KiB contiguous pages,
 * beyond that mapped pages.
 *
 * The caller names the size again when it frees, so no block needs a head. */
#include "vm/slab_impl.h"

#include "arch/layout.h"
#include "kern/assert.h"
#include "kern/string.h"
#include "vm/kmem.h"
#include "vm/vm_page.h"

#define KALLOC_CLASSES    16u
#define KALLOC_SLAB_MAX   8192u
#define KALLOC_CONTIG_MAX 65536u

static const uint16_t kalloc_sizes[KALLOC_CLASSES] = {16,  32,  48,  64,   96,   128,  192,  256,
                                                      384, 512, 768, 1024, 1536, 2048, 4096, 8192};
static const char *const kalloc_names[KALLOC_CLASSES] = {
    "kalloc_16",   "kalloc_32",   "kalloc_48",   "kalloc_64",  "kalloc_96",  "kalloc_128",
    "kalloc_192",  "kalloc_256",  "kalloc_384",  "kalloc_512", "kalloc_768", "kalloc_1024",
    "kalloc_1536", "kalloc_2048", "kalloc_4096", "kalloc_8192"};
static struct kmem_cache kalloc_caches[KALLOC_CLASSES];

void slab_bootstrap(void)
{
    for (unsigned i = 0; i < KALLOC_CLASSES; i += 1) {
        kmem_cache_init(&kalloc_caches[i], kalloc_names[i], kalloc_sizes[i], 16);
    }
}

/* Classes double with one step between: 2^n and 1.5 * 2^n. */
static struct kmem_cache *kalloc_cache(size_t size)
{
    unsigned i = 0;

    while (kalloc_sizes[i] < size) {
        i += 1;
    }
    return &kalloc_caches[i];
}

static uint64_t kalloc_pages(size_t size)
{
    return (size + PAGE_MASK) >> PAGE_SHIFT;
}

static void *kalloc_for(size_t size, const void *caller)
{
    struct vm_page *page;

    if (size == 0) {
        return NULL;
    }
    if (size <= KALLOC_SLAB_MAX) {
        return kmem_cache_alloc_for(kalloc_cache(size), caller);
    }
    if (size > KALLOC_CONTIG_MAX) {
        return kmem_alloc(size);
    }
    page = vm_page_alloc_contig(kalloc_pages(size), 0, 0, 0, 0);
    return page == NULL ? NULL : vm_page_to_virt(page);
}

void *kalloc(size_t size)
{
    return kalloc_for(size, __builtin_return_address(0));
}

void *kalloc_zeroed(size_t size)
{
    void *pointer = kalloc_for(size, __builtin_return_address(0));

    if (pointer != NULL && size <= KALLOC_CONTIG_MAX) {
        memset(pointer, 0, size);
    }
    return pointer;
}

void kfree(void *pointer, size_t size)
{
    struct vm_page *page;

    if (pointer == NULL || size == 0) {
        return;
    }
    if (size <= KALLOC_SLAB_MAX) {
        kmem_cache_free_for(kalloc_cache(size), pointer, __builtin_return_address(0));
        return;
    }
    if (size > KALLOC_CONTIG_MAX) {
        kmem_free(pointer, size);
        return;
    }
    page = vm_page_from_phys(virt_to_phys(pointer));
    if (page == NULL || page->slab != NULL) {
        panic("kfree of %zu bytes at %p: not a run of pages", size, pointer);
    }
    vm_page_free_contig(page, kalloc_pages(size));
}
