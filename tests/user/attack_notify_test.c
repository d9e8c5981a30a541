/* attack_notify_test.c - M3 "spoofed kernel notifications (no-senders, dead-name) sent by users"
 * (the use after free of vouchers by their no-more-senders notification, Hurd CVE-2021-43412).
 *
 * The attacker sends messages that look like the kernel's notifications to everything it has a send
 * right to: objects of the kernel, servers, open files; with numbers that are the victim's names,
 * and with rights. What believed one would free what is in use, or drop a right of its own. A
 * kernel object must answer MIG_BAD_ID, a server must drop what it was sent and go on, and a
 * receiver must be able to tell: a notification comes over a send-once right, which no client has.
 */
#include <fcntl.h>
#include <io.h>
#include <mach.h>
#include <mach/mig_errors.h>
#include <mach_host.h>
#include <mach_port.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bootstrap.h>

#include "lib/attack.h"

#define INTERRUPT_ID 100 /* device_intr_notify */
#define FORMS        5
#define NAMES        64 /* of a server's, guessed */

static struct ipc_message in, out;

static mach_port_t self(void)
{
    return mach_task_self();
}

/* A message like a notification, its body in one of the forms there are. */
static void forge(mach_port_t to, int id, unsigned form, uint32_t number, mach_port_t right)
{
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, id);
    switch (form) {
    case 0: /* as send-once */
        break;
    case 1: /* as no-senders */
        attack_add_number(&out, MACH_MSG_TYPE_INTEGER_32, 32, number);
        break;
    case 2: /* as dead-name, port-deleted, msg-accepted */
        attack_add_number(&out, MACH_MSG_TYPE_PORT_NAME, 32, number);
        break;
    case 3: /* as port-destroyed, with a number where the right would be */
        attack_add_number(&out, MACH_MSG_TYPE_INTEGER_64, 64, number);
        out.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
        break;
    default: /* as port-destroyed */
        ipc_add_ports(&out, &right, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
        break;
    }
}

/* --- the kernel's objects --- */

static void forge_to_object(mach_port_t object)
{
    for (int id = MACH_NOTIFY_FIRST; id <= MACH_NOTIFY_LAST; id++) {
        for (unsigned form = 0; form < FORMS; form++) {
            mach_port_t right = test_port();

            forge(object, id, form, right, right);
            CHECK_EQ(attack_call(&out), MIG_BAD_ID);
            CHECK_EQ(ipc_type(right),
                     form == FORMS - 1 ? MACH_PORT_TYPE_DEAD_NAME : MACH_PORT_TYPE_SEND_RECEIVE);
            ipc_drop(right);
        }
    }
}

TEST(m3_forged_notifications_to_kernel_objects_are_refused)
{
    mach_port_t task = MACH_PORT_NULL, thread = MACH_PORT_NULL, set = MACH_PORT_NULL;
    struct task_basic_info info;
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    CHECK_EQ(thread_create(task, &thread), KERN_SUCCESS);
    CHECK_EQ(processor_set_default(mach_host_self(), &set), KERN_SUCCESS);
    forge_to_object(task);
    forge_to_object(thread);
    forge_to_object(set);
    forge_to_object(mach_host_self());
    CHECK_EQ(task_info(task, TASK_BASIC_INFO, (task_info_t)&info, &count), KERN_SUCCESS);
    CHECK_EQ(thread_suspend(thread), KERN_SUCCESS);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    ipc_drop(task);
    ipc_drop(thread);
    ipc_drop(set);
}

static void forge_no_senders(struct attack_hammer *h)
{
    struct {
        mach_msg_header_t head;
        mach_msg_type_t type;
        uint64_t number;
    } m = {{.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
            .msgh_size = sizeof(m),
            .msgh_remote_port = h->port,
            .msgh_id = MACH_NOTIFY_NO_SENDERS},
           {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
            .msgt_size = 32,
            .msgt_inline = 1,
            .msgt_number = 1},
           1};

    h->hits += mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(m), 0, 0, 1, 0) ==
               MACH_MSG_SUCCESS;
}

TEST(m3_an_object_that_threads_forge_notifications_to_stays_what_it_is)
{
    struct attack_hammer hammers[2];
    mach_port_t task = MACH_PORT_NULL;

    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    for (unsigned i = 0; i < 2; i++) {
        hammers[i] = (struct attack_hammer){.blow = forge_no_senders, .port = task};
    }
    attack_start(hammers, 2);
    for (unsigned i = 0; i < 200; i++) {
        CHECK_EQ(task_suspend(task), KERN_SUCCESS);
        CHECK_EQ(task_resume(task), KERN_SUCCESS);
    }
    attack_stop(hammers, 2);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    ipc_drop(task);
}

/* --- a receiver --- */

TEST(m3_a_forged_notification_is_told_from_a_real_one_by_its_right)
{
    mach_port_t notify = test_port(), port = test_port(), previous;

    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_NO_SENDERS, 0, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_NO_SENDERS);
    CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    for (unsigned form = 0; form < FORMS - 1; form++) {
        forge(notify, MACH_NOTIFY_NO_SENDERS, form, 1, 0);
        out.head.msgh_bits |= MACH_MSG_TYPE_MAKE_SEND_ONCE << 8; /* of a reply, not of the way */
        out.head.msgh_local_port = port;
        CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND);
        ipc_drop(in.head.msgh_remote_port);
    }
    ipc_drop(notify);
    ipc_drop(port);
}

TEST(m3_a_client_cannot_make_the_right_that_notifications_come_over)
{
    mach_port_t ports[] = {portolan_port("root"), portolan_port("bootstrap"), mach_host_self()};
    mach_port_t right;
    mach_msg_type_name_t type;

    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(
            mach_port_extract_right(self(), ports[i], MACH_MSG_TYPE_MAKE_SEND_ONCE, &right, &type),
            KERN_INVALID_RIGHT);
        ipc_begin(&out, ports[i], MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_NOTIFY_NO_SENDERS);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_DEST);
        ipc_begin(&out, ports[i], MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_NOTIFY_NO_SENDERS);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_DEST);
    }
}

/* --- servers --- */

static bool is_serving(void)
{
    mach_port_t console = MACH_PORT_NULL;
    struct stat status;
    bool serves =
        stat("/manifest", &status) == 0 && status.st_size > 0 &&
        bootstrap_look_up(portolan_port("bootstrap"), "console", &console) == KERN_SUCCESS &&
        MACH_PORT_VALID(console) && ipc_type(console) == MACH_PORT_TYPE_SEND;

    mach_port_deallocate(self(), console);
    return serves;
}

/* The server destroys the right it was sent, when it comes to it. */
static void check_dies(mach_port_t port)
{
    for (unsigned i = 0; i < 2000 && ipc_type(port) != MACH_PORT_TYPE_DEAD_NAME; i++) {
        ipc_pause_ms(1);
    }
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_DEAD_NAME);
}

static void forge_to_server(mach_port_t server)
{
    for (int id = MACH_NOTIFY_FIRST; id <= MACH_NOTIFY_LAST; id++) {
        for (unsigned form = 0; form < FORMS; form++) {
            mach_port_t right = test_port();

            forge(server, id, form, 1, right);
            CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
            if (form == FORMS - 1) {
                check_dies(right);
            }
            ipc_drop(right);
        }
    }
    CHECK(is_serving());
}

TEST(m3_servers_drop_forged_notifications_and_go_on)
{
    mach_port_t console = MACH_PORT_NULL, hello = MACH_PORT_NULL;

    CHECK_EQ(bootstrap_look_up(portolan_port("bootstrap"), "console", &console), KERN_SUCCESS);
    forge_to_server(portolan_port("bootstrap"));
    forge_to_server(portolan_port("root"));
    forge_to_server(console);
    if (bootstrap_look_up(portolan_port("bootstrap"), "hello", &hello) == KERN_SUCCESS) {
        forge_to_server(hello);
        CHECK_EQ(mach_port_deallocate(self(), hello), KERN_SUCCESS);
    }
    CHECK_EQ(mach_port_deallocate(self(), console), KERN_SUCCESS); /* also stdout */
}

TEST(m3_forged_deaths_of_a_server_s_own_names_are_not_believed)
{
    static const int ids[] = {MACH_NOTIFY_DEAD_NAME, MACH_NOTIFY_PORT_DELETED,
                              MACH_NOTIFY_PORT_DESTROYED};
    mach_port_t servers[] = {portolan_port("bootstrap"), portolan_port("root"),
                             portolan_port("stdout")};

    for (unsigned i = 0; i < 9; i++) {
        for (uint32_t name = 1; name < NAMES; name++) {
            forge(servers[i / 3], ids[i % 3], i % 3 == 2 ? 3 : 2, name, 0);
            CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
        }
        CHECK(is_serving());
    }
}

TEST(m3_a_forged_interrupt_is_dropped)
{
    mach_port_t console = MACH_PORT_NULL;

    CHECK_EQ(bootstrap_look_up(portolan_port("bootstrap"), "console", &console), KERN_SUCCESS);
    for (unsigned line = 0; line < 16; line++) {
        ipc_begin(&out, console, MACH_MSG_TYPE_COPY_SEND, INTERRUPT_ID);
        attack_add_number(&out, MACH_MSG_TYPE_INTEGER_32, 32, line);
        attack_call(&out); /* one-way: all that comes back is the reply right, unused */
        CHECK_EQ(out.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    }
    CHECK(is_serving());
    CHECK_EQ(mach_port_deallocate(self(), console), KERN_SUCCESS); /* also stdout */
}

/* The right a program's end is told by, used for something else. */
static _Noreturn void spend_exit_right(uint32_t size)
{
    ipc_begin(&out, portolan_port("exit"), MACH_MSG_TYPE_MOVE_SEND_ONCE, MACH_NOTIFY_DEAD_NAME);
    out.head.msgh_size += size;
    ipc_send(&out, 0, 0);
    task_terminate(self());
    for (;;) {
    }
}

TEST_CHILD(lies)
{
    spend_exit_right(16);
}

TEST_CHILD(babbles)
{
    spend_exit_right(4096);
}

TEST(m3_a_program_that_lies_about_its_end_has_ended_for_who_waits)
{
    CHECK_EQ(test_run_child("lies"), 9);
    CHECK_EQ(test_run_child("babbles"), 9);
}

TEST(m3_an_open_file_survives_forged_news_that_nobody_uses_it)
{
    struct attack_hammer hammers[2];
    int fd = open("/manifest", O_RDONLY);
    char first[64], again[64];

    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, first, sizeof(first), 0), sizeof(first));
    for (unsigned i = 0; i < 2; i++) {
        hammers[i] = (struct attack_hammer){.blow = forge_no_senders, .port = portolan_fd_port(fd)};
    }
    attack_start(hammers, 2);
    for (unsigned i = 0; i < 200; i++) {
        CHECK_EQ(pread(fd, again, sizeof(again), 0), sizeof(again));
        CHECK_EQ(memcmp(first, again, sizeof(first)), 0);
    }
    attack_stop(hammers, 2);
    CHECK_EQ(close(fd), 0);
}
