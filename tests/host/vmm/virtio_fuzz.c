/* virtio_fuzz.c - a guest that does anything to virtio devices, from bytes that a fuzzer makes up.
 *
 * Besides what the sanitizers see, the disk and the console check what they are asked. */
#include "virtio_fuzz.h"

#include "virtio_driver.h"

#include "virtio_blk.h"
#include "virtio_console.h"
#include "virtio_rng.h"

#define SECTORS  32u
#define STEPS    256u
#define FEATURES (1ull << 28 | 1ull << 29)

static struct virtio_blk blk;
static struct virtio_rng rng;
static struct virtio_console console;
static struct virtio_blk_store store;
static uint8_t disk[SECTORS * VIRTIO_BLK_SECTOR];

struct input {
    const uint8_t *data;
    size_t size;
};

static uint32_t take(struct input *in, unsigned n)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < n && in->size != 0; i++) {
        value |= (uint32_t)*in->data << (8 * i);
        in->data += 1;
        in->size -= 1;
    }
    return value;
}

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static bool store_read(void *context, uint64_t offset, void *data, uint64_t size)
{
    (void)context;
    require(size != 0 && size % VIRTIO_BLK_SECTOR == 0 && offset % VIRTIO_BLK_SECTOR == 0);
    require(offset < sizeof(disk) && size <= sizeof(disk) - offset);
    memcpy(data, disk + offset, size);
    return true;
}

static bool store_write(void *context, uint64_t offset, const void *data, uint64_t size)
{
    (void)context;
    require(size != 0 && size % VIRTIO_BLK_SECTOR == 0 && offset % VIRTIO_BLK_SECTOR == 0);
    require(offset < sizeof(disk) && size <= sizeof(disk) - offset);
    memmove(disk + offset, data, size);
    return true;
}

static bool store_flush(void *context)
{
    (void)context;
    return true;
}

static void wake(void *context)
{
    (void)context;
}

static void fill(void *data, uint32_t size)
{
    require(size <= 64);
    memset(data, 0xa5, size);
}

static void emit(void *context, const uint8_t *data, uint32_t size)
{
    static volatile uint8_t sum;

    (void)context;
    for (uint32_t n = 0; n < size; n++) {
        sum = (uint8_t)(sum + data[n]);
    }
}

/* The guest changes a request while it is done: that is what `at` is for. */
static void work(struct input *in)
{
    struct virtio_blk_request request;

    if (virtio_blk_take(&blk, &request)) {
        if ((take(in, 1) & 1) != 0) {
            driver_out(AT_STATUS, 1, 0);
        }
        driver.ram[take(in, 3) % DRIVER_RAM] ^= (uint8_t)take(in, 1);
        virtio_blk_do(&blk, &request);
        virtio_blk_finish(&blk, &request);
    }
}

/* A descriptor that is nearly right, so that more than the first check is reached. */
static void describe(struct input *in)
{
    unsigned queue = take(in, 1) & 1;
    unsigned n = take(in, 1) % DRIVER_SIZE;
    uint64_t address =
        take(in, 1) == 0 ? UINT64_MAX - take(in, 2) : take(in, 3) % (DRIVER_RAM + 64);
    uint32_t size = take(in, 1) == 0 ? take(in, 4) : take(in, 2) % 2100;
    uint16_t flags = take(in, 1) & 7;

    driver_describe(queue, n, address, size, flags, (uint16_t)(take(in, 1) % (DRIVER_SIZE + 1)));
}

static void step(struct input *in)
{
    unsigned offset;

    switch (take(in, 1) % 8) {
    case 0:
        driver.ram[take(in, 3) % DRIVER_RAM] = (uint8_t)take(in, 1);
        break;
    case 1:
        offset = take(in, 2) % 0x4000;
        driver_out(offset, 1u << take(in, 1) % 4, take(in, 4) | (uint64_t)take(in, 1) << 32);
        break;
    case 2:
        offset = take(in, 2) % 0x4000;
        (void)driver_in(offset, 1u << take(in, 1) % 4);
        break;
    case 3:
        driver_set_config(take(in, 1), 1u << take(in, 1) % 3, take(in, 4));
        break;
    case 4:
        describe(in);
        break;
    case 5:
        driver_put(take(in, 1) & 1, (uint16_t)(take(in, 1) % (DRIVER_SIZE + 1)));
        driver_tell(take(in, 1) & 1);
        break;
    case 6:
        work(in);
        break;
    default:
        offset = take(in, 2) % 0x1000;
        bus_write(&driver.bus, (driver_config(0x14) & ~15u) + offset, 4, take(in, 4));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct virtio_pci *device;

    driver_prepare();
    store = (struct virtio_blk_store){NULL,   SECTORS,    VIRTIO_BLK_SECTOR, false,
                                      "fuzz", store_read, store_write,       store_flush};
    virtio_blk_init(&blk, &driver.machine, &store, wake, NULL);
    virtio_rng_init(&rng, &driver.machine, fill);
    virtio_console_init(&console, &driver.machine, emit, NULL);
    switch (take(&in, 1) % 3) {
    case 0:
        device = &blk.pci;
        break;
    case 1:
        device = &rng.pci;
        break;
    default:
        device = &console.pci;
        break;
    }
    driver_insert(device);
    driver_start(device->ops->queues, FEATURES);
    for (unsigned n = 0; n < STEPS && in.size != 0; n++) {
        step(&in);
        if (device == &console.pci && n % 16 == 0) {
            (void)virtio_console_input(&console, data, (uint32_t)(size % 64));
        }
    }
    return 0;
}
