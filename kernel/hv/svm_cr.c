/* svm_cr.c - writes of a guest to control registers: to CR4 at any time, as it may not set what it
 * does not see; to CR8 while an interrupt waits, so that it is seen what may be taken now. The
 * processor does not tell which register is moved, so the instruction is looked at (AMD64 APM
 * volume 2, 15.9; volume 3, MOV CRn). */
#include "hv/hv_bits.h"
#include "hv/hv_check.h"
#include "hv/hv_walk.h"
#include "hv/hv_xsave.h"
#include "hv/svm_impl.h"

#define INSTRUCTION_MAX  15
#define REX              0x40u
#define REX_B            1u
#define OPCODE_TWO       0x0fu
#define OPCODE_MOV_TO_CR 0x22u
#define PREFIX_LOCK      0xf0u /* of MOV to CR0: it is to CR8 */
#define CR8_MAX          15u

/* Of segments, sizes and repetition: they mean nothing here. */
static bool svm_cr_is_prefix(uint8_t byte)
{
    return (byte & 0xe7) == 0x26 || (byte & 0xfc) == 0x64 || (byte & 0xfe) == 0xf2 ||
           byte == PREFIX_LOCK;
}

/* MOV to a control register in 64-bit mode or another: which general register it is from. Returns:
 * its length, 0 when it is not one. */
static uint32_t svm_cr_decode(const uint8_t *bytes, size_t n, bool is_64bit, unsigned *from)
{
    uint8_t rex = 0;
    size_t i = 0;

    while (i < n && svm_cr_is_prefix(bytes[i])) {
        i++;
    }
    if (is_64bit && i < n && (bytes[i] & 0xf0) == REX) {
        rex = bytes[i];
        i++;
    }
    if (n < i + 3 || bytes[i] != OPCODE_TWO || bytes[i + 1] != OPCODE_MOV_TO_CR) {
        return 0;
    }
    *from = (bytes[i + 2] & 7u) | (rex & REX_B) << 3;
    return (uint32_t)i + 3;
}

static uint64_t svm_cr_get_register(const struct hv_vcpu *vcpu, unsigned number)
{
    const struct svm_vmcb *v = svm_vcpu_of(vcpu)->vmcb;

    return number == HV_RAX ? v->rax : number == HV_RSP ? v->rsp : vcpu->registers[number];
}

/* What is written. Returns: the length of the instruction, 0: the guest's code has changed
 * meanwhile, and it is to try again. Sleeps: yes. */
static uint32_t svm_cr_operand(const struct hv_vcpu *vcpu, uint64_t *value)
{
    uint8_t bytes[INSTRUCTION_MAX];
    struct hv_paging paging;
    unsigned from;
    uint32_t length;
    size_t n;

    svm_state_get_paging(vcpu, &paging);
    n = hv_walk_read(vcpu->machine->map, &paging, paging.code_base + paging.rip, bytes,
                     sizeof(bytes));
    length = svm_cr_decode(bytes, n, paging.is_64bit, &from);
    if (length != 0) {
        *value = svm_cr_get_register(vcpu, from);
        *value = paging.is_64bit ? *value : (uint32_t)*value;
    }
    return length;
}

enum hv_step svm_cr_write_cr4(struct hv_vcpu *vcpu)
{
    struct svm_vcpu *s = svm_vcpu_of(vcpu);
    uint64_t value;
    uint32_t length = svm_cr_operand(vcpu, &value);

    if (length == 0) {
        return HV_RESUME;
    }
    if ((value & ~hv_limits.cr4) != 0 ||
        ((s->vmcb->efer & HV_EFER_LMA) != 0 && (value & HV_CR4_PAE) == 0)) {
        return svm_exit_protection(vcpu);
    }
    s->vmcb->cr4 = value;
    hv_xsave_set_cr4(vcpu, value);
    s->tag.cpu = -1; /* what its TLB has may be of other page tables */
    svm_exit_advance(vcpu, length);
    return HV_RESUME;
}

enum hv_step svm_cr_write_cr8(struct hv_vcpu *vcpu)
{
    uint64_t value;
    uint32_t length = svm_cr_operand(vcpu, &value);

    if (length == 0) {
        return HV_RESUME;
    }
    if (value > CR8_MAX) {
        return svm_exit_protection(vcpu);
    }
    svm_ops.set_cr8(vcpu, (uint32_t)value);
    svm_exit_advance(vcpu, length);
    return HV_RESUME;
}
