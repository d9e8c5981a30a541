/* pmap_ept_test.c - page tables of Intel's extended format, on any processor: what is in their
 * entries, and what becomes of it. */
#include "arch/pmap_ept.h"
#include "arch/pmap_nested.h"
#include "ddb/ktest.h"
#include "vm/vm_page.h"

#define VA       0x400000000ul
#define ACCESSED (1ul << 8) /* Intel SDM volume 3C, table 29-6 */
#define DIRTY    (1ul << 9)
#define RWX      7ul
#define TYPE     0x78ul /* of memory, and that the guest's PAT does not count */
#define CACHED   0x70ul

/* The entry for an address, or 0. */
static uint64_t *entry_of(struct pmap *pmap, uint64_t va)
{
    uint64_t *directory;
    uint64_t *entry;

    spin_lock(&pmap->lock);
    entry = pmap_find_entry(pmap, va, &directory);
    spin_unlock(&pmap->lock);
    return entry;
}

KTEST(pmap, an_extended_entry_grants_what_its_protection_says)
{
    struct pmap *pmap = pmap_create_nested(true);
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);
    phys_addr_t phys = vm_page_to_phys(page);

    EXPECT_EQ(pmap_enter(pmap, VA, phys, VM_PROT_READ, 0), KERN_SUCCESS);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE | PTE_FRAME), phys | 1 | CACHED);
    EXPECT_EQ(pmap_enter(pmap, VA, phys, VM_PROT_ALL, 0), KERN_SUCCESS);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE | PTE_FRAME), phys | RWX | CACHED);
    EXPECT_EQ(pmap_enter(pmap, VA, phys, VM_PROT_ALL, PMAP_NOCACHE), KERN_SUCCESS);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE | PTE_FRAME), phys | RWX | 0x40);
    EXPECT_EQ(pmap_enter(pmap, VA, phys, VM_PROT_ALL, PMAP_WC), KERN_SUCCESS);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE | PTE_FRAME), phys | RWX | 0x48);
    EXPECT_EQ(pmap->pml4[VA >> 39] & 0xfff, RWX); /* a table: no type, nothing reserved */
    EXPECT_EQ(*entry_of(pmap, VA) & (ACCESSED | DIRTY), 0);
    pmap_remove(pmap, VA, VA + PAGE_SIZE);
    pmap_destroy(pmap);
    vm_page_free(page);
}

KTEST(pmap, rights_are_taken_from_extended_entries)
{
    struct pmap *pmap = pmap_create_nested(true);
    struct pmap *ordinary = pmap_create();
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);
    phys_addr_t phys = vm_page_to_phys(page);
    uint64_t flushes;

    EXPECT_EQ(pmap_enter(pmap, VA, phys, VM_PROT_ALL, 0), KERN_SUCCESS);
    flushes = pmap->flushes;
    pmap_protect(pmap, VA, VA + PAGE_SIZE, VM_PROT_READ | VM_PROT_EXECUTE);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE), 5 | CACHED);
    EXPECT_EQ(pmap->flushes, flushes + 1);
    pmap_protect(pmap, VA, VA + PAGE_SIZE, VM_PROT_READ);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE), 1 | CACHED);
    EXPECT_EQ(pmap_enter(pmap, VA, phys, VM_PROT_ALL, 0), KERN_SUCCESS);
    EXPECT_EQ(pmap_enter(ordinary, VA, phys, VM_PROT_ALL, 0), KERN_SUCCESS);
    pmap_page_protect(page, VM_PROT_READ);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE), 1 | CACHED);
    EXPECT_EQ(*entry_of(ordinary, VA) & (RWX | PTE_NX), PTE_PRESENT | PTE_USER | PTE_NX);
    pmap_page_protect(page, VM_PROT_NONE);
    EXPECT_EQ(*entry_of(pmap, VA), 0);
    pmap_destroy(pmap);
    pmap_destroy(ordinary);
    vm_page_free(page);
}

KTEST(pmap, what_is_noted_in_an_extended_entry_is_found_and_forgotten)
{
    struct pmap *pmap = pmap_create_nested(true);
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    EXPECT_EQ(pmap_enter(pmap, VA, vm_page_to_phys(page), VM_PROT_ALL, 0), KERN_SUCCESS);
    EXPECT_TRUE(!pmap_is_modified(page) && !pmap_is_referenced(page));
    *entry_of(pmap, VA) |= ACCESSED;
    EXPECT_TRUE(!pmap_is_modified(page) && pmap_is_referenced(page));
    *entry_of(pmap, VA) |= DIRTY;
    EXPECT_TRUE(pmap_is_modified(page));
    pmap_clear_modified(page);
    pmap_clear_referenced(page);
    EXPECT_EQ(*entry_of(pmap, VA) & (ACCESSED | DIRTY | RWX | TYPE), RWX | CACHED);
    EXPECT_TRUE(!pmap_is_modified(page) && !pmap_is_referenced(page));
    *entry_of(pmap, VA) |= DIRTY;
    EXPECT_EQ(pmap_enter(pmap, VA, vm_page_to_phys(page), VM_PROT_READ, 0), KERN_SUCCESS);
    EXPECT_TRUE(pmap_is_modified(page));
    pmap_remove(pmap, VA, VA + PAGE_SIZE);
    EXPECT_TRUE(pmap_is_modified(page)); /* though the mapping is gone */
    pmap_destroy(pmap);
    pmap_forget_page(page);
    vm_page_free(page);
}

KTEST(pmap, a_large_extended_mapping_is_split_as_it_is)
{
    struct pmap *pmap = pmap_create_nested(true);
    struct vm_page *pages = vm_page_alloc_contig(512, 9, 0, 0, 0);
    phys_addr_t phys = vm_page_to_phys(pages);

    EXPECT_EQ(pmap_enter_large(pmap, VA, phys, VM_PROT_ALL, 0), KERN_SUCCESS);
    pmap_protect(pmap, VA + PAGE_SIZE, VA + 2 * PAGE_SIZE, VM_PROT_READ);
    EXPECT_EQ(*entry_of(pmap, VA) & (RWX | TYPE | PTE_FRAME), phys | RWX | CACHED);
    EXPECT_EQ(*entry_of(pmap, VA) & (ACCESSED | DIRTY), ACCESSED | DIRTY); /* it may have been */
    EXPECT_EQ(*entry_of(pmap, VA + PAGE_SIZE) & (RWX | TYPE | PTE_FRAME),
              (phys + PAGE_SIZE) | 1 | CACHED);
    pmap_remove(pmap, VA, VA + LARGE_PAGE_SIZE);
    pmap_destroy(pmap);
    vm_page_free_contig(pages, 512);
}
