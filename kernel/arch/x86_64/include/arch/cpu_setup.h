/* cpu_setup.h - bringing a processor into the state the kernel runs in. */
#ifndef ARCH_CPU_SETUP_H
#define ARCH_CPU_SETUP_H

#include <stdint.h>

#define SELECTOR_KERNEL_CODE 0x08u
#define SELECTOR_KERNEL_DATA 0x10u
#define SELECTOR_USER_DATA   0x23u
#define SELECTOR_USER_CODE   0x2bu
#define SELECTOR_TSS         0x30u

#define TSS_IO_BITMAP_SIZE 8192u

struct cpu;

/* Hardware layout (Intel SDM volume 3A, 8.7). */
struct tss {
    uint32_t reserved0;
    uint64_t rsp0, rsp1, rsp2; /* unaligned by definition */
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
    uint8_t io_bitmap[TSS_IO_BITMAP_SIZE + 1]; /* a set bit denies; last byte all ones */
} __attribute__((packed));

/* GDT, TSS, IDT, control registers, system call registers and %gs of this processor. Works on the
 * boot processor before memory is managed: all structures are static for number 0 and allocated by
 * the caller for others. */
void cpu_setup(struct cpu *cpu);
/* Where its descriptor tables are. */
uint64_t cpu_setup_gdt_base(const struct cpu *cpu);
uint64_t cpu_setup_idt_base(void);
/* Load this processor's descriptor tables and TSS again, with their limits, which a guest's end has
 * widened and cut (Intel SDM volume 3C, 28.5.2). Preemption disabled. */
void cpu_setup_reload_tables(void);
/* Write the CLAC and STAC instructions over their place holders. Boot processor, before the kernel
 * text becomes read-only. */
void cpu_patch_smap(void);
/* Load the IDT with the vector stubs; before anything can fault. */
void cpu_setup_idt(void);

#endif
