/* pmap_log.c - the log of written pages (pmap_log.h). Locks: pmap->lock. */
#include "arch/pmap_log.h"

#include "arch/pmap_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"

bool pmap_log_begin(struct pmap *pmap, struct pmap_log *log)
{
    bool begun;

    assert(((log->start | log->end) & PAGE_MASK) == 0 && log->start < log->end);
    spin_lock(&pmap->lock);
    begun = pmap->log == NULL;
    if (begun) {
        pmap->log = log;
        atomic_store(&pmap->is_told, log->is_told);
    }
    spin_unlock(&pmap->lock);
    return begun;
}

void pmap_log_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
    if (pmap_log_is_told(pmap)) {
        pmap_clean(pmap, start, end);
    } else {
        pmap_protect(pmap, start, end, VM_PROT_READ | VM_PROT_EXECUTE);
    }
}

void pmap_log_switch(struct pmap *pmap)
{
    pmap_flush_range(pmap, 0, VM_MAX_ADDRESS); /* guests are left, and entered as it is now */
}

bool pmap_log_is_told(const struct pmap *pmap)
{
    return atomic_load(&pmap->is_told);
}

/* Locks: pmap->lock held. */
static void pmap_log_set(const struct pmap_log *log, uint64_t va)
{
    uint64_t page = (va - log->start) >> PAGE_SHIFT;

    log->bits[page / 64] |= 1ul << page % 64;
}

static bool pmap_log_has(const struct pmap_log *log, uint64_t va)
{
    return va >= log->start && va < log->end;
}

void pmap_log_note(struct pmap *pmap, const uint64_t *addresses, unsigned n)
{
    spin_lock(&pmap->lock);
    for (unsigned i = 0; i < n && pmap->log != NULL; i++) {
        if (pmap_log_has(pmap->log, addresses[i])) {
            pmap_log_set(pmap->log, addresses[i]);
        }
    }
    spin_unlock(&pmap->lock);
}

void pmap_log_take(struct pmap *pmap, uint64_t first, uint64_t *words, uint64_t count)
{
    spin_lock(&pmap->lock);
    assert(pmap->log != NULL && first % 64 == 0 &&
           first + (count - 1) * 64 < (pmap->log->end - pmap->log->start) >> PAGE_SHIFT);
    for (uint64_t i = 0; i < count; i++) {
        words[i] = pmap->log->bits[first / 64 + i];
        pmap->log->bits[first / 64 + i] = 0;
    }
    spin_unlock(&pmap->lock);
}

struct pmap_log *pmap_log_end(struct pmap *pmap)
{
    struct pmap_log *log;

    spin_lock(&pmap->lock);
    log = pmap->log;
    pmap->log = NULL;
    atomic_store(&pmap->is_told, false);
    spin_unlock(&pmap->lock);
    return log;
}

uint64_t pmap_log_entry(struct pmap *pmap, vm_offset_t va, uint64_t entry, unsigned flags)
{
    const struct pmap_log *log = pmap->log;

    assert(spin_is_held(&pmap->lock));
    if (!pmap_log_has(log, va) || log->is_told || (entry & PTE_WRITE) == 0) {
        return entry;
    }
    if ((flags & PMAP_WRITTEN) == 0) {
        return entry & ~PTE_WRITE;
    }
    pmap_log_set(log, va);
    return entry;
}
