/* fastpath.h - the machine's part of the short way of a message (ipc/ipc_fastpath.c): user memory
 * read and written in place, and the switch to a thread that has no kernel stack. Interrupts are
 * off throughout, so a page that is not there is an answer and not a fault to wait for. */
#ifndef ARCH_FASTPATH_H
#define ARCH_FASTPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/cpu.h"
#include "arch/fpu.h"
#include "arch/pcb.h"
#include "arch/pmap_switch.h"
#include "arch/usercopy.h"

#define FASTPATH_INLINE static inline __attribute__((always_inline))

/* SMAP is opened and closed at sites that cpu_patch_smap() fills; what follows 0: is where a fault
 * may be, and goes on at the label `fault`. */
#define FASTPATH_SMAP_SITE(is_stac)                                                                \
    "771: .byte 0x0f, 0x1f, 0x00\n"                                                                \
    ".pushsection .smap_table, \"a\"\n.quad 771b, " #is_stac "\n.popsection\n"
#define FASTPATH_MAY_FAULT(site)                                                                   \
    ".pushsection .exception_table, \"a\"\n.quad " #site "b, %l[fault]\n.popsection\n"

FASTPATH_INLINE void fastpath_open(void)
{
    __asm__ volatile(FASTPATH_SMAP_SITE(1)::: "memory", "cc");
}

FASTPATH_INLINE void fastpath_close(void)
{
    __asm__ volatile(FASTPATH_SMAP_SITE(0)::: "memory", "cc");
}

/* A message header in the pieces it is moved in. */
struct fastpath_header {
    uint64_t bits_and_size;
    uint64_t remote;
    uint64_t local;
    uint32_t seqno;
    uint32_t id;
};

/* Read a header, but for its sequence number, and write one in user memory that is open. False when
 * a page is missing. */
FASTPATH_INLINE bool fastpath_read_header(user_addr_t msg, struct fastpath_header *h)
{
    uint64_t bits_and_size, remote, local;
    uint32_t id;

    __asm__ volatile goto("1: movq (%4), %0\n2: movq 8(%4), %1\n3: movq 16(%4), %2\n4: movl "
                          "28(%4), %3\n" FASTPATH_MAY_FAULT(1) FASTPATH_MAY_FAULT(2)
                              FASTPATH_MAY_FAULT(3) FASTPATH_MAY_FAULT(4)
                          : "=&r"(bits_and_size), "=&r"(remote), "=&r"(local), "=&r"(id)
                          : "r"(msg)
                          : "memory"
                          : fault);
    *h = (struct fastpath_header){bits_and_size, remote, local, 0, id};
    return true;
fault:
    return false;
}

FASTPATH_INLINE bool fastpath_write_header(user_addr_t msg, const struct fastpath_header *h)
{
    __asm__ volatile goto(
        "1: movq %1, (%0)\n2: movq %2, 8(%0)\n3: movq %3, 16(%0)\n4: movl %4, 24(%0)\n"
        "5: movl %5, 28(%0)\n" FASTPATH_MAY_FAULT(1) FASTPATH_MAY_FAULT(2) FASTPATH_MAY_FAULT(3)
            FASTPATH_MAY_FAULT(4) FASTPATH_MAY_FAULT(5)
        :
        : "r"(msg), "r"(h->bits_and_size), "r"(h->remote), "r"(h->local), "r"(h->seqno), "r"(h->id)
        : "memory"
        : fault);
    return true;
fault:
    return false;
}

/* Read a word of a kernel table that may lack the page. */
FASTPATH_INLINE bool fastpath_read_table(const uint32_t *address, uint32_t *value)
{
    uint32_t word;

    __asm__ volatile goto("1: movl %1, %0\n" FASTPATH_MAY_FAULT(1)
                          : "=r"(word)
                          : "m"(*address)
                          : "memory"
                          : fault);
    *value = word;
    return true;
fault:
    return false;
}

/* Copy words from or to user memory that is open. False when a page is missing; part may be
 * copied. */
FASTPATH_INLINE bool fastpath_copy(uint64_t destination, uint64_t source, uint64_t words)
{
    __asm__ volatile goto("1: rep movsq\n" FASTPATH_MAY_FAULT(1)
                          : "+D"(destination), "+S"(source), "+c"(words)
                          :
                          : "memory"
                          : fault);
    return true;
fault:
    return false;
}

/* Can this processor do it? Else the short way is off. */
bool fastpath_machine_can(void);
/* XRSTOR of this makes all vector registers initial. */
extern const uint8_t fastpath_initial_vectors[];

/* All that belongs to a thread but its stack, its GS base (fastpath_leave) and the time. The next
 * thread is inside mach_msg, whose caller expects no vector register to survive: they are cleared
 * and only the control words set. Of the one that leaves no more is kept either, in its save area,
 * unless it keeps its registers. */
FASTPATH_INLINE void fastpath_switch(struct cpu *cpu, struct pcb *from, struct pcb *to,
                                     bool keeps_registers)
{
    uint64_t fs_base;

    if (keeps_registers) {
        fpu_save(from);
    } else {
        __asm__ volatile("stmxcsr 24(%0); fnstcw (%0)" ::"r"(from->fpu) : "memory");
        from->fpu_fresh = true;
    }
    __asm__ volatile("xrstor64 %0" ::"m"(*fastpath_initial_vectors), "a"(~0u), "d"(~0u));
    __asm__ volatile("ldmxcsr 24(%0); fldcw (%0)" ::"r"(to->fpu) : "memory");
    __asm__ volatile("rdfsbase %0" : "=r"(fs_base));
    from->fs_base = fs_base;
    if (fs_base != to->fs_base) {
        __asm__ volatile("wrfsbase %0" ::"r"(to->fs_base));
    }
    *cpu->tss_rsp0 = (uint64_t)&to->regs + TRAP_FRAME_SIZE;
}

/* entry.asm: exchange the GS bases, let `from` go (from->on_cpu), and return to user mode as `to`
 * from its mach_msg with MACH_MSG_SUCCESS. */
_Noreturn void fastpath_leave(struct pcb *from, struct pcb *to);

#endif
