/* print.c - formatted text to the kernel's console, for when nothing else works. */
#include <portolan/portolan.h>
#include <stdarg.h>
#include <stdio.h>

void portolan_print(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    mach_print(text);
}
