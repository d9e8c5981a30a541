/* mach_debug_types.h - what the introspection calls return. */
#ifndef MACH_MACH_DEBUG_TYPES_H
#define MACH_MACH_DEBUG_TYPES_H

#include <mach/gnumach.h>
#include <mach/memory_object.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>
#include <mach/vm_types.h>

#define CACHE_NAME_MAX_LEN 32
typedef struct cache_info {
    integer_t flags;
    integer_t flags_pad;
    rpc_vm_size_t cpu_pool_size;
    rpc_vm_size_t obj_size;
    rpc_vm_size_t align;
    rpc_vm_size_t buf_size;
    rpc_vm_size_t slab_size;
    rpc_long_natural_t bufs_per_slab;
    rpc_long_natural_t nr_objs;
    rpc_long_natural_t nr_bufs;
    rpc_long_natural_t nr_slabs;
    rpc_long_natural_t nr_free_slabs;
    char name[CACHE_NAME_MAX_LEN];
} cache_info_t;
typedef cache_info_t *cache_info_array_t;
MACH_ABI_SIZE(cache_info_t, 120);

typedef struct hash_info_bucket {
    natural_t hib_count;
} hash_info_bucket_t;
typedef hash_info_bucket_t *hash_info_bucket_array_t;

typedef struct vm_region_info {
    rpc_vm_offset_t vri_start;
    rpc_vm_offset_t vri_end;
    vm_prot_t vri_protection;
    vm_prot_t vri_max_protection;
    vm_inherit_t vri_inheritance;
    natural_t vri_wired_count;
    natural_t vri_user_wired_count;
    uint32_t vri_pad;
    rpc_vm_offset_t vri_object;
    rpc_vm_offset_t vri_offset;
    integer_t vri_needs_copy;
    natural_t vri_sharing;
} vm_region_info_t;
typedef vm_region_info_t *vm_region_info_array_t;
MACH_ABI_SIZE(vm_region_info_t, 64);
MACH_ABI_OFFSET(vm_region_info_t, vri_object, 40);

typedef uint32_t vm_object_info_state_t;
#define VOI_STATE_PAGER_CREATED     0x00000001U
#define VOI_STATE_PAGER_INITIALIZED 0x00000002U
#define VOI_STATE_PAGER_READY       0x00000004U
#define VOI_STATE_CAN_PERSIST       0x00000008U
#define VOI_STATE_INTERNAL          0x00000010U
#define VOI_STATE_TEMPORARY         0x00000020U
#define VOI_STATE_ALIVE             0x00000040U
#define VOI_STATE_LOCK_IN_PROGRESS  0x00000080U
#define VOI_STATE_LOCK_RESTART      0x00000100U

typedef struct vm_object_info {
    rpc_vm_offset_t voi_object;
    rpc_vm_size_t voi_pagesize;
    rpc_vm_size_t voi_size;
    natural_t voi_ref_count;
    natural_t voi_resident_page_count;
    natural_t voi_absent_count;
    uint32_t voi_pad;
    rpc_vm_offset_t voi_copy;
    rpc_vm_offset_t voi_shadow;
    rpc_vm_offset_t voi_shadow_offset;
    rpc_vm_offset_t voi_paging_offset;
    memory_object_copy_strategy_t voi_copy_strategy;
    uint32_t voi_pad2;
    rpc_vm_offset_t voi_last_alloc;
    natural_t voi_paging_in_progress;
    vm_object_info_state_t voi_state;
} vm_object_info_t;
typedef vm_object_info_t *vm_object_info_array_t;
MACH_ABI_SIZE(vm_object_info_t, 96);
MACH_ABI_OFFSET(vm_object_info_t, voi_last_alloc, 80);

typedef uint32_t vm_page_info_state_t;
#define VPI_STATE_BUSY        0x00000001U
#define VPI_STATE_WANTED      0x00000002U
#define VPI_STATE_TABLED      0x00000004U
#define VPI_STATE_FICTITIOUS  0x00000008U
#define VPI_STATE_PRIVATE     0x00000010U
#define VPI_STATE_ABSENT      0x00000020U
#define VPI_STATE_ERROR       0x00000040U
#define VPI_STATE_DIRTY       0x00000080U
#define VPI_STATE_PRECIOUS    0x00000100U
#define VPI_STATE_OVERWRITING 0x00000200U
#define VPI_STATE_INACTIVE    0x00000400U
#define VPI_STATE_ACTIVE      0x00000800U
#define VPI_STATE_LAUNDRY     0x00001000U
#define VPI_STATE_FREE        0x00002000U
#define VPI_STATE_REFERENCE   0x00004000U
#define VPI_STATE_PAGER       0x80000000U
#define VPI_STATE_NODATA      (VPI_STATE_ABSENT | VPI_STATE_ERROR)

typedef struct vm_page_info {
    rpc_vm_offset_t vpi_offset;
    rpc_vm_offset_t vpi_phys_addr;
    natural_t vpi_wire_count;
    vm_prot_t vpi_page_lock;
    vm_prot_t vpi_unlock_request;
    vm_page_info_state_t vpi_state;
} vm_page_info_t;
typedef vm_page_info_t *vm_page_info_array_t;
MACH_ABI_SIZE(vm_page_info_t, 32);

typedef struct vm_page_phys_info {
    rpc_vm_offset_t vpi_offset;
    rpc_phys_addr_t vpi_phys_addr;
    natural_t vpi_wire_count;
    vm_prot_t vpi_page_lock;
    vm_prot_t vpi_unlock_request;
    vm_page_info_state_t vpi_state;
} vm_page_phys_info_t;
typedef vm_page_phys_info_t *vm_page_phys_info_array_t;
MACH_ABI_SIZE(vm_page_phys_info_t, 32);

#define SYMTAB_NAME_MAX 32
typedef char symtab_name_t[SYMTAB_NAME_MAX];
typedef const char *const_symtab_name_t;

#endif
