/* opened.c - open files. A port's payload is a number no other file ever had, so that a request
 * that was received before the file was closed, and is looked at after, finds nothing. */
#include <errno.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>

#include "fs_impl.h"

#define OPENED_SLOTS 4096u /* files that can be open */
#define OPENED_FIRST (1ul << 40)

static pthread_mutex_t opened_lock = PTHREAD_MUTEX_INITIALIZER;
static struct opened *opened_slots[OPENED_SLOTS];
static uint64_t opened_generation = OPENED_FIRST; /* a multiple of OPENED_SLOTS */
static unsigned opened_hint;                      /* where a free slot may be */
static mach_port_t opened_set;                    /* [I] after start */

void opened_start(mach_port_t set)
{
    opened_set = set;
}

/* Give the file a slot and an id. */
static bool opened_insert(struct opened *opened)
{
    unsigned tries = 0;

    pthread_mutex_lock(&opened_lock);
    while (tries < OPENED_SLOTS && opened_slots[opened_hint] != NULL) {
        opened_hint = (opened_hint + 1) % OPENED_SLOTS;
        tries++;
    }
    if (tries < OPENED_SLOTS) {
        opened_generation += OPENED_SLOTS;
        opened->id = opened_generation + opened_hint;
        opened_slots[opened_hint] = opened;
    }
    pthread_mutex_unlock(&opened_lock);
    return tries < OPENED_SLOTS;
}

static void opened_remove(struct opened *opened)
{
    pthread_mutex_lock(&opened_lock);
    opened_slots[opened->id % OPENED_SLOTS] = NULL;
    pthread_mutex_unlock(&opened_lock);
}

static int opened_make(struct node *node, int flags, struct opened **result)
{
    struct opened *opened = calloc(1, sizeof(*opened));

    if (opened == NULL) {
        node_put(node);
        return ENOMEM;
    }
    opened->refs = 1;
    opened->node = node;
    opened->flags = flags;
    if (!opened_insert(opened)) {
        free(opened);
        node_put(node);
        return ENFILE;
    }
    *result = opened;
    return 0;
}

int opened_create(struct node *node, int flags, mach_port_t *port)
{
    struct opened *opened;
    int error = opened_make(node, flags, &opened);

    if (error != 0) {
        return error;
    }
    if (server_object_create(opened_set, opened->id, port) != KERN_SUCCESS) {
        opened_remove(opened);
        opened_put(opened);
        return ENFILE;
    }
    opened->port = *port;
    /* Made here and not by the reply: one that nobody is there for must end the file, too. */
    if (syscall_mach_port_insert_right(mach_task_self(), *port, *port, MACH_MSG_TYPE_MAKE_SEND) !=
        KERN_SUCCESS) {
        opened_remove(opened);
        portolan_port_destroy_receive(*port);
        opened_put(opened);
        return ENFILE;
    }
    return 0;
}

int opened_adopt(struct node *node, mach_port_t receive)
{
    struct opened *opened;
    int error = opened_make(node, 0, &opened);

    if (error != 0) {
        return error;
    }
    opened->refs++; /* for ever */
    opened->port = receive;
    if (mach_port_set_protected_payload(mach_task_self(), receive, opened->id) != KERN_SUCCESS ||
        mach_port_move_member(mach_task_self(), receive, opened_set) != KERN_SUCCESS) {
        return ENOMEM;
    }
    return 0;
}

static struct opened *opened_find(uint64_t id)
{
    struct opened *opened;

    pthread_mutex_lock(&opened_lock);
    opened = opened_slots[id % OPENED_SLOTS];
    if (opened != NULL && opened->id == id) {
        opened->refs++;
    } else {
        opened = NULL;
    }
    pthread_mutex_unlock(&opened_lock);
    return opened;
}

struct opened *opened_get(void)
{
    return opened_find(server_current_object());
}

void opened_put(struct opened *opened)
{
    bool is_last;

    pthread_mutex_lock(&opened_lock);
    opened->refs--;
    is_last = opened->refs == 0;
    pthread_mutex_unlock(&opened_lock);
    if (is_last) {
        node_put(opened->node);
        free(opened);
    }
}

/* Take the port's reference away when it has no senders, once. */
static bool opened_close(struct opened *opened, mach_port_mscount_t mscount)
{
    mach_port_status_t status = {.mps_mscount = mscount};
    bool closes = false;

    pthread_mutex_lock(&opened_lock);
    if (opened_slots[opened->id % OPENED_SLOTS] == opened) {
        /* Anyone can send such a message, and a right may have been made since: ask the port. */
        closes =
            mach_port_get_receive_status(mach_task_self(), opened->port, &status) == KERN_SUCCESS &&
            !status.mps_srights;
        if (closes) {
            opened_slots[opened->id % OPENED_SLOTS] = NULL;
        } else {
            (void)server_watch_senders(opened->port, status.mps_mscount);
        }
    }
    pthread_mutex_unlock(&opened_lock);
    return closes;
}

void opened_no_senders(uint64_t port, mach_port_mscount_t mscount)
{
    struct opened *opened = opened_find(port);

    if (opened == NULL) {
        return;
    }
    if (opened->port != MACH_PORT_NULL && opened_close(opened, mscount)) {
        portolan_port_destroy_receive(opened->port);
        opened_put(opened);
    }
    opened_put(opened);
}
