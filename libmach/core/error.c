/* error.c - return codes in words, and as numbers of errno. */
#include <errno.h>
#include <portolan/errno.h>
#include <portolan/error.h>
#include <portolan/spawn.h>
#include <stddef.h>

struct error_text {
    kern_return_t code;
    const char *name;
    const char *text;
};

static const struct error_text error_texts[] = {
#define MACH_ERROR(name, value, text) {value, #name, text},
#include <mach/errors.def>
};
#define ERROR_TEXTS (sizeof(error_texts) / sizeof(error_texts[0]))

/* Those a server of io.defs or dir.defs may well answer with. */
static const struct error_text errno_texts[] = {
    {EPERM, "EPERM", "the operation is not permitted"},
    {ENOENT, "ENOENT", "there is no such file"},
    {EINTR, "EINTR", "the call was interrupted"},
    {EIO, "EIO", "the device or server failed"},
    {EBADF, "EBADF", "the object is not open for that"},
    {EAGAIN, "EAGAIN", "nothing can be done now without waiting"},
    {ENOMEM, "ENOMEM", "out of memory"},
    {EACCES, "EACCES", "access is denied"},
    {EBUSY, "EBUSY", "it is in use"},
    {EEXIST, "EEXIST", "the file exists already"},
    {ENODEV, "ENODEV", "there is no such device"},
    {ENOTDIR, "ENOTDIR", "part of the path is not a directory"},
    {EISDIR, "EISDIR", "it is a directory"},
    {EINVAL, "EINVAL", "an argument is not acceptable"},
    {EMFILE, "EMFILE", "too many files are open"},
    {ENOTTY, "ENOTTY", "it is not a console"},
    {EFBIG, "EFBIG", "the file would be too large"},
    {ENOSPC, "ENOSPC", "there is no space left"},
    {ESPIPE, "ESPIPE", "the object has no position"},
    {EROFS, "EROFS", "the file system is read-only"},
    {EPIPE, "EPIPE", "nobody reads the other end"},
    {ENAMETOOLONG, "ENAMETOOLONG", "the name is too long"},
    {ENOSYS, "ENOSYS", "the operation does not exist here"},
    {ENOTEMPTY, "ENOTEMPTY", "the directory is not empty"},
    {ENOTSUP, "ENOTSUP", "such a thing is not supported"},
};
#define ERRNO_TEXTS (sizeof(errno_texts) / sizeof(errno_texts[0]))

/* Codes with bits beside them that tell what was lost (MACH_MSG_MASK). */
static kern_return_t error_without_losses(kern_return_t kr)
{
    const kern_return_t base = kr & ~MACH_MSG_MASK;

    return base == MACH_RCV_HEADER_ERROR || base == MACH_RCV_BODY_ERROR ? base : kr;
}

static const struct error_text *error_find(const struct error_text *table, size_t count,
                                           kern_return_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].code == code) {
            return &table[i];
        }
    }
    return NULL;
}

static int error_is_errno(kern_return_t kr)
{
    return kr > PORTOLAN_ERRNO_BASE && kr <= PORTOLAN_ERRNO_BASE + PORTOLAN_ERRNO_MAX;
}

const char *mach_error_name(kern_return_t kr)
{
    const struct error_text *found;

    if (error_is_errno(kr)) {
        found = error_find(errno_texts, ERRNO_TEXTS, kr - PORTOLAN_ERRNO_BASE);
    } else {
        found = error_find(error_texts, ERROR_TEXTS, error_without_losses(kr));
    }
    return found != NULL ? found->name : NULL;
}

const char *mach_error_string(kern_return_t kr)
{
    const struct error_text *found;

    if (kr >= SPAWN_NOT_ELF && kr <= SPAWN_BAD_RIGHT) {
        return spawn_error_string(kr);
    }
    if (error_is_errno(kr)) {
        found = error_find(errno_texts, ERRNO_TEXTS, kr - PORTOLAN_ERRNO_BASE);
        return found != NULL ? found->text : "the server reported an error";
    }
    found = error_find(error_texts, ERROR_TEXTS, error_without_losses(kr));
    return found != NULL ? found->text : "unknown error code";
}

struct error_errno {
    kern_return_t code;
    int number;
};

static const struct error_errno error_errnos[] = {
    {KERN_SUCCESS, 0},
    {KERN_INVALID_ADDRESS, EFAULT},
    {KERN_PROTECTION_FAILURE, EACCES},
    {KERN_NO_SPACE, ENOMEM},
    {KERN_INVALID_ARGUMENT, EINVAL},
    {KERN_RESOURCE_SHORTAGE, ENOMEM},
    {KERN_NO_ACCESS, EACCES},
    {KERN_INVALID_NAME, ENOENT},
    {KERN_NAME_EXISTS, EEXIST},
    {KERN_INVALID_VALUE, EINVAL},
    {KERN_INVALID_TASK, ESRCH},
    {KERN_TERMINATED, ESRCH},
    {KERN_TIMEDOUT, ETIMEDOUT},
    {KERN_INTERRUPTED, EINTR},
    {KERN_ABORTED, EINTR},
    {MACH_SEND_INTERRUPTED, EINTR},
    {MACH_RCV_INTERRUPTED, EINTR},
    {MACH_SEND_INVALID_DEST, EIO}, /* the server died */
    {MIG_SERVER_DIED, EIO},
    {MIG_BAD_ID, ENOSYS}, /* the server does not do that */
    {D_WOULD_BLOCK, EAGAIN},
    {D_NO_SUCH_DEVICE, ENODEV},
    {D_INVALID_OPERATION, EINVAL},
    {D_NO_MEMORY, ENOMEM},
    {D_READ_ONLY, EROFS},
};

int portolan_errno(kern_return_t kr)
{
    if (error_is_errno(kr)) {
        return kr - PORTOLAN_ERRNO_BASE;
    }
    for (size_t i = 0; i < sizeof(error_errnos) / sizeof(error_errnos[0]); i++) {
        if (error_errnos[i].code == kr) {
            return error_errnos[i].number;
        }
    }
    return EIO;
}
