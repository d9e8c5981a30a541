/* load.c - the program's segments and its stack, written into the new task. */
#include <elf.h>
#include <mach.h>
#include <mach_host.h>
#include <portolan/portolan.h>

#include "core/text.h"
#include "posix/path.h"
#include "posix/random.h"
#include "spawn/spawn_impl.h"
#include "spawn/stack_image.h"

/* vm_write counts in 32 bits. */
#define LOAD_PIECE ((vm_size_t)1 << 30)

static kern_return_t load_write(mach_port_t task, vm_address_t address, const char *data,
                                vm_size_t size)
{
    kern_return_t kr = KERN_SUCCESS;

    while (size != 0 && kr == KERN_SUCCESS) {
        vm_size_t n = size < LOAD_PIECE ? size : LOAD_PIECE;

        kr = vm_write(task, address, (pointer_t)data, (mach_msg_type_number_t)n);
        address += n;
        data += n;
        size -= n;
    }
    return kr;
}

/* Memory at that place, wired before there is anything in it if it is to be. */
static kern_return_t load_allocate(const struct spawn_work *work, vm_address_t start,
                                   vm_size_t size)
{
    kern_return_t kr = vm_allocate(work->task, &start, size, FALSE);

    if (kr == KERN_SUCCESS && work->spawn->wired_by != MACH_PORT_NULL) {
        kr = vm_wire(work->spawn->wired_by, work->task, start, size, VM_PROT_DEFAULT);
    }
    return kr;
}

static kern_return_t load_segment(const struct spawn_work *work, const struct elf_segment *segment)
{
    mach_port_t task = work->task;
    vm_address_t start = segment->start;
    vm_size_t size = segment->end - segment->start;
    kern_return_t kr = load_allocate(work, start, size);

    if (kr == KERN_SUCCESS) {
        kr = load_write(task, segment->address, segment->data, segment->size);
    }
    if (kr == KERN_SUCCESS && segment->protection != VM_PROT_DEFAULT) {
        kr = vm_protect(task, start, size, FALSE, segment->protection);
    }
    return kr;
}

kern_return_t spawn_load(struct spawn_work *work)
{
    kern_return_t kr = KERN_SUCCESS;

    for (unsigned i = 0; i < work->image.segment_count && kr == KERN_SUCCESS; i++) {
        kr = load_segment(work, &work->image.segments[i]);
    }
    return kr;
}

/* The pages of the block that are used, written to the end of the stack. */
static kern_return_t load_stack_block(struct spawn_work *work, const char *block)
{
    vm_address_t from = mach_trunc_page(work->stack_pointer);
    vm_size_t size = VM_MAX_ADDRESS - from;

    return load_write(work->task, from, block + STACK_IMAGE_SIZE - size, size);
}

static kern_return_t load_build_stack(struct spawn_work *work, char *block)
{
    const struct spawn *spawn = work->spawn;
    char *const path_alone[] = {(char *)(spawn->path != NULL ? spawn->path : "program"), NULL};
    char directory[4 + 1 + DIR_PATH_MAX] = "PWD=/";
    char random[16];
    const struct stack_vector vector[] = {
        {AT_PHDR, work->image.headers},
        {AT_PHENT, sizeof(Elf64_Phdr)},
        {AT_PHNUM, work->image.headers != 0 ? work->image.header_count : 0},
        {AT_PAGESZ, MACH_PAGE_SIZE},
        {AT_ENTRY, work->image.entry},
    };
    struct stack_content content = {
        .argv = spawn->argv != NULL ? spawn->argv : path_alone,
        .envp = spawn->envp,
        .vector = vector,
        .vector_count = sizeof(vector) / sizeof(vector[0]),
        .random = random,
    };

    random_fill_weak(random, sizeof(random));
    if (!spawn->foreign) {
        content.extra[0] = work->ports;
    }
    if (!spawn->foreign && !spawn->closed) {
        path_get_directory(directory + 5);
        content.extra[1] = directory;
    }
    work->stack_pointer = stack_image_build(&content, block, VM_MAX_ADDRESS);
    return work->stack_pointer != 0 ? load_stack_block(work, block) : SPAWN_ARGUMENTS_TOO_LONG;
}

kern_return_t spawn_make_stack(struct spawn_work *work)
{
    bool is_small = work->spawn->foreign || work->spawn->wired_by != MACH_PORT_NULL;
    vm_size_t size = is_small ? SPAWN_FOREIGN_STACK_SIZE : SPAWN_STACK_SIZE;
    vm_address_t block = 0;
    kern_return_t kr = load_allocate(work, VM_MAX_ADDRESS - size, size);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = syscall_vm_allocate(mach_task_self(), &block, STACK_IMAGE_SIZE, TRUE);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = load_build_stack(work, (char *)block);
    syscall_vm_deallocate(mach_task_self(), block, STACK_IMAGE_SIZE);
    return kr;
}
