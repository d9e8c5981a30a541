/* guest.c - virtual machines for tests. */
#include "guest.h"

#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <string.h>

#define PAGE          4096u
#define CR0_PE        1u
#define CR0_ET        0x10u
#define CR0_PG        0x80000000u
#define CR4_PAE       0x20u
#define EFER_LONG     0x500u /* LME, LMA */
#define DR6_RESET     0xffff0ff0u
#define DR7_RESET     0x400u
#define PAT_RESET     0x0007040600070406ll
#define CODE_16       0x9bu
#define DATA_16       0x93u
#define CODE_32       0xc9bu
#define DATA_32       0xc93u
#define CODE_64       0xa9bu
#define TSS           0x8bu
#define SELECTOR_CODE 8u
#define SELECTOR_DATA 16u
#define TABLE_PRESENT 7u    /* writable, for everybody */
#define TABLE_LARGE   0x87u /* 2 MiB */

static uint32_t cpuid_ecx(uint32_t leaf)
{
    uint32_t a = leaf, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c;
}

bool guest_is_intel(void)
{
    return (cpuid_ecx(1) & 0x20) != 0; /* VMX */
}

bool guest_is_possible(void)
{
    return guest_is_intel() || (cpuid_ecx(0x80000001u) & 4) != 0; /* SVM */
}

/* VMMCALL is VMCALL on Intel's processors. */
static void change_hypercalls(uint8_t *code, size_t n)
{
    for (size_t i = 0; guest_is_intel() && i + 3 <= n; i++) {
        if (code[i] == 0x0f && code[i + 1] == 0x01 && code[i + 2] == 0xd9) {
            code[i + 2] = 0xc1;
        }
    }
}

mach_port_t guest_hv(void)
{
    return portolan_port("hv");
}

static int64_t segment(unsigned selector, unsigned attributes, uint32_t limit)
{
    return (int64_t)(selector | (uint64_t)attributes << 16 | (uint64_t)limit << 32);
}

/* The first 8 MiB of addresses are those of memory. */
static void make_tables(struct guest *guest)
{
    uint64_t *tables = (uint64_t *)(guest->memory + GUEST_TABLES);

    tables[0] = (GUEST_TABLES + PAGE) | TABLE_PRESENT;
    tables[512] = (GUEST_TABLES + 2 * PAGE) | TABLE_PRESENT;
    for (unsigned i = 0; i < 4; i++) {
        tables[1024 + i] = (i * 0x200000ull) | TABLE_LARGE;
    }
}

static void make_descriptors(struct guest *guest)
{
    uint64_t *gdt = (uint64_t *)(guest->memory + GUEST_GDT);

    gdt[1] = 0x00af9b000000ffffull;
    gdt[2] = 0x00cf93000000ffffull;
}

void guest_set_gate(struct guest *guest, unsigned vector, uint64_t handler)
{
    uint64_t *gate = (uint64_t *)(guest->memory + GUEST_IDT) + 2 * vector;

    gate[0] = (handler & 0xffff) | SELECTOR_CODE << 16 | 0x8e0000000000ull |
              (handler >> 16 & 0xffff) << 48;
    gate[1] = handler >> 32;
}

static void set_segments(struct guest *guest, enum guest_mode mode)
{
    bool real = mode == GUEST_REAL;
    uint32_t limit = real ? 0xffff : 0xffffffff;
    unsigned data = real ? DATA_16 : DATA_32;
    unsigned code = real ? CODE_16 : mode == GUEST_LONG ? CODE_64 : CODE_32;
    hv_state_t s = {0};

    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_GS; i++) {
        s[2 * i] = segment(real ? 0 : SELECTOR_DATA, data, limit);
    }
    s[2 * HV_SEGMENT_CS] = segment(real ? 0 : SELECTOR_CODE, code, limit);
    s[2 * HV_SEGMENT_LDTR] = segment(0, 0x82, 0xffff);
    s[2 * HV_SEGMENT_TR] = segment(0, TSS, 0xffff);
    s[2 * HV_SEGMENT_GDTR] = segment(0, 0, 23);
    s[2 * HV_SEGMENT_GDTR + 1] = GUEST_GDT;
    s[2 * HV_SEGMENT_IDTR] = segment(0, 0, real ? 0x3ff : 0xfff);
    s[2 * HV_SEGMENT_IDTR + 1] = real ? 0 : GUEST_IDT;
    CHECK_EQ(hv_vcpu_set_state(guest->vcpu, HV_STATE_SEGMENTS, s, HV_SEGMENTS_COUNT), KERN_SUCCESS);
}

static void set_state(struct guest *guest, enum guest_mode mode)
{
    hv_state_t control = {
        [HV_CR0] = CR0_ET | (mode != GUEST_REAL ? CR0_PE : 0) | (mode == GUEST_LONG ? CR0_PG : 0),
        [HV_CR3] = mode == GUEST_LONG ? GUEST_TABLES : 0,
        [HV_CR4] = mode == GUEST_LONG ? CR4_PAE : 0,
        [HV_EFER] = mode == GUEST_LONG ? EFER_LONG : 0,
        [HV_PAT] = PAT_RESET,
        [HV_DR6] = DR6_RESET,
        [HV_DR7] = DR7_RESET,
    };
    hv_state_t general = {[HV_RSP] = GUEST_STACK, [HV_RIP] = GUEST_CODE, [HV_RFLAGS] = 2};

    set_segments(guest, mode);
    CHECK_EQ(hv_vcpu_set_state(guest->vcpu, HV_STATE_CONTROL, control, HV_CONTROL_COUNT),
             KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_set_state(guest->vcpu, HV_STATE_GENERAL, general, HV_GENERAL_COUNT),
             KERN_SUCCESS);
}

static bool create(struct guest *guest, enum guest_mode mode, const uint8_t *code,
                   const uint8_t *end, bool apic)
{
    vm_address_t memory = 0, record = 0;

    memset(guest, 0, sizeof(*guest));
    if (!guest_is_possible()) {
        return false;
    }
    CHECK_EQ(hv_machine_create(guest_hv(), &guest->machine), KERN_SUCCESS);
    if (apic) {
        CHECK_EQ(hv_machine_enable_apic(guest->machine), KERN_SUCCESS);
    }
    CHECK_EQ(vm_allocate(mach_task_self(), &memory, GUEST_MEMORY, TRUE), KERN_SUCCESS);
    CHECK_EQ(vm_allocate(mach_task_self(), &record, PAGE, TRUE), KERN_SUCCESS);
    CHECK_EQ(
        hv_machine_share(guest->machine, 0, GUEST_MEMORY, mach_task_self(), memory, VM_PROT_ALL),
        KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_create(guest->machine, mach_task_self(), record, &guest->vcpu), KERN_SUCCESS);
    guest->memory = (uint8_t *)memory;
    guest->record = (volatile struct hv_record *)record;
    memcpy(guest->memory + GUEST_CODE, code, (size_t)(end - code));
    change_hypercalls(guest->memory + GUEST_CODE, (size_t)(end - code));
    if (mode == GUEST_LONG) {
        make_tables(guest);
        make_descriptors(guest);
    }
    set_state(guest, mode);
    return guest->vcpu != MACH_PORT_NULL;
}

bool guest_create(struct guest *guest, enum guest_mode mode, const uint8_t *code,
                  const uint8_t *end)
{
    return create(guest, mode, code, end, false);
}

bool guest_create_apic(struct guest *guest, enum guest_mode mode, const uint8_t *code,
                       const uint8_t *end)
{
    return create(guest, mode, code, end, true);
}

void guest_add(struct guest *second, const struct guest *first)
{
    vm_address_t record = 0;

    *second = *first;
    CHECK_EQ(vm_allocate(mach_task_self(), &record, PAGE, TRUE), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_create(first->machine, mach_task_self(), record, &second->vcpu), KERN_SUCCESS);
    second->record = (volatile struct hv_record *)record;
}

void guest_remove(struct guest *second)
{
    CHECK_EQ(mach_port_deallocate(mach_task_self(), second->vcpu), KERN_SUCCESS);
    vm_deallocate(mach_task_self(), (vm_address_t)second->record, PAGE);
}

void guest_destroy(struct guest *guest)
{
    if (guest->vcpu != MACH_PORT_NULL) {
        CHECK_EQ(mach_port_deallocate(mach_task_self(), guest->vcpu), KERN_SUCCESS);
    }
    CHECK_EQ(mach_port_deallocate(mach_task_self(), guest->machine), KERN_SUCCESS);
    vm_deallocate(mach_task_self(), (vm_address_t)guest->memory, GUEST_MEMORY);
    if (guest->record != NULL) {
        vm_deallocate(mach_task_self(), (vm_address_t)guest->record, PAGE);
    }
}

unsigned guest_run(struct guest *guest, unsigned request)
{
    kern_return_t kr;

    guest->record->request = request;
    guest->record->reason = HV_EXIT_NONE;
    guest->by_trap = !guest->by_trap;
    kr = guest->by_trap ? syscall_hv_vcpu_run(guest->vcpu) : hv_vcpu_run(guest->vcpu);
    CHECK_EQ(kr, KERN_SUCCESS);
    return kr == KERN_SUCCESS ? guest->record->reason : HV_EXIT_NONE;
}

uint64_t guest_register(const struct guest *guest, unsigned index)
{
    return guest->record->registers[index];
}
