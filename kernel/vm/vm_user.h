/* vm_user.h - the routines of mach.defs, gnumach.defs and mach_debug.defs that deal with memory, as
 * the generated stubs call them.
 *
 * Maps, hosts and objects are borrowed from the stub, which answers for ports that are not one. A
 * vm_copy given in is taken over on KERN_SUCCESS only; one given out belongs to the caller on
 * KERN_SUCCESS. Results are written on KERN_SUCCESS only. All of these may sleep; no locks are
 * held. */
#ifndef VM_VM_USER_H
#define VM_VM_USER_H

#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/mach_debug_types.h>
#include <mach/machine/vm_types.h>
#include <mach/vm_attributes.h>
#include <mach/vm_cache_statistics.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>
#include <mach/vm_statistics.h>
#include <mach/vm_sync.h>
#include <mach/vm_wire.h>

struct host;
struct ipc_port;
struct vm_copy;
struct vm_map;
struct vm_object;

/* --- mach.defs --- */

/* Zero-filled memory at *address or anywhere. size 0 gives address 0.
 * Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS, KERN_NO_SPACE,
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_allocate(struct vm_map *map, vm_address_t *address, vm_size_t size,
                          boolean_t anywhere);
/* Unmap the pages touched. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS,
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_deallocate(struct vm_map *map, vm_address_t address, vm_size_t size);
/* Returns: as vm_deallocate, and KERN_PROTECTION_FAILURE beyond a region's maximum. */
kern_return_t vm_protect(struct vm_map *map, vm_address_t address, vm_size_t size,
                         boolean_t set_maximum, vm_prot_t new_protection);
/* Returns: as vm_deallocate. */
kern_return_t vm_inherit(struct vm_map *map, vm_address_t address, vm_size_t size,
                         vm_inherit_t new_inheritance);
/* A copy of the range. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, and those of vm_map_copyin. */
kern_return_t vm_read(struct vm_map *map, vm_address_t address, vm_size_t size,
                      struct vm_copy **data, natural_t *data_count);
/* Overwrite the range with data. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, and those of
 * vm_map_copy_overwrite. */
kern_return_t vm_write(struct vm_map *map, vm_address_t address, struct vm_copy *data,
                       natural_t data_count);
/* Overwrite one range with another of the same task. Returns: as vm_read and vm_write. */
kern_return_t vm_copy(struct vm_map *map, vm_address_t source_address, vm_size_t size,
                      vm_address_t dest_address);
/* The region at or after *address. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_NO_SPACE. */
kern_return_t vm_region(struct vm_map *map, vm_address_t *address, vm_size_t *size,
                        vm_prot_t *protection, vm_prot_t *max_protection, vm_inherit_t *inheritance,
                        boolean_t *is_shared, struct ipc_port **object_name, vm_offset_t *offset);
/* Counts for the whole host. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t vm_statistics(struct vm_map *map, vm_statistics_data_t *statistics);
/* Map a memory object, or zero-filled memory for a null port. Refs: the send right to the memory
 * object is taken over on success. A copy of an object waits until its
 * pager has accepted it. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS,
 * KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE, KERN_PROTECTION_FAILURE (of a proxy), KERN_MEMORY_ERROR
 * (the pager did not answer in time), KERN_ABORTED. */
kern_return_t vm_map(struct vm_map *map, vm_address_t *address, vm_size_t size, vm_address_t mask,
                     boolean_t anywhere, struct ipc_port *memory_object, vm_offset_t offset,
                     boolean_t copy, vm_prot_t cur_protection, vm_prot_t max_protection,
                     vm_inherit_t inheritance);
/* Flushing caches is nothing to do on this machine; other attributes do not exist.
 * Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS. */
kern_return_t vm_machine_attribute(struct vm_map *map, vm_address_t address, vm_size_t size,
                                   vm_machine_attribute_t attribute,
                                   vm_machine_attribute_val_t *value);

/* --- mach_host.defs, gnumach.defs --- */

/* Wire or (VM_PROT_NONE) unwire. Without the privileged host port only a few MiB a task.
 * Returns: KERN_SUCCESS, KERN_INVALID_HOST, KERN_INVALID_TASK, KERN_INVALID_ARGUMENT,
 * KERN_INVALID_ADDRESS, KERN_NO_ACCESS, and those of vm_map_wire. */
kern_return_t vm_wire(struct ipc_port *host, struct vm_map *map, vm_address_t address,
                      vm_size_t size, vm_prot_t access);
/* Returns: KERN_SUCCESS, KERN_INVALID_HOST, KERN_INVALID_TASK, KERN_INVALID_ARGUMENT,
 * KERN_RESOURCE_SHORTAGE, KERN_MEMORY_ERROR. */
kern_return_t vm_wire_all(struct ipc_port *host, struct vm_map *map, vm_wire_t flags);
/* Send changed pages of memory objects to their pagers, into whose queues they have gone on return;
 * with VM_SYNC_INVALIDATE no page stays in memory. Other memory has nothing to write.
 * Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS (out of range or not mapped),
 * KERN_RESOURCE_SHORTAGE (not all was sent). */
kern_return_t vm_msync(struct vm_map *map, vm_address_t address, vm_size_t size,
                       vm_sync_t sync_flags);
/* The same for a range of an object, precious pages too when they should return. Who has the name
 * of an object cannot throw changes away: what is flushed and changed returns in any case.
 * Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_object_sync(struct vm_object *object, vm_offset_t offset, vm_size_t size,
                             boolean_t should_flush, boolean_t should_return,
                             boolean_t should_iosync);
/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t vm_cache_statistics(struct vm_map *map, vm_cache_statistics_data_t *statistics);
/* Set the limits of the map's size. Raising the maximum takes the privileged host port.
 * Returns: KERN_SUCCESS, KERN_INVALID_HOST, KERN_INVALID_TASK, KERN_INVALID_ARGUMENT,
 * KERN_NO_ACCESS. */
kern_return_t vm_set_size_limit(struct ipc_port *host_port, struct vm_map *map,
                                vm_size_t current_limit, vm_size_t max_limit);
/* Returns: KERN_SUCCESS, KERN_INVALID_TASK. */
kern_return_t vm_get_size_limit(struct vm_map *map, vm_size_t *current_limit, vm_size_t *max_limit);
/* Zeroed, wired, physically contiguous memory inside [pmin, pmax) (pmax 0: no bound), aligned to
 * palign. Returns: KERN_SUCCESS, KERN_INVALID_HOST, KERN_INVALID_TASK, KERN_INVALID_ARGUMENT,
 * KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_allocate_contiguous(struct host *host_priv, struct vm_map *map,
                                     vm_address_t *vaddr, rpc_phys_addr_t *paddr, vm_size_t size,
                                     rpc_phys_addr_t pmin, rpc_phys_addr_t pmax,
                                     rpc_phys_addr_t palign);
/* The physical address of each page of the range, 0 where none is mapped; *count is the number of
 * pages. Returns: KERN_SUCCESS, KERN_INVALID_HOST, KERN_INVALID_TASK, KERN_INVALID_ARGUMENT,
 * KERN_INVALID_ADDRESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_pages_phys(struct host *host_priv, struct vm_map *map, vm_address_t vaddr,
                            vm_size_t size, struct vm_copy **pages, natural_t *count);

/* --- mach_debug.defs --- */

/* The region that holds address, from inside. Returns: KERN_SUCCESS, KERN_INVALID_TASK,
 * KERN_NO_SPACE. */
kern_return_t mach_vm_region_info(struct vm_map *map, vm_address_t address,
                                  vm_region_info_t *region, struct ipc_port **object);
/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t mach_vm_object_info(struct vm_object *object, vm_object_info_t *info,
                                  struct ipc_port **shadow, struct ipc_port **copy);
/* The resident pages, in order. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT,
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_vm_object_pages(struct vm_object *object, struct vm_copy **pages,
                                   natural_t *count);
kern_return_t mach_vm_object_pages_phys(struct vm_object *object, struct vm_copy **pages,
                                        natural_t *count);
/* The kernel allocator's caches. Returns: KERN_SUCCESS, KERN_INVALID_HOST, KERN_RESOURCE_SHORTAGE.
 */
kern_return_t host_slab_info(struct host *host, struct vm_copy **info, natural_t *count);

#endif
