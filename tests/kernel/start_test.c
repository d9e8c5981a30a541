/* start_test.c - what start-up promises: guard pages, processors that all work, memory of every
 * zone, caches that find misuse. */
#include "arch/acpi.h"
#include "arch/boot_info.h"
#include "arch/cpu.h"
#include "arch/pmap.h"
#include "ddb/ktest.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/sched.h"
#include "kern/stack.h"
#include "kern/stack_protector.h"
#include "kern/thread.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define GIB4 0x100000000ul

KTEST(start, the_page_below_a_kernel_stack_is_not_mapped)
{
    uint64_t stack = cpu_current()->kernel_stack_top - KERNEL_STACK_SIZE;
    phys_addr_t phys;

    EXPECT_TRUE(pmap_extract(pmap_kernel(), stack, &phys));
    EXPECT_TRUE(!pmap_extract(pmap_kernel(), stack - 1, &phys));
}

KTEST(start, the_stack_protector_has_a_guard_of_its_own)
{
    EXPECT_TRUE(__stack_chk_guard != 0 && __stack_chk_guard != 0x5bd1e995c0ffee00ul);
}

KTEST(start, every_processor_the_tables_name_is_running)
{
    EXPECT_EQ(cpu_count, acpi_info.apic_id_count);
    for (uint32_t i = 1; i < cpu_count; i++) {
        EXPECT_TRUE(cpu_table[i].online);
    }
}

static uint32_t test_arrived;
static uint32_t test_left;

/* Waits, without giving way, until as many threads as there are processors are here at once. */
static void test_meet(void *argument)
{
    uint64_t end = clock_now_ns() + 5 * NS_PER_SEC;

    (void)argument;
    atomic_fetch_add(&test_arrived, 1);
    while (atomic_load(&test_arrived) < cpu_count && clock_now_ns() < end) {
        cpu_relax();
    }
    atomic_fetch_add(&test_left, 1);
    thread_exit();
}

KTEST(sched, idle_processors_take_work_from_a_busy_one)
{
    uint64_t end = clock_now_ns() + 10 * NS_PER_SEC;

    test_arrived = 0;
    test_left = 0;
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct thread *t = thread_create_kernel("meet", test_meet, NULL, PRIORITY_USER);

        t->wait = THREAD_CLAIMED;
        thread_setrun(t);
    }
    while (atomic_load(&test_left) < cpu_count && clock_now_ns() < end) {
        thread_wait_prepare(false, clock_now_ns() + NS_PER_MS);
        thread_block(NULL);
    }
    EXPECT_EQ(test_arrived, cpu_count);
    EXPECT_EQ(test_left, cpu_count);
}

KTEST(vm_page, pages_for_dma_lie_where_they_were_asked_for)
{
    struct vm_page *low = vm_page_alloc(VM_PAGE_LOW);
    struct vm_page *below_4g = vm_page_alloc(VM_PAGE_DMA32);

    EXPECT_TRUE(low != NULL && vm_page_to_phys(low) < 0x1000000);
    EXPECT_TRUE(below_4g != NULL && vm_page_to_phys(below_4g) < GIB4);
    vm_page_free(low);
    vm_page_free(below_4g);
}

KTEST(vm_page, memory_above_four_gigabytes_is_handed_out_where_there_is_some)
{
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    EXPECT_TRUE(page != NULL);
    EXPECT_EQ(vm_page_to_phys(page) >= GIB4, boot_info.ram_end > GIB4);
    *(volatile uint64_t *)vm_page_to_virt(page) = 0x1234;
    EXPECT_EQ(*(volatile uint64_t *)vm_page_to_virt(page), 0x1234);
    vm_page_free(page);
}

KTEST(slab, a_freed_object_is_filled_with_a_pattern)
{
    uint64_t *object = kalloc(64);

    object[3] = 0x1122334455667788;
    kfree(object, 64);
    EXPECT_TRUE(object[3] != 0x1122334455667788);
}
