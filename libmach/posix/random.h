/* random.h - numbers nobody can guess, from the processor. */
#ifndef LIBMACH_POSIX_RANDOM_H
#define LIBMACH_POSIX_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

/* Fill with random bytes. Returns false, and fills nothing, on a processor that has none. */
bool random_fill(void *data, size_t size);

/* The same, or else bytes made from the cycle counter: different each time, but no secret. */
void random_fill_weak(void *data, size_t size);

#endif
