/* trace_site.h - on the host nothing is traced. */
#ifndef ARCH_TRACE_SITE_H
#define ARCH_TRACE_SITE_H

#include <stdbool.h>

static inline __attribute__((always_inline)) bool trace_site(void)
{
    return false;
}

#endif
