/* hypercall.h - what a guest can have without any device: calls to its monitor.
 *
 * With VMMCALL (AMD) or VMCALL (Intel) at privilege level 0. RAX is the number, RBX, RCX and RDX
 * are arguments; RAX is the answer, all else stays. HYPERCALL_UNKNOWN is the answer of a number
 * that nobody knows, HYPERCALL_BAD of arguments that cannot be. That a machine has them says CPUID:
 * HYPERCALL_CPUID_LEAF gives the signature. Addresses are guest physical. */
#ifndef MACH_HYPERCALL_H
#define MACH_HYPERCALL_H

#include <stdint.h>

#define HYPERCALL_CPUID_LEAF 0x40000000u
#define HYPERCALL_CPUID_EBX  0x74726f50u /* "PortolanHv  " */
#define HYPERCALL_CPUID_ECX  0x6e616c6fu
#define HYPERCALL_CPUID_EDX  0x20207648u

#define HYPERCALL_UNKNOWN UINT64_MAX
#define HYPERCALL_BAD     (UINT64_MAX - 1)
#define HYPERCALL_BUSY    (UINT64_MAX - 2)

#define HYPERCALL_FIRST 0x504f5200u
/* HYPERCALL_HAS_*. */
#define HYPERCALL_FEATURES (HYPERCALL_FIRST + 0)
/* Nanoseconds since the host was started; as precise as its clock, and never less than before. */
#define HYPERCALL_TIME (HYPERCALL_FIRST + 1)
/* Let others run. */
#define HYPERCALL_YIELD (HYPERCALL_FIRST + 2)
/* Nanoseconds since 1970-01-01, UTC. */
#define HYPERCALL_TIME_OF_DAY (HYPERCALL_FIRST + 3)
/* Write RCX bytes at address RBX to the console: HYPERCALL_CONSOLE_MAX at most. Returns: how many
 * were taken. */
#define HYPERCALL_CONSOLE_WRITE (HYPERCALL_FIRST + 4)
/* Read up to RCX bytes that were typed into memory at RBX. Returns: how many. */
#define HYPERCALL_CONSOLE_READ (HYPERCALL_FIRST + 5)
/* Have interrupt RCX (16 to 255; 0: none) come to the processor whose local APIC has the id RDX
 * when the event RBX, one of HYPERCALL_EVENT_*, is pending and was not before. */
#define HYPERCALL_EVENT_VECTOR (HYPERCALL_FIRST + 6)
/* Which of the events in RBX (HYPERCALL_EVENT_*) are pending. They are not any more. */
#define HYPERCALL_EVENTS (HYPERCALL_FIRST + 7)
/* Have HYPERCALL_EVENT_TIMER happen when HYPERCALL_TIME is RBX; UINT64_MAX: never. */
#define HYPERCALL_TIMER (HYPERCALL_FIRST + 8)
/* The sectors of disk RBX; 0: there is no such disk. With bit 63: it cannot be written. A request
 * that is not of whole blocks, where the disk's are larger than sectors, fails. */
#define HYPERCALL_BLOCK_SIZE (HYPERCALL_FIRST + 9)
/* Do the request at address RBX, a struct hypercall_block. Returns: 0, or HYPERCALL_BAD (it is not
 * in memory, or HYPERCALL_BLOCK_REQUESTS are under way). When it is done, its status is set and
 * HYPERCALL_EVENT_BLOCK happens. */
#define HYPERCALL_BLOCK (HYPERCALL_FIRST + 10)
/* How many pages the monitor would like to have back, those it has included. A guest that asks can
 * be asked for memory. */
#define HYPERCALL_BALLOON_TARGET (HYPERCALL_FIRST + 11)
/* Give back RCX pages from page number RBX on: HYPERCALL_BALLOON_PAGES_MAX at most. What is in them
 * is lost; when they are touched again they are there again, and full of zeroes. Returns: 0,
 * HYPERCALL_BAD (not memory, or too many), HYPERCALL_BUSY (a disk's request is being done: later).
 */
#define HYPERCALL_BALLOON_GIVE (HYPERCALL_FIRST + 12)
/* Turn the machine off; RBX is its exit status. */
#define HYPERCALL_POWER_OFF (HYPERCALL_FIRST + 13)
/* RCX pages from page number RBX on, which were given back, are used again: for the monitor's
 * figures. Returns: 0, HYPERCALL_BAD (not memory). */
#define HYPERCALL_BALLOON_TAKE (HYPERCALL_FIRST + 14)

#define HYPERCALL_HAS_CONSOLE 1u
#define HYPERCALL_HAS_TIMER   2u /* and the time of day */
#define HYPERCALL_HAS_EVENTS  4u /* as an interrupt: the machine has local APICs */
#define HYPERCALL_HAS_BLOCK   8u
#define HYPERCALL_HAS_BALLOON 16u
#define HYPERCALL_HAS_POWER   32u

#define HYPERCALL_EVENT_CONSOLE 1u /* something was typed */
#define HYPERCALL_EVENT_BLOCK   2u
#define HYPERCALL_EVENT_TIMER   4u
#define HYPERCALL_EVENT_BALLOON 8u /* the target has changed */
#define HYPERCALL_EVENT_KINDS   4u

/* What HYPERCALL_EVENT_VECTOR takes as RCX and RDX, of a message of a device (MSI: Intel SDM volume
 * 3A, 11.11). */
#define HYPERCALL_MESSAGE_VECTOR(data)  ((uint64_t)(data)&0xff)
#define HYPERCALL_MESSAGE_APIC(address) ((uint64_t)(address) >> 12 & 0xff)

#define HYPERCALL_CONSOLE_MAX       4096u
#define HYPERCALL_BLOCK_REQUESTS    32u
#define HYPERCALL_BLOCK_SECTORS_MAX 2048u /* of 512 bytes, of one request */
#define HYPERCALL_BLOCK_PIECES_MAX  257u  /* so many sectors from inside a page on */
#define HYPERCALL_BLOCK_READ_ONLY   (1ull << 63)

#define HYPERCALL_BALLOON_PAGES_MAX 512u /* 2 MiB */

/* hypercall_block.operation */
#define HYPERCALL_BLOCK_READ  0u
#define HYPERCALL_BLOCK_WRITE 1u
#define HYPERCALL_BLOCK_FLUSH 2u
/* Or that, with reads and writes: the data is in several pieces. address is of a list, aligned to 8
 * bytes, of 64-bit addresses: the first piece goes from its address to the end of the page, each
 * other one is a page, the last as much of one as is left. */
#define HYPERCALL_BLOCK_LIST 0x100u

/* hypercall_block.status */
#define HYPERCALL_BLOCK_PENDING 0u
#define HYPERCALL_BLOCK_DONE    1u
#define HYPERCALL_BLOCK_FAILED  2u

/* A request of a disk: aligned to 8 bytes, and the monitor's until its status says otherwise. */
struct hypercall_block {
    uint32_t disk;
    uint32_t operation;
    uint64_t sector;
    uint64_t address; /* of the data, which is in one piece, or of a list of its pieces */
    uint32_t sectors;
    uint32_t status; /* set by the monitor, last */
};

#endif
