/* library_test.c - the driver library: the tick that comes whether messages come or not, and the
 * requests of a disk whose driver takes transfers, has them wait, or refuses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#undef _GNU_SOURCE /* driver.c says so itself */
#include "libmach/driver/block_request.c"
#include "libmach/driver/driver.c"

#define MEMORY 0x10000000ul

static uint64_t now_ms;
static uint64_t message_ms; /* until the next message; with a timeout below it there is none */
static mach_msg_option_t option;
static unsigned ticks;

/* --- the system --- */

mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t o, mach_msg_size_t size,
                           mach_msg_size_t limit, mach_port_name_t name, mach_msg_timeout_t timeout,
                           mach_port_name_t notify)
{
    (void)size, (void)limit, (void)name, (void)notify;
    option = o;
    if ((o & MACH_RCV_TIMEOUT) != 0 && timeout < message_ms) {
        now_ms += timeout;
        return MACH_RCV_TIMED_OUT;
    }
    now_ms += message_ms;
    message->msgh_id = MACH_NOTIFY_FIRST;
    message->msgh_protected_payload = 0;
    return MACH_MSG_SUCCESS;
}

kern_return_t host_get_uptime64(mach_port_t host, time_value64_t *time)
{
    (void)host;
    time->seconds = (int64_t)(now_ms / 1000);
    time->nanoseconds = (int64_t)(now_ms % 1000 * 1000000);
    return KERN_SUCCESS;
}

mach_port_t mach_host_self_, mach_task_self_;

void mach_msg_destroy(mach_msg_header_t *message)
{
    (void)message;
}

void server_handle(const struct server *server, mach_msg_header_t *in, mach_msg_header_t *out)
{
    (void)server, (void)in, (void)out;
    fail(); /* there are only notifications */
}

boolean_t device_notify_server(mach_msg_header_t *in, mach_msg_header_t *out)
{
    (void)in, (void)out;
    return FALSE;
}

kern_return_t driver_alive(mach_port_t port)
{
    (void)port;
    return KERN_SUCCESS;
}

kern_return_t thread_switch(mach_port_t thread, int how, natural_t time)
{
    (void)thread, (void)how;
    now_ms += time;
    return KERN_SUCCESS;
}

void portolan_print(const char *format, ...)
{
    (void)format;
}

static vm_prot_t pinned; /* how, last */
static unsigned pins;

kern_return_t driver_pin(vm_address_t address, vm_size_t size, vm_prot_t access,
                         struct driver_run *runs, unsigned *n, int *pin)
{
    runs[0] = (struct driver_run){address, (uint32_t)size};
    *n = 1;
    *pin = 7;
    pinned = access;
    pins++;
    return KERN_SUCCESS;
}

kern_return_t dma_unpin(mach_port_t dma, int pin)
{
    (void)dma;
    assert_int_equal(pin, 7);
    pins--;
    return KERN_SUCCESS;
}

kern_return_t syscall_vm_allocate(mach_port_t task, vm_address_t *address, vm_size_t size,
                                  boolean_t anywhere)
{
    (void)task, (void)size, (void)anywhere;
    *address = MEMORY;
    return KERN_SUCCESS;
}

kern_return_t syscall_vm_deallocate(mach_port_t task, vm_address_t address, vm_size_t size)
{
    (void)task, (void)size;
    assert_int_equal(address, MEMORY);
    return KERN_SUCCESS;
}

/* --- the tick --- */

static void count_tick(void *context)
{
    assert_ptr_equal(context, &ticks);
    ticks++;
}

static void steps(unsigned n)
{
    while (n-- != 0) {
        driver_step();
    }
}

static void without_a_tick_messages_are_waited_for(void **state)
{
    (void)state;
    message_ms = 100000;
    steps(3);
    assert_int_equal(option & MACH_RCV_TIMEOUT, 0);
    assert_int_equal(ticks, 0);
}

static void a_tick_comes_without_messages(void **state)
{
    (void)state;
    message_ms = 100000;
    driver_on_tick(100, count_tick, &ticks);
    ticks = 0;
    steps(11);
    assert_int_equal(ticks, 10);
}

static void a_tick_comes_beside_messages(void **state)
{
    (void)state;
    message_ms = 1;
    driver_on_tick(100, count_tick, &ticks);
    ticks = 0;
    steps(1000);
    assert_in_range(ticks, 9, 10);
}

static void end_ticks(void *context)
{
    (void)context;
    driver_on_tick(0, NULL, NULL);
}

static void the_last_tick_waits_for_messages_again(void **state)
{
    (void)state;
    message_ms = 100000;
    driver_on_tick(100, end_ticks, NULL);
    steps(2);
    assert_int_equal(option & MACH_RCV_TIMEOUT, 0);
}

/* --- requests --- */

static kern_return_t answer; /* of start() */
static unsigned room;        /* transfers taken before D_WOULD_BLOCK */
static struct block_transfer *taken[16];
static unsigned taken_count;
static unsigned ended;
static kern_return_t result;

static kern_return_t take(struct block_disk *disk, struct block_transfer *transfer)
{
    (void)disk;
    if (taken_count == room) {
        return D_WOULD_BLOCK;
    }
    if (answer == KERN_SUCCESS) {
        taken[taken_count] = transfer;
        taken_count++;
    }
    return answer;
}

static void end(struct block_request *request)
{
    ended++;
    result = request->result;
    block_request_destroy(request);
}

static const struct block_ops ops = {take};
static struct block_disk disk;

static struct block_request *make_request(void)
{
    struct block_request *request = block_request_create(&disk);

    request->done = end;
    assert_int_equal(block_request_allocate(request, 16384), KERN_SUCCESS);
    return request;
}

static int setup(void **state)
{
    (void)state;
    disk = (struct block_disk){
        .ops = &ops, .sectors = 1000, .sector_size = 512, .max_runs = 8, .max_size = 4096};
    answer = KERN_SUCCESS;
    room = 16;
    taken_count = ended = 0;
    driver_on_tick(0, NULL, NULL);
    return 0;
}

static void a_request_is_cut_and_ends_with_its_last_transfer(void **state)
{
    struct block_request *request = make_request();

    (void)state;
    assert_int_equal(block_request_begin(request, BLOCK_WRITE, 8, 16384), KERN_SUCCESS);
    assert_int_equal(taken_count, 4);
    assert_int_equal(pinned, VM_PROT_READ);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(ended, 0);
        assert_int_equal(taken[i]->sector, 8 + 8 * i);
        assert_int_equal(taken[i]->memory, MEMORY + 4096 * i);
        assert_int_equal(taken[i]->pin, 7);
        assert_int_equal(taken[i]->offset, 4096 * i);
        assert_int_equal(pins, 1);
        block_done(&disk, taken[i], i == 1 ? D_IO_ERROR : KERN_SUCCESS);
    }
    assert_int_equal(ended, 1);
    assert_int_equal(result, D_IO_ERROR);
    assert_int_equal(pins, 0);
}

/* The place of a transfer in what is pinned counts from the beginning of the first page. */
static void memory_may_begin_inside_a_page(void **state)
{
    struct block_request *request = make_request();

    (void)state;
    request->memory += 100;
    assert_int_equal(block_request_begin(request, BLOCK_READ, 8, 8192), KERN_SUCCESS);
    request->memory -= 100;
    assert_int_equal(taken_count, 2);
    assert_int_equal(taken[0]->offset, 100);
    assert_int_equal(taken[1]->offset, 4196);
    block_done(&disk, taken[0], KERN_SUCCESS);
    block_done(&disk, taken[1], KERN_SUCCESS);
    assert_int_equal(ended, 1);
}

static void transfers_that_are_refused_end_the_request(void **state)
{
    (void)state;
    answer = D_IO_ERROR;
    assert_int_equal(block_request_begin(make_request(), BLOCK_READ, 0, 16384), KERN_SUCCESS);
    assert_int_equal(ended, 1);
    assert_int_equal(result, D_IO_ERROR);
    assert_int_equal(pins, 0);
    assert_null(disk.first);
}

static void what_waits_is_begun_when_there_is_room(void **state)
{
    (void)state;
    room = 1;
    assert_int_equal(block_request_begin(make_request(), BLOCK_READ, 0, 8192), KERN_SUCCESS);
    assert_int_equal(taken_count, 1);
    room = 2;
    block_resume(&disk);
    assert_int_equal(taken_count, 2);
    assert_int_equal(taken[1]->sector, 8);
    block_done(&disk, taken[0], KERN_SUCCESS);
    block_done(&disk, taken[1], KERN_SUCCESS);
    assert_int_equal(ended, 1);
}

/* A device that is gone refuses what waits, when it is asked again. */
static void what_waits_can_be_refused_later(void **state)
{
    (void)state;
    room = 1;
    assert_int_equal(block_request_begin(make_request(), BLOCK_READ, 0, 16384), KERN_SUCCESS);
    room = 16;
    answer = D_IO_ERROR;
    block_done(&disk, taken[0], KERN_SUCCESS);
    assert_int_equal(ended, 1);
    assert_int_equal(result, D_IO_ERROR);
}

/* So that it is this task's own, and no pager is asked for it when the driver touches it. */
static void memory_that_the_driver_touches_is_pinned_for_writing(void **state)
{
    (void)state;
    disk.is_touched = true;
    assert_int_equal(block_request_begin(make_request(), BLOCK_WRITE, 0, 4096), KERN_SUCCESS);
    assert_int_equal(pinned, VM_PROT_DEFAULT);
    block_done(&disk, taken[0], KERN_SUCCESS);
    assert_int_equal(ended, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(without_a_tick_messages_are_waited_for),
        TEST(a_tick_comes_without_messages),
        TEST(a_tick_comes_beside_messages),
        TEST(the_last_tick_waits_for_messages_again),
        TEST(a_request_is_cut_and_ends_with_its_last_transfer),
        TEST(memory_may_begin_inside_a_page),
        TEST(transfers_that_are_refused_end_the_request),
        TEST(what_waits_is_begun_when_there_is_room),
        TEST(what_waits_can_be_refused_later),
        TEST(memory_that_the_driver_touches_is_pinned_for_writing),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("library", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
