/* pin.c - memory of this task as a device sees it. */
#include <hardware.h>
#include <mach/vm_param.h>
#include <portolan/driver.h>

/* Append a page's part to the runs. */
static void pin_append(struct driver_run *runs, unsigned *n, uint64_t phys, uint32_t size)
{
    if (*n != 0 && runs[*n - 1].phys + runs[*n - 1].size == phys) {
        runs[*n - 1].size += size;
        return;
    }
    runs[*n] = (struct driver_run){phys, size};
    *n += 1;
}

kern_return_t driver_pin(vm_address_t address, vm_size_t size, vm_prot_t access,
                         struct driver_run *runs, unsigned *n, int *pin)
{
    dma_pages_t pages;
    mach_msg_type_number_t count = DMA_PAGES_MAX;
    vm_size_t first = address & MACH_PAGE_MASK;
    kern_return_t kr;

    kr = dma_pin(driver.dma, mach_task_self(), address, size, access, pin, pages, &count);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    *n = 0;
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        vm_size_t part = MACH_PAGE_SIZE - first < size ? MACH_PAGE_SIZE - first : size;

        pin_append(runs, n, (uint64_t)pages[i] + first, (uint32_t)part);
        size -= part;
        first = 0;
    }
    return KERN_SUCCESS;
}
