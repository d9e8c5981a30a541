/* iommu.c - domains: which memory a source of accesses reaches, and at which addresses.
 *
 * A domain has a window of bus addresses, the same for all, where pages are put as they are given;
 * the tables for it are made with the domain, so giving a page needs no memory. It lies low: also
 * devices that know few address bits reach it. All units go by one table of contexts, for a source
 * is told by one of them only. Firmware's regions are mapped where they are, in domains made at the
 * start that do not end.
 *
 * Pages are set and cleared by whoever has their bus addresses, with no lock. Locks: iommu_lock
 * (DEVICE): everything else. */
#include "arch/iommu.h"

#include "arch/acpi.h"
#include "arch/boot_info.h"
#include "arch/io.h"
#include "arch/iommu_impl.h"
#include "arch/vtd_table.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/list.h"
#include "kern/printf.h"
#include "kern/task.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define WINDOW_START 0x1000000ul /* above what is special on a PC */
#define WINDOW_PAGES 16384u
#define WINDOW_SIZE  (WINDOW_PAGES * PAGE_SIZE)
#define WINDOW_END   0x10000000ul /* devices of 28 address bits reach it */
#define WORD_BITS    64u
#define DOMAINS_MAX  256u
#define REGION_MAX   0x10000000ul /* bytes of a region that is believed */
#define HOLE_START   0xc0000000ul /* registers that the direct map has uncached */
#define HOLE_END     0x100000000ul

/* Entries of the root table and of context tables: two words each (9.1, 9.3). */
#define ENTRY_WORDS       2u
#define ENTRY_PRESENT     1ull
#define CONTEXT_QUIET     2ull /* faults are not recorded */
#define CONTEXT_LEVELS(n) ((n)-2ull)
#define CONTEXT_DOMAIN(d) ((uint64_t)(d) << 8)
#define CONTEXT_NUMBER(c) ((uint16_t)((c) >> 8))

/* Keys: [L] iommu_lock, [I] immutable once it is on the list */
struct iommu_domain {
    struct list link;       /* [L] */
    uint32_t refs;          /* [L] */
    uint16_t source;        /* [I] */
    uint16_t number;        /* [I] */
    struct task *payer;     /* [I] a reference; whose ledger the tables are in; NULL: nobody's */
    uint64_t window;        /* [I] where it begins */
    struct vtd_table table; /* [I] but for entries of pages */
    uint64_t taken[WINDOW_PAGES / WORD_BITS]; /* [L] a bit a page */
};

struct iommu iommu;
struct spinlock iommu_lock = SPINLOCK_INITIALIZER(LOCK_RANK_DEVICE, "iommu");
static struct list iommu_domains = LIST_INITIALIZER(iommu_domains);
static bool iommu_numbers[DOMAINS_MAX]; /* [L] in use */

/* What the firmware has devices use. Keys: [I] after iommu_init() */
static struct iommu_region {
    phys_addr_t start, end;
    uint16_t source;
} iommu_regions[DMAR_REGION_MAX];
static uint32_t iommu_region_count; /* [I] */

bool iommu_is_on(void)
{
    return iommu.unit_count != 0;
}

bool iommu_is_register(phys_addr_t start, phys_addr_t end)
{
    for (uint32_t i = 0; i < acpi_info.dmar.unit_count; i++) {
        phys_addr_t unit = acpi_info.dmar.units[i];

        if (start < unit + VTD_UNIT_SIZE && unit < end) {
            return true;
        }
    }
    return false;
}

/* --- contexts --- */

static void iommu_write_back(const uint64_t *entry)
{
    if (!iommu.is_coherent) {
        clflush(entry);
    }
}

/* The source's entry in the context table of its bus; NULL when there is no such table. */
static uint64_t *iommu_context(uint16_t source)
{
    const uint64_t *root = phys_to_virt(iommu.root);
    uint64_t entry = root[(source >> 8) * ENTRY_WORDS];

    return (entry & ENTRY_PRESENT) == 0
               ? NULL
               : (uint64_t *)phys_to_virt(entry & ~PAGE_MASK) + (source & 0xff) * ENTRY_WORDS;
}

/* A context table for the bus; it stays. Returns: false when out of memory. */
static bool iommu_make_contexts(uint8_t bus)
{
    uint64_t *entry = (uint64_t *)phys_to_virt(iommu.root) + bus * ENTRY_WORDS;
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);
    uint64_t flags;

    if (page == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < PAGE_SIZE; i += sizeof(*entry)) {
        iommu_write_back((uint64_t *)((uint8_t *)vm_page_to_virt(page) + i));
    }
    flags = spin_lock_irqsave(&iommu_lock);
    if ((*entry & ENTRY_PRESENT) == 0) {
        *entry = vm_page_to_phys(page) | ENTRY_PRESENT;
        iommu_write_back(entry);
        page = NULL;
    }
    spin_unlock_irqrestore(&iommu_lock, flags);
    if (page != NULL) {
        vm_page_free(page); /* another was faster */
    }
    return true;
}

/* Let units forget what they know of the source under a number, and of the number's pages. */
static void iommu_forget(uint16_t source, uint16_t number)
{
    assert(spin_is_held(&iommu_lock));
    for (uint32_t i = 0; i < iommu.unit_count; i++) {
        vtd_unit_forget_source(&iommu.units[i], source, number);
        vtd_unit_forget_domain(&iommu.units[i], number);
    }
}

static void iommu_forget_pages(const struct iommu_domain *domain, uint64_t bus, uint32_t n)
{
    uint64_t flags = spin_lock_irqsave(&iommu_lock);

    for (uint32_t i = 0; i < iommu.unit_count; i++) {
        vtd_unit_forget_pages(&iommu.units[i], domain->number, bus, n * PAGE_SIZE);
    }
    spin_unlock_irqrestore(&iommu_lock, flags);
}

/* Change a context. A unit reads it at once (it is 16 aligned bytes), so what makes it valid comes
 * last, and goes first. Locks: iommu_lock. */
static void iommu_set_context(uint16_t source, uint64_t low, uint64_t high)
{
    uint64_t *context = iommu_context(source);
    uint16_t before = CONTEXT_NUMBER(context[1]);

    assert(spin_is_held(&iommu_lock));
    atomic_store_release(&context[0], context[0] & CONTEXT_QUIET);
    iommu_write_back(context);
    iommu_forget(source, before);
    atomic_store_release(&context[1], high);
    atomic_store_release(&context[0], low);
    iommu_write_back(context);
    if (iommu.caches_absent) {
        iommu_forget(source, 0); /* the number of what is absent */
        iommu_forget(source, CONTEXT_NUMBER(high));
    }
}

bool iommu_keep_faults(uint16_t source, bool keep)
{
    uint64_t *context = iommu_context(source);

    assert(spin_is_held(&iommu_lock));
    if (context == NULL) {
        return false;
    }
    atomic_store_release(&context[0],
                         keep ? context[0] & ~CONTEXT_QUIET : context[0] | CONTEXT_QUIET);
    iommu_write_back(context);
    for (uint32_t i = 0; i < iommu.unit_count; i++) {
        vtd_unit_forget_source(&iommu.units[i], source, CONTEXT_NUMBER(context[1]));
    }
    return true;
}

/* --- domains --- */

/* Put the region into the table, where it is. Returns: false when out of memory. */
static bool iommu_add_region(struct vtd_table *table, const struct iommu_region *region)
{
    if (!vtd_table_reserve(table, region->start, region->end - region->start)) {
        return false;
    }
    for (phys_addr_t at = region->start; at < region->end; at += PAGE_SIZE) {
        if (vtd_table_entry(table, at) == 0) {
            vtd_table_set(table, at, at, true);
        }
    }
    return true;
}

static bool iommu_add_regions(struct vtd_table *table, uint16_t source)
{
    for (uint32_t i = 0; i < iommu_region_count; i++) {
        if (iommu_regions[i].source == source && !iommu_add_region(table, &iommu_regions[i])) {
            return false;
        }
    }
    return true;
}

/* Where all of the domain's window is free; WINDOW_END when nowhere. */
static uint64_t iommu_find_window(uint16_t source)
{
    uint64_t at = WINDOW_START;

    while (at + WINDOW_SIZE <= WINDOW_END) {
        uint64_t next = at;

        for (uint32_t i = 0; i < iommu_region_count; i++) {
            const struct iommu_region *r = &iommu_regions[i];

            if (r->source == source && r->start < at + WINDOW_SIZE && at < r->end) {
                next = (r->end + LARGE_PAGE_SIZE - 1) & ~(LARGE_PAGE_SIZE - 1);
            }
        }
        if (next == at) {
            return at;
        }
        at = next;
    }
    return WINDOW_END;
}

/* Have somebody pay for the tables. Refs: the domain keeps one to the task. Returns: false when its
 * limit is reached. */
static bool iommu_charge(struct iommu_domain *domain, struct task *payer)
{
    if (!ledger_charge(&payer->ledger, LEDGER_KMEM_PAGES, domain->table.ntables)) {
        return false;
    }
    task_ref(payer);
    domain->payer = payer;
    return true;
}

static void iommu_domain_free(struct iommu_domain *domain)
{
    if (domain->payer != NULL) {
        ledger_credit(&domain->payer->ledger, LEDGER_KMEM_PAGES, domain->table.ntables);
        task_unref(domain->payer);
    }
    vtd_table_destroy(&domain->table);
    kfree(domain, sizeof(*domain));
}

/* A domain that no unit knows of. Refs: caller owns one. Returns: NULL when out of memory, or of
 * the task's limit. */
static struct iommu_domain *iommu_domain_build(uint16_t source, struct task *payer)
{
    struct iommu_domain *domain = kalloc_zeroed(sizeof(*domain));

    if (domain == NULL) {
        return NULL;
    }
    domain->refs = 1;
    domain->source = source;
    domain->window = iommu_find_window(source);
    if (domain->window == WINDOW_END ||
        !vtd_table_build(&domain->table, iommu.levels, iommu.is_coherent) ||
        !iommu_add_regions(&domain->table, source) ||
        !vtd_table_reserve(&domain->table, domain->window, WINDOW_SIZE) ||
        !iommu_charge(domain, payer) || !iommu_make_contexts((uint8_t)(source >> 8))) {
        iommu_domain_free(domain);
        return NULL;
    }
    return domain;
}

/* The source's domain, or NULL. Locks: iommu_lock. Refs: caller owns one. */
static struct iommu_domain *iommu_domain_lookup(uint16_t source)
{
    assert(spin_is_held(&iommu_lock));
    list_for_each (&iommu_domains, node) {
        struct iommu_domain *domain = list_entry(node, struct iommu_domain, link);

        if (domain->source == source) {
            domain->refs++;
            return domain;
        }
    }
    return NULL;
}

/* Let units know of it. Locks: iommu_lock. Returns: false when there are too many. */
static bool iommu_domain_attach(struct iommu_domain *domain)
{
    uint16_t number = 1;

    assert(spin_is_held(&iommu_lock));
    while (number < iommu.domain_count && iommu_numbers[number]) {
        number++;
    }
    if (number == iommu.domain_count) {
        return false;
    }
    iommu_numbers[number] = true;
    domain->number = number;
    list_insert_tail(&iommu_domains, &domain->link);
    iommu_set_context(domain->source, domain->table.root | ENTRY_PRESENT,
                      CONTEXT_DOMAIN(number) | CONTEXT_LEVELS(iommu.levels));
    return true;
}

kern_return_t iommu_domain_find(uint16_t source, struct iommu_domain **domain)
{
    struct iommu_domain *found, *made = NULL;
    uint64_t flags;

    *domain = NULL;
    if (!iommu_is_on()) {
        return KERN_SUCCESS;
    }
    flags = spin_lock_irqsave(&iommu_lock);
    found = iommu_domain_lookup(source);
    if (found == NULL) {
        spin_unlock_irqrestore(&iommu_lock, flags);
        made = iommu_domain_build(source, current_task());
        flags = spin_lock_irqsave(&iommu_lock);
        found = iommu_domain_lookup(source); /* another may have been faster */
    }
    if (found == NULL && made != NULL && iommu_domain_attach(made)) {
        found = made;
        made = NULL;
    }
    if (found != NULL) {
        iommu_fault_forgive(source);
    }
    spin_unlock_irqrestore(&iommu_lock, flags);
    if (made != NULL) {
        iommu_domain_free(made);
    }
    *domain = found;
    return found != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

void iommu_domain_unref(struct iommu_domain *domain)
{
    uint64_t flags = spin_lock_irqsave(&iommu_lock);
    bool is_last;

    assert(domain->refs != 0);
    domain->refs--;
    is_last = domain->refs == 0;
    if (is_last) {
        list_remove(&domain->link);
        iommu_set_context(domain->source, *iommu_context(domain->source) & CONTEXT_QUIET, 0);
        iommu_numbers[domain->number] = false;
    }
    spin_unlock_irqrestore(&iommu_lock, flags);
    if (is_last) {
        iommu_domain_free(domain);
    }
}

/* --- pages --- */

static bool iommu_is_taken(const struct iommu_domain *domain, uint32_t page)
{
    return (domain->taken[page / WORD_BITS] & 1ull << page % WORD_BITS) != 0;
}

static void iommu_mark(struct iommu_domain *domain, uint32_t first, uint32_t n)
{
    assert(spin_is_held(&iommu_lock));
    for (uint32_t i = first; i < first + n; i++) {
        domain->taken[i / WORD_BITS] ^= 1ull << i % WORD_BITS;
    }
}

/* The lowest n free pages in a row; WINDOW_PAGES when there are none. */
static uint32_t iommu_find_free(const struct iommu_domain *domain, uint32_t n)
{
    uint32_t run = 0;

    for (uint32_t i = 0; i < WINDOW_PAGES; i++) {
        if (i % WORD_BITS == 0 && domain->taken[i / WORD_BITS] == ~0ull) {
            run = 0;
            i += WORD_BITS - 1;
            continue;
        }
        run = iommu_is_taken(domain, i) ? 0 : run + 1;
        if (run == n) {
            return i + 1 - n;
        }
    }
    return WINDOW_PAGES;
}

kern_return_t iommu_domain_map(struct iommu_domain *domain, struct vm_page *const *pages,
                               uint32_t n, bool is_writable, uint64_t *bus)
{
    uint64_t flags = spin_lock_irqsave(&iommu_lock);
    uint32_t first = iommu_find_free(domain, n);
    uint64_t at = domain->window + first * PAGE_SIZE;

    assert(n != 0);
    if (first != WINDOW_PAGES) {
        iommu_mark(domain, first, n);
    }
    spin_unlock_irqrestore(&iommu_lock, flags);
    if (first == WINDOW_PAGES) {
        return KERN_RESOURCE_SHORTAGE;
    }
    for (uint32_t i = 0; i < n; i++) {
        vtd_table_set(&domain->table, at + i * PAGE_SIZE, vm_page_to_phys(pages[i]), is_writable);
    }
    if (iommu.caches_absent) {
        iommu_forget_pages(domain, at, n);
    }
    *bus = at;
    return KERN_SUCCESS;
}

void iommu_domain_unmap(struct iommu_domain *domain, uint64_t bus, uint32_t n)
{
    uint64_t flags;

    for (uint32_t i = 0; i < n; i++) {
        vtd_table_clear(&domain->table, bus + i * PAGE_SIZE);
    }
    iommu_forget_pages(domain, bus, n);
    flags = spin_lock_irqsave(&iommu_lock);
    iommu_mark(domain, (uint32_t)((bus - domain->window) >> PAGE_SHIFT), n);
    spin_unlock_irqrestore(&iommu_lock, flags);
}

void iommu_domain_faults(struct iommu_domain *domain, struct iommu_faults *faults)
{
    uint64_t flags = spin_lock_irqsave(&iommu_lock);

    iommu_fault_get(domain->source, faults);
    spin_unlock_irqrestore(&iommu_lock, flags);
}

/* --- start --- */

/* The secondary bus of a bridge, by configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2). Only
 * at the start: later the ports are the device master's. */
static uint8_t iommu_secondary(uint8_t bus, const struct dmar_step *step)
{
    outl(0xcf8, 0x80000000u | (uint32_t)bus << 16 | (uint32_t)step->device << 11 |
                    (uint32_t)step->function << 8 | 0x18);
    return (uint8_t)(inl(0xcfc) >> 8);
}

/* The source a region is for. */
static uint16_t iommu_region_source(const struct dmar_region *region)
{
    const struct dmar_step *last = &region->path[region->steps - 1];
    uint8_t bus = region->bus;

    for (const struct dmar_step *step = region->path; step < last; step++) {
        bus = iommu_secondary(bus, step);
    }
    return (uint16_t)(bus << 8 | last->device << 3 | last->function);
}

/* Is it small, and set aside by the firmware? */
static bool iommu_is_region(const struct dmar_region *region)
{
    return region->end - region->start <= REGION_MAX &&
           !boot_info_is_ram(region->start, region->end);
}

static void iommu_read_regions(void)
{
    for (uint32_t i = 0; i < acpi_info.dmar.region_count; i++) {
        const struct dmar_region *region = &acpi_info.dmar.regions[i];
        struct iommu_region *out = &iommu_regions[iommu_region_count];

        if (!iommu_is_region(region)) {
            kprintf("iommu: the firmware's region 0x%lx is not believed\n", region->start);
            continue;
        }
        *out = (struct iommu_region){region->start, region->end, iommu_region_source(region)};
        iommu_region_count++;
    }
}

/* A domain for each source that needs memory from the start; it does not end. */
static void iommu_make_regions(void)
{
    for (uint32_t i = 0; i < iommu_region_count; i++) {
        struct iommu_domain *domain;

        if (iommu_domain_find(iommu_regions[i].source, &domain) != KERN_SUCCESS) {
            kprintf("iommu: no room for the firmware's region 0x%lx; out of reach\n",
                    iommu_regions[i].start);
        }
    }
}

/* Look at all units, and for what they have in common. Returns: why not, or NULL. */
static const char *iommu_look(void)
{
    unsigned levels = ~0u;

    iommu.is_coherent = true;
    iommu.domain_count = DOMAINS_MAX;
    for (uint32_t i = 0; i < acpi_info.dmar.unit_count; i++) {
        phys_addr_t phys = acpi_info.dmar.units[i];
        struct vtd_unit *unit = &iommu.units[i];

        if (phys < HOLE_START || phys > HOLE_END - VTD_UNIT_SIZE ||
            boot_info_is_ram(phys, phys + VTD_UNIT_SIZE)) {
            return "a unit's registers are in memory";
        }
        if (!vtd_unit_init(unit, phys)) {
            return "a unit has no queue for commands";
        }
        levels &= vtd_unit_levels(unit);
        iommu.is_coherent &= vtd_unit_is_coherent(unit);
        iommu.caches_absent |= vtd_unit_caches_absent(unit);
        iommu.domain_count = vtd_unit_domains(unit) < iommu.domain_count ? vtd_unit_domains(unit)
                                                                         : iommu.domain_count;
    }
    iommu.levels = (levels & 1u << 4) != 0 ? 4 : 3; /* regions may be anywhere */
    return (levels & (1u << 3 | 1u << 4)) == 0 ? "units have no page tables in common" : NULL;
}

/* The root table, and the context table of the first bus. */
static void iommu_make_root(void)
{
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    if (page == NULL) {
        panic("iommu: no memory for its tables");
    }
    iommu.root = vm_page_to_phys(page);
    for (uint64_t i = 0; i < PAGE_SIZE / sizeof(uint64_t); i++) {
        iommu_write_back((uint64_t *)vm_page_to_virt(page) + i);
    }
    if (!iommu_make_contexts(0)) {
        panic("iommu: no memory for its tables");
    }
}

/* Turn the units on, with faults told by writing data to address. */
static void iommu_start(uint64_t address, uint32_t data)
{
    uint64_t flags;

    iommu_make_root();
    iommu_read_regions();
    flags = spin_lock_irqsave(&iommu_lock);
    iommu.unit_count = acpi_info.dmar.unit_count;
    for (uint32_t i = 0; i < iommu.unit_count; i++) {
        vtd_unit_start(&iommu.units[i], iommu.root, address, data);
    }
    spin_unlock_irqrestore(&iommu_lock, flags);
    iommu_make_regions();
    flags = spin_lock_irqsave(&iommu_lock);
    for (uint32_t i = 0; i < iommu.unit_count; i++) {
        vtd_unit_translate(&iommu.units[i]);
    }
    spin_unlock_irqrestore(&iommu_lock, flags);
}

void iommu_init(void)
{
    const char *why;
    uint64_t address;
    uint32_t data;

    if (acpi_info.dmar.unit_count == 0) {
        return;
    }
    why = iommu_look();
    if (why == NULL && !iommu_fault_init(&address, &data)) {
        why = "there is no interrupt for it";
    }
    if (why != NULL) {
        kprintf("iommu: %s; devices reach all memory\n", why);
        return;
    }
    iommu_start(address, data);
    kprintf("iommu: %u unit%s, %u levels; devices reach what they are given\n", iommu.unit_count,
            iommu.unit_count == 1 ? "" : "s", iommu.levels);
}

void iommu_print(void)
{
    kprintf("units: %u\nsource  domain  rights  window\n", iommu.unit_count);
    list_for_each (&iommu_domains, node) {
        const struct iommu_domain *d = list_entry(node, struct iommu_domain, link);

        kprintf("%02x:%02x.%x %6u %7u  0x%lx\n", d->source >> 8, d->source >> 3 & 31, d->source & 7,
                d->number, d->refs, d->window);
    }
    iommu_fault_print();
}
