/* fake_pmap.c - a page table for the tests: a hash of mappings, the reverse map in the pages, and a
 * check that nothing mapped is stale. */
#define _GNU_SOURCE
#include "fake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arch/pmap.h"
#include "ddb/vm_check.h"
#include "kern/assert.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

#define BUCKETS 256u

struct mapping {
    struct mapping *next;
    vm_offset_t va;
    phys_addr_t phys;
    vm_prot_t prot;
};

struct pmap {
    struct mapping *buckets[BUCKETS];
    uint64_t count;
    bool kernel;
};

uint64_t fake_pmap_count;
long fake_enter_budget = -1;
extern int fake_memory_fd;

static struct pmap fake_kernel_pmap = {.kernel = true};
static pthread_mutex_t fake_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

struct pmap *pmap_kernel(void)
{
    return &fake_kernel_pmap;
}

struct pmap *pmap_create(void)
{
    __atomic_fetch_add(&fake_pmap_count, 1, __ATOMIC_RELAXED);
    return calloc(1, sizeof(struct pmap));
}

void pmap_destroy(struct pmap *pmap)
{
    if (pmap->count != 0) {
        panic("pmap destroyed with %lu mappings", (unsigned long)pmap->count);
    }
    __atomic_fetch_sub(&fake_pmap_count, 1, __ATOMIC_RELAXED);
    free(pmap);
}

static struct mapping **fake_slot(struct pmap *pmap, vm_offset_t va)
{
    struct mapping **slot = &pmap->buckets[(va >> PAGE_SHIFT) % BUCKETS];

    while (*slot != NULL && (*slot)->va != va) {
        slot = &(*slot)->next;
    }
    return slot;
}

/* --- dirty and referenced: of a page, whatever mapping it was --- */

#define FAKE_MODIFIED   1u
#define FAKE_REFERENCED 2u

static uint8_t fake_bits[FAKE_PHYS_SIZE / PAGE_SIZE];

static uint8_t *fake_page_bits(phys_addr_t phys)
{
    return &fake_bits[phys / PAGE_SIZE % (FAKE_PHYS_SIZE / PAGE_SIZE)];
}

bool pmap_is_modified(struct vm_page *page)
{
    return (*fake_page_bits(vm_page_to_phys(page)) & FAKE_MODIFIED) != 0;
}

void pmap_clear_modified(struct vm_page *page)
{
    *fake_page_bits(vm_page_to_phys(page)) &= (uint8_t)~FAKE_MODIFIED;
}

bool pmap_is_referenced(struct vm_page *page)
{
    return (*fake_page_bits(vm_page_to_phys(page)) & FAKE_REFERENCED) != 0;
}

void pmap_forget_page(struct vm_page *page)
{
    *fake_page_bits(vm_page_to_phys(page)) = 0;
}

void pmap_clear_referenced(struct vm_page *page)
{
    *fake_page_bits(vm_page_to_phys(page)) &= (uint8_t)~FAKE_REFERENCED;
}

/* --- reverse map --- */

static void fake_pv_insert(struct vm_page *page, struct pmap *pmap, vm_offset_t va)
{
    if (page->pv.pmap != NULL) {
        struct pv_entry *old = malloc(sizeof(*old));

        *old = page->pv;
        page->pv.next = old;
    } else {
        page->pv.next = NULL;
    }
    page->pv.pmap = pmap;
    page->pv.va = va;
}

static void fake_pv_remove(struct vm_page *page, struct pmap *pmap, vm_offset_t va)
{
    struct pv_entry **link = &page->pv.next;
    struct pv_entry *next = page->pv.next;

    if (page->pv.pmap == pmap && page->pv.va == va) {
        if (next == NULL) {
            page->pv.pmap = NULL;
        } else {
            page->pv = *next;
            free(next);
        }
        return;
    }
    while (*link != NULL && ((*link)->pmap != pmap || (*link)->va != va)) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        panic("mapping of %#lx is not in the reverse map", (unsigned long)va);
    }
    next = *link;
    *link = next->next;
    free(next);
}

static void fake_remove(struct pmap *pmap, struct mapping **slot)
{
    struct mapping *mapping = *slot;

    *slot = mapping->next;
    if (vm_page_from_phys(mapping->phys) != NULL) {
        fake_pv_remove(vm_page_from_phys(mapping->phys), pmap, mapping->va);
    }
    if (pmap->kernel) {
        mmap((void *)mapping->va, PAGE_SIZE, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    }
    pmap->count -= 1;
    free(mapping);
}

static void fake_insert(struct pmap *pmap, vm_offset_t va, phys_addr_t phys)
{
    struct mapping **bucket = &pmap->buckets[(va >> PAGE_SHIFT) % BUCKETS];
    struct mapping *mapping = calloc(1, sizeof(*mapping));

    mapping->va = va;
    mapping->phys = phys;
    mapping->next = *bucket;
    *bucket = mapping;
    if (vm_page_from_phys(phys) != NULL) {
        fake_pv_insert(vm_page_from_phys(phys), pmap, va);
    }
    pmap->count += 1;
    if (pmap->kernel && mmap((void *)va, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                             fake_memory_fd, (off_t)phys) == MAP_FAILED) {
        panic("mmap for the kernel map failed");
    }
}

/* What is mapped there already needs no more memory. */
kern_return_t pmap_enter(struct pmap *pmap, vm_offset_t va, phys_addr_t phys, vm_prot_t prot,
                         unsigned flags)
{
    struct mapping **slot;
    struct vm_page *page = vm_page_from_phys(phys);

    (void)flags;
    pthread_mutex_lock(&fake_lock);
    if ((page == NULL ? phys < FAKE_DEVICE : page->state != VM_PAGE_STATE_USED) ||
        ((va | phys) & PAGE_MASK) != 0) {
        panic("pmap_enter of %#lx at %#lx: not a page in use", (unsigned long)phys,
              (unsigned long)va);
    }
    slot = fake_slot(pmap, va);
    if (*slot != NULL && (*slot)->phys != phys) {
        fake_remove(pmap, slot);
        slot = fake_slot(pmap, va);
    }
    if (*slot == NULL && fake_enter_budget == 0) {
        pthread_mutex_unlock(&fake_lock);
        return KERN_RESOURCE_SHORTAGE;
    }
    fake_enter_budget -= fake_enter_budget > 0;
    if (*slot == NULL) {
        fake_insert(pmap, va, phys);
        slot = fake_slot(pmap, va);
    }
    (*slot)->prot = prot;
    pthread_mutex_unlock(&fake_lock);
    return KERN_SUCCESS;
}

uint64_t pmap_resident_count(const struct pmap *pmap)
{
    return pmap->count;
}

void pmap_enter_batch(struct pmap *pmap, vm_offset_t va, struct vm_page *const *pages, unsigned n,
                      vm_prot_t prot)
{
    for (unsigned i = 0; i < n; i++, va += PAGE_SIZE) {
        phys_addr_t phys;

        if (pages[i] != NULL && vm_page_is_at_rest(pages[i]) && !pmap_extract(pmap, va, &phys) &&
            pmap_enter(pmap, va, vm_page_to_phys(pages[i]), prot, 0) != KERN_SUCCESS) {
            return;
        }
    }
}

/* Page by page: what is large is not seen here. */
kern_return_t pmap_enter_large(struct pmap *pmap, vm_offset_t va, phys_addr_t phys, vm_prot_t prot,
                               unsigned flags)
{
    phys_addr_t there;

    for (vm_offset_t i = 0; i < LARGE_PAGE_SIZE; i += PAGE_SIZE) {
        if (pmap_extract(pmap, va + i, &there)) {
            return KERN_INVALID_ARGUMENT;
        }
    }
    if (((va | phys) & (LARGE_PAGE_SIZE - 1)) != 0) {
        panic("pmap_enter_large of %#lx at %#lx", (unsigned long)phys, (unsigned long)va);
    }
    if (fake_enter_budget == 0) {
        return KERN_RESOURCE_SHORTAGE;
    }
    for (vm_offset_t i = 0; i < LARGE_PAGE_SIZE; i += PAGE_SIZE) {
        (void)pmap_enter(pmap, va + i, phys + i, prot, flags);
    }
    return KERN_SUCCESS;
}

void pmap_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
    pthread_mutex_lock(&fake_lock);
    for (unsigned i = 0; i < BUCKETS && pmap->count != 0; i += 1) {
        struct mapping **slot = &pmap->buckets[i];

        while (*slot != NULL) {
            if ((*slot)->va >= start && (*slot)->va < end) {
                (*slot)->prot &= prot;
                if ((*slot)->prot == VM_PROT_NONE) {
                    fake_remove(pmap, slot);
                    continue;
                }
            }
            slot = &(*slot)->next;
        }
    }
    pthread_mutex_unlock(&fake_lock);
}

void pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
    pmap_protect(pmap, start, end, VM_PROT_NONE);
}

bool pmap_extract(struct pmap *pmap, vm_offset_t va, phys_addr_t *phys)
{
    struct mapping **slot;
    bool found;

    pthread_mutex_lock(&fake_lock);
    slot = fake_slot(pmap, va & ~PAGE_MASK);
    found = *slot != NULL;
    if (found) {
        *phys = (*slot)->phys;
    }
    pthread_mutex_unlock(&fake_lock);
    return found;
}

void pmap_page_protect(struct vm_page *page, vm_prot_t prot)
{
    pthread_mutex_lock(&fake_lock);
    if (prot == VM_PROT_NONE) {
        while (page->pv.pmap != NULL) {
            fake_remove(page->pv.pmap, fake_slot(page->pv.pmap, page->pv.va));
        }
    } else if (page->pv.pmap != NULL) {
        for (struct pv_entry *pv = &page->pv; pv != NULL; pv = pv->next) {
            (*fake_slot(pv->pmap, pv->va))->prot &= prot;
        }
    }
    pthread_mutex_unlock(&fake_lock);
}

void pmap_zero_page(phys_addr_t phys)
{
    memset(phys_to_virt(phys), 0, PAGE_SIZE);
}

void pmap_copy_page(phys_addr_t source, phys_addr_t destination)
{
    memcpy(phys_to_virt(destination), phys_to_virt(source), PAGE_SIZE);
}

/* --- what tests use --- */

uint64_t fake_mapping_count(struct vm_map *map)
{
    return map->pmap->count;
}

static void fake_check_mapping(struct vm_map *map, const struct mapping *mapping)
{
    struct vm_map_entry *entry = vm_map_entry_lookup(map, mapping->va);
    struct vm_object_hit hit;
    vm_prot_t allowed;

    if (entry == NULL || entry->object == NULL) {
        panic("stale mapping at %#lx: nothing is mapped there", (unsigned long)mapping->va);
    }
    allowed = entry->protection;
    if (mapping->phys >= FAKE_DEVICE) {
        return;
    }
    spin_lock(&entry->object->lock);
    vm_object_walk(entry->object, entry->offset + (mapping->va - entry->start), &hit);
    if (hit.depth != 0 || entry->needs_copy) {
        allowed &= ~VM_PROT_WRITE;
    }
    if (hit.page == NULL || (hit.page->flags & VM_PAGE_ABSENT) != 0 ||
        vm_page_to_phys(hit.page) != mapping->phys) {
        panic("stale mapping at %#lx: another page belongs there", (unsigned long)mapping->va);
    }
    allowed &= ~(vm_prot_t)(hit.page->access_lock & VM_PAGE_LOCKED);
    if ((mapping->prot & ~allowed) != 0) {
        panic("mapping at %#lx is too wide: %x, allowed %x", (unsigned long)mapping->va,
              (unsigned)mapping->prot, (unsigned)allowed);
    }
    vm_object_walk_done(entry->object, &hit);
    spin_unlock(&entry->object->lock);
}

void fake_check_map(struct vm_map *map)
{
    vm_check_map(map);
    mutex_lock(&map->lock);
    for (unsigned i = 0; i < BUCKETS; i += 1) {
        for (struct mapping *mapping = map->pmap->buckets[i]; mapping != NULL;
             mapping = mapping->next) {
            fake_check_mapping(map, mapping);
        }
    }
    mutex_unlock(&map->lock);
}

struct vm_map *fake_map(void)
{
    return vm_map_create(pmap_create(), VM_MIN_ADDRESS, VM_MAX_ADDRESS);
}

/* One access through the page table: false when it must fault first. */
static bool fake_access(struct vm_map *map, vm_offset_t va, vm_prot_t access, uint8_t *value)
{
    struct mapping *mapping;
    bool allowed;

    pthread_mutex_lock(&fake_lock);
    mapping = *fake_slot(map->pmap, va & ~PAGE_MASK);
    allowed = mapping != NULL && (access & ~mapping->prot) == 0;
    if (allowed) {
        uint8_t *byte = (uint8_t *)phys_to_virt(mapping->phys) + (va & PAGE_MASK);

        *fake_page_bits(mapping->phys) |=
            access == VM_PROT_WRITE ? FAKE_MODIFIED | FAKE_REFERENCED : FAKE_REFERENCED;
        if (access == VM_PROT_WRITE) {
            *byte = *value;
        } else {
            *value = *byte;
        }
    }
    pthread_mutex_unlock(&fake_lock);
    return allowed;
}

static kern_return_t fake_access_loop(struct vm_map *map, vm_offset_t va, vm_prot_t access,
                                      uint8_t *value)
{
    for (unsigned tries = 0; !fake_access(map, va, access, value); tries += 1) {
        kern_return_t kr = vm_fault(map, va, access);

        if (kr != KERN_SUCCESS) {
            return kr;
        }
        if (tries == 10000) {
            panic("fault at %#lx makes no progress", (unsigned long)va);
        }
    }
    return KERN_SUCCESS;
}

kern_return_t fake_read(struct vm_map *map, vm_offset_t va, uint8_t *value)
{
    return fake_access_loop(map, va, VM_PROT_READ, value);
}

kern_return_t fake_write(struct vm_map *map, vm_offset_t va, uint8_t value)
{
    return fake_access_loop(map, va, VM_PROT_WRITE, &value);
}

uint8_t peek(struct vm_map *map, vm_offset_t va)
{
    uint8_t value = 0;

    ok(fake_read(map, va, &value));
    return value;
}

void poke(struct vm_map *map, vm_offset_t va, uint8_t value)
{
    ok(fake_write(map, va, value));
}

vm_offset_t fake_allocate(struct vm_map *map, vm_size_t size)
{
    vm_offset_t address = 0;

    ok(vm_allocate(map, &address, size, true));
    return address;
}
