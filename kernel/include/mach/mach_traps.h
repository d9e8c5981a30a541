/* mach_traps.h - numbers of the traps (rax is the negative) and their prototypes for user space. */
#ifndef MACH_MACH_TRAPS_H
#define MACH_MACH_TRAPS_H

#include <mach/mach_types.h>

/* Number, arguments. */
#define MACH_TRAP_LIST(X)                                                                          \
    X(evc_wait, 17, 1)                                                                             \
    X(evc_wait_clear, 18, 1)                                                                       \
    X(mach_msg_trap, 25, 7)                                                                        \
    X(mach_reply_port, 26, 0)                                                                      \
    X(mach_thread_self, 27, 0)                                                                     \
    X(mach_task_self, 28, 0)                                                                       \
    X(mach_host_self, 29, 0)                                                                       \
    X(mach_print, 30, 1)                                                                           \
    X(syscall_device_writev_request, 39, 6)                                                        \
    X(syscall_device_write_request, 40, 6)                                                         \
    X(swtch_pri, 59, 1)                                                                            \
    X(swtch, 60, 0)                                                                                \
    X(thread_switch, 61, 3)                                                                        \
    X(syscall_vm_map, 64, 11)                                                                      \
    X(syscall_vm_allocate, 65, 4)                                                                  \
    X(syscall_vm_deallocate, 66, 3)                                                                \
    X(syscall_task_create, 68, 3)                                                                  \
    X(syscall_task_terminate, 69, 1)                                                               \
    X(syscall_task_suspend, 70, 1)                                                                 \
    X(syscall_task_set_special_port, 71, 3)                                                        \
    X(syscall_mach_port_allocate, 72, 3)                                                           \
    X(syscall_mach_port_deallocate, 73, 2)                                                         \
    X(syscall_mach_port_insert_right, 74, 4)                                                       \
    X(syscall_mach_port_allocate_name, 75, 3)                                                      \
    X(syscall_thread_depress_abort, 76, 1)                                                         \
    X(thread_set_self_state, 77, 3)                                                                \
    X(syscall_memory_object_supply, 78, 6)                                                         \
    X(syscall_hv_vcpu_run, 79, 1)

enum mach_trap_number {
#define MACH_TRAP_NUMBER(name, number, arguments) MACH_TRAP_##name = number,
    MACH_TRAP_LIST(MACH_TRAP_NUMBER)
#undef MACH_TRAP_NUMBER
        MACH_TRAP_LIMIT = 80
};

#if !KERNEL
MACH_BEGIN_DECLS
kern_return_t evc_wait(natural_t event);
kern_return_t evc_wait_clear(natural_t event);
mach_port_t mach_reply_port(void);
mach_port_t mach_thread_self(void);
mach_port_t mach_task_self(void);
mach_port_t mach_host_self(void);
void mach_print(const char *text);
kern_return_t syscall_device_writev_request(mach_port_name_t device, mach_port_name_t reply,
                                            natural_t mode, int64_t record, const void *vector,
                                            vm_size_t count);
kern_return_t syscall_device_write_request(mach_port_name_t device, mach_port_name_t reply,
                                           natural_t mode, int64_t record, const void *data,
                                           vm_size_t count);
boolean_t swtch_pri(int priority);
boolean_t swtch(void);
kern_return_t thread_switch(mach_port_name_t thread, int option, mach_msg_timeout_t msec);
kern_return_t syscall_vm_map(mach_port_name_t task, vm_address_t *address, vm_size_t size,
                             vm_offset_t mask, boolean_t anywhere, mach_port_name_t object,
                             vm_offset_t offset, boolean_t copy, vm_prot_t protection,
                             vm_prot_t max_protection, vm_inherit_t inheritance);
kern_return_t syscall_vm_allocate(mach_port_name_t task, vm_address_t *address, vm_size_t size,
                                  boolean_t anywhere);
kern_return_t syscall_vm_deallocate(mach_port_name_t task, vm_address_t address, vm_size_t size);
kern_return_t syscall_task_create(mach_port_name_t parent, boolean_t inherit,
                                  mach_port_name_t *child);
kern_return_t syscall_task_terminate(mach_port_name_t task);
kern_return_t syscall_task_suspend(mach_port_name_t task);
kern_return_t syscall_task_set_special_port(mach_port_name_t task, int which,
                                            mach_port_name_t port);
kern_return_t syscall_mach_port_allocate(mach_port_name_t task, mach_port_right_t right,
                                         mach_port_name_t *name);
kern_return_t syscall_mach_port_deallocate(mach_port_name_t task, mach_port_name_t name);
kern_return_t syscall_mach_port_insert_right(mach_port_name_t task, mach_port_name_t name,
                                             mach_port_name_t right,
                                             mach_msg_type_name_t right_type);
kern_return_t syscall_mach_port_allocate_name(mach_port_name_t task, mach_port_right_t right,
                                              mach_port_name_t name);
kern_return_t syscall_thread_depress_abort(mach_port_name_t thread);
kern_return_t syscall_memory_object_supply(mach_port_name_t control, vm_offset_t offset,
                                           vm_address_t address, vm_size_t size, vm_prot_t lock,
                                           boolean_t precious);
kern_return_t syscall_hv_vcpu_run(mach_port_name_t vcpu);
kern_return_t thread_set_self_state(int flavor, thread_state_t state, natural_t count);
MACH_END_DECLS
#endif

#endif
