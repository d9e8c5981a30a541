/* devices.c - the PCI functions of the machine, their drivers, and the devices those offer; with a
 * name, the size of that device. */
#include <device.h>
#include <device_master.h>
#include <mach_port.h>
#include <portolan/device.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"

static mach_port_t master(void)
{
    mach_port_t port = MACH_PORT_NULL;

    program_check(portolan_look_up("device_master", &port), "device_master");
    return port;
}

static void show(const char *name)
{
    dev_status_data_t status;
    mach_msg_type_number_t count = DEVICE_GET_BLOCKS_COUNT;
    mach_port_t device;
    uint64_t blocks;

    program_check(device_open(master(), D_READ, (char *)name, &device), name);
    program_check(device_get_status(device, DEVICE_GET_BLOCKS, status, &count), name);
    blocks = (uint32_t)status[DEVICE_GET_BLOCKS_LOW] |
             (uint64_t)(uint32_t)status[DEVICE_GET_BLOCKS_HIGH] << 32;
    printf("%s: %llu records of %d bytes%s\n", name, (unsigned long long)blocks,
           status[DEVICE_GET_BLOCKS_RECORD_SIZE],
           status[DEVICE_GET_BLOCKS_READ_ONLY] != 0 ? ", read-only" : "");
}

int main(int argc, char **argv)
{
    static device_master_text_t text;
    mach_msg_type_number_t count = sizeof(text);

    program_start(argv);
    if (argc > 2) {
        program_usage("devices [NAME]");
    }
    if (argc == 2) {
        show(argv[1]);
        return 0;
    }
    program_check(device_master_list(master(), text, &count), "device_master");
    puts("PLACE   ID        CLASS  DRIVER     STATE      DEVICES");
    fwrite(text, 1, count, stdout);
    return 0;
}
