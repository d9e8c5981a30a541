/* printf.c - formatted output: to a buffer, and to the kernel console. */
#include "kern/printf.h"

#include <stdbool.h>
#include <stdint.h>

#include "kern/console.h"
#include "kern/string.h"

/* Where output goes: `put` is called for each character. */
struct printf_sink {
    void (*put)(struct printf_sink *sink, char c);
    char *buffer;
    size_t size;
    size_t length; /* characters the whole text has so far */
};

/* One conversion: %[-0#][width][.precision][l|ll|z]c */
struct printf_spec {
    bool left;
    bool zero;
    bool prefix; /* # */
    int width;
    int precision; /* -1: none */
    bool wide;     /* 64-bit argument */
};

static void printf_put_buffer(struct printf_sink *sink, char c)
{
    if (sink->length + 1 < sink->size) {
        sink->buffer[sink->length] = c;
    }
    sink->length++;
}

static void printf_put_console(struct printf_sink *sink, char c)
{
    console_put(c);
    sink->length++;
}

static void printf_pad(struct printf_sink *sink, char c, int n)
{
    while (n-- > 0) {
        sink->put(sink, c);
    }
}

static void printf_text(struct printf_sink *sink, const struct printf_spec *spec, const char *text)
{
    int length = 0;

    if (text == NULL) {
        text = "(null)";
    }
    while (text[length] != '\0' && (spec->precision < 0 || length < spec->precision)) {
        length++;
    }
    if (!spec->left) {
        printf_pad(sink, ' ', spec->width - length);
    }
    for (int i = 0; i < length; i++) {
        sink->put(sink, text[i]);
    }
    if (spec->left) {
        printf_pad(sink, ' ', spec->width - length);
    }
}

static void printf_number(struct printf_sink *sink, const struct printf_spec *spec, uint64_t value,
                          unsigned base, const char *prefix, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    int n = 0;
    int prefix_length = (int)strlen(prefix);

    do {
        text[n++] = digits[value % base];
        value /= base;
    } while (value != 0);
    if (!spec->left && !spec->zero) {
        printf_pad(sink, ' ', spec->width - n - prefix_length);
    }
    for (int i = 0; i < prefix_length; i++) {
        sink->put(sink, prefix[i]);
    }
    if (!spec->left && spec->zero) {
        printf_pad(sink, '0', spec->width - n - prefix_length);
    }
    for (int i = n; i-- > 0;) {
        sink->put(sink, text[i]);
    }
    if (spec->left) {
        printf_pad(sink, ' ', spec->width - n - prefix_length);
    }
}

static const char *printf_parse_spec(const char *format, struct printf_spec *spec,
                                     va_list *arguments)
{
    *spec = (struct printf_spec){.precision = -1};
    for (;; format++) {
        if (*format == '-') {
            spec->left = true;
        } else if (*format == '0') {
            spec->zero = true;
        } else if (*format == '#') {
            spec->prefix = true;
        } else {
            break;
        }
    }
    if (*format == '*') {
        spec->width = va_arg(*arguments, int);
        format++;
    }
    for (; *format >= '0' && *format <= '9'; format++) {
        spec->width = spec->width * 10 + (*format - '0');
    }
    if (*format == '.') {
        format++;
        spec->precision = 0;
        if (*format == '*') {
            spec->precision = va_arg(*arguments, int);
            format++;
        }
        for (; *format >= '0' && *format <= '9'; format++) {
            spec->precision = spec->precision * 10 + (*format - '0');
        }
    }
    for (; *format == 'l' || *format == 'z'; format++) {
        spec->wide = true;
    }
    return format;
}

static void printf_signed(struct printf_sink *sink, const struct printf_spec *spec, int64_t value)
{
    printf_number(sink, spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10,
                  value < 0 ? "-" : "", false);
}

static void printf_convert(struct printf_sink *sink, const struct printf_spec *spec,
                           char conversion, va_list *arguments)
{
    char character[2] = {0, 0};

    switch (conversion) {
    case 'd':
    case 'i':
        printf_signed(sink, spec,
                      spec->wide ? va_arg(*arguments, int64_t) : va_arg(*arguments, int));
        break;
    case 'u':
    case 'x':
    case 'X':
        printf_number(sink, spec,
                      spec->wide ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned),
                      conversion == 'u' ? 10 : 16, spec->prefix && conversion != 'u' ? "0x" : "",
                      conversion == 'X');
        break;
    case 'p':
        printf_number(sink, spec, (uint64_t)va_arg(*arguments, void *), 16, "0x", false);
        break;
    case 's':
        printf_text(sink, spec, va_arg(*arguments, const char *));
        break;
    case 'c':
        character[0] = (char)va_arg(*arguments, int);
        printf_text(sink, spec, character);
        break;
    default:
        sink->put(sink, conversion);
        break;
    }
}

static void printf_format(struct printf_sink *sink, const char *format, va_list arguments)
{
    va_list copy;

    va_copy(copy, arguments);
    for (; *format != '\0'; format++) {
        struct printf_spec spec;

        if (*format != '%') {
            sink->put(sink, *format);
            continue;
        }
        format = printf_parse_spec(format + 1, &spec, &copy);
        if (*format == '\0') {
            break;
        }
        printf_convert(sink, &spec, *format, &copy);
    }
    va_end(copy);
}

int kvsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct printf_sink sink = {.put = printf_put_buffer, .buffer = buffer, .size = size};

    printf_format(&sink, format, arguments);
    if (size > 0) {
        buffer[sink.length < size ? sink.length : size - 1] = '\0';
    }
    return (int)sink.length;
}

int ksnprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = kvsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

void kvprintf(const char *format, va_list arguments)
{
    struct printf_sink sink = {.put = printf_put_console};
    uint64_t flags = console_begin();

    printf_format(&sink, format, arguments);
    console_end(flags);
}

void kprintf(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    kvprintf(format, arguments);
    va_end(arguments);
}
