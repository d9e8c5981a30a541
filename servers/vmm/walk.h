/* walk.h - a guest's own page tables, as its processor would go through them. */
#ifndef VMM_WALK_H
#define VMM_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* What decides how, of a processor's state. */
struct walk_paging {
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
};

struct walk_access {
    bool is_write;
    bool is_user;    /* by code of privilege level 3 */
    bool is_user_ok; /* by the system's code, on pages of users in spite of SMAP (RFLAGS.AC) */
};

enum walk_result {
    WALK_DONE,
    WALK_FAULT, /* a page fault, with the error code as the processor pushes it */
    WALK_AGAIN, /* another processor of the guest has changed a table meanwhile */
    WALK_LOST,  /* a table is not in the guest's memory */
};

/* Where a linear address is. Sets the bits A and D on the way, when the access is allowed. Source:
 * Intel SDM volume 3, 4.3 to 4.8. */
enum walk_result walk(const struct memory *memory, const struct walk_paging *paging,
                      uint64_t linear, struct walk_access access, uint64_t *physical,
                      uint32_t *error);

#endif
