/* kern_return.h - the return codes of all Mach calls, made from the list in errors.def. */
#ifndef MACH_KERN_RETURN_H
#define MACH_KERN_RETURN_H

typedef int kern_return_t;

enum mach_error_code {
#define MACH_ERROR(name, value, text) name = value,
#include <mach/errors.def>
    MACH_MSG_SUCCESS = KERN_SUCCESS,
    D_SUCCESS = KERN_SUCCESS
};

#endif
