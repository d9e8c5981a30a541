/* pmap_flush.h - this processor's part of a TLB invalidation asked for by another. */
#ifndef ARCH_PMAP_FLUSH_H
#define ARCH_PMAP_FLUSH_H

/* Handler of VECTOR_FLUSH. */
void pmap_flush_interrupt(void);

#endif
