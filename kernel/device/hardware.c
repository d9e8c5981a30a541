/* hardware.c - device memory for user tasks, and what the kernel knows about the machine
 * (hardware.defs). */
#include "device/hardware.h"

#include <mach/hardware.h>

#include "arch/acpi.h"
#include "arch/boot_info.h"
#include "arch/iommu.h"
#include "hardware_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/kobject.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

bool hardware_is_port(struct ipc_port *port)
{
    return IP_VALID(port) && port->kobject_type == KOBJECT_HARDWARE;
}

/* Does the range hold memory (the kernel's image and page tables are in it) that is not the memory
 * disk, or registers of interrupt controllers or remapping units? Nobody else ever gets those. */
static bool hardware_is_kernels(phys_addr_t start, phys_addr_t end)
{
    bool is_controller =
        (start <= acpi_info.lapic && acpi_info.lapic < end) || iommu_is_register(start, end);

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

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS. */
kern_return_t hardware_pci(struct ipc_port *hardware, int64_t *ecam, int *first_bus, int *last_bus)
{
    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    *ecam = (int64_t)acpi_info.ecam;
    *first_bus = acpi_info.ecam_first_bus;
    *last_bus = acpi_info.ecam_last_bus;
    return KERN_SUCCESS;
}
