/* block_types.h - sizes of block.defs. */
#ifndef PORTOLAN_BLOCK_TYPES_H
#define PORTOLAN_BLOCK_TYPES_H

#define BLOCK_PAGE_MAX 4096
typedef char block_page_t[BLOCK_PAGE_MAX];

#endif
