/* vmmap.c - the regions of a task's address space. */
#include <mach.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"
#include "tasks.h"

static const char *protection(vm_prot_t prot, char *text)
{
    text[0] = (prot & VM_PROT_READ) != 0 ? 'r' : '-';
    text[1] = (prot & VM_PROT_WRITE) != 0 ? 'w' : '-';
    text[2] = (prot & VM_PROT_EXECUTE) != 0 ? 'x' : '-';
    text[3] = '\0';
    return text;
}

static const char *inheritance(vm_inherit_t inherit)
{
    return inherit == VM_INHERIT_SHARE ? "share" : inherit == VM_INHERIT_COPY ? "copy" : "none";
}

int main(int argc, char **argv)
{
    portolan_name_t name;
    mach_port_t task;
    vm_address_t address = 0;
    vm_size_t total = 0;
    vm_size_t size;
    vm_prot_t now, max;
    vm_inherit_t inherit;
    boolean_t shared;
    mach_port_t object;
    vm_offset_t offset;
    char now_text[4], max_text[4];

    program_start(argv);
    if (argc != 2) {
        program_usage("vmmap TASK    (a number as ps shows it)");
    }
    task = tasks_find(argv[1], name);
    printf("%s\n%14s %14s %10s %s %s %s\n", name, "START", "END", "KIB", "NOW", "MAX", "INHERIT");
    while (vm_region(task, &address, &size, &now, &max, &inherit, &shared, &object, &offset) ==
           KERN_SUCCESS) {
        printf("%14llx %14llx %10llu %s %s %s%s\n", (unsigned long long)address,
               (unsigned long long)(address + size), (unsigned long long)size / 1024,
               protection(now, now_text), protection(max, max_text), inheritance(inherit),
               shared ? " shared" : "");
        if (MACH_PORT_VALID(object)) {
            mach_port_deallocate(mach_task_self(), object);
        }
        total += size;
        address += size;
    }
    printf("%14s %14s %10llu\n", "", "total", (unsigned long long)total / 1024);
    return 0;
}
