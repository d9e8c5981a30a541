/* pager.c - faults that a pager in another task resolves: one page a request, and in order, when
 * the kernel asks for many at once. */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach/memory_object.h>
#include <string.h>

#include "bench_impl.h"
#include "program.h"

#define PAGE        4096ul
#define PAGES       ((BENCH_ROUNDS + BENCH_WARM_UP) * 2ul)
#define CLUSTER     64ul /* what the kernel asks for at once in the end */
#define STOCK_PAGES 1024ul

/* --- the pager: supplies pages it has at hand, which move --- */

static vm_address_t pager_stock, pager_stock_end;

/* Touched pages side by side. */
static vm_address_t pager_take(vm_size_t size)
{
    vm_address_t pages;

    if (pager_stock_end - pager_stock < size) {
        program_check(syscall_vm_allocate(mach_task_self(), &pager_stock, STOCK_PAGES * PAGE, TRUE),
                      "vm_allocate");
        pager_stock_end = pager_stock + STOCK_PAGES * PAGE;
        for (vm_address_t at = pager_stock; at < pager_stock_end; at += PAGE) {
            *(volatile char *)at = 1;
        }
    }
    pages = pager_stock;
    pager_stock += size;
    return pages;
}

/* memory_object_init and memory_object_data_request as they come (memory_object.defs): by hand, as
 * what is measured is the kernel. */
#define PAGER_INIT         2200
#define PAGER_DATA_REQUEST 2203

struct pager_request {
    mach_msg_header_t head;
    mach_msg_type_t control_type;
    uint64_t control;
    mach_msg_type_t offset_type;
    vm_offset_t offset;
    mach_msg_type_t length_type;
    vm_size_t length;
    char rest[64];
};

_Noreturn void pager_serve(mach_port_t service)
{
    static struct pager_request in;
    mach_port_t control;

    for (;;) {
        if (mach_msg_trap(&in.head, MACH_RCV_MSG, 0, sizeof(in), service, 0, MACH_PORT_NULL) !=
            MACH_MSG_SUCCESS) {
            continue;
        }
        control = (mach_port_t)in.control;
        if (in.head.msgh_id == PAGER_INIT) {
            memory_object_ready(control, FALSE, MEMORY_OBJECT_COPY_NONE);
        } else if (in.head.msgh_id == PAGER_DATA_REQUEST) {
            syscall_memory_object_supply(control, in.offset, pager_take(in.length), in.length,
                                         VM_PROT_NONE, FALSE);
        }
    }
}

/* --- the faults --- */

static void work_read(void *argument)
{
    volatile char **page = argument;

    (void)**page;
    *page += 2 * PAGE; /* never in order */
}

static void work_read_cluster(void *argument)
{
    volatile char **page = argument;

    for (unsigned i = 0; i < CLUSTER; i++) {
        (void)**page;
        *page += PAGE;
    }
}

static vm_address_t pager_map(mach_port_t object, vm_size_t size)
{
    vm_address_t at = 0;

    program_check(vm_map(mach_task_self(), &at, size, CLUSTER * PAGE - 1, TRUE, object, 0, FALSE,
                         VM_PROT_READ, VM_PROT_READ, VM_INHERIT_NONE),
                  "vm_map");
    return at;
}

static void pager_measure(const char *name, uint64_t pages, void (*work)(void *), unsigned skip,
                          vm_size_t size)
{
    mach_port_t task;
    mach_port_t object = server_start("pager", 0, &task);
    vm_address_t at = pager_map(object, size);
    volatile char *page = (volatile char *)at + skip * PAGE;

    (void)*(volatile char *)at; /* the pager is ready then */
    bench_measure_each(name, pages, work, &page);
    program_check(vm_deallocate(mach_task_self(), at, size), "vm_deallocate");
    server_stop(object, task);
}

void pager_all(void)
{
    if (bench_is_wanted("fault.pager")) {
        pager_measure("fault.pager", 1, work_read, 2, (PAGES + 2) * PAGE);
        pager_measure("fault.pager.cluster", CLUSTER, work_read_cluster, CLUSTER,
                      (BENCH_ROUNDS + BENCH_WARM_UP + 1) * CLUSTER * PAGE);
    }
}
