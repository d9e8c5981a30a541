/* thread_status.h - machine state of a thread, by flavor. Counts are in 32-bit units. */
#ifndef MACH_THREAD_STATUS_H
#define MACH_THREAD_STATUS_H

#include <mach/vm_types.h>

typedef natural_t *thread_state_t;
#define THREAD_STATE_MAX 1024
typedef natural_t thread_state_data_t[THREAD_STATE_MAX];
typedef integer_t thread_state_flavor_t;

#define THREAD_STATE_FLAVOR_LIST 0
#define i386_THREAD_STATE        1
#define i386_FLOAT_STATE         2
#define i386_ISA_PORT_MAP_STATE  3
#define i386_V86_ASSIST_STATE    4
#define i386_REGS_SEGS_STATE     5
#define i386_DEBUG_STATE         6
#define i386_FSGS_BASE_STATE     7
#define i386_XFLOAT_STATE        8

/* Flavors THREAD and REGS_SEGS. */
struct i386_thread_state {
    uint64_t r8;
    uint64_t r9;
    uint64_t r10;
    uint64_t r11;
    uint64_t r12;
    uint64_t r13;
    uint64_t r14;
    uint64_t r15;
    uint64_t rdi;
    uint64_t rsi;
    uint64_t rbp;
    uint64_t rsp; /* unused: the stack pointer is ursp */
    uint64_t rbx;
    uint64_t rdx;
    uint64_t rcx;
    uint64_t rax;
    uint64_t rip;
    uint64_t cs;
    uint64_t rfl;
    uint64_t ursp;
    uint64_t ss;
};
#define i386_THREAD_STATE_COUNT    (sizeof(struct i386_thread_state) / sizeof(natural_t))
#define i386_REGS_SEGS_STATE_COUNT i386_THREAD_STATE_COUNT
MACH_ABI_SIZE(struct i386_thread_state, 168);
MACH_ABI_OFFSET(struct i386_thread_state, rax, 120);
MACH_ABI_OFFSET(struct i386_thread_state, rip, 128);
MACH_ABI_OFFSET(struct i386_thread_state, cs, 136);
MACH_ABI_OFFSET(struct i386_thread_state, rfl, 144);
MACH_ABI_OFFSET(struct i386_thread_state, ursp, 152);
MACH_ABI_OFFSET(struct i386_thread_state, ss, 160);

/* Kinds of floating point unit. */
#define FP_NO    0
#define FP_SOFT  1
#define FP_287   2
#define FP_387   3
#define FP_387FX 4
#define FP_387X  5

/* The x87 registers in FNSAVE form. */
#define FP_STATE_BYTES 108
struct i386_float_state {
    int fpkind;
    int initialized;
    unsigned char hw_state[FP_STATE_BYTES];
    int exc_status;
};
#define i386_FLOAT_STATE_COUNT (sizeof(struct i386_float_state) / sizeof(natural_t))
MACH_ABI_SIZE(struct i386_float_state, 120);

/* All extended state in XSAVE form; i386_get_xstate_size tells how long it is. */
struct i386_xfloat_state {
    int fpkind;
    int initialized;
    int exc_status;
    int fp_save_kind;
    unsigned char hw_state[];
};
MACH_ABI_SIZE(struct i386_xfloat_state, 16);

#define PORT_MAP_BITS 0x400
struct i386_isa_port_map_state {
    unsigned char pm[PORT_MAP_BITS >> 3];
};
#define i386_ISA_PORT_MAP_STATE_COUNT (sizeof(struct i386_isa_port_map_state) / sizeof(natural_t))

struct i386_v86_assist_state {
    unsigned int int_table;
    int int_count;
};
#define i386_V86_ASSIST_STATE_COUNT (sizeof(struct i386_v86_assist_state) / sizeof(natural_t))

struct i386_debug_state {
    unsigned int dr[8];
};
#define i386_DEBUG_STATE_COUNT (sizeof(struct i386_debug_state) / sizeof(natural_t))

struct i386_fsgs_base_state {
    uint64_t fs_base;
    uint64_t gs_base;
};
#define i386_FSGS_BASE_STATE_COUNT (sizeof(struct i386_fsgs_base_state) / sizeof(natural_t))
MACH_ABI_SIZE(struct i386_fsgs_base_state, 16);

#define MACHINE_THREAD_STATE       i386_THREAD_STATE
#define MACHINE_THREAD_STATE_COUNT i386_THREAD_STATE_COUNT

#endif
