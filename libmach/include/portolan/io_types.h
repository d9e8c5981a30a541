/* io_types.h - sizes and numbers of io.defs and dir.defs. */
#ifndef PORTOLAN_IO_TYPES_H
#define PORTOLAN_IO_TYPES_H

#include <mach/vm_types.h>

#define IO_DATA_MAX 8192
typedef char io_data_t[IO_DATA_MAX];
typedef const char *const_io_data_t;

/* As an offset: the object's own position. */
#define IO_POSITION ((int64_t)-1)

/* Index into the numbers of io_stat. */
enum io_stat_index {
    IO_STAT_TYPE,     /* IO_TYPE_* */
    IO_STAT_MODE,     /* permission bits as of Linux, without the type */
    IO_STAT_SIZE,     /* bytes */
    IO_STAT_INODE,    /* a number for the object within its server */
    IO_STAT_LINKS,    /* names it has */
    IO_STAT_MTIME_S,  /* last change: seconds since 1970 */
    IO_STAT_MTIME_NS, /* and nanoseconds */
    IO_STAT_DEVICE,   /* a number for the server's file system */
    IO_STAT_BLOCKS,   /* 512 bytes each, that it takes */
    IO_STAT_USER,     /* its owner */
    IO_STAT_GROUP,    /* and the owner's group */
    IO_STAT_NUMBER,   /* of the device it stands for, as of Linux */
    IO_STAT_ATIME_S,  /* last read */
    IO_STAT_ATIME_NS,
    IO_STAT_CTIME_S, /* last change of these facts */
    IO_STAT_CTIME_NS,
    IO_STAT_COUNT
};
#define IO_STAT_MAX 16
typedef int64_t io_stat_t[IO_STAT_MAX];

/* Types, the same numbers as DT_* of Linux's directory records. */
#define IO_TYPE_CONSOLE   2
#define IO_TYPE_DIRECTORY 4
#define IO_TYPE_FILE      8
#define IO_TYPE_SYMLINK   10

/* Bits of io_poll. */
#define IO_READY_READ   1
#define IO_READY_WRITE  2
#define IO_READY_HANGUP 4

/* One record of dir_read. Packed: the next one begins right after the NUL of the name. */
struct dir_record {
    int64_t inode;
    uint8_t type; /* IO_TYPE_* */
    char name[];  /* NUL-terminated */
} __attribute__((packed));
#define DIR_RECORD_FIXED 9

#define DIR_PATH_MAX 1024
typedef char dir_path_t[DIR_PATH_MAX];
typedef const char *const_dir_path_t;
#define DIR_ENTRIES_MAX 8192
typedef char dir_entries_t[DIR_ENTRIES_MAX];

/* Flag of dir_unlink. */
#define DIR_UNLINK_DIRECTORY 0x200

#endif
