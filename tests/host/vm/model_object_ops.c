/* model_object_ops.c - what pagers do at random without being asked, and what happens to memory as
 * a whole. */
#include "model.h"

#include "ipc/ipc_port.h"
#include "kern/list.h"
#include "mach_kernel_server.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"
#include "vm/vm_user.h"

/* Pages of an object whose kernel's side there is. */
struct part {
    struct model_object *object;
    unsigned number; /* of object */
    struct vm_object *control;
    unsigned first;
    unsigned n;
};

/* Some pages of some object; false when the kernel has no such object. Refs: control has one. */
static bool any_part(struct part *part)
{
    part->number = model_random(MODEL_OBJECTS);
    part->object = &model.objects[part->number];
    part->first = model_random(MODEL_OBJECT_PAGES);
    part->n = 1 + model_random(MODEL_OBJECT_PAGES - part->first);
    part->control = part->object->port != NULL ? model_control(part->object) : NULL;
    return part->control != NULL;
}

void op_answer(void)
{
    struct model_object *object = &model.objects[model_random(MODEL_OBJECTS)];

    if (object->port != NULL && object->asked_count != 0) {
        model_note("the pager of object %u answers", (unsigned)(object - model.objects));
        model_answer(object);
    }
}

void op_supply(void)
{
    struct part part;

    if (any_part(&part)) {
        model_note("object %u: supplies %u + %u", part.number, part.first, part.n);
        if (part.object->ready) {
            model_supply(part.object, part.first, part.n);
        }
        vm_object_unref(part.control);
    }
}

/* Errors for what may have been asked, and nothing where there is nothing. */
void op_refuse(void)
{
    struct part part;

    if (!any_part(&part)) {
        return;
    }
    model_note("object %u: refuses %u + %u", part.number, part.first, part.n);
    model.disturbed = model.disturbed || model.nested;
    expect_code(memory_object_data_error(part.control, part.first * PG, part.n * PG, 1),
                KERN_SUCCESS);
    for (unsigned i = part.first; i < part.first + part.n; i += 1) {
        if (part.object->stored[i] == 0) {
            expect_code(memory_object_data_unavailable(part.control, i * PG, PG), KERN_SUCCESS);
        }
    }
    vm_object_unref(part.control);
}

/* Changed pages have been thrown away: what the pager has counts, and copies that look for theirs
 * find it, too. */
static void part_dropped(const struct part *part)
{
    for (unsigned i = part->first; i < part->first + part->n; i += 1) {
        struct model_cell *cell = &model.cells[part->object->cell[i]];
        uint8_t stored = part->object->stored[i];

        if (model_is_wired(part->object->cell[i]) || (!cell->any && cell->value == stored)) {
            continue;
        }
        cell->value = stored;
        cell->any = false;
        for (unsigned k = 0; k < model.cell_count; k += 1) {
            if (model.cells[k].source == part->object && model.cells[k].page == i &&
                !model.cells[k].of_object) {
                model.cells[k].any = true;
            }
        }
    }
}

void op_lock(void)
{
    static const vm_prot_t locks[] = {VM_PROT_NO_CHANGE, VM_PROT_NO_CHANGE, VM_PROT_NONE,
                                      VM_PROT_WRITE,     VM_PROT_EXECUTE,   VM_PROT_ALL};
    memory_object_return_t which = (memory_object_return_t)model_random(3);
    vm_prot_t lock = locks[model_random(6)];
    bool flush = model_random(2) == 0;
    struct part part;

    if (!any_part(&part)) {
        return;
    }
    if (which == MEMORY_OBJECT_RETURN_NONE && model_random(3) != 0) {
        flush = false; /* loses data: not all the time */
    }
    model_note("object %u: lock request %u + %u: return %d, flush %d, lock %d", part.number,
               part.first, part.n, (int)which, flush, lock);
    model.calm = true;
    expect_code(memory_object_lock_request(part.control, part.first * PG, part.n * PG, which, flush,
                                           lock, NULL, 0),
                KERN_SUCCESS);
    if (flush && which == MEMORY_OBJECT_RETURN_NONE) {
        part_dropped(&part);
    }
    vm_object_unref(part.control);
}

void op_change(void)
{
    struct part part;

    if (!any_part(&part)) {
        return;
    }
    part.object->strategy = (memory_object_copy_strategy_t)model_random(4);
    part.object->may_cache = model_random(2) == 0;
    model_note("object %u: strategy %d, may cache %d", part.number, (int)part.object->strategy,
               part.object->may_cache);
    expect_code(memory_object_change_attributes(part.control, part.object->may_cache,
                                                part.object->strategy, NULL, 0),
                KERN_SUCCESS);
    vm_object_unref(part.control);
}

/* Does the task map all the pages? */
static bool task_maps(const struct model_task *task, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i += 1) {
        if (!task->pages[i].mapped) {
            return false;
        }
    }
    return true;
}

void op_sync(void)
{
    struct model_task *task = &model.tasks[model_random(MODEL_TASKS)];
    unsigned first = model_random(MODEL_PAGES);
    unsigned n = 1 + model_random(MODEL_PAGES - first);
    bool flush = model_random(2) == 0;
    struct part part;

    model.calm = true;
    if (model_random(2) == 0) {
        model_note("msync of %u + %u%s", first, n, flush ? ", all go" : "");
        expect_code(
            vm_msync(task->map, model_address(first), n * PG, flush ? VM_SYNC_INVALIDATE : 0),
            task_maps(task, first, n) ? KERN_SUCCESS : KERN_INVALID_ADDRESS);
    } else if (any_part(&part)) {
        model_note("object %u: sync of %u + %u%s", part.number, part.first, part.n,
                   flush ? ", all go" : "");
        expect_code(vm_object_sync(part.control, part.first * PG, part.n * PG, flush,
                                   model_random(2) == 0, false),
                    KERN_SUCCESS);
        vm_object_unref(part.control);
    }
}

/* --- the end of objects --- */

/* The kernel's side has no pager any more. Its pages go on without it: those that are in memory, or
 * (gone) only wired ones. */
static void object_parted(struct model_object *object, bool gone)
{
    for (unsigned i = 0; i < MODEL_OBJECT_PAGES; i += 1) {
        model.cells[object->cell[i]].lost = gone && !model_is_wired(object->cell[i]);
    }
    for (unsigned k = 0; k < model.cell_count; k += 1) {
        if (model.cells[k].source == object) {
            model.cells[k].lossy = true;
            model.cells[k].source = NULL;
        }
    }
    object->control = NULL;
    object->ready = false;
    object->asked_count = 0;
    model.disturbed = model.disturbed || model.nested;
}

void op_destroy(void)
{
    struct part part;

    if (model_random(4) != 0 || !any_part(&part)) {
        return;
    }
    model_note("object %u: destroyed", part.number);
    part.object->ending = true;
    expect_code(memory_object_destroy(part.control, 1), KERN_SUCCESS);
    part.object->ending = false;
    expect(part.object->control == NULL);
    vm_object_unref(part.control);
    object_parted(part.object, true);
    if (part.object->is_copy) {
        fake_pager_kill(part.object->port);
        part.object->port = NULL;
    } else {
        model_renew_cells(part.object);
    }
}

void op_kill(void)
{
    struct part part;

    if (model_random(4) != 0 || !any_part(&part)) {
        return;
    }
    vm_object_unref(part.control);
    model_note("object %u: its pager dies", part.number);
    fake_pager_kill(part.object->port);
    object_parted(part.object, false);
    part.object->port = NULL;
    if (!part.object->is_copy) {
        part.object->port = fake_pager_port();
        memset(part.object->stored, 0, sizeof(part.object->stored));
        model_renew_cells(part.object);
    }
}

/* --- memory --- */

static void take_pages(struct list *taken, uint64_t left)
{
    struct vm_page *page;

    while (vm_page_free_count() > left && (page = vm_page_alloc(0)) != NULL) {
        list_insert_tail(taken, &page->link);
    }
}

static void give_pages(struct list *taken)
{
    struct list *node;

    while ((node = list_pop(taken)) != NULL) {
        vm_page_free(list_entry(node, struct vm_page, link));
    }
}

/* There are a few pages less than there should be. */
void op_pressure(void)
{
    struct list taken = LIST_INITIALIZER(taken);
    unsigned lack = 1 + model_random(80);

    model_note("%u pages lack", lack);
    model.calm = true;
    take_pages(&taken, vm_pageout_low() + vm_pageout_low() / 4 - lack);
    fake_run_pageout();
    give_pages(&taken);
}

/* There are no pages at all. */
void op_shortage(void)
{
    struct list taken = LIST_INITIALIZER(taken);

    if (model_random(4) != 0) {
        return;
    }
    model_note("all pages lack");
    take_pages(&taken, 0);
    model.shortage = true;
    model.late = model.fails = false;
    op_access();
    give_pages(&taken);
}

void op_reap(void)
{
    model_note("objects that nobody uses end");
    fake_pager_reap();
}
