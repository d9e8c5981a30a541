/* io_perm.c - rights to ranges of I/O ports (mach_i386.defs), granted to tasks through the bitmap
 * in each processor's TSS.
 *
 * A task with I/O ports has a bitmap of its own; it is copied into the TSS when a thread of another
 * task with ports runs after it, and the TSS shows none while a task without ports runs. A range
 * lives as long as somebody has a right to it; withdrawing it from a task is a call. */
#include "device/io_perm.h"

#include "arch/cpu.h"
#include "arch/cpu_setup.h"
#include "arch/interrupt.h"
#include "arch/ipi.h"
#include "device/hardware.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/port_object.h"
#include "kern/string.h"
#include "kern/task.h"
#include "mach_i386_kernel_server.h"
#include "vm/slab.h"

#define IO_PERM_NONE (sizeof(struct tss))

static_assert(TSS_IO_BITMAP_SIZE >= 65536 / 8, "a bit for each port");

/* A range of ports. */
struct io_perm {
    struct port_object object;
    uint16_t from, to; /* [I] inclusive */
};

struct io_perm *convert_port_to_io_perm(struct ipc_port *port)
{
    return port_object_of(port, KOBJECT_IO_RANGE);
}

struct ipc_port *convert_io_perm_to_port(struct io_perm *io_perm)
{
    return port_object_port(&io_perm->object);
}

void io_perm_unref(struct io_perm *io_perm)
{
    port_object_unref(&io_perm->object);
}

static void io_perm_end(struct port_object *object)
{
    kfree(object, sizeof(struct io_perm));
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (not the hardware port, or an empty range),
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t i386_io_perm_create(struct ipc_port *master, io_port_t from, io_port_t to,
                                  io_perm_t *result)
{
    struct io_perm *io_perm;

    if (!hardware_is_port(master) || from > to) {
        return KERN_INVALID_ARGUMENT;
    }
    io_perm = kalloc(sizeof(*io_perm));
    if (io_perm == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *io_perm = (struct io_perm){.from = from, .to = to};
    if (!port_object_init(&io_perm->object, KOBJECT_IO_RANGE, io_perm_end)) {
        kfree(io_perm, sizeof(*io_perm));
        return KERN_RESOURCE_SHORTAGE;
    }
    *result = io_perm;
    return KERN_SUCCESS;
}

/* Make the TSS of this processor show the ports of the task. Interrupts off. */
void io_perm_switch(struct cpu *cpu, struct task *task)
{
    assert(!interrupt_is_enabled());
    if (task->io_bitmap == NULL) {
        cpu->tss->io_map_base = IO_PERM_NONE;
        return;
    }
    if (cpu->io_task_id != task->id || cpu->io_version != atomic_load_acquire(&task->io_version)) {
        cpu->io_task_id = task->id;
        cpu->io_version = atomic_load_acquire(
            &task->io_version); /* first: a change during the copy is seen next time */
        memcpy(cpu->tss->io_bitmap, task->io_bitmap, TSS_IO_BITMAP_SIZE);
    }
    cpu->tss->io_map_base = __builtin_offsetof(struct tss, io_bitmap);
}

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. Threads of the task that run on other processors
 * see the change when those take the interrupt sent. */
kern_return_t i386_io_perm_modify(task_t task, io_perm_t io_perm, boolean_t enable)
{
    uint8_t *fresh = kalloc(TSS_IO_BITMAP_SIZE);
    uint64_t flags;

    assert(io_perm->from <= io_perm->to);
    if (fresh == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    memset(fresh, 0xff, TSS_IO_BITMAP_SIZE);
    spin_lock(&task->lock);
    if (task->io_bitmap == NULL) {
        task->io_bitmap = fresh;
        fresh = NULL;
        list_for_each (&task->threads, node) {
            struct thread *thread = list_entry(node, struct thread, task_link);

            atomic_fetch_or(&thread->flags, THREAD_FLAG_IO_PORTS);
        }
    }
    for (uint32_t port = io_perm->from; port <= io_perm->to; port++) {
        if (enable) {
            task->io_bitmap[port / 8] &= (uint8_t) ~(1u << port % 8);
        } else {
            task->io_bitmap[port / 8] |= (uint8_t)(1u << port % 8);
        }
    }
    atomic_store_release(&task->io_version, task->io_version + 1);
    spin_unlock(&task->lock);
    if (fresh != NULL) {
        kfree(fresh, TSS_IO_BITMAP_SIZE);
    }
    flags = interrupt_save_disable();
    if (task == current_task()) {
        io_perm_switch(cpu_current(), task);
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (i != cpu_number()) {
            ipi_resched(i); /* which looks at the ports of what it runs */
        }
    }
    interrupt_restore(flags);
    return KERN_SUCCESS;
}

void io_perm_task_end(struct task *task)
{
    assert(task->thread_count == 0);
    if (task->io_bitmap != NULL) {
        kfree(task->io_bitmap, TSS_IO_BITMAP_SIZE);
    }
}
