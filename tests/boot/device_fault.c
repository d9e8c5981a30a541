/* device_fault.c - faults in a device's registers. The hardware port is the device master's: who
 * may control all tasks takes a right from it. Registers are found in configuration space (ECAM;
 * PCI Express 3.0, 7.2.2). The table of MSI-X is left alone: without interrupt remapping what is in
 * it can be any message to a processor, whoever wrote it. */
#include "device_fault.h"

#include <hardware.h>
#include <mach.h>
#include <mach/hardware.h>
#include <mach/mach_traps.h>
#include <mach_debug.h>
#include <mach_port.h>
#include <stdbool.h>
#include <string.h>

#include "userland/lib/program.h"
#include "userland/lib/tasks.h"

#define KIND_HARDWARE     9u /* of mach_port_kernel_object */
#define FUNCTIONS         256u
#define FUNCTION_BYTES    4096u
#define CONFIG_ID         0x00u
#define CONFIG_CLASS      0x08u
#define CONFIG_BARS       0x10u
#define CONFIG_LIST       0x34u
#define BAR_64            0x4u
#define VIRTIO_BLK        0x10421af4u
#define CLASS_AHCI        0x010601u
#define AHCI_BAR          5u
#define AHCI_GLOBAL       0x2cu /* bytes of registers of the controller */
#define AHCI_PORTS        0x100u
#define AHCI_PORT         0x80u
#define AHCI_PORT_BYTES   0x48u
#define AHCI_PORT_COUNT   6u
#define CAPABILITY_VENDOR 9u /* virtio 1.1, 4.1.4 */
#define TYPE_COMMON       1u
#define TYPE_DEVICE       4u
#define TYPES             5u
#define COMMON_BYTES      56u
#define OTHERS_BYTES      16u
#define QUEUE_SELECT      22u
#define QUEUE_ENABLE      28u
#define QUEUE_ADDRESSES   32u /* three of 8 bytes */

/* Registers that lie together. */
struct window {
    volatile uint8_t *at;
    uint32_t size;
};

#define WINDOWS_MAX 16u

static struct window windows[WINDOWS_MAX];
static unsigned window_count;
static volatile uint8_t *common; /* of a virtio function; NULL: it is another */

static mach_port_t take_hardware(mach_port_t task)
{
    mach_port_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t count = 0, type_count = 0;
    mach_port_t right = MACH_PORT_NULL;
    mach_msg_type_name_t got;

    program_check(mach_port_names(task, &names, &count, &types, &type_count), "names");
    for (mach_msg_type_number_t i = 0; i < count && right == MACH_PORT_NULL; i++) {
        unsigned kind = 0;
        vm_offset_t address;

        if (mach_port_kernel_object(task, names[i], &kind, &address) == KERN_SUCCESS &&
            kind == KIND_HARDWARE) {
            program_check(
                mach_port_extract_right(task, names[i], MACH_MSG_TYPE_COPY_SEND, &right, &got),
                "the hardware port");
        }
    }
    return right;
}

static mach_port_t find_hardware(void)
{
    mach_port_t right = MACH_PORT_NULL;
    unsigned n;
    struct task_line *list = tasks_list(&n);

    for (unsigned i = 0; i < n && right == MACH_PORT_NULL; i++) {
        if (strcmp(list[i].name, "device_master") == 0) {
            right = take_hardware(list[i].task);
        }
    }
    tasks_free(list, n);
    if (right == MACH_PORT_NULL) {
        program_fail("nobody has the hardware port");
    }
    return right;
}

static uint32_t config32(const volatile uint8_t *config, uint32_t offset)
{
    return *(const volatile uint32_t *)(config + offset);
}

static const volatile uint8_t *find_function(mach_port_t hardware, bool is_virtio)
{
    int64_t ecam;
    int first, last;
    vm_address_t at;

    program_check(hardware_pci(hardware, &ecam, &first, &last), "configuration space");
    program_check(hardware_map(hardware, mach_task_self(), ecam,
                               (vm_size_t)FUNCTIONS * FUNCTION_BYTES, HARDWARE_CACHE_NONE, &at),
                  "configuration space is not in memory");
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        const volatile uint8_t *config = (const volatile uint8_t *)at + i * FUNCTION_BYTES;

        if (is_virtio ? config32(config, CONFIG_ID) == VIRTIO_BLK
                      : config32(config, CONFIG_CLASS) >> 8 == CLASS_AHCI) {
            return config;
        }
    }
    program_fail("no such function");
}

/* Registers from an offset of a base address register on. */
static volatile uint8_t *map(mach_port_t hardware, const volatile uint8_t *config, uint32_t bar,
                             uint32_t offset, uint32_t size)
{
    uint32_t low = config32(config, CONFIG_BARS + 4 * bar);
    uint64_t phys = low & ~0xfu;
    vm_address_t at;

    if ((low & BAR_64) != 0) {
        phys |= (uint64_t)config32(config, CONFIG_BARS + 4 * bar + 4) << 32;
    }
    program_check(hardware_map(hardware, mach_task_self(), (int64_t)(phys + offset), size,
                               HARDWARE_CACHE_NONE, &at),
                  "registers");
    return (volatile uint8_t *)at;
}

static void add(volatile uint8_t *at, uint32_t size)
{
    windows[window_count] = (struct window){at, size};
    window_count++;
}

static void find_virtio(mach_port_t hardware, const volatile uint8_t *config)
{
    for (uint8_t at = config[CONFIG_LIST]; at != 0 && window_count < TYPES; at = config[at + 1]) {
        uint8_t type = config[at + 3];
        uint32_t size = type == TYPE_COMMON ? COMMON_BYTES : OTHERS_BYTES;
        volatile uint8_t *registers;

        if (config[at] != CAPABILITY_VENDOR || type < TYPE_COMMON || type > TYPE_DEVICE) {
            continue;
        }
        registers = map(hardware, config, config[at + 4], config32(config, (uint32_t)at + 8), size);
        if (type == TYPE_COMMON) {
            common = registers;
        }
        add(registers, size);
    }
    if (common == NULL) {
        program_fail("no virtio 1 device");
    }
}

static void find_ahci(mach_port_t hardware, const volatile uint8_t *config)
{
    volatile uint8_t *registers =
        map(hardware, config, AHCI_BAR, 0, AHCI_PORTS + AHCI_PORT_COUNT * AHCI_PORT);

    add(registers, AHCI_GLOBAL);
    for (unsigned i = 0; i < AHCI_PORT_COUNT; i++) {
        add(registers + AHCI_PORTS + i * AHCI_PORT, AHCI_PORT_BYTES);
    }
}

void device_fault_begin(const char *driver)
{
    mach_port_t hardware = find_hardware();
    bool is_virtio = strcmp(driver, "virtio_blk") == 0;
    const volatile uint8_t *config = find_function(hardware, is_virtio);

    if (is_virtio) {
        find_virtio(hardware, config);
    } else {
        find_ahci(hardware, config);
    }
}

/* Nothing, everything, a small number, any. */
static uint32_t value(uint64_t (*random)(uint64_t limit))
{
    uint64_t what = random(4);

    return what == 0   ? 0
           : what == 1 ? UINT32_MAX
           : what == 2 ? (uint32_t)random(64)
                       : (uint32_t)random(1ull << 32);
}

/* The first queue is somewhere else, and the device is told so. */
static void put_queue(uint64_t (*random)(uint64_t limit))
{
    *(volatile uint16_t *)(common + QUEUE_SELECT) = 0;
    *(volatile uint32_t *)(common + QUEUE_ADDRESSES + 8 * random(3)) = value(random) & ~0xfffu;
    *(volatile uint16_t *)(common + QUEUE_ENABLE) = 1;
}

void device_fault_put(uint64_t (*random)(uint64_t limit))
{
    /* half of them where the device is told most */
    const struct window *w = &windows[common == NULL || random(2) == 0 ? random(window_count) : 0];
    uint32_t size = 1u << random(3);
    volatile uint8_t *at = w->at + random(w->size / size) * size;

    if (common != NULL && random(8) == 0) {
        put_queue(random);
    } else if (common == NULL || size == 4) {
        *(volatile uint32_t *)((uintptr_t)at & ~3ul) = value(random);
    } else if (size == 2) {
        *(volatile uint16_t *)at = (uint16_t)value(random);
    } else {
        *at = (uint8_t)value(random);
    }
}
