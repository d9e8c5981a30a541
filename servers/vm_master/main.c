/* main.c - the service vm_master: machines by name. One thread, which waits for no other user task
 * but those that have the monitor's program. */
#include <ctype.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm_master_impl.h"
#include "vm_master_server.h"

#define MESSAGE_MAX 16384
#define WORDS_COUNT (VM_WORDS_MAX / 2)

static mach_port_t main_service, main_set;

static bool main_is_request(void)
{
    return server_current_object() == main_service;
}

static bool main_is_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL) {
            return false;
        }
    }
    return *name != '\0';
}

/* Part the words. Returns: how many; WORDS_COUNT + 1: too many, or the last has no end. */
static unsigned main_split(char *words, size_t size, char **result)
{
    unsigned n = 0;

    if (size != 0 && words[size - 1] != '\0') {
        return WORDS_COUNT + 1;
    }
    for (char *at = words; at < words + size; at += strlen(at) + 1) {
        if (n == WORDS_COUNT) {
            return WORDS_COUNT + 1;
        }
        result[n] = at;
        n++;
    }
    return n;
}

kern_return_t serve_vm_master_run(mach_port_t master, const char *name, vm_words_t words,
                                  mach_msg_type_number_t size, vm_rights_t rights,
                                  mach_msg_type_number_t nrights, mach_port_t *machine,
                                  mach_msg_type_name_t *disposition)
{
    static char *split[WORDS_COUNT];
    unsigned count = main_split(words, size, split);
    struct machine *m;
    kern_return_t kr;

    (void)master;
    if (!main_is_request() || !main_is_name(name) || count > WORDS_COUNT || nrights == 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (portolan_port("hv") == MACH_PORT_NULL) {
        return KERN_FAILURE;
    }
    if (machines_find(name) != NULL) {
        return KERN_NAME_EXISTS;
    }
    kr = machines_start(name, split, count, rights, nrights, main_service, main_set, &m);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    for (mach_msg_type_number_t i = 0; i < nrights; i++) {
        if (MACH_PORT_VALID(rights[i])) {
            mach_port_deallocate(mach_task_self(), rights[i]);
        }
    }
    *machine = m->control;
    *disposition = MACH_MSG_TYPE_COPY_SEND;
    return KERN_SUCCESS;
}

/* Rights to the same port have the same name. */
static bool main_is_host(mach_port_t right)
{
    mach_port_t host = portolan_port("host");

    return host != MACH_PORT_NULL && right == host;
}

kern_return_t serve_vm_master_open(mach_port_t master, mach_port_t host, const char *name,
                                   mach_port_t *machine, mach_msg_type_name_t *disposition)
{
    struct machine *m = machines_find(name);

    (void)master;
    if (!main_is_request() || m == NULL) {
        return KERN_INVALID_NAME;
    }
    if (!main_is_host(host)) {
        return KERN_NO_ACCESS;
    }
    mach_port_deallocate(mach_task_self(), host);
    *machine = m->control;
    *disposition = MACH_MSG_TYPE_COPY_SEND;
    return KERN_SUCCESS;
}

kern_return_t serve_vm_master_kill(mach_port_t master, mach_port_t right, const char *name)
{
    struct machine *m = machines_find(name);
    kern_return_t kr;

    (void)master;
    if (!main_is_request() || m == NULL) {
        return KERN_INVALID_NAME;
    }
    if (right != m->control && !main_is_host(right)) {
        return KERN_NO_ACCESS;
    }
    m->is_killed = true;
    kr = task_terminate(m->task);
    if (kr == KERN_SUCCESS) {
        mach_port_deallocate(mach_task_self(), right);
    }
    return kr;
}

kern_return_t serve_vm_master_adopt(mach_port_t master, mach_port_t hv, mach_port_t task,
                                    mach_port_t machine, const char *name, mach_port_t *life,
                                    mach_msg_type_name_t *disposition)
{
    kern_return_t kr;

    (void)master;
    if (!main_is_request() || !main_is_name(name) || !MACH_PORT_VALID(task) ||
        !MACH_PORT_VALID(machine)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!MACH_PORT_VALID(hv) || hv != portolan_port("hv")) {
        return KERN_NO_ACCESS;
    }
    if (machines_find(name) != NULL) {
        return KERN_NAME_EXISTS;
    }
    kr = machines_adopt(name, task, machine, main_set, life);
    if (kr == KERN_SUCCESS) {
        mach_port_deallocate(mach_task_self(), hv);
        *disposition = MACH_MSG_TYPE_MAKE_SEND;
    }
    return kr;
}

kern_return_t serve_vm_master_list(mach_port_t master, vm_text_t text,
                                   mach_msg_type_number_t *count)
{
    size_t used = 0;
    const struct machine *m;

    (void)master;
    if (!main_is_request()) {
        return KERN_INVALID_ARGUMENT;
    }
    for (unsigned i = 0; (m = machines_at(i)) != NULL; i++) {
        size_t size = strlen(m->name);

        if (size + 1 > *count - used) {
            break;
        }
        memcpy(text + used, m->name, size);
        text[used + size] = '\n';
        used += size + 1;
    }
    *count = (mach_msg_type_number_t)used;
    return KERN_SUCCESS;
}

static _Noreturn void main_loop(void)
{
    static const struct server server = {.demux = vm_master_server};
    static union {
        mach_msg_header_t head;
        char bytes[MESSAGE_MAX];
    } in, out;

    for (;;) {
        if (mach_msg(&in.head, MACH_RCV_MSG, 0, sizeof(in), main_set, MACH_MSG_TIMEOUT_NONE,
                     MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
            continue;
        }
        if (machines_has_ended(&in.head)) {
            mach_msg_destroy(&in.head);
        } else {
            server_handle(&server, &in.head, &out.head);
        }
    }
}

int main(void)
{
    if (server_set_create(&main_set) != KERN_SUCCESS ||
        portolan_check_in("vm_master", &main_service) != KERN_SUCCESS ||
        mach_port_move_member(mach_task_self(), main_service, main_set) != KERN_SUCCESS) {
        portolan_print("vm_master: cannot check in as the service `vm_master`\n");
        exit(1);
    }
    main_loop();
}
