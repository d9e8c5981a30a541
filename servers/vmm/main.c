/* main.c - the monitor of one virtual machine: what it was given, the image loaded, then messages.
 *
 * arguments: NAME [memory=MIB] [cpus=N] [cmdline=TEXT] [module=TEXT]... [disk=rw|ro[:DEVICE]]...
 * rights: hv, master (vm_master.defs), life (master.c), control (the receive right of
 * vm_machine.defs), right0 (the image), right1 and so on, one for each module and disk, in the
 * order of these: files, and for a disk with a DEVICE what opens it (device_master_narrow). */
#include <io.h>
#include <portolan/io_types.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acpi.h"
#include "disk.h"
#include "firmware.h"
#include "mach.h"
#include "master.h"
#include "service.h"

#define MEMORY_MIB     64u
#define MEMORY_MIB_MAX 65536u
#define FILE_MAX       (1ull << 30)
#define RATE_NS        20000000u /* to measure how fast the time stamp counts */

/* A disk as an argument has it, and what it becomes. */
struct main_disk {
    mach_port_t right;
    const char *device; /* its name; NULL: the right is a file */
    bool is_read_only;
    struct store store;
};

static struct machine main_machine;
static struct load_request main_request = {.cmdline = ""};
static mach_port_t main_modules[LOAD_MODULES_MAX];
static struct main_disk main_disks[MACHINE_DISKS_MAX];
static unsigned main_disk_count;
static unsigned main_file_count; /* that arguments have spoken of; the image is the first */

/* --- arguments --- */

/* The file that goes with the argument. */
static mach_port_t main_next_file(void)
{
    char name[16];

    main_file_count++;
    snprintf(name, sizeof(name), "right%u", main_file_count);
    return portolan_port(name);
}

/* A number from min to max, or 0. */
static unsigned long main_number(const char *text, unsigned long min, unsigned long max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' && n >= min && n <= max ? n : 0;
}

static const char *main_module(const char *words)
{
    if (main_request.module_count == LOAD_MODULES_MAX) {
        return "there are too many modules";
    }
    main_request.modules[main_request.module_count].words = words;
    main_modules[main_request.module_count] = main_next_file();
    main_request.module_count++;
    return NULL;
}

static const char *main_disk(const char *how)
{
    bool is_device = strlen(how) > 3 && how[2] == ':';

    if ((strncmp(how, "rw", 2) != 0 && strncmp(how, "ro", 2) != 0) ||
        (how[2] != '\0' && !is_device)) {
        return "a disk is rw or ro";
    }
    if (main_disk_count == MACHINE_DISKS_MAX) {
        return "there are too many disks";
    }
    main_disks[main_disk_count].right = main_next_file();
    main_disks[main_disk_count].device = is_device ? how + 3 : NULL;
    main_disks[main_disk_count].is_read_only = how[1] == 'o';
    main_disk_count++;
    return NULL;
}

/* One argument. Returns: NULL, or what is wrong with it. */
static const char *main_argument(const char *word, struct machine_options *options)
{
    const char *value = strchr(word, '=');
    size_t size;

    if (value == NULL) {
        return "an argument is no NAME=VALUE";
    }
    value++;
    size = (size_t)(value - word);
    if (strncmp(word, "memory=", size) == 0) {
        options->memory_size = (uint64_t)main_number(value, 2, MEMORY_MIB_MAX) << 20;
        return options->memory_size != 0 ? NULL : "memory= is a number of MiB, from 2 to 65536";
    }
    if (strncmp(word, "cpus=", size) == 0) {
        options->vcpu_count = (unsigned)main_number(value, 1, MACHINE_VCPUS_MAX);
        return options->vcpu_count != 0 ? NULL : "cpus= is a number from 1 to 16";
    }
    if (strncmp(word, "cmdline=", size) == 0) {
        main_request.cmdline = value;
        return NULL;
    }
    if (strncmp(word, "module=", size) == 0) {
        return main_module(value);
    }
    if (strncmp(word, "disk=", size) == 0) {
        return main_disk(value);
    }
    return "there is no such argument";
}

/* --- files --- */

/* Read a file whole. Returns: NULL, or why not. */
static const char *main_read(mach_port_t port, struct load_file *file)
{
    io_stat_t stat;
    mach_msg_type_number_t count = IO_STAT_COUNT;
    vm_address_t data = 0;
    uint64_t done = 0;

    if (io_stat(port, stat, &count) != KERN_SUCCESS || count < IO_STAT_SIZE + 1 ||
        stat[IO_STAT_SIZE] < 0) {
        return "a file cannot be read";
    }
    file->size = (uint64_t)stat[IO_STAT_SIZE];
    if (file->size > FILE_MAX ||
        vm_allocate(mach_task_self(), &data, file->size + 1, TRUE) != KERN_SUCCESS) {
        return "there is not enough memory for a file";
    }
    file->data = (const uint8_t *)data;
    while (done < file->size) {
        uint64_t left = file->size - done;

        count = left < IO_DATA_MAX ? (mach_msg_type_number_t)left : IO_DATA_MAX;
        if (io_read(port, (int64_t)done, count, (char *)data + done, &count) != KERN_SUCCESS ||
            count == 0) {
            return "a file cannot be read to its end";
        }
        done += count;
    }
    return NULL;
}

static const char *main_read_all(void)
{
    const char *why = main_read(portolan_port("right0"), &main_request.image);

    for (unsigned i = 0; i < main_request.module_count && why == NULL; i++) {
        why = main_read(main_modules[i], &main_request.modules[i]);
    }
    return why;
}

/* --- the time stamp --- */

struct main_stamp {
    uint64_t ns;
    uint64_t ticks;
};

static struct main_stamp main_stamp(void)
{
    return (struct main_stamp){machine_now(), __builtin_ia32_rdtsc()};
}

/* Linux does not find out how fast the time stamp counts where each look at another clock leaves
 * the guest: it is told, unless the user has, from what passed since `start`. All processors count
 * the same, which the clock of the host relies on, too. Nor is it to count interrupts of its timer
 * while the time stamp passes: the host may have run others meanwhile. */
static void main_tell_rate(struct main_stamp start)
{
    static char line[LOAD_CMDLINE_MAX];
    struct main_stamp now = main_stamp();
    unsigned long long khz;

    if (!load_linux_is(&main_request.image) ||
        strstr(main_request.cmdline, "tsc_early_khz=") != NULL) {
        return;
    }
    while (now.ns - start.ns < RATE_NS) {
        now = main_stamp();
    }
    khz = (now.ticks - start.ticks) * 1000000 / (now.ns - start.ns);
    if (snprintf(line, sizeof(line), "%s tsc_early_khz=%llu tsc=reliable no_timer_check",
                 main_request.cmdline, khz) < (int)sizeof(line)) {
        main_request.cmdline = line;
    }
}

static void main_forget(struct load_file *file)
{
    vm_deallocate(mach_task_self(), (vm_address_t)file->data, file->size + 1);
}

/* --- the machine --- */

static const char *main_open_disks(void)
{
    const char *why = NULL;

    for (unsigned i = 0; i < main_disk_count && why == NULL; i++) {
        struct main_disk *disk = &main_disks[i];
        char name[VIRTIO_BLK_ID_SIZE];

        snprintf(name, sizeof(name), "disk%u", i);
        why = disk->device != NULL
                  ? store_device_open(&disk->store, disk->right, disk->device, disk->is_read_only,
                                      name)
                  : store_open(&disk->store, disk->right, disk->is_read_only, name);
        why = why != NULL ? why : disk_insert(&main_machine, &disk->store);
    }
    return why;
}

/* Firmware is in its place, and can ask what the machine is. */
static const char *main_insert_firmware(uint64_t size, const struct acpi_options *acpi)
{
    struct firmware *firmware = malloc(sizeof(*firmware)); /* stays */

    if (firmware == NULL ||
        !firmware_describe(firmware, &main_machine.platform.fw_cfg, &main_machine.memory, acpi)) {
        return "there is no room for what firmware is told";
    }
    return machine_insert_rom(&main_machine, main_request.image.data, size);
}

static const char *main_load(struct load_start *start)
{
    const struct acpi_options acpi = {
        .vcpu_count = main_machine.vcpu_count,
        .has_apic = true,
        .has_hpet = true,
        .pci_irqs = main_machine.platform.pci.irqs,
    };
    struct main_stamp begin = main_stamp();
    const char *why = main_read_all();

    if (why == NULL) {
        main_tell_rate(begin);
    }
    main_request.rsdp = acpi_build(&main_machine.memory, &acpi);
    why = why != NULL ? why : load_image(&main_request, &main_machine.memory, start);
    if (why == NULL && start->rom_size != 0) {
        why = main_insert_firmware(start->rom_size, &acpi);
    }
    if (why == NULL) {
        main_forget(&main_request.image);
        for (unsigned i = 0; i < main_request.module_count; i++) {
            main_forget(&main_request.modules[i]);
        }
    }
    return why;
}

static const char *main_begin(int argc, char **argv, struct machine_options *options)
{
    const char *why = NULL;
    struct load_start start;

    for (int i = 1; i < argc && why == NULL; i++) {
        why = main_argument(argv[i], options);
    }
    why = why != NULL ? why : machine_create(&main_machine, options);
    why = why != NULL ? why : main_open_disks();
    why = why != NULL ? why : main_load(&start);
    return why != NULL ? why : machine_run(&main_machine, &start);
}

int main(int argc, char **argv)
{
    struct machine_options options = {
        .memory_size = (uint64_t)MEMORY_MIB << 20,
        .vcpu_count = 1,
        .hv = portolan_port("hv"),
    };
    const char *name = argc > 0 ? argv[0] : "vm";
    const char *why = service_init(&main_machine, portolan_port("control"));

    machine_init(&main_machine, name, service_output);
    why = why != NULL ? why : master_watch(name, portolan_port("control"));
    if (why != NULL) {
        portolan_print("vmm: %s: %s\n", name, why);
        return 1;
    }
    why = main_begin(argc, argv, &options);
    if (why != NULL) {
        pthread_mutex_lock(&main_machine.lock);
        machine_end(&main_machine, 1, "%s", why);
        pthread_mutex_unlock(&main_machine.lock);
    }
    service_loop();
}
