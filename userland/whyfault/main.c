/* main.c - what happens when a byte of a mapped file is touched: `whyfault FILE OFFSET`. */
#include <errno.h>
#include <fcntl.h>
#include <mach.h>
#include <mach/mach_traps.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"
#include "whyfault.h"

#define USAGE "whyfault [-r] FILE OFFSET"

/* The page of the file with the byte, mapped; *at is where the byte is. */
static volatile const char *map_byte(const char *path, unsigned long offset)
{
    unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
    int fd = open(path, O_RDONLY);
    struct stat stat;
    char *map;

    if (fd < 0 || fstat(fd, &stat) != 0) {
        program_fail("%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(stat.st_mode) || offset >= (unsigned long)stat.st_size) {
        program_fail("%s: no byte %lu in it to be mapped", path, offset);
    }
    map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)(offset / page * page));
    if (map == MAP_FAILED) {
        program_fail("%s: cannot be mapped: %s", path, strerror(errno));
    }
    close(fd);
    return map + offset % page;
}

int main(int argc, char **argv)
{
    struct events all, fault;
    volatile const char *at;
    bool is_raw = argc == 4 && strcmp(argv[1], "-r") == 0;
    int64_t thread = 0;

    program_start(argv);
    if (argc != (is_raw ? 4 : 3)) {
        program_usage(USAGE);
    }
    at = map_byte(argv[argc - 2], program_number(argv[argc - 1], "offset", 0, ~0ul >> 1));
    program_check(thread_get_id(portolan_thread_port(), &thread), "no number of this thread");
    names_learn();
    events_start();
    (void)*at;
    events_stop(&all);
    if (!events_of_fault(&all, (uint64_t)thread, (uint64_t)at, &fault)) {
        printf("no fault: the page was mapped already\n");
        return 0;
    }
    if (is_raw) {
        tree_print_raw(&fault);
    } else {
        tree_print(&fault);
    }
    return 0;
}
