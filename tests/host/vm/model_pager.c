/* model_pager.c - the pagers of the model: they answer now, later, in pieces, unasked, with errors
 * or not at all; and the default pager, which always answers. */
#include "model.h"

#include <stdlib.h>

#include "ipc/ipc_port.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "mach_kernel_server.h"
#include "vm/memory_object_trap.h"
#include "vm/vm_object.h"
#include "vm/vm_user.h"

/* --- the default pager --- */

/* A memory object of the default pager: the tags of its pages, -1 where it has none. */
struct swap {
    struct swap *next;
    struct ipc_port *port;
    int16_t *tags;
    unsigned pages;
};

static struct swap *swaps;
static struct ipc_port *swap_port;

unsigned model_default_objects(void)
{
    unsigned n = 0;

    for (struct swap *swap = swaps; swap != NULL; swap = swap->next) {
        n += 1;
    }
    return n;
}

static void swap_create(struct ipc_port *port)
{
    struct swap *swap = calloc(1, sizeof(*swap));

    swap->port = port;
    swap->next = swaps;
    swaps = swap;
}

static void swap_destroy(struct swap **link)
{
    struct swap *swap = *link;

    *link = swap->next;
    fake_pager_kill(swap->port);
    free(swap->tags);
    free(swap);
}

static void swap_keep(struct swap *swap, const struct fake_message *message)
{
    for (vm_size_t at = 0; at < message->length; at += PG) {
        unsigned page = (unsigned)((message->offset + at) / PG);
        uint8_t byte;

        if (page >= swap->pages) {
            unsigned pages = page + 64;

            swap->tags = realloc(swap->tags, pages * sizeof(*swap->tags));
            for (; swap->pages < pages; swap->pages += 1) {
                swap->tags[swap->pages] = -1;
            }
        }
        expect_code(vm_copy_read(message->data, at + MODEL_TAG, &byte, 1), KERN_SUCCESS);
        swap->tags[page] = byte;
    }
    vm_copy_discard(message->data);
}

static void swap_supply(const struct swap *swap, const struct fake_message *message)
{
    static char bytes[PAGE_SIZE];

    for (vm_size_t at = 0; at < message->length; at += PG) {
        unsigned page = (unsigned)((message->offset + at) / PG);

        expect(page < swap->pages && swap->tags[page] >= 0);
        bytes[MODEL_TAG] = (char)swap->tags[page];
        expect_code(memory_object_data_supply(message->object, message->offset + at,
                                              vm_copy_from_kernel(bytes, PG), PG, VM_PROT_NONE,
                                              false, NULL, 0),
                    KERN_SUCCESS);
    }
}

static void swap_message(struct swap **link, const struct fake_message *message)
{
    switch (message->id) {
    case 2201:
        swap_destroy(link);
        break;
    case 2203:
        swap_supply(*link, message);
        break;
    default:
        expect(message->id == 2208 || message->id == 2251);
        swap_keep(*link, message);
    }
}

/* --- what pagers do --- */

struct vm_object *model_control(struct model_object *object)
{
    return object->control != NULL && memory_object_try_ref(object->control) ? object->control
                                                                             : NULL;
}

/* Memory of the pagers with the pages' contents. */
static vm_offset_t supply_memory(const struct model_object *object, unsigned first, unsigned n)
{
    vm_offset_t at = fake_allocate(model.pager_map, n * PG);

    for (unsigned i = 0; i < n; i += 1) {
        expect_code(fake_write(model.pager_map, at + i * PG + MODEL_TAG, object->stored[first + i]),
                    KERN_SUCCESS);
    }
    return at;
}

/* By message: memory that moves, or bytes. */
static void supply_message(struct vm_object *control, const struct model_object *object,
                           unsigned first, unsigned n, vm_prot_t lock, bool precious)
{
    struct vm_copy *copy;

    if (model_random(2) == 0) {
        vm_offset_t at = supply_memory(object, first, n);

        expect_code(vm_map_copyin(model.pager_map, at, n * PG, true, &copy), KERN_SUCCESS);
    } else {
        char *bytes = calloc(n, PG);

        for (unsigned i = 0; i < n; i += 1) {
            bytes[i * PG + MODEL_TAG] = (char)object->stored[first + i];
        }
        copy = vm_copy_from_kernel(bytes, n * PG);
        free(bytes);
    }
    expect_code(memory_object_data_supply(control, first * PG, copy, (natural_t)(n * PG), lock,
                                          precious, NULL, 0),
                KERN_SUCCESS);
}

/* By the trap. */
static void supply_trap(struct vm_object *control, const struct model_object *object,
                        unsigned first, unsigned n, vm_prot_t lock, bool precious)
{
    static struct task task;
    vm_offset_t at = supply_memory(object, first, n);

    task.map = model.pager_map;
    fake_thread.task = &task;
    fake_named_object = control;
    expect_code(syscall_memory_object_supply(1, first * PG, at, n * PG, lock, precious),
                KERN_SUCCESS);
    expect_code(vm_deallocate(model.pager_map, at, n * PG), KERN_SUCCESS);
}

void model_supply(struct model_object *object, unsigned first, unsigned n)
{
    static const vm_prot_t locks[] = {VM_PROT_WRITE, VM_PROT_ALL, VM_PROT_EXECUTE};
    vm_prot_t lock = model_random(6) == 0 ? locks[model_random(3)] : VM_PROT_NONE;
    struct vm_object *control = model_control(object);

    if (control == NULL) {
        return;
    }
    if (model_random(3) == 0) {
        supply_trap(control, object, first, n, lock, model_random(4) == 0);
    } else {
        supply_message(control, object, first, n, lock, model_random(4) == 0);
    }
    vm_object_unref(control);
}

/* Answer for pages of one kind, from `first` on. Returns how many. */
static unsigned answer_some(struct model_object *object, unsigned first, unsigned n)
{
    bool zero = object->stored[first] == 0 && model_random(4) != 0;
    unsigned done = 1;
    struct vm_object *control;

    while (done < n && (object->stored[first + done] == 0) == zero && model_random(6) != 0) {
        done += 1;
    }
    if (!zero && !(model.fails && model_random(2) == 0)) {
        model_supply(object, first, done);
        return done;
    }
    control = model_control(object);
    if (control != NULL && zero) {
        expect_code(memory_object_data_unavailable(control, first * PG, done * PG), KERN_SUCCESS);
    } else if (control != NULL) {
        model.failed = true;
        expect_code(memory_object_data_error(control, first * PG, done * PG, 5), KERN_SUCCESS);
    }
    vm_object_unref(control);
    return done;
}

static void answer_ready(struct model_object *object)
{
    struct vm_object *control = model_control(object);

    object->ready = true;
    if (control != NULL) {
        expect_code(memory_object_ready(control, object->may_cache, object->strategy),
                    KERN_SUCCESS);
        vm_object_unref(control);
    }
}

static void answer_unlock(struct model_object *object, const struct model_question *question)
{
    struct vm_object *control = model_control(object);
    memory_object_return_t which = MEMORY_OBJECT_RETURN_NONE;

    if (control != NULL) {
        if (!model.calm && model_random(2) == 0) { /* not while pages are on their way */
            which = MEMORY_OBJECT_RETURN_ALL;
        }
        expect_code(memory_object_lock_request(control, question->offset, question->length, which,
                                               false, VM_PROT_NONE, NULL, 0),
                    KERN_SUCCESS);
        vm_object_unref(control);
    }
}

void model_answer(struct model_object *object)
{
    struct model_question question = object->asked[0];
    unsigned first = (unsigned)(question.offset / PG);
    unsigned n = (unsigned)(question.length / PG);

    object->asked_count -= 1;
    memmove(object->asked, object->asked + 1, object->asked_count * sizeof(question));
    if (question.id == 2200) {
        answer_ready(object);
    } else if (question.id == 2204) {
        answer_unlock(object, &question);
    } else {
        while (n != 0) {
            unsigned done = answer_some(object, first, n);

            first += done;
            n -= done;
        }
    }
}

/* A question: keep it, and answer it unless that may wait. */
static void object_asked(struct model_object *object, const struct fake_message *message)
{
    expect(message->id == 2200 ||
           (message->length != 0 && message->offset + message->length <= MODEL_OBJECT_PAGES * PG));
    expect(message->id == 2200 || object->ready);
    if (object->asked_count == MODEL_QUESTIONS) {
        model_answer(object);
    }
    object->asked[object->asked_count] =
        (struct model_question){message->id, message->offset, message->length};
    object->asked_count += 1;
    while (!model.late && object->asked_count != 0) {
        model_answer(object);
    }
}

/* --- what pagers are told --- */

/* A task that maps what is on its way reads it: it has the page, or waits, and must not be given
 * what the pager had before. */
static void read_meanwhile(const struct model_object *object, const struct fake_message *message)
{
    unsigned cell = object->cell[message->offset / PG];
    bool failed = model.failed;

    if (!model.calm || model.nested) {
        return;
    }
    model.nested = true;
    for (unsigned i = 0; i < MODEL_TASKS * MODEL_PAGES; i += 1) {
        struct model_task *task = &model.tasks[i / MODEL_PAGES];
        struct model_page *page = &task->pages[i % MODEL_PAGES];

        if (page->mapped && page->cell == cell) {
            model.failed = true; /* nothing else goes on, so waiting is in vain */
            model_read(task->map, model_address(i % MODEL_PAGES), page);
            break;
        }
    }
    model.nested = false;
    model.failed = failed;
}

static void object_returned(struct model_object *object, const struct fake_message *message)
{
    read_meanwhile(object, message);
    expect(message->length != 0 && message->length <= MEMORY_OBJECT_CLUSTER * PG &&
           message->offset + message->length <= MODEL_OBJECT_PAGES * PG);
    for (vm_size_t at = 0; at < message->length; at += PG) {
        expect_code(vm_copy_read(message->data, at + MODEL_TAG,
                                 &object->stored[(message->offset + at) / PG], 1),
                    KERN_SUCCESS);
    }
    vm_copy_discard(message->data);
}

/* The kernel's side ends because nobody uses it: nothing that is not temporary may be missing. */
static void object_ended(struct model_object *object)
{
    bool temporary = object->strategy == MEMORY_OBJECT_COPY_TEMPORARY;

    object->control = NULL;
    object->ready = false;
    object->asked_count = 0;
    if (object->ending) {
        return;
    }
    for (unsigned i = 0; i < MODEL_OBJECT_PAGES; i += 1) {
        struct model_cell *cell = &model.cells[object->cell[i]];

        if (!temporary && !cell->any) {
            expect_code(object->stored[i], cell->value);
        }
        cell->value = object->stored[i];
        cell->any = false;
    }
    if (object->is_copy) {
        fake_pager_kill(object->port);
        object->port = NULL;
    }
}

/* An object the kernel has made for a copy, whose pager has not heard of it yet. */
static struct ipc_port *unborn_port;
static struct vm_object *unborn_control;

static void object_copied(struct model_object *object, const struct fake_message *message)
{
    struct model_object *copy = &model.objects[MODEL_FILES];

    while (copy < &model.objects[MODEL_OBJECTS] && copy->port != NULL) {
        copy += 1;
    }
    if (copy == &model.objects[MODEL_OBJECTS]) { /* no room: refused */
        model.failed = true;
        fake_pager_kill(message->new_object);
        return;
    }
    expect(message->new_object == unborn_port);
    memset(copy, 0, sizeof(*copy));
    copy->port = unborn_port;
    copy->control = unborn_control;
    copy->is_copy = true;
    copy->strategy = (memory_object_copy_strategy_t)model_random(4);
    copy->may_cache = model_random(2) == 0;
    for (vm_offset_t at = message->offset; at < message->offset + message->length; at += PG) {
        struct model_cell *cell = &model.cells[object->cell[at / PG]];

        /* What the kernel had and the pager had not has come before the message. */
        expect(cell->any || object->stored[at / PG] == cell->value);
        copy->stored[at / PG] = object->stored[at / PG];
    }
    model_renew_cells(copy);
    object_asked(copy, &(struct fake_message){.id = 2200});
}

static void object_message(struct model_object *object, const struct fake_message *message)
{
    switch (message->id) {
    case 2200:
        expect(object->control == NULL);
        object->control = message->object;
        object_asked(object, message);
        break;
    case 2201:
        object_ended(object);
        break;
    case 2202:
        object_copied(object, message);
        break;
    case 2203:
    case 2204:
        object_asked(object, message);
        break;
    default:
        expect_code(message->id, 2208);
        object_returned(object, message);
    }
}

static void any_message(const struct fake_message *message)
{
    for (unsigned i = 0; i < MODEL_OBJECTS; i += 1) {
        if (model.objects[i].port == message->port) {
            object_message(&model.objects[i], message);
            return;
        }
    }
    for (struct swap **link = &swaps; *link != NULL; link = &(*link)->next) {
        if ((*link)->port == message->port) {
            swap_message(link, message);
            return;
        }
    }
    if (message->id == 2250) {
        swap_create(fake_default_object);
        return;
    }
    expect(message->id == 2200 || message->id == 2201);
    unborn_port = message->port;
    unborn_control = message->object;
}

/* Pagers may use reserved memory, so that pages can go to them. */
void model_pager(const struct fake_message *message)
{
    uint32_t flags = fake_thread.flags;

    model_plenty();
    fake_thread.flags |= THREAD_FLAG_VM_PRIVILEGE;
    any_message(message);
    fake_thread.flags = flags;
}

/* --- while a thread waits --- */

/* Something else happens meanwhile. */
static void model_meanwhile(void)
{
    static void (*const others[])(void) = {
        op_access, op_access, op_supply,     op_lock, op_lock,    op_change, op_pressure,
        op_sync,   op_reap,   op_deallocate, op_kill, op_destroy, op_refuse};
    bool late = model.late, fails = model.fails, nests = model.nests;

    model.nested = true;
    model.late = model.fails = model.nests = false;
    others[model_random(sizeof(others) / sizeof(others[0]))]();
    model.nested = false;
    model.late = late;
    model.fails = fails;
    model.nests = nests;
}

bool model_wait(void)
{
    unsigned start = model_random(MODEL_OBJECTS);

    model_plenty();
    if (model.nests && !model.nested && model_random(3) == 0) {
        model_meanwhile();
        return true;
    }
    if (model.fails && model_random(4) == 0) {
        model.failed = true;
        return false;
    }
    for (unsigned i = 0; i < MODEL_OBJECTS; i += 1) {
        struct model_object *object = &model.objects[(start + i) % MODEL_OBJECTS];

        if (object->port != NULL && object->asked_count != 0) {
            uint32_t flags = fake_thread.flags;

            fake_thread.flags |= THREAD_FLAG_VM_PRIVILEGE;
            model_answer(object);
            fake_thread.flags = flags;
            return true;
        }
    }
    return false;
}

void model_pager_begin(void)
{
    struct ipc_port *port;

    fake_pager = model_pager;
    fake_block_hook = model_wait;
    swap_port = fake_pager_port();
    port = fake_pager_right(swap_port);
    expect_code(vm_set_default_memory_manager((host_priv_t)2, &port), KERN_SUCCESS);
    for (unsigned i = 0; i < MODEL_FILES; i += 1) {
        struct model_object *object = &model.objects[i];

        object->port = fake_pager_port();
        object->strategy = (memory_object_copy_strategy_t)model_random(4);
        object->may_cache = model_random(2) == 0;
        for (unsigned page = 0; page < MODEL_OBJECT_PAGES; page += 1) {
            object->stored[page] = model_random(3) == 0 ? 0 : (uint8_t)model_random(256);
        }
        model_renew_cells(object);
    }
}

/* All objects end: those the kernel keeps with their ports. */
void model_pager_end(void)
{
    struct ipc_port *port = IP_DEAD;

    fake_pager_reap();
    for (unsigned i = 0; i < MODEL_OBJECTS; i += 1) {
        if (model.objects[i].port != NULL) {
            fake_pager_kill(model.objects[i].port);
            model.objects[i].port = NULL;
        }
    }
    fake_pager_reap();
    expect(swaps == NULL);
    expect_code(vm_set_default_memory_manager((host_priv_t)2, &port), KERN_SUCCESS);
    ipc_port_release_send(port);
    fake_pager_kill(swap_port);
    fake_block_hook = NULL;
    fake_pager = NULL;
    expect_code(fake_port_count, 0);
}
