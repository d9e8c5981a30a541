/* framebuffer.c - characters as pictures in the frame buffer the boot loader set up (32 bits a
 * pixel, which is what the kernel asks for). */
#include <hardware.h>
#include <mach/hardware.h>
#include <portolan/portolan.h>

#include "font.h"
#include "screen.h"

#define TYPE_RGB 1
#define BITS     32

static struct {
    struct display display;
    volatile char *pixels;
    uint64_t pitch;
} framebuffer;

static const uint32_t framebuffer_colours[16] = {
    0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
    0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff,
};

static void framebuffer_draw(unsigned row, unsigned column, struct cell cell, bool cursor)
{
    uint64_t ink = framebuffer_colours[cell.colours & 15];
    uint64_t paper = framebuffer_colours[cell.colours >> 4];
    const uint64_t pairs[4] = {paper | paper << 32, paper | ink << 32, ink | paper << 32,
                               ink | ink << 32}; /* of pixels, by their two dots */
    volatile char *line = framebuffer.pixels + (uint64_t)row * FONT_HEIGHT * framebuffer.pitch +
                          (uint64_t)column * FONT_WIDTH * sizeof(uint32_t);

    for (unsigned y = 0; y < FONT_HEIGHT; y++) {
        volatile uint64_t *pixels = (volatile uint64_t *)line;
        uint8_t dots = font_row(cell.character, y);

        if (cursor) {
            dots = (uint8_t)~dots;
        }
        for (unsigned x = 0; x < FONT_WIDTH / 2; x++) {
            pixels[x] = pairs[dots >> (FONT_WIDTH - 2 - 2 * x) & 3];
        }
        line += framebuffer.pitch;
    }
}

static void framebuffer_clear(int64_t width, int64_t height)
{
    for (int64_t y = 0; y < height; y++) {
        volatile uint64_t *line =
            (volatile uint64_t *)(framebuffer.pixels + (uint64_t)y * framebuffer.pitch);

        for (int64_t x = 0; x < width / 2; x++) {
            line[x] = 0;
        }
    }
}

const struct display *framebuffer_open(mach_port_t hardware, const int64_t *info)
{
    int64_t width = info[HARDWARE_FRAMEBUFFER_WIDTH];
    int64_t height = info[HARDWARE_FRAMEBUFFER_HEIGHT];
    int64_t pitch = info[HARDWARE_FRAMEBUFFER_PITCH];
    vm_address_t address;

    if (info[HARDWARE_FRAMEBUFFER_TYPE] != TYPE_RGB || info[HARDWARE_FRAMEBUFFER_BITS] != BITS ||
        width < FONT_WIDTH || height < FONT_HEIGHT || pitch < width * BITS / 8 || pitch % 8 != 0) {
        return NULL;
    }
    if (hardware_map(hardware, mach_task_self(), info[HARDWARE_FRAMEBUFFER_PHYS],
                     (vm_size_t)(pitch * height), HARDWARE_CACHE_WRITE_COMBINING,
                     &address) != KERN_SUCCESS) {
        return NULL;
    }
    framebuffer.pixels = (volatile char *)address;
    framebuffer.pitch = (uint64_t)pitch;
    framebuffer.display.rows = (unsigned)height / FONT_HEIGHT;
    framebuffer.display.columns = (unsigned)width / FONT_WIDTH;
    if (framebuffer.display.rows > SCREEN_ROWS_MAX) {
        framebuffer.display.rows = SCREEN_ROWS_MAX;
    }
    if (framebuffer.display.columns > SCREEN_COLUMNS_MAX) {
        framebuffer.display.columns = SCREEN_COLUMNS_MAX;
    }
    framebuffer.display.draw = framebuffer_draw;
    framebuffer_clear(width, height);
    return &framebuffer.display;
}
