/* bootstrap_types.h - sizes of bootstrap.defs. */
#ifndef PORTOLAN_BOOTSTRAP_TYPES_H
#define PORTOLAN_BOOTSTRAP_TYPES_H

#define BOOTSTRAP_NAME_MAX 128
#define BOOTSTRAP_TEXT_MAX 4096
typedef char bootstrap_name_t[BOOTSTRAP_NAME_MAX];
typedef const char *const_bootstrap_name_t;
typedef char bootstrap_text_t[BOOTSTRAP_TEXT_MAX];

#endif
