/* thread_switch.h - what thread_switch does besides yielding. */
#ifndef MACH_THREAD_SWITCH_H
#define MACH_THREAD_SWITCH_H

#define SWITCH_OPTION_NONE          0 /* yield */
#define SWITCH_OPTION_DEPRESS       1 /* at the lowest priority, for a time */
#define SWITCH_OPTION_WAIT          2 /* off the processor, for a time */
#define valid_switch_option(option) ((option) >= 0 && (option) <= SWITCH_OPTION_WAIT)

#endif
