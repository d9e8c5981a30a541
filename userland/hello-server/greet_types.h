/* greet_types.h - the C type of greet.defs. */
#ifndef GREET_TYPES_H
#define GREET_TYPES_H

#define GREETING_MAX 128
typedef char greeting_t[GREETING_MAX];

#endif
