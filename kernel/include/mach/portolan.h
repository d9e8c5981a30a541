/* portolan.h - types and numbers of portolan.defs. */
#ifndef MACH_PORTOLAN_H
#define MACH_PORTOLAN_H

#include <mach/vm_types.h>

#define PORTOLAN_NAME_MAX 64
#define PORTOLAN_TEXT_MAX 4096
typedef char portolan_name_t[PORTOLAN_NAME_MAX];
typedef char portolan_text_t[PORTOLAN_TEXT_MAX];
#define PORTOLAN_NUMBERS_MAX 16
typedef int64_t portolan_ledger_t[PORTOLAN_NUMBERS_MAX];
typedef int64_t portolan_counts_t[PORTOLAN_NUMBERS_MAX];
#define TRACE_WORDS_MAX 510
typedef int64_t trace_words_t[TRACE_WORDS_MAX];

/* Index into the arrays of task_get_ledger. */
#define PORTOLAN_LEDGER_KMEM_PAGES 0
#define PORTOLAN_LEDGER_PORTS      1
#define PORTOLAN_LEDGER_NAMES      2
#define PORTOLAN_LEDGER_KMSG_BYTES 3
#define PORTOLAN_LEDGER_THREADS    4
#define PORTOLAN_LEDGER_TASKS      5
#define PORTOLAN_LEDGER_COUNT      6

/* Index into the array of host_object_counts. */
#define PORTOLAN_COUNT_TASKS         0
#define PORTOLAN_COUNT_THREADS       1
#define PORTOLAN_COUNT_PORTS         2
#define PORTOLAN_COUNT_RIGHTS        3
#define PORTOLAN_COUNT_MESSAGES      4
#define PORTOLAN_COUNT_OBJECTS       5
#define PORTOLAN_COUNT_MAP_ENTRIES   6
#define PORTOLAN_COUNT_FREE_PAGES    7
#define PORTOLAN_COUNT_TOTAL_PAGES   8
#define PORTOLAN_COUNT_KERNEL_STACKS 9
#define PORTOLAN_COUNT_KERNEL_TABLES 10 /* pages of the kernel's page tables: they stay */
#define PORTOLAN_COUNT_COUNT         11

/* Index into the array of host_check_rights. Errors are ports with fewer rights counted than there
 * are, and names that are not their rights'. */
#define PORTOLAN_RIGHTS_ERRORS           0
#define PORTOLAN_RIGHTS_SPACES           1
#define PORTOLAN_RIGHTS_NAMES            2
#define PORTOLAN_RIGHTS_PORTS            3
#define PORTOLAN_RIGHTS_MESSAGES         4 /* queued */
#define PORTOLAN_RIGHTS_SEND             5 /* in names and queued messages */
#define PORTOLAN_RIGHTS_SEND_ONCE        6
#define PORTOLAN_RIGHTS_KERNEL_SEND      7 /* counted by their ports and found nowhere else */
#define PORTOLAN_RIGHTS_KERNEL_SEND_ONCE 8
#define PORTOLAN_RIGHTS_COUNT            9

#endif
