/* swap.c - how much swap space there is, and what has it. */
#include <default_pager.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"

/* How many objects have pages in swap; their ports are given back. */
static unsigned swap_objects(mach_port_t pager)
{
    default_pager_object_array_t objects;
    mach_port_array_t ports;
    mach_msg_type_number_t count = 0;
    mach_msg_type_number_t ports_count = 0;
    unsigned used = 0;

    program_check(default_pager_objects(pager, &objects, &count, &ports, &ports_count),
                  "the objects in swap");
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        used += objects[i].dpo_size != 0;
    }
    for (mach_msg_type_number_t i = 0; i < ports_count; i++) {
        if (MACH_PORT_VALID(ports[i])) {
            mach_port_deallocate(mach_task_self(), ports[i]);
        }
    }
    if (count != 0) {
        vm_deallocate(mach_task_self(), (vm_address_t)objects, count * sizeof(*objects));
    }
    if (ports_count != 0) {
        vm_deallocate(mach_task_self(), (vm_address_t)ports, ports_count * sizeof(*ports));
    }
    return used;
}

int main(int argc, char **argv)
{
    default_pager_info_t info;
    mach_port_t pager;
    kern_return_t kr;

    program_start(argv);
    if (argc != 1) {
        program_usage("swap");
    }
    kr = portolan_look_up("pager", &pager);
    if (kr == KERN_INVALID_NAME) {
        printf("no swap: no disk the pager is given is marked by mkswap, and there is no "
               "memory disk (memdisk=SIZE)\n");
        return 1;
    }
    program_check(kr, "the pager");
    program_check(default_pager_info(pager, &info), "the swap space");
    printf("%10llu KiB in all\n%10llu KiB used\n%10llu KiB free\n%10u objects\n",
           (unsigned long long)info.dpi_total_space / 1024,
           (unsigned long long)(info.dpi_total_space - info.dpi_free_space) / 1024,
           (unsigned long long)info.dpi_free_space / 1024, swap_objects(pager));
    return 0;
}
