/* vmx_map.c - which MSRs a guest reaches without us. Intel SDM volume 3C, 25.6.9. Ports need no
 * bitmap: all of them are intercepted. */
#include <stddef.h>

#include "hv/hv_msr.h"
#include "hv/vmx_impl.h"
#include "kern/string.h"

/* A range of 2^13 MSRs has 1 KiB of the bitmap for reads, and 2 KiB further one for writes. */
static const uint32_t vmx_map_ranges[] = {0, 0xc0000000u};
#define MSR_RANGE  0x2000u
#define RANGE_SIZE 0x400u
#define WRITES     0x800u

static void vmx_map_pass(uint8_t *bitmap, uint32_t msr)
{
    for (unsigned i = 0; i < sizeof(vmx_map_ranges) / sizeof(vmx_map_ranges[0]); i++) {
        uint32_t index = msr - vmx_map_ranges[i];

        if (index < MSR_RANGE) {
            bitmap[i * RANGE_SIZE + index / 8] &= (uint8_t) ~(1u << index % 8);
            bitmap[WRITES + i * RANGE_SIZE + index / 8] &= (uint8_t) ~(1u << index % 8);
        }
    }
}

void vmx_map_fill_msrs(uint8_t *bitmap)
{
    memset(bitmap, 0xff, VMX_MSR_BITMAP_SIZE);
    for (unsigned i = 0; i < hv_msr_count; i++) {
        if (hv_msrs[i].word == HV_MSR_REACHED) {
            vmx_map_pass(bitmap, hv_msrs[i].number);
        }
    }
}
