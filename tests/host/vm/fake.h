/* fake.h - the machine the memory system is tested on: an arena for physical memory, a page table
 * that remembers every mapping and can check them. */
#ifndef TEST_VM_FAKE_H
#define TEST_VM_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <mach/kern_return.h>

#include "arch/layout.h"
#include "vm/vm_map.h"

#define FAKE_PHYS_SIZE (8ul << 30)
/* Frames from here on are device memory. */
#define FAKE_DEVICE (1ul << 40)
#define PG          PAGE_SIZE

/* Boot with 64 MiB and the whole memory system. Once a process. */
void fake_boot(void);
/* Only the arena: for tests that call vm_page_bootstrap() themselves. */
void fake_arena(void);

/* Run body and tell whether it panicked; the text is in fake_panic_text. */
extern char fake_panic_text[512];
bool fake_panics(void (*body)(void *), void *argument);

/* Called before the process ends in a panic; NULL: nothing. */
extern void (*fake_panic_hook)(void);

/* Take pages as the kernel's thread does; not while that is being done. */
void fake_run_pageout(void);

/* pmap_enter fails after this many more calls; -1: never. */
extern long fake_enter_budget;
/* Number of mappings in a map's page table. */
uint64_t fake_mapping_count(struct vm_map *map);
/* Every mapping must be one the map allows now: right page, not too wide, not stale. */
void fake_check_map(struct vm_map *map);

/* A new empty user map. */
struct vm_map *fake_map(void);
/* Access a byte as a processor would: through the page table, with faults. */
kern_return_t fake_read(struct vm_map *map, vm_offset_t va, uint8_t *value);
kern_return_t fake_write(struct vm_map *map, vm_offset_t va, uint8_t value);
/* The same, failing the test when the access does. */
uint8_t peek(struct vm_map *map, vm_offset_t va);
void poke(struct vm_map *map, vm_offset_t va, uint8_t value);
/* Anonymous memory anywhere. */
vm_offset_t fake_allocate(struct vm_map *map, vm_size_t size);

/* What is in use: compared before and after each test. */
struct fake_usage {
    uint64_t free_pages;
    uint64_t live_objects;
    uint64_t vm_objects;
    uint64_t pmaps;
    uint64_t kmem_ranges;
    uint64_t kmem_pages;
};
void fake_usage(struct fake_usage *usage);
/* Objects alive of the allocator's cache of that name; NULL: of all. */
uint64_t fake_live(const char *name);
int fake_setup(void **state);
int fake_teardown(void **state);

#define ok(expression) assert_int_equal((expression), KERN_SUCCESS)

#endif
