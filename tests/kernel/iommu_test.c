/* iommu_test.c - domains of sources. Without a remapping unit there are none; with one they are
 * what devices would see, which tests/boot/iommu.py has them try. */
#include "arch/acpi.h"
#include "arch/iommu.h"
#include "ddb/ktest.h"
#include "ddb/slab_debug.h"
#include "hardware_kernel_server.h"
#include "kern/host.h"
#include "kern/task.h"
#include "vm/vm_page.h"

#define SOURCES      256u /* of bus 0 */
#define FREE         0xf8 /* 00:1f.0 and behind it: what is there does not use memory */
#define WINDOW_PAGES 16384u
#define PIECE        512u

static uint64_t test_used(void)
{
    return atomic_load(&current_task()->ledger.used[LEDGER_KMEM_PAGES]);
}

KTEST(iommu, without_a_unit_there_are_no_domains)
{
    struct iommu_domain *domain = (struct iommu_domain *)1;

    EXPECT_EQ(iommu_domain_find(FREE, &domain), KERN_SUCCESS);
    EXPECT_EQ(domain != NULL, iommu_is_on());
    if (domain != NULL) {
        iommu_domain_unref(domain);
    }
}

KTEST(iommu, registers_of_units_are_mapped_for_nobody)
{
    phys_addr_t at = acpi_info.dmar.units[0];
    vm_address_t address;
    struct task *task;

    EXPECT_EQ(iommu_is_register(at + PAGE_SIZE, at + 2 * PAGE_SIZE), false);
    if (!iommu_is_on()) {
        return;
    }
    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    EXPECT_EQ(hardware_map(host_hardware_port, task->map, (int64_t)at, PAGE_SIZE, 0, &address),
              KERN_INVALID_ARGUMENT);
    EXPECT_EQ(hardware_map(host_hardware_port, task->map, (int64_t)(at - PAGE_SIZE), 3 * PAGE_SIZE,
                           0, &address),
              KERN_INVALID_ARGUMENT);
    EXPECT_EQ(hardware_map(host_hardware_port, task->map, (int64_t)(at + PAGE_SIZE), PAGE_SIZE, 0,
                           &address),
              KERN_SUCCESS);
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    task_unref(task);
}

KTEST(iommu, a_source_has_one_domain_that_is_paid_for)
{
    struct iommu_domain *one, *two, *other;
    uint64_t before = test_used();
    struct iommu_faults faults;

    if (!iommu_is_on()) {
        return;
    }
    EXPECT_EQ(iommu_domain_find(FREE, &one), KERN_SUCCESS);
    EXPECT_TRUE(test_used() > before + WINDOW_PAGES / 512);
    EXPECT_EQ(iommu_domain_find(FREE, &two), KERN_SUCCESS);
    EXPECT_EQ(iommu_domain_find(FREE + 1, &other), KERN_SUCCESS);
    EXPECT_TRUE(one == two && one != other);
    iommu_domain_faults(one, &faults);
    EXPECT_EQ(faults.count, 0);
    iommu_domain_unref(one);
    iommu_domain_unref(two);
    iommu_domain_unref(other);
    EXPECT_EQ(test_used(), before);
}

KTEST(iommu, pages_have_the_lowest_free_addresses)
{
    struct vm_page *pages[3] = {vm_page_alloc(0), vm_page_alloc(0), vm_page_alloc(0)};
    struct iommu_domain *domain;
    uint64_t first, second, third;

    if (iommu_is_on()) {
        EXPECT_EQ(iommu_domain_find(FREE, &domain), KERN_SUCCESS);
        EXPECT_EQ(iommu_domain_map(domain, pages, 3, true, &first), KERN_SUCCESS);
        EXPECT_EQ(iommu_domain_map(domain, pages, 2, false, &second), KERN_SUCCESS);
        EXPECT_EQ(second, first + 3 * PAGE_SIZE);
        iommu_domain_unmap(domain, first, 3);
        EXPECT_EQ(iommu_domain_map(domain, pages, 1, true, &third), KERN_SUCCESS);
        EXPECT_EQ(third, first);
        EXPECT_EQ(iommu_domain_map(domain, pages, 3, true, &first), KERN_SUCCESS);
        EXPECT_EQ(first, second + 2 * PAGE_SIZE); /* two are free before it, too few */
        iommu_domain_unmap(domain, first, 3);
        iommu_domain_unmap(domain, second, 2);
        iommu_domain_unmap(domain, third, 1);
        iommu_domain_unref(domain);
    }
    for (unsigned i = 0; i < 3; i++) {
        vm_page_free(pages[i]);
    }
}

KTEST(iommu, addresses_of_a_domain_run_out)
{
    static struct vm_page *pages[PIECE];
    struct iommu_domain *domain;
    uint64_t at[WINDOW_PAGES / PIECE], more;

    if (!iommu_is_on()) {
        return;
    }
    pages[0] = vm_page_alloc(0);
    for (unsigned i = 1; i < PIECE; i++) {
        pages[i] = pages[0]; /* one page may be in many places */
    }
    EXPECT_EQ(iommu_domain_find(FREE, &domain), KERN_SUCCESS);
    for (unsigned i = 0; i < WINDOW_PAGES / PIECE; i++) {
        EXPECT_EQ(iommu_domain_map(domain, pages, PIECE, true, &at[i]), KERN_SUCCESS);
        EXPECT_EQ(at[i], at[0] + i * PIECE * PAGE_SIZE);
    }
    EXPECT_EQ(iommu_domain_map(domain, pages, 1, true, &more), KERN_RESOURCE_SHORTAGE);
    iommu_domain_unmap(domain, at[7], PIECE);
    EXPECT_EQ(iommu_domain_map(domain, pages, PIECE, true, &more), KERN_SUCCESS);
    EXPECT_EQ(more, at[7]);
    for (unsigned i = 0; i < WINDOW_PAGES / PIECE; i++) {
        iommu_domain_unmap(domain, at[i], PIECE);
    }
    iommu_domain_unref(domain);
    vm_page_free(pages[0]);
}

KTEST(iommu, numbers_of_domains_run_out)
{
    static struct iommu_domain *domains[SOURCES];
    kern_return_t kr = KERN_SUCCESS;
    unsigned n = 0;

    if (!iommu_is_on()) {
        return;
    }
    while (n < SOURCES && kr == KERN_SUCCESS) {
        kr = iommu_domain_find((uint16_t)n, &domains[n]);
        n++;
    }
    EXPECT_EQ(kr, KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(n, SOURCES); /* one number is not used */
    EXPECT_TRUE(domains[n - 1] == NULL);
    for (n--; n > 0; n--) {
        iommu_domain_unref(domains[n - 1]);
    }
}

KTEST(iommu, who_cannot_pay_has_no_domain)
{
    struct ledger *ledger = &current_task()->ledger;
    uint64_t limit = atomic_load(&ledger->limit[LEDGER_KMEM_PAGES]);
    struct iommu_domain *domain;

    if (!iommu_is_on()) {
        return;
    }
    atomic_store(&ledger->limit[LEDGER_KMEM_PAGES], test_used() + WINDOW_PAGES / 512);
    EXPECT_EQ(iommu_domain_find(FREE, &domain), KERN_RESOURCE_SHORTAGE);
    EXPECT_TRUE(domain == NULL);
    atomic_store(&ledger->limit[LEDGER_KMEM_PAGES], limit);
    slab_debug_refuse(0);
    EXPECT_EQ(iommu_domain_find(FREE, &domain), KERN_RESOURCE_SHORTAGE);
}
