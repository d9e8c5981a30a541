/* stack_image.h - the first thread's stack block: argc, arguments, 0, environment, 0, auxiliary
 * vector, then the strings up to the end of the stack. */
#ifndef LIBMACH_SPAWN_STACK_IMAGE_H
#define LIBMACH_SPAWN_STACK_IMAGE_H

#include <mach/vm_types.h>
#include <stddef.h>

#define STACK_IMAGE_SIZE       ((size_t)128 * 1024) /* room for the block */
#define STACK_IMAGE_VECTOR_MAX 16                   /* pairs */

struct stack_vector {
    uint64_t type;
    uint64_t value;
};

struct stack_content {
    char *const *argv;
    char *const *envp;    /* NULL: none */
    const char *extra[2]; /* variables that replace those of the same name in envp; or NULL */
    const struct stack_vector *vector; /* without AT_NULL and AT_RANDOM */
    unsigned vector_count;
    const void *random; /* 16 bytes for AT_RANDOM; NULL: none */
};

/* Build the block in `block`, of STACK_IMAGE_SIZE bytes, which will lie so that it ends at
 * `end` in the new task. Returns the new stack pointer (16-aligned), or 0 when it does not fit.
 * Locks: none. Sleeps: no. */
vm_address_t stack_image_build(const struct stack_content *content, char *block, vm_address_t end);

#endif
