/* console_ops.c - the routines of io.defs and console.defs for the one terminal. */
#include "console_ops.h"

#include <errno.h>
#include <portolan/errno.h>
#include <portolan/io_types.h>
#include <string.h>

#include "console_server.h"
#include "input.h"
#include "io_server.h"
#include "screen.h"
#include "terminal.h"

#define CONSOLE_MODE   0620
#define CONSOLE_INODE  1
#define CONSOLE_DEVICE 2

/* The request being served, for routines that answer later. */
static const mach_msg_header_t *console_request;

boolean_t console_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    console_request = in;
    return io_server(in, out) || console_server(in, out);
}

kern_return_t serve_io_read(mach_port_t object, int64_t offset, natural_t wanted, io_data_t data,
                            mach_msg_type_number_t *count)
{
    size_t room = wanted < *count ? wanted : *count;
    size_t taken;

    (void)object;
    (void)offset;
    if (room == 0) {
        *count = 0;
        return KERN_SUCCESS;
    }
    if (input_take(data, room, &taken)) {
        *count = (mach_msg_type_number_t)taken;
        return KERN_SUCCESS;
    }
    return input_wait(console_request, room) ? MIG_NO_REPLY : PORTOLAN_ERRNO(EAGAIN);
}

kern_return_t serve_io_write(mach_port_t object, int64_t offset, io_data_t data,
                             mach_msg_type_number_t count, natural_t *written)
{
    (void)object;
    (void)offset;
    terminal_write(data, count);
    terminal_note(data, count);
    *written = count;
    return KERN_SUCCESS;
}

kern_return_t serve_io_seek(mach_port_t object, int64_t offset, int whence, int64_t *position)
{
    (void)object;
    (void)offset;
    (void)whence;
    (void)position;
    return PORTOLAN_ERRNO(ESPIPE);
}

kern_return_t serve_io_stat(mach_port_t object, io_stat_t stat, mach_msg_type_number_t *count)
{
    int64_t all[IO_STAT_COUNT] = {0};

    (void)object;
    all[IO_STAT_TYPE] = IO_TYPE_CONSOLE;
    all[IO_STAT_MODE] = CONSOLE_MODE;
    all[IO_STAT_INODE] = CONSOLE_INODE;
    all[IO_STAT_LINKS] = 1;
    all[IO_STAT_DEVICE] = CONSOLE_DEVICE;
    *count = *count < IO_STAT_COUNT ? *count : IO_STAT_COUNT;
    memcpy(stat, all, *count * sizeof(*all));
    return KERN_SUCCESS;
}

kern_return_t serve_io_truncate(mach_port_t object, int64_t size)
{
    (void)object;
    (void)size;
    return PORTOLAN_ERRNO(EINVAL);
}

kern_return_t serve_io_poll(mach_port_t object, int *ready)
{
    (void)object;
    *ready = IO_READY_WRITE | (input_is_ready() ? IO_READY_READ : 0);
    return KERN_SUCCESS;
}

kern_return_t serve_console_set_mode(mach_port_t console, boolean_t raw)
{
    (void)console;
    input_set_raw(raw != 0);
    return KERN_SUCCESS;
}

kern_return_t serve_console_set_foreground(mach_port_t console, mach_port_t notify)
{
    (void)console;
    input_set_foreground(notify);
    return KERN_SUCCESS;
}

kern_return_t serve_console_size(mach_port_t console, int *rows, int *columns)
{
    (void)console;
    *rows = (int)screen_rows();
    *columns = (int)screen_columns();
    return KERN_SUCCESS;
}
