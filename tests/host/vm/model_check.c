/* model_check.c - everything compared with the model: what is read, what regions there are, and
 * that each object, page, entry and reference is one somebody has. */
#include "model.h"

#include "ddb/vm_check.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"

/* --- tasks --- */

static void check_region(struct model_task *task, unsigned i)
{
    const struct model_page *page = &task->pages[i];
    struct vm_map_region region;
    bool mapped = vm_map_region(task->map, model_address(i), false, &region) == KERN_SUCCESS &&
                  region.start <= model_address(i);

    expect_code(mapped, page->mapped);
    if (mapped) {
        expect_code(region.protection, page->prot);
        expect_code(region.inheritance, page->inherit);
        expect_code(region.wired_count, page->wired);
    }
}

static void check_task(struct model_task *task)
{
    for (unsigned i = 0; i < MODEL_PAGES; i += 1) {
        check_region(task, i);
        model_read(task->map, model_address(i), &task->pages[i]);
    }
    fake_check_map(task->map);
}

/* --- objects --- */

#define OBJECTS_MAX 4096u

/* An object, and who refers to it. */
struct seen {
    struct vm_object *object;
    uint32_t refs;
};

static struct seen seen[OBJECTS_MAX];
static unsigned seen_count;
static uint64_t entries;

/* Count a reference to the object; 0: it only exists. */
static void see(struct vm_object *object, uint32_t refs)
{
    if (object == NULL) {
        return;
    }
    for (unsigned i = 0; i < seen_count; i += 1) {
        if (seen[i].object == object) {
            seen[i].refs += refs;
            return;
        }
    }
    expect(seen_count < OBJECTS_MAX);
    seen[seen_count] = (struct seen){object, refs};
    seen_count += 1;
    see(object->shadow, 1);
}

static void see_map(struct vm_map *map)
{
    struct rbnode *node = rbtree_first(&map->entries);

    for (; node != NULL; node = rbtree_next(node)) {
        see(vm_map_entry_of(node)->object, 1);
        entries += 1;
    }
}

/* Reasons why the page is wired: entries of tasks. */
static unsigned wirings(const struct vm_object *object, vm_offset_t offset)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MODEL_TASKS; i += 1) {
        struct rbnode *node = rbtree_first(&model.tasks[i].map->entries);

        for (; node != NULL; node = rbtree_next(node)) {
            struct vm_map_entry *entry = vm_map_entry_of(node);

            n += entry->object == object && entry->wired_count != 0 && offset >= entry->offset &&
                 offset < entry->offset + vm_map_entry_size(entry);
        }
    }
    return n;
}

static void check_object(struct vm_object *object)
{
    uint64_t resident = 0, absent = 0;
    uint64_t index = 0;
    struct vm_page *page;

    while ((page = vm_radix_next(&object->pages, &index)) != NULL) {
        bool is_absent = (page->flags & VM_PAGE_ABSENT) != 0;

        expect(page->object == object && page->offset == index << PAGE_SHIFT);
        expect_code(page->wire_count, is_absent ? 0 : wirings(object, page->offset));
        absent += is_absent;
        resident += !is_absent;
        index += 1;
    }
    expect_code(object->resident_count, resident);
    expect_code(object->absent_count, absent);
    expect(object->copy == NULL || object->copy->shadow == object);
    expect((object->flags & (VM_OBJECT_RETURNING | VM_OBJECT_ENDING)) == 0);
}

/* --- counts --- */

static void check_objects(void)
{
    unsigned ports = 1 + model_default_objects();
    uint64_t absent = 0;

    for (unsigned i = 0; i < seen_count; i += 1) {
        check_object(seen[i].object);
        expect_code(seen[i].object->refs, seen[i].refs);
        absent += seen[i].object->absent_count;
        ports += seen[i].object->pager != NULL ? 2 : 0;
    }
    for (unsigned i = 0; i < MODEL_OBJECTS; i += 1) {
        ports += model.objects[i].port != NULL;
    }
    expect_code(vm_object_count(), seen_count);
    expect_code(fake_live("vm_page_absent"), absent);
    expect_code(fake_port_count, ports);
}

void model_check(void)
{
    model.late = model.fails = model.failed = model.disturbed = model.shortage = false;
    for (unsigned i = 0; i < MODEL_TASKS; i += 1) {
        check_task(&model.tasks[i]);
    }
    fake_pager_reap();
    seen_count = 0;
    entries = 0;
    for (unsigned i = 0; i < MODEL_TASKS; i += 1) {
        see_map(model.tasks[i].map);
    }
    see_map(model.pager_map);
    for (unsigned i = 0; i < MODEL_OBJECTS; i += 1) {
        see(model.objects[i].port != NULL ? model.objects[i].control : NULL, 0);
    }
    check_objects();
    expect_code(fake_live("vm_map_entry"), entries);
    expect_code(fake_live("vm_map"), MODEL_TASKS + 1);
    expect_code(fake_live("vm_copy"), 0);
}
