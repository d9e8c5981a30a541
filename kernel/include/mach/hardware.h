/* hardware.h - numbers of hardware.defs. */
#ifndef MACH_HARDWARE_H
#define MACH_HARDWARE_H

#include <mach/port.h>
#include <mach/vm_types.h>

#define HARDWARE_NUMBERS_MAX 16
typedef int64_t hardware_info_t[HARDWARE_NUMBERS_MAX];

#define HARDWARE_CACHE_NONE            0 /* registers */
#define HARDWARE_CACHE_WRITE_COMBINING 1 /* frame buffers */
#define HARDWARE_CACHE_NORMAL          2

/* Index into the array of hardware_framebuffer. */
#define HARDWARE_FRAMEBUFFER_PHYS   0
#define HARDWARE_FRAMEBUFFER_PITCH  1
#define HARDWARE_FRAMEBUFFER_WIDTH  2
#define HARDWARE_FRAMEBUFFER_HEIGHT 3
#define HARDWARE_FRAMEBUFFER_BITS   4
#define HARDWARE_FRAMEBUFFER_TYPE   5 /* 1: RGB pixels, 2: EGA text */
#define HARDWARE_FRAMEBUFFER_COUNT  6

/* Pages one call of dma_pin takes. */
#define DMA_PAGES_MAX 512
typedef int64_t dma_pages_t[DMA_PAGES_MAX];

/* What hardware_block_take has: the tag below, HYPERCALL_BLOCK_DONE or _FAILED above 32 bits. */
#define HARDWARE_BLOCK_DONE_MAX 32
typedef int64_t hardware_block_done_t[HARDWARE_BLOCK_DONE_MAX];

#if KERNEL
struct hardware_block;
struct hardware_irq;
struct hardware_dma;
struct hardware_hypercall;
typedef struct hardware_irq *irq_t;
typedef struct hardware_dma *dma_t;
typedef struct hardware_hypercall *hypercall_t;
typedef struct hardware_block *hardware_block_t;
#else
typedef mach_port_t irq_t;
typedef mach_port_t dma_t;
typedef mach_port_t hypercall_t;
typedef mach_port_t hardware_block_t;
#endif

#endif
