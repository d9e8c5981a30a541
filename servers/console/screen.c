/* screen.c - the terminal: text and escape sequences change a grid of cells; at the end of each
 * write the cells that differ from what is shown are drawn, so that scrolling many lines costs one
 * pass. */
#include "screen.h"

#include <hardware.h>
#include <mach/hardware.h>
#include <string.h>

#define PARAMETERS_MAX  8
#define TAB             8
#define COLOURS_DEFAULT 0x07
#define BRIGHT          0x08
#define PAUSE_CELLS     16u

enum state { STATE_TEXT, STATE_ESCAPE, STATE_SEQUENCE };

static struct {
    const struct display *display;
    struct cell wanted[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
    struct cell shown[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
    bool changed[SCREEN_ROWS_MAX]; /* rows in which the two may differ */
    unsigned row, column;          /* column == columns: the next character begins a new line */
    unsigned cursor_row, cursor_column; /* where it is shown */
    unsigned drawn;                     /* cells, in all */
    void (*pause)(void);
    uint8_t colours;
    bool reversed;
    enum state state;
    bool private; /* a sequence with ? */
    unsigned parameters[PARAMETERS_MAX];
    unsigned parameter_count;
} screen;

unsigned screen_rows(void)
{
    return screen.display != NULL ? screen.display->rows : SCREEN_ROWS_DEFAULT;
}

unsigned screen_columns(void)
{
    return screen.display != NULL ? screen.display->columns : SCREEN_COLUMNS_DEFAULT;
}

static struct cell screen_blank(void)
{
    return (struct cell){' ', screen.colours};
}

static void screen_erase(unsigned row, unsigned from, unsigned to)
{
    for (unsigned column = from; column < to; column++) {
        screen.wanted[row][column] = screen_blank();
    }
    screen.changed[row] = true;
}

static void screen_new_line(void)
{
    unsigned rows = screen_rows();

    if (screen.row + 1 < rows) {
        screen.row++;
        return;
    }
    memmove(&screen.wanted[0], &screen.wanted[1], (rows - 1) * sizeof(screen.wanted[0]));
    memset(screen.changed, true, sizeof(screen.changed));
    screen_erase(rows - 1, 0, screen_columns());
}

static void screen_put(uint8_t character)
{
    uint8_t colours = screen.colours;

    if (screen.column >= screen_columns()) {
        screen.column = 0;
        screen_new_line();
    }
    if (screen.reversed) {
        colours = (uint8_t)(colours << 4 | colours >> 4);
    }
    screen.wanted[screen.row][screen.column] = (struct cell){character, colours};
    screen.changed[screen.row] = true;
    screen.column++;
}

static void screen_control(uint8_t character)
{
    switch (character) {
    case '\n':
        screen.column = 0;
        screen_new_line();
        break;
    case '\r':
        screen.column = 0;
        break;
    case '\b':
        screen.column -= screen.column > 0;
        break;
    case '\t':
        do {
            screen_put(' ');
        } while (screen.column % TAB != 0 && screen.column < screen_columns());
        break;
    case 0x1b:
        screen.state = STATE_ESCAPE;
        break;
    default:
        break; /* the bell and the rest show nothing */
    }
}

/* The n-th parameter, or what it is when it is not given. */
static unsigned screen_parameter(unsigned n, unsigned otherwise)
{
    return n < screen.parameter_count && screen.parameters[n] != 0 ? screen.parameters[n]
                                                                   : otherwise;
}

static unsigned screen_limit(unsigned value, unsigned limit)
{
    return value < limit ? value : limit - 1;
}

static void screen_colour(unsigned code)
{
    static const uint8_t order[8] = {0, 4, 2, 6, 1, 5, 3, 7}; /* ANSI's to the VGA's */
    uint8_t bright = screen.colours & BRIGHT;

    if (code == 0) {
        screen.colours = COLOURS_DEFAULT;
        screen.reversed = false;
    } else if (code == 1) {
        screen.colours |= BRIGHT;
    } else if (code == 22) {
        screen.colours &= (uint8_t)~BRIGHT;
    } else if (code == 7 || code == 27) {
        screen.reversed = code == 7;
    } else if (code >= 30 && code <= 37) {
        screen.colours = (uint8_t)((screen.colours & 0xf0) | bright | order[code - 30]);
    } else if (code >= 90 && code <= 97) {
        screen.colours = (uint8_t)((screen.colours & 0xf0) | BRIGHT | order[code - 90]);
    } else if (code == 39) {
        screen.colours = (uint8_t)((screen.colours & 0xf0) | bright | (COLOURS_DEFAULT & 0x07));
    } else if (code >= 40 && code <= 47) {
        screen.colours = (uint8_t)((screen.colours & 0x0f) | order[code - 40] << 4);
    } else if (code == 49) {
        screen.colours &= 0x0f;
    }
}

static void screen_erase_display(unsigned what)
{
    unsigned columns = screen_columns();
    unsigned at = screen.column < columns ? screen.column : columns;

    for (unsigned row = 0; row < screen_rows(); row++) {
        if (row == screen.row && what != 2) {
            screen_erase(row, what == 0 ? at : 0, what == 0 ? columns : at);
        } else if (what == 2 || (what == 0) == (row > screen.row)) {
            screen_erase(row, 0, columns);
        }
    }
}

static void screen_erase_line(unsigned what)
{
    unsigned columns = screen_columns();
    unsigned at = screen.column < columns ? screen.column : columns;

    screen_erase(screen.row, what == 0 ? at : 0, what == 1 ? at : columns);
}

/* The last character of an escape sequence: do what it says. */
static void screen_sequence(uint8_t final)
{
    unsigned n = screen_parameter(0, 1);

    switch (final) {
    case 'A':
        screen.row -= n < screen.row ? n : screen.row;
        break;
    case 'B':
        screen.row = screen_limit(screen.row + n, screen_rows());
        break;
    case 'C':
        screen.column = screen_limit(screen.column + n, screen_columns());
        break;
    case 'D':
        screen.column -= n < screen.column ? n : screen.column;
        break;
    case 'G':
        screen.column = screen_limit(n - 1, screen_columns());
        break;
    case 'H':
    case 'f':
        screen.row = screen_limit(n - 1, screen_rows());
        screen.column = screen_limit(screen_parameter(1, 1) - 1, screen_columns());
        break;
    case 'J':
        screen_erase_display(screen_parameter(0, 0));
        break;
    case 'K':
        screen_erase_line(screen_parameter(0, 0));
        break;
    case 'm':
        for (unsigned i = 0; i < screen.parameter_count; i++) {
            screen_colour(screen.parameters[i]);
        }
        break;
    default:
        break;
    }
}

static void screen_sequence_byte(uint8_t byte)
{
    unsigned *parameter = &screen.parameters[screen.parameter_count - 1];

    if (byte >= '0' && byte <= '9') {
        *parameter = screen_limit(*parameter * 10 + (unsigned)(byte - '0'), 10000);
    } else if (byte == ';') {
        if (screen.parameter_count < PARAMETERS_MAX) {
            screen.parameter_count++;
        }
    } else if (byte == '?') {
        screen.private = true;
    } else if (byte >= 0x40 && byte <= 0x7e) {
        screen.state = STATE_TEXT;
        if (!screen.private) {
            screen_sequence(byte);
        }
    } else if (byte < 0x20) {
        screen.state = STATE_TEXT; /* cut short */
        screen_control(byte);
    }
}

static void screen_byte(uint8_t byte)
{
    if (screen.state == STATE_SEQUENCE) {
        screen_sequence_byte(byte);
    } else if (screen.state == STATE_ESCAPE) {
        screen.state = byte == '[' ? STATE_SEQUENCE : STATE_TEXT;
        screen.private = false;
        screen.parameter_count = 1;
        memset(screen.parameters, 0, sizeof(screen.parameters));
    } else if (byte < 0x20 || byte == 0x7f) {
        screen_control(byte);
    } else {
        screen_put(byte);
    }
}

static void screen_draw_cell(unsigned row, unsigned column, bool cursor)
{
    screen.shown[row][column] = screen.wanted[row][column];
    screen.display->draw(row, column, screen.wanted[row][column], cursor);
    screen.drawn++;
    if (screen.drawn % PAUSE_CELLS == 0 && screen.pause != NULL) {
        screen.pause();
    }
}

/* Draw what changed, and the cursor at its new place. */
static void screen_draw(void)
{
    unsigned columns = screen_columns();
    unsigned column = screen_limit(screen.column, columns);

    for (unsigned row = 0; row < screen_rows(); row++) {
        for (unsigned i = 0; screen.changed[row] && i < columns; i++) {
            if (memcmp(&screen.wanted[row][i], &screen.shown[row][i], sizeof(struct cell)) != 0) {
                screen_draw_cell(row, i, false);
            }
        }
        screen.changed[row] = false;
    }
    if (screen.display->cursor != NULL) {
        screen.display->cursor(screen.row, column);
        return;
    }
    screen_draw_cell(screen.cursor_row, screen.cursor_column, false);
    screen_draw_cell(screen.row, column, true);
    screen.cursor_row = screen.row;
    screen.cursor_column = column;
}

void screen_write(const char *text, size_t size)
{
    if (screen.display == NULL) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        screen_byte((uint8_t)text[i]);
    }
    screen_draw();
}

bool screen_init(mach_port_t hardware, void (*pause)(void))
{
    hardware_info_t info = {0};
    mach_msg_type_number_t count = HARDWARE_NUMBERS_MAX;

    screen.pause = pause;
    screen.colours = COLOURS_DEFAULT;
    if (hardware_framebuffer(hardware, info, &count) != KERN_SUCCESS) {
        return false;
    }
    screen.display = framebuffer_open(hardware, info);
    if (screen.display == NULL) {
        screen.display = vga_text_open(hardware, info);
    }
    if (screen.display == NULL) {
        return false;
    }
    for (unsigned row = 0; row < screen_rows(); row++) {
        screen_erase(row, 0, screen_columns());
        memcpy(screen.shown[row], screen.wanted[row], sizeof(screen.shown[row]));
    }
    screen_draw();
    return true;
}
