/* start.c - everything that has to be ready before libc: the task's ports, the first thread's
 * block, the environment, system call emulation. */
#include <elf.h>
#include <mach.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>

#include "core/environment.h"
#include "core/text.h"
#include "core/thread_block.h"
#include "posix/posix.h"
#include "start/start.h"

/* Room for the block of a program whose starter gave no auxiliary vector. */
#define START_WORDS_MAX    256
#define START_VECTOR_WORDS 12

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

static _Noreturn void start_fail(const char *what)
{
    mach_print("libmach: cannot start: ");
    mach_print(what);
    mach_print("\n");
    for (;;) {
        syscall_task_terminate((mach_task_self)());
    }
}

static uint64_t *start_stack(uint64_t *stack)
{
    static uint64_t room[START_WORDS_MAX];
    const uint64_t vector[START_VECTOR_WORDS] = {
        AT_PHDR,   (uint64_t)&__ehdr_start + __ehdr_start.e_phoff,
        AT_PHENT,  __ehdr_start.e_phentsize,
        AT_PHNUM,  __ehdr_start.e_phnum,
        AT_PAGESZ, MACH_PAGE_SIZE,
        AT_ENTRY,  __ehdr_start.e_entry,
        AT_NULL,   0,
    };

    return start_complete_stack(stack, room, START_WORDS_MAX, vector, START_VECTOR_WORDS);
}

uint64_t *libmach_start(uint64_t *stack)
{
    environment_start = (char *const *)(stack + 1 + stack[0] + 1);
    mach_task_self_ = (mach_task_self)();
    mach_host_self_ = (mach_host_self)();
    if (portolan_thread_attach() != KERN_SUCCESS) {
        start_fail("no memory for the first thread's block");
    }
    if (posix_start() != KERN_SUCCESS) {
        start_fail("system calls cannot be emulated");
    }
    return start_stack(stack);
}
