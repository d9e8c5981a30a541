/* swap_header.h - the first page of a disk that is swap, as Linux's mkswap writes it: what does not
 * have it is not touched. */
#ifndef PAGER_SWAP_HEADER_H
#define PAGER_SWAP_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define SWAP_HEADER_SIZE 4096u

/* Is this the header of swap on a device of so many bytes? Pages [1, 1 + *pages) are it then.
 * Returns: NULL, or a sentence that says why not. */
const char *swap_header_check(const void *header, uint64_t device_size, uint32_t *pages);

#endif
