/* version.h - what the kernel calls itself. */
#ifndef KERN_VERSION_H
#define KERN_VERSION_H

extern const char *const kernel_version;

#endif
