/* files.h - what tests of the file server share. All is done below FILES_PLACE. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILES_PLACE "/tmp/t"
#define FILES_PAGE  4096ul

/* Make the place anew, and it the working directory. */
void files_start(void);
/* Remove it with everything in it. */
void files_end(void);

/* Make a file with so many bytes, each files_byte() of its offset. Returns: a descriptor open for
 * reading and writing, at the start. */
int files_make(const char *path, size_t size);
char files_byte(size_t offset);
/* Does the descriptor's file have these bytes from an offset on, and has it that size? */
bool files_hold(int fd, size_t offset, const char *bytes, size_t size);
long files_size(const char *path);
/* The error of a call that should fail: 0 when it did not. */
int files_error(long result);
/* Map the whole of a file, shared. */
char *files_map(int fd, size_t size, int protection);

#endif
