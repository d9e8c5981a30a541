/* line.c - line editing and history. The line is kept here and the terminal is made to follow: what
 * changes is written again from the cursor on, then the cursor goes back with backspaces. */
#include "line.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "terminal.h"

#define LINE_MAX    1024
#define HISTORY_MAX 64
#define CONTROL(c)  ((c)&0x1f)
#define ESCAPE      0x1b
#define DELETE      0x7f

enum escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_SEQUENCE };

static struct {
    char text[LINE_MAX];
    size_t length;
    size_t cursor;
    enum escape escape;
    unsigned parameter;         /* of an escape sequence */
    bool after_return;          /* a new line right after a return is part of it */
    char *history[HISTORY_MAX]; /* a ring */
    unsigned history_count;     /* lines ever put in */
    unsigned history_at;        /* the one shown; history_count: the new line */
    char unfinished[LINE_MAX];  /* the new line while history is shown */
    size_t unfinished_length;
} line;

static void line_clear(void)
{
    line.length = 0;
    line.cursor = 0;
    line.escape = ESCAPE_NONE;
    line.history_at = line.history_count;
}

void line_give(void)
{
    size_t length = line.length;

    line_clear();
    (void)input_push(line.text, length); /* a queue that is full drops it */
}

/* Write the line from the cursor on, blank what stood behind it, go back to the cursor. */
static void line_redraw_tail(size_t erased)
{
    terminal_write(line.text + line.cursor, line.length - line.cursor);
    terminal_repeat(' ', erased);
    terminal_repeat('\b', line.length - line.cursor + erased);
}

static void line_move(size_t to)
{
    if (to < line.cursor) {
        terminal_repeat('\b', line.cursor - to);
    } else {
        terminal_write(line.text + line.cursor, to - line.cursor);
    }
    line.cursor = to;
}

static void line_insert(uint8_t byte)
{
    if (line.length + 1 >= LINE_MAX) {
        terminal_string("\a");
        return;
    }
    memmove(line.text + line.cursor + 1, line.text + line.cursor, line.length - line.cursor);
    line.text[line.cursor] = (char)byte;
    line.length++;
    terminal_write(line.text + line.cursor, 1);
    line.cursor++;
    if (line.cursor < line.length) {
        line_redraw_tail(0);
    }
}

/* Take out what lies between two places and leave the cursor there. */
static void line_remove(size_t from, size_t to)
{
    line_move(from);
    memmove(line.text + from, line.text + to, line.length - to);
    line.length -= to - from;
    line_redraw_tail(to - from);
}

static void line_replace(const char *text, size_t length)
{
    line_remove(0, line.length);
    memcpy(line.text, text, length);
    line.length = length;
    line_move(length);
}

static void line_history_add(void)
{
    unsigned slot = line.history_count % HISTORY_MAX;
    char **last = &line.history[(line.history_count + HISTORY_MAX - 1) % HISTORY_MAX];
    char *copy;

    if (line.length == 0 ||
        (line.history_count > 0 && *last != NULL && strlen(*last) == line.length &&
         memcmp(*last, line.text, line.length) == 0)) {
        return;
    }
    copy = strndup(line.text, line.length);
    if (copy != NULL) {
        free(line.history[slot]);
        line.history[slot] = copy;
        line.history_count++;
    }
}

static void line_history_show(unsigned at)
{
    const char *text;

    if (line.history_at == line.history_count) {
        memcpy(line.unfinished, line.text, line.length);
        line.unfinished_length = line.length;
    }
    line.history_at = at;
    if (at == line.history_count) {
        line_replace(line.unfinished, line.unfinished_length);
        return;
    }
    text = line.history[at % HISTORY_MAX];
    line_replace(text, strlen(text));
}

static void line_history_step(bool older)
{
    unsigned kept = line.history_count < HISTORY_MAX ? line.history_count : HISTORY_MAX;

    if (older && line.history_at > line.history_count - kept) {
        line_history_show(line.history_at - 1);
    } else if (!older && line.history_at < line.history_count) {
        line_history_show(line.history_at + 1);
    }
}

static void line_finish(void)
{
    line_move(line.length);
    terminal_string("\n");
    terminal_note("\n", 1);
    line_history_add();
    line.text[line.length] = '\n';
    if (!input_push(line.text, line.length + 1)) {
        terminal_string("\a");
    }
    line_clear();
}

static void line_interrupt(void)
{
    terminal_string("^C\n");
    terminal_note("\n", 1);
    line_clear();
    input_interrupt();
}

/* Clear the screen, then the prompt and the line again. */
static void line_clear_screen(void)
{
    const char *prompt;
    size_t length = terminal_prompt(&prompt);

    terminal_string("\033[H\033[2J");
    terminal_write(prompt, length);
    terminal_write(line.text, line.length);
    terminal_repeat('\b', line.length - line.cursor);
}

static size_t line_word_start(void)
{
    size_t at = line.cursor;

    while (at > 0 && line.text[at - 1] == ' ') {
        at--;
    }
    while (at > 0 && line.text[at - 1] != ' ') {
        at--;
    }
    return at;
}

static void line_delete(void)
{
    if (line.cursor < line.length) {
        line_remove(line.cursor, line.cursor + 1);
    }
}

/* The last byte of an escape sequence. */
static void line_sequence(uint8_t final)
{
    switch (final) {
    case 'A':
    case 'B':
        line_history_step(final == 'A');
        break;
    case 'C':
        line_move(line.cursor < line.length ? line.cursor + 1 : line.length);
        break;
    case 'D':
        line_move(line.cursor > 0 ? line.cursor - 1 : 0);
        break;
    case 'H':
        line_move(0);
        break;
    case 'F':
        line_move(line.length);
        break;
    case '~':
        if (line.parameter == 3) {
            line_delete();
        } else if (line.parameter == 1 || line.parameter == 7) {
            line_move(0);
        } else if (line.parameter == 4 || line.parameter == 8) {
            line_move(line.length);
        }
        break;
    default:
        break;
    }
}

/* Part of an escape sequence? */
static bool line_escape(uint8_t byte)
{
    if (line.escape == ESCAPE_NONE) {
        if (byte == ESCAPE) {
            line.escape = ESCAPE_BEGUN;
            line.parameter = 0;
        }
        return byte == ESCAPE;
    }
    if (line.escape == ESCAPE_BEGUN) {
        line.escape = byte == '[' || byte == 'O' ? ESCAPE_SEQUENCE : ESCAPE_NONE;
        return line.escape == ESCAPE_SEQUENCE;
    }
    if (byte >= '0' && byte <= '9') {
        line.parameter = (line.parameter * 10 + (unsigned)(byte - '0')) % 1000;
    } else if (byte >= 0x40 && byte < DELETE) {
        line.escape = ESCAPE_NONE;
        line_sequence(byte);
    } else if (byte < ' ') {
        line.escape = ESCAPE_NONE;
        return false;
    }
    return true;
}

static void line_control(uint8_t byte)
{
    switch (byte) {
    case CONTROL('A'):
        line_move(0);
        break;
    case CONTROL('B'):
        line_sequence('D');
        break;
    case CONTROL('C'):
        line_interrupt();
        break;
    case CONTROL('D'):
        if (line.length == 0) {
            input_push_end();
        } else {
            line_delete();
        }
        break;
    case CONTROL('E'):
        line_move(line.length);
        break;
    case CONTROL('F'):
        line_sequence('C');
        break;
    case CONTROL('H'):
    case DELETE:
        if (line.cursor > 0) {
            line_remove(line.cursor - 1, line.cursor);
        }
        break;
    case CONTROL('K'):
        line_remove(line.cursor, line.length);
        break;
    case CONTROL('L'):
        line_clear_screen();
        break;
    case CONTROL('N'):
    case CONTROL('P'):
        line_history_step(byte == CONTROL('P'));
        break;
    case CONTROL('U'):
        line_remove(0, line.cursor);
        break;
    case CONTROL('W'):
        line_remove(line_word_start(), line.cursor);
        break;
    default:
        break;
    }
}

void line_key(uint8_t byte)
{
    bool after_return = line.after_return;

    line.after_return = false;
    if (line_escape(byte)) {
        return;
    }
    if (byte == '\r' || byte == '\n') {
        if (byte == '\n' && after_return) {
            return;
        }
        line.after_return = byte == '\r';
        line_finish();
    } else if (byte == '\t') {
        line_insert(' ');
    } else if (byte < ' ' || byte == DELETE) {
        line_control(byte);
    } else {
        line_insert(byte);
    }
}
