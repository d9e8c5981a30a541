/* terminal.c - ioctl: what makes a console look like a terminal to libc and its programs. */
#include <console.h>
#include <errno.h>
#include <portolan/errno.h>
#include <sys/ioctl.h>

#include "core/text.h"
#include "posix/file.h"
#include "posix/posix.h"

/* The kernel's struct termios, which is shorter than libc's. */
struct linux_termios {
    uint32_t input;
    uint32_t output;
    uint32_t control;
    uint32_t local;
    uint8_t line;
    uint8_t characters[19];
};
MACH_ABI_SIZE(struct linux_termios, 36);

#define TERMIOS_INPUT   0x0500u /* ICRNL IXON */
#define TERMIOS_OUTPUT  0x0005u /* OPOST ONLCR */
#define TERMIOS_CONTROL 0x00bfu /* 38400 baud, 8 bits, readable */
#define TERMIOS_LOCAL   0x8a3bu /* ISIG ICANON ECHO ... */
#define TERMIOS_ICANON  0x0002u

static const uint8_t terminal_characters[19] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26};

static bool terminal_raw; /* what this task set last */

static bool terminal_is(struct file *file)
{
    return file_type(file) == IO_TYPE_CONSOLE;
}

static long terminal_size(struct file *file, struct winsize *size)
{
    int rows = 0;
    int columns = 0;
    long error = -portolan_errno(console_size(file->port, &rows, &columns));

    if (error == 0) {
        *size = (struct winsize){(unsigned short)rows, (unsigned short)columns, 0, 0};
    }
    return error;
}

static void terminal_get(struct linux_termios *t)
{
    memory_zero(t, sizeof(*t));
    t->input = terminal_raw ? 0 : TERMIOS_INPUT;
    t->output = TERMIOS_OUTPUT;
    t->control = TERMIOS_CONTROL;
    t->local = terminal_raw ? 0 : TERMIOS_LOCAL;
    memory_copy(t->characters, terminal_characters, sizeof(terminal_characters));
}

/* Lines or single keys: the one thing about a terminal that can be set. */
static long terminal_set(struct file *file, const struct linux_termios *t)
{
    bool raw = (t->local & TERMIOS_ICANON) == 0;
    long error = -portolan_errno(console_set_mode(file->port, raw));

    if (error == 0) {
        terminal_raw = raw;
    }
    return error;
}

/* Large enough for anybody: what counts is that libc takes it for a terminal and writes lines. */
static const struct winsize terminal_of_kernel = {25, 80, 0, 0};

static long terminal_ioctl(struct file *file, unsigned request, void *argument)
{
    if (file->kind == FILE_KERNEL_CONSOLE && request == TIOCGWINSZ) {
        *(struct winsize *)argument = terminal_of_kernel;
        return 0;
    }
    if (!terminal_is(file)) {
        return -ENOTTY;
    }
    switch (request) {
    case TIOCGWINSZ:
        return terminal_size(file, argument);
    case TCGETS:
        terminal_get(argument);
        return 0;
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return terminal_set(file, argument);
    default:
        return -ENOTTY;
    }
}

long linux_ioctl(struct posix_frame *f)
{
    struct file *file = file_get((int)f->a0);
    long result;

    if (file == NULL) {
        return -EBADF;
    }
    result = terminal_ioctl(file, (unsigned)f->a1, (void *)f->a2);
    file_put(file);
    return result;
}
