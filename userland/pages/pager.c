/* pager.c - the pager of the tutorial: squares, whose pages are computed, and a notebook, which
 * keeps what is written to it. */
#include "pages.h"

#include <portolan/pager.h>
#include <stdio.h>
#include <string.h>

struct pages_counts pages_counts;
char pages_book[PAGES][PAGE];

static kern_return_t pages_square(struct pager *, void *, vm_offset_t offset, void *page)
{
    unsigned long n = offset / PAGE;

    snprintf(page, PAGE, "%lu squared is %lu", n, n * n);
    pages_counts.computed++;
    return KERN_SUCCESS;
}

static kern_return_t pages_read(struct pager *, void *, vm_offset_t offset, void *page)
{
    if (offset >= sizeof(pages_book)) {
        return KERN_INVALID_ARGUMENT;
    }
    memcpy(page, pages_book[offset / PAGE], PAGE);
    return KERN_SUCCESS;
}

static kern_return_t pages_write(struct pager *, void *, vm_offset_t offset, const void *page)
{
    memcpy(pages_book[offset / PAGE], page, PAGE);
    pages_counts.kept++;
    return KERN_SUCCESS;
}

static void pages_end(struct pager *, void *)
{
    pages_counts.ended = true;
}

static const struct pager_ops pages_squares = {.read_page = pages_square};
static const struct pager_ops pages_notebook = {
    .read_page = pages_read, .write_page = pages_write, .end = pages_end};

static const struct pager_attributes pages_attributes = {.copy_strategy = MEMORY_OBJECT_COPY_DELAY};

kern_return_t pages_create(mach_port_t set, bool notebook, struct pager **pager)
{
    return pager_create(set, notebook ? &pages_notebook : &pages_squares, NULL, &pages_attributes,
                        pager);
}
