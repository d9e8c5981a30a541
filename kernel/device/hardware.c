/* hardware.c - interrupt lines and device memory for user tasks (hardware.defs).
 *
 * An interrupt is delivered once per irq_wait(): a kernel thread sends device_intr_notify to the
 * send-once right of the call. One that comes while nobody waits is kept and delivered to the next
 * call. A level line stays masked until then. A driver that dies just never asks again. Locks:
 * DEVICE, interrupts off: the interrupt itself only marks the line and wakes the thread. */
#include "device/hardware.h"

#include <mach/hardware.h>

#include "arch/acpi.h"
#include "arch/boot_info.h"
#include "arch/irq.h"
#include "ddb/trace.h"
#include "device_notify_kernel_user.h"
#include "hardware_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/kobject.h"
#include "kern/thread.h"
#include "kern/waitq.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

#define IRQ_MAX           128
#define HARDWARE_RETRY_NS (10 * NS_PER_MS) /* out of memory for a message */

/* One per line that was ever asked for; lines are few, so these stay. Keys: [H] hardware_lock, [I]
 * immutable */
struct hardware_irq {
    uint32_t line;           /* [I] */
    struct ipc_port *port;   /* [I] */
    struct ipc_port *notify; /* [H] send-once right to tell, or NULL */
    int id;                  /* [H] what the message says */
    bool fired;              /* [H] to be told by the thread */
    bool attached;           /* [H] */
};

static struct spinlock hardware_lock = SPINLOCK_INITIALIZER(LOCK_RANK_DEVICE, "hardware");
static struct hardware_irq hardware_irqs[IRQ_MAX];
static struct waitq hardware_waitq;

bool hardware_is_port(struct ipc_port *port)
{
    return IP_VALID(port) && port->kobject_type == KOBJECT_HARDWARE;
}

struct hardware_irq *convert_port_to_irq(struct ipc_port *port)
{
    return IP_VALID(port) && port->kobject_type == KOBJECT_IRQ ? port->kobject : NULL;
}

struct ipc_port *convert_irq_to_port(struct hardware_irq *irq)
{
    return irq != NULL ? ipc_port_make_send(irq->port) : IP_NULL;
}

void hardware_irq_unref(struct hardware_irq *irq)
{
    (void)irq; /* lines are never freed */
}

/* In interrupt context; the line is masked. */
static void hardware_fired(void *argument)
{
    struct hardware_irq *irq = argument;
    uint64_t flags = spin_lock_irqsave(&hardware_lock);

    assert(!interrupt_is_enabled());
    irq->fired = true;
    spin_unlock_irqrestore(&hardware_lock, flags);
    trace(TRACE_IRQ, irq->line, 0);
    waitq_wake_one(&hardware_waitq, WAIT_OK);
}

/* Take what is to be told for a line that has fired: the right, the line in *fired and its id.
 * IP_NULL when there is none. */
static struct ipc_port *hardware_take_fired(struct hardware_irq **fired, int *id)
{
    struct ipc_port *notify = IP_NULL;
    uint64_t flags = spin_lock_irqsave(&hardware_lock);

    for (unsigned i = 0; i < irq_line_count() && notify == IP_NULL; i++) {
        struct hardware_irq *irq = &hardware_irqs[i];

        if (irq->fired && irq->notify != NULL) {
            *fired = irq;
            *id = irq->id;
            notify = irq->notify;
            irq->notify = NULL;
            irq->fired = false;
        }
    }
    spin_unlock_irqrestore(&hardware_lock, flags);
    return notify;
}

/* There was no memory for the message. Locks: none. */
static void hardware_give_back(struct hardware_irq *irq, struct ipc_port *notify)
{
    uint64_t flags = spin_lock_irqsave(&hardware_lock);

    assert(notify != IP_NULL);
    irq->fired = true;
    if (irq->notify == NULL) {
        irq->notify = notify;
        notify = IP_NULL;
    }
    spin_unlock_irqrestore(&hardware_lock, flags);
    if (notify != IP_NULL) {
        ipc_port_release_sonce(notify); /* somebody asked anew: that one is told */
    }
}

static void hardware_thread(void *argument)
{
    for (;;) {
        struct hardware_irq *irq = NULL;
        struct ipc_port *notify;
        int id = 0;

        waitq_assert_wait(&hardware_waitq, false, 0);
        notify = hardware_take_fired(&irq, &id);
        if (notify == IP_NULL) {
            waitq_block(&hardware_waitq);
            continue;
        }
        waitq_cancel_wait(&hardware_waitq);
        if (device_intr_notify(notify, id) == MACH_SEND_NO_BUFFER) {
            hardware_give_back(irq, notify);
            thread_wait_prepare(false, clock_now_ns() + HARDWARE_RETRY_NS);
            thread_block(NULL);
        }
    }
}

void hardware_init(void)
{
    struct thread *thread;

    waitq_init(&hardware_waitq, "interrupts");
    thread = thread_create_kernel("interrupts", hardware_thread, NULL, 0);
    thread->wait = THREAD_CLAIMED;
    thread_setrun(thread);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_NO_ACCESS (not the hardware port),
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t hardware_irq_create(struct ipc_port *hardware, int line, irq_t *irq)
{
    struct hardware_irq *entry;
    struct ipc_port *port;
    uint64_t flags;

    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    if (line < 0 || line >= IRQ_MAX || irq_from_isa((uint32_t)line) >= irq_line_count()) {
        return KERN_INVALID_ARGUMENT;
    }
    entry = &hardware_irqs[irq_from_isa((uint32_t)line)];
    port = ipc_port_alloc_kernel(KOBJECT_IRQ, entry);
    if (port == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    flags = spin_lock_irqsave(&hardware_lock);
    if (entry->port == NULL) {
        entry->line = irq_from_isa((uint32_t)line);
        entry->port = port;
        port = NULL;
    }
    spin_unlock_irqrestore(&hardware_lock, flags);
    if (port != NULL) {
        ipc_port_destroy_kernel(port); /* the line had one */
    }
    *irq = entry;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no right), KERN_RESOURCE_SHORTAGE (somebody else
 * waits, or the kernel uses the line). */
kern_return_t irq_wait(irq_t irq, int id, struct ipc_port *notify)
{
    kern_return_t kr = KERN_SUCCESS;
    struct ipc_port *old;
    bool attach, fired;
    uint64_t flags;

    assert(irq != NULL && irq->port != NULL);
    if (!IP_VALID(notify)) {
        return KERN_INVALID_ARGUMENT;
    }
    flags = spin_lock_irqsave(&hardware_lock);
    old = irq->notify;
    if (old != NULL && old->active) {
        spin_unlock_irqrestore(&hardware_lock, flags);
        return KERN_RESOURCE_SHORTAGE;
    }
    irq->notify = notify;
    irq->id = id;
    attach = !irq->attached;
    irq->attached = true;
    fired = irq->fired;
    spin_unlock_irqrestore(&hardware_lock, flags);
    if (old != NULL) {
        ipc_port_release_sonce(old); /* of a driver that has died: the next one takes its place */
    }
    if (attach) {
        kr = irq_attach(irq->line, hardware_fired, irq);
    } else if (!fired) {
        irq_unmask(irq->line);
    }
    if (kr != KERN_SUCCESS) {
        flags = spin_lock_irqsave(&hardware_lock);
        irq->notify = NULL;
        irq->attached = false;
        spin_unlock_irqrestore(&hardware_lock, flags);
        return kr;
    }
    if (fired) {
        waitq_wake_one(&hardware_waitq, WAIT_OK);
    }
    return KERN_SUCCESS;
}

/* Does the range hold memory (the kernel's image and page tables are in it) that is not the memory
 * disk, or registers of interrupt controllers? Nobody else ever gets those. */
static bool hardware_is_kernels(phys_addr_t start, phys_addr_t end)
{
    bool is_controller = start <= acpi_info.lapic && acpi_info.lapic < end;

    assert(start < end);
    for (uint32_t i = 0; i < acpi_info.ioapic_count; i++) {
        is_controller |= start <= acpi_info.ioapics[i].phys && acpi_info.ioapics[i].phys < end;
    }
    if (boot_info.disk.start <= start && end <= boot_info.disk.end) {
        return false;
    }
    return is_controller || boot_info_is_ram(start, end);
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS, KERN_INVALID_ARGUMENT (memory or registers of the
 * kernel's, or a bad size), KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE. */
kern_return_t hardware_map(struct ipc_port *hardware, vm_map_t map, int64_t phys, vm_size_t size,
                           int cache, vm_address_t *address)
{
    uint64_t start = (uint64_t)phys & ~PAGE_MASK;
    uint64_t end;
    struct vm_map_request request = {
        .anywhere = true,
        .protection = VM_PROT_READ | VM_PROT_WRITE,
        .max_protection = VM_PROT_READ | VM_PROT_WRITE,
        .inheritance = VM_INHERIT_NONE,
    };
    kern_return_t kr;

    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    if (size == 0 || phys < 0 || (uint64_t)phys >= DIRECT_MAP_SIZE ||
        size > DIRECT_MAP_SIZE - (uint64_t)phys || cache < HARDWARE_CACHE_NONE ||
        cache > HARDWARE_CACHE_NORMAL) {
        return KERN_INVALID_ARGUMENT;
    }
    end = ((uint64_t)phys + size + PAGE_MASK) & ~PAGE_MASK;
    if (hardware_is_kernels(start, end)) {
        return KERN_INVALID_ARGUMENT;
    }
    request.size = end - start;
    request.object = vm_object_create_device(start, end - start,
                                             cache == HARDWARE_CACHE_NONE ? PMAP_NOCACHE
                                             : cache == HARDWARE_CACHE_WRITE_COMBINING ? PMAP_WC
                                                                                       : 0);
    if (request.object == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *address = 0;
    kr = vm_map_enter(map, address, &request);
    if (kr != KERN_SUCCESS) {
        vm_object_unref(request.object);
        return kr;
    }
    *address += (uint64_t)phys & PAGE_MASK;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS. */
kern_return_t hardware_framebuffer(struct ipc_port *hardware, hardware_info_t info,
                                   mach_msg_type_number_t *count)
{
    const struct boot_framebuffer *f = &boot_info.framebuffer;

    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    info[HARDWARE_FRAMEBUFFER_PHYS] = (int64_t)f->phys;
    info[HARDWARE_FRAMEBUFFER_PITCH] = f->pitch;
    info[HARDWARE_FRAMEBUFFER_WIDTH] = f->width;
    info[HARDWARE_FRAMEBUFFER_HEIGHT] = f->height;
    info[HARDWARE_FRAMEBUFFER_BITS] = f->bits_per_pixel;
    info[HARDWARE_FRAMEBUFFER_TYPE] = f->type;
    *count = HARDWARE_FRAMEBUFFER_COUNT;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS. */
kern_return_t hardware_memory_disk(struct ipc_port *hardware, int64_t *phys, vm_size_t *size)
{
    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    *phys = (int64_t)boot_info.disk.start;
    *size = boot_info.disk.end - boot_info.disk.start;
    return KERN_SUCCESS;
}
