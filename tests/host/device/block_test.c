/* block_test.c - requests to a monitor's disks, and the memory they hold: what a driver may ask
 * for, what it may not, and what becomes of what is under way when it ends. The monitor's side is
 * played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mach/hardware.h>
#include <mach/hypercall.h>

#include "arch/hypervisor.h"
#include "arch/iommu.h"
#include "device/hardware.h"
#include "hardware_kernel_server.h"
#include "kern/port_object.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"

#define PAGES    600u /* of memory that can be pinned */
#define FIRST    1000000u
#define OBJECTS  4096u /* objects of the kernel, in memory of its own */
#define IMAGE    0x40000000u
#define ALL      (HYPERCALL_HAS_BLOCK | HYPERCALL_HAS_EVENTS)
#define READ     ((int)HYPERCALL_BLOCK_READ)
#define WRITE    ((int)HYPERCALL_BLOCK_WRITE)
#define FLUSH    ((int)HYPERCALL_BLOCK_FLUSH)
#define PAGE     ((vm_size_t)PAGE_SIZE)
#define HARDWARE ((struct ipc_port *)0x2000)

unsigned test_locks_held;
struct vm_page_segment vm_page_segments[1];
static struct vm_page frames[PAGES] __attribute__((aligned(64)));
static struct vm_map map = {.max = PAGES * PAGE};
static unsigned pins[PAGES]; /* how often each page is pinned */
static uint8_t kernel[OBJECTS * 64] __attribute__((aligned(64)));
static size_t kernel_used, kernel_objects;
static unsigned allocations_left;

/* The monitor: requests it has, by their addresses. */
static struct hypercall_block *asked[HYPERCALL_BLOCK_REQUESTS + 1];
static unsigned asked_count, events_cleared;
static uint64_t features;
static bool refuses;

void panic(const char *format, ...)
{
    fprintf(stderr, "panic: %s\n", format);
    abort();
}

/* --- the kernel around --- */

phys_addr_t virt_to_phys(const void *virt)
{
    assert_true((const uint8_t *)virt >= kernel && (const uint8_t *)virt < kernel + sizeof(kernel));
    return IMAGE + (phys_addr_t)((const uint8_t *)virt - kernel);
}

static void *at(uint64_t phys)
{
    assert_true(phys >= IMAGE && phys < IMAGE + sizeof(kernel));
    return kernel + (phys - IMAGE);
}

/* Memory is not used twice in one test: what is used late is found out. */
void *kalloc(size_t size)
{
    void *object = kernel + kernel_used;

    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left--;
    kernel_objects++;
    kernel_used += (size + 63) & ~63ul;
    assert_true(kernel_used <= sizeof(kernel));
    return object;
}

void kfree(void *pointer, size_t size)
{
    assert_true(size != 0 && kernel_objects != 0);
    kernel_objects--;
    memset(pointer, 0xdd, size);
}

bool port_object_init(struct port_object *object, enum kobject_type type,
                      void (*end)(struct port_object *))
{
    if (allocations_left == 0) {
        return false;
    }
    *object = (struct port_object){1, NULL, end};
    return true;
}

void *port_object_of(struct ipc_port *port, enum kobject_type type)
{
    return NULL;
}

struct ipc_port *port_object_port(struct port_object *object)
{
    return NULL;
}

void *port_object_try_ref(struct port_object *object)
{
    assert_true(object->refs != 0 && test_locks_held == 0);
    object->refs++;
    return object;
}

void port_object_unref(struct port_object *object)
{
    assert_true(object->refs != 0 && test_locks_held == 0);
    object->refs--;
    if (object->refs == 0) {
        object->end(object);
    }
}

bool hardware_is_port(struct ipc_port *port)
{
    return port == HARDWARE;
}

kern_return_t vm_fault_pin(struct vm_map *map, vm_offset_t va, vm_prot_t access,
                           struct vm_page **page)
{
    *page = &frames[va / PAGE];
    pins[va / PAGE]++;
    return KERN_SUCCESS;
}

void vm_fault_unpin(struct vm_page *page)
{
    assert_true(pins[page - frames] != 0 && test_locks_held == 0);
    pins[page - frames]--;
}

kern_return_t iommu_domain_find(uint16_t source, struct iommu_domain **domain)
{
    *domain = NULL;
    return KERN_SUCCESS;
}

void iommu_domain_unref(struct iommu_domain *domain) {}

kern_return_t iommu_domain_map(struct iommu_domain *domain, struct vm_page *const *pages,
                               uint32_t n, bool is_writable, uint64_t *bus)
{
    return KERN_FAILURE;
}

void iommu_domain_unmap(struct iommu_domain *domain, uint64_t bus, uint32_t n) {}

void iommu_domain_faults(struct iommu_domain *domain, struct iommu_faults *faults) {}

/* --- the monitor --- */

uint64_t hypervisor_call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    assert_int_equal(test_locks_held, 0);
    switch (number) {
    case HYPERCALL_FEATURES:
        return features;
    case HYPERCALL_BLOCK_SIZE:
        return first == 0 ? 1000 : first == 1 ? 7 | HYPERCALL_BLOCK_READ_ONLY : 0;
    case HYPERCALL_EVENTS:
        assert_int_equal(first, HYPERCALL_EVENT_BLOCK);
        events_cleared++;
        return 0;
    case HYPERCALL_BLOCK:
        assert_int_equal(first % 8, 0);
        if (refuses) {
            return HYPERCALL_BAD;
        }
        assert_true(asked_count < HYPERCALL_BLOCK_REQUESTS);
        asked[asked_count] = at(first);
        assert_int_equal(asked[asked_count]->status, HYPERCALL_BLOCK_PENDING);
        asked_count++;
        return 0;
    default:
        return HYPERCALL_UNKNOWN;
    }
}

/* The first request is done. */
static void finish(uint32_t status)
{
    assert_true(asked_count != 0);
    asked[0]->status = status;
    asked_count--;
    memmove(&asked[0], &asked[1], asked_count * sizeof(asked[0]));
}

/* --- a driver --- */

static dma_t dma;
static hardware_block_t block;

static int start(void **state)
{
    vm_page_segments[0].origin = (phys_addr_t)FIRST * PAGE - (uintptr_t)frames * VM_PAGE_RATIO;
    memset(pins, 0, sizeof(pins));
    kernel_used = kernel_objects = 0;
    allocations_left = UINT32_MAX;
    asked_count = events_cleared = 0;
    features = ALL;
    refuses = false;
    assert_int_equal(hardware_dma_create(HARDWARE, 0, PAGES * PAGE, &dma), KERN_SUCCESS);
    assert_int_equal(hardware_block_create(HARDWARE, dma, &block), KERN_SUCCESS);
    return 0;
}

/* The end of every test, when the driver is gone and all is done: nothing is left. */
static void nothing_is_left(void)
{
    assert_int_equal(kernel_objects, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(pins[i], 0);
    }
}

static void leave(void)
{
    hardware_block_unref(block);
    hardware_dma_unref(dma);
}

static int pin(vm_address_t address, vm_size_t size, vm_prot_t access)
{
    static dma_pages_t pages;
    mach_msg_type_number_t count;
    int id;

    assert_int_equal(dma_pin(dma, &map, address, size, access, &id, pages, &count), KERN_SUCCESS);
    return id;
}

static unsigned take(int64_t *done)
{
    static hardware_block_done_t all;
    mach_msg_type_number_t count = 0;

    assert_int_equal(hardware_block_take(block, all, &count), KERN_SUCCESS);
    if (count != 0 && done != NULL) {
        *done = all[0];
    }
    return count;
}

static void rights_are_for_those_who_have_the_hardware(void **state)
{
    hardware_block_t none;
    uint64_t sectors;

    assert_int_equal(hardware_block_create(NULL, dma, &none), KERN_NO_ACCESS);
    features = HYPERCALL_UNKNOWN;
    assert_int_equal(hardware_block_create(HARDWARE, dma, &none), KERN_FAILURE);
    features = HYPERCALL_HAS_EVENTS;
    assert_int_equal(hardware_block_create(HARDWARE, dma, &none), KERN_FAILURE);
    features = ALL;
    allocations_left = 0;
    assert_int_equal(hardware_block_create(HARDWARE, dma, &none), KERN_RESOURCE_SHORTAGE);
    allocations_left = 1;
    assert_int_equal(hardware_block_create(HARDWARE, dma, &none), KERN_RESOURCE_SHORTAGE);
    assert_int_equal(hardware_block_size(block, -1, &sectors), KERN_INVALID_ARGUMENT);
    assert_int_equal(hardware_block_size(block, 1, &sectors), KERN_SUCCESS);
    assert_true(sectors == (7 | HYPERCALL_BLOCK_READ_ONLY));
    leave();
    nothing_is_left();
}

static void a_request_names_what_is_pinned(void **state)
{
    int id = pin(3 * PAGE + 100, 2 * PAGE, VM_PROT_DEFAULT); /* three pages */
    const uint64_t *list;
    int64_t done = 0;

    assert_int_equal(hardware_block_begin(block, 2, READ, 77, 16, id, 100, 9), KERN_SUCCESS);
    assert_int_equal(asked_count, 1);
    assert_int_equal(asked[0]->disk, 2);
    assert_int_equal(asked[0]->operation, HYPERCALL_BLOCK_READ | HYPERCALL_BLOCK_LIST);
    assert_int_equal(asked[0]->sector, 77);
    assert_int_equal(asked[0]->sectors, 16);
    list = at(asked[0]->address);
    assert_int_equal(list[0], (FIRST + 3) * PAGE + 100);
    assert_int_equal(list[1], (FIRST + 4) * PAGE);
    assert_int_equal(list[2], (FIRST + 5) * PAGE);
    assert_int_equal(take(NULL), 0);
    finish(HYPERCALL_BLOCK_DONE);
    assert_int_equal(take(&done), 1);
    assert_int_equal(done, (int64_t)HYPERCALL_BLOCK_DONE << 32 | 9);
    assert_int_equal(take(NULL), 0);
    assert_int_equal(hardware_block_begin(block, 0, WRITE, 0, 8, id, 2 * PAGE, -1), KERN_SUCCESS);
    list = at(asked[0]->address);
    assert_int_equal(list[0], (FIRST + 5) * PAGE);
    finish(HYPERCALL_BLOCK_FAILED);
    assert_int_equal(take(&done), 1);
    assert_int_equal((uint32_t)done, UINT32_MAX);
    assert_int_equal(done >> 32, HYPERCALL_BLOCK_FAILED);
    assert_int_equal(hardware_block_begin(block, 1, FLUSH, 5, 5, 12345, 99, 3), KERN_SUCCESS);
    assert_int_equal(asked[0]->operation, HYPERCALL_BLOCK_FLUSH);
    assert_int_equal(asked[0]->sectors, 0);
    finish(HYPERCALL_BLOCK_DONE);
    assert_int_equal(take(NULL), 1);
    assert_int_equal(events_cleared, 5);
    leave();
    nothing_is_left();
}

static void other_memory_is_refused(void **state)
{
    int written = pin(0, 2 * PAGE, VM_PROT_DEFAULT);
    int read = pin(4 * PAGE, 2 * PAGE, VM_PROT_READ);

    assert_int_equal(hardware_block_begin(block, -1, READ, 0, 1, written, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(hardware_block_begin(block, 0, -1, 0, 1, written, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(hardware_block_begin(block, 0, 3, 0, 1, written, 0, 0), KERN_INVALID_ARGUMENT);
    assert_int_equal(
        hardware_block_begin(block, 0, READ | (int)HYPERCALL_BLOCK_LIST, 0, 1, written, 0, 0),
        KERN_INVALID_ARGUMENT);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 0, written, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, -1, written, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 2049, written, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 17, written, 0, 0),
                     KERN_INVALID_ADDRESS);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, written, 2 * PAGE - 511, 0),
                     KERN_INVALID_ADDRESS);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, written, 2 * PAGE + 1, 0),
                     KERN_INVALID_ADDRESS);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, written, UINT64_MAX, 0),
                     KERN_INVALID_ADDRESS);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, read, 0, 0),
                     KERN_PROTECTION_FAILURE);
    assert_int_equal(hardware_block_begin(block, 0, WRITE, 0, 1, read, 0, 0), KERN_SUCCESS);
    finish(HYPERCALL_BLOCK_DONE);
    assert_int_equal(hardware_block_begin(block, 0, WRITE, 0, 1, read + 1, 0, 0),
                     KERN_INVALID_NAME);
    assert_int_equal(dma_unpin(dma, read), KERN_SUCCESS);
    assert_int_equal(hardware_block_begin(block, 0, WRITE, 0, 1, read, 0, 0), KERN_INVALID_NAME);
    allocations_left = 0;
    assert_int_equal(hardware_block_begin(block, 0, WRITE, 0, 1, written, 0, 0),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(hardware_block_begin(block, 0, FLUSH, 0, 0, 0, 0, 0), KERN_RESOURCE_SHORTAGE);
    allocations_left = UINT32_MAX;
    refuses = true;
    assert_int_equal(hardware_block_begin(block, 0, WRITE, 0, 1, written, 0, 0), KERN_FAILURE);
    assert_int_equal(asked_count, 0);
    assert_int_equal(take(NULL), 1);
    leave();
    nothing_is_left();
}

static void what_is_used_stays_pinned(void **state)
{
    int id = pin(0, 2 * PAGE, VM_PROT_DEFAULT);

    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, 0, 0), KERN_SUCCESS);
    assert_int_equal(dma_unpin(dma, id), KERN_SUCCESS);
    assert_int_equal(dma_unpin(dma, id), KERN_INVALID_NAME);
    assert_int_equal(pins[0], 1);
    assert_int_equal(pins[1], 1);
    assert_int_equal(dma_end(dma), KERN_SUCCESS);
    assert_int_equal(pins[0], 1);
    finish(HYPERCALL_BLOCK_DONE);
    assert_int_equal(pins[0], 1); /* until somebody looks */
    assert_int_equal(take(NULL), 1);
    assert_int_equal(pins[0], 0);
    leave();
    nothing_is_left();
}

/* What is pinned and was unpinned while it is used counts against the limit until it is done. */
static void what_is_used_is_charged(void **state)
{
    static dma_pages_t pages;
    mach_msg_type_number_t count;
    int id = pin(0, 512 * PAGE, VM_PROT_DEFAULT), other;

    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, 0, 0), KERN_SUCCESS);
    assert_int_equal(dma_unpin(dma, id), KERN_SUCCESS);
    assert_int_equal(dma_pin(dma, &map, 0, 100 * PAGE, VM_PROT_READ, &other, pages, &count),
                     KERN_NO_SPACE);
    finish(HYPERCALL_BLOCK_DONE);
    assert_int_equal(take(NULL), 1);
    assert_int_equal(dma_pin(dma, &map, 0, 100 * PAGE, VM_PROT_READ, &other, pages, &count),
                     KERN_SUCCESS);
    leave();
    nothing_is_left();
}

static void a_driver_ends_with_requests_under_way(void **state)
{
    int id = pin(0, 2 * PAGE, VM_PROT_DEFAULT);
    int64_t done = 0;

    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, 0, 1), KERN_SUCCESS);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, PAGE, 2), KERN_SUCCESS);
    finish(HYPERCALL_BLOCK_DONE);
    assert_int_equal(dma_end(dma), KERN_SUCCESS); /* the device master */
    leave();
    assert_int_equal(pins[0], 1);
    assert_int_equal(pins[1], 1);
    assert_int_equal(hardware_dma_create(HARDWARE, 0, PAGES * PAGE, &dma), KERN_SUCCESS);
    assert_int_equal(hardware_block_create(HARDWARE, dma, &block), KERN_SUCCESS);
    assert_int_equal(take(NULL), 0);
    id = pin(2 * PAGE, PAGE, VM_PROT_DEFAULT);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, 0, 1), KERN_SUCCESS);
    finish(HYPERCALL_BLOCK_DONE); /* the last one of the driver before */
    assert_int_equal(pins[1], 1);
    assert_int_equal(take(NULL), 0); /* and not this one's */
    assert_int_equal(pins[0] + pins[1], 0);
    finish(HYPERCALL_BLOCK_DONE);
    assert_int_equal(take(&done), 1);
    assert_int_equal((uint32_t)done, 1);
    leave();
    nothing_is_left();
}

static void no_more_are_under_way_than_the_monitor_takes(void **state)
{
    int id = pin(0, PAGE, VM_PROT_DEFAULT);

    for (unsigned i = 0; i < HYPERCALL_BLOCK_REQUESTS; i++) {
        assert_int_equal(hardware_block_begin(block, 0, READ, i, 1, id, 0, (int)i), KERN_SUCCESS);
    }
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, 0, 0), KERN_NO_SPACE);
    leave(); /* nor with those that nobody waits for */
    assert_int_equal(hardware_dma_create(HARDWARE, 0, PAGES * PAGE, &dma), KERN_SUCCESS);
    assert_int_equal(hardware_block_create(HARDWARE, dma, &block), KERN_SUCCESS);
    id = pin(PAGE, PAGE, VM_PROT_DEFAULT);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, 0, 0), KERN_NO_SPACE);
    finish(HYPERCALL_BLOCK_FAILED);
    assert_int_equal(hardware_block_begin(block, 0, READ, 0, 1, id, 0, 0), KERN_SUCCESS);
    while (asked_count != 0) {
        finish(HYPERCALL_BLOCK_DONE);
    }
    assert_int_equal(take(NULL), 1);
    leave();
    nothing_is_left();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(rights_are_for_those_who_have_the_hardware, start),
    cmocka_unit_test_setup(a_request_names_what_is_pinned, start),
    cmocka_unit_test_setup(other_memory_is_refused, start),
    cmocka_unit_test_setup(what_is_used_stays_pinned, start),
    cmocka_unit_test_setup(what_is_used_is_charged, start),
    cmocka_unit_test_setup(a_driver_ends_with_requests_under_way, start),
    cmocka_unit_test_setup(no_more_are_under_way_than_the_monitor_takes, start),
};

int main(void)
{
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("block", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
