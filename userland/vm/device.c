/* device.c - a disk of this computer for a machine. The monitor is given what opens that one
 * device: the device's own port would end with its driver. */
#include <device.h>
#include <device_master.h>
#include <file.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <string.h>

#include "program.h"
#include "vm_impl.h"

/* disk0 is all of disk0s1; disk1 and disk10 have nothing in common. */
static bool device_is_part(const char *whole, const char *part)
{
    size_t length = strlen(whole);

    return strncmp(whole, part, length) == 0 && (part[length] == '\0' || part[length] == 's');
}

/* Two that write to a disk and do not know of each other damage what is on it. */
static void device_check_mounts(const char *name)
{
    static file_text_t text;
    mach_msg_type_number_t count = sizeof(text) - 1;
    char *rest = text;
    char *line;

    if (file_mounts(portolan_port("root"), text, &count) != KERN_SUCCESS) {
        return; /* nothing that serves this has a disk */
    }
    text[count] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        const char *source = strsep(&line, " ");

        if (device_is_part(source, name) || device_is_part(name, source)) {
            program_fail("%s: %s is mounted; umount it, or have the machine read it alone (%s,ro)",
                         name, source, name);
        }
    }
}

kern_return_t device_open_only(const char *name, bool is_written, mach_port_t *opener)
{
    mach_port_t master;
    mach_port_t device;
    kern_return_t kr;

    program_check(portolan_look_up("device_master", &master), "there are no devices here");
    if (is_written) {
        device_check_mounts(name);
    }
    kr = device_open(master, D_READ, (char *)name, &device);
    if (kr == KERN_SUCCESS) {
        mach_port_deallocate(mach_task_self(), device);
        kr = device_master_narrow(master, (char *)name, opener);
    }
    return kr;
}
