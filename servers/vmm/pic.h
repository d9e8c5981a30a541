/* pic.h - the two interrupt controllers of a PC, 8259A: sixteen lines in, one out (Intel 8259A data
 * sheet; the second hangs on line 2 of the first). Each line is by edge or by level, as the
 * registers at 0x4d0 say. Not emulated: the poll command, and the fully nested mode as anything
 * special. */
#ifndef VMM_PIC_H
#define VMM_PIC_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "line.h"

#define PIC_LINES 16u

struct pic;

struct pic_chip {
    struct pic *pic;
    uint8_t requests;   /* IRR */
    uint8_t in_service; /* ISR */
    uint8_t mask;       /* IMR */
    uint8_t levels;     /* of the lines */
    uint8_t by_level;   /* lines that are level triggered */
    uint8_t base;       /* vector of line 0 */
    uint8_t first;      /* the line with the highest priority */
    uint8_t step;       /* of initialisation: the word that comes next, 0: none */
    bool wants_icw4;
    bool is_auto; /* the end of an interrupt is its beginning */
    bool rotates; /* that line then has the lowest priority */
    bool shows_in_service;
    bool has_special_mask;
};

struct pic {
    struct line output;
    struct pic_chip chips[2];
};

/* output is the caller's to fill in. False: the ports are taken. */
bool pic_init(struct pic *pic, struct bus *ports);
/* A line_function. */
void pic_set(void *pic, unsigned input, bool level);
/* The processor takes the interrupt. Returns: its vector; a spurious one when there is none. */
uint8_t pic_acknowledge(struct pic *pic);

#endif
