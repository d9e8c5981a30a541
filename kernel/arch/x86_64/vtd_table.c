/* vtd_table.c - second-level page tables of a remapping unit. Tables are made ahead of the pages in
 * them and stay until the end: setting a page needs no memory and no lock. */
#include "arch/vtd_table.h"

#include <stddef.h>

#include "arch/io.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "vm/vm_page.h"

#define ENTRIES 512u
#define LINE    64u /* bytes of memory that are written back at once */

/* Have the unit see [start, start + size). */
static void vtd_table_write_back(const struct vtd_table *table, const void *start, uint64_t size)
{
    const uint8_t *at = start;

    for (uint64_t i = 0; !table->is_coherent && i < size; i += LINE) {
        clflush(at + i);
    }
}

/* An empty table. Returns: 0 when out of memory. */
static phys_addr_t vtd_table_page(struct vtd_table *table)
{
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    if (page == NULL) {
        return 0;
    }
    table->ntables++;
    vtd_table_write_back(table, phys_to_virt(vm_page_to_phys(page)), PAGE_SIZE);
    return vm_page_to_phys(page);
}

bool vtd_table_build(struct vtd_table *table, unsigned levels, bool is_coherent)
{
    assert(levels == 3 || levels == 4);
    *table = (struct vtd_table){.levels = levels, .is_coherent = is_coherent};
    table->root = vtd_table_page(table);
    return table->root != 0;
}

/* Free a table of that level (0: of pages) and those below it. */
static void vtd_table_free(struct vtd_table *table, phys_addr_t phys, unsigned level)
{
    const uint64_t *entries = phys_to_virt(phys);

    for (unsigned i = 0; level > 0 && i < ENTRIES; i++) {
        if (entries[i] != 0) {
            vtd_table_free(table, entries[i] & VTD_TABLE_FRAME, level - 1);
        }
    }
    table->ntables--;
    vm_page_free(vm_page_from_phys(phys));
}

void vtd_table_destroy(struct vtd_table *table)
{
    if (table->root != 0) {
        vtd_table_free(table, table->root, table->levels - 1);
        table->root = 0;
    }
    assert(table->ntables == 0);
}

static unsigned vtd_table_index(uint64_t bus, unsigned level)
{
    return bus >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1);
}

/* The entry of the page; NULL when there is no table for it. */
static uint64_t *vtd_table_find(const struct vtd_table *table, uint64_t bus)
{
    phys_addr_t phys = table->root;

    if (bus >> (PAGE_SHIFT + 9 * table->levels) != 0) {
        return NULL;
    }
    for (unsigned level = table->levels - 1; level > 0; level--) {
        const uint64_t *entries = phys_to_virt(phys);

        phys = entries[vtd_table_index(bus, level)] & VTD_TABLE_FRAME;
        if (phys == 0) {
            return NULL;
        }
    }
    return (uint64_t *)phys_to_virt(phys) + vtd_table_index(bus, 0);
}

static void vtd_table_store(const struct vtd_table *table, uint64_t *entry, uint64_t value)
{
    atomic_store_release(entry, value);
    vtd_table_write_back(table, entry, sizeof(*entry));
}

/* Make the tables for the page. Returns: false when out of memory. */
static bool vtd_table_extend(struct vtd_table *table, uint64_t bus)
{
    phys_addr_t phys = table->root;

    for (unsigned level = table->levels - 1; level > 0; level--) {
        uint64_t *entry = (uint64_t *)phys_to_virt(phys) + vtd_table_index(bus, level);

        if (*entry == 0) {
            phys_addr_t made = vtd_table_page(table);

            if (made == 0) {
                return false;
            }
            vtd_table_store(table, entry, made | VTD_TABLE_READ | VTD_TABLE_WRITE);
        }
        phys = *entry & VTD_TABLE_FRAME;
    }
    return true;
}

bool vtd_table_reserve(struct vtd_table *table, uint64_t bus, uint64_t size)
{
    uint64_t reach = PAGE_SIZE << 9 * table->levels;

    if (bus >= reach || size > reach - bus) {
        return false;
    }
    for (uint64_t at = bus & ~(LARGE_PAGE_SIZE - 1); at < bus + size; at += LARGE_PAGE_SIZE) {
        if (!vtd_table_extend(table, at)) {
            return false;
        }
    }
    return true;
}

void vtd_table_set(struct vtd_table *table, uint64_t bus, phys_addr_t phys, bool is_writable)
{
    uint64_t *entry = vtd_table_find(table, bus);

    assert(entry != NULL && *entry == 0);
    assert((phys & ~VTD_TABLE_FRAME) == 0);
    vtd_table_store(table, entry, phys | VTD_TABLE_READ | (is_writable ? VTD_TABLE_WRITE : 0));
}

void vtd_table_clear(struct vtd_table *table, uint64_t bus)
{
    uint64_t *entry = vtd_table_find(table, bus);

    assert(entry != NULL && *entry != 0);
    vtd_table_store(table, entry, 0);
}

uint64_t vtd_table_entry(const struct vtd_table *table, uint64_t bus)
{
    const uint64_t *entry = vtd_table_find(table, bus);

    return entry != NULL ? *entry : 0;
}
