/* hv_check.h - is what a monitor sets the state of a processor? The rules that all makers share. */
#ifndef HV_HV_CHECK_H
#define HV_HV_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* What a guest's processor may have; found once. */
struct hv_limits {
    uint64_t cr4;  /* bits */
    uint64_t efer; /* bits */
    unsigned physical_bits;
    bool tells_writes; /* processors tell which pages of memory a guest writes (pmap_log.h) */
};

extern struct hv_limits hv_limits; /* [I] after hv_init() */

/* What the rules look at. */
struct hv_check {
    uint64_t cr0, cr3, cr4, efer, pat, dr6, dr7, rflags;
    uint64_t event; /* to be delivered */
    uint64_t code;  /* attributes of CS */
};

/* What no processor can be in, or none that the guest may have, as a sentence; NULL: nothing. */
const char *hv_check(const struct hv_check *state, const struct hv_limits *limits);
/* May that be written to EFER when CR0 and EFER are so? Gives EFER with LMA as CR0.PG has it. */
bool hv_check_efer(uint64_t cr0, uint64_t old, const struct hv_limits *limits, uint64_t *efer);
/* Has each byte of PAT a memory type that exists? */
bool hv_check_pat(uint64_t pat);
/* Does the exception push an error code, outside real mode? */
bool hv_check_has_error(uint32_t vector);

#endif
