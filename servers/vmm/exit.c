/* exit.c - why a guest was left, and what the monitor does about it. What is in the record was
 * written by the kernel and stays as it is until the next run. */
#include <mach.h>
#include <stddef.h>

#include "exit_emulate.h"
#include "hv.h"
#include "machine.h"
#include "msr.h"

#define VECTOR_GP 13

typedef void exit_function(struct vcpu *vcpu);

static void exit_advance(struct vcpu *vcpu)
{
    vcpu->request |= HV_RUN_ADVANCE;
}

static void exit_protection(struct vcpu *vcpu)
{
    (void)hv_vcpu_inject(vcpu->port, HV_INJECT_EXCEPTION_ERROR, VECTOR_GP, 0);
}

/* A register as an instruction writes it: of 32 bits, the upper half becomes 0. */
static void exit_set_register(struct vcpu *vcpu, unsigned index, unsigned size, uint64_t value)
{
    uint64_t mask = size < 4 ? (1ull << 8 * size) - 1 : 0xffffffffull;
    uint64_t old = size < 4 ? vcpu->record->registers[index] & ~mask : 0;

    vcpu->record->registers[index] = old | (value & mask);
    vcpu->request |= HV_RUN_REGISTERS;
}

static void exit_nothing(struct vcpu *vcpu)
{
    (void)vcpu;
}

static void exit_port(struct vcpu *vcpu)
{
    struct platform *p = &vcpu->machine->platform;
    const volatile struct hv_record *r = vcpu->record;
    uint64_t qualification = r->qualification;

    if ((qualification & HV_PORT_STRING) != 0) {
        exit_emulate(vcpu);
        platform_settle(p);
        return;
    }
    exit_advance(vcpu);
    if ((qualification & HV_PORT_IN) != 0) {
        uint64_t value = bus_read(&p->ports, r->address, r->size);

        exit_set_register(vcpu, HV_RAX, r->size, value);
        platform_settle(p);
    } else {
        bus_write(&p->ports, r->address, r->size, r->value);
    }
}

static void exit_msr_read(struct vcpu *vcpu)
{
    uint64_t value;

    if (!msr_read((uint32_t)vcpu->record->address, &value)) {
        exit_protection(vcpu);
        return;
    }
    exit_set_register(vcpu, HV_RAX, 4, value);
    exit_set_register(vcpu, HV_RDX, 4, value >> 32);
    exit_advance(vcpu);
}

static void exit_msr_write(struct vcpu *vcpu)
{
    if (msr_write((uint32_t)vcpu->record->address, vcpu->record->value)) {
        exit_advance(vcpu);
    } else {
        exit_protection(vcpu);
    }
}

/* Registers of devices are where no memory is. Code, and tables of the guest's paging, are not. */
static void exit_memory(struct vcpu *vcpu)
{
    const volatile struct hv_record *r = vcpu->record;
    uint64_t address = r->address, qualification = r->qualification;
    unsigned long long rip = r->registers[HV_RIP];

    if (memory_at(&vcpu->machine->memory, address, 1) != NULL) {
        machine_end(vcpu->machine, 1, "the host has no memory for the guest at 0x%llx (0x%llx)",
                    (unsigned long long)address, (unsigned long long)r->value);
    } else if ((qualification & HV_MEMORY_TABLE) != 0) {
        machine_end(vcpu->machine, 1,
                    "a page table of the guest is at 0x%llx, where nothing is (rip 0x%llx, cr3 "
                    "0x%llx)",
                    (unsigned long long)address, rip, (unsigned long long)r->cr3);
    } else if ((qualification & HV_MEMORY_FETCH) != 0) {
        machine_end(vcpu->machine, 1,
                    "the guest wanted to run code at 0x%llx, where nothing is (rip 0x%llx)",
                    (unsigned long long)address, rip);
    } else {
        exit_emulate(vcpu);
    }
}

/* The guest takes an interrupt now: the one its controller has, if it still has one. */
static void exit_window(struct vcpu *vcpu)
{
    if (vcpu->has_interrupt) {
        uint8_t vector = pic_acknowledge(&vcpu->machine->platform.pic);

        if (hv_vcpu_inject(vcpu->port, HV_INJECT_INTERRUPT, vector, 0) != KERN_SUCCESS) {
            machine_end(vcpu->machine, 1, "an interrupt cannot be delivered");
        }
    }
}

static void exit_end_of_interrupt(struct vcpu *vcpu)
{
    ioapic_end(&vcpu->machine->platform.ioapic, (uint8_t)vcpu->record->value);
}

/* Who looks for the fault wants to know where it was: CR2 is the address of the last page fault. */
static void exit_shutdown(struct vcpu *vcpu)
{
    hv_state_t c = {0};
    mach_msg_type_number_t count = HV_STATE_MAX;

    (void)hv_vcpu_get_state(vcpu->port, HV_STATE_CONTROL, c, &count);
    machine_end(vcpu->machine, 1,
                "triple fault: a fault while a double fault was delivered (rip 0x%lx, cr0 0x%lx, "
                "cr2 0x%lx, cr3 0x%lx, cr4 0x%lx, efer 0x%lx)",
                vcpu->record->registers[HV_RIP], c[HV_CR0], c[HV_CR2], c[HV_CR3], c[HV_CR4],
                c[HV_EFER]);
}

static void exit_hypercall(struct vcpu *vcpu)
{
    volatile uint64_t *registers = vcpu->record->registers;
    const uint64_t arguments[3] = {registers[HV_RBX], registers[HV_RCX], registers[HV_RDX]};

    registers[HV_RAX] =
        hypercall_do(&vcpu->machine->platform.hypercall, registers[HV_RAX], arguments);
    vcpu->request |= HV_RUN_REGISTERS;
    exit_advance(vcpu);
}

static void exit_invalid(struct vcpu *vcpu)
{
    char sentence[HV_SENTENCE_MAX];

    for (unsigned i = 0; i < sizeof(sentence); i++) {
        sentence[i] = vcpu->record->sentence[i];
    }
    sentence[sizeof(sentence) - 1] = '\0';
    machine_end(vcpu->machine, 1, "%s", sentence);
}

static void exit_unknown(struct vcpu *vcpu)
{
    machine_end(vcpu->machine, 1, "the processor left the guest for a reason not known: 0x%llx",
                (unsigned long long)vcpu->record->qualification);
}

static void exit_task(struct vcpu *vcpu)
{
    machine_end(vcpu->machine, 1, "the guest used a task switch, which is not emulated");
}

static const struct {
    const char *name;
    exit_function *function;
} exit_table[HV_EXIT_COUNT] = {
    [HV_EXIT_NONE] = {"none", exit_unknown},
    [HV_EXIT_KICKED] = {"kicked", exit_nothing},
    [HV_EXIT_HALT] = {"halt", exit_nothing},
    [HV_EXIT_PORT] = {"port", exit_port},
    [HV_EXIT_MSR_READ] = {"msr-read", exit_msr_read},
    [HV_EXIT_MSR_WRITE] = {"msr-write", exit_msr_write},
    [HV_EXIT_MEMORY] = {"memory", exit_memory},
    [HV_EXIT_SHUTDOWN] = {"shutdown", exit_shutdown},
    [HV_EXIT_HYPERCALL] = {"hypercall", exit_hypercall},
    [HV_EXIT_WINDOW] = {"window", exit_window},
    [HV_EXIT_INVALID] = {"invalid", exit_invalid},
    [HV_EXIT_UNKNOWN] = {"unknown", exit_unknown},
    [HV_EXIT_TASK] = {"task", exit_task},
    [HV_EXIT_EOI] = {"eoi", exit_end_of_interrupt},
    [HV_EXIT_APIC] = {"apic", exit_unknown}, /* apic.c asks, and gets the answer itself */
};

const char *exit_name(unsigned reason)
{
    return exit_table[reason].name;
}

void exit_handle(struct vcpu *vcpu)
{
    unsigned reason = vcpu->record->reason;

    if (reason >= HV_EXIT_COUNT) {
        reason = HV_EXIT_UNKNOWN;
    }
    vcpu->exits[reason]++;
    vcpu->kernel_exits = vcpu->record->exits;
    exit_table[reason].function(vcpu);
}
