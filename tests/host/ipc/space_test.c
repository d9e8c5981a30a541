/* space_test.c - the name table: which names come, which miss, what it costs. */
#include "ipc_test.h"

#include <time.h>

static mach_port_name_t dead_name(void)
{
    mach_port_name_t name;

    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &name),
                     KERN_SUCCESS);
    return name;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void first_names_are_the_lowest(void **state)
{
    uint32_t i;

    (void)state;
    for (i = 1; i <= 300; i++) {
        assert_int_equal(sim_receive_right(), i);
    }
}

static void freed_name_comes_back_with_the_next_generation(void **state)
{
    mach_port_name_t name;

    (void)state;
    dead_name();
    name = dead_name();
    assert_int_equal(name, 2);
    assert_int_equal(mach_port_deallocate(sim_space(), name), KERN_SUCCESS);
    assert_int_equal(dead_name(), 2 | 1u << 24);
    assert_int_equal(dead_name(), 3);
}

static void stale_name_misses(void **state)
{
    mach_port_name_t name = dead_name();

    (void)state;
    mach_port_deallocate(sim_space(), name);
    assert_int_equal(mach_port_deallocate(sim_space(), name), KERN_INVALID_NAME);
    dead_name();
    assert_int_equal(mach_port_deallocate(sim_space(), name), KERN_INVALID_NAME);
    assert_int_equal(sim_type(name), 0);
}

static void generation_wraps_after_256_uses(void **state)
{
    mach_port_name_t first = dead_name();
    int i;

    (void)state;
    mach_port_deallocate(sim_space(), first);
    for (i = 1; i < 256; i++) {
        mach_port_name_t name = dead_name();

        assert_int_equal(name, first | (uint32_t)i << 24);
        mach_port_deallocate(sim_space(), name);
    }
    assert_int_equal(dead_name(), first);
}

static void chosen_name_is_given_and_skipped_later(void **state)
{
    (void)state;
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_RECEIVE, 3),
                     KERN_SUCCESS);
    assert_int_equal(sim_receive_right(), 1);
    assert_int_equal(sim_receive_right(), 2);
    assert_int_equal(sim_receive_right(), 4);
}

static void chosen_name_can_lie_anywhere(void **state)
{
    static const mach_port_name_t names[] = {0x00fffffe, 0x12345678, 0x7f000fff,
                                             0xfeffffff, 0x00000080, 0xff000001};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_RECEIVE, names[i]),
                         KERN_SUCCESS);
        assert_int_equal(sim_type(names[i]), MACH_PORT_TYPE_RECEIVE);
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(mach_port_destroy(sim_space(), names[i]), KERN_SUCCESS);
        assert_int_equal(sim_type(names[i]), 0);
    }
}

static void chosen_name_in_use_exists_and_its_index_has_no_space(void **state)
{
    (void)state;
    sim_receive_right();
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_RECEIVE, 1),
                     KERN_NAME_EXISTS);
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_RECEIVE, 1 | 5u << 24),
                     KERN_NO_SPACE);
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_RECEIVE, 5u << 24),
                     KERN_NO_SPACE);
}

static void chosen_name_from_the_free_list_leaves_the_list_whole(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 5; i++) {
        dead_name();
    }
    for (i = 1; i <= 5; i++) {
        mach_port_deallocate(sim_space(), (uint32_t)i);
    }
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, 3 | 9u << 24),
                     KERN_SUCCESS);
    assert_int_equal(dead_name() & 0xffffff, 5);
    assert_int_equal(dead_name() & 0xffffff, 4);
    assert_int_equal(dead_name() & 0xffffff, 2);
    assert_int_equal(dead_name() & 0xffffff, 1);
    assert_int_equal(dead_name(), 6);
}

static void growing_over_a_page_chosen_before_keeps_what_is_there(void **state)
{
    uint32_t i;

    (void)state;
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_PORT_SET, 400),
                     KERN_SUCCESS);
    for (i = 1; i < 1000; i++) {
        if (i != 400) {
            assert_int_equal(dead_name(), i);
        }
    }
    assert_int_equal(sim_type(400), MACH_PORT_TYPE_PORT_SET);
}

static void names_0_and_dead_cannot_be_chosen(void **state)
{
    (void)state;
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_RECEIVE, NAME_NULL),
                     KERN_INVALID_VALUE);
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_RECEIVE, NAME_DEAD),
                     KERN_INVALID_VALUE);
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_SEND, 7),
                     KERN_INVALID_VALUE);
}

static void no_name_ever_has_memory_beyond_the_table(void **state)
{
    uint32_t i;
    uint32_t random = 12345;

    (void)state;
    for (i = 0; i < 100000; i++) {
        random = random * 1664525 + 1013904223;
        assert_int_equal(mach_port_deallocate(sim_space(), random), KERN_INVALID_NAME);
    }
}

static void a_million_names_cost_what_ten_cost(void **state)
{
    struct task *owner = sim_task_create();
    struct ipc_port *port;
    mach_port_name_t name;
    double small;
    double large;
    uint32_t i;

    (void)state;
    sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &name);
    sim_become(owner);
    port = sim_port(name);
    sim_become(sim_task);
    small = seconds();
    for (i = 0; i < 100000; i++) {
        assert_int_equal(ipc_space_copyout_right(sim_space(), ipc_port_make_send(port),
                                                 MACH_MSG_TYPE_PORT_SEND, &name),
                         KERN_SUCCESS);
        mach_port_deallocate(sim_space(), name);
    }
    small = seconds() - small;
    for (i = 0; i < 1000000; i++) {
        dead_name();
    }
    large = seconds();
    for (i = 0; i < 100000; i++) {
        assert_int_equal(ipc_space_copyout_right(sim_space(), ipc_port_make_send(port),
                                                 MACH_MSG_TYPE_PORT_SEND, &name),
                         KERN_SUCCESS);
        mach_port_deallocate(sim_space(), name);
    }
    large = seconds() - large;
    assert_true(large < 4 * small + 0.05);
    assert_int_equal(name & 0xffffff, 1);
}

static void send_rights_of_a_hundred_thousand_ports_each_find_their_name(void **state)
{
    struct task *owner = sim_task_create();
    enum { PORTS = 100000 };
    uint32_t i;

    (void)state;
    for (i = 1; i <= PORTS; i++) {
        mach_port_name_t other;

        assert_int_equal(sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other), i);
    }
    for (i = 1; i <= PORTS; i++) {
        struct ipc_port *port = ipc_port_make_send(sim_port(i));
        mach_port_name_t name;

        assert_int_equal(ipc_space_copyout_right(sim_space(), port, MACH_MSG_TYPE_PORT_SEND, &name),
                         KERN_SUCCESS);
        assert_int_equal(name, i);
    }
    assert_int_equal(sim_urefs(PORTS / 2, MACH_PORT_RIGHT_SEND), 2);
    assert_true(sim_space()->hash.buckets > PORTS / 2);
    sim_expect_balanced();
}

static void names_beyond_the_limit_are_refused_and_come_back(void **state)
{
    mach_port_name_t name;
    uint32_t count = 0;

    (void)state;
    sim_task->ledger.limit[LEDGER_NAMES] = 50;
    while (mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &name) == KERN_SUCCESS) {
        count += 1;
    }
    assert_int_equal(count, 50);
    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &name),
                     KERN_NO_SPACE);
    mach_port_deallocate(sim_space(), 7);
    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &name),
                     KERN_SUCCESS);
}

static void ports_beyond_the_limit_are_a_resource_shortage(void **state)
{
    mach_port_name_t name;

    (void)state;
    sim_task->ledger.limit[LEDGER_PORTS] = 3;
    sim_receive_right();
    sim_receive_right();
    sim_receive_right();
    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_RECEIVE, &name),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(mach_port_destroy(sim_space(), 2), KERN_SUCCESS);
    sim_receive_right();
    assert_int_equal(sim_task->ledger.used[LEDGER_PORTS], 3);
}

static void table_pages_beyond_the_limit_are_a_resource_shortage(void **state)
{
    mach_port_name_t name;
    uint32_t i;

    (void)state;
    sim_task->ledger.limit[LEDGER_KMEM_PAGES] = 2;
    for (i = 1; i < 256; i++) {
        dead_name();
    }
    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &name),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, 0x500000),
                     KERN_RESOURCE_SHORTAGE);
}

static void out_of_memory_gives_the_name_back(void **state)
{
    mach_port_name_t name;

    (void)state;
    sim_fail_alloc_after = 0;
    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_RECEIVE, &name),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(mach_port_allocate(sim_space(), MACH_PORT_RIGHT_PORT_SET, &name),
                     KERN_RESOURCE_SHORTAGE);
    sim_fail_alloc_after = -1;
    assert_int_equal(ipc_space_name_count(sim_space()), 0);
    assert_int_equal(sim_task->ledger.used[LEDGER_PORTS], 0);
}

static void ended_space_refuses_everything(void **state)
{
    struct task *task = sim_task_create();
    struct ipc_space *space = task->space;
    struct ipc_port *port;
    struct vm_copy *copy;
    mach_port_name_t name;
    uint32_t n;

    (void)state;
    ipc_space_ref(space);
    sim_task_end(task);
    assert_int_equal(mach_port_allocate(space, MACH_PORT_RIGHT_RECEIVE, &name), KERN_INVALID_TASK);
    assert_int_equal(mach_port_deallocate(space, 1), KERN_INVALID_TASK);
    assert_int_equal(mach_port_rename(space, 1, 2), KERN_INVALID_TASK);
    assert_int_equal(mach_port_move_member(space, 1, 2), KERN_INVALID_TASK);
    assert_int_equal(mach_port_get_set_status(space, 1, &copy, &n), KERN_INVALID_TASK);
    assert_int_equal(mach_port_names(space, &copy, &n, &copy, &n), KERN_INVALID_TASK);
    assert_int_equal(ipc_space_copyin_right(space, 1, MACH_MSG_TYPE_COPY_SEND, &port),
                     KERN_INVALID_TASK);
    ipc_space_unref(space);
}

static void all_names_are_listed_with_their_types(void **state)
{
    struct vm_copy *names;
    struct vm_copy *types;
    uint32_t names_count;
    uint32_t types_count;
    uint32_t name[600];
    uint32_t type[600];
    uint32_t i;

    (void)state;
    for (i = 0; i < 599; i++) {
        sim_receive_right();
    }
    mach_port_allocate_name(sim_space(), MACH_PORT_RIGHT_PORT_SET, 0x77123456);
    assert_int_equal(mach_port_names(sim_space(), &names, &names_count, &types, &types_count),
                     KERN_SUCCESS);
    assert_int_equal(names_count, 600);
    assert_int_equal(types_count, 600);
    assert_int_equal(vm_copy_read(names, 0, name, sizeof(name)), KERN_SUCCESS);
    assert_int_equal(vm_copy_read(types, 0, type, sizeof(type)), KERN_SUCCESS);
    for (i = 0; i < 599; i++) {
        assert_int_equal(name[i], i + 1);
        assert_int_equal(type[i], MACH_PORT_TYPE_RECEIVE);
    }
    assert_int_equal(name[599], 0x77123456);
    assert_int_equal(type[599], MACH_PORT_TYPE_PORT_SET);
    vm_copy_discard(names);
    vm_copy_discard(types);
}

static void empty_space_lists_nothing(void **state)
{
    struct vm_copy *names;
    struct vm_copy *types;
    uint32_t count;

    (void)state;
    assert_int_equal(mach_port_names(sim_space(), &names, &count, &types, &count), KERN_SUCCESS);
    assert_int_equal(count, 0);
    assert_null(names);
    assert_null(types);
}

static void rename_moves_every_kind_of_right(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t receive = sim_receive_right();
    mach_port_name_t set = sim_port_set();
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    struct ipc_port *port = sim_port(send);
    mach_port_name_t again;

    (void)state;
    assert_int_equal(mach_port_move_member(sim_space(), receive, set), KERN_SUCCESS);
    assert_int_equal(mach_port_rename(sim_space(), receive, 1000), KERN_SUCCESS);
    assert_int_equal(mach_port_rename(sim_space(), set, 1001), KERN_SUCCESS);
    assert_int_equal(mach_port_rename(sim_space(), send, 1002), KERN_SUCCESS);
    assert_int_equal(sim_type(receive), 0);
    assert_int_equal(sim_type(1000), MACH_PORT_TYPE_RECEIVE);
    assert_int_equal(sim_type(1001), MACH_PORT_TYPE_PORT_SET);
    assert_int_equal(ipc_space_copyout_right(sim_space(), ipc_port_make_send(port),
                                             MACH_MSG_TYPE_PORT_SEND, &again),
                     KERN_SUCCESS);
    assert_int_equal(again, 1002);
    assert_int_equal(sim_post(1000, 5), MACH_MSG_SUCCESS);
    sim_expect_balanced();
}

static void rename_refuses_what_it_must(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t second = sim_receive_right();

    (void)state;
    assert_int_equal(mach_port_rename(sim_space(), name, NAME_NULL), KERN_INVALID_VALUE);
    assert_int_equal(mach_port_rename(sim_space(), name, NAME_DEAD), KERN_INVALID_VALUE);
    assert_int_equal(mach_port_rename(sim_space(), name, second), KERN_NAME_EXISTS);
    assert_int_equal(mach_port_rename(sim_space(), name, name), KERN_NAME_EXISTS);
    assert_int_equal(mach_port_rename(sim_space(), 77, 78), KERN_INVALID_NAME);
    assert_int_equal(sim_type(78), 0);
}

int ipc_test_space(struct ipc_test *tests)
{
    static const struct ipc_test list[] = {
        IPC_TEST(first_names_are_the_lowest),
        IPC_TEST(freed_name_comes_back_with_the_next_generation),
        IPC_TEST(stale_name_misses),
        IPC_TEST(generation_wraps_after_256_uses),
        IPC_TEST(chosen_name_is_given_and_skipped_later),
        IPC_TEST(chosen_name_can_lie_anywhere),
        IPC_TEST(chosen_name_in_use_exists_and_its_index_has_no_space),
        IPC_TEST(chosen_name_from_the_free_list_leaves_the_list_whole),
        IPC_TEST(growing_over_a_page_chosen_before_keeps_what_is_there),
        IPC_TEST(names_0_and_dead_cannot_be_chosen),
        IPC_TEST(no_name_ever_has_memory_beyond_the_table),
        IPC_TEST(a_million_names_cost_what_ten_cost),
        IPC_TEST(send_rights_of_a_hundred_thousand_ports_each_find_their_name),
        IPC_TEST(names_beyond_the_limit_are_refused_and_come_back),
        IPC_TEST(ports_beyond_the_limit_are_a_resource_shortage),
        IPC_TEST(table_pages_beyond_the_limit_are_a_resource_shortage),
        IPC_TEST(out_of_memory_gives_the_name_back),
        IPC_TEST(ended_space_refuses_everything),
        IPC_TEST(all_names_are_listed_with_their_types),
        IPC_TEST(empty_space_lists_nothing),
        IPC_TEST(rename_moves_every_kind_of_right),
        IPC_TEST(rename_refuses_what_it_must),
    };

    memcpy(tests, list, sizeof(list));
    return (int)(sizeof(list) / sizeof(list[0]));
}
