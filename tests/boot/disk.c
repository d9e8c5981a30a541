/* disk.c - a disk whose sectors each hold their number, over and over: read in all sizes, written,
 * and used by several threads while its driver is killed.
 *
 *     disk read NAME FIRST COUNT       every sector holds its number plus FIRST's offset
 *     disk write NAME FIRST COUNT ADD  from now on it holds that much more
 *     disk reads NAME MIB                  so much in pieces of 1 MiB, not looked at
 *     disk mounts NAME PLACE TIMES         a file system is mounted and unmounted
 *     disk load NAME SECONDS           four threads, each in its quarter of the disk
 *     disk counts NAME                     kernel objects that must not become more, and whether
 * each right is counted as it is disk stop NAME TASK                  the task of that name does
 * nothing from now on disk kill NAME TASK TIMES MS         it is killed so often, with a pause in
 * between, each time after it has read something disk codes NAME                  what is refused
 */
#include <block.h>
#include <device.h>
#include <device_master.h>
#include <errno.h>
#include <file.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/device.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "servers/fs/block_device_open.h"
#include "userland/lib/program.h"
#include "userland/lib/tasks.h"

#define SECTOR   512u
#define WORDS    (SECTOR / sizeof(uint64_t))
#define THREADS  4u
#define LOAD_MAX (64u * 1024)

static struct block_device *disk;
static mach_port_t master;

static uint64_t wrong_in(const uint64_t *words, uint64_t sector, size_t size, uint64_t add)
{
    uint64_t wrong = 0;

    for (size_t i = 0; i < size / sizeof(*words); i++) {
        wrong += words[i] != sector + i / WORDS + add;
    }
    return wrong;
}

static void fill(uint64_t *words, uint64_t sector, size_t size, uint64_t add)
{
    for (size_t i = 0; i < size / sizeof(*words); i++) {
        words[i] = sector + i / WORDS + add;
    }
}

/* Read [first, first + count) in pieces of `size` bytes. Returns: wrong words. */
static uint64_t read_in_pieces(uint64_t first, uint64_t count, size_t size, uint64_t shift)
{
    uint64_t wrong = 0;

    for (uint64_t at = 0; at < count;) {
        size_t part = (count - at) * SECTOR < size ? (count - at) * SECTOR : size;
        void *data;
        int error = disk->ops->read(disk, (first + at) * SECTOR, part, &data);

        if (error != 0) {
            printf("read at %llu: %s\n", (unsigned long long)(first + at), strerror(error));
            exit(1);
        }
        wrong += wrong_in(data, first + at + shift, part, 0);
        block_device_free(data, part);
        at += part / SECTOR;
    }
    return wrong;
}

static int do_read(uint64_t first, uint64_t count, uint64_t shift)
{
    static const unsigned records[] = {1, 8, 25, 128, 2048, 2049};

    for (unsigned i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        size_t size = records[i] * disk->sector_size;
        uint64_t few = size < 65536 && count > 512 ? 512 : count;

        printf("%zu bytes at a time: %llu words wrong\n", size,
               (unsigned long long)read_in_pieces(first, few, size, shift));
    }
    return 0;
}

static int do_reads(uint64_t mib)
{
    for (uint64_t i = 0; i < mib; i++) {
        void *data;

        if (disk->ops->read(disk, (i << 20) % disk->size, 1 << 20, &data) != 0) {
            return 1;
        }
        block_device_free(data, 1 << 20);
    }
    return 0;
}

static int do_write(uint64_t first, uint64_t count, uint64_t add)
{
    uint64_t *words = malloc(count * SECTOR + 8);
    uint64_t *odd = words + 1; /* memory that does not begin a sector's way */
    int error;

    fill(odd, first, count * SECTOR, add);
    error = disk->ops->write(disk, first * SECTOR, count * SECTOR, odd);
    error = error == 0 ? disk->ops->flush(disk) : error;
    printf("written: %s\n", error == 0 ? "yes" : strerror(error));
    return error != 0;
}

/* --- load --- */

struct load {
    uint64_t first, count; /* sectors */
    uint64_t add[1024];    /* by 64 KiB: what was written there last, and is there */
    uint64_t requests, wrong;
    time_t end;
    unsigned seed;
};

static int load_write(struct load *l, uint64_t place, uint64_t add)
{
    uint64_t sector = l->first + place * (LOAD_MAX / SECTOR);
    uint64_t *words = malloc(LOAD_MAX);
    int error;

    l->add[place] = add;
    fill(words, sector, LOAD_MAX, add);
    error = disk->ops->write(disk, sector * SECTOR, LOAD_MAX, words);
    free(words);
    return error;
}

static int load_read(struct load *l, uint64_t place)
{
    uint64_t sector = l->first + place * (LOAD_MAX / SECTOR);
    void *data;
    int error = disk->ops->read(disk, sector * SECTOR, LOAD_MAX, &data);

    if (error == 0) {
        l->wrong += wrong_in(data, sector, LOAD_MAX, l->add[place]);
        block_device_free(data, LOAD_MAX);
    }
    return error;
}

/* The first round writes each place once. */
static void load_step(struct load *l)
{
    uint64_t places = l->count / (LOAD_MAX / SECTOR);
    bool is_first = l->requests < places;
    uint64_t place = is_first ? l->requests : (unsigned)rand_r(&l->seed) % places;
    int error = is_first || rand_r(&l->seed) % 4 == 0
                    ? load_write(l, place, (uint64_t)rand_r(&l->seed))
                    : load_read(l, place);

    if (error != 0) {
        printf("load: %s\n", strerror(error));
        l->wrong++;
    }
    l->requests++;
}

static void *load_thread(void *argument)
{
    struct load *l = argument;

    while (time(NULL) < l->end) {
        load_step(l);
    }
    return NULL;
}

static int do_load(unsigned seconds)
{
    static struct load loads[THREADS];
    uint64_t sectors = disk->size / SECTOR, requests = 0, wrong = 0;
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        loads[i].count = sectors / THREADS < 1024 * 128 ? sectors / THREADS : 1024 * 128;
        loads[i].first = i * loads[i].count;
        loads[i].end = time(NULL) + seconds;
        loads[i].seed = i + 1;
        pthread_create(&threads[i], NULL, load_thread, &loads[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        requests += loads[i].requests;
        wrong += loads[i].wrong;
    }
    printf("load: %llu requests, %llu wrong, driver opened anew %u times\n",
           (unsigned long long)requests, (unsigned long long)wrong, block_device_reopened(disk));
    return 0;
}

/* --- what is refused --- */

static void expect(const char *what, kern_return_t got, kern_return_t wanted)
{
    printf("%s: %s %d\n", what, got == wanted ? "ok" : "WRONG", got);
}

static void codes_of_reads(mach_port_t device, recnum_t records)
{
    io_buf_ptr_inband_t inband;
    mach_msg_type_number_t count = 0;
    io_buf_ptr_t data;

    expect("beyond the end", device_read(device, D_READ, records, 512, &data, &count),
           D_INVALID_RECNUM);
    expect("before the start", device_read(device, D_READ, -1, 512, &data, &count),
           D_INVALID_RECNUM);
    expect("no bytes", device_read(device, D_READ, 0, 0, &data, &count), D_INVALID_SIZE);
    expect("less than no bytes", device_read(device, D_READ, 0, -512, &data, &count),
           D_INVALID_SIZE);
    expect("half a record", device_read(device, D_READ, 0, 256, &data, &count), D_INVALID_SIZE);
    expect("the last record", device_read(device, D_READ, records - 1, 4096, &data, &count),
           KERN_SUCCESS);
    expect("is one record", (kern_return_t)count, 512);
    expect("a little", device_read_inband(device, D_READ, 3, 16, inband, &count), KERN_SUCCESS);
    expect("is so much", (kern_return_t)count, 16);
    expect("what is there", inband[0], 3);
    expect("too much", device_read_inband(device, D_READ, 3, 129, inband, &count), D_INVALID_SIZE);
}

static void codes_of_others(mach_port_t device, recnum_t records)
{
    static char bytes[1024];
    dev_status_data_t status;
    mach_msg_type_number_t count = DEV_GET_SIZE_COUNT;
    mach_port_t other;
    int written;

    expect("write half a record", device_write(device, D_WRITE, 0, bytes, 256, &written),
           D_INVALID_SIZE);
    expect("write beyond", device_write(device, D_WRITE, records, bytes, 512, &written),
           D_INVALID_RECNUM);
    expect("write inline", device_write_inband(device, D_WRITE, 0, bytes, 16, &written),
           D_INVALID_SIZE);
    expect("size", device_get_status(device, DEV_GET_SIZE, status, &count), KERN_SUCCESS);
    expect("of a record", status[DEV_GET_SIZE_RECORD_SIZE], 512);
    expect("no flavor", device_get_status(device, 77, status, &count), D_INVALID_OPERATION);
    expect("no control", device_set_status(device, 77, status, 0), D_INVALID_OPERATION);
    expect("map", device_map(device, VM_PROT_READ, 0, 4096, &other, 0), D_INVALID_OPERATION);
    expect("open at a device", device_open(device, D_READ, "disk0", &other), D_INVALID_OPERATION);
    expect("no name", device_open(master, D_READ, "disk77", &other), D_NO_SUCH_DEVICE);
    expect("close", device_close(device), KERN_SUCCESS);
}

static void codes_of_ours(mach_port_t device, recnum_t records)
{
    static block_page_t page;
    mach_msg_type_number_t count = BLOCK_PAGE_MAX;

    expect("a page", block_read_page(device, 3, BLOCK_PAGE_MAX, page, &count), KERN_SUCCESS);
    expect("is so much", (kern_return_t)count, BLOCK_PAGE_MAX);
    expect("what is in it", page[0] + page[BLOCK_PAGE_MAX - SECTOR], 3 + 10);
    expect("more than a page", block_read_page(device, 0, BLOCK_PAGE_MAX + 512, page, &count),
           D_INVALID_SIZE);
    expect("less than a record", block_read_page(device, 0, 256, page, &count), D_INVALID_SIZE);
    expect("a page beyond", block_read_page(device, records, BLOCK_PAGE_MAX, page, &count),
           D_INVALID_RECNUM);
    expect("kept for anybody", device_master_keep(master, mach_host_self(), "disk0"),
           KERN_NO_ACCESS);
}

/* What opens one device opens no other. */
static void codes_of_openers(void)
{
    static device_master_text_t text;
    mach_msg_type_number_t count = sizeof(text);
    mach_port_t opener, device, other;

    expect("an opener of nothing", device_master_narrow(master, "disk77", &other),
           D_NO_SUCH_DEVICE);
    expect("an opener", device_master_narrow(master, "disk0", &opener), KERN_SUCCESS);
    expect("opens its device", device_open(opener, D_READ, "disk0", &device), KERN_SUCCESS);
    expect("opens no other", device_open(opener, D_READ, "rtc0", &other), D_INVALID_OPERATION);
    expect("opens no part", device_open(opener, D_READ, "disk0s1", &other), D_INVALID_OPERATION);
    expect("makes no other", device_master_narrow(opener, "rtc0", &other), D_INVALID_OPERATION);
    expect("tells nothing", device_master_list(opener, text, &count), MIG_BAD_ID);
    expect("keeps nothing", device_master_keep(opener, program_host(), "disk0"), MIG_BAD_ID);
    expect("is the same again", device_master_narrow(master, "disk0", &other), KERN_SUCCESS);
    expect("is one right", (kern_return_t)(other - opener), 0);
}

static int do_codes(const char *name)
{
    mach_port_t device;

    if (device_open(master, D_READ, (char *)name, &device) != KERN_SUCCESS) {
        return 1;
    }
    codes_of_reads(device, (recnum_t)(disk->size / SECTOR));
    codes_of_ours(device, (recnum_t)(disk->size / SECTOR));
    codes_of_others(device, (recnum_t)(disk->size / SECTOR));
    codes_of_openers();
    return 0;
}

/* What the file system only keeps in case it is asked for again does not count. */
static int do_counts(void)
{
    static const int what[] = {PORTOLAN_COUNT_TASKS,   PORTOLAN_COUNT_THREADS,
                               PORTOLAN_COUNT_PORTS,   PORTOLAN_COUNT_RIGHTS,
                               PORTOLAN_COUNT_OBJECTS, PORTOLAN_COUNT_MAP_ENTRIES};
    portolan_counts_t counts, rights;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX, m = PORTOLAN_NUMBERS_MAX;
    struct timespec pause = {0, 200000000};

    if (file_sync(portolan_port("root"), FILE_SYNC_FORGET) != KERN_SUCCESS) {
        return 1;
    }
    nanosleep(&pause, NULL);
    if (host_object_counts(mach_host_self(), counts, &n) != KERN_SUCCESS) {
        return 1;
    }
    rights[PORTOLAN_RIGHTS_ERRORS] = 0;
    (void)host_check_rights(mach_host_self(), rights, &m); /* the debug kernel's alone */
    printf("counts:");
    for (unsigned i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        printf(" %lld", (long long)counts[what[i]]);
    }
    printf(" %lld\n", (long long)rights[PORTOLAN_RIGHTS_ERRORS]);
    return 0;
}

static int do_stop(const char *name)
{
    unsigned n;
    struct task_line *list = tasks_list(&n);

    for (unsigned i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0 && task_suspend(list[i].task) == KERN_SUCCESS) {
            printf("stopped %s\n", name);
        }
    }
    tasks_free(list, n);
    return 0;
}

/* Kill the tasks of that name. Returns: how many. */
static unsigned kill_all(const char *name)
{
    unsigned n, killed = 0;
    struct task_line *list = tasks_list(&n);

    for (unsigned i = 0; i < n; i++) {
        killed += strcmp(list[i].name, name) == 0 && task_terminate(list[i].task) == KERN_SUCCESS;
    }
    tasks_free(list, n);
    return killed;
}

/* Each has come up and read something before it is killed. */
static int do_kill(const char *name, unsigned times, unsigned pause_ms)
{
    struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000l};
    unsigned killed = 0;

    for (unsigned tries = 0; killed < times && tries < 20 * times; tries++) {
        void *data;

        if (disk->ops->read(disk, 0, SECTOR, &data) == 0) {
            block_device_free(data, SECTOR);
            killed += kill_all(name);
        }
        nanosleep(&pause, NULL);
    }
    printf("killed %s %u times\n", name, killed);
    return killed < times;
}

static int do_mounts(const char *name, const char *place, uint64_t times)
{
    const mach_port_t root = portolan_port("root"), host = program_host();

    for (uint64_t i = 0; i < times; i++) {
        program_check(file_mount(root, host, "ext2", name, place, 0), name);
        program_check(file_unmount(root, host, place), place);
    }
    printf("mounted %s %llu times\n", name, (unsigned long long)times);
    return 0;
}

static uint64_t number(int argc, char **argv, int i)
{
    return i < argc ? strtoull(argv[i], NULL, 0) : 0;
}

int main(int argc, char **argv)
{
    int error;

    program_start(argv);
    if (argc < 3 || portolan_look_up("device_master", &master) != KERN_SUCCESS) {
        return 2;
    }
    error = block_device_open(master, argv[2], &disk);
    if (error != 0) {
        printf("%s: %s\n", argv[2], strerror(error));
        return 1;
    }
    if (strcmp(argv[1], "read") == 0) {
        return do_read(number(argc, argv, 3), number(argc, argv, 4), number(argc, argv, 5));
    }
    if (strcmp(argv[1], "mounts") == 0 && argc == 5) {
        return do_mounts(argv[2], argv[3], number(argc, argv, 4));
    }
    if (strcmp(argv[1], "counts") == 0) {
        return do_counts();
    }
    if (strcmp(argv[1], "stop") == 0 && argc == 4) {
        return do_stop(argv[3]);
    }
    if (strcmp(argv[1], "kill") == 0 && argc == 6) {
        return do_kill(argv[3], (unsigned)number(argc, argv, 4), (unsigned)number(argc, argv, 5));
    }
    if (strcmp(argv[1], "reads") == 0) {
        return do_reads(number(argc, argv, 3));
    }
    if (strcmp(argv[1], "write") == 0) {
        return do_write(number(argc, argv, 3), number(argc, argv, 4), number(argc, argv, 5));
    }
    if (strcmp(argv[1], "load") == 0) {
        return do_load((unsigned)number(argc, argv, 3));
    }
    return strcmp(argv[1], "codes") == 0 ? do_codes(argv[2]) : 2;
}
