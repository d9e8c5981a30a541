/* trace_site.h - branches to code that records events, all taken or none. While none is, such a
 * branch is one instruction that does nothing. */
#ifndef ARCH_TRACE_SITE_H
#define ARCH_TRACE_SITE_H

#include <stdbool.h>

/* Five bytes, `test $distance, %eax` or `jmp distance`: they differ in the first, so a processor
 * that is just there meets the one or the other. */
static inline __attribute__((always_inline)) bool trace_site(void)
{
    __asm__ volatile goto("881: .byte 0xa9\n.long %l[taken] - 882f\n882:\n"
                          ".pushsection .trace_table, \"a\"\n.quad 881b\n.popsection\n"
                          :
                          :
                          : "cc"
                          : taken);
    return false;
taken:
    return true;
}

/* Have all of them taken, or none. Locks: the caller sees to it that it is alone. */
void trace_sites_set(bool taken);

#endif
