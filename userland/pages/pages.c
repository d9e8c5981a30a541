/* pages.c - the program of the tutorial on pagers: a memory object whose pages are computed, and
 * one that keeps what is written to it. */
#include <mach.h>
#include <portolan/pager.h>
#include <portolan/server_loop.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE  4096u
#define PAGES 16u

static volatile unsigned pages_computed, pages_kept;
static volatile bool pages_ended;
static char pages_book[PAGES][PAGE];

static kern_return_t pages_square(struct pager *pager, void *context, vm_offset_t offset,
                                  void *page)
{
    unsigned long n = offset / PAGE;

    (void)pager;
    (void)context;
    snprintf(page, PAGE, "%lu squared is %lu", n, n * n);
    pages_computed++;
    return KERN_SUCCESS;
}

static kern_return_t pages_read(struct pager *pager, void *context, vm_offset_t offset, void *page)
{
    (void)pager;
    (void)context;
    if (offset >= sizeof(pages_book)) {
        return KERN_INVALID_ARGUMENT;
    }
    memcpy(page, pages_book[offset / PAGE], PAGE);
    return KERN_SUCCESS;
}

static kern_return_t pages_write(struct pager *pager, void *context, vm_offset_t offset,
                                 const void *page)
{
    (void)pager;
    (void)context;
    memcpy(pages_book[offset / PAGE], page, PAGE);
    pages_kept++;
    return KERN_SUCCESS;
}

static void pages_end(struct pager *pager, void *context)
{
    (void)pager;
    (void)context;
    pages_ended = true;
}

static const struct pager_ops pages_squares = {.read_page = pages_square};
static const struct pager_ops pages_notebook = {
    .read_page = pages_read, .write_page = pages_write, .end = pages_end};

static boolean_t pages_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return pager_demux(in, out);
}

static void pages_must(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        fprintf(stderr, "pages: %s: 0x%x\n", what, (unsigned)kr);
        exit(1);
    }
}

/* A new object, mapped here. */
static char *pages_start(mach_port_t set, const struct pager_ops *ops)
{
    static const struct pager_attributes attributes = {.copy_strategy = MEMORY_OBJECT_COPY_DELAY};
    struct pager *pager;
    vm_address_t at = 0;

    pages_must(pager_create(set, ops, NULL, &attributes, &pager), "a memory object");
    pages_must(
        pager_map(pager, mach_task_self(), &at, PAGES * PAGE, 0, VM_PROT_READ | VM_PROT_WRITE),
        "map it");
    return (char *)at;
}

int main(void)
{
    static struct server server = {.demux = pages_demux, .no_senders = pager_no_senders};
    char *squares, *notebook;

    pages_must(server_set_create(&server.receive), "a port set");
    pages_must(server_add_thread(&server), "a thread that serves");

    squares = pages_start(server.receive, &pages_squares);
    printf("squares: %s\n", squares + 12 * PAGE);
    printf("squares: %s\n", squares + 7 * PAGE);
    printf("squares: %s\n", squares + 12 * PAGE);
    printf("squares: %u pages of %u were computed\n", pages_computed, PAGES);

    notebook = pages_start(server.receive, &pages_notebook);
    strcpy(notebook + 3 * PAGE, "every port on the coast");
    printf("notebook: written to memory, and %u pages came back\n", pages_kept);
    pages_must(vm_deallocate(mach_task_self(), (vm_address_t)notebook, PAGES * PAGE), "unmap");
    while (!pages_ended) {
        portolan_sleep(1);
    }
    printf("notebook: unmapped, and %u page came back: %s\n", pages_kept, pages_book[3]);
    return 0;
}
