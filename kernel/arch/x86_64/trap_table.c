/* trap_table.c - system call numbers to functions. */
#include <mach/mach_traps.h>

#include "arch/trap.h"
#include "hv/hv.h"
#include "ipc/mach_msg.h"
#include "ipc/mach_port_traps.h"
#include "kern/assert.h"
#include "kern/trap_calls.h"
#include "vm/memory_object_trap.h"
#include "vm/vm_traps.h"

#define TRAP_COUNT 128 /* known to entry.asm */

static_assert(MACH_TRAP_LIMIT <= TRAP_COUNT, "every trap has a place");

/* Arguments beyond six are on the user's stack. */
#define TRAP_ENTRY(name, number, arguments)                                                        \
    [number] = {(void *)(name), (arguments) > 6 ? (arguments)-6 : 0},

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                     \
    "-Woverride-init" /* the first line fills the table, the list overwrites */
const struct trap_entry trap_table[TRAP_COUNT] = {
    [0 ... TRAP_COUNT - 1] = {(void *)trap_unassigned, 0}, MACH_TRAP_LIST(TRAP_ENTRY)};
#pragma GCC diagnostic pop
