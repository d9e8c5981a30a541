/* version.c - what the kernel calls itself. */
#include "kern/version.h"

const char *const kernel_version =
    CONFIG_DEBUG ? "Portolan 0.1 (x86-64, debug)" : "Portolan 0.1 (x86-64)";
