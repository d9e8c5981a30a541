/* vmx_check.c - what VM entry would refuse of a guest's state, beside the rules of hv_check.c.
 * Intel SDM volume 3C, 27.3.1, for an unrestricted guest. */
#include <stddef.h>

#include "hv/hv_bits.h"
#include "hv/vmx_impl.h"

#define ADDRESS_BITS    48
#define TYPE_ACCESSED   1u
#define TYPE_WRITE      2u /* of data; of code: it may be read */
#define TYPE_CODE       8u
#define TYPE_DATA_READ  3u /* and written, accessed: what CS may be besides code */
#define TYPE_LDT        2u
#define TYPE_TSS_16     3u
#define TYPE_TSS        11u
#define RIGHTS_RESERVED 0xfffe0f00u
#define RIGHTS_LONG     0x2000u
#define RIGHTS_PAGES    0x8000u
#define VM86_RIGHTS     0xf3u
#define VM86_LIMIT      0xffffu
#define PDPTE_PRESENT   1ul
#define PDPTE_RESERVED  0x1e6ul

static bool vmx_check_is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << (64 - ADDRESS_BITS)) >> (64 - ADDRESS_BITS)) == address;
}

static bool vmx_check_is_usable(const uint64_t *words, unsigned segment)
{
    return (words[VMX_SEGMENT(segment, VMX_RIGHTS)] & VMX_RIGHTS_UNUSABLE) == 0;
}

/* Are the rights those of a segment that is there, and does the limit go with them? */
static bool vmx_check_rights(const uint64_t *words, unsigned segment, bool is_system)
{
    uint64_t rights = words[VMX_SEGMENT(segment, VMX_RIGHTS)];
    uint64_t limit = words[VMX_SEGMENT(segment, VMX_LIMIT)];
    bool pages = (rights & RIGHTS_PAGES) != 0;

    return (rights & RIGHTS_RESERVED) == 0 && (rights & HV_ATTRIBUTE_PRESENT) != 0 &&
           ((rights & HV_ATTRIBUTE_CODE) == 0) == is_system &&
           (pages ? (limit & 0xfff) == 0xfff : limit >> 20 == 0);
}

static const char *vmx_check_system(const uint64_t *words)
{
    uint64_t type = HV_ATTRIBUTE_TYPE(words[VMX_SEGMENT(HV_SEGMENT_TR, VMX_RIGHTS)]);
    bool is_long = (words[VMX_EFER] & HV_EFER_LMA) != 0;

    if (!vmx_check_is_usable(words, HV_SEGMENT_TR) ||
        !vmx_check_rights(words, HV_SEGMENT_TR, true) ||
        (type != TYPE_TSS && (is_long || type != TYPE_TSS_16))) {
        return "TR is no busy task state segment of the mode";
    }
    if ((words[VMX_SEGMENT(HV_SEGMENT_TR, VMX_SELECTOR)] & 4) != 0) {
        return "TR's selector is not of the GDT";
    }
    if (vmx_check_is_usable(words, HV_SEGMENT_LDTR) &&
        (!vmx_check_rights(words, HV_SEGMENT_LDTR, true) ||
         HV_ATTRIBUTE_TYPE(words[VMX_SEGMENT(HV_SEGMENT_LDTR, VMX_RIGHTS)]) != TYPE_LDT ||
         (words[VMX_SEGMENT(HV_SEGMENT_LDTR, VMX_SELECTOR)] & 4) != 0)) {
        return "LDTR is present and no local descriptor table";
    }
    for (unsigned i = HV_SEGMENT_GDTR; i <= HV_SEGMENT_IDTR; i++) {
        if (words[VMX_SEGMENT(i, VMX_LIMIT)] > 0xffff) {
            return "the limit of GDTR or IDTR is beyond 64 KiB";
        }
    }
    return NULL;
}

static const char *vmx_check_code(const uint64_t *words)
{
    uint64_t rights = words[VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS)];
    uint64_t type = HV_ATTRIBUTE_TYPE(rights);
    uint64_t level = HV_ATTRIBUTE_DPL(rights);
    uint64_t stack = HV_ATTRIBUTE_DPL(words[VMX_SEGMENT(HV_SEGMENT_SS, VMX_RIGHTS)]);

    if (!vmx_check_is_usable(words, HV_SEGMENT_CS) ||
        !vmx_check_rights(words, HV_SEGMENT_CS, false)) {
        return "CS is no segment that is present";
    }
    if (type != TYPE_DATA_READ &&
        (type & (TYPE_CODE | TYPE_ACCESSED)) != (TYPE_CODE | TYPE_ACCESSED)) {
        return "CS has a type that it cannot have";
    }
    if (type == TYPE_DATA_READ ? level != 0 : (type & 4) != 0 ? level > stack : level != stack) {
        return "CS has a privilege level that does not go with that of SS";
    }
    if ((type == TYPE_DATA_READ || (words[VMX_CR0] & HV_CR0_PE) == 0) && stack != 0) {
        return "SS has a privilege level in real mode";
    }
    return NULL;
}

static const char *vmx_check_data(const uint64_t *words)
{
    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_GS; i++) {
        uint64_t type = HV_ATTRIBUTE_TYPE(words[VMX_SEGMENT(i, VMX_RIGHTS)]);

        if (i == HV_SEGMENT_CS || !vmx_check_is_usable(words, i)) {
            continue;
        }
        if (!vmx_check_rights(words, i, false)) {
            return "a data segment's rights are reserved, or do not go with its limit";
        }
        if (i == HV_SEGMENT_SS
                ? (type & ~4u) != TYPE_DATA_READ
                : (type & TYPE_ACCESSED) == 0 || (type & (TYPE_CODE | TYPE_WRITE)) == TYPE_CODE) {
            return "a data segment has a type that it cannot have";
        }
    }
    return NULL;
}

static const char *vmx_check_bases(const uint64_t *words)
{
    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_IDTR; i++) {
        uint64_t base = words[VMX_SEGMENT(i, VMX_BASE)];
        bool is_short = i <= HV_SEGMENT_DS && (i == HV_SEGMENT_CS || vmx_check_is_usable(words, i));

        if (is_short ? base >> 32 != 0 : !vmx_check_is_canonical(base) && i > HV_SEGMENT_DS) {
            return "a segment's base is beyond the linear addresses";
        }
    }
    return NULL;
}

/* Virtual 8086 mode (27.3.1.2). */
static const char *vmx_check_vm86(const uint64_t *words)
{
    if ((words[VMX_CR0] & HV_CR0_PE) == 0) {
        return "RFLAGS.VM is set in real mode";
    }
    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_GS; i++) {
        if (words[VMX_SEGMENT(i, VMX_RIGHTS)] != VM86_RIGHTS ||
            words[VMX_SEGMENT(i, VMX_LIMIT)] != VM86_LIMIT ||
            words[VMX_SEGMENT(i, VMX_BASE)] != words[VMX_SEGMENT(i, VMX_SELECTOR)] << 4) {
            return "a segment is not as in virtual 8086 mode";
        }
    }
    return NULL;
}

bool vmx_check_rip(uint64_t rip, uint64_t efer, uint64_t code)
{
    bool is_64bit = (efer & HV_EFER_LMA) != 0 && (code & RIGHTS_LONG) != 0;

    return is_64bit ? vmx_check_is_canonical(rip) : rip >> 32 == 0;
}

static const char *vmx_check_addresses(const uint64_t *words, const uint64_t *msrs)
{
    if (!vmx_check_rip(words[VMX_RIP], words[VMX_EFER],
                       words[VMX_SEGMENT(HV_SEGMENT_CS, VMX_RIGHTS)])) {
        return "RIP is beyond the linear addresses";
    }
    if (!vmx_check_is_canonical(words[VMX_SYSENTER_ESP]) ||
        !vmx_check_is_canonical(words[VMX_SYSENTER_EIP]) ||
        !vmx_check_is_canonical(msrs[HV_LSTAR]) || !vmx_check_is_canonical(msrs[HV_CSTAR]) ||
        !vmx_check_is_canonical(msrs[HV_KERNEL_GS_BASE])) {
        return "an MSR has an address that is not canonical";
    }
    return msrs[HV_SFMASK] >> 32 == 0 ? NULL : "the upper half of SFMASK is not zero";
}

const char *vmx_check(const uint64_t *words, const uint64_t *msrs)
{
    const char *sentence = vmx_check_addresses(words, msrs);

    sentence = sentence != NULL ? sentence : vmx_check_bases(words);
    sentence = sentence != NULL ? sentence : vmx_check_system(words);
    if ((words[VMX_RFLAGS] & HV_RFLAGS_VM) != 0) {
        return sentence != NULL ? sentence : vmx_check_vm86(words);
    }
    sentence = sentence != NULL ? sentence : vmx_check_code(words);
    return sentence != NULL ? sentence : vmx_check_data(words);
}

bool vmx_check_pdptes(const uint64_t *pdptes, unsigned physical_bits)
{
    for (unsigned i = 0; i < 4; i++) {
        if ((pdptes[i] & PDPTE_PRESENT) != 0 &&
            ((pdptes[i] & PDPTE_RESERVED) != 0 || pdptes[i] >> physical_bits != 0)) {
            return false;
        }
    }
    return true;
}
