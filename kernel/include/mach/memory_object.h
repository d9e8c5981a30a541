/* memory_object.h - how the kernel and a pager deal with a memory object's pages. */
#ifndef MACH_MEMORY_OBJECT_H
#define MACH_MEMORY_OBJECT_H

#include <mach/port.h>

#define MEMORY_OBJECT_NULL MACH_PORT_NULL

typedef int memory_object_copy_strategy_t;
#define MEMORY_OBJECT_COPY_NONE      0 /* copy at once */
#define MEMORY_OBJECT_COPY_CALL      1 /* ask the pager */
#define MEMORY_OBJECT_COPY_DELAY     2 /* copy on write */
#define MEMORY_OBJECT_COPY_TEMPORARY 3 /* copy on write, contents die with the last map */

typedef int memory_object_return_t;
#define MEMORY_OBJECT_RETURN_NONE  0 /* return no pages */
#define MEMORY_OBJECT_RETURN_DIRTY 1 /* the dirty ones */
#define MEMORY_OBJECT_RETURN_ALL   2 /* dirty and precious ones */

typedef mach_port_t *memory_object_array_t;
typedef const mach_port_t *const_memory_object_array_t;

#endif
