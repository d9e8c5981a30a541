/* svm_map.c - which ports and MSRs a guest reaches without us: no port, and the MSRs that VMLOAD
 * and VMSAVE load and save. AMD64 APM volume 2, 15.10.1 and 15.11. */
#include <stddef.h>

#include "hv/hv_msr.h"
#include "hv/svm_impl.h"
#include "kern/string.h"

/* A range of 2^13 MSRs has 2 KiB of the map: for each a bit for reads, then one for writes. */
static const uint32_t svm_map_ranges[] = {0, 0xc0000000u, 0xc0010000u};
#define MSR_RANGE      0x2000u
#define MSR_RANGE_SIZE 0x800u

void svm_map_fill_io(uint8_t *iopm)
{
    memset(iopm, 0xff, SVM_IOPM_SIZE);
}

static void svm_map_pass(uint8_t *msrpm, uint32_t msr)
{
    for (unsigned i = 0; i < sizeof(svm_map_ranges) / sizeof(svm_map_ranges[0]); i++) {
        uint32_t index = msr - svm_map_ranges[i];

        if (index < MSR_RANGE) {
            msrpm[i * MSR_RANGE_SIZE + index / 4] &= (uint8_t) ~(3u << index % 4 * 2);
        }
    }
}

void svm_map_fill_msrs(uint8_t *msrpm)
{
    memset(msrpm, 0xff, SVM_MSRPM_SIZE);
    for (unsigned i = 0; i < hv_msr_count; i++) {
        if (hv_msrs[i].word == HV_MSR_REACHED) {
            svm_map_pass(msrpm, hv_msrs[i].number);
        }
    }
}
