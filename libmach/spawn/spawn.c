/* spawn.c - starting a program: read it, make a task, fill it, let its thread run. */
#include <gnumach.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>

#include "core/text.h"
#include "posix/posix.h"
#include "spawn/spawn_impl.h"

/* A task nobody has seen yet goes again, and so does the port that was to tell its end. */
static void spawn_undo(struct spawn_work *work)
{
    if (work->thread != MACH_PORT_NULL) {
        syscall_mach_port_deallocate(mach_task_self(), work->thread);
    }
    if (work->task != MACH_PORT_NULL) {
        task_terminate(work->task);
        syscall_mach_port_deallocate(mach_task_self(), work->task);
    }
    if (work->exit_receive != MACH_PORT_NULL) {
        portolan_port_destroy_receive(work->exit_receive);
    }
}

/* The last component of the path names the task. */
static void spawn_name_task(const struct spawn_work *work)
{
    const char *path = work->spawn->path != NULL ? work->spawn->path : "program";
    const char *name = path;
    kernel_debug_name_t text;

    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/' && at[1] != '\0') {
            name = at + 1;
        }
    }
    text_copy(text, name, sizeof(text));
    task_set_name(work->task, text);
}

/* The child inherited the caller's handlers, which are not in its memory. */
static kern_return_t spawn_clear_emulation(const struct spawn_work *work)
{
    static vm_offset_t none[POSIX_NUMBERS];

    return task_set_emulation_vector(work->task, 0, none, POSIX_NUMBERS);
}

static kern_return_t spawn_make_thread(struct spawn_work *work)
{
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    kern_return_t kr = thread_create(work->task, &work->thread);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = thread_get_state(work->thread, i386_THREAD_STATE, (thread_state_t)&state, &count);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    state.rip = work->image.entry;
    state.ursp = work->stack_pointer;
    return thread_set_state(work->thread, i386_THREAD_STATE, (thread_state_t)&state,
                            i386_THREAD_STATE_COUNT);
}

/* Everything up to the first instruction. */
static kern_return_t spawn_prepare(struct spawn_work *work, bool wants_exit)
{
    kern_return_t kr = syscall_task_create(mach_task_self(), FALSE, &work->task);

    if (kr == KERN_SUCCESS && wants_exit) {
        kr = portolan_port_allocate(false, &work->exit_receive);
    }
    kr = kr == KERN_SUCCESS ? spawn_load(work) : kr;
    kr = kr == KERN_SUCCESS ? spawn_give_rights(work) : kr;
    kr = kr == KERN_SUCCESS ? spawn_make_stack(work) : kr;
    kr = kr == KERN_SUCCESS ? spawn_make_thread(work) : kr;
    if (kr == KERN_SUCCESS && work->spawn->foreign) {
        kr = spawn_clear_emulation(work);
    }
    if (kr == KERN_SUCCESS && work->spawn->suspended) {
        kr = task_suspend(work->task);
    }
    return kr == KERN_SUCCESS ? spawn_give_moved(work) : kr;
}

static kern_return_t spawn_image(const struct spawn *spawn, const void *data, size_t size,
                                 mach_port_t *task, mach_port_t *exit_receive)
{
    struct spawn_work work;
    kern_return_t kr;

    memory_zero(&work, sizeof(work));
    work.spawn = spawn;
    kr = elf_image_read(data, size, &work.image);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = spawn_prepare(&work, exit_receive != NULL);
    if (kr != KERN_SUCCESS) {
        spawn_undo(&work);
        return kr;
    }
    spawn_name_task(&work);
    thread_resume(work.thread);
    syscall_mach_port_deallocate(mach_task_self(), work.thread);
    if (exit_receive != NULL) {
        *exit_receive = work.exit_receive;
    }
    if (task != NULL) {
        *task = work.task;
    } else {
        syscall_mach_port_deallocate(mach_task_self(), work.task);
    }
    return KERN_SUCCESS;
}

kern_return_t spawn_start(const struct spawn *spawn, mach_port_t *task, mach_port_t *exit_receive)
{
    void *data;
    size_t size;
    kern_return_t kr;

    if (spawn->image != NULL) {
        return spawn_image(spawn, spawn->image, spawn->image_size, task, exit_receive);
    }
    if (spawn->path == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = portolan_read_file(spawn->path, &data, &size);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = spawn_image(spawn, data, size, task, exit_receive);
    syscall_vm_deallocate(mach_task_self(), (vm_address_t)data, mach_round_page(size + 1));
    return kr;
}
