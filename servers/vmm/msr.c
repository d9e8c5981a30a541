/* msr.c - MSRs, in one table: each with what it reads, and why that is enough. Writes to those in
 * the table have no effect. All others are not there. AMD64 APM volume 2, appendix A; Intel SDM
 * volume 4. */
#include "msr.h"

#include <stddef.h>

struct msr {
    uint32_t number;
    uint64_t value;
};

static const struct msr msrs[] = {
    {0x0000001b, 0},          /* APIC_BASE: CPUID shows no APIC, and here it is off */
    {0x0000008b, 0x1000065},  /* PATCH_LEVEL: read to tell versions of microcode apart, which are
                               * the host's; a high one asks for no updates */
    {0x00000017, 0},          /* PLATFORM_ID: of Intel's loader of microcode */
    {0x000001a0, 0x1801},     /* MISC_ENABLE: fast strings, no branch trace, no event samples; NX
                               * is not off, which an Intel processor's guest asks before all */
    {0x000000fe, 0},          /* MTRRCAP: no ranges */
    {0x000002ff, 6},          /* MTRR_DEF_TYPE: off, memory is write-back */
    {0xc0010010, 0},          /* SYSCFG: no encryption, no TOM2 */
    {0xc0010015, 0x01000000}, /* HWCR: the time stamp runs while halted, and at one rate */
    {0xc001001f, 0},          /* NB_CFG: of the bridge between sockets */
    {0xc0010140, 0},          /* OSVW: no errata to tell */
    {0xc0010141, 0},          {0xc0011029, 2}, /* DE_CFG: LFENCE serialises */
    {0xc0011020, 0}, /* LS_CFG, IC_CFG, DC_CFG, BU_CFG: switches of errata */
    {0xc0011021, 0},          {0xc0011022, 0}, {0xc0011023, 0}, {0xc001102a, 0}, /* BU_CFG2 */
    {0xc0010064, 0}, /* PSTATE 0: no frequencies to choose */
};

static const struct msr *msr_find(uint32_t number)
{
    for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        if (msrs[i].number == number) {
            return &msrs[i];
        }
    }
    return NULL;
}

bool msr_read(uint32_t number, uint64_t *value)
{
    const struct msr *msr = msr_find(number);

    if (msr != NULL) {
        *value = msr->value;
    }
    return msr != NULL;
}

bool msr_write(uint32_t number, uint64_t value)
{
    (void)value;
    return msr_find(number) != NULL;
}
