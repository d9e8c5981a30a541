/* hv_test.c - what no processor can be in, what a guest reaches without us, and what CPUID shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cpu_features.h"
#include "hv/hv_apic.h"
#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/hv_cpuid.h"
#include "hv/hv_msr.h"
#include "hv/hv_tag.h"
#include "hv/svm_impl.h"

#define LONG_EFER (HV_EFER_LME | HV_EFER_LMA)

static const struct hv_limits limits = {
    .cr4 = HV_CR4_BASIC,
    .efer = HV_EFER_SCE | HV_EFER_LME | HV_EFER_LMA | HV_EFER_NXE,
    .physical_bits = 40,
};

/* A processor in long mode. */
static const struct hv_check good = {
    .cr0 = HV_CR0_PE | HV_CR0_PG | HV_CR0_ET,
    .cr4 = HV_CR4_PAE,
    .efer = LONG_EFER,
    .pat = HV_RESET_PAT,
    .code = 0x9b | HV_ATTRIBUTE_LONG,
};

struct hv_limits hv_limits; /* in place of hv.c's */
const struct hv_ops *hv_ops;

static void refused(const struct hv_check *s, const char *word)
{
    const char *sentence = hv_check(s, &limits);

    assert_non_null(sentence);
    assert_non_null(strstr(sentence, word));
    assert_true(strlen(sentence) < HV_SENTENCE_MAX);
}

static void states_of_each_mode_are_good(void **state)
{
    struct hv_check v = good;

    (void)state;
    assert_null(hv_check(&v, &limits));
    v.cr0 = HV_CR0_ET | HV_CR0_CD | HV_CR0_NW; /* after a reset */
    v.cr4 = 0;
    v.efer = 0;
    assert_null(hv_check(&v, &limits));
    v.cr0 = HV_CR0_PE; /* protected, without paging */
    v.rflags = HV_RFLAGS_VM;
    assert_null(hv_check(&v, &limits));
}

/* One bit too many, or too few. */
#define REFUSED(name, change, word)                                                                \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct hv_check v = good;                                                                  \
                                                                                                   \
        (void)state;                                                                               \
        change;                                                                                    \
        refused(&v, word);                                                                         \
    }
REFUSED(efer_has_unknown_bits, v.efer |= 1ul << 15, "EFER")
REFUSED(cr0_has_an_upper_half, v.cr0 |= 1ul << 32, "upper half of CR0")
REFUSED(cr4_has_unknown_bits, v.cr4 |= 1ul << 22, "CR4")
REFUSED(cr3_is_too_high, v.cr3 = 1ul << 40, "CR3")
REFUSED(dr6_has_an_upper_half, v.dr6 = 1ul << 63, "DR6")
REFUSED(dr7_has_an_upper_half, v.dr7 = 1ul << 32, "DR7")
REFUSED(pat_has_a_wrong_type, v.pat = HV_RESET_PAT | 2ul << 24, "PAT")
REFUSED(nw_without_cd, v.cr0 |= HV_CR0_NW, "CR0.NW")
REFUSED(pg_without_pe, v.cr0 &= ~HV_CR0_PE, "CR0.PE")
REFUSED(long_mode_without_pae, v.cr4 = 0, "CR4.PAE")
REFUSED(lma_without_lme, v.efer &= ~HV_EFER_LME, "EFER.LMA")
REFUSED(lme_and_pg_without_lma, v.efer &= ~HV_EFER_LMA, "EFER.LMA")
REFUSED(virtual_8086_in_long_mode, v.rflags |= HV_RFLAGS_VM, "RFLAGS.VM")
REFUSED(cs_of_64_and_32_bits, v.code |= HV_ATTRIBUTE_BIG, "CS")
REFUSED(an_event_of_no_kind, v.event = HV_EVENT_VALID | 1 << 8, "kind")
REFUSED(a_software_interrupt, v.event = HV_EVENT_VALID | 4 << 8 | 0x80, "kind")
REFUSED(an_exception_32, v.event = HV_EVENT_VALID | 3 << 8 | 32, "vector")
REFUSED(an_exception_2, v.event = HV_EVENT_VALID | 3 << 8 | 2, "vector")
REFUSED(a_fault_without_its_error_code, v.event = HV_EVENT_VALID | 3 << 8 | 13, "error code")
REFUSED(an_nmi_with_an_error_code, v.event = HV_EVENT_VALID | 2 << 8 | 2 | HV_EVENT_HAS_ERROR,
        "error code")
REFUSED(an_interrupt_that_is_not_let_in, v.event = HV_EVENT_VALID | 0x40, "RFLAGS.IF")

static void an_event_that_is_not_valid_is_not_looked_at(void **state)
{
    struct hv_check v = good;

    (void)state;
    v.event = 1 << 8;
    assert_null(hv_check(&v, &limits));
    v.event = HV_EVENT_VALID | 2 << 8 | 2;
    assert_null(hv_check(&v, &limits));
    v.event = HV_EVENT_VALID | 3 << 8 | 14 | HV_EVENT_HAS_ERROR;
    assert_null(hv_check(&v, &limits));
    v.event = HV_EVENT_VALID | 0x40;
    v.rflags = HV_RFLAGS_IF;
    assert_null(hv_check(&v, &limits));
    v.cr0 = HV_CR0_ET; /* real mode */
    v.efer = 0;
    v.event = HV_EVENT_VALID | 3 << 8 | 14;
    assert_null(hv_check(&v, &limits));
}

static void efer_follows_paging(void **state)
{
    struct hv_check v = good;
    uint64_t efer = HV_EFER_LME | HV_EFER_NXE;

    (void)state;
    assert_true(hv_check_efer(v.cr0, v.efer, &limits, &efer));
    assert_int_equal(efer, HV_EFER_LME | HV_EFER_LMA | HV_EFER_NXE);
    efer = HV_EFER_NXE; /* out of long mode, with paging on */
    assert_false(hv_check_efer(v.cr0, v.efer, &limits, &efer));
    efer = HV_EFER_LME | 1ul << 12;
    assert_false(hv_check_efer(v.cr0, v.efer, &limits, &efer));
    v.cr0 &= ~HV_CR0_PG;
    efer = HV_EFER_LMA; /* LMA cannot be set by hand */
    assert_true(hv_check_efer(v.cr0, v.efer, &limits, &efer));
    assert_int_equal(efer, 0);
}

/* --- the bitmaps --- */

static void every_port_is_intercepted(void **state)
{
    static uint8_t map[SVM_IOPM_SIZE];

    (void)state;
    svm_map_fill_io(map);
    for (unsigned i = 0; i < sizeof(map); i++) {
        assert_int_equal(map[i], 0xff); /* the last page is for accesses beyond port 65535 */
    }
}

static bool is_intercepted(const uint8_t *map, uint32_t msr)
{
    unsigned range = msr >= 0xc0010000u ? 2 : msr >= 0xc0000000u ? 1 : 0;
    unsigned bit = (range * 0x2000 + (msr & 0x1fff)) * 2;

    return (map[bit / 8] >> bit % 8 & 3) == 3;
}

static void msrs_are_intercepted_but_those_that_change_with_the_guest(void **state)
{
    static const uint32_t firsts[] = {0, 0xc0000000u, 0xc0010000u};
    static uint8_t map[SVM_MSRPM_SIZE];
    unsigned passed = 0;

    (void)state;
    svm_map_fill_msrs(map);
    for (unsigned i = 0; i < 3; i++) {
        for (uint32_t msr = firsts[i]; msr < firsts[i] + 0x2000; msr++) {
            bool is_callers = (msr >= 0x174 && msr <= 0x176) ||
                              (msr >= 0xc0000081u && msr <= 0xc0000084u) ||
                              (msr >= 0xc0000100u && msr <= 0xc0000102u);

            assert_int_equal(is_intercepted(map, msr), !is_callers);
            passed += is_callers;
        }
    }
    assert_int_equal(passed, 10);
}

/* --- MSRs --- */

/* A guest's control registers, and what is done to it. */
static uint64_t control[HV_CONTROL_COUNT];
static unsigned advances, faults;

static void get_control(struct hv_vcpu *vcpu, int flavor, uint64_t *words)
{
    (void)vcpu;
    assert_int_equal(flavor, HV_STATE_CONTROL);
    memcpy(words, control, sizeof(control));
}

static bool set_control(struct hv_vcpu *vcpu, int flavor, const uint64_t *words)
{
    (void)vcpu;
    assert_int_equal(flavor, HV_STATE_CONTROL);
    memcpy(control, words, sizeof(control));
    return true;
}

static void advance(struct hv_vcpu *vcpu)
{
    assert_int_equal(vcpu->exit.length, 2);
    advances += 1;
}

static bool inject(struct hv_vcpu *vcpu, uint32_t kind, uint32_t vector, uint32_t error)
{
    (void)vcpu;
    assert_int_equal(kind, HV_INJECT_EXCEPTION_ERROR);
    assert_int_equal(vector, 13);
    assert_int_equal(error, 0);
    faults += 1;
    return true;
}

static const struct hv_ops ops = {
    .get_state = get_control, .set_state = set_control, .advance = advance, .inject = inject};

static enum hv_step msr(struct hv_vcpu *vcpu, uint32_t number, bool is_write, uint64_t *value)
{
    uint64_t rax = *value & 0xffffffff;
    enum hv_step step;

    hv_ops = &ops;
    hv_limits = limits;
    vcpu->exit.length = 2;
    vcpu->registers[HV_RCX] = number;
    vcpu->registers[HV_RDX] = *value >> 32;
    step = hv_msr_exit(vcpu, is_write, &rax);
    *value = vcpu->registers[HV_RDX] << 32 | rax;
    return step;
}

/* What is read when that has been written; ~0: it was refused. */
static uint64_t written(uint32_t number, uint64_t value)
{
    struct hv_vcpu vcpu = {0};
    unsigned before = faults;

    assert_int_equal(msr(&vcpu, number, true, &value), HV_RESUME);
    assert_int_equal(vcpu.exit.length, 0);
    if (faults != before) {
        return ~0ul;
    }
    assert_int_equal(msr(&vcpu, number, false, &value), HV_RESUME);
    return value;
}

static void msrs_of_the_kernel_are_read_and_written(void **state)
{
    (void)state;
    control[HV_CR0] = good.cr0;
    control[HV_EFER] = good.efer;
    assert_int_equal(written(MSR_EFER, HV_EFER_LME | HV_EFER_NXE), LONG_EFER | HV_EFER_NXE);
    assert_int_equal(written(MSR_EFER, HV_EFER_LME | 1ul << 12), ~0ul);
    assert_int_equal(control[HV_EFER], LONG_EFER | HV_EFER_NXE);
    assert_int_equal(written(MSR_PAT, 0), 0);
    assert_int_equal(written(MSR_PAT, 3), ~0ul);
    assert_int_equal(control[HV_PAT], 0);
    assert_true(written(0x10, 0) < 1ul << 40);
    assert_int_equal(faults, 2);
    assert_int_equal(advances, 6);
}

static void all_others_are_the_monitors_or_the_guests(void **state)
{
    static const uint32_t others[] = {0x1b, 0x3a, 0xc0010114u, 0xc0010117u, MSR_LSTAR};
    struct hv_vcpu vcpu = {0};
    uint64_t value = 0x500000006;

    (void)state;
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(msr(&vcpu, others[i], true, &value), HV_RETURN);
        assert_int_equal(vcpu.exit.reason, HV_EXIT_MSR_WRITE);
        assert_int_equal(vcpu.exit.address, others[i]);
        assert_int_equal(vcpu.exit.value, 0x500000006);
        assert_int_equal(vcpu.exit.length, 2);
        assert_int_equal(msr(&vcpu, others[i], false, &value), HV_RETURN);
        assert_int_equal(vcpu.exit.reason, HV_EXIT_MSR_READ);
    }
}

/* --- ASIDs and VPIDs --- */

static void numbers_are_given_once_in_a_generation(void **state)
{
    struct hv_tags tags = {0};
    struct hv_tag first = {.cpu = -1}, tag;

    (void)state;
    assert_false(hv_tag_is_good(&first, &tags, 0, 0));
    assert_true(hv_tag_take(&first, &tags, 4, 0, 7)); /* nobody knows what the TLB holds */
    assert_int_equal(first.number, 1);
    assert_true(hv_tag_is_good(&first, &tags, 0, 7));
    assert_false(hv_tag_is_good(&first, &tags, 1, 7));
    assert_false(hv_tag_is_good(&first, &tags, 0, 8));
    for (uint32_t number = 2; number < 4; number++) {
        assert_false(hv_tag_take(&tag, &tags, 4, 0, 7));
        assert_int_equal(tag.number, number);
    }
    assert_true(hv_tag_is_good(&first, &tags, 0, 7));
    assert_true(hv_tag_take(&tag, &tags, 4, 0, 7));
    assert_int_equal(tag.number, 1);
    assert_false(hv_tag_is_good(&first, &tags, 0, 7));
}

/* --- CPUID --- */

static struct hv_machine cpuid_machine = {.vcpu_count = 6};
static struct hv_vcpu cpuid_vcpu = {.machine = &cpuid_machine, .number = 5};

static void hidden_bits_are_hidden(void **state)
{
    struct cpuid_result r = hv_cpuid(1, 0, &cpuid_vcpu);

    (void)state;
    assert_int_equal(r.ecx & (1u << 3 | 1u << 5 | 1u << 17 | 1u << 21 | 1u << 27), 0);
    assert_int_equal(r.ecx >> 31, 1);
    assert_int_equal(r.ebx >> 24, 5);
    assert_int_equal(r.edx & (1u << 7 | 1u << 12 | 1u << 14), 0); /* MCE, MTRR, MCA */
    assert_int_equal(r.edx & (1u << 9 | 1u << 28), 0);            /* APIC, HTT */
    r = hv_cpuid(7, 0, &cpuid_vcpu);
    assert_int_equal(r.ebx & (1u << 2 | 1u << 10 | 1u << 16), 0);
    assert_int_equal(r.ecx & ~4u, 0);
    assert_int_equal(r.edx, 0);
    r = hv_cpuid(0x80000001u, 0, &cpuid_vcpu);
    assert_int_equal(r.ecx & (1u << 2 | 1u << 11 | 1u << 12), 0); /* SVM, XOP, SKINIT */
    assert_int_equal(r.edx & 1u << 27, 0);                        /* RDTSCP */
}

static void what_every_processor_has_is_shown(void **state)
{
    struct cpuid_result r = hv_cpuid(1, 0, &cpuid_vcpu);
    uint32_t needed = 1u | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8 | 1u << 13 | 1u << 15 |
                      1u << 16 | 1u << 24 | 1u << 25 | 1u << 26;

    (void)state;
    assert_int_equal(r.edx & needed, needed);
    r = hv_cpuid(0x80000001u, 0, &cpuid_vcpu);
    assert_int_equal(r.edx & (1u << 11 | 1u << 20 | 1u << 29),
                     1u << 11 | 1u << 20 | 1u << 29); /* SYSCALL, NX, long mode */
}

static void a_local_apic_is_shown_where_there_is_one(void **state)
{
    struct hv_apic apic = {.id = 5};
    struct hv_vcpu vcpu = cpuid_vcpu;
    struct cpuid_result r;

    (void)state;
    vcpu.apic = &apic;
    hv_apic_reset(&apic, false);
    r = hv_cpuid(1, 0, &vcpu);
    assert_int_equal(r.ecx & (1u << 21 | 1u << 24), 1u << 21 | 1u << 24);
    assert_int_equal(r.edx & (1u << 9 | 1u << 28), 1u << 9 | 1u << 28);
    assert_int_equal(r.ebx >> 16, 0x506);
    assert_int_equal(hv_cpuid(0x80000001u, 0, &vcpu).edx & 1u << 9, 1u << 9);
    assert_int_equal(hv_cpuid(0, 0, &vcpu).eax, 0xd);
    r = hv_cpuid(0xb, 1, &vcpu);
    assert_int_equal(r.eax, 8);
    assert_int_equal(r.ebx, 6);
    assert_int_equal(r.ecx, 0x201);
    assert_int_equal(r.edx, 5);
    assert_int_equal(hv_cpuid(0xb, 2, &vcpu).ebx, 0);
    assert_true(hv_apic_write_base(&apic, HV_APIC_BASE_ADDRESS));
    assert_int_equal(hv_cpuid(1, 0, &vcpu).edx & 1u << 9, 0);
    assert_int_equal(hv_cpuid(0x80000001u, 0, &vcpu).edx & 1u << 9, 0);
    cpuid_machine.vcpu_count = 1;
    assert_int_equal(hv_cpuid(1, 0, &vcpu).edx & 1u << 28, 0);
    cpuid_machine.vcpu_count = 6;
}

static void a_save_area_is_as_large_as_what_is_in_use(void **state)
{
    struct hv_vcpu vcpu = cpuid_vcpu;

    (void)state;
    vcpu.xcr0 = 1;
    assert_int_equal(hv_cpuid(0xd, 0, &vcpu).eax, 7);
    assert_int_equal(hv_cpuid(0xd, 0, &vcpu).ebx, 576);
    assert_int_equal(hv_cpuid(0xd, 0, &vcpu).ecx, 832);
    vcpu.xcr0 = 7;
    assert_int_equal(hv_cpuid(0xd, 0, &vcpu).ebx, 832);
    assert_int_equal(hv_cpuid(0xd, 1, &vcpu).eax, 0);
    assert_int_equal(hv_cpuid(0xd, 2, &vcpu).eax, 256);
    assert_int_equal(hv_cpuid(0xd, 2, &vcpu).ebx, 576);
    assert_int_equal(hv_cpuid(0xd, 3, &vcpu).eax, 0);
    vcpu.osxsave = 1u << 27;
    assert_int_equal(hv_cpuid(1, 0, &vcpu).ecx >> 27 & 1, 1);
}

static void leaves_that_are_not_in_the_table_are_zero(void **state)
{
    static const uint32_t leaves[] = {2,           4,           6,           0xb,        0xe,
                                      0x40000001u, 0x8000000au, 0x8000001fu, 0xffffffffu};

    (void)state;
    for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
        struct cpuid_result r = hv_cpuid(leaves[i], 0, &cpuid_vcpu);

        assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
    }
    assert_int_equal(hv_cpuid(7, 1, &cpuid_vcpu).eax | hv_cpuid(7, 1, &cpuid_vcpu).ebx, 0);
    assert_int_equal(hv_cpuid(0, 0, &cpuid_vcpu).eax, 0xd);
    cpu_features.xsave = false;
    assert_int_equal(hv_cpuid(0, 0, &cpuid_vcpu).eax, 7);
    assert_int_equal(hv_cpuid(0xd, 0, &cpuid_vcpu).eax, 0);
    cpu_features.xsave = true;
    assert_int_equal(hv_cpuid(0x80000000u, 0, &cpuid_vcpu).eax, 0x80000008u);
    assert_true((hv_cpuid(0x80000008u, 0, &cpuid_vcpu).eax & 0xff) <= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_of_each_mode_are_good),
        cmocka_unit_test(efer_has_unknown_bits),
        cmocka_unit_test(cr0_has_an_upper_half),
        cmocka_unit_test(cr4_has_unknown_bits),
        cmocka_unit_test(cr3_is_too_high),
        cmocka_unit_test(dr6_has_an_upper_half),
        cmocka_unit_test(dr7_has_an_upper_half),
        cmocka_unit_test(pat_has_a_wrong_type),
        cmocka_unit_test(nw_without_cd),
        cmocka_unit_test(pg_without_pe),
        cmocka_unit_test(long_mode_without_pae),
        cmocka_unit_test(lma_without_lme),
        cmocka_unit_test(lme_and_pg_without_lma),
        cmocka_unit_test(virtual_8086_in_long_mode),
        cmocka_unit_test(cs_of_64_and_32_bits),
        cmocka_unit_test(an_event_of_no_kind),
        cmocka_unit_test(a_software_interrupt),
        cmocka_unit_test(an_exception_32),
        cmocka_unit_test(an_exception_2),
        cmocka_unit_test(a_fault_without_its_error_code),
        cmocka_unit_test(an_nmi_with_an_error_code),
        cmocka_unit_test(an_interrupt_that_is_not_let_in),
        cmocka_unit_test(an_event_that_is_not_valid_is_not_looked_at),
        cmocka_unit_test(efer_follows_paging),
        cmocka_unit_test(every_port_is_intercepted),
        cmocka_unit_test(msrs_are_intercepted_but_those_that_change_with_the_guest),
        cmocka_unit_test(msrs_of_the_kernel_are_read_and_written),
        cmocka_unit_test(all_others_are_the_monitors_or_the_guests),
        cmocka_unit_test(numbers_are_given_once_in_a_generation),
        cmocka_unit_test(hidden_bits_are_hidden),
        cmocka_unit_test(what_every_processor_has_is_shown),
        cmocka_unit_test(a_local_apic_is_shown_where_there_is_one),
        cmocka_unit_test(a_save_area_is_as_large_as_what_is_in_use),
        cmocka_unit_test(leaves_that_are_not_in_the_table_are_zero),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    printf("%d passed, %d failed\n", (int)(sizeof(tests) / sizeof(tests[0])) - failed, failed);
    return failed != 0;
}
