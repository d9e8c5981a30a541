/* screen.h - the screen as a terminal: a grid of characters in colours, with a subset of ANSI. */
#ifndef CONSOLE_SCREEN_H
#define CONSOLE_SCREEN_H

#include <mach/port.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_ROWS_MAX        128
#define SCREEN_COLUMNS_MAX     320
#define SCREEN_ROWS_DEFAULT    24
#define SCREEN_COLUMNS_DEFAULT 80

struct cell {
    uint8_t character;
    uint8_t colours; /* foreground in the low four bits, background in the high four */
};

/* What shows cells: the frame buffer or the text mode of a VGA. */
struct display {
    unsigned rows;
    unsigned columns;
    void (*draw)(unsigned row, unsigned column, struct cell cell, bool cursor);
    void (*cursor)(unsigned row, unsigned column); /* NULL: the cursor is drawn with its cell */
};

/* Find a display through the hardware port and clear it. Returns: false when there is none; the
 * screen then only swallows what is written. pause: called every few cells while the screen is
 * drawn, which takes milliseconds when all of it scrolls; or NULL. */
bool screen_init(mach_port_t hardware, void (*pause)(void));

/* Show text; escape sequences may be spread over calls. */
void screen_write(const char *text, size_t size);

unsigned screen_rows(void);
unsigned screen_columns(void);

/* framebuffer.c, vga_text.c: NULL when there is no such display. */
const struct display *framebuffer_open(mach_port_t hardware, const int64_t *info);
const struct display *vga_text_open(mach_port_t hardware, const int64_t *info);

#endif
