/* swap_test.c - what the default pager does for programs, and what it refuses. The image of these
 * tests has a memory disk. */
#include <default_pager.h>
#include <mach.h>
#include <mach/mig_support.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <string.h>

#include "lib/ipc.h"

#define PAGE    4096ul
#define PAGES   40u
#define POLLS   500
#define WAIT_MS 10

static mach_port_t swap_pager(void)
{
    static mach_port_t pager;

    if (pager == MACH_PORT_NULL) {
        CHECK_EQ(portolan_look_up("pager", &pager), KERN_SUCCESS);
    }
    return pager;
}

static mach_port_t swap_object(void)
{
    mach_port_t object = MACH_PORT_NULL;

    CHECK_EQ(default_pager_object_create(swap_pager(), &object, PAGES * PAGE), KERN_SUCCESS);
    return object;
}

static uint8_t *swap_map(mach_port_t object)
{
    vm_address_t at = 0;

    CHECK_EQ(vm_map(mach_task_self(), &at, PAGES * PAGE, 0, TRUE, object, 0, FALSE,
                    VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL, VM_INHERIT_NONE),
             KERN_SUCCESS);
    return (uint8_t *)at;
}

static void swap_unmap(uint8_t *at)
{
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, PAGES * PAGE), KERN_SUCCESS);
}

static uint64_t swap_free(void)
{
    default_pager_info_t info = {0};

    CHECK_EQ(default_pager_info(swap_pager(), &info), KERN_SUCCESS);
    CHECK_EQ(info.dpi_page_size, PAGE);
    CHECK(info.dpi_free_space <= info.dpi_total_space);
    return info.dpi_free_space;
}

/* Wait until so much is free. */
static bool swap_becomes_free(uint64_t wanted)
{
    for (int i = 0; i < POLLS && swap_free() != wanted; i++) {
        portolan_sleep(WAIT_MS);
    }
    return swap_free() == wanted;
}

TEST(what_was_written_to_an_object_is_there_when_it_is_mapped_again)
{
    uint64_t before = swap_free();
    mach_port_t object = swap_object();
    uint8_t *at = swap_map(object);
    unsigned wrong = 0;

    for (unsigned i = 0; i < PAGES; i += 2) {
        memset(at + i * PAGE, (int)i + 1, PAGE);
    }
    CHECK_EQ(at[PAGE], 0);
    swap_unmap(at);
    CHECK(swap_becomes_free(before - PAGES / 2 * PAGE)); /* the pages have gone there */
    at = swap_map(object);
    for (unsigned i = 0; i < PAGES; i++) {
        uint8_t byte = i % 2 == 0 ? (uint8_t)(i + 1) : 0;

        wrong += at[i * PAGE] != byte || at[i * PAGE + PAGE - 1] != byte;
    }
    CHECK_EQ(wrong, 0);
    swap_unmap(at);
    ipc_drop(object);
    CHECK(swap_becomes_free(before));
}

#define WORD_PORT MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_MAKE_SEND, 64, MACH_MSG_TYPE_WORD_INLINE)
#define WORD_SIZE MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_64, 64, MACH_MSG_TYPE_WORD_INLINE)
#define WORD_INT  MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, MACH_MSG_TYPE_WORD_INLINE)
#define WORD_BOOL MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_BOOLEAN, 32, MACH_MSG_TYPE_WORD_INLINE)
#define WORD_DATA 0x40000809u /* bytes out of line */

/* Send a message of memory_object.defs, its items given as words and values. */
static void swap_forge(mach_port_t object, mach_msg_id_t id, unsigned count,
                       const uint64_t (*items)[3])
{
    struct test_message m = {
        .head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                 .msgh_size = (mach_msg_size_t)(sizeof(m.head) + count * 16),
                 .msgh_remote_port = object,
                 .msgh_id = id}};

    for (unsigned i = 0; i < count; i++) {
        mig_type_put(m.body + i * 16, (uint32_t)items[i][0], (uint32_t)items[i][1]);
        mig_store64(m.body + i * 16 + 8, items[i][2]);
    }
    CHECK_EQ(mach_msg(&m.head, MACH_SEND_MSG, m.head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
}

/* A client has a send right to the object and says what only the kernel should. */
TEST(what_a_client_says_in_the_kernels_place_is_refused)
{
    uint64_t before = swap_free();
    mach_port_t object = swap_object();
    mach_port_t forged = test_port();
    uint8_t *at = swap_map(object);
    uint8_t *data = ipc_pages(1);

    at[0] = 1;
    memset(data, 9, PAGE);
    swap_forge(object, 2208, 5,
               (const uint64_t[][3]){{WORD_PORT, 1, forged},
                                     {WORD_SIZE, 1, 0},
                                     {WORD_DATA, PAGE, (uint64_t)data},
                                     {WORD_BOOL, 1, 1},
                                     {WORD_BOOL, 1, 0}});
    swap_forge(object, 2203, 4,
               (const uint64_t[][3]){{WORD_PORT, 1, forged},
                                     {WORD_SIZE, 1, 0},
                                     {WORD_SIZE, 1, PAGE},
                                     {WORD_INT, 1, VM_PROT_READ}});
    swap_forge(object, 2200, 3,
               (const uint64_t[][3]){
                   {WORD_PORT, 1, forged}, {WORD_PORT, 1, forged}, {WORD_SIZE, 1, PAGE}});
    swap_unmap(at);
    CHECK(swap_becomes_free(before - PAGE));
    at = swap_map(object);
    CHECK_EQ(at[0], 1);
    swap_unmap(at);
    vm_deallocate(mach_task_self(), (vm_address_t)data, PAGE);
    ipc_drop(object);
    mach_port_destroy(mach_task_self(), forged);
    CHECK(swap_becomes_free(before));
}

TEST(a_right_dropped_before_the_object_was_mapped_ends_it)
{
    mach_port_t objects[8];

    for (unsigned i = 0; i < 8; i++) {
        objects[i] = swap_object();
    }
    for (unsigned i = 0; i < 8; i++) {
        ipc_drop(objects[i]);
    }
}

TEST(there_are_no_paging_files)
{
    default_pager_page_array_t pages;
    mach_msg_type_number_t count = 0;
    mach_port_t port = test_port();

    CHECK_EQ(default_pager_paging_file(swap_pager(), port, "swap", TRUE), KERN_FAILURE);
    CHECK_EQ(default_pager_register_fileserver(swap_pager(), port), KERN_FAILURE);
    CHECK_EQ(default_pager_object_pages(swap_pager(), port, &pages, &count), KERN_INVALID_ARGUMENT);
    mach_port_destroy(mach_task_self(), port);
}
