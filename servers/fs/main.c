/* main.c - the file server: mounts what it is told, then serves files for ever.
 *
 * usage: fs [KIND:SOURCE=PLACE]...    kinds: tmpfs (SOURCE: MiB), ext2 (SOURCE: a disk's name) */
#include <errno.h>
#include <mach_host.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_device_open.h"
#include "dir_server.h"
#include "file_server.h"
#include "fs_impl.h"
#include "io_server.h"

#define MAIN_THREADS      4
#define MAIN_MOUNTS_MAX   15
#define MAIN_SYNC_SECONDS 5
#define MAIN_TEXT_MAX     128
#define MAIN_TMPFS_SHARE  8

/* What an argument says. */
struct main_mount {
    const char *kind;
    const char *source;
    char *place;
};

static boolean_t main_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return io_server(in, out) || dir_server(in, out) || file_server(in, out);
}

/* Take KIND:SOURCE=PLACE apart. */
static bool main_parse(char *word, struct main_mount *mount)
{
    char *colon = strchr(word, ':');
    char *equals = colon != NULL ? strchr(colon, '=') : NULL;

    if (equals == NULL || equals[1] != '/') {
        return false;
    }
    *colon = '\0';
    *equals = '\0';
    *mount = (struct main_mount){word, colon + 1, equals + 1};
    return true;
}

/* So many MiB, but no more than an eighth of the machine's memory: what is in use of a tmpfs is in
 * memory twice, here and in the kernel's cache, and can go nowhere else. */
static uint64_t main_tmpfs_size(const char *mib)
{
    struct host_basic_info host;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    uint64_t size = strtoul(mib, NULL, 10) << 20;

    if (host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count) == KERN_SUCCESS &&
        size > host.memory_size / MAIN_TMPFS_SHARE) {
        size = host.memory_size / MAIN_TMPFS_SHARE;
    }
    return size;
}

/* What lies on a disk; ENODEV when there is no such disk. Waits for its driver. */
static int main_mount_disk(const char *name, struct volume **volume, char *why, size_t why_size)
{
    struct block_device *device;
    mach_port_t master;
    int error;

    if (portolan_look_up("device_master", &master) != KERN_SUCCESS) {
        return ENODEV;
    }
    error = block_device_open(master, name, &device);
    if (error != 0) {
        return error;
    }
    error = ext2_mount(device, device->is_read_only, volume, why, why_size);
    if (error != 0) {
        device->ops->close(device);
    }
    return error;
}

static int main_make_volume(const struct main_mount *mount, struct volume **volume, char *why,
                            size_t why_size)
{
    if (strcmp(mount->kind, "tmpfs") == 0) {
        return tmpfs_mount(main_tmpfs_size(mount->source), volume);
    }
    if (strcmp(mount->kind, "ext2") == 0) {
        return main_mount_disk(mount->source, volume, why, why_size);
    }
    strncpy(why, "no such kind of file system", why_size - 1);
    return EINVAL;
}

static void main_mount_one(const struct main_mount *mount)
{
    char why[MAIN_TEXT_MAX] = "";
    struct volume *volume;
    int error = main_make_volume(mount, &volume, why, sizeof(why));

    if (error == 0) {
        error = mount_add(volume, mount->kind, mount->source, mount->place);
    }
    if (error == ENODEV) {
        return; /* not every machine has every disk of the manifest */
    }
    if (error != 0) {
        portolan_print("fs: %s:%s is not mounted on %s: %s\n", mount->kind, mount->source,
                       mount->place, why[0] != '\0' ? why : strerror(error));
    }
}

/* The boot archive first, then what the arguments name. */
static void main_mount_all(char **words)
{
    struct main_mount given[MAIN_MOUNTS_MAX];
    char *places[MAIN_MOUNTS_MAX + 1] = {NULL};
    struct volume *archive;
    unsigned n = 0;

    for (; *words != NULL && n < MAIN_MOUNTS_MAX; words++) {
        if (main_parse(*words, &given[n])) {
            places[n] = given[n].place;
            n++;
        } else {
            portolan_print("fs: `%s` is not KIND:SOURCE=PLACE\n", *words);
        }
    }
    if (archive_mount(portolan_port("root"), places, &archive) != 0 ||
        mount_add(archive, "archive", "boot", "/") != 0) {
        portolan_print("fs: the boot archive cannot be read\n");
        exit(1);
    }
    for (unsigned i = 0; i < n; i++) {
        main_mount_one(&given[i]);
    }
}

/* What was changed is on the disk a little later, also when nobody asks for it. */
static void *main_sync(void *unused)
{
    (void)unused;
    for (;;) {
        sleep(MAIN_SYNC_SECONDS);
        (void)file_sync_all(false);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct server server = {
        .demux = main_demux, .no_senders = opened_no_senders, .threads = MAIN_THREADS};
    mach_port_t root;
    pthread_t thread;

    (void)argc;
    guard_start();
    contents_start();
    main_mount_all(argv + 1);
    if (server_set_create(&server.receive) != KERN_SUCCESS ||
        portolan_check_in("fs", &root) != KERN_SUCCESS) {
        portolan_print("fs: no port to serve\n");
        return 1;
    }
    opened_start(server.receive);
    if (opened_adopt(node_ref(mount_root()), root) != 0 ||
        pthread_create(&thread, NULL, main_sync, NULL) != 0) {
        portolan_print("fs: no memory to start\n");
        return 1;
    }
    server_loop(&server);
}
