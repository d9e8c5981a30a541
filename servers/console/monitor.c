/* monitor.c - the console of the monitor this system is a guest of: calls with a page of memory
 * that both see, half of it for what goes out, half for what comes in. */
#include "monitor.h"

#include <hardware.h>
#include <mach.h>
#include <mach_port.h>
#include <mach/hypercall.h>
#include <mach/vm_param.h>
#include <portolan/portolan.h>

#define HALF 2048u

static struct {
    hypercall_t calls; /* MACH_PORT_NULL: there is no monitor */
    char *page;
    uint64_t phys;
    uint64_t first; /* of what was read: those at first .. count wait */
    uint64_t count;
} monitor;

static uint64_t monitor_call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    uint64_t answer = HYPERCALL_UNKNOWN;

    (void)hypercall_make(monitor.calls, number, first, second, third, &answer);
    return answer;
}

/* The page, and where the monitor sees it. */
static kern_return_t monitor_take_page(mach_port_t hardware)
{
    vm_address_t address = 0;
    dma_pages_t pages;
    mach_msg_type_number_t count = DMA_PAGES_MAX;
    mach_port_t dma;
    int pin;
    kern_return_t kr = vm_allocate(mach_task_self(), &address, MACH_PAGE_SIZE, TRUE);

    if (kr == KERN_SUCCESS) {
        *(volatile char *)address = 0; /* pinning takes no page that is not there */
        kr = hardware_dma_create(hardware, 0, MACH_PAGE_SIZE, &dma);
    }
    if (kr == KERN_SUCCESS) { /* the right is kept for good: with it goes the page */
        kr = dma_pin(dma, mach_task_self(), address, MACH_PAGE_SIZE, VM_PROT_READ | VM_PROT_WRITE,
                     &pin, pages, &count);
    }
    if (kr == KERN_SUCCESS) {
        monitor.page = (char *)address;
        monitor.phys = (uint64_t)pages[0];
    }
    return kr;
}

/* Have what is typed interrupt. */
static kern_return_t monitor_take_irq(mach_port_t hardware, mach_port_t *irq)
{
    int64_t address;
    int data;
    kern_return_t kr = hardware_msi_create(hardware, irq, &address, &data);

    if (kr == KERN_SUCCESS &&
        monitor_call(HYPERCALL_EVENT_VECTOR, HYPERCALL_EVENT_CONSOLE,
                     HYPERCALL_MESSAGE_VECTOR(data), HYPERCALL_MESSAGE_APIC(address)) != 0) {
        kr = KERN_FAILURE;
    }
    return kr;
}

/* Is there a monitor that has a console, and tells when something is typed? */
static bool monitor_is_there(void)
{
    const uint64_t needed = HYPERCALL_HAS_CONSOLE | HYPERCALL_HAS_EVENTS;
    uint64_t features = monitor_call(HYPERCALL_FEATURES, 0, 0, 0);

    return features != HYPERCALL_UNKNOWN && (features & needed) == needed;
}

static void monitor_give_up(void)
{
    mach_port_deallocate(mach_task_self(), monitor.calls);
    monitor.calls = MACH_PORT_NULL;
}

bool monitor_init(mach_port_t hardware, mach_port_t *irq)
{
    kern_return_t kr =
        hardware_hypercall_create(hardware, HYPERCALL_FEATURES, HYPERCALL_EVENTS, &monitor.calls);

    if (kr != KERN_SUCCESS) {
        return false;
    }
    if (!monitor_is_there()) {
        monitor_give_up();
        return false;
    }
    kr = monitor_take_page(hardware);
    if (kr == KERN_SUCCESS) {
        kr = monitor_take_irq(hardware, irq);
    }
    if (kr != KERN_SUCCESS) {
        portolan_print("console: the monitor's console cannot be used: 0x%x\n", (unsigned)kr);
        monitor_give_up();
    }
    return kr == KERN_SUCCESS;
}

void monitor_write(const char *text, size_t size)
{
    unsigned n = 0;

    for (size_t i = 0; monitor.calls != MACH_PORT_NULL && i < size; i++) {
        if (text[i] == '\n') {
            monitor.page[n++] = '\r';
        }
        monitor.page[n++] = text[i];
        if (n >= HALF - 1 || i + 1 == size) {
            (void)monitor_call(HYPERCALL_CONSOLE_WRITE, monitor.phys, n, 0);
            n = 0;
        }
    }
}

int monitor_read(void)
{
    if (monitor.first == monitor.count) {
        (void)monitor_call(HYPERCALL_EVENTS, HYPERCALL_EVENT_CONSOLE, 0, 0);
        monitor.first = 0;
        monitor.count = monitor_call(HYPERCALL_CONSOLE_READ, monitor.phys + HALF, HALF, 0);
        if (monitor.count > HALF) {
            monitor.count = 0; /* an error: nothing was typed */
        }
    }
    if (monitor.first == monitor.count) {
        return -1;
    }
    monitor.first++;
    return (uint8_t)monitor.page[HALF + monitor.first - 1];
}
