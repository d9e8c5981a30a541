/* guest.c - what leaving a guest costs, as the guest sees it: it reads the time stamp before and
 * after, so that what it takes itself is not in the figures. */
#include <hv.h>
#include <mach.h>
#include <mach/hv.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <string.h>

#include "bench_impl.h"
#include "program.h"

#define GUEST_MEMORY      0x10000u
#define GUEST_CODE        0x1000u
#define GUEST_FRESH       0x301000u /* not the start of 2 MiB: page by page */
#define GUEST_PAGES       200u      /* touched there */
#define GUEST_PAGE        4096u
#define GUEST_CODE_16     0x9bu
#define GUEST_LIMIT_16    0xffffu
#define GUEST_PAGED_LIMIT 0x800ll
#define GUEST_NAME        "hv."

/* Do `text` BP times and stop with the smallest time of one in EDI. */
#define GUEST_LOOP(name, text)                                                                     \
    __asm__(".pushsection .rodata\n" #name ": .code16\n"                                           \
            "movl $-1, %edi; movw $200, %bp; movl $0x301000, %ebx\n"                               \
            "1: rdtsc; movl %eax, %esi\n" text "\n"                                                \
            "rdtsc; subl %esi, %eax; cmpl %edi, %eax; jae 2f; movl %eax, %edi\n"                   \
            "2: decw %bp; jnz 1b; hlt\n" #name "_end: .code64\n.popsection");                      \
    extern const uint8_t name[], name##_end[]

GUEST_LOOP(guest_nothing, "");
GUEST_LOOP(guest_cpuid, "movl $1, %eax; cpuid");
GUEST_LOOP(guest_port, "outb %al, $0x80");
GUEST_LOOP(guest_hypercall, "movl $0x504f5201, %eax; vmmcall");
GUEST_LOOP(guest_hypercall_intel, "movl $0x504f5201, %eax; vmcall");
GUEST_LOOP(guest_touch, "movb $1, (%ebx); addl $4096, %ebx");

/* Read the time again and again: what is not a step of that is an interrupt of the host. */
__asm__(".pushsection .rodata\nguest_interrupted: .code16\n"
        "movl $-1, %edi; movw $8, %bp; rdtsc; movl %eax, %esi\n"
        "1: rdtsc; movl %eax, %ecx; subl %esi, %ecx; movl %eax, %esi; cmpl $100, %ecx; jb 1b\n"
        "cmpl %edi, %ecx; jae 2f; movl %ecx, %edi\n"
        "2: decw %bp; jnz 1b; hlt\nguest_interrupted_end: .code64\n.popsection");
extern const uint8_t guest_interrupted[], guest_interrupted_end[];

static struct {
    hv_machine_t machine;
    hv_vcpu_t vcpu;
    volatile struct hv_record *record;
    uint8_t *memory;
} guest;

/* Is it by Intel's VMX? */
static bool guest_is_intel(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c & 0x20) != 0;
}

static void guest_begin(void)
{
    vm_address_t memory = 0, record = 0, fresh = GUEST_FRESH;

    program_check(vm_allocate(mach_task_self(), &memory, GUEST_MEMORY, TRUE), "vm_allocate");
    program_check(vm_allocate(mach_task_self(), &record, GUEST_PAGE, TRUE), "vm_allocate");
    guest.memory = (uint8_t *)memory;
    guest.record = (volatile struct hv_record *)record;
    program_check(
        hv_machine_share(guest.machine, 0, GUEST_MEMORY, mach_task_self(), memory, VM_PROT_ALL),
        "hv_machine_share");
    program_check(vm_allocate(guest.machine, &fresh, GUEST_PAGES * GUEST_PAGE, FALSE),
                  "vm_allocate");
    program_check(hv_vcpu_create(guest.machine, mach_task_self(), record, &guest.vcpu),
                  "hv_vcpu_create");
}

/* About to run the code, in real mode with data segments of 4 GiB. */
static void guest_set(const uint8_t *code, const uint8_t *end)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t segments, general = {[HV_RIP] = GUEST_CODE, [HV_RFLAGS] = 2};

    memcpy(guest.memory + GUEST_CODE, code, (size_t)(end - code));
    program_check(hv_vcpu_get_state(guest.vcpu, HV_STATE_SEGMENTS, segments, &n), "state");
    segments[2 * HV_SEGMENT_CS] = GUEST_CODE_16 << 16 | (int64_t)GUEST_LIMIT_16 << 32;
    segments[2 * HV_SEGMENT_CS + 1] = 0;
    segments[2 * HV_SEGMENT_DS] |= 0xffffffffll << 32 | GUEST_PAGED_LIMIT << 16;
    program_check(hv_vcpu_set_state(guest.vcpu, HV_STATE_SEGMENTS, segments, HV_SEGMENTS_COUNT),
                  "state");
    program_check(hv_vcpu_set_state(guest.vcpu, HV_STATE_GENERAL, general, HV_GENERAL_COUNT),
                  "state");
}

/* Run it to its end; the figure it comes to. */
static uint64_t guest_figure(const uint8_t *code, const uint8_t *end)
{
    guest_set(code, end);
    guest.record->request = HV_RUN_HALT_EXITS;
    do {
        program_check(syscall_hv_vcpu_run(guest.vcpu), "syscall_hv_vcpu_run");
        guest.record->request = HV_RUN_HALT_EXITS | HV_RUN_ADVANCE;
    } while (guest.record->reason == HV_EXIT_PORT);
    if (guest.record->reason != HV_EXIT_HALT) {
        program_fail("the guest was left for another reason");
    }
    return guest.record->registers[HV_RDI];
}

#define GUEST_MEASURE(name, code)                                                                  \
    do {                                                                                           \
        if (bench_is_wanted(name)) {                                                               \
            bench_print(name, guest_figure(code, code##_end) -                                     \
                                  guest_figure(guest_nothing, guest_nothing_end));                 \
        }                                                                                          \
    } while (0)

void guest_all(void)
{
    mach_port_t hv = portolan_port("hv");

    if (hv == MACH_PORT_NULL || !bench_is_wanted(GUEST_NAME) ||
        hv_machine_create(hv, &guest.machine) != KERN_SUCCESS) {
        return;
    }
    guest_begin();
    GUEST_MEASURE("hv.exit.kernel", guest_cpuid);
    GUEST_MEASURE("hv.exit.monitor", guest_port);
    if (guest_is_intel()) {
        GUEST_MEASURE("hv.hypercall.kernel", guest_hypercall_intel);
    } else {
        GUEST_MEASURE("hv.hypercall.kernel", guest_hypercall);
    }
    GUEST_MEASURE("hv.fault.guest", guest_touch);
    GUEST_MEASURE("hv.irq", guest_interrupted);
    mach_port_deallocate(mach_task_self(), guest.vcpu);
    mach_port_deallocate(mach_task_self(), guest.machine);
}
