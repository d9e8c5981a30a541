/* fpu.c - vector state: saved when a thread leaves a processor, loaded when it comes back, so no
 * register outlives its thread. XSAVE, else FXSAVE (Intel SDM volume 1, chapter 13); not XSAVEOPT,
 * which leaves out what is initial or unchanged, and others read the area. A thread that leaves
 * inside mach_msg has its control words kept only (fastpath.h): its area is then "fresh". */
#include "arch/fpu.h"

#include "arch/cpu_features.h"
#include "arch/fastpath.h"
#include "arch/pcb.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/string.h"
#include "vm/slab.h"

#define FXSAVE_SIZE         512u
#define FPU_CONTROL_DEFAULT 0x37fu
#define MXCSR_DEFAULT       0x1f80u
#define MXCSR_OFFSET        24u
#define MXCSR_RESERVED      0xffff0000u
#define XSTATE_BV_OFFSET    512u
#define XSTATE_BV_X87_SSE   3u
#define XSTATE_HEADER_SIZE  64u
#define AREA_SIZE_MAX       1024u

static struct kmem_cache fpu_cache;
static uint32_t fpu_size; /* [I] */

/* Nothing in use, in XSTATE_BV's words; only MXCSR is read from it besides. */
const uint8_t fastpath_initial_vectors[AREA_SIZE_MAX] __attribute__((aligned(64))) = {
    [MXCSR_OFFSET] = MXCSR_DEFAULT & 0xff, [MXCSR_OFFSET + 1] = MXCSR_DEFAULT >> 8};

bool fastpath_machine_can(void)
{
    return cpu_features.xsave && cpu_features.fsgsbase;
}

void fpu_init(void)
{
    fpu_size = cpu_features.xsave ? cpu_features.xsave_size : FXSAVE_SIZE;
    assert(fpu_size <= AREA_SIZE_MAX);
    kmem_cache_init(&fpu_cache, "fpu", fpu_size, 64);
}

bool fpu_create(struct pcb *pcb)
{
    uint8_t *area = kmem_cache_alloc(&fpu_cache);

    if (area == NULL) {
        return false;
    }
    *(uint16_t *)area = FPU_CONTROL_DEFAULT;
    *(uint32_t *)(area + MXCSR_OFFSET) = MXCSR_DEFAULT;
    if (cpu_features.xsave) { /* XSAVE writes the first word of the header only */
        memset(area + XSTATE_BV_OFFSET, 0, XSTATE_HEADER_SIZE);
    }
    pcb->fpu = (struct fpu_area *)area;
    pcb->fpu_fresh = true;
    return true;
}

void fpu_settle(struct pcb *pcb)
{
    uint8_t *area = (uint8_t *)pcb->fpu;
    uint16_t control;
    uint32_t mxcsr;

    if (area == NULL || !atomic_load_acquire(&pcb->fpu_fresh)) {
        return;
    }
    control = *(uint16_t *)area;
    mxcsr = *(uint32_t *)(area + MXCSR_OFFSET);
    memset(area, 0, fpu_size);
    *(uint16_t *)area = control;
    *(uint32_t *)(area + MXCSR_OFFSET) = mxcsr;
    if (cpu_features.xsave) {
        *(uint64_t *)(area + XSTATE_BV_OFFSET) = XSTATE_BV_X87_SSE;
    }
    atomic_store_release(&pcb->fpu_fresh, false);
}

void fpu_destroy(struct pcb *pcb)
{
    if (pcb->fpu != NULL) {
        kmem_cache_free(&fpu_cache, pcb->fpu);
        pcb->fpu = NULL;
    }
}

void fpu_save(struct pcb *pcb)
{
    if (pcb->fpu == NULL) {
        return;
    }
    if (cpu_features.xsave) {
        __asm__ volatile("xsave64 (%0)" ::"r"(pcb->fpu), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(pcb->fpu) : "memory");
    }
    pcb->fpu_fresh = false;
}

void fpu_load(struct pcb *pcb)
{
    if (pcb->fpu == NULL) {
        return;
    }
    if (pcb->fpu_fresh) {
        if (cpu_features.xsave) {
            __asm__ volatile("xrstor64 %0" ::"m"(*fastpath_initial_vectors), "a"(~0u), "d"(~0u));
            __asm__ volatile("ldmxcsr 24(%0); fldcw (%0)" ::"r"(pcb->fpu) : "memory");
            return;
        }
        fpu_settle(pcb);
    }
    if (cpu_features.xsave) {
        __asm__ volatile("xrstor64 (%0)" ::"r"(pcb->fpu), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(pcb->fpu) : "memory");
    }
}

void fpu_exchange(struct pcb *pcb, struct pcb *other)
{
    struct fpu_area *area = pcb->fpu;

    fpu_save(pcb);
    pcb->fpu = other->fpu;
    pcb->fpu_fresh = other->fpu_fresh;
    other->fpu = area;
    other->fpu_fresh = false;
    fpu_load(pcb);
}

void *fpu_state(struct pcb *pcb)
{
    return pcb->fpu;
}

uint32_t fpu_state_size(void)
{
    return fpu_size;
}

bool fpu_set_state(struct pcb *pcb, const void *state, uint32_t size)
{
    const uint8_t *bytes = state;
    uint64_t header[8] = {0};

    if (pcb->fpu == NULL || (size != FXSAVE_SIZE && size != fpu_size)) {
        return false;
    }
    if ((*(const uint32_t *)(bytes + MXCSR_OFFSET) & MXCSR_RESERVED) != 0) {
        return false;
    }
    if (size > FXSAVE_SIZE) {
        memcpy(header, bytes + XSTATE_BV_OFFSET, sizeof(header));
        if ((header[0] & ~cpu_features.xsave_mask) != 0) {
            return false;
        }
        for (unsigned i = 1; i < 8; i++) {
            if (header[i] != 0) {
                return false;
            }
        }
    }
    memcpy(pcb->fpu, state, size);
    if (cpu_features.xsave && size == FXSAVE_SIZE) {
        *(uint64_t *)((uint8_t *)pcb->fpu + XSTATE_BV_OFFSET) |= XSTATE_BV_X87_SSE;
    }
    return true;
}
