/* start.h - the start of a program, called by crt1.S. */
#ifndef LIBMACH_START_START_H
#define LIBMACH_START_START_H

#include <stddef.h>
#include <stdint.h>

/* Prepare the library. Returns the stack block libc shall see: argc, arguments, 0, environment, 0,
 * auxiliary vector. */
uint64_t *libmach_start(uint64_t *stack);

/* The block with a vector put in when it has none that tells the program headers: in room (of
 * room_words) if it fits there, otherwise unchanged. */
uint64_t *start_complete_stack(uint64_t *stack, uint64_t *room, size_t room_words,
                               const uint64_t *vector, size_t vector_words);

#endif
