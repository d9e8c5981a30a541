/* system.c - questions about the system and the user, and the processor. */
#define _GNU_SOURCE
#include <errno.h>
#include <mach.h>
#include <mach_host.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "core/text.h"
#include "posix/clock.h"
#include "posix/posix.h"
#include "posix/system.h"
#include "posix/random.h"

/* The kernel's version text begins with its name: "Portolan 0.1 (...)". */
long linux_uname(struct posix_frame *f)
{
    struct utsname *u = (struct utsname *)f->a0;
    kernel_version_t version = "";
    const char *at;

    memory_zero(u, sizeof(*u));
    if (host_get_kernel_version(mach_host_self(), version) != KERN_SUCCESS) {
        return -EIO;
    }
    version[KERNEL_VERSION_MAX - 1] = '\0';
    text_copy(u->version, version, sizeof(u->version));
    for (at = version; *at != '\0' && *at != ' '; at++) {
        continue;
    }
    text_copy(u->sysname, version, (size_t)(at - version) + 1);
    at += *at == ' ';
    for (size_t i = 0; at[i] != '\0' && at[i] != ' ' && i + 1 < sizeof(u->release); i++) {
        u->release[i] = at[i];
    }
    text_copy(u->nodename, "portolan", sizeof(u->nodename));
    text_copy(u->machine, "x86_64", sizeof(u->machine));
    return 0;
}

long linux_sysinfo(struct posix_frame *f)
{
    struct sysinfo *info = (struct sysinfo *)f->a0;
    vm_statistics_data_t vm;
    host_basic_info_data_t host;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    struct timespec up;
    kern_return_t kr = vm_statistics(mach_task_self(), &vm);

    if (kr == KERN_SUCCESS) {
        kr = host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count);
    }
    if (kr != KERN_SUCCESS) {
        return -portolan_errno(kr);
    }
    /* The kernel's structure ends before the reserved part of libc's. */
    memory_zero(info, 112);
    if (clock_read(CLOCK_MONOTONIC, &up) == 0) {
        info->uptime = (unsigned long)up.tv_sec;
    }
    info->totalram = host.memory_size;
    info->freeram = (unsigned long)vm.free_count * (unsigned long)vm.pagesize;
    info->mem_unit = 1;
    return 0;
}

/* One bit for each processor; the answer is the bytes written. */
long linux_sched_getaffinity(struct posix_frame *f)
{
    host_basic_info_data_t host;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    uint64_t *set = (uint64_t *)f->a2;
    int processors;

    if (f->a1 < sizeof(*set) || f->a1 % sizeof(*set) != 0) {
        return -EINVAL;
    }
    if (host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count) != KERN_SUCCESS) {
        return -EIO;
    }
    processors = host.avail_cpus < 1 ? 1 : host.avail_cpus;
    *set = processors < 64 ? ((uint64_t)1 << processors) - 1 : ~(uint64_t)0;
    return sizeof(*set);
}

long linux_sched_yield(struct posix_frame *f)
{
    (void)f;
    swtch();
    return 0;
}

long linux_getrandom(struct posix_frame *f)
{
    /* Not blocking would not help: what the processor has not, it will not have later. */
    return random_fill((void *)f->a0, f->a1) ? (long)f->a1 : -ENOSYS;
}

/* There are no users: authority is in the rights a program holds. */
long linux_getuid(struct posix_frame *f)
{
    (void)f;
    return 0;
}

long linux_geteuid(struct posix_frame *f)
{
    return linux_getuid(f);
}

long linux_getgid(struct posix_frame *f)
{
    return linux_getuid(f);
}

long linux_getegid(struct posix_frame *f)
{
    return linux_getuid(f);
}

/* Who started a program is known to nobody but the starter. */
long linux_getppid(struct posix_frame *f)
{
    (void)f;
    return 1;
}

static unsigned system_mask = 022;

unsigned system_umask(void)
{
    return __atomic_load_n(&system_mask, __ATOMIC_RELAXED);
}

long linux_umask(struct posix_frame *f)
{
    return (long)__atomic_exchange_n(&system_mask, (unsigned)f->a0 & 0777, __ATOMIC_RELAXED);
}

static long system_limit(int resource, struct rlimit *limit)
{
    if (resource < 0 || resource >= RLIM_NLIMITS) {
        return -EINVAL;
    }
    if (limit != NULL) {
        *limit = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    }
    return 0;
}

long linux_getrlimit(struct posix_frame *f)
{
    return system_limit((int)f->a0, (struct rlimit *)f->a1);
}

/* Limits of a task are its ledger's (portolan.defs), not set here. */
long linux_prlimit64(struct posix_frame *f)
{
    return f->a2 != 0 ? -EPERM : system_limit((int)f->a1, (struct rlimit *)f->a3);
}
