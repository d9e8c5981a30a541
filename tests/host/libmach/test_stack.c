/* test_stack.c - stack blocks, read back as the new program would read them. */
#include "fake.h"

#include <elf.h>
#include <mach/vm_param.h>
#include <stdlib.h>
#include <string.h>

#include "spawn/stack_image.h"
#include "start/start.h"

static char *block;

/* What lies at an address of the new task. */
static const void *at(vm_address_t address)
{
    assert_true(address >= VM_MAX_ADDRESS - STACK_IMAGE_SIZE && address < VM_MAX_ADDRESS);
    return block + STACK_IMAGE_SIZE - (VM_MAX_ADDRESS - address);
}

static uint64_t word(vm_address_t address)
{
    uint64_t value;

    memcpy(&value, at(address), sizeof(value));
    return value;
}

static int set_up(void **state)
{
    (void)state;
    block = calloc(1, STACK_IMAGE_SIZE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void block_has_everything_in_order(void **state)
{
    char *argv[] = {"sh", "-c", "", NULL};
    char *envp[] = {"A=1", "PORTS=old:1", "PORTSX=2", NULL};
    const struct stack_vector vector[] = {{AT_PAGESZ, 4096}, {AT_ENTRY, 0x401000}};
    const struct stack_content content = {argv,   envp, {"PORTS=new:2", NULL},
                                          vector, 2,    "0123456789abcdef"};
    vm_address_t sp = stack_image_build(&content, block, VM_MAX_ADDRESS);

    (void)state;
    assert_int_not_equal(sp, 0);
    assert_int_equal(sp % 16, 0);
    assert_int_equal(word(sp), 3);
    assert_string_equal(at(word(sp + 8)), "sh");
    assert_string_equal(at(word(sp + 16)), "-c");
    assert_string_equal(at(word(sp + 24)), "");
    assert_int_equal(word(sp + 32), 0);
    assert_string_equal(at(word(sp + 40)), "A=1");
    assert_string_equal(at(word(sp + 48)), "PORTSX=2");
    assert_string_equal(at(word(sp + 56)), "PORTS=new:2");
    assert_int_equal(word(sp + 64), 0);
    assert_int_equal(word(sp + 72), AT_PAGESZ);
    assert_int_equal(word(sp + 80), 4096);
    assert_int_equal(word(sp + 104), AT_RANDOM);
    assert_memory_equal(at(word(sp + 112)), "0123456789abcdef", 16);
    assert_int_equal(word(sp + 120), AT_NULL);
}

static void no_environment_is_fine(void **state)
{
    char *argv[] = {"x", NULL};
    const struct stack_content content = {.argv = argv};
    vm_address_t sp = stack_image_build(&content, block, VM_MAX_ADDRESS);

    (void)state;
    assert_int_equal(word(sp), 1);
    assert_int_equal(word(sp + 16), 0);
    assert_int_equal(word(sp + 24), 0);
    assert_int_equal(word(sp + 32), AT_NULL);
}

static void too_much_is_refused(void **state)
{
    char *text = malloc(STACK_IMAGE_SIZE);
    char *argv[] = {text, NULL};
    const struct stack_content content = {.argv = argv};
    size_t fits = 0;

    (void)state;
    memset(text, 'a', STACK_IMAGE_SIZE);
    for (size_t length = STACK_IMAGE_SIZE - 400; length < STACK_IMAGE_SIZE; length++) {
        text[length] = '\0';
        if (stack_image_build(&content, block, VM_MAX_ADDRESS) != 0) {
            fits = length;
        }
        text[length] = 'a';
    }
    assert_true(fits > STACK_IMAGE_SIZE - 400 && fits < STACK_IMAGE_SIZE - 32);
    free(text);
}

static void many_arguments_are_refused(void **state)
{
    char **argv = calloc(20001, sizeof(*argv));
    const struct stack_content content = {.argv = argv};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        argv[i] = "";
    }
    assert_int_equal(stack_image_build(&content, block, VM_MAX_ADDRESS), 0);
    free(argv);
}

static void vector_is_added_where_there_is_none(void **state)
{
    uint64_t stack[] = {1, 0x1000, 0, 0x2000, 0, AT_NULL, 0};
    uint64_t full[] = {0, 0, 0, AT_PHDR, 1, AT_NULL, 0};
    const uint64_t vector[] = {AT_PHDR, 0x400040, AT_NULL, 0};
    uint64_t room[16];
    uint64_t *seen = start_complete_stack(stack, room, 16, vector, 4);

    (void)state;
    assert_ptr_equal(seen, room);
    assert_memory_equal(seen, stack, 5 * sizeof(uint64_t));
    assert_memory_equal(seen + 5, vector, sizeof(vector));
    assert_ptr_equal(start_complete_stack(full, room, 16, vector, 4), full);
    assert_ptr_equal(start_complete_stack(stack, room, 8, vector, 4), stack);
}

const struct CMUnitTest stack_tests[] = {
    cmocka_unit_test_setup_teardown(block_has_everything_in_order, set_up, tear_down),
    cmocka_unit_test_setup_teardown(no_environment_is_fine, set_up, tear_down),
    cmocka_unit_test_setup_teardown(too_much_is_refused, set_up, tear_down),
    cmocka_unit_test_setup_teardown(many_arguments_are_refused, set_up, tear_down),
    cmocka_unit_test(vector_is_added_where_there_is_none),
};
const size_t stack_test_count = sizeof(stack_tests) / sizeof(stack_tests[0]);
