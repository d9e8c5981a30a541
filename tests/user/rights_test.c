/* rights_test.c - the ledger of rights: the debug kernel has one, the release kernel says no. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/ipc.h"

#define NAMES 1000

static bool is_debug_kernel(void)
{
    kernel_version_t version;

    CHECK_EQ(host_get_kernel_version(mach_host_self(), version), KERN_SUCCESS);
    return strstr(version, "debug") != NULL;
}

static void look(portolan_counts_t rights)
{
    mach_msg_type_number_t count = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(host_check_rights(mach_host_self(), rights, &count), KERN_SUCCESS);
    CHECK_EQ(count, PORTOLAN_RIGHTS_COUNT);
    CHECK_EQ(rights[PORTOLAN_RIGHTS_ERRORS], 0);
}

TEST(the_release_kernel_has_no_ledger_of_rights)
{
    portolan_counts_t rights;
    mach_msg_type_number_t count = PORTOLAN_NUMBERS_MAX;

    if (!is_debug_kernel()) {
        CHECK_EQ(host_check_rights(mach_host_self(), rights, &count), KERN_FAILURE);
    }
}

/* What others do meanwhile is little beside a thousand. */
TEST(rights_in_names_and_in_queued_messages_are_found)
{
    static struct ipc_message m;
    portolan_counts_t before, after;
    mach_port_t queue, ports[NAMES];

    if (!is_debug_kernel()) {
        return;
    }
    queue = test_port();
    look(before);
    for (unsigned i = 0; i < NAMES; i++) {
        ports[i] = test_port();
    }
    ipc_begin(&m, queue, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&m, ports, NAMES, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    CHECK_EQ(ipc_send(&m, 0, 0), MACH_MSG_SUCCESS);
    look(after);
    CHECK(after[PORTOLAN_RIGHTS_NAMES] - before[PORTOLAN_RIGHTS_NAMES] > NAMES - 50);
    CHECK(after[PORTOLAN_RIGHTS_PORTS] - before[PORTOLAN_RIGHTS_PORTS] > NAMES - 50);
    CHECK(after[PORTOLAN_RIGHTS_SEND] - before[PORTOLAN_RIGHTS_SEND] > NAMES - 50);
    CHECK(after[PORTOLAN_RIGHTS_SEND_ONCE] - before[PORTOLAN_RIGHTS_SEND_ONCE] > NAMES - 50);
    CHECK(after[PORTOLAN_RIGHTS_MESSAGES] > 0);
    ipc_drop(queue);
    for (unsigned i = 0; i < NAMES; i++) {
        ipc_drop(ports[i]);
    }
}
