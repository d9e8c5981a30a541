/* dispatch.c - from the number of a system call to the function that does it. */
#include "posix/posix.h"

#include <errno.h>
#include <mach.h>
#include <portolan/portolan.h>

#include "posix/file.h"
#include "posix/path.h"

typedef long (*posix_call_t)(struct posix_frame *frame);

static const posix_call_t posix_table[POSIX_NUMBERS] = {
#define POSIX_ENTRY(number, name) [number] = linux_##name,
    POSIX_CALLS(POSIX_ENTRY)};

long posix_dispatch(struct posix_frame *frame)
{
    uint32_t number = (uint32_t)frame->number;

    if (number >= POSIX_NUMBERS || posix_table[number] == NULL) {
        return -ENOSYS;
    }
    return posix_table[number](frame);
}

kern_return_t posix_start(void)
{
    static vm_offset_t handlers[POSIX_NUMBERS];

    for (unsigned i = 0; i < POSIX_NUMBERS; i++) {
        handlers[i] = (vm_offset_t)posix_entry;
    }
    file_start();
    path_start();
    return task_set_emulation_vector(mach_task_self(), 0, handlers, POSIX_NUMBERS);
}
