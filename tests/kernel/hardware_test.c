/* hardware_test.c - interrupts and memory for devices, as the hardware port gives them out. */
#include <mach/hardware.h>
#include <mach/hypercall.h>

#include "arch/interrupt.h"
#include "arch/iommu.h"
#include "arch/ipi.h"
#include "arch/irq.h"
#include "ddb/ktest.h"
#include "ddb/slab_debug.h"
#include "device/hardware.h"
#include "hardware_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/host.h"
#include "kern/kobject.h"
#include "kern/clock.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"

#define LINE   5
#define SOURCE 0xf8 /* 00:1f.0: what is there does not use memory */

static void test_release_irq(irq_t irq)
{
    ipc_port_release_send(convert_irq_to_port(irq));
}

/* As the device does. */
static void test_interrupt(uint32_t vector)
{
    uint64_t flags = interrupt_save_disable();
    struct thread *told = irq_interrupt(vector, false);

    if (told != NULL) {
        thread_setrun(told);
    }
    interrupt_restore(flags);
}

/* Have interrupts told to the port. */
static kern_return_t test_wait(irq_t irq, int id, struct ipc_port *port)
{
    return irq_wait(irq, id, ipc_port_make_sonce(port));
}

/* Come `messages` to the port, and no more? */
static bool test_is_told(struct ipc_port *port, uint32_t messages)
{
    for (unsigned i = 0; i < 1000 && atomic_load(&port->msgcount) < messages; i++) {
        thread_sleep(NS_PER_MS);
    }
    thread_sleep(2 * NS_PER_MS);
    return atomic_load(&port->msgcount) == messages;
}

static void test_drop_port(struct ipc_port *port)
{
    spin_lock(&port->lock);
    ipc_port_destroy(port);
}

KTEST(hardware, a_right_to_a_line_has_one_waiter)
{
    struct ipc_port *port = ipc_port_create(NULL);
    struct ipc_port *second = ipc_port_make_sonce(port);
    irq_t irq;

    EXPECT_EQ(hardware_irq_create(host_hardware_port, LINE, &irq), KERN_SUCCESS);
    EXPECT_EQ(irq_wait(irq, 1, IP_NULL), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(test_wait(irq, 1, port), KERN_SUCCESS);
    EXPECT_EQ(irq_wait(irq, 2, second), KERN_RESOURCE_SHORTAGE);
    ipc_port_release_sonce(second);
    test_drop_port(port);
    test_release_irq(irq);
}

KTEST(hardware, several_rights_share_a_line)
{
    struct ipc_port *first = ipc_port_create(NULL), *second = ipc_port_create(NULL);
    uint32_t vector = VECTOR_DEVICE_FIRST + irq_from_isa(LINE);
    irq_t one, two;

    EXPECT_EQ(hardware_irq_create(host_hardware_port, LINE, &one), KERN_SUCCESS);
    EXPECT_EQ(hardware_irq_create(host_hardware_port, LINE, &two), KERN_SUCCESS);
    EXPECT_EQ(test_wait(one, 1, first), KERN_SUCCESS);
    EXPECT_EQ(test_wait(two, 2, second), KERN_SUCCESS);
    test_interrupt(vector);
    EXPECT_TRUE(test_is_told(first, 1));
    EXPECT_TRUE(test_is_told(second, 1));
    test_interrupt(vector); /* nobody waits: it is kept */
    EXPECT_EQ(test_wait(one, 1, first), KERN_SUCCESS);
    EXPECT_TRUE(test_is_told(first, 2));
    EXPECT_TRUE(test_is_told(second, 1));
    test_release_irq(two);
    EXPECT_EQ(test_wait(one, 1, first), KERN_SUCCESS);
    test_interrupt(vector);
    EXPECT_TRUE(test_is_told(first, 3));
    test_release_irq(one);
    test_drop_port(first);
    test_drop_port(second);
}

KTEST(hardware, a_line_that_nobody_asks_for_is_masked)
{
    struct ipc_port *port = ipc_port_create(NULL);
    irq_t irq;

    EXPECT_EQ(hardware_irq_create(host_hardware_port, LINE, &irq), KERN_SUCCESS);
    EXPECT_EQ(test_wait(irq, 1, port), KERN_SUCCESS);
    for (unsigned i = 0; i < 20000; i++) {
        test_interrupt(VECTOR_DEVICE_FIRST + irq_from_isa(LINE));
    }
    EXPECT_TRUE(test_is_told(port, 1));
    EXPECT_EQ(test_wait(irq, 1, port), KERN_SUCCESS);
    EXPECT_TRUE(test_is_told(port, 2));
    test_release_irq(irq);
    test_drop_port(port);
}

KTEST(hardware, rights_to_calls_are_for_their_numbers)
{
    uint64_t answer = 0;
    hypercall_t calls;

    EXPECT_EQ(hardware_hypercall_create(host_priv_port, 1, 2, &calls), KERN_NO_ACCESS);
    EXPECT_EQ(hardware_hypercall_create(host_hardware_port, 2, 1, &calls), KERN_INVALID_ARGUMENT);
    slab_debug_refuse(0);
    EXPECT_EQ(hardware_hypercall_create(host_hardware_port, 1, 2, &calls), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(1);
    EXPECT_EQ(hardware_hypercall_create(host_hardware_port, 1, 2, &calls), KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(hardware_hypercall_create(host_hardware_port, 1, 2, &calls), KERN_SUCCESS);
    EXPECT_EQ(hypercall_make(calls, 0, 0, 0, 0, &answer), KERN_NO_ACCESS);
    EXPECT_EQ(hypercall_make(calls, 3, 0, 0, 0, &answer), KERN_NO_ACCESS);
    EXPECT_EQ(answer, 0);
    EXPECT_EQ(hypercall_make(calls, 2, 0, 0, 0, &answer), KERN_SUCCESS);
    EXPECT_EQ(answer, HYPERCALL_UNKNOWN); /* nobody is there to be called */
    ipc_port_release_send(convert_hypercall_to_port(calls));
}

KTEST(hardware, a_message_of_a_device_is_an_interrupt)
{
    struct ipc_port *port = ipc_port_create(NULL);
    int64_t address, again;
    int data, next;
    irq_t irq, other;

    EXPECT_EQ(hardware_msi_create(host_priv_port, &irq, &address, &data), KERN_NO_ACCESS);
    slab_debug_refuse(0);
    EXPECT_EQ(hardware_msi_create(host_hardware_port, &irq, &address, &data),
              KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(hardware_msi_create(host_hardware_port, &irq, &address, &data), KERN_SUCCESS);
    EXPECT_EQ(hardware_msi_create(host_hardware_port, &other, &again, &next), KERN_SUCCESS);
    EXPECT_EQ(address & ~0xfffffl, 0xfee00000);
    EXPECT_TRUE(data != next);
    EXPECT_EQ(test_wait(irq, 7, port), KERN_SUCCESS);
    test_interrupt((uint32_t)next);
    EXPECT_TRUE(test_is_told(port, 0));
    test_interrupt((uint32_t)data);
    EXPECT_TRUE(test_is_told(port, 1));
    test_release_irq(irq);
    test_interrupt((uint32_t)data); /* late, and nobody's */
    EXPECT_EQ(hardware_msi_create(host_hardware_port, &irq, &address, &next), KERN_SUCCESS);
    EXPECT_EQ(next, data);
    test_release_irq(irq);
    test_release_irq(other);
    test_drop_port(port);
}

KTEST(hardware, messages_of_devices_run_out)
{
    static irq_t irqs[IRQ_LINES];
    int64_t address;
    unsigned n = 0;
    irq_t none;
    int data;

    while (n < IRQ_LINES &&
           hardware_msi_create(host_hardware_port, &irqs[n], &address, &data) == KERN_SUCCESS) {
        n++;
    }
    EXPECT_EQ(hardware_msi_create(host_hardware_port, &none, &address, &data),
              KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(n, IRQ_LINES - irq_line_count() - (iommu_is_on() ? 1 : 0)); /* it has one, too */
    while (n-- > 0) {
        test_release_irq(irqs[n]);
    }
}

KTEST(hardware, the_configuration_space_of_pci_is_told)
{
    int64_t ecam;
    int first, last;

    EXPECT_EQ(hardware_pci(host_priv_port, &ecam, &first, &last), KERN_NO_ACCESS);
    EXPECT_EQ(hardware_pci(host_hardware_port, &ecam, &first, &last), KERN_SUCCESS);
    EXPECT_TRUE(ecam == 0 || first <= last);
}

/* --- memory for devices --- */

struct test_memory {
    struct task *task;
    dma_t dma;
    vm_offset_t at;
};

static dma_pages_t test_pages;
static mach_msg_type_number_t test_count;

static struct test_memory test_memory(vm_size_t size, vm_prot_t protection)
{
    struct vm_map_request request = {
        .size = size,
        .anywhere = true,
        .protection = protection,
        .max_protection = VM_PROT_DEFAULT,
        .inheritance = VM_INHERIT_NONE,
    };
    struct test_memory m = {NULL, NULL, 0};

    EXPECT_EQ(task_create_from(NULL, false, &m.task), KERN_SUCCESS);
    EXPECT_EQ(vm_map_enter(m.task->map, &m.at, &request), KERN_SUCCESS);
    EXPECT_EQ(hardware_dma_create(host_hardware_port, SOURCE, 8 * PAGE_SIZE, &m.dma), KERN_SUCCESS);
    return m;
}

/* The page of memory that was pinned as test_pages[i]. */
static struct vm_page *test_page(const struct test_memory *m, unsigned i)
{
    uint64_t first = (uint64_t)test_pages[0], there = (uint64_t)test_pages[i];
    struct vm_page *page;

    EXPECT_EQ(vm_fault_pin(m->task->map, m->at + i * PAGE_SIZE, VM_PROT_READ, &page), KERN_SUCCESS);
    vm_fault_unpin(page);
    EXPECT_EQ(there, iommu_is_on() ? first + i * PAGE_SIZE : vm_page_to_phys(page));
    return page;
}

static void test_memory_end(struct test_memory *m)
{
    if (m->task != NULL) {
        EXPECT_EQ(task_end(m->task), KERN_SUCCESS);
        task_unref(m->task);
        m->task = NULL;
    }
}

/* The first arguments of dma_pin, and the last. */
#define OF(m, size) (m).dma, (m).task->map, (m).at, (size)
#define TO(pin)     (pin), test_pages, &test_count

KTEST(dma, what_is_pinned_outlives_the_task)
{
    struct test_memory m = test_memory(4 * PAGE_SIZE, VM_PROT_DEFAULT);
    struct vm_page *page;
    uint64_t word = 0;
    int pin;

    EXPECT_EQ(dma_pin(OF(m, 4 * PAGE_SIZE), VM_PROT_DEFAULT, TO(&pin)), KERN_SUCCESS);
    page = test_page(&m, 3);
    *(uint64_t *)vm_page_to_virt(page) = 42; /* as the device does */
    EXPECT_EQ(vm_fault_read(m.task->map, m.at + 3 * PAGE_SIZE, &word, 8), KERN_SUCCESS);
    EXPECT_EQ(word, 42);
    EXPECT_EQ(test_count, 4);
    EXPECT_EQ(page->wire_count, 1);
    test_memory_end(&m);
    EXPECT_EQ(page->state, VM_PAGE_STATE_USED);
    EXPECT_EQ(*(uint64_t *)vm_page_to_virt(page), 42);
    ipc_port_release_send(convert_dma_to_port(m.dma));
    EXPECT_TRUE(page->state != VM_PAGE_STATE_USED || page->wire_count == 0);
}

KTEST(dma, what_is_pinned_stays_when_it_is_unmapped)
{
    struct test_memory m = test_memory(2 * PAGE_SIZE, VM_PROT_DEFAULT);
    struct vm_page *page;
    int pin;

    EXPECT_EQ(dma_pin(OF(m, 2 * PAGE_SIZE), VM_PROT_DEFAULT, TO(&pin)), KERN_SUCCESS);
    page = test_page(&m, 0);
    EXPECT_EQ(vm_map_remove(m.task->map, m.at, m.at + 2 * PAGE_SIZE), KERN_SUCCESS);
    EXPECT_EQ(page->wire_count, 1);
    EXPECT_EQ(dma_unpin(m.dma, pin), KERN_SUCCESS);
    EXPECT_EQ(dma_unpin(m.dma, pin), KERN_INVALID_NAME);
    test_memory_end(&m);
    ipc_port_release_send(convert_dma_to_port(m.dma));
}

KTEST(dma, nothing_is_pinned_by_a_right_that_was_ended)
{
    struct test_memory m = test_memory(4 * PAGE_SIZE, VM_PROT_DEFAULT);
    struct vm_page *page;
    int pin, other;

    EXPECT_EQ(dma_pin(OF(m, PAGE_SIZE), VM_PROT_READ, TO(&other)), KERN_SUCCESS);
    EXPECT_EQ(dma_pin(OF(m, 2 * PAGE_SIZE), VM_PROT_DEFAULT, TO(&pin)), KERN_SUCCESS);
    page = test_page(&m, 0);
    EXPECT_EQ(page->wire_count, 2);
    EXPECT_EQ(dma_end(m.dma), KERN_SUCCESS);
    EXPECT_EQ(page->wire_count, 0);
    EXPECT_EQ(dma_unpin(m.dma, pin), KERN_INVALID_NAME);
    EXPECT_EQ(dma_pin(OF(m, PAGE_SIZE), VM_PROT_READ, TO(&pin)), KERN_NO_SPACE);
    EXPECT_EQ(dma_end(m.dma), KERN_SUCCESS);
    test_memory_end(&m);
    ipc_port_release_send(convert_dma_to_port(m.dma));
}

KTEST(dma, what_cannot_be_pinned_is_refused)
{
    struct test_memory m = test_memory(16 * PAGE_SIZE, VM_PROT_READ);
    dma_t none;
    int pin;

    EXPECT_EQ(hardware_dma_create(host_priv_port, SOURCE, PAGE_SIZE, &none), KERN_NO_ACCESS);
    EXPECT_EQ(hardware_dma_create(host_hardware_port, -1, PAGE_SIZE, &none), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(hardware_dma_create(host_hardware_port, 0x10000, PAGE_SIZE, &none),
              KERN_INVALID_ARGUMENT);
    EXPECT_EQ(dma_pin(OF(m, 0), VM_PROT_READ, TO(&pin)), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(dma_pin(OF(m, PAGE_SIZE), VM_PROT_NONE, TO(&pin)), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(dma_pin(OF(m, 513 * PAGE_SIZE), VM_PROT_READ, TO(&pin)), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(dma_pin(m.dma, m.task->map, m.at + 1, 512 * PAGE_SIZE, VM_PROT_READ, &pin, test_pages,
                      &test_count),
              KERN_INVALID_ARGUMENT);
    EXPECT_EQ(dma_pin(m.dma, m.task->map, ~0ul - 1, PAGE_SIZE, VM_PROT_READ, &pin, test_pages,
                      &test_count),
              KERN_INVALID_ADDRESS);
    EXPECT_EQ(dma_pin(OF(m, PAGE_SIZE), VM_PROT_DEFAULT, TO(&pin)), KERN_PROTECTION_FAILURE);
    EXPECT_EQ(dma_pin(OF(m, 9 * PAGE_SIZE), VM_PROT_READ, TO(&pin)), KERN_NO_SPACE);
    EXPECT_EQ(dma_pin(OF(m, 8 * PAGE_SIZE), VM_PROT_READ, TO(&pin)), KERN_SUCCESS);
    EXPECT_EQ(dma_pin(OF(m, PAGE_SIZE), VM_PROT_READ, TO(&pin)), KERN_NO_SPACE);
    EXPECT_EQ(vm_map_remove(m.task->map, m.at, m.at + PAGE_SIZE), KERN_SUCCESS);
    EXPECT_EQ(dma_unpin(m.dma, pin), KERN_SUCCESS);
    EXPECT_EQ(dma_pin(OF(m, 8 * PAGE_SIZE), VM_PROT_READ, TO(&pin)), KERN_INVALID_ADDRESS);
    test_memory_end(&m);
    ipc_port_release_send(convert_dma_to_port(m.dma));
}

KTEST(dma, registers_are_no_memory_to_pin)
{
    struct test_memory m = test_memory(PAGE_SIZE, VM_PROT_DEFAULT);
    int pin;

    EXPECT_EQ(hardware_map(host_hardware_port, m.task->map, 0xb8000, PAGE_SIZE, HARDWARE_CACHE_NONE,
                           &m.at),
              KERN_SUCCESS);
    EXPECT_EQ(dma_pin(OF(m, PAGE_SIZE), VM_PROT_READ, TO(&pin)), KERN_MEMORY_ERROR);
    test_memory_end(&m);
    ipc_port_release_send(convert_dma_to_port(m.dma));
}

KTEST(dma, a_shortage_pins_nothing)
{
    struct test_memory m = test_memory(4 * PAGE_SIZE, VM_PROT_DEFAULT);
    dma_t none;
    int pin;

    slab_debug_refuse(0);
    EXPECT_EQ(hardware_dma_create(host_hardware_port, SOURCE, PAGE_SIZE, &none),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(1);
    EXPECT_EQ(hardware_dma_create(host_hardware_port, SOURCE, PAGE_SIZE, &none),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(dma_pin(OF(m, 4 * PAGE_SIZE), VM_PROT_DEFAULT, TO(&pin)), KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(dma_pin(OF(m, 8 * PAGE_SIZE), VM_PROT_DEFAULT, TO(&pin)), KERN_INVALID_ADDRESS);
    EXPECT_EQ(dma_pin(OF(m, 4 * PAGE_SIZE), VM_PROT_DEFAULT, TO(&pin)), KERN_SUCCESS);
    test_memory_end(&m);
    ipc_port_release_send(convert_dma_to_port(m.dma));
}
