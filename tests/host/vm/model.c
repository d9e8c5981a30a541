/* model.c - cells, and what an access to a page comes to. */
#include "model.h"

#include <stdlib.h>

#include "ddb/slab_debug.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_user.h"

#define CELLS (1u << 20)

struct model model;

unsigned model_random(unsigned n)
{
    uint64_t x;

    model.random += 0x9e3779b97f4a7c15ul;
    x = model.random;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
    return (unsigned)((x ^ (x >> 31)) >> 32) % n;
}

vm_offset_t model_address(unsigned page)
{
    return MODEL_BASE + page * PG;
}

void model_scarce(void)
{
    unsigned kind = model_random(16);

    if (kind == 0) {
        slab_debug_refuse(model_random(24));
    } else if (kind == 1) {
        fake_enter_budget = model_random(4);
    }
    model.shortage = kind <= 1;
}

void model_plenty(void)
{
    slab_debug_refuse(UINT32_MAX);
    fake_enter_budget = -1;
}

/* --- cells --- */

unsigned model_new_cell(uint8_t value)
{
    expect(model.cell_count < CELLS);
    model.cells[model.cell_count] = (struct model_cell){.value = value};
    model.cell_count += 1;
    return model.cell_count - 1;
}

void model_renew_cells(struct model_object *object)
{
    for (unsigned i = 0; i < MODEL_OBJECT_PAGES; i += 1) {
        struct model_cell *cell;

        object->cell[i] = model_new_cell(object->stored[i]);
        cell = &model.cells[object->cell[i]];
        cell->of_object = true;
        cell->source = object;
        cell->page = i;
    }
}

void model_set(unsigned index, uint8_t value)
{
    struct model_cell *cell = &model.cells[index];

    cell->value = value;
    cell->any = false;
    if (!cell->of_object) {
        *cell = (struct model_cell){.value = value};
    }
}

/* Only delayed copies go on looking at what they copied. One the pager was to make, and refused to,
 * has nothing. */
static void model_detach_copy(struct model_cell *cell, memory_object_copy_strategy_t strategy)
{
    if (strategy == MEMORY_OBJECT_COPY_NONE || strategy == MEMORY_OBJECT_COPY_CALL) {
        cell->source = NULL;
    }
    if (strategy == MEMORY_OBJECT_COPY_CALL && model.failed) {
        cell->lossy = true;
    }
}

void model_give(unsigned index, const struct model_cell *from)
{
    struct model_cell *cell = &model.cells[index];

    cell->value = from->value;
    cell->any = from->any;
    if (!cell->of_object) {
        *cell = *from;
        cell->of_object = false;
        if (from->of_object && from->source != NULL) {
            model_detach_copy(cell, from->source->strategy);
        }
    }
}

unsigned model_copied(struct vm_map *map, vm_offset_t at, const struct model_cell *from)
{
    unsigned page;
    struct model_object *object = model_object_at(map, at, &page);
    unsigned cell;

    if (object != NULL) { /* the copy is a memory object, too */
        expect(object->is_copy && (object != from->source || !from->of_object));
        return object->cell[page];
    }
    cell = model_new_cell(0);
    model_give(cell, from);
    return cell;
}

bool model_is_wired(unsigned cell)
{
    for (unsigned i = 0; i < MODEL_TASKS * MODEL_PAGES; i += 1) {
        struct model_page *page = &model.tasks[i / MODEL_PAGES].pages[i % MODEL_PAGES];

        if (page->mapped && page->wired != 0 && page->cell == cell) {
            return true;
        }
    }
    return false;
}

struct model_object *model_object_at(struct vm_map *map, vm_offset_t at, unsigned *page)
{
    struct vm_map_region region;

    if (vm_map_region(map, at, false, &region) != KERN_SUCCESS || region.start > at ||
        region.object == NULL) {
        return NULL;
    }
    for (unsigned i = 0; i < MODEL_OBJECTS; i += 1) {
        if (model.objects[i].port != NULL && model.objects[i].control == region.object) {
            *page = (unsigned)((region.offset + (at - region.start)) / PG);
            expect(!region.needs_copy && *page < MODEL_OBJECT_PAGES);
            return &model.objects[i];
        }
    }
    return NULL;
}

/* --- accesses --- */

/* What an access comes to when nothing is in the way. */
static kern_return_t model_right(const struct model_page *page, vm_prot_t access)
{
    if (!page->mapped) {
        return KERN_INVALID_ADDRESS;
    }
    if ((access & ~page->prot) != 0) {
        return KERN_PROTECTION_FAILURE;
    }
    return model.cells[page->cell].lost ? KERN_MEMORY_ERROR : KERN_SUCCESS;
}

bool model_outcome(const struct model_page *page, vm_prot_t access, kern_return_t kr)
{
    kern_return_t right = model_right(page, access);
    bool by_pager = kr == KERN_MEMORY_ERROR || kr == KERN_ABORTED;
    struct model_cell *cell = &model.cells[page->cell];

    if (kr == right) {
        return kr == KERN_SUCCESS;
    }
    if (kr == KERN_SUCCESS || !((model.disturbed && kr != KERN_RESOURCE_SHORTAGE) ||
                                (model.shortage && kr == KERN_RESOURCE_SHORTAGE) ||
                                (page->mapped && by_pager && (model.failed || cell->lossy)))) {
        expect_code(kr, right);
    }
    /* A write also fails where the pager has locked the page, which may be read. */
    if (page->mapped && by_pager && cell->lossy && !model.failed && !model.disturbed &&
        access == VM_PROT_READ) {
        cell->lost = true;
    }
    return false;
}

void model_read(struct vm_map *map, vm_offset_t at, const struct model_page *page)
{
    uint8_t byte = 0;
    kern_return_t kr = model_random(2) == 0 ? fake_read(map, at + MODEL_TAG, &byte)
                                            : vm_fault_read(map, at + MODEL_TAG, &byte, 1);

    if (model_outcome(page, VM_PROT_READ, kr) && !model.cells[page->cell].any) {
        expect_code(byte, model.cells[page->cell].value);
    }
}

void model_write(struct vm_map *map, vm_offset_t at, const struct model_page *page)
{
    uint8_t byte = (uint8_t)model_random(256);
    kern_return_t kr = model_random(2) == 0 ? fake_write(map, at + MODEL_TAG, byte)
                                            : vm_fault_write(map, at + MODEL_TAG, &byte, 1);

    if (model_outcome(page, VM_PROT_WRITE, kr)) {
        model_set(page->cell, byte);
    }
}

bool model_peek(struct vm_map *map, vm_offset_t at, const struct model_page *page, uint8_t *value)
{
    bool late = model.late, fails = model.fails, failed = model.failed;
    kern_return_t sends = fake_send_result;
    kern_return_t kr;

    model.late = model.fails = model.failed = false;
    fake_send_result = KERN_SUCCESS;
    model_plenty();
    kr = fake_read(map, at + MODEL_TAG, value);
    fake_send_result = sends;
    model.late = late;
    model.fails = fails;
    model.failed = failed;
    if (!page->mapped || (page->prot & VM_PROT_READ) == 0) {
        return model_outcome(page, VM_PROT_READ, kr);
    }
    expect(kr == KERN_SUCCESS || model.cells[page->cell].lossy);
    return kr == KERN_SUCCESS;
}

/* --- a history --- */

void model_begin(void)
{
    struct model_cell *cells = model.cells != NULL ? model.cells : calloc(CELLS, sizeof(*cells));

    memset(&model, 0, sizeof(model));
    model.cells = cells;
    for (unsigned i = 0; i < MODEL_TASKS; i += 1) {
        model.tasks[i].map = fake_map();
    }
    model.pager_map = fake_map();
}

void model_end(void)
{
    for (unsigned i = 0; i < MODEL_TASKS; i += 1) {
        vm_map_unref(model.tasks[i].map);
        memset(&model.tasks[i], 0, sizeof(model.tasks[i]));
    }
    vm_map_unref(model.pager_map);
}
