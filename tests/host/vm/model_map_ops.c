/* model_map_ops.c - what tasks do at random, and what becomes of the model's pages. */
#include "model.h"

#include "ipc/ipc_port.h"
#include "vm/vm_object.h"
#include "vm/vm_user.h"

static struct model_task *any_task(void)
{
    return &model.tasks[model_random(MODEL_TASKS)];
}

static unsigned task_number(const struct model_task *task)
{
    return (unsigned)(task - model.tasks);
}

/* A range of pages: at most `most`. */
struct range {
    unsigned first;
    unsigned n;
};

static struct range any_range(unsigned most)
{
    struct range range = {.first = model_random(MODEL_PAGES)};
    unsigned left = MODEL_PAGES - range.first;

    range.n = 1 + model_random(left < most ? left : most);
    return range;
}

static bool all_mapped(const struct model_task *task, struct range range, vm_prot_t prot)
{
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        if (!task->pages[i].mapped || (prot & ~task->pages[i].prot) != 0) {
            return false;
        }
    }
    return true;
}

static bool none_mapped(const struct model_task *task, struct range range)
{
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        if (task->pages[i].mapped) {
            return false;
        }
    }
    return true;
}

/* Did memory lack where it may? */
static bool lacks(kern_return_t kr)
{
    return kr == KERN_RESOURCE_SHORTAGE && model.shortage;
}

/* Is it right that an operation on mapped pages failed? Then it did nothing. */
static void expect_failure(const struct model_task *task, struct range range, kern_return_t kr)
{
    bool excused = model.failed;

    if (lacks(kr)) {
        return;
    }
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        excused = excused || (task->pages[i].mapped && model.cells[task->pages[i].cell].lossy);
    }
    if (!excused || (kr != KERN_MEMORY_ERROR && kr != KERN_ABORTED)) {
        expect_code(kr, KERN_SUCCESS);
    }
}

static struct model_page mapped_page(vm_prot_t prot, vm_inherit_t inherit, unsigned cell)
{
    return (struct model_page){.mapped = true, .prot = prot, .inherit = inherit, .cell = cell};
}

/* --- regions --- */

void op_allocate(void)
{
    struct model_task *task = any_task();
    struct range range = any_range(16);
    vm_offset_t at = model_address(range.first);
    kern_return_t kr;

    model_note("task %u allocates %u + %u", task_number(task), range.first, range.n);
    model_scarce();
    kr = vm_allocate(task->map, &at, range.n * PG, false);
    if (!none_mapped(task, range) || lacks(kr)) {
        expect(kr == KERN_NO_SPACE || lacks(kr));
        return;
    }
    expect_code(kr, KERN_SUCCESS);
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        task->pages[i] = mapped_page(VM_PROT_DEFAULT, VM_INHERIT_DEFAULT, model_new_cell(0));
    }
}

void op_deallocate(void)
{
    struct model_task *task = any_task();
    struct range range = any_range(12);
    kern_return_t kr;

    model_note("task %u deallocates %u + %u", task_number(task), range.first, range.n);
    model.disturbed = model.disturbed || model.nested;
    if (!model.nested) {
        model_scarce();
    }
    kr = vm_deallocate(task->map, model_address(range.first), range.n * PG);
    if (lacks(kr)) {
        return;
    }
    expect_code(kr, KERN_SUCCESS);
    memset(&task->pages[range.first], 0, range.n * sizeof(task->pages[0]));
}

void op_attributes(void)
{
    static const vm_prot_t prots[] = {VM_PROT_NONE,    VM_PROT_READ,    VM_PROT_DEFAULT,
                                      VM_PROT_DEFAULT, VM_PROT_DEFAULT, VM_PROT_ALL};
    struct model_task *task = any_task();
    struct range range = any_range(16);
    vm_prot_t prot = prots[model_random(6)];
    vm_inherit_t inherit = (vm_inherit_t)model_random(3);
    vm_offset_t at = model_address(range.first);
    kern_return_t kr;

    model_note("task %u protects %u + %u: %d, inherit %d", task_number(task), range.first, range.n,
               prot, (int)inherit);
    model_scarce();
    kr = vm_protect(task->map, at, range.n * PG, false, prot);
    expect(kr == KERN_SUCCESS || lacks(kr));
    for (unsigned i = range.first; kr == KERN_SUCCESS && i < range.first + range.n; i += 1) {
        task->pages[i].prot = prot;
    }
    kr = vm_inherit(task->map, at, range.n * PG, inherit);
    expect(kr == KERN_SUCCESS || lacks(kr));
    for (unsigned i = range.first; kr == KERN_SUCCESS && i < range.first + range.n; i += 1) {
        task->pages[i].inherit = inherit;
    }
}

void op_access(void)
{
    struct model_task *task = any_task();

    model_note("task %u reads and writes", task_number(task));
    model.nests = !model.nested && !model.shortage && model_random(3) == 0;
    for (unsigned n = 0; n < 6; n += 1) {
        unsigned i = model_random(MODEL_PAGES);

        if (!model.nested && n == 0 && !model.shortage) {
            model_scarce();
        }
        if (model_random(2) == 0) {
            model_read(task->map, model_address(i), &task->pages[i]);
        } else {
            model_write(task->map, model_address(i), &task->pages[i]);
        }
    }
    model.nests = false;
}

/* --- copies --- */

/* The page has been written over with what `from` was. */
static void page_replaced(struct model_task *task, unsigned i, const struct model_cell *from)
{
    unsigned page;
    struct model_object *object = model_object_at(task->map, model_address(i), &page);

    if (object != NULL) {
        task->pages[i].cell = object->cell[page];
    }
    model_give(task->pages[i].cell, from);
}

/* An operation that writes pages in order failed on its way: each holds what it held, or what it
 * was to hold. */
static void settle(struct model_task *task, struct range range, const struct model_cell *written)
{
    for (unsigned i = 0; i < range.n; i += 1) {
        struct model_page *page = &task->pages[range.first + i];
        struct model_cell *cell = &model.cells[page->cell];
        uint8_t byte;

        if ((page->prot & VM_PROT_READ) == 0) {
            cell->any = true;
        } else if (model_peek(task->map, model_address(range.first + i), page, &byte) &&
                   !cell->any && byte != cell->value) {
            expect(written[i].any || byte == written[i].value);
            page_replaced(task, range.first + i, &written[i]);
            model.cells[page->cell].value = byte;
        }
    }
}

static void take_cells(const struct model_task *task, struct range range, struct model_cell *cells)
{
    for (unsigned i = 0; i < range.n; i += 1) {
        cells[i] = model.cells[task->pages[range.first + i].cell];
    }
}

/* vm_copy, or vm_read and vm_write. */
static kern_return_t copy_over(struct model_task *from, vm_offset_t source, vm_size_t size,
                               struct model_task *to, vm_offset_t target)
{
    struct vm_copy *data;
    natural_t count;
    kern_return_t kr;

    if (from == to && model_random(2) == 0) {
        return vm_copy(from->map, source, size, target);
    }
    kr = vm_read(from->map, source, size, &data, &count);
    if (kr == KERN_SUCCESS) {
        kr = vm_write(to->map, target, data, count);
        if (kr != KERN_SUCCESS) {
            vm_copy_discard(data);
        }
    }
    return kr;
}

void op_copy(void)
{
    struct model_task *from = any_task();
    struct model_task *to = any_task();
    struct range range = any_range(12);
    struct range target = {.first = model_random(MODEL_PAGES - range.n + 1), .n = range.n};
    struct model_cell cells[MODEL_PAGES];
    kern_return_t kr;

    model_note("task %u copies %u + %u to task %u at %u", task_number(from), range.first, range.n,
               task_number(to), target.first);
    take_cells(from, range, cells);
    model_scarce();
    kr = copy_over(from, model_address(range.first), range.n * PG, to, model_address(target.first));
    model_plenty();
    if (!all_mapped(from, range, VM_PROT_READ) || !all_mapped(to, target, VM_PROT_WRITE)) {
        expect(kr != KERN_SUCCESS);
        return;
    }
    if (kr != KERN_SUCCESS) {
        expect(lacks(kr) || kr == KERN_MEMORY_ERROR || kr == KERN_ABORTED);
        settle(to, target, cells);
        return;
    }
    for (unsigned i = 0; i < range.n; i += 1) {
        page_replaced(to, target.first + i, &cells[i]);
    }
}

/* What has come into a task is looked at, written, and goes. */
static void use_and_drop(struct model_task *to, vm_offset_t got, const struct model_cell *cells,
                         unsigned n)
{
    for (unsigned i = 0; i < n; i += 1) {
        struct model_page page = {.mapped = true, .prot = VM_PROT_DEFAULT};

        page.cell = model_copied(to->map, got + i * PG, &cells[i]);
        model_read(to->map, got + i * PG, &page);
        if (model_random(3) == 0) {
            model_write(to->map, got + i * PG, &page);
            model_read(to->map, got + i * PG, &page);
        }
    }
    fake_check_map(to->map);
    expect_code(vm_deallocate(to->map, got, n * PG), KERN_SUCCESS);
}

/* Out of one task and into another, by copy or by move. */
void op_send(void)
{
    struct model_task *from = any_task();
    struct model_task *to = any_task();
    struct range range = any_range(24);
    bool move = model_random(2) == 0;
    struct model_cell cells[MODEL_PAGES];
    struct vm_copy *copy;
    vm_offset_t got;
    kern_return_t kr;

    model_note("task %u %s %u + %u to task %u", task_number(from), move ? "moves" : "sends",
               range.first, range.n, task_number(to));
    take_cells(from, range, cells);
    model_scarce();
    kr = vm_map_copyin(from->map, model_address(range.first), range.n * PG, move, &copy);
    if (!all_mapped(from, range, VM_PROT_READ)) {
        expect(kr != KERN_SUCCESS);
        return;
    }
    if (kr != KERN_SUCCESS) {
        expect_failure(from, range, kr);
        return;
    }
    if (move) {
        memset(&from->pages[range.first], 0, range.n * sizeof(from->pages[0]));
    }
    kr = vm_map_copyout(to->map, &got, copy);
    model_plenty();
    if (lacks(kr)) {
        vm_copy_discard(copy);
        return;
    }
    expect_code(kr, KERN_SUCCESS);
    use_and_drop(to, got, cells, range.n);
}

/* Is the page's tag among the bytes? */
static bool has_tag(vm_offset_t start, vm_size_t size, unsigned page)
{
    vm_offset_t at = model_address(page) + MODEL_TAG;

    return at >= start && at < start + size;
}

/* Read some bytes, from anywhere to anywhere. */
static void read_bytes(struct model_task *task, struct range range, vm_offset_t start,
                       vm_size_t size)
{
    struct vm_copy *data;
    natural_t count;
    kern_return_t kr;

    model_scarce();
    kr = vm_read(task->map, start, size, &data, &count);
    model_plenty();
    if (!all_mapped(task, range, VM_PROT_READ)) {
        expect(kr != KERN_SUCCESS);
        return;
    }
    if (kr != KERN_SUCCESS) {
        expect_failure(task, range, kr);
        return;
    }
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        const struct model_cell *cell = &model.cells[task->pages[i].cell];
        uint8_t byte;

        if (has_tag(start, size, i) && !cell->any &&
            vm_copy_read(data, model_address(i) + MODEL_TAG - start, &byte, 1) == KERN_SUCCESS) {
            expect_code(byte, cell->value);
        }
    }
    vm_copy_discard(data);
}

/* Write some bytes, all the same. */
static void write_bytes(struct model_task *task, struct range range, vm_offset_t start,
                        vm_size_t size)
{
    struct model_cell cells[MODEL_PAGES];
    uint8_t byte = (uint8_t)model_random(256);
    char *bytes = test_malloc(size);
    struct vm_copy *data;
    kern_return_t kr;

    memset(bytes, byte, size);
    data = vm_copy_from_kernel(bytes, size);
    test_free(bytes);
    model_scarce();
    kr = vm_write(task->map, start, data, (natural_t)size);
    model_plenty();
    if (kr != KERN_SUCCESS) {
        vm_copy_discard(data);
    }
    if (!all_mapped(task, range, VM_PROT_WRITE)) {
        expect(kr != KERN_SUCCESS);
        return;
    }
    take_cells(task, range, cells);
    for (unsigned i = 0; i < range.n; i += 1) {
        if (!has_tag(start, size, range.first + i)) {
            continue;
        }
        if (kr == KERN_SUCCESS) {
            model_set(task->pages[range.first + i].cell, byte);
        }
        cells[i].value = byte;
        cells[i].any = false;
    }
    if (kr != KERN_SUCCESS) {
        settle(task, range, cells);
    }
}

void op_bytes(void)
{
    struct model_task *task = any_task();
    struct range range = any_range(6);
    unsigned before = model_random(2) * model_random(10);
    unsigned after = model_random(2) * model_random(4090);
    vm_offset_t start = model_address(range.first) + before;
    vm_offset_t end = model_address(range.first + range.n) - after;
    bool writes = model_random(2) == 0;

    if (start >= end) {
        return;
    }
    model_note("task %u %s bytes of %u + %u", task_number(task), writes ? "writes" : "reads",
               range.first, range.n);
    if (writes) {
        write_bytes(task, range, start, end - start);
    } else {
        read_bytes(task, range, start, end - start);
    }
}

void op_fork(void)
{
    struct model_task *parent = any_task();
    struct model_task *child = any_task();
    kern_return_t kr;

    if (parent == child) {
        return;
    }
    model_note("task %u forks task %u", task_number(parent), task_number(child));
    vm_map_unref(child->map);
    memset(child->pages, 0, sizeof(child->pages));
    model_scarce();
    kr = vm_map_fork(parent->map, &child->map);
    model_plenty();
    if (kr != KERN_SUCCESS) {
        child->map = fake_map();
        expect_failure(parent, (struct range){0, MODEL_PAGES}, kr);
        return;
    }
    for (unsigned i = 0; i < MODEL_PAGES; i += 1) {
        struct model_page *page = &parent->pages[i];

        if (!page->mapped || page->inherit == VM_INHERIT_NONE) {
            continue;
        }
        child->pages[i] = *page;
        child->pages[i].wired = 0;
        if (page->inherit == VM_INHERIT_COPY) {
            child->pages[i].cell =
                model_copied(child->map, model_address(i), &model.cells[page->cell]);
        }
    }
}

/* A part of one region is seen by another task, too. */
void op_share(void)
{
    struct model_task *from = any_task();
    struct model_task *to = any_task();
    struct range range = any_range(6);
    struct range target = {.first = model_random(MODEL_PAGES - range.n + 1), .n = range.n};
    vm_offset_t start = model_address(range.first), at = model_address(target.first);
    struct vm_map_request request = {.size = range.n * PG,
                                     .protection = VM_PROT_DEFAULT,
                                     .max_protection = VM_PROT_ALL,
                                     .inheritance = VM_INHERIT_DEFAULT};
    kern_return_t kr;

    if (!none_mapped(to, target)) {
        return;
    }
    model_note("task %u shares %u + %u with task %u at %u", task_number(from), range.first, range.n,
               task_number(to), target.first);
    model_scarce();
    kr = vm_map_share(from->map, start, start + range.n * PG, VM_PROT_DEFAULT, &request.object,
                      &request.offset);
    if (kr != KERN_SUCCESS) {
        expect(kr == KERN_INVALID_ADDRESS || lacks(kr));
        return;
    }
    expect(all_mapped(from, range, VM_PROT_NONE));
    kr = vm_map_enter(to->map, &at, &request);
    if (lacks(kr)) {
        vm_object_unref(request.object);
        return;
    }
    expect_code(kr, KERN_SUCCESS);
    for (unsigned i = 0; i < range.n; i += 1) {
        to->pages[target.first + i] =
            (struct model_page){.mapped = true,
                                .prot = VM_PROT_DEFAULT,
                                .inherit = VM_INHERIT_DEFAULT,
                                .cell = from->pages[range.first + i].cell};
    }
}

/* --- wiring --- */

void op_wire(void)
{
    struct model_task *task = any_task();
    struct range range = any_range(8);
    kern_return_t kr;

    model_note("task %u wires %u + %u", task_number(task), range.first, range.n);
    model_scarce();
    kr = vm_map_wire(task->map, model_address(range.first), model_address(range.first + range.n),
                     VM_PROT_READ);
    if (!all_mapped(task, range, VM_PROT_READ)) {
        expect(kr != KERN_SUCCESS);
        return;
    }
    if (kr != KERN_SUCCESS) {
        expect_failure(task, range, kr);
        return;
    }
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        task->pages[i].wired += 1;
    }
}

void op_unwire(void)
{
    struct model_task *task = any_task();
    struct range range = any_range(8);
    bool all = all_mapped(task, range, VM_PROT_NONE);
    kern_return_t kr;

    model_note("task %u unwires %u + %u", task_number(task), range.first, range.n);
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        all = all && task->pages[i].wired != 0;
    }
    if (!all) {
        expect(vm_map_wire(task->map, model_address(range.first),
                           model_address(range.first + range.n), VM_PROT_NONE) != KERN_SUCCESS);
        return;
    }
    model_scarce();
    kr = vm_map_wire(task->map, model_address(range.first), model_address(range.first + range.n),
                     VM_PROT_NONE);
    if (lacks(kr)) {
        return;
    }
    expect_code(kr, KERN_SUCCESS);
    for (unsigned i = range.first; i < range.first + range.n; i += 1) {
        task->pages[i].wired -= 1;
    }
}

/* --- memory objects --- */

void op_map(void)
{
    struct model_object *object = &model.objects[model_random(MODEL_OBJECTS)];
    struct model_task *task = any_task();
    struct range range = any_range(12);
    unsigned offset = model_random(MODEL_OBJECT_PAGES - range.n + 1);
    bool copy = model_random(3) == 0;
    vm_prot_t prot = model_random(4) == 0 ? VM_PROT_READ : VM_PROT_DEFAULT;
    vm_inherit_t inherit = (vm_inherit_t)model_random(3);
    vm_offset_t at = model_address(range.first);
    struct ipc_port *right;
    kern_return_t kr;

    if (object->port == NULL) {
        return;
    }
    model_note("task %u maps object %u (strategy %d) at %u to %u + %u%s", task_number(task),
               (unsigned)(object - model.objects), (int)object->strategy, offset, range.first,
               range.n, copy ? ", a copy" : "");
    right = fake_pager_right(object->port);
    model_scarce();
    kr = vm_map(task->map, &at, range.n * PG, 0, false, right, offset * PG, copy, prot, VM_PROT_ALL,
                inherit);
    if (kr != KERN_SUCCESS) {
        ipc_port_release_send(right);
        if (!model.failed && !lacks(kr)) {
            expect_code(kr, none_mapped(task, range) ? KERN_SUCCESS : KERN_NO_SPACE);
        }
        return;
    }
    expect(none_mapped(task, range));
    for (unsigned i = 0; i < range.n; i += 1) {
        unsigned cell = object->cell[offset + i];

        if (copy) {
            cell = model_copied(task->map, at + i * PG, &model.cells[cell]);
        }
        task->pages[range.first + i] = mapped_page(prot, inherit, cell);
    }
}
