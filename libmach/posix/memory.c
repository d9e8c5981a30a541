/* memory.c - mmap and its relatives, and the break, on the task's map. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <file.h>
#include <mach.h>
#include <mach_host.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <sys/mman.h>

#include "posix/file.h"
#include "posix/posix.h"

#define PROT_KNOWN     (PROT_READ | PROT_WRITE | PROT_EXEC)
#define MEMORY_CLUSTER ((vm_size_t)16 * 4096) /* pages that are found in memory are mapped so */

/* What memory is wired with as it comes; MACH_PORT_NULL: it is not. */
static mach_port_t memory_wired_by;

void memory_wire_future(mach_port_t host)
{
    memory_wired_by = host;
}

/* PROT_* and VM_PROT_* have the same bits; reading is part of writing and executing here. */
static vm_prot_t memory_protection(int prot)
{
    return (prot & PROT_KNOWN) | ((prot & PROT_KNOWN) != 0 ? VM_PROT_READ : 0);
}

static bool memory_range_is_good(vm_address_t address, vm_size_t size)
{
    return mach_page_aligned(address) && size != 0 && size <= VM_MAX_ADDRESS &&
           address <= VM_MAX_ADDRESS - mach_round_page(size);
}

static long memory_errno(kern_return_t kr)
{
    return kr == KERN_INVALID_ADDRESS ? -ENOMEM : -portolan_errno(kr);
}

/* Zero-filled memory. fixed: exactly there, else there if possible. */
static kern_return_t memory_map(vm_address_t *address, vm_size_t size, bool fixed, vm_prot_t prot)
{
    vm_address_t hint = *address;
    kern_return_t kr = KERN_NO_SPACE;

    if (hint != 0 || fixed) {
        kr = syscall_vm_map(mach_task_self(), &hint, size, 0, FALSE, MACH_PORT_NULL, 0, FALSE, prot,
                            VM_PROT_ALL, VM_INHERIT_DEFAULT);
    }
    if (kr != KERN_SUCCESS && !fixed) {
        hint = 0;
        kr = syscall_vm_map(mach_task_self(), &hint, size, 0, TRUE, MACH_PORT_NULL, 0, FALSE, prot,
                            VM_PROT_ALL, VM_INHERIT_DEFAULT);
    }
    if (kr == KERN_SUCCESS && memory_wired_by != MACH_PORT_NULL && prot != VM_PROT_NONE) {
        kr = vm_wire(memory_wired_by, mach_task_self(), hint, size, prot);
        if (kr != KERN_SUCCESS) {
            syscall_vm_deallocate(mach_task_self(), hint, size);
        }
    }
    if (kr == KERN_SUCCESS) {
        *address = hint;
    }
    return kr;
}

/* A private mapping of a file: its bytes as they are now. */
static long memory_fill(vm_address_t address, vm_size_t size, int fd, int64_t offset)
{
    struct file *file = file_get(fd);
    long n;

    if (file == NULL) {
        return -EBADF;
    }
    n = file_type(file) == IO_TYPE_FILE ? file_read(file, (void *)address, size, offset) : -ENODEV;
    file_put(file);
    return n < 0 ? n : 0;
}

/* Map a file's memory object; address as for memory_map. Returns: KERN_SUCCESS, those of vm_map
 * and file_map, MIG_BAD_ID (the file has none). */
static kern_return_t memory_map_file(vm_address_t *address, const struct posix_frame *f,
                                     vm_prot_t prot)
{
    const bool is_shared = ((int)f->a3 & MAP_TYPE) != MAP_PRIVATE;
    const bool fixed = ((int)f->a3 & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
    struct file *file = file_get((int)f->a4);
    vm_prot_t most = VM_PROT_READ | VM_PROT_EXECUTE;
    mach_port_t object = MACH_PORT_NULL;
    kern_return_t kr = PORTOLAN_ERRNO(EACCES);

    if (file == NULL) {
        return PORTOLAN_ERRNO(EBADF);
    }
    if (is_shared && (file->status & O_ACCMODE) == O_RDWR) {
        most |= VM_PROT_WRITE;
    }
    if ((file->status & O_ACCMODE) != O_WRONLY && (!is_shared || (prot & ~most) == 0)) {
        kr = file->kind == FILE_OBJECT ? file_map(file->port, most, &object) : MIG_BAD_ID;
    }
    file_put(file);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr =
        syscall_vm_map(mach_task_self(), address, mach_round_page(f->a1),
                       f->a1 >= MEMORY_CLUSTER && !fixed ? MEMORY_CLUSTER - 1 : 0, !fixed, object,
                       f->a5, !is_shared, prot, is_shared ? most : VM_PROT_ALL, VM_INHERIT_DEFAULT);
    syscall_mach_port_deallocate(mach_task_self(), object);
    return kr;
}

static long memory_check(const struct posix_frame *f, int flags)
{
    bool anonymous = (flags & MAP_ANONYMOUS) != 0;

    if (f->a1 == 0 || f->a1 > VM_MAX_ADDRESS || (!anonymous && !mach_page_aligned(f->a5)) ||
        ((flags & MAP_FIXED) != 0 && !memory_range_is_good(f->a0, f->a1))) {
        return -EINVAL;
    }
    return 0;
}

/* Map what the call is about. *is_filled: it is the file itself, and not zeroes in its place. */
static kern_return_t memory_map_any(vm_address_t *address, const struct posix_frame *f,
                                    vm_prot_t prot, bool *is_filled)
{
    const int flags = (int)f->a3;
    const bool anonymous = (flags & MAP_ANONYMOUS) != 0;
    const bool fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
    kern_return_t kr = anonymous ? MIG_BAD_ID : memory_map_file(address, f, prot);

    *is_filled = anonymous || kr == KERN_SUCCESS;
    if (kr != MIG_BAD_ID) {
        return kr;
    }
    if (!anonymous && (flags & MAP_TYPE) != MAP_PRIVATE && (prot & VM_PROT_WRITE) != 0) {
        return PORTOLAN_ERRNO(ENODEV); /* nothing would write it back */
    }
    return memory_map(address, mach_round_page(f->a1), fixed, anonymous ? prot : VM_PROT_DEFAULT);
}

long linux_mmap(struct posix_frame *f)
{
    const int flags = (int)f->a3;
    const vm_size_t size = mach_round_page(f->a1);
    const vm_prot_t prot = memory_protection((int)f->a2);
    vm_address_t address = mach_trunc_page(f->a0);
    bool is_filled;
    kern_return_t kr;
    long error = memory_check(f, flags);

    if (error != 0) {
        return error;
    }
    if ((flags & MAP_FIXED) != 0) {
        syscall_vm_deallocate(mach_task_self(), address, size);
    }
    kr = memory_map_any(&address, f, prot, &is_filled);
    if (kr != KERN_SUCCESS) {
        return (flags & MAP_FIXED_NOREPLACE) != 0 && kr == KERN_NO_SPACE ? -EEXIST
                                                                         : memory_errno(kr);
    }
    if (!is_filled) {
        error = memory_fill(address, f->a1, (int)f->a4, (int64_t)f->a5);
        if (error == 0) {
            error = memory_errno(vm_protect(mach_task_self(), address, size, FALSE, prot));
        }
        if (error != 0) {
            syscall_vm_deallocate(mach_task_self(), address, size);
            return error;
        }
    }
    return (long)address;
}

long linux_munmap(struct posix_frame *f)
{
    if (!memory_range_is_good(f->a0, f->a1)) {
        return -EINVAL;
    }
    return memory_errno(syscall_vm_deallocate(mach_task_self(), f->a0, mach_round_page(f->a1)));
}

long linux_mprotect(struct posix_frame *f)
{
    if (f->a1 == 0) {
        return 0;
    }
    if (!memory_range_is_good(f->a0, f->a1) || ((int)f->a2 & ~PROT_KNOWN) != 0) {
        return -EINVAL;
    }
    return memory_errno(vm_protect(mach_task_self(), f->a0, mach_round_page(f->a1), FALSE,
                                   memory_protection((int)f->a2)));
}

/* Is all of the range mapped? With prot, the protection of its first region. */
static bool memory_is_mapped(vm_address_t start, vm_size_t size, vm_prot_t *prot)
{
    vm_address_t at = start;

    while (at < start + size) {
        vm_address_t region = at;
        vm_size_t length;
        vm_prot_t now;
        vm_prot_t max;
        vm_inherit_t inherit;
        boolean_t shared;
        mach_port_t name;
        vm_offset_t offset;
        kern_return_t kr = vm_region(mach_task_self(), &region, &length, &now, &max, &inherit,
                                     &shared, &name, &offset);

        if (kr != KERN_SUCCESS) {
            return false;
        }
        if (MACH_PORT_VALID(name)) {
            syscall_mach_port_deallocate(mach_task_self(), name);
        }
        if (region > at) {
            return false;
        }
        if (prot != NULL && at == start) {
            *prot = now;
        }
        at = region + length;
    }
    return true;
}

/* A copy of the range somewhere else, with room to grow; the old one goes. */
static long memory_move(vm_address_t old, vm_size_t old_size, vm_size_t size, vm_prot_t prot)
{
    vm_address_t fresh = 0;
    kern_return_t kr = memory_map(&fresh, size, false, VM_PROT_DEFAULT);

    if (kr != KERN_SUCCESS) {
        return -ENOMEM;
    }
    kr = vm_copy(mach_task_self(), old, old_size < size ? old_size : size, fresh);
    if (kr == KERN_SUCCESS && prot != VM_PROT_DEFAULT) {
        kr = vm_protect(mach_task_self(), fresh, size, FALSE, prot);
    }
    if (kr != KERN_SUCCESS) {
        syscall_vm_deallocate(mach_task_self(), fresh, size);
        return memory_errno(kr);
    }
    syscall_vm_deallocate(mach_task_self(), old, old_size);
    return (long)fresh;
}

long linux_mremap(struct posix_frame *f)
{
    const vm_address_t old = f->a0;
    const vm_size_t old_size = mach_round_page(f->a1);
    const vm_size_t size = mach_round_page(f->a2);
    vm_address_t behind = old + old_size;
    vm_prot_t prot;

    if (((int)f->a3 & ~MREMAP_MAYMOVE) != 0 || !memory_range_is_good(old, old_size) || size == 0 ||
        f->a2 > VM_MAX_ADDRESS) {
        return -EINVAL;
    }
    if (!memory_is_mapped(old, old_size, &prot)) {
        return -EFAULT;
    }
    if (size < old_size) {
        syscall_vm_deallocate(mach_task_self(), old + size, old_size - size);
    }
    if (size <= old_size || memory_map(&behind, size - old_size, true, prot) == KERN_SUCCESS) {
        return (long)old;
    }
    return ((int)f->a3 & MREMAP_MAYMOVE) != 0 ? memory_move(old, old_size, size, prot) : -ENOMEM;
}

/* Only one kind of advice changes what the program sees: memory not needed reads as zeros. */
long linux_madvise(struct posix_frame *f)
{
    vm_address_t address = f->a0;
    vm_size_t size = mach_round_page(f->a1);
    vm_prot_t prot;

    if (size == 0) {
        return 0;
    }
    if (!memory_range_is_good(address, size)) {
        return -EINVAL;
    }
    if ((int)f->a2 != MADV_DONTNEED) {
        return 0;
    }
    if (!memory_is_mapped(address, size, &prot)) {
        return -ENOMEM;
    }
    syscall_vm_deallocate(mach_task_self(), address, size);
    return memory_errno(memory_map(&address, size, true, prot));
}

extern char _end[] __attribute__((visibility("hidden"))); /* of the program, set by the linker */

static struct portolan_lock break_lock;
static vm_address_t break_now; /* under break_lock; 0: never asked for */

/* The break grows from the end of the program as far as nothing else is in its way. */
long linux_brk(struct posix_frame *f)
{
    vm_address_t start = mach_round_page((vm_address_t)_end);
    vm_address_t mapped;
    vm_address_t wanted;

    portolan_lock_acquire(&break_lock);
    if (break_now == 0) {
        break_now = start;
    }
    mapped = mach_round_page(break_now);
    wanted = mach_round_page(f->a0);
    if (f->a0 >= start && f->a0 < VM_MAX_ADDRESS) {
        if (wanted > mapped &&
            memory_map(&mapped, wanted - mapped, true, VM_PROT_DEFAULT) == KERN_SUCCESS) {
            break_now = f->a0;
        } else if (wanted <= mapped) {
            if (wanted < mapped) {
                syscall_vm_deallocate(mach_task_self(), wanted, mapped - wanted);
            }
            break_now = f->a0;
        }
    }
    wanted = break_now;
    portolan_lock_release(&break_lock);
    return (long)wanted;
}
