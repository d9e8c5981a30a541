/* vga_text.c - the text mode of a VGA: cells at 0xb8000, a cursor of the hardware's. */
#include <hardware.h>
#include <mach/hardware.h>
#include <portolan/portolan.h>

#include "ports.h"
#include "screen.h"

#define TYPE_TEXT        2
#define CRTC_FIRST       0x3d4
#define CRTC_LAST        0x3d5
#define CRTC_CURSOR_HIGH 14
#define CRTC_CURSOR_LOW  15

static struct {
    struct display display;
    volatile uint16_t *cells;
} vga_text;

static void vga_text_draw(unsigned row, unsigned column, struct cell cell, bool cursor)
{
    (void)cursor;
    vga_text.cells[row * vga_text.display.columns + column] =
        (uint16_t)(cell.colours << 8 | cell.character);
}

static void vga_text_cursor(unsigned row, unsigned column)
{
    unsigned at = row * vga_text.display.columns + column;

    port_write(CRTC_FIRST, CRTC_CURSOR_HIGH);
    port_write(CRTC_LAST, (uint8_t)(at >> 8));
    port_write(CRTC_FIRST, CRTC_CURSOR_LOW);
    port_write(CRTC_LAST, (uint8_t)at);
}

const struct display *vga_text_open(mach_port_t hardware, const int64_t *info)
{
    int64_t columns = info[HARDWARE_FRAMEBUFFER_WIDTH];
    int64_t rows = info[HARDWARE_FRAMEBUFFER_HEIGHT];
    vm_address_t address;

    if (info[HARDWARE_FRAMEBUFFER_TYPE] != TYPE_TEXT || columns < 1 ||
        columns > SCREEN_COLUMNS_MAX || rows < 1 || rows > SCREEN_ROWS_MAX) {
        return NULL;
    }
    if (hardware_map(hardware, mach_task_self(), info[HARDWARE_FRAMEBUFFER_PHYS],
                     (vm_size_t)(rows * columns) * sizeof(uint16_t), HARDWARE_CACHE_NONE,
                     &address) != KERN_SUCCESS ||
        !ports_grant(hardware, CRTC_FIRST, CRTC_LAST)) {
        return NULL;
    }
    vga_text.cells = (volatile uint16_t *)address;
    vga_text.display =
        (struct display){(unsigned)rows, (unsigned)columns, vga_text_draw, vga_text_cursor};
    for (unsigned i = 0; i < vga_text.display.rows * vga_text.display.columns; i++) {
        vga_text.cells[i] = 0x0720;
    }
    return &vga_text.display;
}
