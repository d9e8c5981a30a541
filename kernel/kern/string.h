/* string.h - the memory and string functions the kernel allows itself (C library semantics). */
#ifndef KERN_STRING_H
#define KERN_STRING_H

#include <stddef.h>

void *memcpy(void *restrict destination, const void *restrict source, size_t size);
void *memmove(void *destination, const void *source, size_t size);
void *memset(void *destination, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);
size_t strlen(const char *string);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t size);
/* Copy with truncation; the result is always terminated when size > 0. Returns strlen(source). */
size_t strlcpy(char *destination, const char *source, size_t size);
/* First place of `needle` in `haystack`, or NULL. */
char *strstr(const char *haystack, const char *needle);

#endif
