/* posix.h - Linux's system calls on Mach: what entry.S hands over, and the list of calls. */
#ifndef LIBMACH_POSIX_POSIX_H
#define LIBMACH_POSIX_POSIX_H

#include <mach/mach.h>
#include <stddef.h>

/* The caller's registers, as entry.S pushes them. Keep the two in step. */
struct posix_frame {
    uint64_t number; /* rax */
    uint64_t a0;     /* rdi */
    uint64_t a1;     /* rsi */
    uint64_t a2;     /* rdx */
    uint64_t a3;     /* r10 */
    uint64_t a4;     /* r8 */
    uint64_t a5;     /* r9 */
    uint64_t return_address;
    uint64_t rbx;
    uint64_t rbp;
    uint64_t r12;
    uint64_t r13;
    uint64_t r14;
    uint64_t r15;
    uint64_t flags;
    uint64_t stack;
};
MACH_ABI_SIZE(struct posix_frame, 128);

/* Every call: number, name. The function is linux_NAME; it returns the result or -errno. A bad
 * pointer given to one faults as any other access of the program would. */
#define POSIX_CALLS(X)                                                                             \
    X(0, read)                                                                                     \
    X(1, write)                                                                                    \
    X(2, open)                                                                                     \
    X(3, close)                                                                                    \
    X(4, stat)                                                                                     \
    X(5, fstat)                                                                                    \
    X(6, lstat)                                                                                    \
    X(7, poll)                                                                                     \
    X(8, lseek)                                                                                    \
    X(9, mmap)                                                                                     \
    X(10, mprotect)                                                                                \
    X(11, munmap)                                                                                  \
    X(12, brk)                                                                                     \
    X(13, rt_sigaction)                                                                            \
    X(14, rt_sigprocmask)                                                                          \
    X(16, ioctl)                                                                                   \
    X(17, pread64)                                                                                 \
    X(18, pwrite64)                                                                                \
    X(19, readv)                                                                                   \
    X(20, writev)                                                                                  \
    X(21, access)                                                                                  \
    X(22, pipe)                                                                                    \
    X(24, sched_yield)                                                                             \
    X(25, mremap)                                                                                  \
    X(26, msync)                                                                                   \
    X(28, madvise)                                                                                 \
    X(32, dup)                                                                                     \
    X(33, dup2)                                                                                    \
    X(35, nanosleep)                                                                               \
    X(39, getpid)                                                                                  \
    X(56, clone)                                                                                   \
    X(60, exit)                                                                                    \
    X(62, kill)                                                                                    \
    X(63, uname)                                                                                   \
    X(72, fcntl)                                                                                   \
    X(74, fsync)                                                                                   \
    X(75, fdatasync)                                                                               \
    X(76, truncate)                                                                                \
    X(77, ftruncate)                                                                               \
    X(79, getcwd)                                                                                  \
    X(80, chdir)                                                                                   \
    X(81, fchdir)                                                                                  \
    X(82, rename)                                                                                  \
    X(83, mkdir)                                                                                   \
    X(84, rmdir)                                                                                   \
    X(85, creat)                                                                                   \
    X(86, link)                                                                                    \
    X(87, unlink)                                                                                  \
    X(88, symlink)                                                                                 \
    X(89, readlink)                                                                                \
    X(90, chmod)                                                                                   \
    X(91, fchmod)                                                                                  \
    X(92, chown)                                                                                   \
    X(93, fchown)                                                                                  \
    X(94, lchown)                                                                                  \
    X(95, umask)                                                                                   \
    X(96, gettimeofday)                                                                            \
    X(97, getrlimit)                                                                               \
    X(98, getrusage)                                                                               \
    X(99, sysinfo)                                                                                 \
    X(102, getuid)                                                                                 \
    X(104, getgid)                                                                                 \
    X(107, geteuid)                                                                                \
    X(108, getegid)                                                                                \
    X(110, getppid)                                                                                \
    X(131, sigaltstack)                                                                            \
    X(137, statfs)                                                                                 \
    X(138, fstatfs)                                                                                \
    X(158, arch_prctl)                                                                             \
    X(162, sync)                                                                                   \
    X(186, gettid)                                                                                 \
    X(200, tkill)                                                                                  \
    X(201, time)                                                                                   \
    X(202, futex)                                                                                  \
    X(204, sched_getaffinity)                                                                      \
    X(217, getdents64)                                                                             \
    X(218, set_tid_address)                                                                        \
    X(228, clock_gettime)                                                                          \
    X(229, clock_getres)                                                                           \
    X(230, clock_nanosleep)                                                                        \
    X(231, exit_group)                                                                             \
    X(234, tgkill)                                                                                 \
    X(257, openat)                                                                                 \
    X(258, mkdirat)                                                                                \
    X(260, fchownat)                                                                               \
    X(262, newfstatat)                                                                             \
    X(263, unlinkat)                                                                               \
    X(264, renameat)                                                                               \
    X(265, linkat)                                                                                 \
    X(266, symlinkat)                                                                              \
    X(267, readlinkat)                                                                             \
    X(268, fchmodat)                                                                               \
    X(269, faccessat)                                                                              \
    X(271, ppoll)                                                                                  \
    X(273, set_robust_list)                                                                        \
    X(280, utimensat)                                                                              \
    X(292, dup3)                                                                                   \
    X(293, pipe2)                                                                                  \
    X(295, preadv)                                                                                 \
    X(296, pwritev)                                                                                \
    X(302, prlimit64)                                                                              \
    X(316, renameat2)                                                                              \
    X(318, getrandom)                                                                              \
    X(332, statx)                                                                                  \
    X(439, faccessat2)

#define POSIX_NUMBERS 451 /* 0 to 450 come here; unknown ones get -ENOSYS */

#define POSIX_PROTOTYPE(number, name) long linux_##name(struct posix_frame *frame);
POSIX_CALLS(POSIX_PROTOTYPE)
#undef POSIX_PROTOTYPE

/* The assembly entry, and what it calls. */
void posix_entry(void);
long posix_dispatch(struct posix_frame *frame);

/* Take the task's system calls over, and open the descriptors it was started with. */
kern_return_t posix_start(void);

/* Wire what is mapped from now on, with the host's port; MACH_PORT_NULL: no more (memory.c). */
void memory_wire_future(mach_port_t host);

#endif
