/* hardware_block.c - disks of the monitor this system is a guest of (hardware.defs), for a driver
 * that is trusted with its own memory alone.
 *
 * The monitor reads and writes whatever physical addresses a request names, so requests are the
 * kernel's: they are in its memory, and name pages that the driver has pinned. A request holds
 * what it names until the monitor is done with it. Of a driver that has ended what is under way
 * stays so, and is forgotten when it is done: nobody has to wait for it, and no page is written
 * that is somebody else's by then. Locks: DEVICE, interrupts off. */
#include <mach/hardware.h>
#include <mach/hypercall.h>

#include "arch/hypervisor.h"
#include "arch/layout.h"
#include "device/hardware.h"
#include "hardware_kernel_server.h"
#include "kern/assert.h"
#include "kern/list.h"
#include "kern/port_object.h"
#include "kern/spinlock.h"
#include "vm/slab.h"

#define SECTOR 512u

/* Keys: [I] immutable */
struct hardware_block {
    struct port_object object;
    struct hardware_dma *dma; /* [I] a reference */
};

/* One that the monitor has, or had. Keys: [B] hardware_block_lock, [M] the monitor's while it is
 * HYPERCALL_BLOCK_PENDING, [I] immutable */
struct hardware_block_request {
    struct list link;             /* [B] */
    struct hardware_block *owner; /* [B] NULL: has ended */
    struct hardware_dma *dma;     /* [I] */
    struct dma_pin *pin;          /* [I] held; NULL: it has no data */
    int tag;                      /* [I] */
    uint32_t npages;              /* [I] */
    struct hypercall_block call;  /* [M] */
    uint64_t pages[];             /* [I] HYPERCALL_BLOCK_LIST */
};

static struct spinlock hardware_block_lock = SPINLOCK_INITIALIZER(LOCK_RANK_DEVICE, "block");
static struct list hardware_block_requests = LIST_INITIALIZER(hardware_block_requests);
static unsigned hardware_block_count; /* [hardware_block_lock] of requests */

struct hardware_block *convert_port_to_block(struct ipc_port *port)
{
    return port_object_of(port, KOBJECT_BLOCK);
}

struct ipc_port *convert_block_to_port(struct hardware_block *block)
{
    return port_object_port(&block->object);
}

void hardware_block_unref(struct hardware_block *block)
{
    port_object_unref(&block->object);
}

/* --- requests --- */

static size_t block_request_size(uint64_t npages)
{
    return sizeof(struct hardware_block_request) + npages * sizeof(uint64_t);
}

/* Locks: none. Sleeps: yes. */
static void block_request_destroy(struct hardware_block_request *request)
{
    if (request->pin != NULL) {
        hardware_dma_release(request->dma, request->pin);
    }
    kfree(request, block_request_size(request->npages));
}

/* Take it off the list. Locks: hardware_block_lock. */
static void block_request_remove(struct hardware_block_request *request)
{
    assert(spin_is_held(&hardware_block_lock) && hardware_block_count != 0);
    list_remove(&request->link);
    hardware_block_count--;
}

/* Put it on the list, before the monitor has it. Returns: false when too many are under way. */
static bool block_request_insert(struct hardware_block_request *request)
{
    uint64_t flags = spin_lock_irqsave(&hardware_block_lock);
    bool fits = hardware_block_count < HYPERCALL_BLOCK_REQUESTS;

    if (fits) {
        list_insert_tail(&hardware_block_requests, &request->link);
        hardware_block_count++;
    }
    spin_unlock_irqrestore(&hardware_block_lock, flags);
    return fits;
}

/* The monitor does not take it. Locks: none. */
static void block_request_withdraw(struct hardware_block_request *request)
{
    uint64_t flags = spin_lock_irqsave(&hardware_block_lock);

    block_request_remove(request);
    spin_unlock_irqrestore(&hardware_block_lock, flags);
}

static bool block_request_is_done(const struct hardware_block_request *request)
{
    return __atomic_load_n(&request->call.status, __ATOMIC_ACQUIRE) != HYPERCALL_BLOCK_PENDING;
}

/* Take one that is done and is the owner's (NULL: of those that have ended) off the list. Locks:
 * none. Returns: NULL when there is none. */
static struct hardware_block_request *block_request_take(const struct hardware_block *owner)
{
    uint64_t flags = spin_lock_irqsave(&hardware_block_lock);
    struct hardware_block_request *found = NULL;

    list_for_each (&hardware_block_requests, node) {
        struct hardware_block_request *r = list_entry(node, struct hardware_block_request, link);

        if (r->owner == owner && block_request_is_done(r)) {
            found = r;
            break;
        }
    }
    if (found != NULL) {
        block_request_remove(found);
    }
    spin_unlock_irqrestore(&hardware_block_lock, flags);
    return found;
}

/* Forget what is done of those that have ended. Locks: none. Sleeps: yes. */
static void block_request_forget(void)
{
    struct hardware_block_request *request;

    while ((request = block_request_take(NULL)) != NULL) {
        block_request_destroy(request);
    }
}

/* --- rights --- */

/* Those under way are nobody's any more. */
static void hardware_block_end(struct port_object *object)
{
    struct hardware_block *block = (struct hardware_block *)object;
    uint64_t flags = spin_lock_irqsave(&hardware_block_lock);

    list_for_each (&hardware_block_requests, node) {
        struct hardware_block_request *r = list_entry(node, struct hardware_block_request, link);

        r->owner = r->owner == block ? NULL : r->owner;
    }
    spin_unlock_irqrestore(&hardware_block_lock, flags);
    block_request_forget();
    hardware_dma_unref(block->dma);
    kfree(block, sizeof(*block));
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (not the hardware port), KERN_FAILURE (no such monitor),
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t hardware_block_create(struct ipc_port *hardware, dma_t dma, hardware_block_t *result)
{
    struct hardware_block *block;
    uint64_t features;

    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    features = hypervisor_call(HYPERCALL_FEATURES, 0, 0, 0);
    if (features == HYPERCALL_UNKNOWN || (features & HYPERCALL_HAS_BLOCK) == 0) {
        return KERN_FAILURE;
    }
    block = kalloc(sizeof(*block));
    if (block == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *block = (struct hardware_block){.dma = dma};
    if (!port_object_init(&block->object, KOBJECT_BLOCK, hardware_block_end)) {
        kfree(block, sizeof(*block));
        return KERN_RESOURCE_SHORTAGE;
    }
    hardware_dma_ref(dma);
    *result = block;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t hardware_block_size(hardware_block_t block, int disk, uint64_t *sectors)
{
    assert(block->dma != NULL);
    if (disk < 0) {
        return KERN_INVALID_ARGUMENT;
    }
    *sectors = hypervisor_call(HYPERCALL_BLOCK_SIZE, (uint64_t)disk, 0, 0);
    return KERN_SUCCESS;
}

/* --- to begin one --- */

/* Where the data of a request is: so many bytes from offset on of what is pinned. */
struct block_data {
    struct dma_pin *pin;
    uint64_t offset;
    uint64_t size; /* not 0 */
};

/* May the request do that with it? Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS (there is not so
 * much), KERN_PROTECTION_FAILURE (the disk may not write there). */
static kern_return_t block_data_check(const struct block_data *data, bool is_written)
{
    uint64_t pinned = hardware_dma_size(data->pin);

    if (data->offset > pinned || data->size > pinned - data->offset) {
        return KERN_INVALID_ADDRESS;
    }
    return !is_written || hardware_dma_is_writable(data->pin) ? KERN_SUCCESS
                                                              : KERN_PROTECTION_FAILURE;
}

/* A request with that data, and the call but for its operation. Refs: takes the pin over, which is
 * held of dma. Returns: NULL when out of memory. */
static struct hardware_block_request *block_request_create(struct hardware_block *block,
                                                           const struct block_data *data)
{
    uint64_t first = data->offset >> PAGE_SHIFT;
    uint64_t last = (data->offset + data->size - 1) >> PAGE_SHIFT;
    uint32_t npages = (uint32_t)(last - first + 1);
    struct hardware_block_request *r = kalloc(block_request_size(npages));

    if (r == NULL) {
        return NULL;
    }
    *r = (struct hardware_block_request){
        .owner = block, .dma = block->dma, .pin = data->pin, .npages = npages};
    for (uint32_t i = 0; i < npages; i++) {
        r->pages[i] = hardware_dma_page(data->pin, first + i);
    }
    r->pages[0] += data->offset & PAGE_MASK;
    r->call.address = virt_to_phys(r->pages);
    return r;
}

/* One without data: a flush. Returns: NULL when out of memory. */
static struct hardware_block_request *block_request_create_empty(struct hardware_block *block)
{
    struct hardware_block_request *r = kalloc(block_request_size(0));

    if (r != NULL) {
        *r = (struct hardware_block_request){.owner = block, .dma = block->dma};
    }
    return r;
}

/* The request for an operation, with the data it needs, held. Returns: KERN_SUCCESS,
 * KERN_INVALID_NAME (no such pin), those of block_data_check, KERN_RESOURCE_SHORTAGE. */
static kern_return_t block_request_make(struct hardware_block *block, int operation,
                                        struct block_data data, int pin,
                                        struct hardware_block_request **result)
{
    kern_return_t kr;

    if (operation == (int)HYPERCALL_BLOCK_FLUSH) {
        *result = block_request_create_empty(block);
        return *result != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
    }
    kr = hardware_dma_hold(block->dma, pin, &data.pin);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = block_data_check(&data, operation == (int)HYPERCALL_BLOCK_READ);
    if (kr == KERN_SUCCESS) {
        *result = block_request_create(block, &data);
        kr = *result != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
    }
    if (kr != KERN_SUCCESS) {
        hardware_dma_release(block->dma, data.pin);
    }
    return kr;
}

/* Give it to the monitor. Refs: takes it over on success. Returns: KERN_SUCCESS, KERN_NO_SPACE (too
 * many are under way), KERN_FAILURE (the monitor does not take it). */
static kern_return_t block_request_send(struct hardware_block_request *request)
{
    block_request_forget();
    if (!block_request_insert(request)) {
        return KERN_NO_SPACE;
    }
    if (hypervisor_call(HYPERCALL_BLOCK, virt_to_phys(&request->call), 0, 0) != 0) {
        block_request_withdraw(request);
        return KERN_FAILURE;
    }
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such operation, or no sectors), those of
 * block_request_make, KERN_NO_SPACE (too many are under way), KERN_FAILURE (the monitor does not
 * take it). */
kern_return_t hardware_block_begin(hardware_block_t block, int disk, int operation, uint64_t sector,
                                   int sectors, int pin, vm_size_t offset, int tag)
{
    bool is_flush = operation == (int)HYPERCALL_BLOCK_FLUSH;
    struct block_data data = {NULL, offset, (uint64_t)sectors * SECTOR};
    struct hardware_block_request *request;
    kern_return_t kr;

    if (disk < 0 || operation < 0 || operation > (int)HYPERCALL_BLOCK_FLUSH ||
        (!is_flush && (sectors <= 0 || sectors > (int)HYPERCALL_BLOCK_SECTORS_MAX))) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = block_request_make(block, operation, data, pin, &request);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    request->tag = tag;
    request->call.disk = (uint32_t)disk;
    request->call.operation = (uint32_t)operation | (is_flush ? 0 : HYPERCALL_BLOCK_LIST);
    request->call.sector = is_flush ? 0 : sector;
    request->call.sectors = is_flush ? 0 : (uint32_t)sectors;
    kr = block_request_send(request);
    if (kr != KERN_SUCCESS) {
        block_request_destroy(request);
    }
    return kr;
}

/* Returns: KERN_SUCCESS. */
kern_return_t hardware_block_take(hardware_block_t block, hardware_block_done_t done,
                                  mach_msg_type_number_t *count)
{
    mach_msg_type_number_t n = 0;
    struct hardware_block_request *request = NULL;

    /* First, so that one that is done from here on is told. */
    (void)hypervisor_call(HYPERCALL_EVENTS, HYPERCALL_EVENT_BLOCK, 0, 0);
    block_request_forget();
    while (n < HARDWARE_BLOCK_DONE_MAX && (request = block_request_take(block)) != NULL) {
        done[n] = (int64_t)((uint64_t)request->call.status << 32 | (uint32_t)request->tag);
        n++;
        block_request_destroy(request);
    }
    *count = n;
    return KERN_SUCCESS;
}
