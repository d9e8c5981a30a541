/* main.c - the program of the tutorial on pagers: it serves the objects of pager.c, and touches
 * them. */
#include "pages.h"

#include <portolan/pager.h>
#include <portolan/server_loop.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pages_must(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        fprintf(stderr, "pages: %s: 0x%x\n", what, (unsigned)kr);
        exit(1);
    }
}

/* A new object, mapped here. */
static char *pages_start(mach_port_t set, bool is_notebook)
{
    struct pager *pager;
    vm_address_t at = 0;

    pages_must(pages_create(set, is_notebook, &pager), "a memory object");
    pages_must(
        pager_map(pager, mach_task_self(), &at, PAGES * PAGE, 0, VM_PROT_READ | VM_PROT_WRITE),
        "map it");
    return (char *)at;
}

int main(void)
{
    static struct server server = {.demux = pager_demux, .no_senders = pager_no_senders};
    char *squares, *notebook;

    pages_must(server_set_create(&server.receive), "a port set");
    pages_must(server_add_thread(&server), "a thread that serves");

    squares = pages_start(server.receive, false);
    printf("squares: %s\n", squares + 12 * PAGE);
    printf("squares: %s\n", squares + 7 * PAGE);
    printf("squares: %s\n", squares + 12 * PAGE);
    printf("squares: %u pages of %u were computed\n", pages_counts.computed, PAGES);

    notebook = pages_start(server.receive, true);
    strcpy(notebook + 3 * PAGE, "every port on the coast");
    printf("notebook: written to memory, and %u pages came back\n", pages_counts.kept);
    pages_must(vm_deallocate(mach_task_self(), (vm_address_t)notebook, PAGES * PAGE), "unmap");
    while (!pages_counts.ended) {
        portolan_sleep(1);
    }
    printf("notebook: unmapped, and %u page came back: %s\n", pages_counts.kept, pages_book[3]);
    return 0;
}
