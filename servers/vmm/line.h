/* line.h - an interrupt line from a device to whatever takes its interrupts. */
#ifndef VMM_LINE_H
#define VMM_LINE_H

#include <stdbool.h>

/* input: which of the target's. Called with the machine's lock held, and only when the level
 * changes; does not wait. */
typedef void line_function(void *target, unsigned input, bool level);

struct line {
    line_function *function; /* NULL: it leads nowhere */
    void *target;
    unsigned input;
    bool level;
};

static inline void line_init(struct line *line, line_function *function, void *target,
                             unsigned input)
{
    *line = (struct line){function, target, input, false};
}

static inline void line_set(struct line *line, bool level)
{
    if (line->level != level) {
        line->level = level;
        if (line->function != 0) {
            line->function(line->target, line->input, level);
        }
    }
}

/* Down, up, down: what a target that looks at edges takes for one interrupt. */
static inline void line_pulse(struct line *line)
{
    line_set(line, true);
    line_set(line, false);
}

#endif
