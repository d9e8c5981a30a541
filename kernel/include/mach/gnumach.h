/* gnumach.h - flags of the calls GNU Mach added: waiting on memory words. */
#ifndef MACH_GNUMACH_H
#define MACH_GNUMACH_H

#define GSYNC_SHARED    0x01 /* the word may be mapped by other tasks too */
#define GSYNC_QUAD      0x02 /* compare 64 bits: val1 low, val2 high */
#define GSYNC_TIMED     0x04 /* wait no longer than msec */
#define GSYNC_BROADCAST 0x08 /* wake all waiters */
#define GSYNC_MUTATE    0x10 /* store val before waking */

/* Longest name task_set_name and thread_set_name keep, with its NUL. */
#define KERNEL_DEBUG_NAME_MAX 64
typedef char kernel_debug_name_t[KERNEL_DEBUG_NAME_MAX];
typedef const char *const_kernel_debug_name_t;

#endif
