/* pmap_test.c - page tables on the real processor. */
#include "arch/cpu_features.h"
#include "arch/io.h"
#include "arch/pmap.h"
#include "arch/pmap_setup.h"
#include "arch/pmap_switch.h"
#include "ddb/ktest.h"
#include "kern/ledger.h"
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

/* --- 2 MiB mappings --- */

#define LARGE_PAGES (LARGE_PAGE_SIZE / PAGE_SIZE)
#define RW          (VM_PROT_READ | VM_PROT_WRITE)

/* 512 neighbouring pages and an address space that maps them at VA. */
static struct vm_page *large(struct pmap **pmap)
{
    struct vm_page *run = vm_page_alloc_contig(LARGE_PAGES, 9, 0, 0, 0);

    *pmap = pmap_create();
    EXPECT_EQ(pmap_enter_large(*pmap, VA, vm_page_to_phys(run), RW, 0), KERN_SUCCESS);
    EXPECT_EQ(pmap_resident_count(*pmap), LARGE_PAGES);
    return run;
}

/* Are exactly those pages mapped that are not in [hole, hole + n)? */
static void expect_hole(struct pmap *pmap, struct vm_page *run, unsigned hole, unsigned n)
{
    for (unsigned i = 0; i < LARGE_PAGES; i++) {
        bool mapped = i < hole || i >= hole + n;
        phys_addr_t phys = 0;

        EXPECT_EQ(pmap_extract(pmap, VA + i * PAGE_SIZE, &phys), mapped);
        EXPECT_TRUE(!mapped || phys == vm_page_to_phys(&run[i]));
        EXPECT_EQ(run[i].pv.pmap, mapped ? pmap : NULL);
    }
    EXPECT_EQ(pmap_resident_count(pmap), LARGE_PAGES - n);
}

/* Everything goes, tables too, and no page believes it is mapped. */
static void end_large(struct pmap *pmap, struct vm_page *run)
{
    pmap_remove(pmap, 0, VM_MAX_ADDRESS);
    EXPECT_EQ(pmap_resident_count(pmap), 0);
    pmap_destroy(pmap);
    vm_page_free_contig(run, LARGE_PAGES); /* panics when a page is mapped */
}

KTEST(pmap, a_large_mapping_is_split_when_a_part_is_removed)
{
    struct pmap *pmap;
    uint64_t before = vm_page_free_count();
    struct vm_page *run = large(&pmap);

    pmap_remove(pmap, VA + 5 * PAGE_SIZE, VA + 8 * PAGE_SIZE);
    expect_hole(pmap, run, 5, 3);
    pmap_remove(pmap, VA, VA + 5 * PAGE_SIZE);
    expect_hole(pmap, run, 0, 8);
    end_large(pmap, run);
    EXPECT_EQ(vm_page_free_count(), before);
}

KTEST(pmap, what_cannot_be_written_is_not_changed_when_its_large_mapping_is_split)
{
    struct pmap *pmap = pmap_create();
    struct vm_page *run = vm_page_alloc_contig(LARGE_PAGES, 9, 0, 0, 0);

    EXPECT_EQ(pmap_enter_large(pmap, VA, vm_page_to_phys(run), VM_PROT_READ, 0), KERN_SUCCESS);
    EXPECT_EQ(pmap_enter(pmap, VA + PAGE_SIZE, vm_page_to_phys(&run[1]), RW, 0), KERN_SUCCESS);
    for (unsigned i = 0; i < LARGE_PAGES; i++) {
        EXPECT_TRUE(i == 1 || !pmap_is_modified(&run[i]));
    }
    end_large(pmap, run);
}

KTEST(pmap, a_large_mapping_goes_whole_with_its_table)
{
    struct pmap *pmap;
    uint64_t before = vm_page_free_count();
    struct vm_page *run = large(&pmap);

    pmap_remove(pmap, VA, VA + LARGE_PAGE_SIZE);
    expect_hole(pmap, run, 0, LARGE_PAGES);
    end_large(pmap, run);
    EXPECT_EQ(vm_page_free_count(), before);
}

KTEST(pmap, a_page_of_a_large_mapping_can_be_taken_away)
{
    struct pmap *pmap;
    struct vm_page *run = large(&pmap);

    pmap_page_protect(&run[511], VM_PROT_NONE);
    expect_hole(pmap, run, 511, 1);
    pmap_page_protect(&run[0], VM_PROT_READ);
    expect_hole(pmap, run, 511, 1);
    EXPECT_TRUE(pmap_is_modified(&run[1])); /* no write is forgotten when the mapping is split */
    end_large(pmap, run);
}

KTEST(pmap, another_page_takes_the_place_of_one_in_a_large_mapping)
{
    struct pmap *pmap;
    struct vm_page *run = large(&pmap);
    struct vm_page *page = vm_page_alloc(0);
    phys_addr_t phys = 0;

    EXPECT_EQ(pmap_enter(pmap, VA + 7 * PAGE_SIZE, vm_page_to_phys(page), VM_PROT_READ, 0),
              KERN_SUCCESS);
    EXPECT_TRUE(pmap_extract(pmap, VA + 7 * PAGE_SIZE, &phys));
    EXPECT_EQ(phys, vm_page_to_phys(page));
    EXPECT_EQ(run[7].pv.pmap, NULL);
    EXPECT_EQ(pmap_resident_count(pmap), LARGE_PAGES);
    end_large(pmap, run);
    vm_page_free(page);
}

KTEST(pmap, protecting_a_part_of_a_large_mapping_leaves_the_rest)
{
    struct pmap *pmap;
    struct vm_page *run = large(&pmap);

    pmap_protect(pmap, VA + PAGE_SIZE, VA + 2 * PAGE_SIZE, VM_PROT_READ);
    EXPECT_TRUE(pmap_peer_address(pmap, VA) == vm_page_to_virt(&run[0]));
    EXPECT_TRUE(pmap_peer_address(pmap, VA + PAGE_SIZE) == NULL); /* not writable */
    EXPECT_TRUE(pmap_peer_address(pmap, VA + 2 * PAGE_SIZE) == vm_page_to_virt(&run[2]));
    end_large(pmap, run);
}

KTEST(pmap, a_message_finds_its_way_into_a_large_mapping)
{
    struct pmap *pmap;
    struct vm_page *run = large(&pmap);

    EXPECT_TRUE(pmap_peer_address(pmap, VA + 5 * PAGE_SIZE + 12) ==
                (uint8_t *)vm_page_to_virt(&run[5]) + 12);
    EXPECT_TRUE(pmap_is_modified(&run[5]));
    end_large(pmap, run);
}

KTEST(pmap, a_large_mapping_is_charged_the_table_it_may_need)
{
    struct pmap *pmap = pmap_create();
    struct vm_page *run = vm_page_alloc_contig(LARGE_PAGES, 9, 0, 0, 0);
    struct ledger ledger;

    ledger_init(&ledger);
    ledger.limit[LEDGER_KMEM_PAGES] = 3; /* the top table, and two for the way to a directory */
    EXPECT_TRUE(pmap_charge_to(pmap, &ledger));
    EXPECT_EQ(pmap_enter_large(pmap, VA, vm_page_to_phys(run), RW, 0), KERN_RESOURCE_SHORTAGE);
    expect_hole(pmap, run, 0, LARGE_PAGES);
    ledger.limit[LEDGER_KMEM_PAGES] = 4;
    EXPECT_EQ(pmap_enter_large(pmap, VA, vm_page_to_phys(run), RW, 0), KERN_SUCCESS);
    pmap_remove(pmap, VA, VA + PAGE_SIZE);
    pmap_remove(pmap, VA, VA + LARGE_PAGE_SIZE);
    EXPECT_EQ(ledger.used[LEDGER_KMEM_PAGES], 1);
    end_large(pmap, run);
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
