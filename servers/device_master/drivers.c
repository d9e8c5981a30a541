/* drivers.c - the life of drivers. A driver that ends or does not answer loses its device at once:
 * the device is made to stop, then reset, and only then is memory it could have written given up
 * and the driver started again. */
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/spawn.h>
#include <string.h>

#include <hardware.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>

#include "device_master_impl.h"

#define ANY          0xffffu
#define DMA_LIMIT    (32ul << 20) /* bytes one driver may have pinned */
#define START_MS     20000u       /* to come up */
#define PING_MS      1000u        /* between questions */
#define ANSWER_MS    10000u
#define RESET_MS     100u /* PCI Express 3.0, 6.6.2 */
#define AGAIN_MS     10u
#define FAILURES_MAX 5u
#define FAILURE_MS   500u
#define PROGRAMS_MAX 8u

static const struct driver_entry drivers_table[] = {
    {FIXED_VENDOR, FIXED_CLOCK, 0, 0, "rtc", "/servers/rtc", false},
    {FIXED_OWN, FIXED_DISKS, 0, 0, "hypercall_blk", "/servers/hypercall_blk", false},
    {0x1af4, 0x1042, 0, 0, "virtio_blk", "/servers/virtio_blk", true},
    {0x1af4, 0x1001, 0, 0, "virtio_blk", "/servers/virtio_blk", true},
    {ANY, ANY, 0x010100, 0xffff00, "ata", "/servers/ata", false},
    {ANY, ANY, 0x010601, 0xffffff, "ahci", "/servers/ahci", false},
    {0x1234, 0x11e8, 0, 0, "edu", "/servers/edu", false}, /* docs/tutorials/first-driver.md */
};
#define DRIVERS (sizeof(drivers_table) / sizeof(drivers_table[0]))

/* Programs are read once: the file system may be on a device whose driver is to be started. */
static struct {
    void *image;
    size_t size;
} drivers_images[DRIVERS];

static const struct driver_entry *drivers_for(const struct pci_function *f)
{
    for (unsigned i = 0; i < DRIVERS; i++) {
        const struct driver_entry *entry = &drivers_table[i];

        if ((entry->vendor == ANY || entry->vendor == f->vendor) &&
            (entry->device == ANY || entry->device == f->device) &&
            (f->class & entry->class_mask) == entry->class) {
            return entry->gives_way && fixed_has_disks() ? NULL : entry;
        }
    }
    return NULL;
}

/* Read the program. Returns: false when it is not there. */
static bool drivers_load(const struct driver_entry *entry)
{
    unsigned i = (unsigned)(entry - drivers_table);
    kern_return_t kr;

    if (drivers_images[i].image != NULL) {
        return true;
    }
    kr = portolan_read_file(entry->path, &drivers_images[i].image, &drivers_images[i].size);
    if (kr != KERN_SUCCESS) {
        portolan_print("device_master: no %s: %s\n", entry->path, spawn_error_string(kr));
    }
    return kr == KERN_SUCCESS;
}

void drivers_find(void)
{
    for (unsigned i = 0; i < device_master.function_count; i++) {
        struct function *f = &device_master.functions[i];

        f->driver = drivers_for(&f->pci);
        if (f->driver != NULL) {
            bool was_used = pci_is_master(&f->pci);

            pci_stop(&f->pci);
            pci_size_bars(&f->pci);
            f->state = drivers_load(f->driver) ? FUNCTION_RESETTING : FUNCTION_DOWN;
            f->has_settled = f->state == FUNCTION_DOWN;
            f->was_reset =
                was_used && pci_reset(&f->pci); /* by the firmware, or before a restart */
            f->due_ms = f->was_reset ? main_now_ms() + RESET_MS : 0;
        }
    }
}

struct function *drivers_of_request(void)
{
    uint64_t object = server_current_object();

    return (object & OBJECT_KIND) == OBJECT_DRIVER ? &device_master.functions[object & OBJECT_INDEX]
                                                   : NULL;
}

bool drivers_are_starting(void)
{
    for (unsigned i = 0; i < device_master.function_count; i++) {
        enum function_state state = device_master.functions[i].state;

        if (state == FUNCTION_STARTING || state == FUNCTION_RESETTING) {
            return true;
        }
    }
    return false;
}

static void drivers_drop(mach_port_t *right)
{
    if (*right != MACH_PORT_NULL) {
        mach_port_deallocate(mach_task_self(), *right);
        *right = MACH_PORT_NULL;
    }
}

void drivers_end_dma(mach_port_t *dma)
{
    if (*dma != MACH_PORT_NULL) {
        dma_end(*dma);
    }
    drivers_drop(dma);
}

/* It reads, writes and interrupts no more; of the monitor's disks, what the kernel has under way it
 * keeps. */
static void drivers_stop(const struct function *f)
{
    if (fixed_is_disks(&f->pci)) {
        fixed_stop();
    } else {
        pci_stop(&f->pci);
    }
}

/* --- start --- */

static void drivers_say(const struct function *f, const char *what)
{
    char place[PCI_PLACE_MAX];

    pci_place(&f->pci, place);
    portolan_print("device_master: %s of %s %s\n", f->driver->name, place, what);
}

/* The port and the right to pin memory of a new driver. */
static kern_return_t drivers_rights(struct function *f)
{
    uint64_t object = OBJECT_DRIVER | (uint64_t)(f - device_master.functions);
    kern_return_t kr = server_port_create(device_master.set, &f->port);

    if (kr != KERN_SUCCESS) {
        f->port = MACH_PORT_NULL;
        return kr;
    }
    kr = mach_port_set_protected_payload(mach_task_self(), f->port, object);
    return kr == KERN_SUCCESS
               ? hardware_dma_create(device_master.hardware, f->pci.source, DMA_LIMIT, &f->dma)
               : kr;
}

kern_return_t drivers_keep(struct function *f)
{
    thread_array_t threads = NULL;
    mach_msg_type_number_t count = 0;
    kern_return_t kr = task_threads(f->task, &threads, &count);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        kern_return_t wired = thread_wire(device_master.host, threads[i], TRUE);

        kr = kr == KERN_SUCCESS ? wired : kr;
        mach_port_deallocate(mach_task_self(), threads[i]);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof(*threads));
    f->is_kept = true;
    return kr;
}

static kern_return_t drivers_spawn(struct function *f)
{
    unsigned i = (unsigned)(f->driver - drivers_table);
    char *const argv[] = {(char *)f->driver->name, NULL};
    struct spawn_right rights[] = {{"driver", f->port, MACH_MSG_TYPE_MAKE_SEND, 0}};
    struct spawn spawn = {
        .path = f->driver->name,
        .argv = argv,
        .image = drivers_images[i].image,
        .image_size = drivers_images[i].size,
        .rights = rights,
        .nrights = 1,
        .closed = true,
        .suspended = f->is_kept,
        .wired_by = f->is_kept ? device_master.host : MACH_PORT_NULL,
    };
    kern_return_t kr = spawn_start(&spawn, &f->task, NULL);

    if (kr != KERN_SUCCESS) {
        f->task = MACH_PORT_NULL;
        return kr;
    }
    if (f->is_kept) {
        kr = drivers_keep(f);
        kr = kr == KERN_SUCCESS ? task_resume(f->task) : kr;
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    return server_watch_death(f->task, device_master.notify);
}

/* Its driver is gone: take its rights, and what it offers. */
static void drivers_clear(struct function *f)
{
    drivers_drop(&f->task);
    drivers_drop(&f->control);
    if (f->port != MACH_PORT_NULL) {
        portolan_port_destroy_receive(f->port);
        f->port = MACH_PORT_NULL;
    }
    f->pinged_ms = 0;
    f->interrupts = 0;
    f->has_strayed = false;
    names_lost(f);
}

/* Have it started again in a while, or not any more. The memory of the driver before the last has
 * been kept long enough: the last one did not come so far as to let the device use its own. */
static void drivers_again(struct function *f, uint64_t delay_ms)
{
    drivers_stop(f);
    f->was_reset = pci_reset(&f->pci);
    if (f->old_dma == MACH_PORT_NULL) {
        f->old_dma = f->dma;
        f->dma = MACH_PORT_NULL;
    } else {
        drivers_end_dma(&f->dma);
    }
    f->due_ms = main_now_ms() + (f->was_reset && delay_ms < RESET_MS ? RESET_MS : delay_ms);
    f->state = FUNCTION_RESETTING;
}

static void drivers_failed(struct function *f)
{
    f->failures++;
    f->has_settled = true;
    drivers_clear(f);
    drivers_again(f, FAILURE_MS);
    if (f->failures >= FAILURES_MAX) {
        drivers_say(f, "did not come up too often and stays down");
        f->state = FUNCTION_DOWN;
    }
    names_settle();
}

static void drivers_start(struct function *f)
{
    kern_return_t kr;

    if (f->was_reset) {
        pci_restore(&f->pci);
        drivers_end_dma(&f->old_dma);
        f->was_reset = false;
    }
    pci_enable(&f->pci, false);
    f->state = FUNCTION_STARTING;
    f->due_ms = main_now_ms() + START_MS;
    kr = drivers_rights(f);
    kr = kr == KERN_SUCCESS ? drivers_spawn(f) : kr;
    if (kr != KERN_SUCCESS) {
        drivers_say(f, spawn_error_string(kr));
        if (f->task != MACH_PORT_NULL) {
            task_terminate(f->task);
        }
        drivers_failed(f);
    }
}

/* --- end --- */

bool drivers_dead(mach_port_name_t name)
{
    for (unsigned i = 0; i < device_master.function_count; i++) {
        struct function *f = &device_master.functions[i];

        if (f->task != name || name == MACH_PORT_NULL) {
            continue;
        }
        if (f->state != FUNCTION_RUNNING) {
            drivers_say(f, "ended before it was ready");
            drivers_failed(f);
            return true;
        }
        drivers_say(f, "ended; starting it again");
        drivers_clear(f);
        drivers_again(f, AGAIN_MS);
        return true;
    }
    return false;
}

/* End a driver; its death is told like any other. */
static void drivers_end(struct function *f, const char *why)
{
    drivers_say(f, why);
    drivers_stop(f);
    task_terminate(f->task);
    f->due_ms = main_now_ms() + START_MS;
}

/* --- whether it lives --- */

/* Say it once of each driver whose device tries to reach memory it was not given. */
static void drivers_look_for_faults(struct function *f)
{
    boolean_t is_translated;
    int64_t faults, address;
    int reason;

    if (dma_status(f->dma, &is_translated, &faults, &address, &reason) == KERN_SUCCESS &&
        faults != f->faults) {
        f->faults = faults;
        if (!f->has_strayed) {
            drivers_say(f, "tries to reach memory it was not given");
        }
        f->has_strayed = true;
    }
}

/* A question that does not fit its queue is as good as one that is not answered. */
static void drivers_ping(struct function *f)
{
    mach_msg_header_t ping = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
        .msgh_size = sizeof(ping),
        .msgh_remote_port = f->control,
        .msgh_id = DRIVER_PING_ID,
    };

    mach_msg(&ping, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(ping), 0, MACH_PORT_NULL, 0,
             MACH_PORT_NULL);
    f->pinged_ms = main_now_ms();
}

static void drivers_look_at(struct function *f, uint64_t now)
{
    if (f->state == FUNCTION_RESETTING) {
        drivers_start(f);
        return;
    }
    if (f->state == FUNCTION_STARTING) {
        drivers_end(f, "does not come up");
        return;
    }
    drivers_look_for_faults(f);
    if (f->pinged_ms == 0) {
        drivers_ping(f);
        f->due_ms = now + PING_MS;
    } else if (now - f->pinged_ms >= ANSWER_MS) {
        drivers_end(f, "does not answer");
    } else {
        f->due_ms = now + PING_MS;
    }
}

/* Drivers come up one after the other the first time: so devices are numbered in the order of
 * functions, whoever is faster. One that does not come up is waited for once. */
uint64_t drivers_tick(void)
{
    uint64_t now = main_now_ms();
    uint64_t next = UINT32_MAX;
    bool is_waiting = false;

    for (unsigned i = 0; i < device_master.function_count; i++) {
        struct function *f = &device_master.functions[i];

        if (f->state == FUNCTION_ALONE || f->state == FUNCTION_DOWN ||
            (is_waiting && !f->has_settled)) {
            continue;
        }
        if (f->due_ms <= now) {
            drivers_look_at(f, now);
        }
        if (f->state != FUNCTION_DOWN) {
            uint64_t left = f->due_ms > now ? f->due_ms - now : 0;

            next = left < next ? left : next;
        }
        is_waiting |= !f->has_settled;
    }
    return next;
}
