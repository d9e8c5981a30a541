/* vcpu.c - a virtual processor: the state it begins with, and its thread. */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <string.h>

#include "hv.h"
#include "machine.h"

#define VCPU_STACK 131072u

#define CR0_PE    1u
#define CR0_ET    0x10u
#define CR0_PG    0x80000000u
#define CR4_PAE   0x20u
#define EFER_LONG 0x500u /* LME, LMA */
#define DR6_RESET 0xffff0ff0u
#define DR7_RESET 0x400u
#define PAT_RESET 0x0007040600070406ull
#define RFLAGS_IF 0x200u

/* Attributes of segments, as hv.h has them. */
#define ATTRIBUTE_CODE_16 0x9bu
#define ATTRIBUTE_DATA_16 0x93u
#define ATTRIBUTE_CODE_32 0xc9bu
#define ATTRIBUTE_DATA_32 0xc93u
#define ATTRIBUTE_CODE_64 0xa9bu
#define ATTRIBUTE_TSS     0x8bu
#define ATTRIBUTE_LDT     0x82u

const char *vcpu_create(struct vcpu *vcpu, struct machine *machine, unsigned number)
{
    vm_address_t record = 0;

    vcpu->machine = machine;
    vcpu->number = number;
    if (vm_allocate(mach_task_self(), &record, MEMORY_PAGE, TRUE) != KERN_SUCCESS ||
        hv_vcpu_create(machine->port, mach_task_self(), record, &vcpu->port) != KERN_SUCCESS) {
        return "there is not enough memory for a processor";
    }
    vcpu->record = (volatile struct hv_record *)record;
    return NULL;
}

/* --- how it begins --- */

static int64_t vcpu_segment(unsigned selector, unsigned attributes, uint32_t limit)
{
    return (int64_t)(selector | (uint64_t)attributes << 16 | (uint64_t)limit << 32);
}

static void vcpu_make_segments(const struct load_start *start, int64_t *s)
{
    enum load_mode mode = start->mode;
    bool is_real = mode == LOAD_REAL;
    uint32_t limit = is_real ? 0xffff : 0xffffffff;
    unsigned code = is_real             ? ATTRIBUTE_CODE_16
                    : mode == LOAD_LONG ? ATTRIBUTE_CODE_64
                                        : ATTRIBUTE_CODE_32;

    for (unsigned i = HV_SEGMENT_ES; i <= HV_SEGMENT_GS; i++) {
        s[2 * i] = vcpu_segment(is_real ? 0 : LOAD_DATA,
                                is_real ? ATTRIBUTE_DATA_16 : ATTRIBUTE_DATA_32, limit);
    }
    s[2 * HV_SEGMENT_CS] = vcpu_segment(is_real ? start->code : LOAD_CODE, code, limit);
    s[2 * HV_SEGMENT_CS + 1] = is_real ? start->code << 4 : 0;
    s[2 * HV_SEGMENT_LDTR] = vcpu_segment(0, ATTRIBUTE_LDT, 0xffff);
    s[2 * HV_SEGMENT_TR] = vcpu_segment(0, ATTRIBUTE_TSS, 0xffff);
    s[2 * HV_SEGMENT_GDTR] = vcpu_segment(0, 0, mode == LOAD_LONG ? 31 : 0);
    s[2 * HV_SEGMENT_GDTR + 1] = mode == LOAD_LONG ? LOAD_GDT : 0;
    s[2 * HV_SEGMENT_IDTR] = vcpu_segment(0, 0, is_real ? 0x3ff : 0);
}

const char *vcpu_set_start(struct vcpu *vcpu, const struct load_start *start)
{
    bool is_long = start->mode == LOAD_LONG;
    hv_state_t segments = {0}, general = {0};
    hv_state_t control = {
        [HV_CR0] = CR0_ET | (start->mode != LOAD_REAL ? CR0_PE : 0) | (is_long ? CR0_PG : 0),
        [HV_CR3] = is_long ? LOAD_TABLES : 0,
        [HV_CR4] = is_long ? CR4_PAE : 0,
        [HV_EFER] = is_long ? EFER_LONG : 0,
        [HV_PAT] = PAT_RESET,
        [HV_DR6] = DR6_RESET,
        [HV_DR7] = DR7_RESET,
    };

    vcpu_make_segments(start, segments);
    memcpy(general, start->registers, sizeof(start->registers));
    if (hv_vcpu_set_state(vcpu->port, HV_STATE_SEGMENTS, segments, HV_SEGMENTS_COUNT) !=
            KERN_SUCCESS ||
        hv_vcpu_set_state(vcpu->port, HV_STATE_CONTROL, control, HV_CONTROL_COUNT) !=
            KERN_SUCCESS ||
        hv_vcpu_set_state(vcpu->port, HV_STATE_GENERAL, general, HV_GENERAL_COUNT) !=
            KERN_SUCCESS) {
        return "the processor cannot begin as the image wants";
    }
    return NULL;
}

/* --- its thread --- */

void vcpu_kick(struct vcpu *vcpu)
{
    if (vcpu->is_inside) {
        hv_vcpu_kick(vcpu->port);
    }
}

/* Wait while the machine stands still. False: it has ended. */
static bool vcpu_may_run(struct vcpu *vcpu)
{
    struct machine *m = vcpu->machine;

    while (m->is_paused && !m->is_ended) {
        pthread_cond_wait(&m->changed, &m->lock);
    }
    return !m->is_ended;
}

/* Once, without the lock. */
static bool vcpu_enter(struct vcpu *vcpu)
{
    struct machine *m = vcpu->machine;
    kern_return_t kr;

    vcpu->record->request = vcpu->request | (vcpu->has_interrupt ? HV_RUN_WINDOW : 0);
    vcpu->request = 0;
    vcpu->is_inside = true;
    pthread_mutex_unlock(&m->lock);
    kr = syscall_hv_vcpu_run(vcpu->port);
    pthread_mutex_lock(&m->lock);
    vcpu->is_inside = false;
    if (kr != KERN_SUCCESS) {
        machine_end(m, 1, "processor %u cannot run: 0x%x", vcpu->number, (unsigned)kr);
    }
    return kr == KERN_SUCCESS;
}

static void *vcpu_main(void *argument)
{
    struct vcpu *vcpu = argument;
    struct machine *m = vcpu->machine;

    pthread_mutex_lock(&m->lock);
    while (vcpu_may_run(vcpu) && vcpu_enter(vcpu)) {
        exit_handle(vcpu);
    }
    machine_leave(m);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

const char *vcpu_run(struct vcpu *vcpu)
{
    return machine_thread(vcpu->machine, vcpu_main, vcpu, VCPU_STACK)
               ? NULL
               : "there is no memory for a processor's thread";
}
