/* pmap_test.c - page tables on the real processor. */
#include "arch/cpu_features.h"
#include "arch/io.h"
#include "arch/pmap.h"
#include "arch/pmap_setup.h"
#include "ddb/ktest.h"
#include "vm/vm_page.h"

#define VA 0x400000000ul

KTEST(pmap, no_kernel_page_is_writable_and_executable)
{
    EXPECT_TRUE(pmap_setup_check() >
                10); /* panics when one is; the kernel text itself is executable */
}

KTEST(pmap, an_entered_page_is_found_and_a_removed_one_is_not)
{
    struct pmap *pmap = pmap_create();
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);
    phys_addr_t phys = 0;

    EXPECT_EQ(pmap_enter(pmap, VA, vm_page_to_phys(page), VM_PROT_READ, 0), KERN_SUCCESS);
    EXPECT_TRUE(pmap_extract(pmap, VA + 5, &phys));
    EXPECT_EQ(phys, vm_page_to_phys(page) + 5);
    EXPECT_EQ(pmap_resident_count(pmap), 1);
    pmap_remove(pmap, VA, VA + PAGE_SIZE);
    EXPECT_TRUE(!pmap_extract(pmap, VA, &phys));
    EXPECT_EQ(pmap_resident_count(pmap), 0);
    pmap_destroy(pmap);
    vm_page_free(page);
}

KTEST(pmap, an_address_space_whose_pages_were_taken_away_can_be_destroyed)
{
    struct pmap *pmap = pmap_create();
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    EXPECT_EQ(pmap_enter(pmap, VA, vm_page_to_phys(page), VM_PROT_READ, 0), KERN_SUCCESS);
    pmap_page_protect(page, VM_PROT_NONE); /* leaves the tables, empty */
    EXPECT_EQ(pmap_resident_count(pmap), 0);
    pmap_destroy(pmap);
    vm_page_free(page);
}

KTEST(pmap, page_tables_are_given_back_when_they_become_empty)
{
    struct pmap *pmap = pmap_create();
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);
    uint64_t before = vm_page_free_count();

    for (uint64_t i = 0; i < 20; i++) {
        EXPECT_EQ(pmap_enter(pmap, VA + i * 0x40000000ul, vm_page_to_phys(page), VM_PROT_READ, 0),
                  KERN_SUCCESS);
    }
    EXPECT_TRUE(vm_page_free_count() < before - 20);
    pmap_remove(pmap, 0, VM_MAX_ADDRESS);
    EXPECT_EQ(vm_page_free_count(), before);
    pmap_destroy(pmap);
    vm_page_free(page);
}

KTEST(pmap, a_batch_enters_what_is_given_where_nothing_is_mapped)
{
    struct pmap *pmap = pmap_create();
    struct pmap *other = pmap_create();
    struct vm_page *pages[8];
    struct vm_page *mapped = vm_page_alloc(VM_PAGE_ZERO);
    phys_addr_t phys = 0;

    for (unsigned i = 0; i < 8; i++) {
        pages[i] = i == 2 ? NULL : vm_page_alloc(VM_PAGE_ZERO);
    }
    EXPECT_EQ(pmap_enter(pmap, VA + 5 * PAGE_SIZE, vm_page_to_phys(mapped), VM_PROT_READ, 0),
              KERN_SUCCESS);
    pmap_enter_batch(pmap, VA, pages, 8, VM_PROT_READ);
    pmap_enter_batch(other, VA, pages, 8, VM_PROT_READ); /* the second mapping of each */
    EXPECT_EQ(pmap_resident_count(pmap), 7);
    EXPECT_EQ(pmap_resident_count(other), 7);
    EXPECT_TRUE(!pmap_extract(pmap, VA + 2 * PAGE_SIZE, &phys));
    EXPECT_TRUE(pmap_extract(pmap, VA + 5 * PAGE_SIZE, &phys));
    EXPECT_EQ(phys, vm_page_to_phys(mapped));
    EXPECT_TRUE(pmap_extract(pmap, VA + 7 * PAGE_SIZE, &phys));
    EXPECT_EQ(phys, vm_page_to_phys(pages[7]));
    pmap_page_protect(pages[7], VM_PROT_NONE);
    EXPECT_EQ(pmap_resident_count(pmap), 6);
    EXPECT_EQ(pmap_resident_count(other), 6);
    pmap_remove(pmap, VA, VA + 8 * PAGE_SIZE);
    pmap_remove(other, VA, VA + 8 * PAGE_SIZE);
    EXPECT_EQ(pmap_resident_count(pmap) + pmap_resident_count(other), 0);
    pmap_destroy(pmap);
    pmap_destroy(other);
    for (unsigned i = 0; i < 8; i++) {
        if (pages[i] != NULL) {
            vm_page_free(pages[i]);
        }
    }
    vm_page_free(mapped);
}

KTEST(pmap, page_protect_none_removes_every_mapping_of_a_page)
{
    struct pmap *a = pmap_create();
    struct pmap *b = pmap_create();
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);
    phys_addr_t phys;

    EXPECT_EQ(pmap_enter(a, VA, vm_page_to_phys(page), VM_PROT_READ, 0), KERN_SUCCESS);
    EXPECT_EQ(pmap_enter(a, VA + PAGE_SIZE, vm_page_to_phys(page), VM_PROT_READ, 0), KERN_SUCCESS);
    EXPECT_EQ(pmap_enter(b, VA, vm_page_to_phys(page), VM_PROT_READ, 0), KERN_SUCCESS);
    pmap_page_protect(page, VM_PROT_NONE);
    EXPECT_TRUE(!pmap_extract(a, VA, &phys) && !pmap_extract(a, VA + PAGE_SIZE, &phys) &&
                !pmap_extract(b, VA, &phys));
    pmap_remove(a, 0, VM_MAX_ADDRESS);
    pmap_remove(b, 0, VM_MAX_ADDRESS);
    pmap_destroy(a);
    pmap_destroy(b);
    vm_page_free(page);
}

KTEST(pmap, large_pages_map_two_megabytes_and_refuse_occupied_places)
{
    struct pmap *pmap = pmap_create();
    struct vm_page *run = vm_page_alloc_contig(512, 9, 0, 0, 0);
    phys_addr_t phys = 0;

    EXPECT_EQ(pmap_enter_large(pmap, VA, vm_page_to_phys(run), VM_PROT_READ | VM_PROT_WRITE, 0),
              KERN_SUCCESS);
    EXPECT_TRUE(pmap_extract(pmap, VA + 0x12345, &phys));
    EXPECT_EQ(phys, vm_page_to_phys(run) + 0x12345);
    EXPECT_EQ(pmap_enter_large(pmap, VA, vm_page_to_phys(run), VM_PROT_READ, 0),
              KERN_INVALID_ARGUMENT);
    pmap_remove(pmap, VA, VA + LARGE_PAGE_SIZE);
    EXPECT_TRUE(!pmap_extract(pmap, VA, &phys));
    pmap_destroy(pmap);
    vm_page_free_contig(run, 512);
}

KTEST(pmap, protections_the_processor_has_are_switched_on)
{
    uint64_t cr4 = read_cr4();

    EXPECT_TRUE(!cpu_features.smep || (cr4 & CR4_SMEP) != 0);
    EXPECT_TRUE(!cpu_features.smap || (cr4 & CR4_SMAP) != 0);
    EXPECT_TRUE(!cpu_features.umip || (cr4 & CR4_UMIP) != 0);
    EXPECT_TRUE(!cpu_features.pcid || (cr4 & CR4_PCIDE) != 0);
    EXPECT_TRUE((read_cr0() & CR0_WP) != 0);
    EXPECT_TRUE((rdmsr(MSR_EFER) & 0x800) != 0);
}
