/* block_request.c - requests of a disk: memory pinned, cut into transfers the device takes at once.
 */
#include "driver/block_impl.h"

#include <hardware.h>
#include <mach/mach_traps.h>
#include <mach/vm_param.h>
#include <portolan/portolan.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 4u /* for reads by message */

/* Pieces of the memory that is being cut, and a place in them. */
static struct driver_run block_runs[BLOCK_RUNS_MAX];
static unsigned block_nruns;

char block_bytes[BLOCK_PAGE_MAX];
static char block_pages[PAGES][BLOCK_PAGE_MAX] __attribute__((aligned(MACH_PAGE_SIZE)));
static bool block_page_taken[PAGES];

struct block_place {
    unsigned run;
    uint32_t offset; /* bytes, less than the run has */
};

struct block_request *block_request_create(struct block_disk *disk)
{
    struct block_request *request = calloc(1, sizeof(*request));

    if (request != NULL) {
        request->disk = disk;
        request->result = KERN_SUCCESS;
    }
    return request;
}

static void block_request_unpin(struct block_request *request)
{
    if (request->pin != 0) {
        dma_unpin(driver.dma, request->pin);
        request->pin = 0;
    }
}

void block_request_destroy(struct block_request *request)
{
    block_request_unpin(request);
    if (request->memory != 0 && request->memory_size == 0) {
        block_page_taken[(request->memory - (vm_address_t)block_pages) / BLOCK_PAGE_MAX] = false;
    } else if (request->memory != 0) {
        syscall_vm_deallocate(mach_task_self(), request->memory, request->memory_size);
    }
    free(request);
}

kern_return_t block_request_allocate(struct block_request *request, vm_size_t size)
{
    vm_address_t memory = 0;
    kern_return_t kr;

    size = mach_round_page(size);
    kr = syscall_vm_allocate(mach_task_self(), &memory, size, TRUE);
    if (kr == KERN_SUCCESS) {
        request->memory = memory;
        request->memory_size = size;
    }
    return kr;
}

kern_return_t block_request_take_page(struct block_request *request, vm_size_t size)
{
    for (unsigned i = 0; i < PAGES; i++) {
        if (!block_page_taken[i]) {
            block_page_taken[i] = true;
            request->memory = (vm_address_t)block_pages[i];
            return KERN_SUCCESS;
        }
    }
    return block_request_allocate(request, size);
}

static void block_enqueue(struct block_disk *disk, struct block_transfer *transfer)
{
    transfer->next = NULL;
    if (disk->first == NULL) {
        disk->first = transfer;
    } else {
        disk->last->next = transfer;
    }
    disk->last = transfer;
    transfer->request->waits++;
}

/* The transfer is done, and with the last one its request. */
static void block_end_transfer(struct block_transfer *transfer, kern_return_t result)
{
    struct block_request *request = transfer->request;

    if (result != KERN_SUCCESS) {
        request->result = result;
    }
    free(transfer);
    request->waits--;
    if (request->waits == 0) {
        memcpy(block_bytes, (const void *)request->memory, request->inband);
        block_request_unpin(request);
        request->done(request);
    }
}

void block_resume(struct block_disk *disk)
{
    while (disk->first != NULL) {
        struct block_transfer *transfer = disk->first;
        struct block_transfer *next = transfer->next;
        kern_return_t kr = disk->ops->start(disk, transfer);

        if (kr == D_WOULD_BLOCK) {
            return;
        }
        disk->first = next; /* start() does not call back: what is done is told by the loop */
        if (kr != KERN_SUCCESS) {
            block_end_transfer(transfer, kr);
        }
    }
}

/* A transfer from `place` on, as large as the device takes at once. Returns: NULL when out of
 * memory, or no whole sector fits. */
static struct block_transfer *block_cut(struct block_request *request, struct block_place *place)
{
    const struct block_disk *disk = request->disk;
    struct block_place end = *place;
    struct block_transfer *transfer;
    uint32_t size = 0;
    unsigned n = 0;

    for (; end.run < block_nruns && n < disk->max_runs && size < disk->max_size; n++) {
        size += block_runs[end.run].size - end.offset;
        end = (struct block_place){end.run + 1, 0};
    }
    size = size < disk->max_size ? size : disk->max_size;
    size -= size % disk->sector_size;
    transfer = calloc(1, sizeof(*transfer) + n * sizeof(transfer->runs[0]));
    if (transfer == NULL || size == 0) {
        free(transfer);
        return NULL;
    }
    transfer->size = size;
    for (uint32_t left = size; left != 0; transfer->nruns++) {
        const struct driver_run *run = &block_runs[place->run];
        uint32_t part = run->size - place->offset < left ? run->size - place->offset : left;

        transfer->runs[transfer->nruns] = (struct driver_run){run->phys + place->offset, part};
        place->offset += part;
        if (place->offset == run->size) {
            *place = (struct block_place){place->run + 1, 0};
        }
        left -= part;
    }
    return transfer;
}

/* Cut all of the request. What could not be cut makes its result; what was goes its way. */
static void block_cut_all(struct block_request *request, uint64_t sector)
{
    struct block_place place = {0, 0};

    for (uint32_t done = 0; done < request->size;) {
        struct block_transfer *transfer = block_cut(request, &place);

        if (transfer == NULL) {
            request->result = D_NO_MEMORY;
            return;
        }
        transfer->operation = request->operation;
        transfer->sector = sector + done / request->disk->sector_size;
        transfer->memory = request->memory + done;
        transfer->pin = request->pin;
        transfer->offset = (uint32_t)(request->memory & MACH_PAGE_MASK) + done;
        transfer->request = request;
        done += transfer->size;
        block_enqueue(request->disk, transfer);
    }
}

/* A client's memory may be a pager's, which need not give a page twice: pinned to be written it is
 * a copy of this task's own, and touching it waits for nobody. */
static kern_return_t block_request_pin(struct block_request *request)
{
    bool is_written = request->operation == BLOCK_READ || request->disk->is_touched;
    vm_prot_t access = is_written ? VM_PROT_DEFAULT : VM_PROT_READ;
    kern_return_t kr =
        driver_pin(request->memory, request->size, access, block_runs, &block_nruns, &request->pin);

    if (kr != KERN_SUCCESS) {
        request->pin = 0;
        return D_NO_MEMORY;
    }
    return KERN_SUCCESS;
}

kern_return_t block_request_begin(struct block_request *request, enum block_operation operation,
                                  uint64_t sector, uint32_t size)
{
    struct block_disk *disk = request->disk;
    struct block_transfer *flush;
    kern_return_t kr;

    request->operation = operation;
    request->size = size;
    if (operation == BLOCK_FLUSH) {
        flush = calloc(1, sizeof(*flush));
        if (flush == NULL) {
            return D_NO_MEMORY;
        }
        flush->operation = BLOCK_FLUSH;
        flush->request = request;
        block_enqueue(disk, flush);
    } else {
        kr = block_request_pin(request);
        if (kr != KERN_SUCCESS) {
            return kr;
        }
        block_cut_all(request, sector);
        if (request->waits == 0) {
            return request->result;
        }
    }
    block_resume(disk);
    return KERN_SUCCESS;
}

void block_done(struct block_disk *disk, struct block_transfer *transfer, kern_return_t result)
{
    block_end_transfer(transfer, result);
    block_resume(disk);
}
