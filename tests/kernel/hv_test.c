/* hv_test.c - virtual machines when memory is out. */
#include "arch/layout.h"
#include "ddb/ktest.h"
#include "ddb/slab_debug.h"
#include "hv/hv.h"
#include "hv/hv_impl.h"
#include "hv_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/host.h"
#include "kern/task.h"

static struct task *test_task(vm_address_t *address)
{
    struct vm_map_request request = {.size = PAGE_SIZE,
                                     .anywhere = true,
                                     .protection = VM_PROT_DEFAULT,
                                     .max_protection = VM_PROT_ALL,
                                     .inheritance = VM_INHERIT_DEFAULT};
    struct task *task = NULL;

    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    *address = 0;
    EXPECT_EQ(vm_map_enter(task->map, address, &request), KERN_SUCCESS);
    return task;
}

static void test_end_task(struct task *task)
{
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    task_unref(task);
}

/* Nobody has a right to it: with the first and last it ends. */
static void test_end_machine(hv_machine_t machine)
{
    ipc_port_release_send(convert_machine_to_port(machine));
}

KTEST(hv, machines_and_processors_are_refused)
{
    vm_address_t record;
    struct task *task;
    hv_machine_t machine;
    hv_vcpu_t vcpu;

    if (hv_ops == NULL) {
        EXPECT_EQ(hv_machine_create(host_hv_port, &machine), KERN_FAILURE);
        return;
    }
    task = test_task(&record);
    for (uint32_t n = 0; n < 4; n++) { /* the machine, its page tables, its map, its port */
        slab_debug_refuse(n);
        EXPECT_EQ(hv_machine_create(host_hv_port, &machine), KERN_RESOURCE_SHORTAGE);
    }
    EXPECT_EQ(hv_machine_create(host_hv_port, &machine), KERN_SUCCESS);
    EXPECT_EQ(hv_machine_enable_apic(machine), KERN_SUCCESS);
    for (uint32_t n = 0; n < 4; n++) { /* the processor, its vector state, what SVM has, its APIC */
        slab_debug_refuse(n);
        EXPECT_EQ(hv_vcpu_create(machine, task->map, record, &vcpu), KERN_RESOURCE_SHORTAGE);
    }
    slab_debug_refuse(0);
    EXPECT_EQ(hv_machine_share(machine, 0, PAGE_SIZE, task->map, record, VM_PROT_READ),
              KERN_RESOURCE_SHORTAGE);
    test_end_machine(machine);
    test_end_task(task);
}

KTEST(hv, nothing_is_put_into_the_memory_of_a_machine_that_has_ended)
{
    struct vm_map_request request = {.size = PAGE_SIZE,
                                     .protection = VM_PROT_DEFAULT,
                                     .max_protection = VM_PROT_ALL,
                                     .inheritance = VM_INHERIT_DEFAULT};
    vm_offset_t address = 0;
    hv_machine_t machine;
    struct vm_map *map;

    if (hv_ops == NULL) {
        return;
    }
    EXPECT_EQ(hv_machine_create(host_hv_port, &machine), KERN_SUCCESS);
    map = hv_machine_take_map(machine); /* as a call has it that comes just before the end */
    EXPECT_EQ(hv_machine_terminate(machine), KERN_SUCCESS);
    EXPECT_EQ(vm_map_enter(map, &address, &request), KERN_NO_SPACE);
    vm_map_unref(map);
    test_end_machine(machine);
}

KTEST(hv, a_processor_outlives_its_machines_last_right)
{
    vm_address_t record;
    struct task *task;
    hv_machine_t machine;
    hv_vcpu_t vcpu;

    if (hv_ops == NULL) {
        return;
    }
    task = test_task(&record);
    EXPECT_EQ(hv_machine_create(host_hv_port, &machine), KERN_SUCCESS);
    EXPECT_EQ(hv_vcpu_create(machine, task->map, record, &vcpu), KERN_SUCCESS);
    hv_print(); /* as it is: in the kernel's own task */
    test_end_machine(machine);
    EXPECT_EQ(vcpu->machine->object.refs, 1);
    ipc_port_release_send(convert_vcpu_to_port(vcpu));
    test_end_task(task);
}
