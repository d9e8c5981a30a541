/* factorial.c - factorials, computed by a device.
 *
 * usage: factorial NUMBER */
#include <device.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

int main(int argc, char **argv)
{
    mach_msg_type_number_t count = IO_INBAND_MAX;
    io_buf_ptr_inband_t data;
    mach_port_t master, edu;
    uint32_t product;
    kern_return_t kr;

    program_start(argv);
    if (argc != 2) {
        program_usage("factorial NUMBER");
    }
    program_check(portolan_look_up("device_master", &master), "device_master");
    program_check(device_open(master, D_READ, "edu0", &edu), "edu0");
    kr = device_read_inband(edu, D_READ, atoi(argv[1]), sizeof(product), data, &count);
    if (kr != KERN_SUCCESS || count != sizeof(product)) {
        printf("no factorial of %s: %s\n", argv[1], mach_error_string(kr));
        return 1;
    }
    memcpy(&product, data, sizeof(product));
    printf("%s! = %u\n", argv[1], product);
    return 0;
}
