/* hardware_irq.c - interrupts for user tasks (hardware.defs).
 *
 * A right to a line is an object of its own: several share a line. An interrupt is delivered once
 * per irq_wait(): as device_intr_notify to the send-once right of the call. One that comes while
 * nobody waits is kept and delivered to the next call. A level line stays masked until all who were
 * told have called again, or are gone. Locks: DEVICE, interrupts off: the interrupt itself marks
 * the rights and puts the message into the memory of the driver, if that waits (ipc_fasttell.h);
 * else it wakes a kernel thread that sends it. */
#include <mach/device_types.h>
#include <mach/hardware.h>

#include "arch/irq.h"
#include "device/hardware.h"
#include "device_notify_kernel_user.h"
#include "hardware_kernel_server.h"
#include "ipc/ipc_fasttell.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/list.h"
#include "kern/port_object.h"
#include "kern/printf.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "kern/waitq.h"
#include "vm/slab.h"

#define HARDWARE_RETRY_NS (10 * NS_PER_MS) /* out of memory for a message */
#define STORM_MAX         10000u           /* interrupts that nobody has asked for */

/* Keys: [H] hardware_irq_lock, [I] immutable */
struct hardware_irq {
    struct port_object object;
    uint32_t line;            /* [I] */
    struct list line_link;    /* [H] among those that have waited for the line */
    struct list pending_link; /* [H] among those to be told */
    struct ipc_port *notify;  /* [H] send-once right to tell, or NULL */
    int id;                   /* [H] what the message says */
    bool fired;               /* [H] since it was told last */
};

struct hardware_line {
    struct list irqs; /* [H] */
    unsigned unasked; /* [H] interrupts since somebody waited */
    bool has_begun;   /* [H] attached, irqs is a list */
};

static struct spinlock hardware_irq_lock = SPINLOCK_INITIALIZER(LOCK_RANK_DEVICE, "hardware irq");
static struct hardware_line hardware_lines[IRQ_LINES];
static struct list hardware_irq_pending = LIST_INITIALIZER(hardware_irq_pending);
static struct waitq hardware_irq_waitq;

struct hardware_irq *convert_port_to_irq(struct ipc_port *port)
{
    return port_object_of(port, KOBJECT_IRQ);
}

struct ipc_port *convert_irq_to_port(struct hardware_irq *irq)
{
    return port_object_port(&irq->object);
}

void hardware_irq_unref(struct hardware_irq *irq)
{
    port_object_unref(&irq->object);
}

/* The body of device_intr_notify (device_notify.defs). */
#define HARDWARE_WORDS 2u
struct hardware_message {
    uint64_t body[HARDWARE_WORDS];
};

static inline struct hardware_message hardware_irq_message(const struct hardware_irq *irq)
{
    uint32_t type = MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, MACH_MSG_TYPE_WORD_INLINE);

    return (struct hardware_message){{type | 1ull << 32, (uint32_t)irq->id}};
}

/* Tell the driver, if it waits for that. Locks: hardware_irq_lock. Returns: its thread, claimed, or
 * NULL when it is not told. */
static struct thread *hardware_irq_tell_quickly(struct hardware_irq *irq)
{
    struct hardware_message message = hardware_irq_message(irq);
    struct thread *driver =
        ipc_fasttell(irq->notify, DEVICE_INTR_NOTIFY_ID, message.body, HARDWARE_WORDS);

    assert(spin_is_held(&hardware_irq_lock));
    if (driver != NULL) {
        irq->notify = NULL;
        irq->fired = false;
    }
    return driver;
}

/* The same with the processor: does not return when that can be. Locks: hardware_irq_lock, then
 * released. */
static void hardware_irq_tell_at_once(struct hardware_irq *irq)
{
    struct hardware_message message = hardware_irq_message(irq);
    struct ipc_port *notify = irq->notify;

    assert(spin_is_held(&hardware_irq_lock));
    irq->notify = NULL;
    irq->fired = false;
    ipc_fasttell_at_once(notify, DEVICE_INTR_NOTIFY_ID, message.body, HARDWARE_WORDS,
                         &hardware_irq_lock);
    irq->notify = notify;
    irq->fired = true;
}

/* If the right has fired and is waited for, have it told. Locks: hardware_irq_lock. Returns whether
 * the thread is to be woken for that. */
static bool hardware_irq_tell(struct hardware_irq *irq)
{
    assert(spin_is_held(&hardware_irq_lock));
    if (!irq->fired || irq->notify == NULL || list_is_linked(&irq->pending_link)) {
        return false;
    }
    list_insert_tail(&hardware_irq_pending, &irq->pending_link);
    return true;
}

/* Is there a message to be made for the right that is not on its way? Locks: hardware_irq_lock. */
static bool hardware_irq_is_asked(const struct hardware_irq *irq)
{
    assert(spin_is_held(&hardware_irq_lock));
    return irq->notify != NULL && !list_is_linked(&irq->pending_link);
}

/* All rights to the line have fired. Locks: hardware_irq_lock. Returns: a thread that has been
 * told, claimed, or NULL; *tell: the kernel's thread has others to tell. */
static struct thread *hardware_irq_fire(struct hardware_line *line, bool *tell)
{
    struct thread *next = NULL;

    list_for_each (&line->irqs, node) {
        struct hardware_irq *irq = list_entry(node, struct hardware_irq, line_link);
        struct thread *driver = NULL;

        irq->fired = true;
        if (hardware_irq_is_asked(irq)) {
            driver = hardware_irq_tell_quickly(irq);
        }
        if (driver == NULL) {
            *tell |= hardware_irq_tell(irq);
        } else if (next == NULL) {
            next = driver;
        } else {
            thread_setrun(driver);
        }
    }
    return next;
}

/* The only right to the line, or NULL. Locks: hardware_irq_lock. */
static struct hardware_irq *hardware_irq_only(const struct hardware_line *line)
{
    assert(spin_is_held(&hardware_irq_lock));
    if (list_empty(&line->irqs) || line->irqs.next != line->irqs.prev) {
        return NULL;
    }
    return list_entry(line->irqs.next, struct hardware_irq, line_link);
}

/* In interrupt context; a level line is masked. */
static struct thread *hardware_irq_interrupt(void *argument, bool user)
{
    struct hardware_line *line = argument;
    uint32_t number = (uint32_t)(line - hardware_lines);
    struct hardware_irq *only;
    struct thread *next;
    bool tell = false;
    bool storms;

    trace(TRACE_IRQ, number, 0);
    spin_lock(&hardware_irq_lock);
    only = hardware_irq_only(line);
    if (user && only != NULL && hardware_irq_is_asked(only)) {
        line->unasked = 0;
        hardware_irq_tell_at_once(only);
    }
    next = hardware_irq_fire(line, &tell);
    line->unasked = tell || next != NULL ? 0 : line->unasked + 1;
    storms = line->unasked == STORM_MAX;
    spin_unlock(&hardware_irq_lock);
    if (tell) {
        waitq_wake_one(&hardware_irq_waitq, WAIT_OK);
    }
    if (storms) {
        irq_mask(number);
        kprintf("irq: line %u interrupts and nobody asks for it; masked\n", number);
    }
    return next;
}

/* Take a right that is to be told, what it was to be told by and its id; NULL when there is none.
 * Refs: the caller owns both. */
static struct hardware_irq *hardware_irq_take(struct ipc_port **notify, int *id)
{
    struct hardware_irq *irq = NULL;
    uint64_t flags = spin_lock_irqsave(&hardware_irq_lock);
    struct list *node;

    while (irq == NULL && (node = list_pop(&hardware_irq_pending)) != NULL) {
        irq = port_object_try_ref((struct port_object *)list_entry(
            node, struct hardware_irq, pending_link)); /* not one that is about to end */
    }
    if (irq != NULL) {
        *notify = irq->notify;
        *id = irq->id;
        irq->notify = NULL;
        irq->fired = false;
    }
    spin_unlock_irqrestore(&hardware_irq_lock, flags);
    return irq;
}

/* There was no memory for the message. Locks: none. */
static void hardware_irq_give_back(struct hardware_irq *irq, struct ipc_port *notify)
{
    uint64_t flags = spin_lock_irqsave(&hardware_irq_lock);

    assert(notify != IP_NULL);
    if (irq->notify == NULL) {
        irq->notify = notify;
        notify = IP_NULL;
    }
    irq->fired = true;
    (void)hardware_irq_tell(irq); /* by this thread, which is awake */
    spin_unlock_irqrestore(&hardware_irq_lock, flags);
    if (notify != IP_NULL) {
        ipc_port_release_sonce(notify); /* somebody asked anew: that one is told */
    }
}

static void hardware_irq_thread(void *argument)
{
    for (;;) {
        struct ipc_port *notify = IP_NULL;
        struct hardware_irq *irq;
        int id = 0;

        waitq_assert_wait(&hardware_irq_waitq, false, 0);
        irq = hardware_irq_take(&notify, &id);
        if (irq == NULL) {
            waitq_block(&hardware_irq_waitq);
            continue;
        }
        waitq_cancel_wait(&hardware_irq_waitq);
        current_thread()->trace_cause = 0; /* each interrupt is an affair of its own */
        if (device_intr_notify(notify, id) == MACH_SEND_NO_BUFFER) {
            hardware_irq_give_back(irq, notify);
            thread_wait_prepare(false, clock_now_ns() + HARDWARE_RETRY_NS);
            thread_block(NULL);
        }
        hardware_irq_unref(irq);
    }
}

void hardware_init(void)
{
    struct thread *thread;

    waitq_init(&hardware_irq_waitq, "interrupts");
    thread = thread_create_kernel("interrupts", hardware_irq_thread, NULL, 0);
    thread->wait = THREAD_CLAIMED;
    thread_setrun(thread);
}

/* Has everybody who was told about the line asked again? Locks: hardware_irq_lock. */
static bool hardware_irq_is_served(const struct hardware_line *line)
{
    assert(spin_is_held(&hardware_irq_lock));
    list_for_each (&line->irqs, node) {
        const struct hardware_irq *irq = list_entry(node, struct hardware_irq, line_link);

        if (irq->fired || irq->notify == NULL) {
            return false;
        }
    }
    return true;
}

/* Nobody has a right to it any more. */
static void hardware_irq_end(struct port_object *object)
{
    struct hardware_irq *irq = (struct hardware_irq *)object;
    struct hardware_line *line = &hardware_lines[irq->line];
    uint64_t flags = spin_lock_irqsave(&hardware_irq_lock);
    bool unmask;

    if (list_is_linked(&irq->pending_link)) {
        list_remove(&irq->pending_link);
    }
    if (list_is_linked(&irq->line_link)) {
        list_remove(&irq->line_link);
    }
    line->has_begun &= !irq_is_message(irq->line);
    unmask = line->has_begun && !list_empty(&line->irqs) && hardware_irq_is_served(line);
    spin_unlock_irqrestore(&hardware_irq_lock, flags);
    if (irq_is_message(irq->line)) {
        irq_message_destroy(irq->line);
    } else if (unmask) {
        irq_unmask(irq->line);
    }
    ipc_port_release_sonce(irq->notify);
    kfree(irq, sizeof(*irq));
}

/* A right to the line. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
static kern_return_t hardware_irq_make(uint32_t line, irq_t *result)
{
    struct hardware_irq *irq = kalloc(sizeof(*irq));

    if (irq == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *irq = (struct hardware_irq){.line = line};
    list_init(&irq->line_link);
    list_init(&irq->pending_link);
    if (!port_object_init(&irq->object, KOBJECT_IRQ, hardware_irq_end)) {
        kfree(irq, sizeof(*irq));
        return KERN_RESOURCE_SHORTAGE;
    }
    *result = irq;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_NO_ACCESS (not the hardware port),
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t hardware_irq_create(struct ipc_port *hardware, int line, irq_t *irq)
{
    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    if (line < 0 || irq_from_isa((uint32_t)line) >= irq_line_count()) {
        return KERN_INVALID_ARGUMENT;
    }
    return hardware_irq_make(irq_from_isa((uint32_t)line), irq);
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (not the hardware port), KERN_RESOURCE_SHORTAGE. */
kern_return_t hardware_msi_create(struct ipc_port *hardware, irq_t *irq, int64_t *address,
                                  int *data)
{
    uint64_t where;
    uint32_t line, value;
    kern_return_t kr;

    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    if (!irq_message_create(&line)) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = hardware_irq_make(line, irq);
    if (kr != KERN_SUCCESS) {
        irq_message_destroy(line);
        return kr;
    }
    irq_message_of(line, &where, &value);
    *address = (int64_t)where;
    *data = (int)value;
    return KERN_SUCCESS;
}

/* Have the right wait, among those of its line. Locks: hardware_irq_lock. Refs: takes notify over;
 * *old is the caller's. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE (it waits). */
static kern_return_t hardware_irq_join(struct hardware_irq *irq, int id, struct ipc_port *notify,
                                       struct ipc_port **old)
{
    struct hardware_line *line = &hardware_lines[irq->line];

    assert(spin_is_held(&hardware_irq_lock) && line->has_begun);
    *old = irq->notify;
    if (*old != NULL && (*old)->active) {
        return KERN_RESOURCE_SHORTAGE;
    }
    if (!list_is_linked(&irq->line_link)) {
        list_insert_tail(&line->irqs, &irq->line_link);
    }
    irq->notify = notify;
    irq->id = id;
    line->unasked = 0;
    return KERN_SUCCESS;
}

/* Attach the line when somebody waits for it for the first time. */
static void hardware_irq_begin(struct hardware_line *line)
{
    uint64_t flags = spin_lock_irqsave(&hardware_irq_lock);
    bool attach = !line->has_begun;

    if (attach) {
        list_init(&line->irqs);
        line->unasked = 0;
        line->has_begun = true;
    }
    spin_unlock_irqrestore(&hardware_irq_lock, flags);
    if (attach) {
        irq_attach((uint32_t)(line - hardware_lines), hardware_irq_interrupt, line);
    }
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no right), KERN_RESOURCE_SHORTAGE (somebody else
 * waits by this right). */
kern_return_t irq_wait(irq_t irq, int id, struct ipc_port *notify)
{
    struct hardware_line *line = &hardware_lines[irq->line];
    struct ipc_port *old;
    bool tell, unmask;
    kern_return_t kr;
    uint64_t flags;

    if (!IP_VALID(notify)) {
        return KERN_INVALID_ARGUMENT;
    }
    hardware_irq_begin(line);
    flags = spin_lock_irqsave(&hardware_irq_lock);
    kr = hardware_irq_join(irq, id, notify, &old);
    tell = kr == KERN_SUCCESS && hardware_irq_tell(irq);
    unmask = kr == KERN_SUCCESS && hardware_irq_is_served(line);
    spin_unlock_irqrestore(&hardware_irq_lock, flags);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    ipc_port_release_sonce(old); /* of a driver that has died: the next one takes its place */
    if (tell) {
        waitq_wake_one(&hardware_irq_waitq, WAIT_OK);
    }
    if (unmask) {
        irq_unmask(irq->line);
    }
    return KERN_SUCCESS;
}
