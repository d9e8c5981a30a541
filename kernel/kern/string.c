/* string.c - the memory and string functions of string.h; rep string instructions are the fast way
 * on every processor we run on. */
#include "kern/string.h"

#include <stdint.h>

void *memcpy(void *restrict destination, const void *restrict source, size_t size)
{
    void *to = destination;
    size_t words = size >> 3;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words)::"memory");
    size &= 7;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(size)::"memory");
    return destination;
}

void *memmove(void *destination, const void *source, size_t size)
{
    uint8_t *to = destination;
    const uint8_t *from = source;

    if (to <= from || to >= from + size) {
        while (size-- > 0) {
            *to++ = *from++;
        }
        return destination;
    }
    while (size-- > 0) {
        to[size] = from[size];
    }
    return destination;
}

void *memset(void *destination, int value, size_t size)
{
    void *to = destination;
    size_t words = size >> 3;
    uint64_t pattern = (uint8_t)value * 0x0101010101010101ull;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    size &= 7;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return destination;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *l = left, *r = right;

    for (size_t i = 0; i < size; i++) {
        if (l[i] != r[i]) {
            return l[i] < r[i] ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *string)
{
    size_t length = 0;

    while (string[length] != '\0') {
        length++;
    }
    return length;
}

int strcmp(const char *left, const char *right)
{
    return strncmp(left, right, SIZE_MAX);
}

int strncmp(const char *left, const char *right, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i]) {
            return (uint8_t)left[i] < (uint8_t)right[i] ? -1 : 1;
        }
        if (left[i] == '\0') {
            return 0;
        }
    }
    return 0;
}

size_t strlcpy(char *destination, const char *source, size_t size)
{
    size_t length = strlen(source);

    if (size > 0) {
        size_t n = length < size - 1 ? length : size - 1;

        memcpy(destination, source, n);
        destination[n] = '\0';
    }
    return length;
}

char *strstr(const char *haystack, const char *needle)
{
    size_t length = strlen(needle);

    for (; *haystack != '\0'; haystack++) {
        if (strncmp(haystack, needle, length) == 0) {
            return (char *)haystack;
        }
    }
    return length == 0 ? (char *)haystack : NULL;
}
