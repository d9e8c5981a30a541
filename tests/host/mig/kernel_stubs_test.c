/* kernel_stubs_test.c - the stubs of routines the kernel serves and of messages it sends: checks
 * before conversions, references dropped, rights consumed on success only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mach/mach_i386_types.h>
#include <mach/mach_types.h>
#include <mach/mig_support.h>

#include "ipc/ipc_kmsg.h"
#include "kern/mig_kernel.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

#include "gen/mach_kserver.h"

extern const struct mig_kernel_subsystem mach_i386_subsystem;
kern_return_t i386_set_ldt(struct thread *thread, int selector, struct vm_copy *list,
                           mach_msg_type_number_t count);
kern_return_t memory_object_data_request(mach_port_t object, uint32_t timeout, mach_port_t control,
                                         vm_offset_t offset, vm_size_t length, vm_prot_t access);
kern_return_t exception_raise(mach_port_t exception_port, mach_port_t reply_port,
                              mach_port_t thread, mach_port_t task, integer_t exception,
                              integer_t code, rpc_long_integer_t subcode);
kern_return_t exception_raise_reply_code(const mach_msg_header_t *reply);

#define PORT(n) ((struct ipc_port *)(uintptr_t)(0x1000 + (n)))
#define OBJECT  ((void *)(uintptr_t)0x9000)

static struct ipc_kmsg request, reply, sent;
static unsigned calls, conversions, references, copies, sends;
static bool no_object, no_memory;
static kern_return_t result;

/* ---- kmsgs ---- */

struct ipc_kmsg *ipc_kmsg_alloc(uint32_t msg_size, uint32_t max_slots)
{
    memset(&sent, 0, sizeof(sent));
    assert_true(msg_size <= sizeof(sent.bytes) && max_slots <= SHIM_SLOTS);
    return no_memory ? NULL : &sent;
}

mach_msg_header_t *ipc_kmsg_header(struct ipc_kmsg *kmsg)
{
    return &kmsg->header;
}

struct ipc_port *ipc_kmsg_remote(struct ipc_kmsg *kmsg)
{
    return kmsg->remote;
}

struct ipc_port *ipc_kmsg_local(struct ipc_kmsg *kmsg)
{
    return kmsg->local;
}

void ipc_kmsg_set_remote(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned disposition)
{
    kmsg->remote = port;
    kmsg->remote_type = disposition;
}

void ipc_kmsg_set_local(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned disposition)
{
    kmsg->local = port;
    kmsg->local_type = disposition;
}

static void *kmsg_slot(struct ipc_kmsg *kmsg, uint64_t slot)
{
    return slot == 0 || slot > kmsg->slot_count ? NULL : kmsg->slot[slot - 1];
}

struct ipc_port *ipc_kmsg_port(struct ipc_kmsg *kmsg, uint64_t slot)
{
    return kmsg_slot(kmsg, slot);
}

struct vm_copy *ipc_kmsg_ool(struct ipc_kmsg *kmsg, uint64_t slot)
{
    return kmsg_slot(kmsg, slot);
}

struct ipc_port **ipc_kmsg_ool_ports(struct ipc_kmsg *kmsg, uint64_t slot)
{
    return kmsg_slot(kmsg, slot);
}

void ipc_kmsg_consume(struct ipc_kmsg *kmsg, uint64_t slot)
{
    assert_true(slot != 0 && slot <= kmsg->slot_count);
    assert_false(kmsg->consumed[slot - 1]);
    kmsg->consumed[slot - 1] = true;
}

static uint64_t kmsg_put(struct ipc_kmsg *kmsg, void *object, unsigned type)
{
    assert_true(kmsg->slot_count < SHIM_SLOTS);
    kmsg->slot[kmsg->slot_count] = object;
    kmsg->slot_type[kmsg->slot_count] = type;
    kmsg->slot_count = kmsg->slot_count + 1;
    return kmsg->slot_count;
}

uint64_t ipc_kmsg_put_port(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned type)
{
    return kmsg_put(kmsg, port, type);
}

uint64_t ipc_kmsg_put_ool(struct ipc_kmsg *kmsg, struct vm_copy *copy)
{
    return kmsg_put(kmsg, copy, 0);
}

uint64_t ipc_kmsg_put_ool_ports(struct ipc_kmsg *kmsg, struct ipc_port **array, uint32_t count,
                                unsigned type)
{
    (void)count;
    return kmsg_put(kmsg, array, type);
}

kern_return_t ipc_kmsg_send_kernel(struct ipc_kmsg *kmsg)
{
    assert_ptr_equal(kmsg, &sent);
    sends = sends + 1;
    return KERN_SUCCESS;
}

kern_return_t ipc_kmsg_send_timeout(struct ipc_kmsg *kmsg, uint32_t timeout_ms)
{
    assert_int_equal(timeout_ms, 100);
    return ipc_kmsg_send_kernel(kmsg);
}

/* ---- memory and objects ---- */

void *kalloc(size_t size)
{
    return malloc(size);
}

void kfree(void *pointer, size_t size)
{
    (void)size;
    free(pointer);
}

struct vm_copy *vm_copy_from_kernel(const void *data, vm_size_t size)
{
    (void)data;
    (void)size;
    copies = copies + 1;
    return OBJECT;
}

void vm_copy_discard(struct vm_copy *copy)
{
    assert_ptr_equal(copy, OBJECT);
    copies = copies - 1;
}

static void *convert(void)
{
    conversions = conversions + 1;
    if (no_object) {
        return NULL;
    }
    references = references + 1;
    return OBJECT;
}

task_t convert_port_to_task(mach_port_t port);
thread_t convert_port_to_thread(mach_port_t port);
vm_map_t convert_port_to_map(mach_port_t port);
mach_port_t convert_task_to_port(task_t task);
void task_unref(task_t task);
void thread_unref(thread_t thread);
void vm_map_unref(vm_map_t map);

task_t convert_port_to_task(mach_port_t port)
{
    assert_ptr_equal(port, PORT(0));
    return convert();
}

thread_t convert_port_to_thread(mach_port_t port)
{
    assert_ptr_equal(port, PORT(0));
    return convert();
}

vm_map_t convert_port_to_map(mach_port_t port)
{
    assert_ptr_equal(port, PORT(0));
    return convert();
}

mach_port_t convert_task_to_port(task_t task)
{
    assert_ptr_equal(task, OBJECT);
    references = references - 1;
    return PORT(7);
}

void task_unref(task_t task)
{
    assert_ptr_equal(task, OBJECT);
    references = references - 1;
}

void thread_unref(thread_t thread)
{
    assert_ptr_equal(thread, OBJECT);
    references = references - 1;
}

void vm_map_unref(vm_map_t map)
{
    assert_ptr_equal(map, OBJECT);
    references = references - 1;
}

/* ---- routines ---- */

kern_return_t vm_allocate(vm_map_t map, vm_address_t *address, vm_size_t size, boolean_t anywhere)
{
    calls = calls + 1;
    assert_ptr_equal(map, OBJECT);
    assert_int_equal(size, 0x2000);
    assert_int_equal(anywhere, TRUE);
    *address = 0x777000;
    return result;
}

kern_return_t task_create(task_t parent, boolean_t inherit, task_t *child)
{
    calls = calls + 1;
    assert_ptr_equal(parent, OBJECT);
    assert_int_equal(inherit, 1);
    if (result == KERN_SUCCESS) {
        references = references + 1;
        *child = OBJECT;
    }
    return result;
}

kern_return_t mach_ports_register(task_t task, mach_port_array_t ports,
                                  mach_msg_type_number_t count)
{
    calls = calls + 1;
    assert_ptr_equal(task, OBJECT);
    assert_true((count == 0) == (ports == NULL));
    return result;
}

kern_return_t task_set_special_port(task_t task, int which, mach_port_t port)
{
    (void)task;
    (void)which;
    calls = calls + 1;
    assert_ptr_equal(port, PORT(3));
    return result;
}

kern_return_t i386_set_ldt(struct thread *thread, int selector, struct vm_copy *list,
                           mach_msg_type_number_t count)
{
    (void)selector;
    calls = calls + 1;
    assert_ptr_equal(thread, OBJECT);
    assert_ptr_equal(list, OBJECT);
    assert_int_equal(count, 1);
    if (result == KERN_SUCCESS) {
        copies = copies - 1;
    }
    return result;
}

/* ---- requests ---- */

static int setup(void **state)
{
    (void)state;
    memset(&request, 0, sizeof(request));
    memset(&reply, 0xa5, sizeof(reply));
    reply.slot_count = 0;
    reply.header.msgh_bits = MACH_MSG_TYPE_PORT_SEND_ONCE;
    request.remote = PORT(0);
    request.local = PORT(1);
    calls = conversions = references = copies = sends = 0;
    no_object = no_memory = false;
    result = KERN_SUCCESS;
    return 0;
}

/* Words after the header; the id and size of the message. */
static void fill(mach_msg_id_t id, bool complex, const uint64_t *words, size_t count)
{
    request.header.msgh_bits = complex ? MACH_MSGH_BITS_COMPLEX : 0;
    request.header.msgh_size = (mach_msg_size_t)(32 + count * 8);
    request.header.msgh_id = id;
    memcpy(request.bytes + 32, words, count * 8);
}
#define FILL(id, complex, ...)                                                                     \
    do {                                                                                           \
        const uint64_t words[] = {__VA_ARGS__};                                                    \
        fill((id), (complex), words, sizeof(words) / sizeof(words[0]));                            \
    } while (0)
#define ONE(word) ((uint64_t)(word) | 1ull << 32)

static kern_return_t serve(const struct mig_kernel_subsystem *subsystem)
{
    unsigned index = (unsigned)(request.header.msgh_id - subsystem->base);
    assert_true(index < subsystem->count);
    subsystem->routines[index].stub(&request, &reply);
    assert_int_equal(reply.header.msgh_id, request.header.msgh_id + 100);
    assert_true(reply.header.msgh_size <= subsystem->routines[index].reply_size);
    assert_int_equal(references, 0);
    assert_int_equal(mig_load64(reply.bytes + 32), ONE(0x20002002));
    assert_int_equal(mig_load32(reply.bytes + 44), 0);
    return (kern_return_t)mig_load32(reply.bytes + 40);
}

static void fill_vm_allocate(void)
{
    FILL(2021, false, ONE(0x2000400b), 0x1000, ONE(0x2000400b), 0x2000, ONE(0x20002000), 1);
}

static void a_right_request_calls_the_routine(void **state)
{
    (void)state;
    fill_vm_allocate();
    assert_int_equal(serve(&mach_subsystem), KERN_SUCCESS);
    assert_int_equal(calls, 1);
    assert_int_equal(reply.header.msgh_size, 64);
    assert_int_equal(mig_load64(reply.bytes + 48), ONE(0x2000400b));
    assert_int_equal(mig_load64(reply.bytes + 56), 0x777000);
}

static void an_error_is_all_of_the_reply(void **state)
{
    (void)state;
    fill_vm_allocate();
    result = KERN_NO_SPACE;
    assert_int_equal(serve(&mach_subsystem), KERN_NO_SPACE);
    assert_int_equal(reply.header.msgh_size, 48);
    assert_int_equal(reply.header.msgh_bits, MACH_MSG_TYPE_PORT_SEND_ONCE);
}

static void a_wrong_request_converts_nothing(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 3 * 16; byte = byte + 1) {
        fill_vm_allocate();
        if (byte % 16 >= 8 || byte % 16 == 3) {
            continue;
        }
        request.bytes[32 + byte] ^= 0x10;
        assert_int_equal(serve(&mach_subsystem), MIG_BAD_ARGUMENTS);
    }
    fill_vm_allocate();
    request.header.msgh_size = 72;
    assert_int_equal(serve(&mach_subsystem), MIG_BAD_ARGUMENTS);
    fill_vm_allocate();
    request.header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    assert_int_equal(serve(&mach_subsystem), MIG_BAD_ARGUMENTS);
    assert_int_equal(calls, 0);
    assert_int_equal(conversions, 0);
}

static void a_port_of_another_kind_is_refused(void **state)
{
    (void)state;
    FILL(2007, false, ONE(0x20002000), 1);
    no_object = true;
    assert_int_equal(serve(&mach_subsystem), KERN_INVALID_ARGUMENT);
    assert_int_equal(calls, 0);
}

static void a_result_becomes_a_right(void **state)
{
    (void)state;
    FILL(2007, false, ONE(0x20002000), 1);
    assert_int_equal(serve(&mach_subsystem), KERN_SUCCESS);
    assert_int_equal(reply.header.msgh_size, 64);
    assert_true((reply.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0);
    assert_int_equal(mig_load64(reply.bytes + 48), ONE(0x20004011));
    assert_int_equal(mig_load64(reply.bytes + 56), 1);
    assert_ptr_equal(reply.slot[0], PORT(7));
    assert_int_equal(reply.slot_type[0], MACH_MSG_TYPE_PORT_SEND);
}

static void rights_are_consumed_on_success_only(void **state)
{
    (void)state;
    request.slot[0] = PORT(3);
    request.slot_count = 1;
    FILL(2059, true, ONE(0x20002002), 4, ONE(0x20004011), 1);
    result = KERN_FAILURE;
    assert_int_equal(serve(&mach_subsystem), KERN_FAILURE);
    assert_false(request.consumed[0]);
    result = KERN_SUCCESS;
    assert_int_equal(serve(&mach_subsystem), KERN_SUCCESS);
    assert_true(request.consumed[0]);
}

static void arrays_of_rights_are_consumed_on_success_only(void **state)
{
    (void)state;
    static struct ipc_port *ports[2];
    request.slot[0] = ports;
    request.slot_count = 1;
    FILL(2033, true, 0x00002011 | 2ull << 32, 1);
    result = KERN_FAILURE;
    assert_int_equal(serve(&mach_subsystem), KERN_FAILURE);
    assert_false(request.consumed[0]);
    result = KERN_SUCCESS;
    assert_int_equal(serve(&mach_subsystem), KERN_SUCCESS);
    assert_true(request.consumed[0]);
    FILL(2033, true, 0x00002011, 0);
    assert_int_equal(serve(&mach_subsystem), KERN_SUCCESS);
    assert_int_equal(calls, 3);
}

static void memory_needs_the_complex_bit_and_a_pointer(void **state)
{
    (void)state;
    FILL(2033, false, 0x00002011 | 2ull << 32, 1);
    assert_int_equal(serve(&mach_subsystem), MIG_BAD_ARGUMENTS);
    FILL(2033, true, 0x00002011 | 2ull << 32, 0);
    assert_int_equal(serve(&mach_subsystem), MIG_BAD_ARGUMENTS);
    FILL(2033, true, 0x20002011 | 2ull << 32, 1);
    assert_int_equal(serve(&mach_subsystem), MIG_BAD_ARGUMENTS);
    assert_int_equal(calls, 0);
    assert_int_equal(conversions, 0);
}

static void short_data_comes_as_a_copy_too(void **state)
{
    (void)state;
    FILL(3803, false, ONE(0x20002002), 0, 0x20002002 | 2ull << 32, 0x1122334455667788);
    result = KERN_FAILURE;
    assert_int_equal(serve(&mach_i386_subsystem), KERN_FAILURE);
    assert_int_equal(copies, 0);
    result = KERN_SUCCESS;
    assert_int_equal(serve(&mach_i386_subsystem), KERN_SUCCESS);
    assert_int_equal(copies, 0);
    assert_int_equal(calls, 2);
    no_object = true;
    assert_int_equal(serve(&mach_i386_subsystem), KERN_INVALID_ARGUMENT);
    assert_int_equal(copies, 0);
    FILL(3803, false, ONE(0x20002002), 0, 0x20002002 | 3ull << 32, 1, 2);
    assert_int_equal(serve(&mach_i386_subsystem), MIG_BAD_ARGUMENTS);
}

static void the_kernel_sends_without_waiting(void **state)
{
    (void)state;
    assert_int_equal(
        memory_object_data_request(PORT(2), 100, PORT(3), 0x4000, 0x1000, VM_PROT_READ),
        KERN_SUCCESS);
    assert_int_equal(sends, 1);
    assert_int_equal(sent.header.msgh_id, 2203);
    assert_int_equal(sent.header.msgh_size, 96);
    assert_ptr_equal(sent.remote, PORT(2));
    assert_int_equal(sent.remote_type, MACH_MSG_TYPE_PORT_SEND);
    assert_ptr_equal(sent.slot[0], PORT(3));
    assert_int_equal(mig_load64(sent.bytes + 32), ONE(0x20004011));
    assert_int_equal(mig_load64(sent.bytes + 56), 0x4000);
    no_memory = true;
    assert_int_equal(
        memory_object_data_request(PORT(2), 100, PORT(3), 0x4000, 0x1000, VM_PROT_READ),
        MACH_SEND_NO_BUFFER);
    assert_int_equal(sends, 1);
}

static void an_exception_takes_a_reply_port(void **state)
{
    (void)state;
    assert_int_equal(exception_raise(PORT(2), PORT(4), PORT(5), PORT(6), 1, 2, -3), KERN_SUCCESS);
    assert_int_equal(sent.header.msgh_size, 112);
    assert_true((sent.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0);
    assert_ptr_equal(sent.local, PORT(4));
    assert_int_equal(sent.local_type, MACH_MSG_TYPE_PORT_SEND_ONCE);
    assert_int_equal(mig_load64(sent.bytes + 104), (uint64_t)-3);
    memset(&reply, 0, sizeof(reply));
    reply.header.msgh_id = 2500;
    reply.header.msgh_size = 48;
    mig_reply_put(reply.bytes, KERN_FAILURE);
    assert_int_equal(exception_raise_reply_code(&reply.header), KERN_FAILURE);
    reply.header.msgh_size = 56;
    assert_int_equal(exception_raise_reply_code(&reply.header), MIG_TYPE_ERROR);
    reply.header.msgh_id = 2501;
    assert_int_equal(exception_raise_reply_code(&reply.header), MIG_REPLY_MISMATCH);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_right_request_calls_the_routine, setup),
        cmocka_unit_test_setup(an_error_is_all_of_the_reply, setup),
        cmocka_unit_test_setup(a_wrong_request_converts_nothing, setup),
        cmocka_unit_test_setup(a_port_of_another_kind_is_refused, setup),
        cmocka_unit_test_setup(a_result_becomes_a_right, setup),
        cmocka_unit_test_setup(rights_are_consumed_on_success_only, setup),
        cmocka_unit_test_setup(arrays_of_rights_are_consumed_on_success_only, setup),
        cmocka_unit_test_setup(memory_needs_the_complex_bit_and_a_pointer, setup),
        cmocka_unit_test_setup(short_data_comes_as_a_copy_too, setup),
        cmocka_unit_test_setup(the_kernel_sends_without_waiting, setup),
        cmocka_unit_test_setup(an_exception_takes_a_reply_port, setup),
    };
    int count = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("kernel stubs", tests, NULL, NULL);
    FILE *tally = argc > 1 ? fopen(argv[1], "a") : NULL;
    if (tally != NULL) {
        fprintf(tally, "%d %d\n", count - failed, failed);
        fclose(tally);
    }
    return failed;
}
