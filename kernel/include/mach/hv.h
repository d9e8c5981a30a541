/* hv.h - numbers of hv.defs, and the record that a virtual processor and its monitor share.
 *
 * The record is a page of the monitor's memory. The kernel writes it when hv_vcpu_run returns, and
 * reads `request`, and `registers`, `address` and `value` if that says so, once when it is called;
 * whatever else is in it means nothing to the kernel. */
#ifndef MACH_HV_H
#define MACH_HV_H

#include <mach/port.h>
#include <mach/vm_types.h>

/* Why hv_vcpu_run returned: record.reason. */
#define HV_EXIT_NONE      0  /* it has not run, or the call returned an error */
#define HV_EXIT_KICKED    1  /* hv_vcpu_kick, or the thread was suspended or aborted */
#define HV_EXIT_HALT      2  /* HLT, and HV_RUN_HALT_EXITS was asked for */
#define HV_EXIT_PORT      3  /* IN or OUT: address, size, value; qualification HV_PORT_* */
#define HV_EXIT_MSR_READ  4  /* RDMSR the kernel does not answer: address is its number */
#define HV_EXIT_MSR_WRITE 5  /* WRMSR likewise: value */
#define HV_EXIT_MEMORY    6  /* nothing is mapped at the guest physical address, or not so that */
                             /* the access is allowed: address; qualification HV_MEMORY_*; value */
                             /* is what the fault came to (KERN_*) */
#define HV_EXIT_SHUTDOWN  7  /* a fault while a double fault was delivered */
#define HV_EXIT_HYPERCALL 8  /* VMMCALL or, Intel's, VMCALL: its arguments are in the registers */
#define HV_EXIT_WINDOW    9  /* an interrupt would be taken now, as HV_RUN_WINDOW asked */
#define HV_EXIT_INVALID   10 /* no processor can be in this state: sentence says why */
#define HV_EXIT_UNKNOWN   11 /* the processor gave another reason: qualification is its number */
#define HV_EXIT_TASK      12 /* a task switch by hardware, which is not emulated */
#define HV_EXIT_EOI       13 /* a level-triggered interrupt's handler has ended: value is its vector */
#define HV_EXIT_APIC      14 /* HV_RUN_APIC_READ: value is the register's; the guest has not run */
#define HV_EXIT_COUNT     15

/* Of hv_machine_discard: bytes. */
#define HV_DISCARD_MAX 0x200000u

/* record.qualification of HV_EXIT_PORT */
#define HV_PORT_IN     1u
#define HV_PORT_STRING 2u /* INS or OUTS */
#define HV_PORT_REPEAT 4u

/* record.qualification of HV_EXIT_MEMORY */
#define HV_MEMORY_WRITE 1u
#define HV_MEMORY_FETCH 2u
#define HV_MEMORY_TABLE 4u /* by the guest's page tables, not by an operand */

/* record.request */
#define HV_RUN_REGISTERS  1u  /* take the registers over */
#define HV_RUN_ADVANCE    2u  /* then go on behind the instruction that made it return */
#define HV_RUN_WINDOW     4u  /* return as soon as the guest would take an interrupt */
#define HV_RUN_HALT_EXITS 8u  /* return at HLT; else the thread waits there for an event */
#define HV_RUN_APIC_READ  16u /* return with the register of the APIC at `address`, an offset, */
                              /* all ones if it is not in memory now (hv_machine_enable_apic) */
#define HV_RUN_APIC_WRITE 32u /* write `value` to it, then go on */

/* Index into registers, and into HV_STATE_GENERAL. */
#define HV_RAX           0
#define HV_RCX           1
#define HV_RDX           2
#define HV_RBX           3
#define HV_RSP           4
#define HV_RBP           5
#define HV_RSI           6
#define HV_RDI           7
#define HV_R8            8
#define HV_R15           15
#define HV_RIP           16
#define HV_RFLAGS        17
#define HV_GENERAL_COUNT 18

/* HV_STATE_SEGMENTS: two words each, selector | attributes << 16 | limit << 32, and the base. The
 * attributes are bits 8-15 and 20-23 of a descriptor's second half, side by side. Of GDTR and IDTR
 * only limit and base count. */
#define HV_SEGMENT_ES     0
#define HV_SEGMENT_CS     1
#define HV_SEGMENT_SS     2
#define HV_SEGMENT_DS     3
#define HV_SEGMENT_FS     4
#define HV_SEGMENT_GS     5
#define HV_SEGMENT_LDTR   6
#define HV_SEGMENT_TR     7
#define HV_SEGMENT_GDTR   8
#define HV_SEGMENT_IDTR   9
#define HV_SEGMENTS_COUNT 20

/* Index into HV_STATE_CONTROL. */
#define HV_CR0           0
#define HV_CR2           1
#define HV_CR3           2
#define HV_CR4           3
#define HV_CR8           4
#define HV_EFER          5
#define HV_PAT           6
#define HV_DR0           7
#define HV_DR6           11
#define HV_DR7           12
#define HV_TSC_OFFSET    13 /* the guest's time stamp less the host's */
#define HV_CONTROL_COUNT 14

/* Index into HV_STATE_MSRS. */
#define HV_STAR           0
#define HV_LSTAR          1
#define HV_CSTAR          2
#define HV_SFMASK         3
#define HV_KERNEL_GS_BASE 4
#define HV_SYSENTER_CS    5
#define HV_SYSENTER_ESP   6
#define HV_SYSENTER_EIP   7
#define HV_MSRS_COUNT     8

/* Index into HV_STATE_EVENTS. */
#define HV_EVENT_INTERRUPT_PENDING 0 /* 256 + vector, or 0 */
#define HV_EVENT_NMI_PENDING       1
#define HV_EVENT_NMI_BLOCKED       2 /* until IRET */
#define HV_EVENT_INJECTED          3 /* delivered next: vector | kind << 8 | 1 << 11 (error code) | */
                                     /* 1 << 31 (there is one) | error code << 32 */
#define HV_EVENT_SHADOW 4            /* of STI or MOV SS: no interrupt yet */
#define HV_EVENT_HALTED 5            /* HV_HALTED_* */
#define HV_EVENTS_COUNT 6

#define HV_HALTED_NOT     0
#define HV_HALTED_HLT     1 /* waits for an event */
#define HV_HALTED_STARTUP 2 /* waits for a start-up interrupt */

/* HV_STATE_VECTORS: x87 and SSE registers as FXSAVE has them in 64-bit mode. */
#define HV_VECTORS_COUNT 64

/* HV_STATE_XSAVE, where the host's processor has XSAVE. */
#define HV_XSAVE_XCR0   0
#define HV_XSAVE_IN_USE 1 /* XSTATE_BV: what of HV_STATE_VECTORS and the next is not initial */
#define HV_XSAVE_UPPER  2 /* the upper halves of YMM0-15, two words each */
#define HV_XSAVE_COUNT  34

/* HV_STATE_APIC, where there is a local APIC (hv_machine_enable_apic): a register at offset 16 * i
 * is word i, and words that are no registers have what else there is. The timer counts at 1 GHz,
 * divided. */
#define HV_APIC_BASE            0 /* the MSR; the address is always 0xfee00000 */
#define HV_APIC_DEADLINE        1 /* the MSR: of the guest's time stamp */
#define HV_APIC_ID              2 /* the processor's number, the first is 0; not to be changed */
#define HV_APIC_VERSION         3
#define HV_APIC_PENDING_STARTUP 4 /* 512: INIT; 256 + vector: start-up; or 0 */
#define HV_APIC_ERRORS          5 /* since ESR was written */
#define HV_APIC_TPR             8
#define HV_APIC_PPR             10
#define HV_APIC_EOI             11
#define HV_APIC_LDR             13
#define HV_APIC_DFR             14
#define HV_APIC_SVR             15
#define HV_APIC_ISR             16 /* to 23 */
#define HV_APIC_TMR             24
#define HV_APIC_IRR             32
#define HV_APIC_ESR             40
#define HV_APIC_ICR             48
#define HV_APIC_ICR_HIGH        49
#define HV_APIC_LVT_TIMER       50
#define HV_APIC_LVT_LINT0       53 /* and LINT1 */
#define HV_APIC_LVT_ERROR       55
#define HV_APIC_INITIAL         56
#define HV_APIC_CURRENT         57
#define HV_APIC_DCR             62
#define HV_APIC_SELF            63
#define HV_APIC_COUNT           64

/* Flavors of hv_vcpu_get_state and hv_vcpu_set_state. */
#define HV_STATE_GENERAL  0
#define HV_STATE_SEGMENTS 1
#define HV_STATE_CONTROL  2
#define HV_STATE_MSRS     3
#define HV_STATE_EVENTS   4
#define HV_STATE_VECTORS  5
#define HV_STATE_APIC     6
#define HV_STATE_XSAVE    7
#define HV_STATE_FLAVORS  8

#define HV_STATE_MAX 64
typedef int64_t hv_state_t[HV_STATE_MAX];

/* hv_machine_get_dirty: pages of guest physical memory, 64 to a word. */
#define HV_DIRTY_PAGES 64
#define HV_DIRTY_MAX   64 /* words at a time */
typedef int64_t hv_dirty_t[HV_DIRTY_MAX];

/* Kinds of hv_vcpu_inject. */
#define HV_INJECT_INTERRUPT       0 /* when the guest takes interrupts */
#define HV_INJECT_NMI             2
#define HV_INJECT_EXCEPTION       3 /* at once */
#define HV_INJECT_EXCEPTION_ERROR 4 /* with an error code, which is not pushed in real mode */

#define HV_SENTENCE_MAX 96

struct hv_record {
    uint32_t
        request; /* HV_RUN_*, of the monitor; all else is of the kernel, but what HV_RUN_* take */
    uint32_t reason; /* HV_EXIT_* */
    uint64_t qualification;
    uint64_t address;
    uint64_t value;
    uint32_t size;   /* of an access to a port, in bytes */
    uint32_t length; /* of the instruction, 0: not known */
    uint64_t registers[HV_GENERAL_COUNT];
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
    uint64_t code_base; /* the instruction is at this plus RIP */
    uint32_t instruction_count;
    uint32_t unused;
    uint8_t instruction[16]; /* of HV_EXIT_MEMORY: its bytes and those behind it, as they are now */
    uint64_t exits;          /* so far, those the kernel dealt with included */
    char sentence[HV_SENTENCE_MAX];
};

#if KERNEL
struct hv_machine;
struct hv_vcpu;
typedef struct hv_machine *hv_machine_t;
typedef struct hv_vcpu *hv_vcpu_t;
#else
typedef mach_port_t hv_machine_t;
typedef mach_port_t hv_vcpu_t;
#endif

#endif
