/* test.c - main() of test programs, and helpers. */
#include "test.h"

#include <mach_port.h>
#include <portolan/spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct test_case __start_test_cases[], __stop_test_cases[];
extern const struct test_child __start_test_children[] __attribute__((weak));
extern const struct test_child __stop_test_children[] __attribute__((weak));

static unsigned test_failures; /* of the current case */
static const char *test_program;

void test_check(bool holds, long left, long right, const char *text, const char *file, int line)
{
    if (!holds) {
        printf("  %s:%d: expected %s; got %ld (0x%lx) and %ld (0x%lx)\n", file, line, text, left,
               left, right, right);
        test_failures++;
    }
}

mach_port_t test_port(void)
{
    mach_port_t port = MACH_PORT_NULL;

    CHECK_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
             KERN_SUCCESS);
    return port;
}

mach_msg_return_t test_send(mach_port_t to, mach_port_t reply, int id, int option, unsigned timeout)
{
    mach_msg_header_t head = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND,
                                    reply != MACH_PORT_NULL ? MACH_MSG_TYPE_MAKE_SEND_ONCE : 0),
        .msgh_size = sizeof(head),
        .msgh_remote_port = to,
        .msgh_local_port = reply,
        .msgh_id = id,
    };

    return mach_msg(&head, MACH_SEND_MSG | option, sizeof(head), 0, MACH_PORT_NULL, timeout,
                    MACH_PORT_NULL);
}

mach_msg_return_t test_receive(mach_port_t from, struct test_message *m, int option,
                               unsigned timeout)
{
    memset(m, 0xa5, sizeof(*m));
    return mach_msg(&m->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | option, 0, sizeof(*m), from,
                    timeout, MACH_PORT_NULL);
}

int test_run_child(const char *word)
{
    char *argv[] = {(char *)test_program, (char *)word, NULL};
    struct spawn_right hv = {"hv", portolan_port("hv"), MACH_MSG_TYPE_COPY_SEND, 0};
    struct spawn spawn = {.path = test_program,
                          .argv = argv,
                          .rights = &hv,
                          .nrights = hv.right != MACH_PORT_NULL ? 1 : 0};
    mach_port_t task = MACH_PORT_NULL, exit_receive = MACH_PORT_NULL;
    kern_return_t kr = spawn_start(&spawn, &task, &exit_receive);
    int status;

    CHECK_EQ(kr, KERN_SUCCESS);
    if (kr != KERN_SUCCESS) {
        return -1;
    }
    status = spawn_wait(exit_receive);
    mach_port_deallocate(mach_task_self(), task);
    return status;
}

static int test_run_as_child(const char *word)
{
    for (const struct test_child *c = __start_test_children; c < __stop_test_children; c++) {
        if (strcmp(c->name, word) == 0) {
            c->function();
            return test_failures == 0 ? 0 : 98;
        }
    }
    fprintf(stderr, "%s: no child case %s\n", test_program, word);
    return 99;
}

int main(int argc, char **argv)
{
    int failed = 0;

    test_program = argv[0];
    if (argc > 1) {
        return test_run_as_child(argv[1]);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const struct test_case *c = __start_test_cases; c < __stop_test_cases; c++) {
        test_failures = 0;
        c->function();
        printf("case %s %s: %s\n", test_failures == 0 ? "ok" : "FAILED", test_program, c->name);
        failed += test_failures != 0;
    }
    fflush(stdout);
    return failed > 100 ? 100 : failed;
}
