/* pager_library_test.c - the pager library: read_page and write_page, answers that come later,
 * clusters, flushes, the end of an object, forged messages. */
#include <gnumach.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan/pager.h>
#include <portolan/server_loop.h>
#include <stdlib.h>
#include <string.h>

#include "lib/attack.h"
#include "lib/puppet.h"

#define PAGE  PUPPET_PAGE
#define PAGES 64

/* What the callbacks of one object have to do with, and what they did. */
struct book {
    volatile uint8_t first[PAGES]; /* of each page */
    volatile kern_return_t answer; /* to read_page */
    volatile kern_return_t unlock_answer;
    volatile unsigned reads, writes, unlocks, copies, ends;
    volatile vm_offset_t asked;
    struct pager *copy;
};

static mach_port_t set;
static struct server server;

static kern_return_t book_read(struct pager *pager, void *context, vm_offset_t offset, void *page)
{
    struct book *book = context;

    (void)pager;
    book->reads++;
    book->asked = offset;
    if (book->answer == KERN_SUCCESS && offset < PAGES * PAGE) {
        *(uint8_t *)page = book->first[offset / PAGE];
        return KERN_SUCCESS;
    }
    return book->answer != KERN_SUCCESS ? book->answer : KERN_INVALID_ARGUMENT;
}

static kern_return_t book_write(struct pager *pager, void *context, vm_offset_t offset,
                                const void *page)
{
    struct book *book = context;

    (void)pager;
    book->first[offset / PAGE] = *(const uint8_t *)page;
    book->writes++;
    return KERN_SUCCESS;
}

static kern_return_t book_unlock(struct pager *pager, void *context, vm_offset_t offset,
                                 vm_prot_t access)
{
    struct book *book = context;

    (void)pager;
    (void)offset;
    CHECK((access & VM_PROT_WRITE) != 0);
    book->unlocks++;
    return book->unlock_answer;
}

static void book_end(struct pager *pager, void *context)
{
    struct book *book = context;

    (void)pager;
    book->ends++;
}

static kern_return_t book_copy(struct pager *pager, void *context, vm_offset_t offset,
                               vm_size_t size, mach_port_t object);

static const struct pager_ops book_ops = {.read_page = book_read,
                                          .write_page = book_write,
                                          .unlock_page = book_unlock,
                                          .copy = book_copy,
                                          .end = book_end};
static const struct pager_ops plain_ops = {.read_page = book_read, .end = book_end};
static const struct pager_attributes plain = {.copy_strategy = MEMORY_OBJECT_COPY_NONE};

static kern_return_t book_copy(struct pager *pager, void *context, vm_offset_t offset,
                               vm_size_t size, mach_port_t object)
{
    struct book *book = context;

    (void)pager;
    (void)offset;
    (void)size;
    book->copies++;
    return pager_adopt(set, &book_ops, context, &plain, object, &book->copy);
}

static boolean_t demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return pager_demux(in, out);
}

/* A new object with fresh callbacks' data, mapped. */
static struct pager *start(struct book *book, const struct pager_ops *ops,
                           const struct pager_attributes *attributes, uint8_t **at)
{
    struct pager *pager = NULL;
    vm_address_t address = 0;

    *book = (struct book){.answer = KERN_SUCCESS};
    for (unsigned i = 0; i < PAGES; i++) {
        book->first[i] = (uint8_t)(i + 1);
    }
    if (set == MACH_PORT_NULL) {
        CHECK_EQ(server_set_create(&set), KERN_SUCCESS);
        server = (struct server){.receive = set, .demux = demux, .no_senders = pager_no_senders};
        CHECK_EQ(server_add_thread(&server), KERN_SUCCESS);
    }
    CHECK_EQ(pager_create(set, ops, book, attributes, &pager), KERN_SUCCESS);
    CHECK_EQ(
        pager_map(pager, mach_task_self(), &address, PAGES * PAGE, 0, VM_PROT_READ | VM_PROT_WRITE),
        KERN_SUCCESS);
    *at = (uint8_t *)address;
    return pager;
}

static bool comes_to(volatile unsigned *count, unsigned value)
{
    for (unsigned i = 0; i < 1000 && *count < value; i++) {
        ipc_pause_ms(2);
    }
    return *count >= value;
}

/* Read now, after what was written before. */
static uint8_t peek(const uint8_t *at)
{
    return *(const volatile uint8_t *)at;
}

static void finish(struct book *book, uint8_t *at)
{
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, PAGES * PAGE), KERN_SUCCESS);
    CHECK(comes_to(&book->ends, 1));
}

TEST(pages_are_read_when_touched_and_written_when_the_object_ends)
{
    struct book book;
    uint8_t *at;

    start(&book, &book_ops, &plain, &at);
    CHECK_EQ(peek(at + 5 * PAGE), 6);
    CHECK_EQ(peek(at + 5 * PAGE + 1), 0);
    CHECK_EQ(peek(at + 2 * PAGE), 3);
    CHECK_EQ(book.reads, 2);
    at[2 * PAGE] = 77;
    finish(&book, at);
    CHECK_EQ(book.writes, 1);
    CHECK_EQ(book.first[2], 77);
}

TEST(several_objects_are_served_by_one_loop)
{
    static struct book books[8];
    uint8_t *at[8];

    for (unsigned i = 0; i < 8; i++) {
        start(&books[i], &book_ops, &plain, &at[i]);
        books[i].first[i] = (uint8_t)(100 + i);
    }
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(at[i][i * PAGE], 100 + i);
        at[i][0] = (uint8_t)i;
    }
    for (unsigned i = 0; i < 8; i++) {
        finish(&books[i], at[i]);
        CHECK_EQ(books[i].first[0], i);
    }
}

TEST(no_data_is_zeroes_and_an_error_is_an_exception)
{
    struct book book;
    uint8_t *at;

    start(&book, &book_ops, &plain, &at);
    book.answer = PAGER_NO_DATA;
    CHECK_EQ(peek(at + 0), 0);
    book.answer = KERN_FAILURE;
    CHECK_EQ(toucher_touch(at + 3 * PAGE, false, 0, 0), KERN_MEMORY_ERROR);
    book.answer = KERN_SUCCESS;
    CHECK_EQ(peek(at + 3 * PAGE), 4);
    finish(&book, at);
}

TEST(an_answer_may_come_later_from_another_thread)
{
    struct book book;
    struct toucher touchers[3];
    uint8_t *page, *at;
    struct pager *pager = start(&book, &book_ops, &plain, &at);

    book.answer = PAGER_LATER;
    for (unsigned i = 0; i < 3; i++) {
        toucher_start(&touchers[i], at + 9 * i * PAGE, false, 0, 0);
        CHECK(comes_to(&book.reads, i + 1));
        CHECK_EQ(book.asked, 9 * i * PAGE);
    }
    page = ipc_pages(1);
    page[0] = 55;
    CHECK_EQ(pager_supply(pager, 1, page, PAGE, false), KERN_INVALID_ARGUMENT);
    CHECK_EQ(pager_supply(pager, 0, page, 5, false), KERN_INVALID_ARGUMENT);
    CHECK_EQ(pager_supply_locked(pager, 1, page, PAGE, false, VM_PROT_WRITE),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(pager_supply(pager, 0, page, PAGE, true), KERN_SUCCESS);
    pager_unavailable(pager, 9 * PAGE, PAGE);
    pager_error(pager, 18 * PAGE, PAGE, KERN_FAILURE);
    CHECK_EQ(toucher_end(&touchers[0]), KERN_SUCCESS);
    CHECK_EQ(touchers[0].value, 55);
    CHECK_EQ(toucher_end(&touchers[1]), KERN_SUCCESS);
    CHECK_EQ(touchers[1].value, 0);
    CHECK_EQ(toucher_end(&touchers[2]), KERN_MEMORY_ERROR);
    finish(&book, at);
}

TEST(a_cluster_is_read_around_a_page_of_an_object_that_is_not_written)
{
    struct pager_attributes attributes = {.cluster = 8};
    struct book book;
    uint8_t *at;

    start(&book, &plain_ops, &attributes, &at);
    CHECK_EQ(peek(at + 13 * PAGE), 14);
    CHECK_EQ(book.reads, 8);
    ipc_pause_ms(20); /* the page asked for may be there before those behind it */
    for (unsigned i = 8; i < 16; i++) {
        CHECK_EQ(peek(at + i * PAGE), i + 1);
    }
    CHECK_EQ(book.reads, 8);
    finish(&book, at);
    start(&book, &book_ops, &attributes, &at);
    CHECK_EQ(peek(at + 13 * PAGE), 14);
    CHECK_EQ(book.reads, 1);
    finish(&book, at);
}

TEST(cleaning_and_flushing_write_changed_pages)
{
    struct book book;
    uint8_t *at;
    struct pager *pager = start(&book, &book_ops, &plain, &at);

    at[0] = 90;
    at[PAGE] = 91;
    CHECK_EQ(pager_clean(pager, 0, PAGE), KERN_SUCCESS);
    CHECK(comes_to(&book.writes, 1));
    CHECK_EQ(book.first[0], 90);
    CHECK_EQ(pager_flush(pager, 0, PAGES * PAGE), KERN_SUCCESS);
    CHECK(comes_to(&book.writes, 2));
    CHECK_EQ(book.first[1], 91);
    book.first[1] = 92; /* from outside */
    CHECK_EQ(peek(at + PAGE), 92);
    CHECK_EQ(pager_flush(pager, 1, PAGE), KERN_FAILURE);
    finish(&book, at);
}

TEST(a_locked_page_asks_before_it_is_written)
{
    struct pager_attributes attributes = {.lock = VM_PROT_WRITE};
    struct book book;
    struct toucher toucher;
    uint8_t *at;
    struct pager *pager = start(&book, &book_ops, &attributes, &at);

    CHECK_EQ(peek(at + 0), 1);
    at[0] = 2;
    CHECK_EQ(book.unlocks, 1);
    CHECK_EQ(pager_restrict(pager, 0, PAGE, VM_PROT_WRITE), KERN_SUCCESS);
    book.unlock_answer = KERN_NO_ACCESS;
    CHECK_EQ(toucher_touch(at, true, 3, 50), KERN_MEMORY_ERROR);
    CHECK_EQ(book.unlocks, 2);
    book.unlock_answer = PAGER_LATER;
    toucher_start(&toucher, at, true, 4, 0);
    CHECK(comes_to(&book.unlocks, 3));
    CHECK_EQ(pager_restrict(pager, 0, PAGE, VM_PROT_NONE), KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(peek(at + 0), 4);
    finish(&book, at);
}

TEST(a_cached_object_lives_until_its_attributes_change)
{
    struct pager_attributes attributes = {.may_cache = true};
    struct book book;
    vm_address_t address = 0;
    uint8_t *at;
    struct pager *pager = start(&book, &book_ops, &attributes, &at);

    CHECK_EQ(peek(at + 0), 1);
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, PAGES * PAGE), KERN_SUCCESS);
    ipc_pause_ms(20);
    CHECK_EQ(book.ends, 0);
    CHECK_EQ(pager_map(pager, mach_task_self(), &address, PAGE, 0, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(*(uint8_t *)address, 1);
    CHECK_EQ(book.reads, 1);
    pager_change(pager, &plain);
    CHECK_EQ(vm_deallocate(mach_task_self(), address, PAGE), KERN_SUCCESS);
    CHECK(comes_to(&book.ends, 1));
}

TEST(a_destroyed_object_costs_its_clients_an_exception)
{
    struct book book;
    uint8_t *at;
    struct pager *pager = start(&book, &book_ops, &plain, &at);

    CHECK_EQ(peek(at + 0), 1);
    CHECK_EQ(pager_destroy(pager), KERN_SUCCESS);
    CHECK_EQ(toucher_touch(at, false, 0, 0), KERN_MEMORY_ERROR);
    finish(&book, at);
}

TEST(an_object_may_copy_itself)
{
    struct pager_attributes attributes = {.copy_strategy = MEMORY_OBJECT_COPY_CALL};
    struct book book;
    mach_msg_type_number_t count = 0;
    pointer_t data = 0;
    uint8_t *at;

    start(&book, &book_ops, &attributes, &at);
    at[0] = 7;
    CHECK_EQ(vm_read(mach_task_self(), (vm_address_t)at, 8 * PAGE, &data, &count), KERN_SUCCESS);
    CHECK_EQ(((uint8_t *)data)[0], 7);
    CHECK_EQ(((uint8_t *)data)[5 * PAGE], 6);
    CHECK_EQ(book.copies, 1);
    CHECK_EQ(vm_deallocate(mach_task_self(), data, count), KERN_SUCCESS);
    CHECK(comes_to(&book.ends, 1)); /* of the copy */
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, PAGES * PAGE), KERN_SUCCESS);
    CHECK(comes_to(&book.ends, 2));
}

TEST(an_object_nobody_uses_is_not_called_about)
{
    struct book book = {.answer = KERN_SUCCESS};
    struct pager *pager;
    mach_port_t port = test_port();

    CHECK_EQ(pager_create(IPC_NO_NAME, &book_ops, &book, &plain, &pager), KERN_INVALID_NAME);
    CHECK_EQ(pager_create(port, &book_ops, &book, &plain, &pager), KERN_INVALID_RIGHT);
    CHECK_EQ(pager_create(set, &book_ops, &book, &plain, &pager), KERN_SUCCESS);
    CHECK_EQ(pager_destroy(pager), KERN_FAILURE);
    CHECK_EQ(pager_clean(pager, 0, PAGE), KERN_FAILURE);
    CHECK_EQ(pager_flush(pager, 0, PAGE), KERN_FAILURE);
    CHECK_EQ(pager_discard(pager, 0, PAGE), KERN_FAILURE);
    CHECK_EQ(pager_restrict(pager, 0, PAGE, VM_PROT_ALL), KERN_FAILURE);
    CHECK_EQ(mach_port_insert_right(mach_task_self(), pager_port(pager), pager_port(pager),
                                    MACH_MSG_TYPE_MAKE_SEND),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(mach_task_self(), pager_port(pager), MACH_PORT_RIGHT_SEND, -1),
             KERN_SUCCESS);
    CHECK(comes_to(&book.ends, 1));
    ipc_drop(port);
}

TEST_CHILD(without_memory)
{
    struct pager *pager;
    mach_port_t port = test_port();

    CHECK_EQ(server_set_create(&set), KERN_SUCCESS);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), mach_task_self(), PAGE, PAGE), KERN_SUCCESS);
    while (malloc(16) != NULL || malloc(64) != NULL || malloc(128) != NULL) {
    }
    CHECK_EQ(pager_create(set, &book_ops, NULL, &plain, &pager), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(pager_adopt(set, &book_ops, NULL, &plain, port, &pager), KERN_RESOURCE_SHORTAGE);
}

TEST(without_memory_there_are_no_new_objects)
{
    CHECK_EQ(test_run_child("without_memory"), 0);
}

TEST(forged_messages_are_given_back)
{
    static struct ipc_message m;
    struct book book;
    uint8_t *at;
    struct pager *pager = start(&book, &book_ops, &plain, &at);
    mach_port_t fake = test_port(), right = pager_port(pager);

    CHECK_EQ(peek(at + 0), 1);
    CHECK_EQ(mach_port_insert_right(mach_task_self(), right, right, MACH_MSG_TYPE_MAKE_SEND),
             KERN_SUCCESS);
    for (mach_msg_id_t id = PUPPET_INIT; id <= PUPPET_CHANGE_COMPLETED; id++) {
        ipc_begin(&m, right, MACH_MSG_TYPE_COPY_SEND, id);
        ipc_add_ports(&m, &fake, 1, MACH_MSG_TYPE_COPY_SEND);
        ipc_send(&m, MACH_SEND_TIMEOUT, 1000);
    }
    /* What the kernel could have sent, but for the control port. */
    for (mach_msg_id_t id = PUPPET_DATA_REQUEST; id <= PUPPET_DATA_UNLOCK; id++) {
        ipc_begin(&m, right, MACH_MSG_TYPE_COPY_SEND, id);
        ipc_add_ports(&m, &fake, 1, MACH_MSG_TYPE_COPY_SEND);
        attack_add_number(&m, MACH_MSG_TYPE_INTEGER_64, 64, 0);
        attack_add_number(&m, MACH_MSG_TYPE_INTEGER_64, 64, PAGE);
        attack_add_number(&m, MACH_MSG_TYPE_INTEGER_32, 32, VM_PROT_READ);
        CHECK_EQ(ipc_send(&m, 0, 0), MACH_MSG_SUCCESS);
    }
    CHECK_EQ(mach_port_mod_refs(mach_task_self(), right, MACH_PORT_RIGHT_SEND, -1), KERN_SUCCESS);
    CHECK_EQ(peek(at + 5 * PAGE), 6);
    CHECK_EQ(book.reads, 2);
    CHECK_EQ(book.writes + book.unlocks, 0);
    CHECK_EQ(ipc_refs(fake, MACH_PORT_RIGHT_SEND), 1);
    pager_no_senders(0, 0); /* no such object */
    finish(&book, at);
    ipc_drop(fake);
}
