/* gsync.h - waiting on words of memory; the routines are declared by their interface
 * (gnumach.defs). */
#ifndef KERN_GSYNC_H
#define KERN_GSYNC_H

void gsync_init(void);

#endif
