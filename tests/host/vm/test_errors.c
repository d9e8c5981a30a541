/* test_errors.c - the codes of the memory routines that only a shortage, a page in error or device
 * memory brings about. */
#include "fake_pager.h"
#include "ipc/ipc_port.h"
#include "kern/task.h"
#include "mach4_kernel_server.h"
#include "mach_kernel_server.h"
#include "tests.h"

#include "ddb/slab_debug.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

#define HOST_PRIV ((struct ipc_port *)2)
#define HOST      ((struct host *)2)

static void a_refused_object_is_a_shortage_to_every_routine(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 8 * PG);
    vm_offset_t fresh = 0;
    struct vm_copy *copy;
    natural_t count;

    (void)state;
    slab_debug_refuse(0);
    assert_int_equal(vm_allocate(map, &fresh, PG, true), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_map(map, &fresh, PG, 0, true, NULL, 0, false, VM_PROT_READ, VM_PROT_ALL,
                            VM_INHERIT_COPY),
                     KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_deallocate(map, at + PG, PG), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_protect(map, at + PG, PG, false, VM_PROT_READ), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_inherit(map, at + PG, PG, VM_INHERIT_NONE), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_read(map, at, 4 * PG, &copy, &count), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_copy(map, at, 4 * PG, at + 4 * PG), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_wire(HOST_PRIV, map, at, PG, VM_PROT_READ), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_wire_all(HOST_PRIV, map, VM_WIRE_CURRENT), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(vm_pages_phys(HOST, map, at, PG, &copy, &count), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(host_slab_info(HOST, &copy, &count), KERN_RESOURCE_SHORTAGE);
    assert_int_equal(map->size, 8 * PG);
    vm_map_unref(map);
}

static void a_refused_object_is_a_shortage_to_a_write(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 3 * PG);
    struct vm_copy *copy = vm_copy_from_kernel("word", 4);

    (void)state;
    assert_non_null(copy);
    slab_debug_refuse(0);
    assert_int_equal(vm_write(map, at + PG, copy, 4), KERN_RESOURCE_SHORTAGE);
    vm_copy_discard(copy);
    vm_map_unref(map);
}

static void a_refused_object_is_a_shortage_to_a_listing_of_pages(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, PG);
    struct vm_map_region region;
    struct vm_copy *copy;
    natural_t count;

    (void)state;
    poke(map, at, 1);
    ok(vm_map_region(map, at, true, &region));
    slab_debug_refuse(0);
    assert_int_equal(mach_vm_object_pages(region.object, &copy, &count), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(mach_vm_object_pages_phys(region.object, &copy, &count),
                     KERN_RESOURCE_SHORTAGE);
    vm_object_unref(region.object);
    vm_map_unref(map);
}

static struct ipc_port *error_port;

static void answer_error(const struct fake_message *message)
{
    if (message->id == 2200) {
        ok(memory_object_ready(message->object, false, MEMORY_OBJECT_COPY_NONE));
    } else if (message->id == 2203) {
        ok(memory_object_data_error(message->object, message->offset, message->length,
                                    KERN_FAILURE));
    }
}

/* A map with a page whose data its pager cannot supply. */
static struct vm_map *map_with_error(vm_offset_t *at)
{
    struct vm_map *map = fake_map();
    struct ipc_port *port = fake_pager_port();

    fake_pager = answer_error;
    *at = 0;
    ok(vm_map(map, at, PG, 0, true, fake_pager_right(port), 0, false, VM_PROT_DEFAULT, VM_PROT_ALL,
              VM_INHERIT_DEFAULT));
    error_port = port;
    return map;
}

static void a_page_in_error_is_a_memory_error(void **state)
{
    vm_offset_t at;
    struct vm_map *map = map_with_error(&at);
    struct vm_copy *copy = vm_copy_from_kernel("word", 4);
    struct vm_copy *data;
    natural_t count;

    (void)state;
    assert_int_equal(vm_read(map, at, 8, &data, &count), KERN_MEMORY_ERROR);
    assert_int_equal(vm_write(map, at, copy, 4), KERN_MEMORY_ERROR);
    assert_int_equal(vm_copy(map, at, 8, at + 64), KERN_MEMORY_ERROR);
    assert_int_equal(vm_wire(HOST_PRIV, map, at, PG, VM_PROT_READ), KERN_MEMORY_ERROR);
    assert_int_equal(vm_wire_all(HOST_PRIV, map, VM_WIRE_CURRENT), KERN_MEMORY_ERROR);
    vm_copy_discard(copy);
    vm_map_unref(map);
    fake_pager_reap();
    fake_pager_kill(error_port);
}

static void a_proxy_without_memory_is_a_shortage(void **state)
{
    static struct task task;
    rpc_vm_offset_t zero = 0;
    rpc_vm_size_t size = PG;
    struct ipc_port *port = NULL;
    struct ipc_port *object = fake_pager_port();
    vm_offset_t at;

    (void)state;
    task.map = fake_map();
    at = fake_allocate(task.map, 2 * PG);
    poke(task.map, at, 1);
    slab_debug_refuse(0);
    assert_int_equal(vm_region_create_proxy(&task, at, VM_PROT_READ, PG, &port),
                     KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    assert_int_equal(memory_object_create_proxy(NULL, VM_PROT_READ, &object, 1, &zero, 1, &zero, 1,
                                                &size, 1, &port),
                     KERN_RESOURCE_SHORTAGE);
    assert_null(port);
    ok(memory_object_create_proxy(NULL, VM_PROT_READ, &object, 1, &zero, 1, &zero, 1, &size, 1,
                                  &port));
    fake_pager = answer_error;
    assert_int_equal(vm_map(task.map, &at, PG, 0, true, port, 0, false, VM_PROT_DEFAULT,
                            VM_PROT_ALL, VM_INHERIT_DEFAULT),
                     KERN_PROTECTION_FAILURE);
    vm_map_unref(task.map);
    ipc_port_release_send(port);
    memory_object_proxy_no_senders(port);
    fake_pager_reap();
}

static void wiring_says_why_it_cannot_be(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 3 * PG);

    (void)state;
    ok(vm_deallocate(map, at + PG, PG));
    assert_int_equal(vm_wire(HOST_PRIV, map, at, 3 * PG, VM_PROT_READ), KERN_NO_SPACE);
    ok(vm_protect(map, at, PG, false, VM_PROT_READ));
    assert_int_equal(vm_wire(HOST_PRIV, map, at, PG, VM_PROT_WRITE), KERN_PROTECTION_FAILURE);
    vm_map_unref(map);
}

static void contiguous_memory_needs_room_in_the_map(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = 0;
    rpc_phys_addr_t phys;

    (void)state;
    map->size_limit = PG;
    assert_int_equal(vm_allocate_contiguous(HOST, map, &at, &phys, 2 * PG, 0, 0, 0), KERN_NO_SPACE);
    vm_map_unref(map);
}

void run_error_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_refused_object_is_a_shortage_to_every_routine),
        TEST(a_refused_object_is_a_shortage_to_a_write),
        TEST(a_refused_object_is_a_shortage_to_a_listing_of_pages),
        TEST(a_proxy_without_memory_is_a_shortage),
        TEST(a_page_in_error_is_a_memory_error),
        TEST(wiring_says_why_it_cannot_be),
        TEST(contiguous_memory_needs_room_in_the_map),
    };

    RUN_GROUP(tests);
}
