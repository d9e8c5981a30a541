/* main.c - the driver of the real-time clock: the device `rtc0`. Once, at the start, it tells the
 * date, by which the kernel's clock is set; then the date is read and set by device_get_status and
 * device_set_status. */
#include <device_server.h>
#include <mach/device_types.h>
#include <mach_port.h>
#include <portolan/device.h>
#include <portolan/driver.h>
#include <portolan/server_loop.h>

#include "servers/rtc/chip.h"

#define PORTS 2 /* index and data */

static mach_port_t device;
static uint16_t index_port;

kern_return_t ds_device_get_status(mach_port_t port, dev_flavor_t flavor, dev_status_t status,
                                   mach_msg_type_number_t *count)
{
    struct tm date;

    (void)port;
    if (server_current_object() != device) {
        return D_NO_SUCH_DEVICE;
    }
    if (flavor != DEVICE_DATE) {
        return D_INVALID_OPERATION;
    }
    if (*count < DEVICE_DATE_COUNT) {
        return D_INVALID_SIZE;
    }
    if (chip_read(index_port, &date) != NULL) {
        return D_IO_ERROR;
    }
    status[DEVICE_DATE_YEAR] = date.tm_year + 1900;
    status[DEVICE_DATE_MONTH] = date.tm_mon + 1;
    status[DEVICE_DATE_DAY] = date.tm_mday;
    status[DEVICE_DATE_HOUR] = date.tm_hour;
    status[DEVICE_DATE_MINUTE] = date.tm_min;
    status[DEVICE_DATE_SECOND] = date.tm_sec;
    *count = DEVICE_DATE_COUNT;
    return KERN_SUCCESS;
}

kern_return_t ds_device_set_status(mach_port_t port, dev_flavor_t flavor, dev_status_t status,
                                   mach_msg_type_number_t count)
{
    struct tm date;

    (void)port;
    if (server_current_object() != device) {
        return D_NO_SUCH_DEVICE;
    }
    if (flavor != DEVICE_DATE) {
        return D_INVALID_OPERATION;
    }
    if (count != DEVICE_DATE_COUNT) {
        return D_INVALID_SIZE;
    }
    if (status[DEVICE_DATE_YEAR] < 0 || status[DEVICE_DATE_MONTH] < 0) {
        return KERN_INVALID_VALUE;
    }
    date = (struct tm){
        .tm_year = status[DEVICE_DATE_YEAR] - 1900,
        .tm_mon = status[DEVICE_DATE_MONTH] - 1,
        .tm_mday = status[DEVICE_DATE_DAY],
        .tm_hour = status[DEVICE_DATE_HOUR],
        .tm_min = status[DEVICE_DATE_MINUTE],
        .tm_sec = status[DEVICE_DATE_SECOND],
    };
    if (!chip_is_date(&date)) {
        return KERN_INVALID_VALUE;
    }
    return chip_write(index_port, &date) == NULL ? KERN_SUCCESS : D_IO_ERROR;
}

/* Everybody's right is the same: closing is giving it up. */
kern_return_t ds_device_close(mach_port_t port)
{
    (void)port;
    return server_current_object() == device ? KERN_SUCCESS : D_NO_SUCH_DEVICE;
}

/* It uses no memory. */
static void stop(void) {}

static void must(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        driver_fail("%s: 0x%x", what, (unsigned)kr);
    }
}

/* A clock without a date is a device like any other, which can be set. */
static void tell_date(void)
{
    struct tm date;
    const char *why = chip_read(index_port, &date);

    if (why != NULL) {
        driver_say("the clock %s: the date is not known", why);
        return;
    }
    must(driver_clock(driver.port, timegm(&date)), "the date is not taken");
}

int main(void)
{
    driver_name_t name;
    int first, count;

    driver_begin(stop);
    must(driver_io_ports(driver.port, 0, &first, &count), "no registers");
    if (count < PORTS) {
        driver_fail("%d registers are too few", count);
    }
    index_port = (uint16_t)first;
    tell_date();
    must(server_port_create(driver.set, &device), "no port");
    must(mach_port_set_protected_payload(mach_task_self(), device, device), "no payload");
    driver_serve(device_server);
    must(driver_register(driver.port, "rtc", 0, "", device, name), "no name");
    must(driver_ready(driver.port), "the device master is gone");
    driver_loop();
}
