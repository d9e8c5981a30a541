/* file.h - open files and the table of descriptors. A file is what descriptors share (dup); the
 * position of a Mach object is kept by its server, so that tasks share it too. */
#ifndef LIBMACH_POSIX_FILE_H
#define LIBMACH_POSIX_FILE_H

#include <mach/mach.h>
#include <portolan/io_types.h>
#include <stdbool.h>
#include <stddef.h>

#define FILE_MAX 256 /* descriptors of a task, and open files */

enum file_kind {
    FILE_FREE,
    FILE_OBJECT,         /* port: an object of io.defs */
    FILE_KERNEL_CONSOLE, /* standard output of a task that was given none */
    FILE_NOTHING,        /* reads the end, swallows what is written */
    FILE_PIPE_READ,
    FILE_PIPE_WRITE
};

struct pipe;

/* What getdents64 keeps of a directory, and the path its descriptor stands for. */
struct directory {
    char path[DIR_PATH_MAX]; /* from the root, without the leading '/' */
    char records[DIR_ENTRIES_MAX];
    uint32_t size; /* bytes of records that are there */
    uint32_t at;   /* those given out already */
    int64_t next;  /* position of the batch after */
    int64_t given; /* records given out, for d_off */
};

/* Keys: [F] the lock in file.c, [I] never changes while open */
struct file {
    enum file_kind kind;         /* [F] */
    unsigned refs;               /* [F] */
    mach_port_t port;            /* [I] */
    int type;                    /* IO_TYPE_*, or 0: not asked for yet (file_type) */
    int status;                  /* O_ACCMODE, O_APPEND, O_NONBLOCK; a word */
    struct pipe *pipe;           /* [I] */
    struct directory *directory; /* [I] for directories */
};

/* Open what PORTS names: stdin, stdout, stderr, fd3, fd4, ... */
void file_start(void);

/* New file with one reference, or NULL (all in use). */
struct file *file_create(enum file_kind kind, int status);

/* Drop a reference; the last one closes: the port's right is given up. */
void file_put(struct file *file);

/* The file behind a descriptor with a reference, or NULL. */
struct file *file_get(int fd);

/* Give a file the lowest free descriptor from `lowest` on; takes the reference over.
 * Returns the descriptor, or -EMFILE, and then took nothing. */
int file_install(struct file *file, int lowest, bool close_on_exec);

/* Give a file this descriptor, closing what it was; takes the reference over. */
int file_install_at(struct file *file, int fd, bool close_on_exec);

/* 0 or -EBADF. */
int file_close(int fd);

/* Descriptor flags: is FD_CLOEXEC set? -EBADF when closed. */
int file_close_on_exec(int fd);
int file_set_close_on_exec(int fd, bool on);

/* Read or write; offset as io.defs has it. Return bytes or -errno. Sleep: yes. */
long file_read(struct file *file, void *data, size_t size, int64_t offset);
long file_write(struct file *file, const void *data, size_t size, int64_t offset);

/* What a Mach object is: IO_TYPE_*; 0 for other kinds, and when the server does not tell. */
int file_type(struct file *file);

/* What can be done without waiting: IO_READY_*. */
int file_ready(struct file *file);

#endif
