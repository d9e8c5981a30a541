/* atomic.h - the few atomic operations the kernel uses, on plain integers and pointers. */
#ifndef KERN_ATOMIC_H
#define KERN_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#define atomic_load(p)             __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_store(p, v)         __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define atomic_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define atomic_exchange(p, v)      __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define atomic_fetch_add(p, v)     __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define atomic_fetch_sub(p, v)     __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define atomic_fetch_or(p, v)      __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define atomic_fetch_and(p, v)     __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
#define atomic_inc(p)              ((void)__atomic_fetch_add((p), 1, __ATOMIC_RELAXED))
#define atomic_dec(p)              ((void)__atomic_fetch_sub((p), 1, __ATOMIC_RELAXED))
/* Take one off; true when that was the last. */
#define atomic_dec_and_test(p) (__atomic_sub_fetch((p), 1, __ATOMIC_ACQ_REL) == 0)
/* Set *p to `to` if it is `from`; true on success. */
#define atomic_cas(p, from, to)                                                                    \
    ({                                                                                             \
        __typeof__(*(p)) atomic_expected = (from);                                                 \
        __atomic_compare_exchange_n((p), &atomic_expected, (to), false, __ATOMIC_ACQ_REL,          \
                                    __ATOMIC_ACQUIRE);                                             \
    })

static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}

#endif
