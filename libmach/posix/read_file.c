/* read_file.c - a whole file in fresh pages. */
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>

#include "posix/open.h"

/* Fill size bytes from the start of the object. */
static kern_return_t read_file_all(mach_port_t object, char *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        natural_t wanted = size - done < IO_DATA_MAX ? (natural_t)(size - done) : IO_DATA_MAX;
        mach_msg_type_number_t count = wanted;
        kern_return_t kr = io_read(object, (int64_t)done, wanted, data + done, &count);

        if (kr != KERN_SUCCESS) {
            return kr;
        }
        if (count == 0) {
            return PORTOLAN_ERRNO(EIO); /* shorter than it said it is */
        }
        done += count;
    }
    return KERN_SUCCESS;
}

static kern_return_t read_file_object(mach_port_t object, void **data, size_t *size)
{
    int64_t facts[IO_STAT_MAX];
    vm_address_t address = 0;
    long error = open_facts(object, facts);
    kern_return_t kr;

    if (error != 0) {
        return PORTOLAN_ERRNO((int)-error);
    }
    if (facts[IO_STAT_TYPE] == IO_TYPE_DIRECTORY) {
        return PORTOLAN_ERRNO(EISDIR);
    }
    if (facts[IO_STAT_SIZE] < 0) {
        return PORTOLAN_ERRNO(EIO);
    }
    *size = (size_t)facts[IO_STAT_SIZE];
    kr = syscall_vm_allocate(mach_task_self(), &address, mach_round_page(*size + 1), TRUE);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = read_file_all(object, (char *)address, *size);
    if (kr != KERN_SUCCESS) {
        syscall_vm_deallocate(mach_task_self(), address, mach_round_page(*size + 1));
        return kr;
    }
    *data = (void *)address;
    return KERN_SUCCESS;
}

kern_return_t portolan_read_file(const char *path, void **data, size_t *size)
{
    mach_port_t object;
    kern_return_t kr = portolan_open(path, O_RDONLY, 0, &object);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = read_file_object(object, data, size);
    syscall_mach_port_deallocate(mach_task_self(), object);
    return kr;
}
