/* pic.c - requests, priorities, and the words by which both are controlled. */
#include "pic.h"

#include <string.h>

#define FIRST_BASE   0x20u
#define SECOND_BASE  0xa0u
#define LEVEL_BASE   0x4d0u
#define CASCADE      2u /* the line of the first that the second hangs on */
#define SPURIOUS     7u
#define LINES        8u
#define LEVEL_FIRST  0xf8u /* lines that can be by level: not the timer, keyboard, cascade, */
#define LEVEL_SECOND 0xdeu /* nor the clock and the coprocessor */

#define ICW1        0x10u
#define ICW1_ICW4   0x01u
#define ICW4_AUTO   0x02u
#define OCW3        0x08u
#define OCW3_READ   0x02u
#define OCW3_ISR    0x01u
#define OCW3_SMM    0x40u
#define OCW3_SMM_ON 0x20u

/* Commands of OCW2, bits 7 to 5. */
enum {
    PIC_AUTO_ROTATE_OFF,
    PIC_END,
    PIC_NOP,
    PIC_END_LINE,
    PIC_AUTO_ROTATE,
    PIC_ROTATE_END,
    PIC_SET_FIRST,
    PIC_ROTATE_LINE
};

/* The line of a set with the highest priority; LINES: the set is empty. */
static unsigned pic_highest(const struct pic_chip *c, uint8_t set)
{
    for (unsigned i = 0; i < LINES; i++) {
        unsigned line = (c->first + i) % LINES;

        if ((set & 1u << line) != 0) {
            return i;
        }
    }
    return LINES;
}

/* What it would interrupt for; LINES: nothing. */
static unsigned pic_pending(const struct pic_chip *c)
{
    unsigned request = pic_highest(c, c->requests & (uint8_t)~c->mask);
    uint8_t blocking = c->has_special_mask ? c->in_service & (uint8_t)~c->mask : c->in_service;
    unsigned service = pic_highest(c, blocking);

    return request < service ? (c->first + request) % LINES : LINES;
}

/* By edge, a request stays when the line falls: devices pulse. By level it is the line. */
static void pic_set_chip(struct pic_chip *c, unsigned line, bool level)
{
    uint8_t bit = (uint8_t)(1u << line);
    bool is_by_level = (c->by_level & bit) != 0;

    if (level && (is_by_level || (c->levels & bit) == 0)) {
        c->requests |= bit;
    } else if (!level && is_by_level) {
        c->requests &= (uint8_t)~bit;
    }
    c->levels = (uint8_t)(level ? c->levels | bit : c->levels & ~bit);
}

/* The second's output is a line of the first, whose output goes to the processor. */
static void pic_update(struct pic *pic)
{
    bool cascade = pic_pending(&pic->chips[1]) != LINES;
    uint8_t bit = 1u << CASCADE;

    if (cascade) {
        pic->chips[0].requests |= bit;
    } else {
        pic->chips[0].requests &= (uint8_t)~bit;
    }
    line_set(&pic->output, pic_pending(&pic->chips[0]) != LINES);
}

void pic_set(void *target, unsigned input, bool level)
{
    struct pic *pic = target;

    if (input < PIC_LINES && input != CASCADE) {
        pic_set_chip(&pic->chips[input / LINES], input % LINES, level);
        pic_update(pic);
    }
}

/* --- the processor takes it --- */

static void pic_begin(struct pic_chip *c, unsigned line)
{
    uint8_t bit = (uint8_t)(1u << line);

    if ((c->by_level & bit) == 0 || (c->levels & bit) == 0) {
        c->requests &= (uint8_t)~bit;
    }
    if (!c->is_auto) {
        c->in_service |= bit;
    } else if (c->rotates) {
        c->first = (uint8_t)((line + 1) % LINES);
    }
}

uint8_t pic_acknowledge(struct pic *pic)
{
    struct pic_chip *c = &pic->chips[0];
    unsigned line = pic_pending(c);

    if (line != LINES) {
        pic_begin(c, line);
    }
    if (line == CASCADE) {
        c = &pic->chips[1];
        line = pic_pending(c);
        if (line != LINES) {
            pic_begin(c, line);
        }
    }
    pic_update(pic);
    return (uint8_t)(c->base + (line != LINES ? line : SPURIOUS));
}

/* --- words --- */

static void pic_end(struct pic_chip *c, unsigned line, bool rotates)
{
    c->in_service &= (uint8_t) ~(1u << line);
    if (rotates) {
        c->first = (uint8_t)((line + 1) % LINES);
    }
}

static void pic_command(struct pic_chip *c, uint8_t value)
{
    unsigned line = value % LINES;
    unsigned highest = pic_highest(c, c->in_service);
    unsigned current = (c->first + highest) % LINES;

    switch (value >> 5) {
    case PIC_AUTO_ROTATE:
    case PIC_AUTO_ROTATE_OFF:
        c->rotates = value >> 5 == PIC_AUTO_ROTATE;
        break;
    case PIC_END:
    case PIC_ROTATE_END:
        if (highest != LINES) {
            pic_end(c, current, value >> 5 == PIC_ROTATE_END);
        }
        break;
    case PIC_END_LINE:
    case PIC_ROTATE_LINE:
        pic_end(c, line, value >> 5 == PIC_ROTATE_LINE);
        break;
    case PIC_SET_FIRST:
        c->first = (uint8_t)((line + 1) % LINES);
        break;
    }
}

static void pic_show(struct pic_chip *c, uint8_t value)
{
    if ((value & OCW3_READ) != 0) {
        c->shows_in_service = (value & OCW3_ISR) != 0;
    }
    if ((value & OCW3_SMM) != 0) {
        c->has_special_mask = (value & OCW3_SMM_ON) != 0;
    }
}

static void pic_restart(struct pic_chip *c, uint8_t value)
{
    c->requests &= c->by_level;
    c->in_service = 0;
    c->mask = 0;
    c->first = 0;
    c->is_auto = false;
    c->rotates = false;
    c->shows_in_service = false;
    c->has_special_mask = false;
    c->wants_icw4 = (value & ICW1_ICW4) != 0;
    c->step = 2;
}

/* The words that follow the first of initialisation; after them, the mask. */
static void pic_data(struct pic_chip *c, uint8_t value)
{
    switch (c->step) {
    case 2:
        c->base = value & 0xf8;
        c->step = 3;
        break;
    case 3: /* who hangs on whom, which is as it is */
        c->step = c->wants_icw4 ? 4 : 0;
        break;
    case 4:
        c->is_auto = (value & ICW4_AUTO) != 0;
        c->step = 0;
        break;
    default:
        c->mask = value;
        break;
    }
}

static void pic_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic_chip *c = device;
    uint8_t byte = (uint8_t)value;

    (void)size;
    if (offset == 1) {
        pic_data(c, byte);
    } else if ((byte & ICW1) != 0) {
        pic_restart(c, byte);
    } else if ((byte & OCW3) != 0) {
        pic_show(c, byte);
    } else {
        pic_command(c, byte);
    }
    pic_update(c->pic);
}

static uint64_t pic_read(void *device, uint64_t offset, unsigned size)
{
    const struct pic_chip *c = device;

    (void)size;
    return offset == 1 ? c->mask : c->shows_in_service ? c->in_service : c->requests;
}

static uint64_t pic_read_level(void *device, uint64_t offset, unsigned size)
{
    const struct pic *pic = device;

    return pic->chips[offset].by_level | (size == 2 ? (uint64_t)pic->chips[1].by_level << 8 : 0);
}

static void pic_write_level(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    static const uint8_t possible[] = {LEVEL_FIRST, LEVEL_SECOND};
    struct pic *pic = device;

    for (unsigned i = 0; i < size; i++) {
        pic->chips[offset + i].by_level = (uint8_t)(value >> 8 * i) & possible[offset + i];
    }
    pic_update(pic);
}

bool pic_init(struct pic *pic, struct bus *ports)
{
    struct bus_range first = {FIRST_BASE, 2, pic_read, pic_write, &pic->chips[0]};
    struct bus_range second = {SECOND_BASE, 2, pic_read, pic_write, &pic->chips[1]};
    struct bus_range levels = {LEVEL_BASE, 2, pic_read_level, pic_write_level, pic};

    memset(pic->chips, 0, sizeof(pic->chips));
    pic->chips[0].pic = pic->chips[1].pic = pic;
    pic->chips[0].mask = pic->chips[1].mask = 0xff;
    return bus_insert(ports, &first) && bus_insert(ports, &second) && bus_insert(ports, &levels);
}
