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

#if KERNEL
struct hardware_irq;
typedef struct hardware_irq *irq_t;
#else
typedef mach_port_t irq_t;
#endif

#endif
