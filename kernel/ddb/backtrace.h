/* backtrace.h - backtraces with symbols. */
#ifndef DDB_BACKTRACE_H
#define DDB_BACKTRACE_H

#include <stdint.h>

/* Print the chain of return addresses from a frame pointer on. */
void backtrace_print(uint64_t rip, uint64_t rbp);
/* Name of the function that holds address, and the distance from its start; NULL when unknown. */
const char *backtrace_symbol(uint64_t address, uint64_t *offset);

#endif
