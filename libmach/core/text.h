/* text.h - memory and strings for code that must not call libc. */
#ifndef LIBMACH_CORE_TEXT_H
#define LIBMACH_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The string instructions: short code, no vector registers. */
static inline void memory_copy(void *to, const void *from, size_t size)
{
    size_t words = size / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    size %= 8;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static inline void memory_zero(void *to, size_t size)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(0) : "memory");
}

static inline size_t text_length(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0') {
        n++;
    }
    return n;
}

static inline bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Does text begin with prefix? */
static inline bool text_begins(const char *text, const char *prefix)
{
    while (*prefix != '\0' && *text == *prefix) {
        text++;
        prefix++;
    }
    return *prefix == '\0';
}

/* Copy as much of a string as fits into room bytes, always ended. Returns the length copied. */
static inline size_t text_copy(char *to, const char *from, size_t room)
{
    size_t n = 0;

    if (room == 0) {
        return 0;
    }
    while (n + 1 < room && from[n] != '\0') {
        to[n] = from[n];
        n++;
    }
    to[n] = '\0';
    return n;
}

/* A number in decimal, with NUL; to has 21 bytes. Returns the length. */
static inline size_t text_decimal(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    size_t length = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n != 0) {
        to[length++] = digits[--n];
    }
    to[length] = '\0';
    return length;
}

#endif
