/* hv_walk.h - a guest's own page tables, gone through as its processor would. */
#ifndef HV_HV_WALK_H
#define HV_HV_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_map;

/* What decides how a guest's addresses are translated, and where its code is. */
struct hv_paging {
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
    uint64_t code_base; /* of CS */
    uint64_t rip;
    bool is_64bit; /* code */
};

/* Read n bytes at a linear address of the guest; nothing is marked accessed. Sleeps: yes. Returns:
 * how many could be read. */
size_t hv_walk_read(struct vm_map *map, const struct hv_paging *paging, uint64_t linear,
                    uint8_t *bytes, size_t n);

#endif
