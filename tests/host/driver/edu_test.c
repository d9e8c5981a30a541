/* edu_test.c - the driver of the tutorial with a device whose copy goes on for some time, or for
 * ever. Registers are memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mach/mach_traps.h>

/* The driver itself. */
#define main driver_main
#include "servers/edu/main.c"
#undef main

#define ENDED  1
#define SERVES 2

struct driver driver;

static uint32_t words[DEVICE_MEMORY / sizeof(uint32_t)];
static char memory[PAGE];
static jmp_buf ended; /* the driver has given up, or serves */
static void (*stopper)(void);
static unsigned slept_ms;
static unsigned copies_ms; /* how long the copy goes on */

/* --- what the driver calls --- */

void driver_begin(void (*stop)(void))
{
    stopper = stop;
}

void driver_fail(const char *format, ...)
{
    (void)format;
    longjmp(ended, ENDED);
}

void driver_sleep(unsigned milliseconds)
{
    slept_ms += milliseconds;
    if (slept_ms >= copies_ms) {
        words[DMA_COMMAND] &= ~DMA_START;
    }
}

kern_return_t driver_map(mach_port_t port, int index, int cache, vm_address_t *address,
                         vm_size_t *size)
{
    (void)port, (void)cache;
    assert_int_equal(index, 0);
    *address = (vm_address_t)words;
    *size = DEVICE_MEMORY;
    return KERN_SUCCESS;
}

kern_return_t driver_dma_allocate(mach_port_t port, vm_size_t size, int64_t limit,
                                  vm_address_t *address, int64_t *phys)
{
    (void)port, (void)limit;
    assert_int_equal(size, PAGE);
    *address = (vm_address_t)memory;
    *phys = PAGE;
    return KERN_SUCCESS;
}

kern_return_t driver_on_interrupt(unsigned index, void (*handler)(void *), void *context)
{
    (void)index, (void)handler, (void)context;
    return KERN_SUCCESS;
}

/* Memory of a driver before this one may be another's from here on. */
kern_return_t driver_enable(mach_port_t port)
{
    (void)port;
    assert_int_equal(words[DMA_COMMAND] & DMA_START, 0);
    return KERN_SUCCESS;
}

void driver_serve(boolean_t (*demux)(mach_msg_header_t *in, mach_msg_header_t *out))
{
    (void)demux;
}

kern_return_t driver_register(mach_port_t port, const char *kind, int unit, const char *suffix,
                              mach_port_t offered, driver_name_t name)
{
    (void)port, (void)kind, (void)unit, (void)suffix, (void)offered, (void)name;
    return KERN_SUCCESS;
}

kern_return_t driver_ready(mach_port_t port)
{
    (void)port;
    return KERN_SUCCESS;
}

void driver_loop(void)
{
    longjmp(ended, SERVES);
}

boolean_t device_server(mach_msg_header_t *in, mach_msg_header_t *out)
{
    (void)in, (void)out;
    return FALSE;
}

kern_return_t device_read_reply_inband(mach_port_t port, mach_msg_type_name_t poly,
                                       kern_return_t code, io_buf_ptr_inband_t data,
                                       mach_msg_type_number_t count)
{
    (void)port, (void)poly, (void)code, (void)data, (void)count;
    return KERN_SUCCESS;
}

kern_return_t server_port_create(mach_port_t set, mach_port_t *port)
{
    (void)set;
    *port = 1;
    return KERN_SUCCESS;
}

uint64_t server_current_object(void)
{
    return 0;
}

kern_return_t mach_port_set_protected_payload(mach_port_t task, mach_port_t port, uint64_t payload)
{
    (void)task, (void)port, (void)payload;
    return KERN_SUCCESS;
}

kern_return_t mach_port_move_member(mach_port_t task, mach_port_t member, mach_port_t set)
{
    (void)task, (void)member, (void)set;
    return KERN_SUCCESS;
}

kern_return_t mach_port_deallocate(mach_port_t task, mach_port_t name)
{
    (void)task, (void)name;
    return KERN_SUCCESS;
}

mach_port_t mach_task_self(void)
{
    return 1;
}

/* --- tests --- */

/* The driver starts, with a device that is still copying for so long. */
static int start(unsigned milliseconds)
{
    int how;

    memset(words, 0, sizeof(words));
    words[ID] = 0x010000ed;
    words[DMA_COMMAND] = milliseconds != 0 ? DMA_START : 0;
    slept_ms = 0;
    copies_ms = milliseconds;
    registers = NULL;
    how = setjmp(ended);
    if (how == 0) {
        driver_main();
    }
    return how;
}

static void a_copy_that_goes_on_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(start(0), SERVES);
    assert_int_equal(slept_ms, 0);
    assert_int_equal(start(100), SERVES);
    assert_int_equal(slept_ms, 100);
}

static void a_copy_that_does_not_end_is_given_up(void **state)
{
    (void)state;
    assert_int_equal(start(UINT32_MAX), ENDED);
    assert_int_equal(slept_ms, STOP_MS);
}

static void a_driver_that_is_told_to_stop_waits_no_longer(void **state)
{
    int how;

    (void)state;
    assert_int_equal(start(0), SERVES);
    words[DMA_COMMAND] = DMA_START;
    copies_ms = UINT32_MAX;
    how = setjmp(ended);
    if (how == 0) {
        stopper();
    }
    assert_int_equal(how, ENDED);
    assert_int_equal(slept_ms, STOP_MS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_that_goes_on_is_waited_for),
        cmocka_unit_test(a_copy_that_does_not_end_is_given_up),
        cmocka_unit_test(a_driver_that_is_told_to_stop_waits_no_longer),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("edu", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
