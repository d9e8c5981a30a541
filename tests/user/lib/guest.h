/* guest.h - a virtual machine with one processor and 1 MiB of memory, for tests of the hypervisor.
 */
#ifndef GUEST_H
#define GUEST_H

#include <hv.h>
#include <mach/hv.h>

#include "test.h"

#define GUEST_MEMORY 0x100000u
#define GUEST_CODE   0x1000u
#define GUEST_STACK  0x8000u
#define GUEST_TABLES 0x10000u /* page tables of long mode: six pages */
#define GUEST_IDT    0x20000u
#define GUEST_GDT    0x21000u

/* Code of a guest: name and name_end are its bytes. */
#define GUEST_CODE16(name, text) GUEST_CODE_OF(name, ".code16\n" text)
#define GUEST_CODE32(name, text) GUEST_CODE_OF(name, ".code32\n" text)
#define GUEST_CODE64(name, text) GUEST_CODE_OF(name, ".code64\n" text)
#define GUEST_CODE_OF(name, text)                                                                  \
    __asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end: .code64\n.popsection");    \
    extern const uint8_t name[], name##_end[]

enum guest_mode { GUEST_REAL, GUEST_PROTECTED, GUEST_LONG };

struct guest {
    hv_machine_t machine;
    hv_vcpu_t vcpu;
    volatile struct hv_record *record;
    uint8_t *memory; /* the guest's, from address 0 on */
    bool by_trap;    /* it was run so last time */
};

/* Can this machine run guests, by what CPUID says? */
bool guest_is_possible(void);
/* By Intel's VMX? */
bool guest_is_intel(void);
mach_port_t guest_hv(void);
/* Make one, in that mode, about to run the code, in which VMMCALL is a hypercall on every maker's
 * processor. False: it cannot be, and that has been said. */
bool guest_create(struct guest *guest, enum guest_mode mode, const uint8_t *code,
                  const uint8_t *end);
#define GUEST_START(guest, mode, name) guest_create(guest, mode, name, name##_end)
/* Likewise, with local APICs. */
bool guest_create_apic(struct guest *guest, enum guest_mode mode, const uint8_t *code,
                       const uint8_t *end);
#define GUEST_START_APIC(guest, mode, name) guest_create_apic(guest, mode, name, name##_end)
/* One more processor for the machine of `first`, as it is made; its memory goes with `first`. */
void guest_add(struct guest *second, const struct guest *first);
void guest_remove(struct guest *second);
void guest_destroy(struct guest *guest);
/* Run it, by message and by trap in turn. Returns: the reason it was left for, HV_EXIT_NONE when
 * the call failed. */
unsigned guest_run(struct guest *guest, unsigned request);
/* What a register was when it was left. */
uint64_t guest_register(const struct guest *guest, unsigned index);
/* Have interrupts of long mode delivered by the vector to a handler at an address. */
void guest_set_gate(struct guest *guest, unsigned vector, uint64_t handler);

#endif
