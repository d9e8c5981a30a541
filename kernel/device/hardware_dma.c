/* hardware_dma.c - memory for devices (hardware.defs): pages of tasks that stay where they are
 * while a device reads or writes them past all page tables.
 *
 * What was pinned belongs to the object the right stands for, not to the task: a driver that dies
 * leaves its pages pinned until whoever else has the right has stopped the device and gives it up.
 * What a request of the kernel's own holds (hardware_block.c) stays pinned until that is done.
 * Where there is an IOMMU, the device reaches them by its function's domain while they are pinned,
 * and nothing else. Locks: DEVICE. */
#include <mach/hardware.h>

#include "arch/iommu.h"
#include "device/hardware.h"
#include "hardware_kernel_server.h"
#include "kern/assert.h"
#include "kern/list.h"
#include "kern/port_object.h"
#include "kern/spinlock.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"

/* Pages pinned by one call. Keys: [I] immutable, [L] lock of the object it is in */
struct dma_pin {
    struct list link;        /* [L] */
    int id;                  /* [I] */
    uint32_t npages;         /* [I] */
    uint32_t refs;           /* [L] one while it is in the list, one a request that holds it */
    bool is_writable;        /* [I] the device may write there */
    uint64_t bus;            /* [I] where the domain has them */
    struct vm_page *pages[]; /* [I] */
};

/* Keys: [L] this->lock, [I] immutable */
struct hardware_dma {
    struct port_object object;
    struct iommu_domain *domain; /* [I] NULL: the device reaches all memory */
    struct spinlock lock;
    struct list pins;    /* [L] */
    uint64_t used_pages; /* [L] */
    uint64_t limit;      /* [I] pages */
    bool is_over;        /* [L] nothing is pinned any more */
    int last_id;         /* [L] */
};

struct hardware_dma *convert_port_to_dma(struct ipc_port *port)
{
    return port_object_of(port, KOBJECT_DMA);
}

struct ipc_port *convert_dma_to_port(struct hardware_dma *dma)
{
    return port_object_port(&dma->object);
}

void hardware_dma_unref(struct hardware_dma *dma)
{
    port_object_unref(&dma->object);
}

void hardware_dma_ref(struct hardware_dma *dma)
{
    void *same = port_object_try_ref(&dma->object);

    assert(same == dma); /* the caller has one, so it does not end */
    (void)same;
}

static size_t dma_pin_size(uint64_t npages)
{
    return sizeof(struct dma_pin) + npages * sizeof(struct vm_page *);
}

/* Let the first n of its pages go, and free it. Locks: none. Sleeps: yes. */
static void dma_pin_destroy(struct dma_pin *pin, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        vm_fault_unpin(pin->pages[i]);
    }
    kfree(pin, dma_pin_size(pin->npages));
}

/* Let all pages go, once the device does not reach them. Locks: none. Sleeps: yes. */
static void dma_pin_end(struct hardware_dma *dma, struct dma_pin *pin)
{
    if (dma->domain != NULL) {
        iommu_domain_unmap(dma->domain, pin->bus, pin->npages);
    }
    dma_pin_destroy(pin, pin->npages);
}

/* Take part of what may be pinned, or give it back. Returns: false when there is not so much. */
static bool dma_pin_charge(struct hardware_dma *dma, uint64_t npages)
{
    uint64_t flags = spin_lock_irqsave(&dma->lock);
    bool fits = !dma->is_over && npages <= dma->limit - dma->used_pages;

    assert(dma->used_pages <= dma->limit);
    if (fits) {
        dma->used_pages += npages;
    }
    spin_unlock_irqrestore(&dma->lock, flags);
    return fits;
}

static void dma_pin_credit(struct hardware_dma *dma, uint64_t npages)
{
    uint64_t flags = spin_lock_irqsave(&dma->lock);

    assert(npages <= dma->used_pages);
    dma->used_pages -= npages;
    spin_unlock_irqrestore(&dma->lock, flags);
}

/* Give up a reference: with the last one its pages go. Locks: none. Sleeps: yes. */
static void dma_pin_unref(struct hardware_dma *dma, struct dma_pin *pin)
{
    uint64_t flags = spin_lock_irqsave(&dma->lock);
    bool is_last = pin->refs == 1;

    assert(pin->refs != 0 && pin->npages <= dma->used_pages);
    pin->refs--;
    dma->used_pages -= is_last ? pin->npages : 0;
    spin_unlock_irqrestore(&dma->lock, flags);
    if (is_last) {
        dma_pin_end(dma, pin);
    }
}

/* Take one of the pins, and let nobody pin more. Returns: NULL when there is none left. */
static struct dma_pin *dma_pin_take(struct hardware_dma *dma)
{
    uint64_t flags = spin_lock_irqsave(&dma->lock);
    struct list *node = list_pop(&dma->pins);

    dma->is_over = true;
    spin_unlock_irqrestore(&dma->lock, flags);
    return node != NULL ? list_entry(node, struct dma_pin, link) : NULL;
}

/* Returns: KERN_SUCCESS. */
kern_return_t dma_end(dma_t dma)
{
    struct dma_pin *pin;

    while ((pin = dma_pin_take(dma)) != NULL) {
        dma_pin_unref(dma, pin);
    }
    return KERN_SUCCESS;
}

static void hardware_dma_end(struct port_object *object)
{
    struct hardware_dma *dma = (struct hardware_dma *)object;

    dma_end(dma);
    if (dma->domain != NULL) {
        iommu_domain_unref(dma->domain);
    }
    kfree(dma, sizeof(*dma));
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (not the hardware port), KERN_INVALID_ARGUMENT (no source),
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t hardware_dma_create(struct ipc_port *hardware, int source, vm_size_t limit,
                                  dma_t *result)
{
    struct hardware_dma *dma;
    kern_return_t kr;

    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    if (source < 0 || source > UINT16_MAX) {
        return KERN_INVALID_ARGUMENT;
    }
    dma = kalloc(sizeof(*dma));
    if (dma == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *dma = (struct hardware_dma){.limit = limit >> PAGE_SHIFT};
    spin_init(&dma->lock, LOCK_RANK_DEVICE, "dma");
    list_init(&dma->pins);
    kr = iommu_domain_find((uint16_t)source, &dma->domain);
    if (kr != KERN_SUCCESS) {
        goto undo_dma;
    }
    if (!port_object_init(&dma->object, KOBJECT_DMA, hardware_dma_end)) {
        kr = KERN_RESOURCE_SHORTAGE;
        goto undo_domain;
    }
    *result = dma;
    return KERN_SUCCESS;
undo_domain:
    if (dma->domain != NULL) {
        iommu_domain_unref(dma->domain);
    }
undo_dma:
    kfree(dma, sizeof(*dma));
    return kr;
}

/* Put it on the list, under a number that no other has. Returns: that, and the pin may be gone at
 * once; 0 when the right has been ended. */
static int dma_pin_enlist(struct hardware_dma *dma, struct dma_pin *pin)
{
    uint64_t flags = spin_lock_irqsave(&dma->lock);
    int id = 0;

    if (!dma->is_over) {
        id = dma->last_id < INT32_MAX ? dma->last_id + 1 : 1;
        dma->last_id = id;
        pin->id = id;
        list_insert_tail(&dma->pins, &pin->link);
    }
    spin_unlock_irqrestore(&dma->lock, flags);
    return id;
}

/* Pin all of [start, start + n pages), or nothing. Returns: as vm_fault_pin; a page that is not in
 * memory is KERN_RESOURCE_SHORTAGE. */
static kern_return_t dma_pin_pages(struct vm_map *map, vm_offset_t start, vm_prot_t access,
                                   struct dma_pin *pin)
{
    for (uint32_t i = 0; i < pin->npages; i++) {
        kern_return_t kr = vm_fault_pin(map, start + i * PAGE_SIZE, access, &pin->pages[i]);

        if (kr != KERN_SUCCESS) {
            dma_pin_destroy(pin, i);
            return kr == KERN_ABORTED ? KERN_RESOURCE_SHORTAGE : kr;
        }
    }
    return KERN_SUCCESS;
}

/* Have the device reach the pages, and say where. Takes the pin apart when it cannot. Returns:
 * those of iommu_domain_map. */
static kern_return_t dma_pin_show(struct hardware_dma *dma, struct dma_pin *pin, vm_prot_t access,
                                  dma_pages_t pages)
{
    bool is_writable = (access & VM_PROT_WRITE) != 0;
    kern_return_t kr = KERN_SUCCESS;

    if (dma->domain != NULL) {
        kr = iommu_domain_map(dma->domain, pin->pages, pin->npages, is_writable, &pin->bus);
    }
    if (kr != KERN_SUCCESS) {
        dma_pin_destroy(pin, pin->npages);
        return kr;
    }
    for (uint32_t i = 0; i < pin->npages; i++) {
        pages[i] = dma->domain != NULL ? (int64_t)(pin->bus + i * PAGE_SIZE)
                                       : (int64_t)vm_page_to_phys(pin->pages[i]);
    }
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no pages, too many, or access that is none),
 * KERN_INVALID_ADDRESS (not mapped), KERN_PROTECTION_FAILURE (not for that access),
 * KERN_MEMORY_ERROR (device memory), KERN_NO_SPACE (over the limit, or ended),
 * KERN_RESOURCE_SHORTAGE (also of a page that is not in memory now: whoever has touched it may ask
 * again). */
kern_return_t dma_pin(dma_t dma, vm_map_t map, vm_address_t address, vm_size_t size,
                      vm_prot_t access, int *id, dma_pages_t pages, mach_msg_type_number_t *count)
{
    struct dma_pin *pin;
    vm_offset_t start, end;
    uint32_t npages;
    kern_return_t kr;

    if (size == 0 || size > DMA_PAGES_MAX * PAGE_SIZE ||
        (access != VM_PROT_READ && access != VM_PROT_DEFAULT)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!vm_map_range(map, address, size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    npages = (uint32_t)((end - start) >> PAGE_SHIFT);
    if (npages > DMA_PAGES_MAX) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!dma_pin_charge(dma, npages)) {
        return KERN_NO_SPACE;
    }
    pin = kalloc(dma_pin_size(npages));
    kr = KERN_RESOURCE_SHORTAGE;
    if (pin != NULL) {
        pin->npages = npages;
        pin->refs = 1;
        pin->is_writable = access == VM_PROT_DEFAULT;
        kr = dma_pin_pages(map, start, access, pin);
        kr = kr == KERN_SUCCESS ? dma_pin_show(dma, pin, access, pages) : kr;
    }
    if (kr != KERN_SUCCESS) {
        dma_pin_credit(dma, npages);
        return kr;
    }
    *count = npages;
    *id = dma_pin_enlist(dma, pin);
    if (*id == 0) {
        dma_pin_unref(dma, pin);
        return KERN_NO_SPACE;
    }
    return KERN_SUCCESS;
}

/* The pin of that number, or NULL. Locks: dma->lock. */
static struct dma_pin *dma_pin_find(const struct hardware_dma *dma, int id)
{
    assert(spin_is_held(&dma->lock));
    list_for_each (&dma->pins, node) {
        struct dma_pin *pin = list_entry(node, struct dma_pin, link);

        if (pin->id == id) {
            return pin;
        }
    }
    return NULL;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_NAME (no such pin). */
kern_return_t dma_unpin(dma_t dma, int id)
{
    uint64_t flags = spin_lock_irqsave(&dma->lock);
    struct dma_pin *pin = dma_pin_find(dma, id);

    if (pin != NULL) {
        list_remove(&pin->link);
    }
    spin_unlock_irqrestore(&dma->lock, flags);
    if (pin == NULL) {
        return KERN_INVALID_NAME;
    }
    dma_pin_unref(dma, pin);
    return KERN_SUCCESS;
}

/* --- requests of the kernel --- */

kern_return_t hardware_dma_hold(struct hardware_dma *dma, int id, struct dma_pin **result)
{
    uint64_t flags = spin_lock_irqsave(&dma->lock);
    struct dma_pin *pin = dma_pin_find(dma, id);

    if (pin != NULL) {
        pin->refs++;
    }
    spin_unlock_irqrestore(&dma->lock, flags);
    if (pin == NULL) {
        return KERN_INVALID_NAME;
    }
    *result = pin;
    hardware_dma_ref(dma);
    return KERN_SUCCESS;
}

void hardware_dma_release(struct hardware_dma *dma, struct dma_pin *pin)
{
    dma_pin_unref(dma, pin);
    hardware_dma_unref(dma);
}

uint64_t hardware_dma_size(const struct dma_pin *pin)
{
    return (uint64_t)pin->npages << PAGE_SHIFT;
}

bool hardware_dma_is_writable(const struct dma_pin *pin)
{
    return pin->is_writable;
}

uint64_t hardware_dma_page(const struct dma_pin *pin, uint64_t n)
{
    assert(n < pin->npages);
    return vm_page_to_phys(pin->pages[n]);
}

/* Returns: KERN_SUCCESS. */
kern_return_t dma_status(dma_t dma, boolean_t *is_translated, int64_t *faults, int64_t *address,
                         int *reason)
{
    struct iommu_faults told = {0, 0, 0};

    if (dma->domain != NULL) {
        iommu_domain_faults(dma->domain, &told);
    }
    *is_translated = dma->domain != NULL;
    *faults = (int64_t)told.count;
    *address = (int64_t)told.address;
    *reason = told.reason;
    return KERN_SUCCESS;
}
