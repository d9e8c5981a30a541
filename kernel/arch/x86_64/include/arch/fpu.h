/* fpu.h - x87, SSE and AVX state of threads. The kernel itself never uses these registers. */
#ifndef ARCH_FPU_H
#define ARCH_FPU_H

#include <stdbool.h>
#include <stdint.h>

struct pcb;
struct fpu_area;

/* Make the cache of save areas; after the slab allocator. */
void fpu_init(void);
/* Give a thread a save area in the initial state. It is written when it is first loaded or looked
 * at: many threads end without that. False when out of memory. */
bool fpu_create(struct pcb *pcb);
/* Have the initial state in the area if nothing else is. For a thread that may be shared with
 * others: under its lock. */
void fpu_settle(struct pcb *pcb);
void fpu_destroy(struct pcb *pcb);
/* Save the running thread's registers into its area, load another's. Interrupts off. */
void fpu_save(struct pcb *pcb);
void fpu_load(struct pcb *pcb);
/* The running thread of `pcb` goes on with the registers in the area of `other`, which gets its
 * own: until that is undone a guest's are loaded and saved in their place. Interrupts off. */
void fpu_exchange(struct pcb *pcb, struct pcb *other);
/* The settled area of a thread that does not run: its bytes, in the format of FXSAVE or XSAVE
 * (i386_get_xstate_size says how many). */
void *fpu_state(struct pcb *pcb);
uint32_t fpu_state_size(void);
/* Take over `size` bytes of state from user space; bits the hardware would refuse are refused:
 * false. */
bool fpu_set_state(struct pcb *pcb, const void *state, uint32_t size);

#endif
