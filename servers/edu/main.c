/* main.c - the driver of the tutorial, for QEMU's device for education: it computes factorials, and
 * has memory that DMA copies to and from. A record of the device `edu0` is the factorial of its
 * number. */
#include <device_reply.h>
#include <device_server.h>
#include <hardware.h>
#include <mach/device_types.h>
#include <mach_port.h>
#include <portolan/driver.h>
#include <portolan/server_loop.h>
#include <string.h>

/* Registers, in 32-bit words, and their bits (QEMU, docs/specs/edu). */
#define ID               0
#define FACTORIAL        2
#define STATUS           8
#define INTERRUPTS       9
#define ACKNOWLEDGE      25
#define DMA_FROM         32
#define DMA_TO           34
#define DMA_SIZE         36
#define DMA_COMMAND      38
#define ID_EDU           0xedu
#define STATUS_INTERRUPT 0x80u
#define DMA_START        1u
#define DMA_TO_MEMORY    2u
#define DMA_INTERRUPT    4u
#define DMA_REACH        0x0fffffff /* addresses have 28 bits */
#define DEVICE_MEMORY    0x40000u
#define NUMBER_MAX       12 /* its factorial has 32 bits */
#define ANSWER           (sizeof(uint32_t))
#define PAGE             4096u
#define STOP_MS          1000u /* a copy takes a tenth of it */

/* What the device is doing: each step ends with an interrupt. */
enum step { IDLE, COMPUTES, COPIES_IN, COPIES_OUT };

static volatile uint32_t *registers;
static volatile uint32_t *page; /* read and written by the device */
static uint32_t page_phys;
static mach_port_t device;
static mach_port_t reply; /* who waits for the answer */
static enum step step;

static void copy(uint32_t from, uint32_t to, uint32_t direction)
{
    registers[DMA_FROM] = from;
    registers[DMA_TO] = to;
    registers[DMA_SIZE] = ANSWER;
    registers[DMA_COMMAND] = DMA_START | direction | DMA_INTERRUPT;
}

/* Take one request, then none until it is answered: others wait in the port's queue. */
static void take_requests(bool take)
{
    mach_port_move_member(mach_task_self(), device, take ? driver.set : MACH_PORT_NULL);
}

static void answer(void)
{
    uint32_t number = page[1];
    io_buf_ptr_inband_t data;

    memcpy(data, &number, ANSWER);
    if (device_read_reply_inband(reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, KERN_SUCCESS, data, ANSWER) !=
        MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), reply); /* who asked is gone */
    }
    step = IDLE;
    take_requests(true);
}

static void interrupted(void *context)
{
    uint32_t which = registers[INTERRUPTS];

    (void)context;
    registers[ACKNOWLEDGE] = which;
    if (which == 0) {
        return; /* of another device on the line */
    }
    switch (step) {
    case COMPUTES:
        page[0] = registers[FACTORIAL];
        step = COPIES_IN;
        copy(page_phys, DEVICE_MEMORY, 0);
        break;
    case COPIES_IN:
        step = COPIES_OUT;
        copy(DEVICE_MEMORY, page_phys + ANSWER, DMA_TO_MEMORY);
        break;
    case COPIES_OUT:
        answer();
        break;
    case IDLE:
        break;
    }
}

kern_return_t ds_device_read_inband(mach_port_t port, mach_port_t reply_port,
                                    mach_msg_type_name_t poly, dev_mode_t mode, recnum_t number,
                                    int wanted, io_buf_ptr_inband_t data,
                                    mach_msg_type_number_t *count)
{
    (void)port, (void)poly, (void)mode, (void)data, (void)count;
    if (server_current_object() != device) {
        return D_NO_SUCH_DEVICE;
    }
    if (number < 0 || number > NUMBER_MAX) {
        return D_INVALID_RECNUM;
    }
    if (wanted != ANSWER) {
        return D_INVALID_SIZE;
    }
    reply = reply_port;
    step = COMPUTES;
    take_requests(false);
    registers[STATUS] = STATUS_INTERRUPT;
    registers[FACTORIAL] = (uint32_t)number;
    return MIG_NO_REPLY;
}

/* The device reads and writes no memory from now on. */
static void stop(void)
{
    for (unsigned i = 0; registers != NULL && (registers[DMA_COMMAND] & DMA_START) != 0; i++) {
        if (i == STOP_MS) {
            driver_fail("the device does not stop");
        }
        driver_sleep(1);
    }
}

static void must(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        driver_fail("%s: 0x%x", what, (unsigned)kr);
    }
}

int main(void)
{
    vm_address_t at;
    vm_size_t size;
    int64_t phys;
    driver_name_t name;

    driver_begin(stop);
    must(driver_map(driver.port, 0, HARDWARE_CACHE_NONE, &at, &size), "no registers");
    registers = (volatile uint32_t *)at;
    if (size < DEVICE_MEMORY || (registers[ID] & 0xff) != ID_EDU) {
        driver_fail("another device");
    }
    must(driver_dma_allocate(driver.port, PAGE, DMA_REACH, &at, &phys), "no memory");
    page = (volatile uint32_t *)at;
    page_phys = (uint32_t)phys;
    stop(); /* what an earlier driver began */
    registers[ACKNOWLEDGE] = registers[INTERRUPTS];
    must(driver_on_interrupt(0, interrupted, NULL), "no interrupt");
    must(driver_enable(driver.port), "the device may not begin");

    must(server_port_create(driver.set, &device), "no port");
    must(mach_port_set_protected_payload(mach_task_self(), device, device), "no payload");
    driver_serve(device_server);
    must(driver_register(driver.port, "edu", 0, "", device, name), "no name");
    must(driver_ready(driver.port), "the device master is gone");
    driver_loop();
}
