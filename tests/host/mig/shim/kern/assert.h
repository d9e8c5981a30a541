/* assert.h - the kernel assert() on the host. */
#ifndef SHIM_KERN_ASSERT_H
#define SHIM_KERN_ASSERT_H

#include <assert.h>

#endif
