/* abi_assert.h - compile-time checks of the ABI that read the same in C and C++. */
#ifndef MACH_ABI_ASSERT_H
#define MACH_ABI_ASSERT_H

#include <stddef.h>

#ifdef __cplusplus
#define MACH_ABI_ASSERT(condition, text) static_assert(condition, text)
#else
#define MACH_ABI_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define MACH_ABI_SIZE(type, bytes) MACH_ABI_ASSERT(sizeof(type) == (bytes), "size of " #type)
#define MACH_ABI_OFFSET(type, field, at)                                                           \
    MACH_ABI_ASSERT(offsetof(type, field) == (at), "offset of " #type "." #field)

#ifdef __cplusplus
#define MACH_BEGIN_DECLS extern "C" {
#define MACH_END_DECLS   }
#else
#define MACH_BEGIN_DECLS
#define MACH_END_DECLS
#endif

#endif
