/* stray.c - a driver that tries to reach what it was not given, for QEMU's device for education,
 * whose DMA goes wherever it is told; and who asks it to.
 *
 *     stray write ADDRESS WORD    have the device write memory at an address of the bus
 *     stray read ADDRESS          have it read there
 *     stray storm COUNT ADDRESS   write so often
 *     stray pinned                pages of the driver's own while they are pinned, and afterwards
 *     stray rights                everything else a driver might use
 *
 * Started by the device master it is the driver. */
#include <device.h>
#include <device_server.h>
#include <hardware.h>
#include <mach/device_types.h>
#include <mach/exception.h>
#include <mach_i386.h>
#include <mach_port.h>
#include <portolan/driver.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnumach.h>
#include <mach.h>

/* Registers, in 32-bit words, and their bits (QEMU, docs/specs/edu). */
#define DMA_FROM      32
#define DMA_TO        34
#define DMA_SIZE      36
#define DMA_COMMAND   38
#define DMA_START     1u
#define DMA_TO_MEMORY 2u
#define DMA_REACH     0x0fffffff
#define DEVICE_MEMORY 0x40000u
#define PAGE          4096u
#define STATUS_PINNED 1 /* flavors of device_get_status */
#define STATUS_RIGHTS 2
#define PINNED_CASES  4
#define SENTINEL      0x5afe5afeu
#define RAISED        2400 /* exception_raise */
#define WAIT_MS       5000

static volatile uint32_t *registers;
static volatile uint32_t *page; /* pinned for good */
static uint32_t page_bus;
static mach_port_t device;
static uint32_t spare[2 * PAGE / sizeof(uint32_t)] __attribute__((aligned(PAGE)));

/* --- the driver: DMA --- */

static void copy(uint64_t from, uint64_t to, uint32_t direction)
{
    registers[DMA_FROM] = (uint32_t)from;
    registers[DMA_TO] = (uint32_t)to;
    registers[DMA_SIZE] = sizeof(uint32_t);
    registers[DMA_COMMAND] = DMA_START | direction;
    while ((registers[DMA_COMMAND] & DMA_START) != 0) {
        driver_sleep(1);
    }
}

/* Have the device write the word at an address of the bus. */
static void dma_write(uint64_t bus, uint32_t word)
{
    page[0] = word;
    copy(page_bus, DEVICE_MEMORY, 0);
    copy(DEVICE_MEMORY, bus, DMA_TO_MEMORY);
}

/* What it finds there; what it had before, when it does not reach it. */
static uint32_t dma_read(uint64_t bus)
{
    page[0] = SENTINEL;
    copy(page_bus, DEVICE_MEMORY, 0);
    copy(bus, DEVICE_MEMORY, 0);
    copy(DEVICE_MEMORY, page_bus + sizeof(uint32_t), DMA_TO_MEMORY);
    return page[1];
}

kern_return_t ds_device_write_inband(mach_port_t port, mach_port_t reply_port,
                                     mach_msg_type_name_t poly, dev_mode_t mode, recnum_t recnum,
                                     io_buf_ptr_inband_t data, mach_msg_type_number_t count,
                                     int *written)
{
    uint32_t word;

    (void)port, (void)reply_port, (void)poly, (void)mode;
    if (server_current_object() != device || count != sizeof(word)) {
        return D_INVALID_OPERATION;
    }
    memcpy(&word, data, sizeof(word));
    dma_write((uint32_t)recnum, word);
    *written = sizeof(word);
    return KERN_SUCCESS;
}

kern_return_t ds_device_read_inband(mach_port_t port, mach_port_t reply_port,
                                    mach_msg_type_name_t poly, dev_mode_t mode, recnum_t recnum,
                                    int wanted, io_buf_ptr_inband_t data,
                                    mach_msg_type_number_t *count)
{
    uint32_t word;

    (void)port, (void)reply_port, (void)poly, (void)mode;
    if (server_current_object() != device || wanted != sizeof(word)) {
        return D_INVALID_OPERATION;
    }
    word = dma_read((uint32_t)recnum);
    memcpy(data, &word, sizeof(word));
    *count = sizeof(word);
    return KERN_SUCCESS;
}

/* Pages of its own: is what the device writes there while it is pinned to be written; pinned to be
 * read; and not pinned any more? And is the page beside a pinned one reached? */
static void pinned(int *reached)
{
    struct driver_run runs[2];
    unsigned n;
    int pin = 0;

    memset(spare, 0, sizeof(spare));
    if (driver_pin((vm_address_t)spare, PAGE, VM_PROT_DEFAULT, runs, &n, &pin) != KERN_SUCCESS) {
        driver_fail("a page cannot be pinned");
    }
    dma_write(runs[0].phys + 8, 1);
    dma_write(runs[0].phys + PAGE, 2);
    reached[0] = spare[2] == 1;
    reached[1] = spare[PAGE / sizeof(uint32_t)] == 2;
    dma_unpin(driver.dma, pin);
    dma_write(runs[0].phys + 8, 3);
    reached[2] = spare[2] == 3;
    if (driver_pin((vm_address_t)spare, PAGE, VM_PROT_READ, runs, &n, &pin) != KERN_SUCCESS) {
        driver_fail("a page cannot be pinned");
    }
    dma_write(runs[0].phys + 8, 4);
    reached[3] = spare[2] == 4;
    dma_unpin(driver.dma, pin);
}

/* --- the driver: everything else --- */

/* A thread that uses an I/O port, and where its exceptions go. */
struct probe {
    uint16_t port;
    mach_port_t exceptions;
    bool is_done;
};

static void *probe_run(void *argument)
{
    struct probe *probe = argument;
    mach_port_t self = mach_thread_self();

    thread_set_special_port(self, THREAD_EXCEPTION_PORT, probe->exceptions);
    (void)port_in8(probe->port);
    __atomic_store_n(&probe->is_done, true, __ATOMIC_RELEASE);
    portolan_port_destroy_receive(probe->exceptions); /* whoever waits is told */
    return NULL;
}

/* Is the use of the I/O port a general protection fault? The thread that got it stays where it is.
 */
static bool port_faults(uint16_t port)
{
    struct {
        mach_msg_header_t head;
        uint64_t words[32]; /* thread, task, exception, code, subcode: each a type and a value */
    } raised;
    static struct probe probe;
    pthread_t thread;
    bool faults;

    probe = (struct probe){.port = port};
    if (portolan_port_allocate(true, &probe.exceptions) != KERN_SUCCESS ||
        pthread_create(&thread, NULL, probe_run, &probe) != 0) {
        driver_fail("no thread for a test");
    }
    memset(&raised, 0, sizeof(raised));
    faults = mach_msg(&raised.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(raised),
                      probe.exceptions, WAIT_MS, MACH_PORT_NULL) == MACH_MSG_SUCCESS &&
             raised.head.msgh_id == RAISED && (int)raised.words[5] == EXC_BAD_INSTRUCTION &&
             (int)raised.words[7] == EXC_I386_GPFLT &&
             !__atomic_load_n(&probe.is_done, __ATOMIC_ACQUIRE);
    if (faults) {
        thread_terminate((mach_port_t)raised.words[1]);
    }
    return faults;
}

/* Say what should not have been. Returns: 1. */
static int wrong(const char *what, long which)
{
    driver_say("REACHED: %s %ld", what, which);
    return 1;
}

/* I/O ports of others: of configuration space, the keyboard, the clock, disks, the serial line. */
static int try_ports(void)
{
    static const uint16_t ports[] = {0xcf8, 0xcfc, 0x60, 0x70, 0x1f0, 0x3f8, 0x21, 0xffff, 0};
    int reached = 0;

    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        reached += port_faults(ports[i]) ? 0 : wrong("I/O port", ports[i]);
    }
    return reached;
}

/* Use a right as if it were the hardware port, or the privileged host port. */
static int try_right(mach_port_t right)
{
    vm_address_t at = 0;
    int64_t number;
    rpc_phys_addr_t phys;
    mach_port_t made;
    int reached = 0, data;

    reached += hardware_map(right, mach_task_self(), 0xfec00000, PAGE, 0, &at) == KERN_SUCCESS;
    reached += hardware_map(right, mach_task_self(), 0xb8000, PAGE, 0, &at) == KERN_SUCCESS;
    reached += hardware_irq_create(right, 1, &made) == KERN_SUCCESS;
    reached += hardware_msi_create(right, &made, &number, &data) == KERN_SUCCESS;
    reached += hardware_dma_create(right, 0x10, PAGE, &made) == KERN_SUCCESS;
    reached += i386_io_perm_create(right, 0x60, 0x64, &made) == KERN_SUCCESS;
    reached += vm_allocate_contiguous(right, mach_task_self(), &at, &phys, PAGE, 0, 0, PAGE) ==
               KERN_SUCCESS;
    return reached == 0 ? 0 : wrong("a right of its own opens hardware: name", right);
}

/* All rights it has. */
static int try_rights(void)
{
    mach_msg_type_number_t count = 0, type_count = 0;
    mach_port_name_t *names = NULL;
    mach_port_type_t *types = NULL;
    int reached = 0, tried = 0;

    if (mach_port_names(mach_task_self(), &names, &count, &types, &type_count) != KERN_SUCCESS) {
        return wrong("no names", 0);
    }
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        /* a message to a port of its own waits for itself */
        if ((types[i] & MACH_PORT_TYPE_SEND) != 0 && (types[i] & MACH_PORT_TYPE_RECEIVE) == 0 &&
            names[i] != driver.port) {
            reached += try_right(names[i]);
            tried++;
        }
    }
    return tried >= 3 ? reached : wrong("too few rights to try:", tried);
}

/* Numbers that its own function does not have. */
static int try_driver(void)
{
    static const int offsets[] = {4, 0x10, 0x3c, 0x40, 0x42, 0x44, 0xd0};
    static const int bad[] = {-4, 4096, 0x10000, 0x7ffffffc};
    vm_address_t at;
    vm_size_t size;
    mach_port_t irq;
    int first, count, value, reached = 0;

    for (int bar = -1; bar < 8; bar++) {
        reached += bar != 0 && driver_map(driver.port, bar, 0, &at, &size) == KERN_SUCCESS
                       ? wrong("base address", bar)
                       : 0;
        reached += driver_io_ports(driver.port, bar, &first, &count) == KERN_SUCCESS
                       ? wrong("I/O ports of base address", bar)
                       : 0;
        reached += bar != 0 && driver_interrupt(driver.port, bar, &irq) == KERN_SUCCESS
                       ? wrong("interrupt", bar)
                       : 0;
    }
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        reached += driver_config_write(driver.port, offsets[i], 2, 0x6) != KERN_NO_ACCESS
                       ? wrong("configuration written at", offsets[i])
                       : 0;
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reached += driver_config_read(driver.port, bad[i], 4, &value) == KERN_SUCCESS
                       ? wrong("configuration read at", bad[i])
                       : 0;
    }
    return reached;
}

kern_return_t ds_device_get_status(mach_port_t port, dev_flavor_t flavor, dev_status_t status,
                                   mach_msg_type_number_t *count)
{
    (void)port;
    if (server_current_object() != device || *count < PINNED_CASES) {
        return D_INVALID_OPERATION;
    }
    if (flavor == STATUS_PINNED) {
        pinned(status);
        *count = PINNED_CASES;
        return KERN_SUCCESS;
    }
    if (flavor == STATUS_RIGHTS) {
        status[0] = try_ports();
        status[1] = try_rights();
        status[2] = try_driver();
        *count = 3;
        return KERN_SUCCESS;
    }
    return D_INVALID_OPERATION;
}

static void stop(void)
{
    while (registers != NULL && (registers[DMA_COMMAND] & DMA_START) != 0) {
    }
}

static _Noreturn void serve(void)
{
    driver_name_t name;
    vm_address_t at;
    vm_size_t size;
    int64_t bus;

    driver_begin(stop);
    if (driver_map(driver.port, 0, HARDWARE_CACHE_NONE, &at, &size) != KERN_SUCCESS) {
        driver_fail("no registers");
    }
    registers = (volatile uint32_t *)at;
    stop();
    if (driver_dma_allocate(driver.port, PAGE, DMA_REACH, &at, &bus) != KERN_SUCCESS) {
        driver_fail("no memory");
    }
    page = (volatile uint32_t *)at;
    page_bus = (uint32_t)bus;
    if (driver_enable(driver.port) != KERN_SUCCESS ||
        server_port_create(driver.set, &device) != KERN_SUCCESS ||
        mach_port_set_protected_payload(mach_task_self(), device, device) != KERN_SUCCESS ||
        driver_register(driver.port, "edu", 0, "", device, name) != KERN_SUCCESS) {
        driver_fail("no device");
    }
    driver_serve(device_server);
    driver_ready(driver.port);
    driver_loop();
}

/* --- who asks --- */

static mach_port_t open_edu(void)
{
    mach_port_t master, edu;

    if (portolan_look_up("device_master", &master) != KERN_SUCCESS ||
        device_open(master, D_READ | D_WRITE, "edu0", &edu) != KERN_SUCCESS) {
        printf("stray: no edu0\n");
        exit(1);
    }
    return edu;
}

static void check(kern_return_t kr)
{
    if (kr != KERN_SUCCESS) {
        printf("stray: %s\n", mach_error_string(kr));
        exit(1);
    }
}

static void ask_write(mach_port_t edu, const char *address, uint32_t word)
{
    io_buf_ptr_inband_t data;
    int written;

    memcpy(data, &word, sizeof(word));
    check(device_write_inband(edu, D_WRITE, (int)strtoul(address, NULL, 0), data, sizeof(word),
                              &written));
}

static void ask_read(mach_port_t edu, const char *address)
{
    mach_msg_type_number_t count = IO_INBAND_MAX;
    io_buf_ptr_inband_t data;
    uint32_t word;

    check(device_read_inband(edu, D_READ, (int)strtoul(address, NULL, 0), sizeof(word), data,
                             &count));
    memcpy(&word, data, sizeof(word));
    printf("read 0x%08x\n", word);
}

static void ask_status(mach_port_t edu, int flavor)
{
    dev_status_data_t status;
    mach_msg_type_number_t count = DEV_STATUS_MAX;

    check(device_get_status(edu, flavor, status, &count));
    printf("reached:");
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        printf(" %d", status[i]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    mach_port_t edu;

    if (portolan_port("driver") != MACH_PORT_NULL) {
        serve();
    }
    edu = open_edu();
    if (strcmp(what, "write") == 0 && argc == 4) {
        ask_write(edu, argv[2], (uint32_t)strtoul(argv[3], NULL, 0));
        printf("told to write\n");
    } else if (strcmp(what, "read") == 0 && argc == 3) {
        ask_read(edu, argv[2]);
    } else if (strcmp(what, "storm") == 0 && argc == 4) {
        for (int i = atoi(argv[2]); i > 0; i--) {
            ask_write(edu, argv[3], (uint32_t)i);
        }
        printf("told to write\n");
    } else if (strcmp(what, "pinned") == 0) {
        ask_status(edu, STATUS_PINNED);
    } else if (strcmp(what, "rights") == 0) {
        ask_status(edu, STATUS_RIGHTS);
    } else {
        printf("usage: stray write ADDRESS WORD | read ADDRESS | storm COUNT ADDRESS | pinned | "
               "rights\n");
        return 2;
    }
    return 0;
}
