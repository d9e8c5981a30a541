/* exit_emulate.c - instructions that the monitor does in the guest's place: those on registers in
 * memory, and INS and OUTS. What of the processor's state is not in the record costs a call. */
#include <mach.h>

#include "emulate.h"
#include "exit_emulate.h"
#include "hv.h"

#define EFER_LMA       0x400u
#define ATTRIBUTE_LONG 0x200u
#define ATTRIBUTE_BIG  0x400u
#define VECTOR_PF      14u

/* Bytes of the instruction that stopped, as they are looked at. */
struct exit_bytes {
    uint8_t bytes[DECODE_LENGTH_MAX];
    unsigned count;
};

static void exit_emulate_begin(const struct vcpu *vcpu, struct emulate *e)
{
    const volatile struct hv_record *r = vcpu->record;
    struct platform *p = &vcpu->machine->platform;

    *e = (struct emulate){
        .memory = &vcpu->machine->memory,
        .bus = &p->registers,
        .ports = &p->ports,
        .paging = {r->cr0, r->cr3, r->cr4, r->efer},
        .mode = DECODE_LONG,
    };
    for (unsigned i = 0; i < HV_GENERAL_COUNT; i++) {
        e->registers[i] = r->registers[i];
    }
    if (r->reason == HV_EXIT_MEMORY) {
        e->has_physical = true;
        e->physical = r->address;
    } else {
        e->port = (uint16_t)r->address;
    }
}

/* The segments, and the mode that follows from them. */
static bool exit_emulate_get_segments(const struct vcpu *vcpu, struct emulate *e)
{
    hv_state_t state;
    mach_msg_type_number_t count = HV_STATE_MAX;
    uint64_t code;

    if (hv_vcpu_get_state(vcpu->port, HV_STATE_SEGMENTS, state, &count) != KERN_SUCCESS) {
        return false;
    }
    emulate_set_segments(e, state);
    code = (uint64_t)state[2 * HV_SEGMENT_CS] >> 16;
    if ((e->paging.efer & EFER_LMA) != 0 && (code & ATTRIBUTE_LONG) != 0) {
        e->mode = DECODE_LONG;
    } else {
        e->mode = (code & ATTRIBUTE_BIG) != 0 ? DECODE_PROTECTED : DECODE_REAL;
    }
    return true;
}

/* Code above 4 GiB is in 64-bit mode: no segment begins there. */
static bool exit_emulate_is_long(const struct emulate *e)
{
    return (e->paging.efer & EFER_LMA) != 0 && e->registers[HV_RIP] > UINT32_MAX;
}

static void exit_emulate_fetch(const struct vcpu *vcpu, const struct emulate *e,
                               struct exit_bytes *b)
{
    const volatile struct hv_record *r = vcpu->record;

    b->count = r->reason == HV_EXIT_MEMORY ? r->instruction_count : 0;
    if (b->count > sizeof(b->bytes)) {
        b->count = sizeof(b->bytes);
    }
    for (unsigned i = 0; i < b->count; i++) {
        b->bytes[i] = r->instruction[i];
    }
    if (b->count == 0) {
        b->count = emulate_fetch(e, r->code_base, b->bytes, sizeof(b->bytes));
    }
}

/* CR2 is among the control registers, which are set all at once. */
static bool exit_emulate_set_cr2(const struct vcpu *vcpu, uint64_t address)
{
    hv_state_t state;
    mach_msg_type_number_t count = HV_STATE_MAX;

    if (hv_vcpu_get_state(vcpu->port, HV_STATE_CONTROL, state, &count) != KERN_SUCCESS) {
        return false;
    }
    state[HV_CR2] = (int64_t)address;
    return hv_vcpu_set_state(vcpu->port, HV_STATE_CONTROL, state, HV_CONTROL_COUNT) == KERN_SUCCESS;
}

static bool exit_emulate_raise(const struct vcpu *vcpu, const struct emulate *e)
{
    if (e->vector == VECTOR_PF && !exit_emulate_set_cr2(vcpu, e->address)) {
        return false;
    }
    return hv_vcpu_inject(vcpu->port, HV_INJECT_EXCEPTION_ERROR, (int)e->vector, (int)e->error) ==
           KERN_SUCCESS;
}

static void exit_emulate_put_registers(struct vcpu *vcpu, const struct emulate *e)
{
    for (unsigned i = 0; i < HV_GENERAL_COUNT; i++) {
        vcpu->record->registers[i] = e->registers[i];
    }
    vcpu->request |= HV_RUN_REGISTERS;
}

static enum emulate_result exit_emulate_step(struct vcpu *vcpu, struct emulate *e,
                                             struct exit_bytes *b)
{
    struct decode_instruction instruction;
    bool has_segments = !exit_emulate_is_long(e);

    if (has_segments && !exit_emulate_get_segments(vcpu, e)) {
        return EMULATE_UNKNOWN;
    }
    exit_emulate_fetch(vcpu, e, b);
    if (decode(b->bytes, b->count, e->mode, &instruction) != DECODE_DONE) {
        return EMULATE_UNKNOWN;
    }
    if (!has_segments && emulate_needs_segments(e, &instruction) &&
        !exit_emulate_get_segments(vcpu, e)) {
        return EMULATE_UNKNOWN;
    }
    return emulate(e, &instruction);
}

void exit_emulate(struct vcpu *vcpu)
{
    struct emulate e;
    struct exit_bytes b = {.count = 0};
    enum emulate_result result;

    exit_emulate_begin(vcpu, &e);
    vcpu->machine->current = vcpu;
    result = exit_emulate_step(vcpu, &e, &b);
    if (result == EMULATE_DONE || result == EMULATE_AGAIN ||
        (result == EMULATE_EXCEPTION && exit_emulate_raise(vcpu, &e))) {
        exit_emulate_put_registers(vcpu, &e); /* a string may have been done in part */
        return;
    }
    machine_end(vcpu->machine, 1,
                "the instruction %02x %02x %02x %02x at 0x%llx is not emulated (on 0x%llx)",
                b.bytes[0], b.bytes[1], b.bytes[2], b.bytes[3],
                (unsigned long long)e.registers[HV_RIP], (unsigned long long)vcpu->record->address);
}
