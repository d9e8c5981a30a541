/* terminal.c - output: everything goes to the serial line and to the screen; the beginning of the
 * current line is remembered so that Ctrl-L can show it again. */
#include "terminal.h"

#include <string.h>

#include "monitor.h"
#include "screen.h"
#include "uart.h"

#define PROMPT_MAX 256

static char terminal_line[PROMPT_MAX];
static size_t terminal_line_length;

void terminal_write(const char *text, size_t size)
{
    uart_write(text, size);
    monitor_write(text, size);
    screen_write(text, size);
}

void terminal_string(const char *text)
{
    terminal_write(text, strlen(text));
}

void terminal_repeat(char c, size_t n)
{
    char text[64];

    memset(text, c, sizeof(text));
    while (n > 0) {
        size_t now = n < sizeof(text) ? n : sizeof(text);

        terminal_write(text, now);
        n -= now;
    }
}

void terminal_note(const char *text, size_t size)
{
    const char *line = memrchr(text, '\n', size);

    if (line != NULL) {
        size -= (size_t)(line + 1 - text);
        text = line + 1;
        terminal_line_length = 0;
    }
    if (size > PROMPT_MAX - terminal_line_length) {
        size = PROMPT_MAX - terminal_line_length;
    }
    memcpy(terminal_line + terminal_line_length, text, size);
    terminal_line_length += size;
}

size_t terminal_prompt(const char **text)
{
    *text = terminal_line;
    return terminal_line_length;
}
