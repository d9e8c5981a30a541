/* error.c - why a program did not start, in words. */
#include <errno.h>
#include <portolan/errno.h>
#include <portolan/error.h>
#include <portolan/spawn.h>

const char *spawn_error_string(kern_return_t kr)
{
    switch (kr) {
    case SPAWN_NOT_ELF:
        return "the file is not an ELF program";
    case SPAWN_WRONG_MACHINE:
        return "the program is for another machine, not for x86-64";
    case SPAWN_NOT_STATIC:
        return "the program is not a static one: link it with -static -no-pie";
    case SPAWN_DAMAGED:
        return "the program is damaged: its headers do not fit the file or each other";
    case SPAWN_ARGUMENTS_TOO_LONG:
        return "the arguments and the environment are too long";
    case SPAWN_BAD_RIGHT:
        return "a right cannot be given to the program: it is not there, or its name is taken";
    case PORTOLAN_ERRNO(ENOENT):
        return "there is no such program";
    case PORTOLAN_ERRNO(EISDIR):
        return "it is a directory";
    case PORTOLAN_ERRNO(ENOMEM):
    case KERN_RESOURCE_SHORTAGE:
    case KERN_NO_SPACE:
        return "there is not enough memory for the program";
    default:
        return mach_error_string(kr);
    }
}
