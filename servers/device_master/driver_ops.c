/* driver_ops.c - driver.defs: what a driver gets of its own function. */
#include <mach/hardware.h>
#include <mach/vm_param.h>
#include <portolan/portolan.h>

#include <gnumach.h>
#include <hardware.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_i386.h>
#include <mach_port.h>

#include "device_master_impl.h"
#include "driver_server.h"

#define CONFIG_SIZE      4096
#define VENDOR_SIZE      2u /* offset of the size in a vendor-specific capability */
#define MSI_CONTROL      2u
#define MSI_ADDRESS      4u
#define MSI_ON           0x0001u
#define MSI_64           0x0080u
#define MSI_COUNT        0x0070u
#define MSIX_ON          0x8000u
#define MSIX_COUNT       0x07ffu
#define MSIX_TABLE       4u
#define MSIX_ENTRY_WORDS 4u
#define MSIX_MASKED      1u
#define INTERRUPTS_MAX   16u /* rights in the life of one driver */
#define DMA_ALLOCATE_MAX (2ul << 20)

kern_return_t serve_driver_control(mach_port_t driver, mach_port_t control)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    if (!MACH_PORT_VALID(control) || f->control != MACH_PORT_NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    f->control = control;
    return KERN_SUCCESS;
}

kern_return_t serve_driver_alive(mach_port_t driver)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f != NULL) {
        f->pinged_ms = 0;
    }
    return KERN_SUCCESS;
}

/* --- configuration space --- */

static bool ops_is_config(int offset, int size)
{
    return (size == 1 || size == 2 || size == 4) && offset >= 0 && offset <= CONFIG_SIZE - size &&
           offset % size == 0;
}

kern_return_t serve_driver_config_read(mach_port_t driver, int offset, int size, int *value)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    if (!ops_is_config(offset, size)) {
        return KERN_INVALID_ARGUMENT;
    }
    *value = (int)pci_read(&f->pci, (unsigned)offset, (unsigned)size);
    return KERN_SUCCESS;
}

/* Is that part of a vendor-specific capability, behind its head? */
static bool ops_is_vendors(const struct function *f, unsigned offset, unsigned size)
{
    unsigned at = 0;

    for (unsigned n = 0; n < 16; n++) {
        at = pci_capability(&f->pci, at, PCI_CAPABILITY_VENDOR);
        if (at == 0) {
            return false;
        }
        if (offset > at + VENDOR_SIZE &&
            offset + size <= at + pci_read(&f->pci, at + VENDOR_SIZE, 1)) {
            return true;
        }
    }
    return false;
}

kern_return_t serve_driver_config_write(mach_port_t driver, int offset, int size, int value)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    if (!ops_is_config(offset, size)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!ops_is_vendors(f, (unsigned)offset, (unsigned)size)) {
        return KERN_NO_ACCESS;
    }
    pci_write(&f->pci, (unsigned)offset, (unsigned)size, (uint32_t)value);
    return KERN_SUCCESS;
}

/* --- registers --- */

/* The base address register of that kind, or NULL. */
static const struct pci_bar *ops_bar(const struct function *f, int index, bool is_io)
{
    const struct pci_bar *bar = &f->pci.bars[index >= 0 && index < PCI_BARS_MAX ? index : 0];

    return index >= 0 && index < PCI_BARS_MAX && bar->size != 0 && bar->is_io == is_io ? bar : NULL;
}

kern_return_t serve_driver_map(mach_port_t driver, int bar, int cache, vm_address_t *address,
                               vm_size_t *size)
{
    struct function *f = drivers_of_request();
    const struct pci_bar *found;

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    found = ops_bar(f, bar, false);
    if (found == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    *size = found->size;
    return hardware_map(device_master.hardware, f->task, (int64_t)found->base, found->size, cache,
                        address);
}

kern_return_t serve_driver_io_ports(mach_port_t driver, int bar, int *first, int *count)
{
    struct function *f = drivers_of_request();
    const struct pci_bar *found;
    mach_port_t range;
    kern_return_t kr;

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    found = ops_bar(f, bar, true);
    if (found == NULL || found->base + found->size > 0x10000) {
        return KERN_INVALID_ARGUMENT;
    }
    *first = (int)found->base;
    *count = (int)found->size;
    kr = i386_io_perm_create(device_master.hardware, (io_port_t)found->base,
                             (io_port_t)(found->base + found->size - 1), &range);
    if (kr == KERN_SUCCESS) {
        kr = i386_io_perm_modify(f->task, range, TRUE);
        mach_port_deallocate(mach_task_self(), range);
    }
    return kr;
}

/* --- interrupts --- */

/* Map the table of MSI-X, all entries masked. */
static kern_return_t ops_map_msix(struct function *f, unsigned at, unsigned count)
{
    uint32_t where = pci_read(&f->pci, at + MSIX_TABLE, 4);
    const struct pci_bar *bar = ops_bar(f, (int)(where & 7), false);
    uint64_t offset = where & ~7u;
    volatile uint32_t *table;
    kern_return_t kr;

    if (bar == NULL || offset + count * MSIX_ENTRY_WORDS * 4ul > bar->size) {
        return KERN_INVALID_ARGUMENT;
    }
    if (f->msix_table == 0) {
        kr = hardware_map(device_master.hardware, mach_task_self(), (int64_t)(bar->base + offset),
                          count * MSIX_ENTRY_WORDS * 4ul, HARDWARE_CACHE_NONE, &f->msix_table);
        if (kr != KERN_SUCCESS) {
            f->msix_table = 0;
            return kr;
        }
    }
    table = (volatile uint32_t *)f->msix_table;
    for (unsigned i = 0; i < count; i++) {
        table[i * MSIX_ENTRY_WORDS + 3] = MSIX_MASKED;
    }
    return KERN_SUCCESS;
}

static kern_return_t ops_msix(struct function *f, unsigned at, unsigned index, mach_port_t *irq)
{
    uint32_t control = pci_read(&f->pci, at + MSI_CONTROL, 2);
    unsigned count = (control & MSIX_COUNT) + 1;
    volatile uint32_t *entry;
    kern_return_t kr = KERN_SUCCESS;
    int64_t address;
    int data;

    if (index >= count) {
        return KERN_INVALID_ARGUMENT;
    }
    if ((control & MSIX_ON) == 0) {
        kr = ops_map_msix(f, at, count);
    }
    kr =
        kr == KERN_SUCCESS ? hardware_msi_create(device_master.hardware, irq, &address, &data) : kr;
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    entry = (volatile uint32_t *)f->msix_table + index * MSIX_ENTRY_WORDS;
    entry[3] = MSIX_MASKED;
    entry[0] = (uint32_t)address;
    entry[1] = (uint32_t)((uint64_t)address >> 32);
    entry[2] = (uint32_t)data;
    entry[3] = 0;
    pci_write(&f->pci, at + MSI_CONTROL, 2, control | MSIX_ON);
    return KERN_SUCCESS;
}

static kern_return_t ops_msi(struct function *f, unsigned at, mach_port_t *irq)
{
    uint32_t control = pci_read(&f->pci, at + MSI_CONTROL, 2);
    unsigned data_at = at + MSI_ADDRESS + ((control & MSI_64) != 0 ? 8 : 4);
    int64_t address;
    int data;
    kern_return_t kr = hardware_msi_create(device_master.hardware, irq, &address, &data);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    pci_write(&f->pci, at + MSI_ADDRESS, 4, (uint32_t)address);
    if ((control & MSI_64) != 0) {
        pci_write(&f->pci, at + MSI_ADDRESS + 4, 4, (uint32_t)((uint64_t)address >> 32));
    }
    pci_write(&f->pci, data_at, 2, (uint32_t)data);
    pci_write(&f->pci, at + MSI_CONTROL, 2, (control & ~MSI_COUNT) | MSI_ON);
    return KERN_SUCCESS;
}

kern_return_t serve_driver_interrupt(mach_port_t driver, int index, mach_port_t *irq)
{
    struct function *f = drivers_of_request();
    unsigned msi, msix, line;

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    if (index < 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (f->interrupts == INTERRUPTS_MAX) {
        return KERN_NO_SPACE;
    }
    f->interrupts++;
    if (fixed_is_disks(&f->pci)) {
        return index == 0 ? fixed_interrupt(irq) : KERN_INVALID_ARGUMENT;
    }
    msi = pci_capability(&f->pci, 0, PCI_CAPABILITY_MSI);
    msix = pci_capability(&f->pci, 0, PCI_CAPABILITY_MSIX);
    if (msix != 0) {
        return ops_msix(f, msix, (unsigned)index, irq);
    }
    if (msi != 0 && index == 0) {
        return ops_msi(f, msi, irq);
    }
    line = pci_line(&f->pci, (unsigned)index);
    return line == 0 ? KERN_INVALID_ARGUMENT
                     : hardware_irq_create(device_master.hardware, (int)line, irq);
}

/* --- memory --- */

kern_return_t serve_driver_dma(mach_port_t driver, mach_port_t *dma)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    *dma = f->dma;
    return KERN_SUCCESS;
}

kern_return_t serve_driver_dma_allocate(mach_port_t driver, vm_size_t size, int64_t limit,
                                        vm_address_t *address, int64_t *phys)
{
    struct function *f = drivers_of_request();
    static dma_pages_t pages;
    mach_msg_type_number_t count = DMA_PAGES_MAX;
    rpc_phys_addr_t physical;
    kern_return_t kr;
    int pin;

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    if (size == 0 || size > DMA_ALLOCATE_MAX || limit < 0) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = vm_allocate_contiguous(device_master.host, f->task, address, &physical, size, 0,
                                (rpc_phys_addr_t)limit, MACH_PAGE_SIZE);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = dma_pin(f->dma, f->task, *address, size, VM_PROT_DEFAULT, &pin, pages, &count);
    if (kr != KERN_SUCCESS) {
        vm_deallocate(f->task, *address, size);
        return kr;
    }
    *phys = pages[0]; /* the others are behind it */
    return KERN_SUCCESS;
}

kern_return_t serve_driver_block(mach_port_t driver, mach_port_t *block)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    return fixed_is_disks(&f->pci) ? hardware_block_create(device_master.hardware, f->dma, block)
                                   : KERN_NO_ACCESS;
}

/* --- devices --- */

kern_return_t serve_driver_enable(mach_port_t driver)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    drivers_end_dma(&f->old_dma);
    pci_enable(&f->pci, true);
    return KERN_SUCCESS;
}

kern_return_t serve_driver_register(mach_port_t driver, const char *kind, int unit,
                                    const char *suffix, mach_port_t device, driver_name_t name)
{
    struct function *f = drivers_of_request();
    kern_return_t kr;

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    kr = names_register(f, kind, unit, suffix, device, name);
    if (kr == KERN_SUCCESS) {
        names_settle();
    }
    return kr;
}

kern_return_t serve_driver_clock(mach_port_t driver, int64_t seconds)
{
    static bool is_set;
    struct function *f = drivers_of_request();
    kern_return_t kr = KERN_SUCCESS;

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    if (!f->pci.is_fixed || f->pci.device != FIXED_CLOCK) {
        return KERN_NO_ACCESS;
    }
    if (!is_set) {
        kr = host_set_time64(device_master.host, (time_value64_t){seconds, 0});
        is_set = kr == KERN_SUCCESS;
    }
    return kr;
}

kern_return_t serve_driver_ready(mach_port_t driver)
{
    struct function *f = drivers_of_request();

    (void)driver;
    if (f == NULL) {
        return MIG_BAD_ID;
    }
    if (f->state == FUNCTION_STARTING) {
        f->state = FUNCTION_RUNNING;
        f->has_settled = true;
        f->failures = 0;
        f->due_ms = main_now_ms();
    }
    names_settle();
    return KERN_SUCCESS;
}
