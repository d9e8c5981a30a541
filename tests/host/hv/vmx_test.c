/* vmx_test.c - what VM entry would refuse, and which MSRs a guest reaches on Intel's processors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/vmx_impl.h"

#define FLAT       0xffffffffu
#define DATA       0xc093u
#define CODE       0xa09bu /* 64-bit */
#define CODE_32    0xc09bu
#define TSS        0x8bu
#define LDT        0x82u
#define VM86       0xf3u
#define HOLE       0x0000800000000000ul
#define UPPER_HALF 0xffff800000000000ul

struct hv_limits hv_limits; /* in place of hv.c's */
const struct hv_ops *hv_ops;

/* What is checked. */
struct state {
    uint64_t words[VMX_WORDS];
    uint64_t msrs[VMX_MSR_COUNT];
};

#define SEGMENT(s, name, part) ((s).words[VMX_SEGMENT(HV_SEGMENT_##name, VMX_##part)])

static void set(struct state *s, unsigned segment, uint64_t rights, uint64_t limit)
{
    s->words[VMX_SEGMENT(segment, VMX_RIGHTS)] = rights;
    s->words[VMX_SEGMENT(segment, VMX_LIMIT)] = limit;
}

/* A processor in long mode. */
static struct state good(void)
{
    struct state s;

    memset(&s, 0, sizeof(s));
    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_GS; i++) {
        set(&s, i, i == HV_SEGMENT_CS ? CODE : DATA, FLAT);
    }
    set(&s, HV_SEGMENT_LDTR, LDT, 0xffff);
    set(&s, HV_SEGMENT_TR, TSS, 0xffff);
    set(&s, HV_SEGMENT_GDTR, 0, 0xffff);
    set(&s, HV_SEGMENT_IDTR, 0, 0xffff);
    s.words[VMX_CR0] = HV_CR0_PE | HV_CR0_PG;
    s.words[VMX_EFER] = HV_EFER_LME | HV_EFER_LMA;
    s.words[VMX_RIP] = UPPER_HALF;
    return s;
}

static const char *check(const struct state *s)
{
    const char *sentence = vmx_check(s->words, s->msrs);

    assert_true(sentence == NULL || strlen(sentence) < HV_SENTENCE_MAX);
    return sentence;
}

static void real_mode(struct state *s)
{
    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_GS; i++) {
        set(s, i, i == HV_SEGMENT_CS ? 0x9b : 0x93, 0xffff);
    }
    SEGMENT(*s, CS, BASE) = 0xffff0000;
    s->words[VMX_CR0] = 0;
    s->words[VMX_EFER] = 0;
    s->words[VMX_RIP] = 0xfff0;
}

static void virtual_8086(struct state *s)
{
    real_mode(s);
    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_GS; i++) {
        set(s, i, VM86, 0xffff);
        s->words[VMX_SEGMENT(i, VMX_SELECTOR)] = 0x1234;
        s->words[VMX_SEGMENT(i, VMX_BASE)] = 0x12340;
    }
    s->words[VMX_CR0] = HV_CR0_PE;
    s->words[VMX_RFLAGS] = HV_RFLAGS_VM;
}

static void states_of_each_mode_are_good(void **state)
{
    struct state s = good();

    (void)state;
    assert_null(check(&s));
    SEGMENT(s, FS, BASE) = UPPER_HALF;
    SEGMENT(s, ES, RIGHTS) = VMX_RIGHTS_UNUSABLE | 0xfff; /* whatever else is in it */
    SEGMENT(s, LDTR, RIGHTS) = VMX_RIGHTS_UNUSABLE;
    SEGMENT(s, ES, BASE) = HOLE;
    assert_null(check(&s));
    SEGMENT(s, CS, RIGHTS) = CODE | 4 | 0x60; /* conforming, for everybody */
    SEGMENT(s, SS, RIGHTS) = DATA | 0x60;
    assert_null(check(&s));
    s = good();
    real_mode(&s);
    assert_null(check(&s));
    SEGMENT(s, CS, RIGHTS) = 0x93; /* as a jump in real mode leaves it */
    assert_null(check(&s));
    virtual_8086(&s);
    assert_null(check(&s));
}

/* One thing that is wrong. */
#define REFUSED(name, change, word)                                                                \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct state s = good();                                                                   \
                                                                                                   \
        (void)state;                                                                               \
        change;                                                                                    \
        assert_non_null(check(&s));                                                                \
        assert_non_null(strstr(check(&s), word));                                                  \
    }
REFUSED(rip_is_in_the_hole, s.words[VMX_RIP] = HOLE, "RIP")
REFUSED(rip_is_of_64_bits_in_code_of_32, SEGMENT(s, CS, RIGHTS) = CODE_32, "RIP")
REFUSED(sysenter_esp_is_in_the_hole, s.words[VMX_SYSENTER_ESP] = HOLE, "MSR")
REFUSED(sysenter_eip_is_in_the_hole, s.words[VMX_SYSENTER_EIP] = HOLE, "MSR")
REFUSED(lstar_is_in_the_hole, s.msrs[HV_LSTAR] = HOLE, "MSR")
REFUSED(cstar_is_in_the_hole, s.msrs[HV_CSTAR] = HOLE, "MSR")
REFUSED(kernel_gs_base_is_in_the_hole, s.msrs[HV_KERNEL_GS_BASE] = HOLE, "MSR")
REFUSED(sfmask_has_an_upper_half, s.msrs[HV_SFMASK] = 1ul << 32, "SFMASK")
REFUSED(fs_base_is_in_the_hole, SEGMENT(s, FS, BASE) = HOLE, "base")
REFUSED(gdtr_base_is_in_the_hole, SEGMENT(s, GDTR, BASE) = HOLE, "base")
REFUSED(cs_base_has_64_bits, SEGMENT(s, CS, BASE) = 1ul << 32, "base")
REFUSED(ds_base_has_64_bits, SEGMENT(s, DS, BASE) = 1ul << 32, "base")
REFUSED(tr_is_not_busy, SEGMENT(s, TR, RIGHTS) = 0x89, "TR")
REFUSED(tr_is_of_16_bits, SEGMENT(s, TR, RIGHTS) = 0x83, "TR")
REFUSED(tr_is_unusable, SEGMENT(s, TR, RIGHTS) = TSS | VMX_RIGHTS_UNUSABLE, "TR")
REFUSED(tr_is_of_the_ldt, SEGMENT(s, TR, SELECTOR) = 4, "TR")
REFUSED(ldtr_is_a_tss, SEGMENT(s, LDTR, RIGHTS) = TSS, "LDTR")
REFUSED(ldtr_is_of_the_ldt, SEGMENT(s, LDTR, SELECTOR) = 4, "LDTR")
REFUSED(gdtr_is_too_long, SEGMENT(s, GDTR, LIMIT) = 0x10000, "64 KiB")
REFUSED(idtr_is_too_long, SEGMENT(s, IDTR, LIMIT) = 0x10000, "64 KiB")
REFUSED(cs_is_unusable, SEGMENT(s, CS, RIGHTS) |= VMX_RIGHTS_UNUSABLE, "CS")
REFUSED(cs_is_not_accessed, SEGMENT(s, CS, RIGHTS) = CODE & ~1u, "CS")
REFUSED(cs_is_data_that_grows_down, (real_mode(&s), SEGMENT(s, CS, RIGHTS) = 0x97), "CS")
REFUSED(cs_is_more_privileged_than_ss, SEGMENT(s, SS, RIGHTS) = DATA | 0x60, "CS")
REFUSED(ss_is_privileged_in_real_mode,
        (real_mode(&s), SEGMENT(s, CS, RIGHTS) |= 0x60, SEGMENT(s, SS, RIGHTS) |= 0x60), "SS")
REFUSED(ss_is_code, SEGMENT(s, SS, RIGHTS) = CODE, "type")
REFUSED(ds_cannot_be_read, SEGMENT(s, DS, RIGHTS) = 0xc099, "type")
REFUSED(ds_is_a_system_segment, SEGMENT(s, DS, RIGHTS) = DATA & ~0x10u, "rights")
REFUSED(ds_is_not_present, SEGMENT(s, DS, RIGHTS) = DATA & ~0x80u, "rights")
REFUSED(ds_has_reserved_rights, SEGMENT(s, DS, RIGHTS) = DATA | 0x100, "rights")
REFUSED(ds_counts_pages_and_does_not, SEGMENT(s, DS, LIMIT) = 0xffffe, "limit")
REFUSED(ds_counts_no_pages_and_is_long, SEGMENT(s, DS, RIGHTS) = DATA & ~0x8000u, "limit")
REFUSED(virtual_8086_in_real_mode, (virtual_8086(&s), s.words[VMX_CR0] = 0), "RFLAGS.VM")
REFUSED(virtual_8086_with_another_limit, (virtual_8086(&s), SEGMENT(s, GS, LIMIT) = 0xfffff),
        "8086")
REFUSED(virtual_8086_with_another_base, (virtual_8086(&s), SEGMENT(s, ES, BASE) = 0), "8086")

static void page_directory_pointers_have_reserved_bits(void **state)
{
    uint64_t pdptes[4] = {0x1001, 0x1e6, ~1ul, 0x3019}; /* two are not present */

    (void)state;
    assert_true(vmx_check_pdptes(pdptes, 39));
    pdptes[3] = 0x3003;
    assert_false(vmx_check_pdptes(pdptes, 39));
    pdptes[3] = 1ul << 39 | 1;
    assert_false(vmx_check_pdptes(pdptes, 39));
    assert_true(vmx_check_pdptes(pdptes, 40));
}

/* --- the bitmap --- */

static bool is_intercepted(const uint8_t *map, uint32_t msr, bool is_write)
{
    unsigned byte = (msr >= 0xc0000000u ? 0x400 : 0) + (is_write ? 0x800 : 0) + (msr & 0x1fff) / 8;

    return (map[byte] >> msr % 8 & 1) != 0;
}

static void msrs_are_intercepted_but_those_that_change_with_the_guest(void **state)
{
    static const uint32_t firsts[] = {0, 0xc0000000u};
    static uint8_t map[VMX_MSR_BITMAP_SIZE];
    unsigned passed = 0;

    (void)state;
    vmx_map_fill_msrs(map);
    for (unsigned i = 0; i < 2; i++) {
        for (uint32_t msr = firsts[i]; msr < firsts[i] + 0x2000; msr++) {
            bool is_callers = (msr >= 0x174 && msr <= 0x176) ||
                              (msr >= 0xc0000081u && msr <= 0xc0000084u) ||
                              (msr >= 0xc0000100u && msr <= 0xc0000102u);

            assert_int_equal(is_intercepted(map, msr, false), !is_callers);
            assert_int_equal(is_intercepted(map, msr, true), !is_callers);
            passed += is_callers;
        }
    }
    assert_int_equal(passed, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_of_each_mode_are_good),
        cmocka_unit_test(rip_is_in_the_hole),
        cmocka_unit_test(rip_is_of_64_bits_in_code_of_32),
        cmocka_unit_test(sysenter_esp_is_in_the_hole),
        cmocka_unit_test(sysenter_eip_is_in_the_hole),
        cmocka_unit_test(lstar_is_in_the_hole),
        cmocka_unit_test(cstar_is_in_the_hole),
        cmocka_unit_test(kernel_gs_base_is_in_the_hole),
        cmocka_unit_test(sfmask_has_an_upper_half),
        cmocka_unit_test(fs_base_is_in_the_hole),
        cmocka_unit_test(gdtr_base_is_in_the_hole),
        cmocka_unit_test(cs_base_has_64_bits),
        cmocka_unit_test(ds_base_has_64_bits),
        cmocka_unit_test(tr_is_not_busy),
        cmocka_unit_test(tr_is_of_16_bits),
        cmocka_unit_test(tr_is_unusable),
        cmocka_unit_test(tr_is_of_the_ldt),
        cmocka_unit_test(ldtr_is_a_tss),
        cmocka_unit_test(ldtr_is_of_the_ldt),
        cmocka_unit_test(gdtr_is_too_long),
        cmocka_unit_test(idtr_is_too_long),
        cmocka_unit_test(cs_is_unusable),
        cmocka_unit_test(cs_is_not_accessed),
        cmocka_unit_test(cs_is_data_that_grows_down),
        cmocka_unit_test(cs_is_more_privileged_than_ss),
        cmocka_unit_test(ss_is_privileged_in_real_mode),
        cmocka_unit_test(ss_is_code),
        cmocka_unit_test(ds_cannot_be_read),
        cmocka_unit_test(ds_is_a_system_segment),
        cmocka_unit_test(ds_is_not_present),
        cmocka_unit_test(ds_has_reserved_rights),
        cmocka_unit_test(ds_counts_pages_and_does_not),
        cmocka_unit_test(ds_counts_no_pages_and_is_long),
        cmocka_unit_test(virtual_8086_in_real_mode),
        cmocka_unit_test(virtual_8086_with_another_limit),
        cmocka_unit_test(virtual_8086_with_another_base),
        cmocka_unit_test(page_directory_pointers_have_reserved_bits),
        cmocka_unit_test(msrs_are_intercepted_but_those_that_change_with_the_guest),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    printf("%d passed, %d failed\n", (int)(sizeof(tests) / sizeof(tests[0])) - failed, failed);
    return failed != 0;
}
