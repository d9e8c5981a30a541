/* main.c - the file server: mounts what it is told, then serves files for ever.
 *
 * usage: fs [KIND:SOURCE=PLACE]...    kinds: source.c */
#include <errno.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dir_server.h"
#include "file_server.h"
#include "fs_impl.h"
#include "io_server.h"

#define MAIN_THREADS      4
#define MAIN_MOUNTS_MAX   15
#define MAIN_SYNC_SECONDS 5
#define MAIN_TEXT_MAX     128
#define MAIN_PLACE        "/mnt" /* a directory for what is mounted later */

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

static void main_mount_one(const struct main_mount *mount)
{
    char why[MAIN_TEXT_MAX] = "";
    int error = mount_add(mount->kind, mount->source, mount->place, false, why, sizeof(why));

    if (error != 0 && error != ENODEV) { /* not every machine has every disk of the manifest */
        portolan_print("fs: %s:%s is not mounted on %s: %s\n", mount->kind, mount->source,
                       mount->place, why[0] != '\0' ? why : strerror(error));
    }
}

/* The boot archive first, then what the arguments name. */
static void main_mount_all(char **words)
{
    struct main_mount given[MAIN_MOUNTS_MAX];
    char *places[MAIN_MOUNTS_MAX + 2] = {MAIN_PLACE};
    struct volume *archive;
    unsigned n = 0;

    for (; *words != NULL && n < MAIN_MOUNTS_MAX; words++) {
        if (main_parse(*words, &given[n])) {
            n++;
            places[n] = given[n - 1].place;
        } else {
            portolan_print("fs: `%s` is not KIND:SOURCE=PLACE\n", *words);
        }
    }
    if (archive_mount(portolan_port("root"), places, &archive) != 0 ||
        mount_begin(archive, "archive", "boot") != 0) {
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
