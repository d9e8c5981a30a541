/* bootstrap.c - the first task: an ELF program loaded by the kernel, which starts all others. */
#include "kern/bootstrap.h"

#include <elf.h>

#include "arch/boot_info.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/host.h"
#include "kern/ipc_tt.h"
#include "kern/printf.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "mach_kernel_server.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"

#define BOOTSTRAP_STACK_SIZE    0x20000ul
#define BOOTSTRAP_ARGUMENTS_MAX 16
#define BOOTSTRAP_TEXT_MAX      512

/* Zero-filled memory in the task. Panics when that fails: nothing can go on without the first task.
 */
static void bootstrap_allocate(struct task *task, vm_offset_t start, vm_offset_t end,
                               vm_prot_t prot)
{
    struct vm_map_request request = {
        .size = end - start,
        .protection = prot,
        .max_protection = VM_PROT_ALL,
        .inheritance = VM_INHERIT_DEFAULT,
    };

    assert(start < end && ((start | end) & PAGE_MASK) == 0);
    if (vm_map_enter(task->map, &start, &request) != KERN_SUCCESS) {
        panic("bootstrap: cannot map %lx-%lx", start, end);
    }
}

static void bootstrap_write(struct task *task, vm_offset_t address, const void *data,
                            vm_size_t size)
{
    if (size != 0 && vm_fault_write(task->map, address, data, size) != KERN_SUCCESS) {
        panic("bootstrap: cannot write %lu bytes at %lx: out of memory", size, address);
    }
}

static void bootstrap_load_segment(struct task *task, const uint8_t *image, const Elf64_Phdr *ph)
{
    vm_offset_t start = ph->p_vaddr & ~PAGE_MASK;
    vm_offset_t end = (ph->p_vaddr + ph->p_memsz + PAGE_MASK) & ~PAGE_MASK;
    vm_prot_t prot = ((ph->p_flags & PF_R) != 0 ? VM_PROT_READ : 0) |
                     ((ph->p_flags & PF_W) != 0 ? VM_PROT_WRITE : 0) |
                     ((ph->p_flags & PF_X) != 0 ? VM_PROT_EXECUTE : 0);

    bootstrap_allocate(task, start, end, VM_PROT_READ | VM_PROT_WRITE);
    bootstrap_write(task, ph->p_vaddr, image + ph->p_offset, ph->p_filesz);
    if (vm_map_protect(task->map, start, end, prot, false) != KERN_SUCCESS) {
        panic("bootstrap: cannot protect %lx-%lx", start, end);
    }
}

/* Load a static ELF64 program; returns its entry point. */
static vm_offset_t bootstrap_load(struct task *task, const struct boot_module *module)
{
    const uint8_t *image = phys_to_virt(module->range.start);
    uint64_t size = module->range.end - module->range.start;
    const Elf64_Ehdr *eh = (const Elf64_Ehdr *)image;

    if (size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_type != ET_EXEC ||
        eh->e_machine != EM_X86_64 || eh->e_phoff > size ||
        eh->e_phnum * sizeof(Elf64_Phdr) > size - eh->e_phoff) {
        panic("bootstrap: module 1 (%s) is not a static x86-64 ELF program", module->text);
    }
    for (unsigned i = 0; i < eh->e_phnum; i++) {
        const Elf64_Phdr *ph = (const Elf64_Phdr *)(image + eh->e_phoff) + i;

        if (ph->p_type != PT_LOAD) {
            continue;
        }
        if (ph->p_offset > size || ph->p_filesz > size - ph->p_offset ||
            ph->p_filesz > ph->p_memsz || ph->p_vaddr >= VM_MAX_ADDRESS ||
            ph->p_memsz > VM_MAX_ADDRESS - ph->p_vaddr) {
            panic("bootstrap: segment %u of module 1 (%s) is damaged", i, module->text);
        }
        bootstrap_load_segment(task, image, ph);
    }
    return eh->e_entry;
}

/* The module has been copied: its memory is ordinary memory from now on. */
static void bootstrap_release_module(const struct boot_module *module)
{
    vm_page_add_range(module->range.start & ~PAGE_MASK,
                      (module->range.end + PAGE_MASK) & ~PAGE_MASK);
}

/* A copy of the archive in the task; the module's own memory is then free. */
static vm_offset_t bootstrap_map_archive(struct task *task, const struct boot_module *module)
{
    uint64_t size = module->range.end - module->range.start;
    struct vm_map_request request = {
        .size = (size + PAGE_MASK) & ~PAGE_MASK,
        .anywhere = true,
        .protection = VM_PROT_READ | VM_PROT_WRITE,
        .max_protection = VM_PROT_ALL,
        .inheritance = VM_INHERIT_NONE,
    };
    vm_offset_t address = 0x10000000;

    if (vm_map_enter(task->map, &address, &request) != KERN_SUCCESS) {
        panic("bootstrap: no room for the archive of %lu KiB", size >> 10);
    }
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        bootstrap_write(task, address + done, phys_to_virt(module->range.start + done),
                        size - done < PAGE_SIZE ? size - done : PAGE_SIZE);
    }
    bootstrap_release_module(module);
    return address;
}

static void bootstrap_grant(struct task *task, mach_port_name_t expected, struct ipc_port *right)
{
    mach_port_name_t name;

    if (ipc_space_copyout_right(task->space, right, MACH_MSG_TYPE_PORT_SEND, &name) !=
            KERN_SUCCESS ||
        name != expected) {
        panic("bootstrap: right %u cannot be granted", expected);
    }
}

/* Split text into words; returns how many. */
static unsigned bootstrap_split(char *text, char **words, unsigned max)
{
    unsigned n = 0;

    while (*text != '\0' && n < max) {
        while (*text == ' ') {
            *text++ = '\0';
        }
        if (*text == '\0') {
            break;
        }
        words[n++] = text;
        while (*text != ' ' && *text != '\0') {
            text++;
        }
    }
    return n;
}

/* The stack of the first thread: argc, pointers to the arguments, 0, no environment, 0, an empty
 * auxiliary vector, the strings. Returns the stack pointer. */
static vm_offset_t bootstrap_make_stack(struct task *task, char **words, unsigned n)
{
    uint64_t block[BOOTSTRAP_ARGUMENTS_MAX + 6] = {0};
    uint64_t text_size = 0;
    vm_offset_t text, sp;

    bootstrap_allocate(task, VM_MAX_ADDRESS - BOOTSTRAP_STACK_SIZE, VM_MAX_ADDRESS,
                       VM_PROT_READ | VM_PROT_WRITE);
    for (unsigned i = 0; i < n; i++) {
        text_size += strlen(words[i]) + 1;
    }
    text = VM_MAX_ADDRESS - text_size;
    sp = (text - (n + 5) * 8) & ~15ul;
    block[0] = n;
    for (unsigned i = 0; i < n; i++) {
        block[1 + i] = text;
        bootstrap_write(task, text, words[i], strlen(words[i]) + 1);
        text += strlen(words[i]) + 1;
    }
    bootstrap_write(task, sp, block, (n + 5) * 8);
    return sp;
}

/* The text of the arguments: fixed ones, then what the command line has after `--`. */
static void bootstrap_arguments(char *text, vm_offset_t archive, uint64_t archive_size)
{
    const char *rest = strstr(boot_info.command_line, "-- ");

    ksnprintf(text, BOOTSTRAP_TEXT_MAX, "bootstrap 1 2 3 4 0x%lx %lu %s", archive, archive_size,
              rest != NULL ? rest + 3 : "");
}

void bootstrap_start(void)
{
    char text[BOOTSTRAP_TEXT_MAX];
    char *words[BOOTSTRAP_ARGUMENTS_MAX];
    struct task *task;
    struct thread *thread;
    vm_offset_t archive;

    if (boot_info.module_count < 2) {
        panic("bootstrap: the boot loader gave %u modules; two are needed: the bootstrap program "
              "and the archive",
              boot_info.module_count);
    }
    if (task_create_from(NULL, false, &task) != KERN_SUCCESS) {
        panic("bootstrap: no memory for the first task");
    }
    task->is_first = true;
    task->essential = true;
    task->priority = PRIORITY_SYSTEM; /* its threads and its children start with this */
    task->max_priority = 0;
    if (thread_create_in(task, &thread) != KERN_SUCCESS) {
        panic("bootstrap: no memory for the first thread");
    }
    strlcpy(task->name, "bootstrap", sizeof(task->name));
    thread->pcb.regs.rip = bootstrap_load(task, &boot_info.modules[0]);
    bootstrap_release_module(&boot_info.modules[0]);
    archive = bootstrap_map_archive(task, &boot_info.modules[1]);
    bootstrap_grant(task, 1, host_priv_self_port());
    bootstrap_grant(task, 2, ipc_port_make_send(host_hardware_port));
    bootstrap_grant(task, 3, task_self_port(task));
    bootstrap_grant(task, 4, ipc_port_make_send(host_hv_port));
    bootstrap_arguments(text, archive,
                        boot_info.modules[1].range.end - boot_info.modules[1].range.start);
    thread->pcb.regs.rsp =
        bootstrap_make_stack(task, words, bootstrap_split(text, words, BOOTSTRAP_ARGUMENTS_MAX));
    (void)thread_resume(thread);
    thread_unref(thread);
    task_unref(task);
}
